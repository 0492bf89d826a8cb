//! The `mails` table: raw mail that brought feedback or reports.

use crate::model::{SourceRef, Text, Timestamp};
use crate::store::native::ColumnSpec;

/// A mail to keep, as it came.
#[derive(Debug, Clone)]
pub struct MailEntry {
    pub mail_id: u128,
    pub received: Timestamp,
    pub source: SourceRef,
    /// What it was taken for, such as `bounce` or `complaint`.
    pub kind: &'static str,
    pub message_id: Text,
    pub from_domain: Text,
    pub subject: Text,
    /// Of the whole mail, which may be more than is kept.
    pub size_bytes: u64,
    pub bytes: Vec<u8>,
}

pub(super) const MAIL_COLUMNS: &[ColumnSpec<MailEntry>] = &[
    ("mail_id", "UUID", |c, r| c.uuid(r.mail_id)),
    ("received_time", "DateTime64(6, 'UTC')", |c, r| c.i64(r.received.0)),
    ("source_kind", "String", |c, r| c.text(r.source.kind.name())),
    ("source", "String", |c, r| c.text(&r.source.name)),
    ("kind", "String", |c, r| c.text(r.kind)),
    ("message_id", "String", |c, r| c.text(&r.message_id)),
    ("from_domain", "String", |c, r| c.text(&r.from_domain)),
    ("subject", "String", |c, r| c.text(&r.subject)),
    ("size_bytes", "UInt64", |c, r| c.u64(r.size_bytes)),
    ("bytes", "String", |c, r| c.bytes(&r.bytes)),
];
