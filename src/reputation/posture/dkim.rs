//! DKIM keys: are they there, long enough, in use. Pure.
//!
//! Source: RFC 6376 section 3.6.1 (tags), RFC 8301 (RSA of 1024 bits at least, 2048 advised), RFC 8463 (Ed25519). Yahoo and
//! Gmail ask for 1024 bits or more (senders.yahooinc.com, support.google.com 81126, copies of 2026).

use crate::model::{PostureCheck, PostureState};
use crate::reputation::Answer;
use crate::reputation::posture::finding::{Faults, Finding};
use crate::reputation::posture::tags::{tag, tags};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use x509_cert::der::asn1::{AnyRef, BitStringRef, UintRef};
use x509_cert::der::{Decode as _, Reader as _, SliceReader};

const BITS_NEEDED: usize = 1024;
const BITS_ADVISED: usize = 2048;

/// Where the key of a selector stands.
pub(super) fn key_name(selector: &str, domain: &str) -> String {
    format!("{selector}._domainkey.{domain}")
}

/// Judges what stands at a selector.
pub(super) fn judge(selector: &str, answer: &Answer<Vec<String>>) -> Finding {
    let check = PostureCheck::Dkim;
    let finding = match answer {
        Answer::Unknown(why) => Finding::unknown(check, why),
        Answer::Nothing => {
            Finding::new(check, PostureState::Fail, "mail was signed with it, and there is no key")
        }
        Answer::Found(texts) => {
            let keys: Vec<&String> =
                texts.iter().filter(|text| text.contains("p=") || text.contains("p =")).collect();
            match keys[..] {
                [] => {
                    Finding::new(check, PostureState::Fail, "no text here is a key").value(texts.join(" | "))
                }
                [key] => judge_key(key).value(key.clone()),
                _ => Finding::new(
                    check,
                    PostureState::Fail,
                    "several keys stand here: receivers take one by chance, or none",
                )
                .value(texts.join(" | ")),
            }
        }
    };
    finding.about(selector)
}

fn judge_key(record: &str) -> Finding {
    let (check, tags) = (PostureCheck::Dkim, tags(record));
    let mut faults = Faults::default();
    if tag(&tags, "v").is_some_and(|version| version != "DKIM1") {
        faults.fail("`v` is not DKIM1");
    }
    let key: String = tag(&tags, "p").unwrap_or_default().split_ascii_whitespace().collect();
    if key.is_empty() {
        return Finding::new(check, PostureState::Fail, "the key is revoked (`p` is empty)");
    }
    if tag(&tags, "t").is_some_and(|flags| flags.split(':').any(|flag| flag.trim().eq_ignore_ascii_case("y")))
    {
        faults.warn("`t=y`: a key for tests, which receivers may pass over");
    }
    if tag(&tags, "h")
        .is_some_and(|hashes| !hashes.split(':').any(|hash| hash.trim().eq_ignore_ascii_case("sha256")))
    {
        faults.fail("`h` leaves SHA-256 out (RFC 8301)");
    }
    let Ok(bytes) = BASE64.decode(&key) else {
        faults.fail("`p` is no Base64: often a quote or a cut in the middle");
        return faults.finding(check, "");
    };
    let kind = tag(&tags, "k").unwrap_or("rsa").to_ascii_lowercase();
    let told = match (kind.as_str(), rsa_bits(&bytes)) {
        ("ed25519", _) if bytes.len() == 32 => "Ed25519".to_owned(),
        ("ed25519", _) => {
            faults.fail(format!("an Ed25519 key has 32 bytes, this one {}", bytes.len()));
            String::new()
        }
        ("rsa", None) => {
            faults.fail("`p` is no RSA key");
            String::new()
        }
        ("rsa", Some(bits)) => {
            if bits < BITS_NEEDED {
                faults.fail(format!(
                    "RSA of {bits} bits: receivers want {BITS_NEEDED} at least; take {BITS_ADVISED}"
                ));
            } else if bits < BITS_ADVISED {
                faults.warn(format!("RSA of {bits} bits: {BITS_ADVISED} are advised"));
            }
            format!("RSA of {bits} bits")
        }
        (other, _) => {
            faults.fail(format!("`k={other}` is no kind of key"));
            String::new()
        }
    };
    faults.finding(check, told)
}

/// Bits of an RSA key, in its usual form (`SubjectPublicKeyInfo`) or bare (PKCS #1), which RFC 6376 names.
fn rsa_bits(der: &[u8]) -> Option<usize> {
    let bits = |der: &[u8]| -> Option<usize> {
        let mut reader = SliceReader::new(der).ok()?;
        let modulus = reader
            .sequence(|inner| {
                let modulus = UintRef::decode(inner)?;
                UintRef::decode(inner)?;
                Ok(modulus)
            })
            .ok()?;
        let bytes = modulus.as_bytes();
        let leading = bytes.first()?.leading_zeros() as usize;
        Some(bytes.len() * 8 - leading)
    };
    let wrapped = || -> Option<usize> {
        let mut reader = SliceReader::new(der).ok()?;
        let key = reader
            .sequence(|inner| {
                AnyRef::decode(inner)?;
                BitStringRef::decode(inner)
            })
            .ok()?;
        bits(key.as_bytes()?)
    };
    wrapped().or_else(|| bits(der))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bare RSA key of `bytes` bytes, made of nothing but its shape.
    fn rsa(bytes: usize) -> String {
        let integer = |value: &[u8]| {
            let mut der = vec![2];
            der.extend(length(value.len()));
            der.extend(value);
            der
        };
        let mut modulus = vec![0, 0xff];
        modulus.resize(bytes + 1, 0x55);
        let inner = [integer(&modulus), integer(&[1, 0, 1])].concat();
        BASE64.encode([vec![0x30], length(inner.len()), inner].concat())
    }

    fn length(length: usize) -> Vec<u8> {
        match length {
            0..128 => vec![u8::try_from(length).unwrap()],
            128..256 => vec![0x81, u8::try_from(length).unwrap()],
            _ => [vec![0x82], u16::try_from(length).unwrap().to_be_bytes().to_vec()].concat(),
        }
    }

    #[track_caller]
    fn check(record: &str, state: PostureState, told: &str) {
        let finding = judge("s1", &Answer::Found(vec![record.to_owned()]));
        assert_eq!(finding.state, state, "{finding:?}");
        assert!(finding.told.contains(told), "{finding:?}");
    }

    #[test]
    fn keys_are_judged_by_their_bits() {
        check(&format!("v=DKIM1; k=rsa; p={}", rsa(256)), PostureState::Pass, "2048");
        check(&format!("p={}", rsa(128)), PostureState::Warn, "1024");
        check(&format!("p={}", rsa(64)), PostureState::Fail, "512");
        check(&format!("k=ed25519; p={}", BASE64.encode([7; 32])), PostureState::Pass, "Ed25519");
        check(&format!("k=ed25519; p={}", BASE64.encode([7; 31])), PostureState::Fail, "31");
    }

    #[test]
    fn revoked_test_and_broken_keys_are_told() {
        check("v=DKIM1; p=", PostureState::Fail, "revoked");
        check(&format!("v=DKIM1; t=y; p={}", rsa(256)), PostureState::Warn, "t=y");
        check(&format!("v=DKIM1; h=sha1; p={}", rsa(256)), PostureState::Fail, "SHA-256");
        check("v=DKIM1; p=\"MIIB", PostureState::Fail, "Base64");
        check("v=DKIM1; p=AAAA", PostureState::Fail, "no RSA key");
    }

    #[test]
    fn no_answer_is_no_missing_key() {
        assert_eq!(judge("s1", &Answer::Unknown("SERVFAIL".to_owned())).state, PostureState::Unknown);
        assert_eq!(judge("s1", &Answer::Nothing).state, PostureState::Fail);
    }
}
