//! What was read of one input, in the form in which it is printed: the fields of the JSON objects, which the text form
//! shows, too. A text that is empty is left out, and a value that is missing is `null`, where its absence says something.
//!
//! Way: `reading` fills it, `parse` prints it by `serde_json` or by `text`.
//! Not here: the records themselves (`crate::model`), of which this is a choice.

use crate::cli::input::Place;
use crate::model::{SmtpStage, Text};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The kind of an input of which nothing could be read.
pub(super) const REJECTED: &str = "rejected";

/// One line of the output.
#[derive(Debug, Serialize)]
pub(super) struct Reading {
    pub(super) file: String,
    #[serde(flatten)]
    pub(super) place: Option<Place>,
    /// `bounce` for every notice of failure or delay, `unrecognized` for mail that is none of ours, `rejected` for what
    /// could not be read, else as `mail_kind`.
    pub(super) kind: &'static str,
    /// As it is stored; also of what was rejected, when it could be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mail_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) head: Option<Head>,
    #[serde(flatten)]
    pub(super) content: Option<Told>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<Text>,
}

/// What an input tells, by kind.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Told {
    Notice(NoticeTold),
    Complaint(ComplaintTold),
    Reports { reports: Vec<ReportTold> },
}

/// The mail's own header. Empty texts are left out, here and below.
#[derive(Debug, Serialize)]
pub(super) struct Head {
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) from: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) to: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) delivered_to: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) return_path: Text,
    pub(super) is_null_sender: bool,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) subject: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) message_id: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) date: Option<String>,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) auto_submitted: Text,
}

#[derive(Debug, Serialize)]
pub(super) struct NoticeTold {
    /// Which reader read the recipients.
    pub(super) format: &'static str,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) reporting_mta: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) received_from_mta: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arrival: Option<String>,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) envelope_id: Text,
    pub(super) recipients: Vec<RecipientTold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) returned: Option<Returned>,
}

#[derive(Debug, Serialize)]
pub(super) struct RecipientTold {
    pub(super) recipient: Text,
    pub(super) original_recipient: Option<Text>,
    pub(super) action: &'static str,
    pub(super) status: Option<String>,
    pub(super) reply_code: Option<u16>,
    /// This and the next five are `null` for a recipient that was reached.
    pub(super) reason: Option<&'static str>,
    pub(super) group: Option<&'static str>,
    #[serde(rename = "type")]
    pub(super) bounce_type: Option<&'static str>,
    /// Whether the address or its domain is gone.
    pub(super) hard: Option<bool>,
    pub(super) permanent: Option<bool>,
    pub(super) rule: Option<RuleTold>,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) diagnostic: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stage: Option<SmtpStage>,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) remote_mta: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_attempt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) will_retry_until: Option<String>,
}

/// The rule that gave the reason, and where it stands.
#[derive(Debug, Serialize)]
pub(super) struct RuleTold {
    pub(super) name: Text,
    pub(super) file: Text,
    pub(super) line: usize,
}

/// The message that a notice or complaint is about.
#[derive(Debug, Serialize)]
pub(super) struct Returned {
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) message_id: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) from: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) return_path: Text,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) to: Vec<Text>,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) subject: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) date: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) queue_ids: Vec<Text>,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) list_id: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) feedback_id: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) cfbl_feedback_id: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) relaylens_ref: Text,
}

/// A complaint, or a report of a message that failed authentication.
#[derive(Debug, Serialize)]
pub(super) struct ComplaintTold {
    pub(super) format: &'static str,
    pub(super) feedback_type: &'static str,
    /// The report's own word, where it is another.
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) feedback_word: Text,
    pub(super) source_ip: Option<IpAddr>,
    pub(super) recipients: Vec<Text>,
    /// How much the report shows of the recipients.
    pub(super) clarity: Option<&'static str>,
    pub(super) original_mail_from: Option<Text>,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) original_envelope_id: Text,
    pub(super) incidents: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arrival: Option<String>,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) reporting_mta: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) user_agent: Text,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reported_domains: Vec<Text>,
    /// What failed: `dmarc`, `spf`, `bodyhash` and the like; of authentication failures alone.
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) auth_failure: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) delivery_result: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) returned: Option<Returned>,
}

/// A DMARC aggregate report or a TLS report.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ReportTold {
    Dmarc(DmarcTold),
    Tls(TlsTold),
}

#[derive(Debug, Serialize)]
pub(super) struct DmarcTold {
    pub(super) org_name: Text,
    pub(super) report_id: Text,
    pub(super) policy_domain: Text,
    pub(super) begin: Option<String>,
    pub(super) end: Option<String>,
    pub(super) message_count: u64,
    pub(super) record_count: u64,
    pub(super) dkim_aligned: u64,
    pub(super) spf_aligned: u64,
    pub(super) dmarc_aligned: u64,
    /// Messages by disposition; none with 0.
    pub(super) dispositions: BTreeMap<&'static str, u64>,
    /// False when the report was cut off: the sums are of what came before.
    pub(super) is_complete: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<Text>,
}

#[derive(Debug, Serialize)]
pub(super) struct TlsTold {
    pub(super) org_name: Text,
    pub(super) report_id: Text,
    pub(super) begin: Option<String>,
    pub(super) end: Option<String>,
    pub(super) policies: Vec<TlsPolicyTold>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<Text>,
}

#[derive(Debug, Serialize)]
pub(super) struct TlsPolicyTold {
    pub(super) policy_type: Text,
    pub(super) domain: Text,
    /// Sessions.
    pub(super) successful: Option<u64>,
    pub(super) failed: Option<u64>,
}
