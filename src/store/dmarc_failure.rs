//! The `dmarc_failures` table, column by column.

use crate::model::{Complaint, Text, Timestamp, domain_of};
use crate::store::dmarc::ReportOrigin;
use crate::store::native::ColumnSpec;

/// A row of `dmarc_failures`. The key of its origin is the id of the failure.
#[derive(Debug, Clone)]
pub struct DmarcFailureRow {
    pub origin: ReportOrigin,
    pub event_time: Timestamp,
    /// Domain of whoever sent the report.
    pub reporter: Text,
    pub report: Complaint,
    pub warnings: Vec<Text>,
}

impl DmarcFailureRow {
    /// The domain whose policy failed: that of `From`.
    pub fn policy_domain(&self) -> Text {
        let reported = self.report.reported_domains.first().cloned();
        reported.unwrap_or_else(|| domain_of(&self.report.returned.from).into())
    }
}

pub(super) const COLUMNS: &[ColumnSpec<DmarcFailureRow>] = &[
    ("failure_id", "UUID", |c, r| c.uuid(r.origin.report_key)),
    ("event_time", "DateTime64(6, 'UTC')", |c, r| c.i64(r.event_time.0)),
    ("received_time", "DateTime64(6, 'UTC')", |c, r| c.i64(r.origin.received.0)),
    ("source_kind", "String", |c, r| c.text(r.origin.source.kind.name())),
    ("source", "String", |c, r| c.text(&r.origin.source.name)),
    ("mail_id", "UUID", |c, r| c.opt_uuid(r.origin.mail_id)),
    ("reporter", "String", |c, r| c.text(&r.reporter)),
    ("user_agent", "String", |c, r| c.text(&r.report.user_agent)),
    ("policy_domain", "String", |c, r| c.text(&r.policy_domain())),
    ("source_ip", "IPv6", |c, r| c.ip(r.report.source_ip)),
    ("failure", "String", |c, r| c.text(&r.report.failure.kind)),
    ("delivery_result", "String", |c, r| c.text(&r.report.failure.delivery_result)),
    ("aligned", "Array(String)", |c, r| {
        c.list(r.report.failure.aligned.iter().flatten().map(Text::as_str));
    }),
    ("dkim_domain", "String", |c, r| c.text(&r.report.failure.dkim_domain)),
    ("dkim_selector", "String", |c, r| c.text(&r.report.failure.dkim_selector)),
    ("env_from_domain", "String", |c, r| c.text(domain_of(&r.report.original_mail_from))),
    ("rcpt_domain", "String", |c, r| {
        c.text(r.report.recipients.first().map_or("", |recipient| domain_of(&recipient.address)));
    }),
    ("message_id", "String", |c, r| c.text(&r.report.returned.message_id)),
    ("subject", "String", |c, r| c.text(&r.report.returned.subject)),
    ("incidents", "UInt32", |c, r| c.u32(r.report.incidents)),
    ("standing", "Int8", |c, r| c.i8(r.origin.standing as i8)),
    ("authenticity", "Int8", |c, r| c.i8(r.origin.authenticity as i8)),
    ("evidence", "String", |c, r| c.text(&r.origin.evidence)),
    ("warnings", "Array(String)", |c, r| c.list(r.warnings.iter().map(Text::as_str))),
    ("ingest_node", "String", |c, r| c.text(&r.origin.ingest_node)),
    ("ingest_seq", "UInt64", |c, r| c.u64(r.origin.ingest_seq)),
];
