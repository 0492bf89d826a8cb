//! Settings of the doors for provider webhooks.
//!
//! ```toml
//! [webhooks.mailgun]
//! keys = [{ file = "/etc/relaylens/mailgun.key" }]
//!
//! [webhooks.ses]
//! topics = ["arn:aws:sns:us-east-1:123456789012:ses-events"]
//!
//! [webhooks.postmark]
//! user = "hook"
//! passwords = [{ env = "POSTMARK_PASSWORD" }]
//! ```
//!
//! Each secret is a list, so that a new one can be added before the old one goes.

use crate::config::SecretFrom;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Providers whose webhooks are taken. One without a section is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    pub ses: Option<SnsWebhook>,
    /// `keys`: the verification key of the signed event webhook, base64. Default tolerance 86 400: `SendGrid` tries for
    /// a day.
    pub sendgrid: Option<SignedWebhook>,
    /// `keys`: the HTTP webhook signing key. Default tolerance 28 800: Mailgun tries for eight hours.
    pub mailgun: Option<SignedWebhook>,
    pub postmark: Option<SecretWebhook>,
    pub sparkpost: Option<SecretWebhook>,
    pub brevo: Option<SecretWebhook>,
    pub mailjet: Option<SecretWebhook>,
    /// `keys`: the signing secret, `whsec_…`. Default tolerance 300: every attempt is signed anew.
    pub resend: Option<SignedWebhook>,
    /// `keys`: the public key of the Postal installation, PEM. Default tolerance 3600: Postal tries for 36 minutes.
    pub postal: Option<SignedWebhook>,
    /// `keys`: the signature key of the webhook. Default tolerance 3600: Stalwart holds events back while it cannot send.
    pub stalwart: Option<SignedWebhook>,
}

/// Amazon SES through SNS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnsWebhook {
    /// The ARNs of the topics that may post: everyone can sign messages of a topic of his own. Their subscriptions are
    /// confirmed by themselves; a message of any other topic is refused. At least one.
    pub topics: Vec<String>,
    /// Folder with the certificates of SNS as PEM files, each under the last part of its `SigningCertURL`. Default none:
    /// they are fetched from `https://sns.<region>.amazonaws.com`. With it nothing is fetched, and subscriptions must be
    /// confirmed by hand.
    pub certificates_dir: Option<PathBuf>,
    /// Seconds that a message may be older than its arrival. Default 21 600: six hours, twice the longest retry policy
    /// that most topics are given.
    pub tolerance_seconds: Option<u32>,
}

/// A provider that signs what it posts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignedWebhook {
    /// Any of these may have made the signature. At least one.
    pub keys: Vec<SecretFrom>,
    /// Seconds by which the signed time may lie before the arrival; after it at most five minutes. The default of each
    /// provider is as long as it tries again with the same signature.
    pub tolerance_seconds: Option<u32>,
}

/// A provider that signs nothing and shows a secret instead. At least one way must be set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecretWebhook {
    /// The user of HTTP basic authentication, with `passwords`.
    pub user: Option<String>,
    pub passwords: Vec<SecretFrom>,
    /// Tokens, shown as `Authorization: Bearer TOKEN`, as the header `token_header`, or as `?token=TOKEN` in the URL.
    pub tokens: Vec<SecretFrom>,
    /// A header that holds the token, such as `x-webhook-token`. Default none.
    pub token_header: Option<String>,
}
