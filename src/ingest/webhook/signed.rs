//! Providers that sign: Mailgun, Resend (Svix) and Stalwart by HMAC, `SendGrid` by ECDSA, Postal by RSA.
//!
//! | | signed | signature |
//! | --- | --- | --- |
//! | Mailgun | `timestamp ∥ token`, not the body | hex HMAC-SHA256, in the body |
//! | Resend | `id.timestamp.body` | base64 HMAC-SHA256 by the decoded secret, a list of `v1,…` |
//! | Stalwart | the body | base64 HMAC-SHA256, `X-Signature` |
//! | `SendGrid` | `timestamp ∥ body` | base64 ECDSA P-256 SHA-256 in DER, `X-Twilio-Email-Event-Webhook-Signature` |
//! | Postal | the body | base64 RSA PKCS #1 v1.5: SHA-256 in `X-Postal-Signature-256`, SHA-1 in `X-Postal-Signature` |
//!
//! Postal and Stalwart do not say when they signed: what counts is the newest event of the body.
//! Source: documentation.mailgun.com (securing webhooks), docs.svix.com/receiving/verifying-payloads/how-manual,
//! www.twilio.com/docs/sendgrid (event webhook security), Postal's `lib/postal/http.rb`, Stalwart's
//! `crates/common/src/telemetry/webhooks`.
//! Not here: when a message is too old (`check`).

use crate::ingest::webhook::refusal::Refusal;
use crate::ingest::webhook::seen::{Mark, mark};
use crate::model::Timestamp;
use crate::parse::webhook::batch;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use sha2::Sha256;
use x509_cert::der::{Decode as _, DecodePem as _};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// The kinds of public keys: RFC 5480 section 2.1.1, RFC 8017 appendix A.1.
const EC: &str = "1.2.840.10045.2.1";
pub(super) const RSA: &str = "1.2.840.113549.1.1.1";

/// A message whose signature holds.
#[derive(Debug)]
pub(super) struct Signed {
    /// When it was signed, or when the newest thing in it happened; none for a message without any.
    pub(super) at: Option<Timestamp>,
    pub(super) mark: Mark,
}

/// The keys of one provider, any of which may have signed.
pub(super) enum Keys {
    Mailgun(Vec<Key>),
    Resend(Vec<Key>),
    Stalwart(Vec<Key>),
    Sendgrid(Vec<PublicKey>),
    Postal(Vec<PublicKey>),
}

/// A key of HMAC-SHA256, at work.
pub(super) type Key = Hmac<Sha256>;

/// A public key as `ring` takes it: a point of the curve, or an RSA key in DER.
pub(super) struct PublicKey(Vec<u8>);

/// A key that none of its provider can be.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("it begins with no `whsec_`, or is no base64 behind it")]
    Svix,
    #[error("it is no public key: give the PEM file, or its base64 in one line")]
    PublicKey,
    #[error("its kind is not {0}, with which this provider signs")]
    Kind(&'static str),
}

/// A key that is used as it is written.
pub(super) fn plain_key(text: &str) -> Key {
    Key::new_from_slice(text.as_bytes()).expect("HMAC takes keys of any length")
}

/// A key of Svix: base64 behind `whsec_`.
pub(super) fn svix_key(text: &str) -> Result<Key, KeyError> {
    let bytes = BASE64.decode(text.strip_prefix("whsec_").ok_or(KeyError::Svix)?);
    let bytes = bytes.map_err(|_| KeyError::Svix)?;
    Ok(Key::new_from_slice(&bytes).expect("HMAC takes keys of any length"))
}

impl PublicKey {
    /// A key of an elliptic curve, as `SendGrid` has.
    pub(super) fn point(text: &str) -> Result<Self, KeyError> {
        Self::read(text, EC, "id-ecPublicKey")
    }

    /// A key of RSA, as Postal has.
    pub(super) fn rsa(text: &str) -> Result<Self, KeyError> {
        Self::read(text, RSA, "rsaEncryption")
    }

    /// Reads a `SubjectPublicKeyInfo`: PEM, or base64 in one line.
    fn read(text: &str, kind: &str, name: &'static str) -> Result<Self, KeyError> {
        let text = text.trim();
        let info = if text.starts_with("-----BEGIN") {
            SubjectPublicKeyInfoOwned::from_pem(text).ok()
        } else {
            BASE64.decode(text).ok().and_then(|der| SubjectPublicKeyInfoOwned::from_der(&der).ok())
        };
        let info = info.ok_or(KeyError::PublicKey)?;
        if info.algorithm.oid.to_string() != kind {
            return Err(KeyError::Kind(name));
        }
        Ok(Self(info.subject_public_key.raw_bytes().to_vec()))
    }

    fn holds(&self, algorithm: &'static dyn VerificationAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(algorithm, &self.0).verify(message, signature).is_ok()
    }
}

impl Keys {
    /// Checks who signed a request.
    pub(super) fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Signed, Refusal> {
        match self {
            Self::Mailgun(keys) => mailgun(keys, body),
            Self::Resend(keys) => resend(keys, headers, body),
            Self::Stalwart(keys) => stalwart(keys, headers, body),
            Self::Sendgrid(keys) => sendgrid(keys, headers, body),
            Self::Postal(keys) => postal(keys, headers, body),
        }
    }
}

fn mailgun(keys: &[Key], body: &[u8]) -> Result<Signed, Refusal> {
    #[derive(Deserialize)]
    struct Body {
        signature: Signature,
    }
    #[derive(Deserialize)]
    struct Signature {
        timestamp: Text,
        token: String,
        #[serde(rename = "signature")]
        hex: String,
    }
    /// Mailgun's own examples have the timestamp with and without quotes.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Text {
        Quoted(String),
        Number(i64),
    }
    let Ok(Body { signature }) = serde_json::from_slice(body) else {
        return Err(Refusal::NoCredentials {
            what: "the object `signature` in the body",
            remedy: "post the webhook as Mailgun makes it, in its current form (not the legacy one)",
        });
    };
    let timestamp = match signature.timestamp {
        Text::Quoted(text) => text,
        Text::Number(number) => number.to_string(),
    };
    let parts = [timestamp.as_bytes(), signature.token.as_bytes()];
    let given = from_hex(&signature.hex).ok_or(Refusal::WrongSignature("mailgun"))?;
    if !any_holds(keys, &parts, &given) {
        return Err(Refusal::WrongSignature("mailgun"));
    }
    Ok(Signed { at: Some(seconds("mailgun", &timestamp)?), mark: mark("mailgun", parts) })
}

fn resend(keys: &[Key], headers: &HeaderMap, body: &[u8]) -> Result<Signed, Refusal> {
    const REMEDY: &str = "post the webhook as Resend makes it, with its headers `svix-…`";
    let id = needed(headers, "svix-id", REMEDY)?;
    let timestamp = needed(headers, "svix-timestamp", REMEDY)?;
    let signatures = needed(headers, "svix-signature", REMEDY)?;
    let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    let mut given = signatures.split(' ').filter_map(|one| BASE64.decode(one.strip_prefix("v1,")?).ok());
    if !given.any(|signature| any_holds(keys, &parts, &signature)) {
        return Err(Refusal::WrongSignature("resend"));
    }
    Ok(Signed { at: Some(seconds("resend", timestamp)?), mark: mark("resend", parts) })
}

fn stalwart(keys: &[Key], headers: &HeaderMap, body: &[u8]) -> Result<Signed, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Event<'e> {
        #[serde(borrow)]
        created_at: std::borrow::Cow<'e, str>,
    }
    let given = needed(headers, "x-signature", "set a signature key at Stalwart's webhook")?;
    let given = BASE64.decode(given).unwrap_or_default();
    if !any_holds(keys, &[body], &given) {
        return Err(Refusal::WrongSignature("stalwart"));
    }
    let times = batch::items(body).filter_map(|(_, event)| {
        let event: Event<'_> = serde_json::from_slice(event).ok()?;
        Timestamp::parse_rfc3339(&event.created_at).ok()
    });
    Ok(Signed { at: times.max(), mark: mark("stalwart", [body]) })
}

fn sendgrid(keys: &[PublicKey], headers: &HeaderMap, body: &[u8]) -> Result<Signed, Refusal> {
    const REMEDY: &str = "switch the signed event webhook on at SendGrid";
    let given = needed(headers, "x-twilio-email-event-webhook-signature", REMEDY)?;
    let timestamp = needed(headers, "x-twilio-email-event-webhook-timestamp", REMEDY)?;
    let message = [timestamp.as_bytes(), body].concat();
    let given = BASE64.decode(given).unwrap_or_default();
    if !keys.iter().any(|key| key.holds(&ECDSA_P256_SHA256_ASN1, &message, &given)) {
        return Err(Refusal::WrongSignature("sendgrid"));
    }
    Ok(Signed { at: Some(seconds("sendgrid", timestamp)?), mark: mark("sendgrid", [message.as_slice()]) })
}

fn postal(keys: &[PublicKey], headers: &HeaderMap, body: &[u8]) -> Result<Signed, Refusal> {
    #[derive(Deserialize)]
    struct Body {
        timestamp: f64,
    }
    // The newer header counts where there is one. Keys of 1024 bits are what older installations of Postal made.
    let (given, algorithm): (_, &'static dyn VerificationAlgorithm) =
        if let Some(given) = headers.get("x-postal-signature-256").map(HeaderValue::as_bytes) {
            (given, &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY)
        } else {
            let given = needed(headers, "x-postal-signature", "post the webhook as Postal makes it")?;
            (given.as_bytes(), &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY)
        };
    let given = BASE64.decode(given).unwrap_or_default();
    if !keys.iter().any(|key| key.holds(algorithm, body, &given)) {
        return Err(Refusal::WrongSignature("postal"));
    }
    let told: Body = serde_json::from_slice(body)
        .map_err(|_| Refusal::Malformed { provider: "postal", what: "`timestamp` of the body" })?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, and such a time is refused as too far off"
    )]
    let at = Timestamp((told.timestamp * 1e6) as i64);
    Ok(Signed { at: Some(at), mark: mark("postal", [body]) })
}

/// Whether any of the keys made this signature; the comparison takes the same time for all wrong ones.
fn any_holds(keys: &[Key], parts: &[&[u8]], signature: &[u8]) -> bool {
    keys.iter().any(|key| {
        let mut code = key.clone();
        for part in parts {
            code.update(part);
        }
        code.verify_slice(signature).is_ok()
    })
}

fn needed<'h>(headers: &'h HeaderMap, name: &'static str, remedy: &'static str) -> Result<&'h str, Refusal> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.ok_or(Refusal::NoCredentials { what: name, remedy })
}

fn seconds(provider: &'static str, text: &str) -> Result<Timestamp, Refusal> {
    let seconds = text.parse().map_err(|_| Refusal::Malformed { provider, what: "the signed time" })?;
    Ok(Timestamp::from_seconds(seconds))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hex_is_read_in_pairs() {
        assert_eq!(from_hex("00fFa1"), Some(vec![0, 0xff, 0xa1]));
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("0g"), None);
    }

    #[test]
    fn a_batch_of_stalwart_is_as_old_as_its_newest_event() {
        let body =
            br#"{"events":[{"createdAt":"2025-01-01T00:00:07Z"},{"createdAt":"2025-01-01T00:00:01Z"},{}]}"#;
        let key = plain_key("k");
        let code = key.clone().chain_update(body).finalize().into_bytes();
        let headers = HeaderMap::from_iter([(
            axum::http::HeaderName::from_static("x-signature"),
            HeaderValue::from_str(&BASE64.encode(code)).unwrap(),
        )]);
        let signed = stalwart(&[key], &headers, body).unwrap();
        assert_eq!(signed.at, Some(Timestamp::from_seconds(1_735_689_607)));
    }

    proptest! {
        #[test]
        fn no_request_makes_a_check_panic(
            value in "[ -~]{0,40}",
            body in prop_oneof![".{0,60}", Just(r#"{"signature":{"timestamp":1,"token":"t","signature":"0x"}}"#.to_owned())],
        ) {
            let names = [
                "svix-id", "svix-timestamp", "svix-signature", "x-signature", "x-postal-signature",
                "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp",
            ];
            let value = HeaderValue::from_str(&value).unwrap();
            let headers = names.map(|name| (axum::http::HeaderName::from_static(name), value.clone()));
            let headers = HeaderMap::from_iter(headers);
            let hmac = || vec![plain_key("k")];
            let public = || vec![PublicKey(vec![4; 65]), PublicKey(Vec::new())];
            for keys in [
                Keys::Mailgun(hmac()),
                Keys::Resend(hmac()),
                Keys::Stalwart(hmac()),
                Keys::Sendgrid(public()),
                Keys::Postal(public()),
            ] {
                prop_assert!(keys.verify(&headers, body.as_bytes()).is_err());
            }
        }
    }
}
