//! The fields of a feedback report, read into a complaint.
//!
//! Way: `arf` finds the text, this reads it.
//! Source: RFC 5965 section 3, RFC 6591 section 3, RFC 9991 section 4, IANA's registry of MARF parameters; from before it
//! had one, `Received-Date`, `Redacted-Address` and `Removal-Recipient`; `CFBL-Feedback-ID` is RFC 9477 section 3.
//!
//! Fields may come in any order and case, and more than once where their sense allows it; of others the first counts.

use crate::model::{
    AuthFailure, Complaint, ComplaintFormat, FeedbackType, NamedBy, Parsed, ReturnedMessage, Text, Timestamp,
    Warning,
};
use crate::parse::arf::recipient::{Named, address};
use crate::parse::dmarc::oddity::{warn, warn_value};
use crate::parse::dmarc::value::{self, Value};
use crate::parse::dsn::fields;
use crate::parse::dsn::returned::read_date;
use crate::parse::ndjson::value::host;
use crate::parse::text::cut;
use std::net::IpAddr;

/// Longest value kept of a field, in bytes: an `Authentication-Results` of a large provider, or a DNS record.
const VALUE_BYTES_MAX: usize = 4096;

/// Most values kept of a field that may come more than once.
const VALUES_MAX: usize = 64;

/// Words that say `not-spam` in other letters. Reading one as a complaint would suppress somebody who likes the mail.
const NOT_SPAM: [&str; 4] = ["notspam", "not-junk", "notjunk", "ham"];

/// How much of a text is looked at, in bytes: the fields that tell a report stand in front.
pub(super) const LOOK_BYTES_MAX: usize = 4096;

/// Whether the field that all reports have may be named in the bytes. Most parts are none, and this is told fast.
pub(super) fn may_be_report(bytes: &[u8]) -> bool {
    const WORD: &[u8] = b"feedback";
    memchr::memchr_iter(b'-', bytes)
        .any(|at| at.checked_sub(WORD.len()).is_some_and(|begin| bytes[begin..at].eq_ignore_ascii_case(WORD)))
}

/// Whether the text is that of a report: it begins with fields, and has one of the first and another that all must have.
pub(super) fn is_report(text: &str) -> bool {
    let fields = fields::read(cut(text, LOOK_BYTES_MAX));
    let has =
        |name: &str| fields.iter().any(|field| field.name.eq_ignore_ascii_case(name) && field.group == 0);
    has("Feedback-Type") && (has("User-Agent") || has("Version") || has("Source-IP"))
}

/// A complaint while its report is read.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) complaint: Complaint,
    pub(super) warnings: Vec<Warning>,
    /// Whether no field was known.
    pub(super) is_empty: bool,
    named: Named,
    message_id: Text,
    cfbl_feedback_id: Text,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            complaint: Complaint { incidents: 1, ..Complaint::default() },
            warnings: Vec::new(),
            is_empty: true,
            named: Named::default(),
            message_id: Text::default(),
            cfbl_feedback_id: Text::default(),
        }
    }
}

impl Draft {
    /// Reads the fields of a report.
    pub(super) fn read(text: &str) -> Self {
        let mut draft = Self::default();
        for field in fields::read(text) {
            let name = field.name.to_ascii_lowercase();
            let is_known = draft.field(&name, cut(field.value.trim(), VALUE_BYTES_MAX));
            draft.is_empty &= !is_known;
        }
        draft.decide_type();
        draft
    }

    /// The complaint, with the message that it is about.
    pub(super) fn finish(
        self,
        format: ComplaintFormat,
        mut returned: ReturnedMessage,
        recipient_header: Option<&str>,
    ) -> Parsed<Complaint> {
        let Self { mut complaint, warnings, mut named, message_id, cfbl_feedback_id, .. } = self;
        if let Some(value) = recipient_header {
            named.add(NamedBy::OriginalRecipientHeader, value);
        }
        for (slot, value) in
            [(&mut returned.message_id, message_id), (&mut returned.cfbl_feedback_id, cfbl_feedback_id)]
        {
            if slot.is_empty() {
                *slot = value;
            }
        }
        complaint.format = format;
        complaint.recipients = named.finish(&returned.to, &complaint.redacted_addresses);
        complaint.returned = returned;
        Parsed { record: complaint, warnings }
    }

    /// Takes a field; `false` when its name is not known.
    fn field(&mut self, name: &str, value: &str) -> bool {
        let Self { complaint, warnings, named, .. } = self;
        match name {
            "feedback-type" => set(warnings, name, &mut complaint.feedback_word, word(value)),
            "user-agent" => set(warnings, name, &mut complaint.user_agent, value.into()),
            "version" => set(warnings, name, &mut complaint.version, value.into()),
            "incidents" => complaint.incidents = incidents(warnings, value),
            "original-mail-from" => set(warnings, name, &mut complaint.original_mail_from, address(value)),
            "original-envelope-id" => set(warnings, name, &mut complaint.original_envelope_id, bare(value)),
            "original-rcpt-to" => named.add(NamedBy::OriginalRcptTo, value),
            "removal-recipient" => named.add(NamedBy::RemovalRecipient, value),
            "redacted-address" => push(&mut complaint.redacted_addresses, address(value)),
            "source-ip" => complaint.source_ip = complaint.source_ip.or_else(|| ip(warnings, name, value)),
            "source-port" => complaint.source_port = port(warnings, value),
            "arrival-date" | "received-date" => {
                complaint.arrival = complaint.arrival.or_else(|| date(warnings, name, value));
            }
            "reporting-mta" => set(warnings, name, &mut complaint.reporting_mta, untyped(value)),
            "reported-domain" => push(&mut complaint.reported_domains, host(&untyped(value))),
            "reported-uri" => push(&mut complaint.reported_uris, bare(value)),
            "authentication-results" => push(&mut complaint.authentication_results, value.into()),
            "message-id" => set(warnings, name, &mut self.message_id, bare(value)),
            "cfbl-feedback-id" => set(warnings, name, &mut self.cfbl_feedback_id, bare(value)),
            _ => return failure_field(&mut complaint.failure, warnings, name, value),
        }
        true
    }

    /// What the report is, by its own word or, when that is missing or unknown, by its other fields.
    fn decide_type(&mut self) {
        let Self { complaint, warnings, .. } = self;
        let spelled = complaint.feedback_word.replace('_', "-");
        let is_failure = complaint.failure != AuthFailure::default();
        complaint.feedback_type = match FeedbackType::from_name(&spelled) {
            Some(kind) => kind,
            None if NOT_SPAM.contains(&spelled.as_str()) => FeedbackType::NotSpam,
            None if is_failure => FeedbackType::AuthFailure,
            None => FeedbackType::Other,
        };
        if spelled.is_empty() {
            let read_as = complaint.feedback_type.name();
            warn(warnings, format!("`feedback-type` is missing: read as `{read_as}`"));
        } else if complaint.feedback_type == FeedbackType::Other && spelled != FeedbackType::Other.name() {
            warn_value(
                warnings,
                "feedback-type",
                &complaint.feedback_word,
                "is not registered: read as `other`",
            );
        }
    }
}

/// The fields that RFC 6591 and RFC 9991 add.
fn failure_field(failure: &mut AuthFailure, warnings: &mut Vec<Warning>, name: &str, value: &str) -> bool {
    match name {
        "auth-failure" => set(warnings, name, &mut failure.kind, word(value)),
        "delivery-result" => set(warnings, name, &mut failure.delivery_result, word(value)),
        "identity-alignment" => failure.aligned = Some(aligned(value)),
        "dkim-domain" => set(warnings, name, &mut failure.dkim_domain, lower(value)),
        "dkim-identity" => set(warnings, name, &mut failure.dkim_identity, value.into()),
        "dkim-selector" => set(warnings, name, &mut failure.dkim_selector, value.into()),
        "dkim-selector-dns" => set(warnings, name, &mut failure.dkim_dns, value.into()),
        "dkim-adsp-dns" => set(warnings, name, &mut failure.adsp_dns, value.into()),
        "spf-dns" => push(&mut failure.spf_dns, value.into()),
        // The message itself, once more and in base64: `returned` has what is wanted of it.
        "dkim-canonicalized-header" | "dkim-canonicalized-body" => {}
        _ => return false,
    }
    true
}

/// Keeps the first value of a field that should come once.
fn set(warnings: &mut Vec<Warning>, name: &str, slot: &mut Text, value: Text) {
    if slot.is_empty() {
        *slot = value;
    } else if *slot != value {
        warn(warnings, format!("`{name}` is there more than once: the first one counts"));
    }
}

fn push(list: &mut Vec<Text>, value: Text) {
    if !value.is_empty() && list.len() < VALUES_MAX && !list.contains(&value) {
        list.push(value);
    }
}

/// The key word of a value, in lower case: without comments and what comes behind it.
fn word(value: &str) -> Text {
    lower(value.split([';', ',', '(', ' ', '\t']).next().unwrap_or_default())
}

fn lower(value: &str) -> Text {
    Text::from(value.trim()).to_ascii_lowercase()
}

/// Without angle brackets around it.
fn bare(value: &str) -> Text {
    value.trim().trim_start_matches('<').trim_end_matches('>').into()
}

/// The name behind its type: `dns; mail.example.com`.
fn untyped(value: &str) -> Text {
    value.split_once(';').map_or(value, |(_, name)| name).trim().into()
}

fn incidents(warnings: &mut Vec<Warning>, value: &str) -> u32 {
    if let Ok(count @ 1..) = value.parse() {
        return count;
    }
    warn_value(warnings, "incidents", value, "is no number above 0: read as 1");
    1
}

pub(super) fn ip(warnings: &mut Vec<Warning>, name: &str, value: &str) -> Option<IpAddr> {
    match value::address(value) {
        Value::Plain(ip) => Some(ip),
        Value::Odd(ip, what) => {
            warn_value(warnings, name, value, what);
            Some(ip)
        }
        Value::Bad(what) => {
            warn_value(warnings, name, value, what);
            None
        }
    }
}

fn port(warnings: &mut Vec<Warning>, value: &str) -> Option<u16> {
    let port = value.parse().ok();
    if port.is_none() {
        warn_value(warnings, "source-port", value, "is no port");
    }
    port
}

pub(super) fn date(warnings: &mut Vec<Warning>, name: &str, value: &str) -> Option<Timestamp> {
    let at = read_date(value).or_else(|| Timestamp::parse_rfc3339(value).ok());
    if at.is_none() {
        warn_value(warnings, name, value, "is no time");
    }
    at
}

/// `dkim, spf (relaxed)`: the identifiers that aligned. RFC 9991 section 4 has `none` for no one.
fn aligned(value: &str) -> Vec<Text> {
    let mut depth = 0_u32;
    let bare: String = value
        .chars()
        .filter(|c| {
            match c {
                '(' => depth += 1,
                ')' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect();
    let words = bare.split(',').map(lower).filter(|word| !word.is_empty() && word != "none");
    words.take(VALUES_MAX).collect()
}
