//! The list in the shapes that others import.
//!
//! | for | shape | which entries |
//! | --- | --- | --- |
//! | `HubSpot` | CSV with a column `Email`, for "an opt-out list" | those that hold marketing back |
//! | Mailchimp | CSV with a column `Email Address`, to be imported as unsubscribed | those that hold marketing back |
//! | SendGrid | lines of JSON, each a body for `POST /v3/asm/suppressions/global` | those that hold all mail back |
//! | Amazon SES | lines of JSON for `CreateImportJob` | those that hold all mail back |
//!
//! Each is for one account, so entries of single streams and lists are left out: there they would hold back too much.
//! Source: knowledge.hubspot.com "Import an opt-out list" (2024-06); mailchimp.com "Format guidelines for your import
//! file"; twilio.com, SendGrid's "add recipient addresses to the global suppression group" (2026-07);
//! docs.aws.amazon.com, "Using the Amazon SES account-level suppression list" (at most 100,000 lines a job).

use crate::model::suppression::{Entry, MailType, Question, Reason, Scope};
use crate::suppression::feed::csv;
use crate::suppression::index::{MD5_PREFIX, SHA256_PREFIX};
use serde_json::json;

/// Addresses in one of `SendGrid`'s bodies. Its documents name no limit; a thousand stays far below a megabyte.
const BODY_ADDRESSES_MAX: usize = 1_000;
/// Lines that one of Amazon's import jobs takes.
pub const SES_JOB_LINES_MAX: u64 = 100_000;

/// Whose shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Hubspot,
    Mailchimp,
    Sendgrid,
    Ses,
}

impl Shape {
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "hubspot" => Some(Self::Hubspot),
            "mailchimp" => Some(Self::Mailchimp),
            "sendgrid" => Some(Self::Sendgrid),
            "ses" => Some(Self::Ses),
            _ => None,
        }
    }

    const fn mail(self) -> MailType {
        match self {
            Self::Hubspot | Self::Mailchimp => MailType::Marketing,
            Self::Sendgrid | Self::Ses => MailType::All,
        }
    }
}

/// Writes one export. Entries come by address, so that each stands there once.
#[derive(Debug)]
pub struct Exporter {
    shape: Shape,
    /// The account's tenant, as a question.
    account: Question,
    last: String,
    waiting: Vec<String>,
}

impl Exporter {
    /// Begins an export for the account of `tenant`.
    pub fn new(shape: Shape, tenant: &str, out: &mut Vec<u8>) -> Self {
        match shape {
            Shape::Hubspot => csv::write_row(out, ["Email"]),
            Shape::Mailchimp => csv::write_row(out, ["Email Address"]),
            Shape::Sendgrid | Shape::Ses => {}
        }
        let account = Question { tenant: tenant.into(), ..Question::default() };
        Self { shape, account, last: String::new(), waiting: Vec::new() }
    }

    /// Writes the entry, if the account needs it; whether it was.
    pub fn push(&mut self, entry: &Entry, out: &mut Vec<u8>) -> bool {
        let address = entry.key.address.as_str();
        if !self.takes(entry) || address == self.last {
            return false;
        }
        address.clone_into(&mut self.last);
        match self.shape {
            Shape::Hubspot | Shape::Mailchimp => csv::write_row(out, [address]),
            Shape::Sendgrid => {
                self.waiting.push(address.into());
                if self.waiting.len() >= BODY_ADDRESSES_MAX {
                    self.write_body(out);
                }
            }
            Shape::Ses => {
                // Amazon knows two reasons. Who does not want mail is nearer to a complaint than to a bounce.
                let is_bounce = matches!(entry.key.reason, Reason::Bounce(_) | Reason::Import);
                let reason = if is_bounce { "BOUNCE" } else { "COMPLAINT" };
                write_line(out, &json!({"emailAddress": address, "reason": reason}));
            }
        }
        true
    }

    /// Writes what waits.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if !self.waiting.is_empty() {
            self.write_body(out);
        }
    }

    fn takes(&self, entry: &Entry) -> bool {
        let key = &entry.key;
        let is_wide =
            matches!(key.scope, Scope::Global | Scope::Tenant { .. }) && key.scope.covers(&self.account);
        let is_hashed = key.address.starts_with(SHA256_PREFIX) || key.address.starts_with(MD5_PREFIX);
        is_wide && !is_hashed && (key.mail_type == MailType::All || key.mail_type == self.shape.mail())
    }

    fn write_body(&mut self, out: &mut Vec<u8>) {
        write_line(out, &json!({"recipient_emails": std::mem::take(&mut self.waiting)}));
    }
}

fn write_line(out: &mut Vec<u8>, value: &serde_json::Value) {
    // Writing text into memory cannot fail.
    let _ = serde_json::to_writer(&mut *out, value);
    out.push(b'\n');
}
