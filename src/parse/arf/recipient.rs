//! Recipients as reports name them, and how much of them is left.
//!
//! Source: Redaction is RFC 6590; hashes are what feedback loops of Validity send as local parts (32 hexadecimal digits).

use crate::model::{Clarity, ComplaintRecipient, NamedBy, Text, normalize_address};

/// Most recipients kept of a report: a complaint is one person's; a spam trap's report lists some.
const RECIPIENTS_MAX: usize = 500;

/// Hexadecimal digits of MD5, SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512.
const HASH_DIGITS: [usize; 6] = [32, 40, 56, 64, 96, 128];

/// Local parts, or words in them, that stand for one that was blacked out.
const REDACTED_WORDS: [&str; 3] = ["redacted", "undisclosed", "anonymized"];
const REDACTED_LOCALS: [&str; 6] = ["anonymous", "deleted", "hidden", "recipient", "removed", "suppressed"];

/// The recipients that each field names.
#[derive(Debug, Default)]
pub(super) struct Named {
    original_rcpt_to: Vec<Text>,
    removal_recipient: Vec<Text>,
    header: Vec<Text>,
}

impl Named {
    pub(super) fn add(&mut self, named_by: NamedBy, value: &str) {
        let list = match named_by {
            NamedBy::OriginalRcptTo => &mut self.original_rcpt_to,
            NamedBy::RemovalRecipient => &mut self.removal_recipient,
            NamedBy::OriginalRecipientHeader | NamedBy::ReturnedTo => &mut self.header,
        };
        let address = address(value);
        if !address.is_empty() && list.len() < RECIPIENTS_MAX && !list.contains(&address) {
            list.push(address);
        }
    }

    /// The recipients by the field that tells most: the first with a clear one, else the first that names any, and
    /// `To` of the returned message when none does.
    pub(super) fn finish(self, returned_to: &[Text], redacted: &[Text]) -> Vec<ComplaintRecipient> {
        let fields = [
            (NamedBy::OriginalRcptTo, self.original_rcpt_to),
            (NamedBy::RemovalRecipient, self.removal_recipient),
            (NamedBy::OriginalRecipientHeader, self.header),
            (NamedBy::ReturnedTo, returned_to.to_vec()),
        ];
        let mut best: Vec<ComplaintRecipient> = Vec::new();
        for (named_by, addresses) in fields {
            let has_clear = best.iter().any(|recipient| recipient.clarity == Clarity::Clear);
            if has_clear || named_by == NamedBy::ReturnedTo && !best.is_empty() {
                break;
            }
            let named: Vec<_> = addresses
                .into_iter()
                .map(|address| ComplaintRecipient { clarity: clarity(&address, redacted), address, named_by })
                .collect();
            let is_clearer = named.iter().any(|recipient| recipient.clarity == Clarity::Clear);
            if best.is_empty() || is_clearer {
                best = named;
            }
        }
        best
    }
}

/// The address of a field that holds one, in brackets or with its type before it (`rfc822; user@example.com`).
pub(super) fn address(value: &str) -> Text {
    let bare = match value.split_once(';') {
        Some((kind, address)) if !kind.contains(['@', '"']) => address,
        _ => value,
    };
    normalize_address(bare)
}

fn clarity(address: &str, redacted: &[Text]) -> Clarity {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let is_blank = local.bytes().all(|byte| b"*x#-._ ".contains(&byte)) || local.contains("**");
    let is_word = REDACTED_LOCALS.contains(&local) || REDACTED_WORDS.iter().any(|word| local.contains(word));
    // RFC 2606 section 2: no mail ever goes to `.invalid`.
    let is_nowhere = domain.is_empty() || domain.ends_with(".invalid");
    if is_blank || is_word || is_nowhere || redacted.iter().any(|other| other == address) {
        Clarity::Redacted
    } else if HASH_DIGITS.contains(&local.len()) && local.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Clarity::Hashed
    } else {
        Clarity::Clear
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expect: Clarity) {
        assert_eq!(clarity(address, &[]), expect, "address was {address:?}");
    }

    #[test]
    fn what_is_left_of_an_address_is_told() {
        check("bob@example.com", Clarity::Clear);
        check("max@example.com", Clarity::Clear);
        check("deadbeef@example.com", Clarity::Clear);
        check("0123456789abcdef0123456789abcdef@example.com", Clarity::Hashed);
        check("0123456789abcdef0123456789abcdef01234567@example.com", Clarity::Hashed);
        for address in [
            "redacted@",
            "redacted",
            "@example.com",
            "*****@example.com",
            "b***@example.com",
            "xxx@example.com",
        ] {
            check(address, Clarity::Redacted);
        }
        check("redacted-8fa3@example.com", Clarity::Redacted);
        check("bob@host.invalid", Clarity::Redacted);
    }

    #[test]
    fn an_address_that_the_report_calls_redacted_is_no_clear_one() {
        assert_eq!(clarity("b@example.com", &[Text::from("b@example.com")]), Clarity::Redacted);
    }

    #[test]
    fn a_typed_address_loses_its_type() {
        assert_eq!(address("rfc822; <Bob@example.com>"), "bob@example.com");
        assert_eq!(address("\"a;b\"@example.com"), "\"a;b\"@example.com");
    }

    #[test]
    fn the_field_that_tells_most_counts() {
        let mut named = Named::default();
        named.add(NamedBy::OriginalRcptTo, "redacted@example.com");
        named.add(NamedBy::RemovalRecipient, "bob@example.com");
        named.add(NamedBy::RemovalRecipient, "<Bob@example.com>");
        let found = named.finish(&[Text::from("list@example.org")], &[]);
        let found: Vec<_> = found.iter().map(|one| (one.address.as_str(), one.named_by)).collect();
        assert_eq!(found, [("bob@example.com", NamedBy::RemovalRecipient)]);

        let mut named = Named::default();
        named.add(NamedBy::OriginalRcptTo, "redacted@example.com");
        let found = named.finish(&[Text::from("list@example.org")], &[]);
        assert_eq!((found.len(), found[0].clarity), (1, Clarity::Redacted));
        let found = Named::default().finish(&[Text::from("bob@example.org")], &[]);
        assert_eq!((found.len(), found[0].named_by), (1, NamedBy::ReturnedTo));
    }
}
