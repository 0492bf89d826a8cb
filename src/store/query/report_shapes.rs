//! Answers about DMARC and TLS reports: plain rows, named as the pages name them.
//!
//! Only reports that count are summed up (`standing` is `counted`); those kept apart are counted by themselves.

use crate::store::query::ReportFilter;
use crate::store::query::filter::address_text;
use clickhouse::Row;
use serde::{Deserialize, Deserializer, Serialize};

/// What receivers saw of a domain's mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DmarcCounts {
    pub messages: u64,
    /// By DKIM, SPF or both.
    pub aligned: u64,
    pub dkim_aligned: u64,
    pub spf_aligned: u64,
    pub quarantined: u64,
    pub rejected: u64,
}

impl DmarcCounts {
    pub const fn unaligned(&self) -> u64 {
        self.messages.saturating_sub(self.aligned)
    }
}

impl std::ops::AddAssign for DmarcCounts {
    fn add_assign(&mut self, other: Self) {
        self.messages = self.messages.saturating_add(other.messages);
        self.aligned = self.aligned.saturating_add(other.aligned);
        self.dkim_aligned = self.dkim_aligned.saturating_add(other.dkim_aligned);
        self.spf_aligned = self.spf_aligned.saturating_add(other.spf_aligned);
        self.quarantined = self.quarantined.saturating_add(other.quarantined);
        self.rejected = self.rejected.saturating_add(other.rejected);
    }
}

/// Counts as `parts/dmarc_sums.sql` selects them: one column, in the order of the fields.
type DmarcSums = (u64, u64, u64, u64, u64, u64);

impl From<DmarcSums> for DmarcCounts {
    fn from((messages, aligned, dkim_aligned, spf_aligned, quarantined, rejected): DmarcSums) -> Self {
        Self { messages, aligned, dkim_aligned, spf_aligned, quarantined, rejected }
    }
}

fn counts<'de, D: Deserializer<'de>>(row: D) -> Result<DmarcCounts, D::Error> {
    DmarcSums::deserialize(row).map(DmarcCounts::from)
}

/// An address as people write it: IPv4 dotted, none as an empty text.
fn address<'de, D: Deserializer<'de>>(row: D) -> Result<String, D::Error> {
    String::deserialize(row).map(|stored| address_text(&stored))
}

/// A policy domain: what it asks of receivers, as its newest report tells.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DmarcPolicyRow {
    pub policy_domain: String,
    pub p: String,
    pub sp: String,
    pub np: String,
    pub pct: Option<u8>,
    pub adkim: String,
    pub aspf: String,
    pub fo: String,
    /// `y`, `n` or empty.
    pub testing: String,
    /// End of the period of the newest report.
    pub seen_unix: u32,
    pub reports: u64,
    pub reporters: u64,
}

/// The mail of one policy domain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DmarcDomainRow {
    pub policy_domain: String,
    #[serde(deserialize_with = "counts")]
    pub counts: DmarcCounts,
    pub ips: u64,
}

/// The mail of one day.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DmarcDayRow {
    pub at_unix: i64,
    #[serde(deserialize_with = "counts")]
    pub counts: DmarcCounts,
}

/// A sender of mail of one policy domain: the addresses that go by one name, base domain of their host names, or a
/// single address of which no name is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DmarcSourceRow {
    pub policy_domain: String,
    #[serde(deserialize_with = "address")]
    pub source: String,
    pub base_domain: String,
    /// What the rules call it; empty when no rule knows it.
    pub name: String,
    /// The kind of service by the rules, such as `esp` or `forwarder`; empty when no rule knows it.
    pub kind: String,
    pub asn: u32,
    pub asn_name: String,
    pub country: String,
    pub ips: u64,
    /// One of the addresses; empty when the reports say none.
    #[serde(deserialize_with = "address")]
    pub ip: String,
    /// How many of the addresses were looked up, and how many of those have a host name.
    pub looked_up: u64,
    pub hosts: u64,
    #[serde(deserialize_with = "counts")]
    pub counts: DmarcCounts,
    /// Messages for which the receiver made an exception as forwarded or list mail.
    pub forwarded: u64,
    /// Messages whose DKIM is aligned while SPF does not even pass for another domain: what forwarding does.
    pub spf_broken: u64,
    /// Messages that are not aligned but pass DKIM or SPF for another domain.
    pub passed_elsewhere: u64,
}

/// A sender that was not there in the 90 days before the range.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DmarcNewSourceRow {
    pub policy_domain: String,
    #[serde(deserialize_with = "address")]
    pub source: String,
    pub ips: u64,
    #[serde(deserialize_with = "address")]
    pub ip: String,
    pub first_unix: i64,
    pub messages: u64,
    pub aligned: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DmarcReporterRow {
    pub reporter: String,
    pub reports: u64,
    #[serde(deserialize_with = "counts")]
    pub counts: DmarcCounts,
    /// Start of the newest day that it reported on.
    pub last_unix: i64,
}

/// Which records are asked for, in the order of their days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DmarcRecordSearch {
    pub filter: ReportFilter,
    /// Source addresses; empty takes all. A text that is no address takes none.
    pub ips: Vec<String>,
    pub offset: u64,
    pub limit: u32,
}

/// Most records of one answer.
pub const DMARC_RECORDS_MAX: u32 = 20_000;

/// One record with the head of its report.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DmarcRecordRow {
    /// Start of the day.
    pub day_unix: i64,
    pub policy_domain: String,
    #[serde(deserialize_with = "address")]
    pub source_ip: String,
    pub messages: u64,
    pub disposition: String,
    pub is_dkim_aligned: bool,
    pub is_spf_aligned: bool,
    pub header_from: String,
    pub envelope_from: String,
    pub envelope_to: String,
    pub override_types: Vec<String>,
    pub override_comments: Vec<String>,
    pub dkim_domains: Vec<String>,
    pub dkim_selectors: Vec<String>,
    pub dkim_results: Vec<String>,
    pub spf_domain: String,
    pub spf_scope: String,
    pub spf_result: String,
    pub warnings: Vec<String>,
    pub reporter: String,
    pub report_key: String,
    pub standing: String,
    pub org_name: String,
    pub email: String,
    pub report_id: String,
    pub begin_unix: u32,
    pub end_unix: u32,
    pub p: String,
    pub sp: String,
    pub np: String,
    pub pct: Option<u8>,
    pub adkim: String,
    pub aspf: String,
    pub host: String,
    pub base_domain: String,
    pub source_name: String,
    pub source_kind: String,
    pub asn: u32,
    pub asn_name: String,
    pub country: String,
}

impl DmarcRecordRow {
    pub const fn is_aligned(&self) -> bool {
        self.is_dkim_aligned || self.is_spf_aligned
    }
}

/// The head of one report.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DmarcReportHead {
    pub report_key: String,
    pub received_time_us: i64,
    pub source_kind: String,
    pub source: String,
    /// Empty without a mail.
    pub mail_id: String,
    pub reporter: String,
    pub org_name: String,
    pub email: String,
    pub contact: String,
    pub report_id: String,
    pub begin_unix: u32,
    pub end_unix: u32,
    pub policy_domain: String,
    pub p: String,
    pub sp: String,
    pub np: String,
    pub pct: Option<u8>,
    pub adkim: String,
    pub aspf: String,
    pub fo: String,
    pub testing: String,
    pub discovery_method: String,
    pub version: String,
    pub generator: String,
    pub records: u64,
    pub messages: u64,
    pub dkim_aligned: u64,
    pub spf_aligned: u64,
    pub dmarc_aligned: u64,
    pub is_complete: bool,
    pub standing: String,
    pub authenticity: String,
    pub evidence: String,
    pub errors: Vec<String>,
    pub warnings: Vec<String>,
}

/// Reports by whether they count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct StandingRow {
    /// `counted`, `foreign`, `implausible` or `forged`.
    pub standing: String,
    pub reports: u64,
    /// Messages, or sessions of TLS reports.
    pub amount: u64,
}

/// One message that failed authentication at a receiver.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DmarcFailureShown {
    pub failure_id: String,
    pub event_time_us: i64,
    pub mail_id: String,
    pub reporter: String,
    pub policy_domain: String,
    #[serde(deserialize_with = "address")]
    pub source_ip: String,
    pub failure: String,
    pub delivery_result: String,
    pub aligned: Vec<String>,
    pub dkim_domain: String,
    pub dkim_selector: String,
    pub env_from_domain: String,
    pub rcpt_domain: String,
    pub message_id: String,
    pub subject: String,
    pub incidents: u32,
    pub standing: String,
    pub authenticity: String,
    pub warnings: Vec<String>,
}

/// Failure reports of one kind on one domain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DmarcFailureCount {
    pub policy_domain: String,
    pub failure: String,
    pub reports: u64,
    pub incidents: u64,
    pub ips: u64,
    pub reporters: u64,
    pub last_unix: u32,
}

/// The TLS sessions of one policy domain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct TlsDomainRow {
    pub policy_domain: String,
    pub policy_type: String,
    pub successful: u64,
    pub failed: u64,
    pub reports: u64,
    pub reporters: u64,
    /// The policy as the newest report saw it.
    pub policy_lines: Vec<String>,
    pub mx_hosts: Vec<String>,
    pub seen_unix: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct TlsDayRow {
    pub at_unix: i64,
    pub successful: u64,
    pub failed: u64,
}

/// Sessions that failed in one way at one server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct TlsFailureCount {
    pub policy_domain: String,
    pub result_type: String,
    pub mx_host: String,
    pub sessions: u64,
    pub reporters: u64,
    pub sending_ips: u64,
    /// What a reporter says of it, one sample.
    pub information: String,
    pub reason_code: String,
    pub last_unix: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct TlsReporterRow {
    pub reporter: String,
    pub reports: u64,
    pub successful: u64,
    pub failed: u64,
    pub last_unix: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_in_the_order_of_the_sums() {
        let counts = DmarcCounts::from((10, 8, 7, 6, 1, 2));
        assert_eq!((counts.unaligned(), counts.dkim_aligned, counts.rejected), (2, 7, 2));
    }
}
