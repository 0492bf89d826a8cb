//! Amazon SNS: the envelope in which SES' events come, and who signed it.
//!
//! Way: `check` reads the envelope, asks `certificate` for the certificate that it names, and has the signature checked
//! here.
//! Source: docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html: the fields that are signed, in their
//! order; version 1 is RSA PKCS #1 v1.5 with SHA-1, version 2 with SHA-256. The host is pinned as in Amazon's own
//! validators, the path to the names of certificates: nothing else at that host is one.
//! Not here: what SES says (`parse::webhook::ses`).

use crate::ingest::webhook::certificate::Certificate;
use crate::ingest::webhook::refusal::Refusal;
use crate::ingest::webhook::seen::{Mark, mark};
use crate::model::Timestamp;
use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use serde::Deserialize;

/// Bytes of a foreign URL or topic that a refusal shows.
const SHOWN_BYTES_MAX: usize = 200;

const CERTIFICATE_PATH: &str = "the path /SimpleNotificationService-….pem";
const SUBSCRIBE_QUERY: &str = "Action=ConfirmSubscription in its query";

/// A message of SNS.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Envelope {
    #[serde(rename = "Type")]
    kind: String,
    message_id: String,
    pub(super) topic_arn: String,
    message: String,
    timestamp: String,
    subject: Option<String>,
    token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: String,
}

/// A URL of SNS itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnsUrl(Uri);

impl SnsUrl {
    pub(crate) const fn uri(&self) -> &Uri {
        &self.0
    }
}

impl Envelope {
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let told: serde_json::Value = serde_json::from_slice(body)
            .map_err(|_| Refusal::Malformed { provider: "SNS", what: "the body" })?;
        if told.get("Signature").is_none() {
            return Err(Refusal::NoCredentials {
                what: "the signature of SNS",
                remedy: "switch raw message delivery off at the subscription: it leaves the envelope out",
            });
        }
        serde_json::from_value(told).map_err(|_| Refusal::Malformed { provider: "SNS", what: "the envelope" })
    }

    pub(super) fn at(&self) -> Result<Timestamp, Refusal> {
        Timestamp::parse_rfc3339(&self.timestamp)
            .map_err(|_| Refusal::Malformed { provider: "SNS", what: "`Timestamp`" })
    }

    /// Where the certificate is that signed it.
    pub(super) fn certificate_url(&self) -> Result<SnsUrl, Refusal> {
        pinned(&self.signing_cert_url).filter(is_certificate).ok_or_else(|| Refusal::ForeignUrl {
            what: "SigningCertURL",
            url: shown(&self.signing_cert_url),
            path: CERTIFICATE_PATH,
        })
    }

    /// Where to confirm a subscription, when this is what the message asks for.
    pub(super) fn subscribe_url(&self) -> Result<Option<SnsUrl>, Refusal> {
        if self.kind != "SubscriptionConfirmation" {
            return Ok(None);
        }
        let url = self.subscribe_url.as_deref().unwrap_or_default();
        let confirms = |url: &SnsUrl| {
            let query = url.0.query().unwrap_or_default();
            url.0.path() == "/" && query.split('&').any(|pair| pair == "Action=ConfirmSubscription")
        };
        pinned(url).filter(confirms).map(Some).ok_or_else(|| Refusal::ForeignUrl {
            what: "SubscribeURL",
            url: shown(url),
            path: SUBSCRIBE_QUERY,
        })
    }

    /// Checks the signature. Returns what the message is remembered by.
    pub(super) fn verify(&self, certificate: &Certificate) -> Result<Mark, Refusal> {
        let algorithm: &'static dyn VerificationAlgorithm = match self.signature_version.as_str() {
            "1" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            "2" => &RSA_PKCS1_2048_8192_SHA256,
            _ => return Err(Refusal::Malformed { provider: "SNS", what: "`SignatureVersion`" }),
        };
        let text = self.signed_text()?;
        let signature = BASE64.decode(&self.signature).unwrap_or_default();
        UnparsedPublicKey::new(algorithm, certificate.public_key())
            .verify(text.as_bytes(), &signature)
            .map_err(|_| Refusal::WrongSignature("ses"))?;
        Ok(mark("ses", [text.as_bytes()]))
    }

    /// Names and values of the signed fields, a line each.
    fn signed_text(&self) -> Result<String, Refusal> {
        let message = ("Message", Some(&self.message));
        let id = ("MessageId", Some(&self.message_id));
        let rest = [("TopicArn", Some(&self.topic_arn)), ("Type", Some(&self.kind))];
        let timestamp = ("Timestamp", Some(&self.timestamp));
        let fields: Vec<(&str, Option<&String>)> = match self.kind.as_str() {
            // a message without a subject is signed without one
            "Notification" => {
                let subject = self.subject.iter().map(|subject| ("Subject", Some(subject)));
                [message, id].into_iter().chain(subject).chain([timestamp]).chain(rest).collect()
            }
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
                let url = ("SubscribeURL", self.subscribe_url.as_ref());
                let token = ("Token", self.token.as_ref());
                [message, id, url, timestamp, token].into_iter().chain(rest).collect()
            }
            _ => return Err(Refusal::Malformed { provider: "SNS", what: "`Type`" }),
        };
        let lines = fields.into_iter().map(|(name, value)| Some(format!("{name}\n{}\n", value?)));
        lines.collect::<Option<String>>().ok_or(Refusal::Malformed { provider: "SNS", what: "the envelope" })
    }
}

/// A topic or URL of somebody else, as a refusal may show it.
pub(super) fn shown(text: &str) -> String {
    text[..text.floor_char_boundary(SHOWN_BYTES_MAX)].to_owned()
}

/// A URL whose host is SNS: https, no port, nobody's name before the host.
fn pinned(url: &str) -> Option<SnsUrl> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.authority().filter(|authority| Some(authority.as_str()) == uri.host())?.as_str();
    let region = host.strip_prefix("sns.")?.strip_suffix(".amazonaws.com")?;
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_region = !region.is_empty() && region.bytes().all(letter);
    (uri.scheme_str() == Some("https") && is_region).then_some(SnsUrl(uri))
}

fn is_certificate(url: &SnsUrl) -> bool {
    let name = url.0.path().strip_prefix("/SimpleNotificationService-");
    let stem = name.and_then(|name| name.strip_suffix(".pem"));
    let plain = |stem: &str| stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    url.0.query().is_none() && stem.is_some_and(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_of_sns_are_asked_for() {
        let is_good = |url: &str| pinned(url).is_some_and(|url| is_certificate(&url));
        assert!(is_good("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-f3ecfb72.pem"));
        for url in [
            "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-a.pem",
            "https://evil.example/sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-east-1.amazonaws.com@evil.example/SimpleNotificationService-a.pem",
            "https://u@sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-east-1.amazonaws.com:444/SimpleNotificationService-a.pem",
            "https://sns.evil.example.amazonaws.com/SimpleNotificationService-a.pem",
            "https://bucket.s3.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns..amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem?Action=Publish",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-../a.pem",
            "https://sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com/",
            "sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem",
            "",
        ] {
            assert!(!is_good(url), "{url}");
        }
    }
}
