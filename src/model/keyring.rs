//! Secrets by which relaylens knows its own marks again: return paths, references in headers, unsubscribe links.
//!
//! A file has one key a line, `NAME SECRET`, the newest first: it signs, all of them verify. Keys are rotated by putting
//! a new line on top; an old one is deleted when what it signed has expired.
//! Source: HMAC, RFC 2104; truncated tags, RFC 2104 section 5 (at least half the hash, here 80 bits: a tag is tried by
//! mail or HTTP, not offline).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Least length of a secret, in bytes (NIST SP 800-107 section 5.3.4: at least the strength of the tag, with room for
/// secrets of letters).
const SECRET_BYTES_MIN: usize = 16;

/// Keys of one file: years of monthly rotation.
const KEYS_MAX: usize = 100;

/// Bytes of a tag.
pub const TAG_BYTES: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    #[error("the key file has no key: write a line `a SECRET`, such as `a $(openssl rand -hex 32)`")]
    Empty,
    #[error("line {line} of the key file is no key: write `NAME SECRET`, where NAME is one letter or digit")]
    NoKey { line: usize },
    #[error(
        "the secret in line {line} of the key file is short: it needs at least {SECRET_BYTES_MIN} characters"
    )]
    Short { line: usize },
    #[error("key `{name}` stands twice in the key file: a new key needs a new name")]
    Twice { name: char },
    #[error("the key file has more than {KEYS_MAX} keys: delete those whose marks have expired")]
    TooMany,
}

/// Keys, the signing one first. Debug output shows their names alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyring(Vec<(char, Vec<u8>)>);

impl std::fmt::Debug for Keyring {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Keyring {
    /// Reads the text of a key file. Empty lines and lines that begin with `#` are passed over.
    ///
    /// # Errors
    ///
    /// [`KeyringError`], which names the line and never a secret.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let mut keys: Vec<(char, Vec<u8>)> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let (name, secret) = text.split_once(char::is_whitespace).ok_or(KeyringError::NoKey { line })?;
            let mut letters = name.chars();
            let (Some(name), None) = (letters.next(), letters.next()) else {
                return Err(KeyringError::NoKey { line });
            };
            if !name.is_ascii_alphanumeric() {
                return Err(KeyringError::NoKey { line });
            }
            // Return paths come back in lower case from some servers.
            let name = name.to_ascii_lowercase();
            let secret = secret.trim();
            if secret.len() < SECRET_BYTES_MIN {
                return Err(KeyringError::Short { line });
            }
            if keys.iter().any(|(known, _)| *known == name) {
                return Err(KeyringError::Twice { name });
            }
            keys.push((name, secret.as_bytes().to_vec()));
        }
        match keys.len() {
            0 => Err(KeyringError::Empty),
            1..=KEYS_MAX => Ok(Self(keys)),
            _ => Err(KeyringError::TooMany),
        }
    }

    /// Signs the parts with the newest key: its name, and the tag. `purpose` keeps a mark of one kind from being taken
    /// for one of another.
    pub fn sign(&self, purpose: &str, parts: &[&str]) -> (char, [u8; TAG_BYTES]) {
        let (name, secret) = &self.0[0];
        let whole = mac_of(secret, purpose, parts).finalize().into_bytes();
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&whole[..TAG_BYTES]);
        (*name, tag)
    }

    /// Whether the tag is that of the key with this name over the parts, in a time that does not depend on the tag.
    pub fn verify(&self, name: char, purpose: &str, parts: &[&str], tag: &[u8; TAG_BYTES]) -> bool {
        let key = self.0.iter().find(|(known, _)| *known == name);
        key.is_some_and(|(_, secret)| mac_of(secret, purpose, parts).verify_truncated_left(tag).is_ok())
    }
}

/// Each part is preceded by its length, so that `("ab", "c")` and `("a", "bc")` differ.
fn mac_of(secret: &[u8], purpose: &str, parts: &[&str]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a MAC key may have any length");
    for part in std::iter::once(&purpose).chain(parts) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "a 0123456789abcdef0123456789abcdef\n";

    #[test]
    fn an_old_key_still_verifies_and_the_newest_signs() {
        let old = Keyring::parse(OLD).unwrap();
        let new = Keyring::parse(&format!("# rotated\nB fedcba9876543210fedcba9876543210\n\n{OLD}")).unwrap();
        let (name, tag) = old.sign("test", &["x", "y"]);
        assert!(new.verify(name, "test", &["x", "y"], &tag));
        assert_eq!(new.sign("test", &["x"]).0, 'b');
    }

    #[test]
    fn another_purpose_part_or_key_does_not_verify() {
        let keys = Keyring::parse(OLD).unwrap();
        let (name, tag) = keys.sign("test", &["ab", "c"]);
        assert!(!keys.verify(name, "tess", &["ab", "c"], &tag));
        assert!(!keys.verify(name, "test", &["a", "bc"], &tag));
        assert!(!keys.verify('z', "test", &["ab", "c"], &tag));
        assert!(keys.verify(name, "test", &["ab", "c"], &tag));
    }

    #[test]
    fn faults_name_the_line_and_no_secret() {
        for (text, expect) in [
            (
                "\n# none\n",
                "the key file has no key: write a line `a SECRET`, such as `a $(openssl rand -hex 32)`",
            ),
            (
                "a 0123456789abcdef\nsecretword\n",
                "line 2 of the key file is no key: write `NAME SECRET`, where NAME is one letter or digit",
            ),
            ("a short\n", "the secret in line 1 of the key file is short: it needs at least 16 characters"),
            (
                "a 0123456789abcdef\nA 0123456789abcdef\n",
                "key `a` stands twice in the key file: a new key needs a new name",
            ),
        ] {
            assert_eq!(Keyring::parse(text).unwrap_err().to_string(), expect);
        }
        assert_eq!(format!("{:?}", Keyring::parse(OLD).unwrap()), "['a']");
    }
}
