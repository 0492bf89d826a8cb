//! The answers about mail that came back.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

/// Complaints of one provider's users.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct FeedbackLoopRow {
    pub provider: String,
    /// Believed, in the range.
    pub complaints: u64,
    pub unverified: u64,
    /// When the last one came.
    pub last_unix: u32,
    /// Days on which any came, in the last 90 before the range and in it.
    pub days: u64,
}

/// Notices of failure of one server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct ReportingMtaRow {
    pub reporting_mta: String,
    /// Believed, and not known before from the delivery.
    pub bounces: u64,
    pub repeats: u64,
    pub unverified: u64,
    /// Of the believed ones, those with a valid signature of ours.
    pub verified: u64,
    pub hard: u64,
    pub last_unix: u32,
}

/// How genuine the feedback and the reports of one source are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct SourceTrust {
    pub source_kind: String,
    pub source: String,
    /// Events with a valid signature of ours, or of a feedback loop that is known.
    pub verified: u64,
    /// Events about a message that was sent.
    pub matched: u64,
    pub unverified: u64,
    /// Reports by what the check of their mail's signatures said.
    pub reports_pass: u64,
    pub reports_fail: u64,
    pub reports_unknown: u64,
}

/// One kept mail.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct MailRow {
    pub mail_id: String,
    pub received_time_us: i64,
    pub source_kind: String,
    pub source: String,
    pub kind: String,
    pub message_id: String,
    pub from_domain: String,
    pub subject: String,
    /// Of the whole mail; `bytes` may hold less.
    pub size_bytes: u64,
    #[serde(deserialize_with = "super::shapes::bytes")]
    pub bytes: Vec<u8>,
}
