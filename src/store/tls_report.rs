//! The tables `tls_reports` and `tls_failures`, column by column.

use crate::model::{Text, Timestamp, TlsFailure, TlsPolicy};
use crate::store::dmarc::{ReportOrigin, seconds};
use crate::store::native::ColumnSpec;

/// A row of `tls_reports`: one policy of a report.
#[derive(Debug, Clone)]
pub struct TlsPolicyRow {
    pub origin: ReportOrigin,
    pub number: u16,
    pub reporter: Text,
    pub report_id: Text,
    pub contact: Text,
    pub begin: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub policy: TlsPolicy,
    pub warnings: Vec<Text>,
}

/// A row of `tls_failures`.
#[derive(Debug, Clone)]
pub struct TlsFailureRow {
    pub origin: ReportOrigin,
    pub reporter: Text,
    pub begin: Option<Timestamp>,
    pub policy_domain: Text,
    pub policy_type: Text,
    pub failure: TlsFailure,
}

pub(super) const POLICY_COLUMNS: &[ColumnSpec<TlsPolicyRow>] = &[
    ("report_key", "UUID", |c, r| c.uuid(r.origin.report_key)),
    ("policy_number", "UInt16", |c, r| c.u16(r.number)),
    ("received_time", "DateTime64(6, 'UTC')", |c, r| c.i64(r.origin.received.0)),
    ("source_kind", "String", |c, r| c.text(r.origin.source.kind.name())),
    ("source", "String", |c, r| c.text(&r.origin.source.name)),
    ("mail_id", "UUID", |c, r| c.opt_uuid(r.origin.mail_id)),
    ("reporter", "String", |c, r| c.text(&r.reporter)),
    ("report_id", "String", |c, r| c.text(&r.report_id)),
    ("contact", "String", |c, r| c.text(&r.contact)),
    ("begin_time", "DateTime('UTC')", |c, r| c.u32(seconds(r.begin))),
    ("end_time", "DateTime('UTC')", |c, r| c.u32(seconds(r.end))),
    ("policy_domain", "String", |c, r| c.text(&r.policy.domain)),
    ("policy_type", "String", |c, r| c.text(&r.policy.policy_type)),
    ("policy_lines", "Array(String)", |c, r| c.list(r.policy.policy_strings.iter().map(Text::as_str))),
    ("mx_hosts", "Array(String)", |c, r| c.list(r.policy.mx_hosts.iter().map(Text::as_str))),
    ("successful", "UInt64", |c, r| c.u64(r.policy.successful.unwrap_or(0))),
    ("failed", "UInt64", |c, r| c.u64(r.policy.failed.unwrap_or(0))),
    ("warnings", "Array(String)", |c, r| c.list(r.warnings.iter().map(Text::as_str))),
    ("standing", "Int8", |c, r| c.i8(r.origin.standing as i8)),
    ("authenticity", "Int8", |c, r| c.i8(r.origin.authenticity as i8)),
    ("evidence", "String", |c, r| c.text(&r.origin.evidence)),
    ("ingest_node", "String", |c, r| c.text(&r.origin.ingest_node)),
    ("ingest_seq", "UInt64", |c, r| c.u64(r.origin.ingest_seq)),
];

pub(super) const FAILURE_COLUMNS: &[ColumnSpec<TlsFailureRow>] = &[
    ("begin_time", "DateTime('UTC')", |c, r| c.u32(seconds(r.begin))),
    ("policy_domain", "String", |c, r| c.text(&r.policy_domain)),
    ("policy_type", "String", |c, r| c.text(&r.policy_type)),
    ("result_type", "String", |c, r| c.text(&r.failure.result_type)),
    ("sending_ip", "IPv6", |c, r| c.ip(r.failure.sending_mta_ip)),
    ("mx_host", "String", |c, r| c.text(&r.failure.receiving_mx_hostname)),
    ("mx_helo", "String", |c, r| c.text(&r.failure.receiving_mx_helo)),
    ("receiving_ip", "IPv6", |c, r| c.ip(r.failure.receiving_ip)),
    ("sessions", "UInt64", |c, r| c.u64(r.failure.failed_sessions.unwrap_or(0))),
    ("information", "String", |c, r| c.text(&r.failure.additional_information)),
    ("reason_code", "String", |c, r| c.text(&r.failure.failure_reason_code)),
    ("reporter", "String", |c, r| c.text(&r.reporter)),
    ("report_key", "UUID", |c, r| c.uuid(r.origin.report_key)),
    ("standing", "Int8", |c, r| c.i8(r.origin.standing as i8)),
    ("received_time", "DateTime64(6, 'UTC')", |c, r| c.i64(r.origin.received.0)),
    ("ingest_node", "String", |c, r| c.text(&r.origin.ingest_node)),
    ("ingest_seq", "UInt64", |c, r| c.u64(r.origin.ingest_seq)),
];
