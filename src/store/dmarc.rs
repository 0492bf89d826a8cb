//! The tables `dmarc_reports` and `dmarc_records`, column by column.

use crate::model::{DmarcRecord, DmarcReport, SourceRef, Text, Timestamp};
use crate::store::native::{Block, Column, ColumnSpec, Encoded, Mark};
use std::sync::Arc;

/// Whether the records of a report count. The numbers are those of the `Enum8` column and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(i8)]
pub enum Standing {
    #[default]
    Counted = 0,
    /// About a domain that is not ours.
    Foreign = 1,
    /// With numbers or times that cannot be.
    Implausible = 2,
    /// From a mail that failed authentication.
    Forged = 3,
}

/// Whether the mail that brought a report is from whom it says. The numbers are those of the `Enum8` column and never
/// change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(i8)]
pub enum Authenticity {
    /// Not checked, or nothing to check.
    #[default]
    Unknown = 0,
    Pass = 1,
    Fail = 2,
}

/// What all rows of a report share.
#[derive(Debug, Clone)]
pub struct ReportOrigin {
    pub report_key: u128,
    pub received: Timestamp,
    pub source: SourceRef,
    /// 0 without a mail.
    pub mail_id: u128,
    pub standing: Standing,
    pub authenticity: Authenticity,
    pub evidence: Text,
    pub ingest_node: Text,
    pub ingest_seq: u64,
}

/// A row of `dmarc_reports`.
#[derive(Debug, Clone)]
pub struct DmarcReportRow {
    pub origin: ReportOrigin,
    pub report: DmarcReport,
    pub warnings: Vec<Text>,
}

/// A row of `dmarc_records`: the part of a record that falls on one day.
#[derive(Debug, Clone)]
pub struct DmarcRecordRow {
    pub head: Arc<DmarcRecordHead>,
    /// Days since 1970.
    pub day: u16,
    pub messages: u64,
    pub record: Arc<DmarcRecord>,
}

/// What the records of a report share.
#[derive(Debug, Clone)]
pub struct DmarcRecordHead {
    pub origin: ReportOrigin,
    pub policy_domain: Text,
    pub reporter: Text,
}

/// Records of one batch, encoded as they come.
pub struct DmarcBlock(Block<DmarcRecordRow>);

impl Default for DmarcBlock {
    fn default() -> Self {
        Self(Block::new(RECORD_COLUMNS))
    }
}

impl DmarcBlock {
    pub fn push(&mut self, row: &DmarcRecordRow) {
        self.0.push(row);
    }

    pub const fn rows(&self) -> usize {
        self.0.rows()
    }

    /// Bytes held, for the batch limit.
    pub fn size_bytes(&self) -> usize {
        self.0.size_bytes()
    }

    /// Where the block ends now.
    pub fn mark(&self) -> Mark {
        self.0.mark()
    }

    /// Drops all rows pushed since the mark: the report that they are of turned out to be known.
    pub fn rewind(&mut self, mark: &Mark) {
        self.0.rewind(mark);
    }

    pub(super) fn finish(self) -> Encoded {
        self.0.finish()
    }
}

pub(super) const REPORT_COLUMNS: &[ColumnSpec<DmarcReportRow>] = &[
    ("report_key", "UUID", |c, r| c.uuid(r.origin.report_key)),
    ("received_time", "DateTime64(6, 'UTC')", |c, r| c.i64(r.origin.received.0)),
    ("source_kind", "String", |c, r| c.text(r.origin.source.kind.name())),
    ("source", "String", |c, r| c.text(&r.origin.source.name)),
    ("mail_id", "UUID", |c, r| c.opt_uuid(r.origin.mail_id)),
    ("reporter", "String", |c, r| c.text(&r.report.reporter)),
    ("org_name", "String", |c, r| c.text(&r.report.org_name)),
    ("email", "String", |c, r| c.text(&r.report.email)),
    ("contact", "String", |c, r| c.text(&r.report.extra_contact_info)),
    ("report_id", "String", |c, r| c.text(&r.report.report_id)),
    ("begin_time", "DateTime('UTC')", |c, r| c.u32(seconds(r.report.begin))),
    ("end_time", "DateTime('UTC')", |c, r| c.u32(seconds(r.report.end))),
    ("policy_domain", "String", |c, r| c.text(&r.report.policy.domain)),
    ("p", "String", |c, r| c.text(r.report.policy.p.map_or("", |p| p.name()))),
    ("sp", "String", |c, r| c.text(r.report.policy.sp.map_or("", |p| p.name()))),
    ("np", "String", |c, r| c.text(r.report.policy.np.map_or("", |p| p.name()))),
    ("pct", "Nullable(UInt8)", |c, r| c.opt_u8(r.report.policy.pct)),
    ("adkim", "String", |c, r| c.text(r.report.policy.adkim.map_or("", |mode| mode.name()))),
    ("aspf", "String", |c, r| c.text(r.report.policy.aspf.map_or("", |mode| mode.name()))),
    ("fo", "String", |c, r| c.text(&r.report.policy.fo)),
    ("testing", "String", |c, r| c.text(r.report.policy.testing.map_or("", |is| if is { "y" } else { "n" }))),
    ("discovery_method", "String", |c, r| {
        c.text(r.report.policy.discovery_method.map_or("", |method| method.name()));
    }),
    ("version", "String", |c, r| c.text(&r.report.version)),
    ("generator", "String", |c, r| c.text(&r.report.generator)),
    ("records", "UInt64", |c, r| c.u64(r.report.totals.records)),
    ("messages", "UInt64", |c, r| c.u64(r.report.totals.messages)),
    ("dkim_aligned", "UInt64", |c, r| c.u64(r.report.totals.dkim_aligned)),
    ("spf_aligned", "UInt64", |c, r| c.u64(r.report.totals.spf_aligned)),
    ("dmarc_aligned", "UInt64", |c, r| c.u64(r.report.totals.dmarc_aligned)),
    ("is_complete", "Bool", |c, r| c.u8(u8::from(r.report.is_complete))),
    ("standing", "Int8", |c, r| c.i8(r.origin.standing as i8)),
    ("authenticity", "Int8", |c, r| c.i8(r.origin.authenticity as i8)),
    ("evidence", "String", |c, r| c.text(&r.origin.evidence)),
    ("errors", "Array(String)", |c, r| c.list(r.report.errors.iter().map(Text::as_str))),
    ("warnings", "Array(String)", |c, r| c.list(r.warnings.iter().map(Text::as_str))),
    ("ingest_node", "String", |c, r| c.text(&r.origin.ingest_node)),
    ("ingest_seq", "UInt64", |c, r| c.u64(r.origin.ingest_seq)),
];

const RECORD_COLUMNS: &[ColumnSpec<DmarcRecordRow>] = &[
    ("day", "Date", |c, r| c.u16(r.day)),
    ("policy_domain", "String", |c, r| c.text(&r.head.policy_domain)),
    ("source_ip", "IPv6", |c, r| c.ip(r.record.source_ip)),
    ("messages", "UInt64", |c, r| c.u64(r.messages)),
    ("disposition", "String", |c, r| c.text(r.record.disposition.name())),
    ("is_dkim_aligned", "Bool", |c, r| c.u8(u8::from(r.record.is_dkim_aligned))),
    ("is_spf_aligned", "Bool", |c, r| c.u8(u8::from(r.record.is_spf_aligned))),
    ("header_from", "String", |c, r| c.text(&r.record.header_from)),
    ("envelope_from", "String", |c, r| c.text(&r.record.envelope_from)),
    ("envelope_to", "String", |c, r| c.text(&r.record.envelope_to)),
    ("override_types", "Array(String)", |c, r| {
        c.list(r.record.reasons.iter().map(|reason| reason.kind.name()));
    }),
    ("override_comments", "Array(String)", |c, r| {
        c.list(r.record.reasons.iter().map(|reason| reason.comment.as_str()));
    }),
    ("dkim_domains", "Array(String)", |c, r| c.list(r.record.dkim.iter().map(|check| check.domain.as_str()))),
    ("dkim_selectors", "Array(String)", |c, r| {
        c.list(r.record.dkim.iter().map(|check| check.selector.as_str()));
    }),
    ("dkim_results", "Array(String)", |c, r| c.list(r.record.dkim.iter().map(|check| check.result.name()))),
    ("spf_domain", "String", |c, r| first_spf(c, r, |check| check.domain.as_str())),
    ("spf_scope", "String", |c, r| first_spf(c, r, |check| check.scope.map_or("", |scope| scope.name()))),
    ("spf_result", "String", |c, r| first_spf(c, r, |check| check.result.name())),
    ("warnings", "Array(String)", |c, r| c.list(r.record.warnings.iter().map(|warning| warning.0.as_str()))),
    ("reporter", "String", |c, r| c.text(&r.head.reporter)),
    ("report_key", "UUID", |c, r| c.uuid(r.head.origin.report_key)),
    ("standing", "Int8", |c, r| c.i8(r.head.origin.standing as i8)),
    ("received_time", "DateTime64(6, 'UTC')", |c, r| c.i64(r.head.origin.received.0)),
    ("ingest_node", "String", |c, r| c.text(&r.head.origin.ingest_node)),
    ("ingest_seq", "UInt64", |c, r| c.u64(r.head.origin.ingest_seq)),
];

/// RFC 9990 allows one SPF result; older reports with more say the envelope's first.
fn first_spf(column: &mut Column, row: &DmarcRecordRow, part: fn(&crate::model::SpfCheck) -> &str) {
    column.text(row.record.spf.first().map_or("", part));
}

/// Times that the column cannot hold are 0: the report's standing says that they cannot be.
pub(super) fn seconds(time: Option<Timestamp>) -> u32 {
    time.and_then(|time| u32::try_from(time.seconds()).ok()).unwrap_or(0)
}
