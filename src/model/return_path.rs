//! Signed return paths and references: how a bounce or complaint proves that it is about our mail.
//!
//! A return path is `b-ID-DAYKEY-TAG@bounce.example`. ID is the sender's own name for the message, DAY the day of
//! signing (base 36, days since 1970), KEY the name of the key, TAG 80 bits of HMAC-SHA-256 in base 32 over ID, DAY and
//! the recipient, or over ID and DAY alone where a message has one return path for all. A bounce goes to that address
//! whatever its text says, so that the proof survives bounces without headers. The reference in a header
//! (`X-Relaylens-Ref`, `CFBL-Feedback-ID`) is the same without `b-` and domain, which complaints echo.
//! Source: the idea is that of BATV (draft-levine-smtp-batv) and signed VERP; local parts have at most 64 octets, RFC 5321
//! section 4.5.3.1.1; CFBL-Feedback-ID, RFC 9477 section 3.2.
//! Not here: whether the message is known (`pipeline::attribute`).

use crate::model::{Keyring, TAG_BYTES, Text, Timestamp};

/// Longest id, in bytes: with the rest of the local part it stays under the 64 octets of RFC 5321.
pub(super) const ID_BYTES_MAX: usize = 36;

/// Days for which a mark counts when the settings say nothing else: a relay retries for 5 days, a mailbox may take a
/// month to be read and a message in it reported.
pub const DAYS_DEFAULT: u16 = 30;

const PREFIX: &str = "b-";
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Characters of a tag in base 32: five bits each.
const TAG_CHARS: usize = TAG_BYTES * 8 / 5;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReturnPathError {
    #[error(
        "`{0}` cannot be the id of a return path: use 1 to {ID_BYTES_MAX} letters, digits, `.` and `_`, in lower case"
    )]
    BadId(String),
}

/// What a mark says, before its tag is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub id: Text,
    /// Days since 1970.
    day: u16,
    key: char,
    tag: [u8; TAG_BYTES],
}

/// What the check of a mark came to, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkCheck {
    /// Ours, for this recipient.
    Recipient,
    /// Ours, for the message; it says nothing of recipients.
    Message,
    Expired,
    /// The tag is wrong: forged, mistyped, or signed by a key that is gone.
    Wrong,
}

impl Mark {
    /// Signs a mark. `recipient` is normalised, or empty for a mark of the message alone.
    ///
    /// # Errors
    ///
    /// [`ReturnPathError::BadId`].
    pub fn sign(keys: &Keyring, id: &str, recipient: &str, now: Timestamp) -> Result<Self, ReturnPathError> {
        if !is_id(id) {
            return Err(ReturnPathError::BadId(id.to_owned()));
        }
        let day = u16::try_from(now.seconds().div_euclid(86_400)).unwrap_or(0);
        let (key, tag) = keys.sign("return-path", &[id, &base36(day), recipient]);
        Ok(Self { id: id.into(), day, key, tag })
    }

    /// Finds the mark in a return path, `b-…@domain`; `None` when it is none of ours by its form. What a relay's VERP put
    /// behind a `+`, as in `b-…+ann=example.net@domain`, is passed over.
    pub fn of_return_path(address: &str) -> Option<Self> {
        let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
        let local = local.split_once('+').map_or(local, |(local, _)| local);
        // Mail servers and forwarders change the case of local parts, though they should not.
        let local = local.to_ascii_lowercase();
        Self::of_reference(local.strip_prefix(PREFIX)?)
    }

    /// Reads a reference, such as the value of `X-Relaylens-Ref`.
    pub fn of_reference(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let mut parts = text.rsplitn(3, '-');
        let (tag, stamp, id) = (parts.next()?, parts.next()?, parts.next()?);
        let key = stamp.chars().next_back()?;
        let day = u16::from_str_radix(&stamp[..stamp.len() - key.len_utf8()], 36).ok()?;
        is_id(id).then_some(Self { id: id.into(), day, key, tag: from_base32(tag)? })
    }

    pub fn return_path(&self, domain: &str) -> Text {
        compact_str::format_compact!("{PREFIX}{}@{domain}", self.reference())
    }

    pub fn reference(&self) -> Text {
        compact_str::format_compact!("{}-{}{}-{}", self.id, base36(self.day), self.key, to_base32(&self.tag))
    }

    /// Checks the tag for a recipient, then for the message alone. `days` is how long a mark counts.
    pub fn check(&self, keys: &Keyring, recipient: &str, now: Timestamp, days: u16) -> MarkCheck {
        let day = base36(self.day);
        let is_tag_of =
            |recipient: &str| keys.verify(self.key, "return-path", &[&self.id, &day, recipient], &self.tag);
        let found = if !recipient.is_empty() && is_tag_of(recipient) {
            MarkCheck::Recipient
        } else if is_tag_of("") {
            MarkCheck::Message
        } else {
            return MarkCheck::Wrong;
        };
        let age_days = now.seconds().div_euclid(86_400) - i64::from(self.day);
        // A day ahead: the signing machine's clock.
        if (-1..=i64::from(days)).contains(&age_days) { found } else { MarkCheck::Expired }
    }
}

fn is_id(id: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte);
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_allowed)
}

fn base36(mut number: u16) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit(u32::from(number % 36), 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// Base 32 of RFC 4648 in lower case; ten bytes need no padding.
fn to_base32(tag: &[u8; TAG_BYTES]) -> String {
    let digits = tag.chunks_exact(5).flat_map(|five| {
        let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        (0..8).rev().map(move |digit| char::from(BASE32[(bits >> (5 * digit) & 31) as usize]))
    });
    digits.collect()
}

fn from_base32(text: &str) -> Option<[u8; TAG_BYTES]> {
    if text.len() != TAG_CHARS {
        return None;
    }
    let mut tag = [0; TAG_BYTES];
    for (five, digits) in tag.chunks_exact_mut(5).zip(text.as_bytes().chunks_exact(8)) {
        let mut bits = 0_u64;
        for digit in digits {
            bits = bits << 5 | BASE32.iter().position(|known| known == digit)? as u64;
        }
        five.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

    fn keys() -> Keyring {
        Keyring::parse("k 0123456789abcdef0123456789abcdef").unwrap()
    }

    fn after_days(days: i64) -> Timestamp {
        Timestamp::from_seconds(NOW.seconds() + days * 86_400)
    }

    #[test]
    fn a_return_path_is_found_again_in_any_case() {
        let mark = Mark::sign(&keys(), "4xyz1c0q2tz9k", "ann@example.net", NOW).unwrap();
        let address = mark.return_path("bounce.example");
        assert!(address.len() < 64 && address.ends_with("@bounce.example"), "{address}");
        let with_verp = address.replace('@', "+ann=example.net@");
        for text in [address.as_str().to_owned(), address.as_str().to_uppercase(), with_verp] {
            assert_eq!(Mark::of_return_path(&text), Some(mark.clone()));
        }
        assert_eq!(Mark::of_reference(&mark.reference()), Some(mark));
    }

    #[test]
    fn only_the_signed_recipient_in_time_verifies() {
        let mark = Mark::sign(&keys(), "one", "ann@example.net", NOW).unwrap();
        assert_eq!(mark.check(&keys(), "ann@example.net", after_days(30), 30), MarkCheck::Recipient);
        assert_eq!(mark.check(&keys(), "ann@example.net", after_days(31), 30), MarkCheck::Expired);
        assert_eq!(mark.check(&keys(), "ann@example.net", after_days(-2), 30), MarkCheck::Expired);
        assert_eq!(mark.check(&keys(), "bob@example.net", NOW, 30), MarkCheck::Wrong);
        assert_eq!(mark.check(&keys(), "", NOW, 30), MarkCheck::Wrong);
        let other = Keyring::parse("k ffffffffffffffffffffffffffffffff").unwrap();
        assert_eq!(mark.check(&other, "ann@example.net", NOW, 30), MarkCheck::Wrong);
    }

    #[test]
    fn a_mark_of_the_message_verifies_for_the_message_alone() {
        let mark = Mark::sign(&keys(), "one", "", NOW).unwrap();
        assert_eq!(mark.check(&keys(), "bob@example.net", NOW, 30), MarkCheck::Message);
        let moved = Mark { id: "two".into(), ..mark };
        assert_eq!(moved.check(&keys(), "bob@example.net", NOW, 30), MarkCheck::Wrong);
    }

    #[test]
    fn the_longest_id_stays_within_a_local_part() {
        let mark = Mark::sign(&keys(), &"x".repeat(ID_BYTES_MAX), "", NOW).unwrap();
        assert!(mark.return_path("").len() - 1 <= 64);
        assert!(Mark::sign(&keys(), &"x".repeat(ID_BYTES_MAX + 1), "", NOW).is_err());
        assert!(Mark::sign(&keys(), "UPPER", "", NOW).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*") {
            let _ = Mark::of_return_path(&text);
            let _ = Mark::of_return_path(&format!("b-a-{text}"));
        }
    }
}
