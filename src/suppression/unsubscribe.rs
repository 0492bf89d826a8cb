//! Links by which a recipient unsubscribes, with one click in the mailbox or on a page.
//!
//! A token says who leaves what, until when, and is signed; whoever holds it can unsubscribe that address from that,
//! and nothing else. It is `BODY.DAYKEY.TAG`: BODY address, tenant, stream and list in base 64, DAY the last day on
//! which it counts (days since 1970), KEY the name of the key, TAG 80 bits of HMAC-SHA-256 over all of them.
//!
//! The link must not act on GET: scanners of mail follow links. One click is a POST with the body of RFC 8058.
//! Source: RFC 8058; RFC 2369 section 3.2; 16 CFR 316.5 (CAN-SPAM: a link must work for 30 days after sending).
//! Way: `cli` and senders make links, `web` reads them, the event becomes an entry by the rule `unsubscribe`.

use crate::model::suppression::{Key, MailType, NAME_BYTES_MAX, Reason, Scope};
use crate::model::{ADDRESS_BYTES_MAX, Keyring, TAG_BYTES, Text, Timestamp, normalize_address};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

/// Days for which a link counts when the settings say nothing else: mail is found and read long after it was sent,
/// and who then wants no more must be able to say so. Above the 30 days that the law asks for.
pub const DAYS_DEFAULT: u16 = 365;
/// Longest token, in bytes: every field at its limit, in base 64.
pub const TOKEN_BYTES_MAX: usize = (ADDRESS_BYTES_MAX + 3 * NAME_BYTES_MAX) * 3 / 2;
/// What stands in the header `List-Unsubscribe-Post`, and in the body of a one-click request.
pub const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

const PURPOSE: &str = "unsubscribe";
const SEPARATOR: char = '\0';

/// Who leaves what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leaving {
    pub address: Text,
    pub tenant: Text,
    pub stream: Text,
    pub list: Text,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error(
        "a link needs an address, at most {ADDRESS_BYTES_MAX} bytes, and names of at most {NAME_BYTES_MAX} bytes, without control characters"
    )]
    BadField,
    #[error("this is no unsubscribe link, or a part of it is missing: copy the whole link")]
    Malformed,
    #[error("this unsubscribe link is not signed by us")]
    Wrong,
    #[error("this unsubscribe link has expired: use the one in a newer message")]
    Expired,
}

impl Leaving {
    /// The token, which counts until the end of the day of `until`.
    ///
    /// # Errors
    ///
    /// [`TokenError::BadField`].
    pub fn token(&self, keys: &Keyring, until: Timestamp) -> Result<String, TokenError> {
        let address = normalize_address(&self.address);
        let names = [&self.tenant, &self.stream, &self.list];
        let has_control = |text: &str| text.contains(char::is_control);
        if self.address.len() > ADDRESS_BYTES_MAX
            || !address.contains('@')
            || has_control(&address)
            || names.iter().any(|name| name.len() > NAME_BYTES_MAX || has_control(name))
        {
            return Err(TokenError::BadField);
        }
        let [tenant, stream, list] = names;
        let body = [&address, tenant, stream, list].map(Text::as_str).join(&SEPARATOR.to_string());
        let day = until.seconds().div_euclid(SECONDS_A_DAY).to_string();
        let (key, tag) = keys.sign(PURPOSE, &[&body, &day]);
        Ok(format!("{}.{day}{key}.{}", BASE64.encode(body), BASE64.encode(tag)))
    }

    /// Reads a token.
    ///
    /// # Errors
    ///
    /// [`TokenError`]; an expired token is told from a wrong one only when it was ours.
    pub fn read(token: &str, keys: &Keyring, now: Timestamp) -> Result<Self, TokenError> {
        let malformed = || TokenError::Malformed;
        if token.len() > TOKEN_BYTES_MAX {
            return Err(malformed());
        }
        let mut parts = token.trim().split('.');
        let (Some(body), Some(stamp), Some(tag), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed());
        };
        let body =
            BASE64.decode(body).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(malformed)?;
        let tag: [u8; TAG_BYTES] =
            BASE64.decode(tag).ok().and_then(|tag| tag.try_into().ok()).ok_or_else(malformed)?;
        let key = stamp.chars().next_back().ok_or_else(malformed)?;
        let day = &stamp[..stamp.len() - key.len_utf8()];
        if !keys.verify(key, PURPOSE, &[&body, day], &tag) {
            return Err(TokenError::Wrong);
        }
        let day: i64 = day.parse().map_err(|_| malformed())?;
        if now.seconds().div_euclid(SECONDS_A_DAY) > day {
            return Err(TokenError::Expired);
        }
        let mut fields = body.split(SEPARATOR).map(Text::from);
        let mut field = || fields.next().ok_or_else(malformed);
        Ok(Self { address: field()?, tenant: field()?, stream: field()?, list: field()? })
    }

    /// The entry that it becomes: the narrowest scope that the link names, and marketing alone, because what a
    /// contract needs is not unsubscribed from.
    pub fn key(&self) -> Key {
        let tenant = self.tenant.clone();
        let scope = match (self.list.is_empty(), self.stream.is_empty()) {
            (false, _) => Scope::List { tenant, list: self.list.clone() },
            (true, false) => Scope::Stream { tenant, stream: self.stream.clone() },
            (true, true) => Scope::Tenant { tenant },
        };
        Key {
            address: self.address.clone(),
            scope,
            mail_type: MailType::Marketing,
            reason: Reason::Unsubscribe,
        }
    }
}

const SECONDS_A_DAY: i64 = 24 * 60 * 60;

/// The link of a token. `base_url` is where the endpoint stands, such as `https://mail.example/unsubscribe`.
pub fn link(base_url: &str, token: &str) -> String {
    format!("{}/{token}", base_url.trim_end_matches('/'))
}

/// The two headers for a message. Both must be covered by its DKIM signature (RFC 8058 section 4). `mailto` is an
/// address whose mail is read, or empty; its subject begins with the word by which such a request is known.
pub fn headers(base_url: &str, token: &str, mailto: &str) -> [(&'static str, String); 2] {
    let url = link(base_url, token);
    let value = if mailto.is_empty() {
        format!("<{url}>")
    } else {
        format!("<{url}>, <mailto:{mailto}?subject=unsubscribe%20{token}>")
    };
    [("List-Unsubscribe", value), ("List-Unsubscribe-Post", ONE_CLICK.into())]
}

/// Whether a POST is a mailbox' one click: the body that RFC 8058 section 3.2 sets, as a form of either kind.
pub fn is_one_click(content_type: &str, body: &[u8]) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/x-www-form-urlencoded" => {
            body.split(|byte| *byte == b'&').any(|pair| pair.trim_ascii() == ONE_CLICK.as_bytes())
        }
        "multipart/form-data" => {
            let has = |text: &[u8]| memchr::memmem::find(body, text).is_some();
            (has(b"name=\"List-Unsubscribe\"") || has(b"name=List-Unsubscribe")) && has(b"One-Click")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = SECONDS_A_DAY;

    fn keys(names: &str) -> Keyring {
        let lines: Vec<_> = names.chars().map(|name| format!("{name} 0123456789abcdef{name}")).collect();
        Keyring::parse(&lines.join("\n")).unwrap()
    }

    fn leaving() -> Leaving {
        Leaving {
            address: "ann@b.example".into(),
            tenant: "acme".into(),
            stream: "news".into(),
            list: "täglich".into(),
        }
    }

    #[test]
    fn a_token_says_who_leaves_what_until_its_day_is_over() {
        let token = leaving().token(&keys("a"), Timestamp::from_seconds(10 * DAY)).unwrap();
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{token}");
        let at = |seconds| Leaving::read(&token, &keys("a"), Timestamp::from_seconds(seconds));
        assert_eq!(at(11 * DAY - 1), Ok(leaving()));
        assert_eq!(at(11 * DAY), Err(TokenError::Expired));
    }

    #[test]
    fn an_old_key_counts_until_it_is_deleted() {
        let now = Timestamp::from_seconds(DAY);
        let token = leaving().token(&keys("a"), now).unwrap();
        assert_eq!(Leaving::read(&token, &keys("ba"), now), Ok(leaving()));
        assert_eq!(Leaving::read(&token, &keys("b"), now), Err(TokenError::Wrong));
    }

    #[test]
    fn a_changed_token_is_refused_whatever_was_changed() {
        let now = Timestamp::from_seconds(DAY);
        let token = leaving().token(&keys("a"), now).unwrap();
        for at in 0..token.len() {
            for with in ['A', '9', '.', 'z'] {
                let mut changed = token.clone();
                changed.replace_range(at..=at, &with.to_string());
                let read = Leaving::read(&changed, &keys("a"), now);
                assert!(changed == token || read.is_err(), "{changed}");
            }
        }
        assert_eq!(Leaving::read("", &keys("a"), now), Err(TokenError::Malformed));
        assert_eq!(Leaving::read(&"a".repeat(100_000), &keys("a"), now), Err(TokenError::Malformed));
    }

    #[test]
    fn fields_that_would_run_together_are_refused() {
        let now = Timestamp::from_seconds(DAY);
        let bad = Leaving { tenant: "a\0b".into(), ..leaving() };
        assert_eq!(bad.token(&keys("a"), now), Err(TokenError::BadField));
        let bad = Leaving { address: "nobody".into(), ..leaving() };
        assert_eq!(bad.token(&keys("a"), now), Err(TokenError::BadField));
    }

    #[test]
    fn the_longest_token_is_within_its_limit() {
        let name = Text::from("n".repeat(NAME_BYTES_MAX));
        let address = format!("{}@b.example", "a".repeat(ADDRESS_BYTES_MAX - 10)).into();
        let longest = Leaving { address, tenant: name.clone(), stream: name.clone(), list: name };
        let now = Timestamp::from_seconds(30_000 * DAY);
        let token = longest.token(&keys("a"), now).unwrap();
        assert!(token.len() <= TOKEN_BYTES_MAX, "{}", token.len());
        assert_eq!(Leaving::read(&token, &keys("a"), now), Ok(longest));
    }

    #[test]
    fn one_click_is_told_from_a_scanner() {
        assert!(is_one_click("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click"));
        let form =
            b"--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--";
        assert!(is_one_click("multipart/form-data; boundary=x", form));
        assert!(!is_one_click("application/x-www-form-urlencoded", b""));
        assert!(!is_one_click("text/plain", b"List-Unsubscribe=One-Click"));
    }

    #[test]
    fn headers_are_those_of_rfc_8058() {
        let [link, post] = headers("https://mail.example/unsubscribe/", "TOKEN", "leave@mail.example");
        assert_eq!(
            link.1,
            "<https://mail.example/unsubscribe/TOKEN>, <mailto:leave@mail.example?subject=unsubscribe%20TOKEN>"
        );
        assert_eq!(post, ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into()));
    }

    #[test]
    fn the_entry_is_as_narrow_as_the_link() {
        let list = Scope::List { tenant: "acme".into(), list: "täglich".into() };
        assert_eq!(leaving().key().scope, list);
        let stream = Leaving { list: Text::default(), ..leaving() };
        assert_eq!(stream.key().scope, Scope::Stream { tenant: "acme".into(), stream: "news".into() });
    }
}
