//! Where an item came from.

use crate::model::Text;
use serde::{Deserialize, Serialize};

/// The format in which a source speaks, which picks the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// relaylens' own event form, one JSON object a line.
    #[default]
    Ndjson,
    /// KumoMTA log records, one JSON object a line.
    Kumomta,
    /// Lines of a Postfix mail log.
    Postfix,
    /// Lines of an accounting file of `PowerMTA`.
    Powermta,
    /// Lines of Exim's main log.
    Exim,
    /// Lines of Haraka's log.
    Haraka,
    /// Lines of `ZoneMTA`'s log.
    Zonemta,
    /// Mail that came back or was reported: RFC 5322, one message an entry.
    Mail,
    /// DMARC aggregate and TLS reports without a mail around them, packed or not, one file an entry.
    Report,
    /// Amazon SES, through SNS, `EventBridge` or Firehose.
    Ses,
    /// SendGrid's Event Webhook.
    Sendgrid,
    /// Mailgun's webhooks.
    Mailgun,
    /// Postmark's webhooks.
    Postmark,
    /// SparkPost's webhooks.
    Sparkpost,
    /// Brevo's transactional webhooks.
    Brevo,
    /// Mailjet's Event API.
    Mailjet,
    /// Resend's webhooks.
    Resend,
    /// Postal's webhooks.
    Postal,
    /// Stalwart's telemetry webhook.
    Stalwart,
    /// `HubSpot`'s e-mail events: pages of its API, or an export as CSV.
    Hubspot,
}

/// What an item of a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Each line that is not empty.
    Lines,
    /// The payload as a whole.
    Whole,
    /// Each event of a JSON body, see `parse::webhook::batch`.
    Events,
}

impl SourceKind {
    pub const ALL: [Self; 20] = [
        Self::Ndjson,
        Self::Kumomta,
        Self::Postfix,
        Self::Powermta,
        Self::Exim,
        Self::Haraka,
        Self::Zonemta,
        Self::Mail,
        Self::Report,
        Self::Ses,
        Self::Sendgrid,
        Self::Mailgun,
        Self::Postmark,
        Self::Sparkpost,
        Self::Brevo,
        Self::Mailjet,
        Self::Resend,
        Self::Postal,
        Self::Stalwart,
        Self::Hubspot,
    ];

    pub const fn framing(self) -> Framing {
        match self {
            Self::Ndjson
            | Self::Kumomta
            | Self::Postfix
            | Self::Powermta
            | Self::Exim
            | Self::Haraka
            | Self::Zonemta => Framing::Lines,
            Self::Mail | Self::Report => Framing::Whole,
            Self::Ses
            | Self::Sendgrid
            | Self::Mailgun
            | Self::Postmark
            | Self::Sparkpost
            | Self::Brevo
            | Self::Mailjet
            | Self::Resend
            | Self::Postal
            | Self::Stalwart
            | Self::Hubspot => Framing::Events,
        }
    }

    /// The name in settings, URLs and the `source_kind` column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Kumomta => "kumomta",
            Self::Postfix => "postfix",
            Self::Powermta => "powermta",
            Self::Exim => "exim",
            Self::Haraka => "haraka",
            Self::Zonemta => "zonemta",
            Self::Mail => "mail",
            Self::Report => "report",
            Self::Ses => "ses",
            Self::Sendgrid => "sendgrid",
            Self::Mailgun => "mailgun",
            Self::Postmark => "postmark",
            Self::Sparkpost => "sparkpost",
            Self::Brevo => "brevo",
            Self::Mailjet => "mailjet",
            Self::Resend => "resend",
            Self::Postal => "postal",
            Self::Stalwart => "stalwart",
            Self::Hubspot => "hubspot",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl std::fmt::Display for SourceKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

/// One configured source: the ledger, the readers' state and the health page are kept for each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceRef {
    pub kind: SourceKind,
    /// The user's name for it, such as `mx1` or `http`; unique within a kind.
    pub name: Text,
}

impl std::fmt::Display for SourceRef {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.kind, self.name)
    }
}

/// How far into a file a source has been read. A log is known by its content (see `ingest::files`), because rotation
/// renames it; a folder of a mailbox by its name and UIDVALIDITY.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePosition {
    pub file: Text,
    /// Where the next item begins: bytes before any compression, or its number where whole mails are counted.
    pub offset: u64,
}
