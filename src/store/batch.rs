//! A batch: what one stretch of the spool becomes in the database.
//!
//! Way: `pipeline` fills a [`Batch`], [`Store::insert`] writes it, then the spool's checkpoint moves.
//! Every insert carries a deduplication token made from the stretch. A batch that is written again after a crash, cut at
//! the same records, changes nothing where it had arrived and completes what had not, views included.

use crate::model::{ItemCounts, RejectReason, SourceRef, Text, Timestamp};
use crate::store::dmarc::{DmarcBlock, DmarcReportRow, REPORT_COLUMNS};
use crate::store::dmarc_failure::{self, DmarcFailureRow};
use crate::store::embedded::{BareInsertError, Engine};
use crate::store::events::EventBlock;
use crate::store::mails::{MAIL_COLUMNS, MailEntry};
use crate::store::native::{Block, ColumnSpec, Encoded};
use crate::store::tls_report::{self, TlsFailureRow, TlsPolicyRow};
use crate::store::{Store, StoreError};
use std::time::Duration;

/// An insert that takes longer has met a database that is stuck: it is given up and tried again.
const INSERT_TIMEOUT: Duration = Duration::from_mins(5);

/// What every insert runs with.
const INSERT_SETTINGS: [(&str, &str); 5] = [
    // On a server asynchronous inserts are the default; they would acknowledge before the rows are safe.
    ("async_insert", "0"),
    ("insert_deduplicate", "1"),
    ("deduplicate_blocks_in_dependent_materialized_views", "1"),
    // A batch must stay one block, else a part of it could be taken for the whole.
    ("max_insert_block_size", "4000000"),
    ("distributed_foreground_insert", "1"),
];

/// One kept item that could not be read.
#[derive(Debug, Clone)]
pub struct RejectEntry {
    pub reject_id: u128,
    /// The newest counts; 1 for a fresh reject.
    pub version: u64,
    /// 1 open, 2 replayed.
    pub state: i8,
    pub received: Timestamp,
    pub source: SourceRef,
    pub reason: RejectReason,
    pub message: Text,
    /// Size of the item, which may be more than what is kept of it.
    pub size_bytes: u64,
    pub file_offset: u64,
    pub bytes: Vec<u8>,
}

/// What became of the items of one source that arrived in one minute.
#[derive(Debug, Clone)]
pub struct LedgerEntry {
    /// Seconds since 1970, a whole minute.
    pub minute_unix: u32,
    pub source: SourceRef,
    pub counts: ItemCounts,
    pub events: u64,
}

/// Which stretch of which spool a batch holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchLabel {
    pub ingest_node: Text,
    pub first_seq: u64,
    pub last_seq: u64,
}

impl BatchLabel {
    /// Unique for each stretch. Never a hash of the content: a later, equal batch must count.
    fn token(&self) -> String {
        format!("{}-{}-{}", self.ingest_node, self.first_seq, self.last_seq)
    }
}

/// Rows for the tables that a spool feeds.
#[derive(Default)]
pub struct Batch {
    pub events: EventBlock,
    pub mails: Vec<MailEntry>,
    pub dmarc_reports: Vec<DmarcReportRow>,
    pub dmarc_records: DmarcBlock,
    pub dmarc_failures: Vec<DmarcFailureRow>,
    pub tls_policies: Vec<TlsPolicyRow>,
    pub tls_failures: Vec<TlsFailureRow>,
    pub rejects: Vec<RejectEntry>,
    pub ledger: Vec<LedgerEntry>,
}

/// A batch whose rows are encoded, so that it can be sent again as it is.
pub struct Sealed {
    label: BatchLabel,
    /// Table, rows.
    blocks: Vec<(&'static str, Encoded)>,
}

impl Batch {
    /// Ends the batch.
    pub fn seal(self, label: BatchLabel) -> Sealed {
        let mut blocks = Vec::new();
        if self.events.rows() > 0 {
            blocks.push(("events", self.events.finish()));
        }
        if !self.mails.is_empty() {
            blocks.push(("mails", encode(MAIL_COLUMNS, &self.mails)));
        }
        // Records first: a report that is there has all its records.
        if self.dmarc_records.rows() > 0 {
            blocks.push(("dmarc_records", self.dmarc_records.finish()));
        }
        if !self.dmarc_reports.is_empty() {
            blocks.push(("dmarc_reports", encode(REPORT_COLUMNS, &self.dmarc_reports)));
        }
        if !self.dmarc_failures.is_empty() {
            blocks.push(("dmarc_failures", encode(dmarc_failure::COLUMNS, &self.dmarc_failures)));
        }
        if !self.tls_failures.is_empty() {
            blocks.push(("tls_failures", encode(tls_report::FAILURE_COLUMNS, &self.tls_failures)));
        }
        if !self.tls_policies.is_empty() {
            blocks.push(("tls_reports", encode(tls_report::POLICY_COLUMNS, &self.tls_policies)));
        }
        if !self.rejects.is_empty() {
            blocks.push(("rejects", encode(REJECT_COLUMNS, &self.rejects)));
        }
        if !self.ledger.is_empty() {
            blocks.push(("ledger_minute", encode(LEDGER_COLUMNS, &self.ledger)));
        }
        Sealed { label, blocks }
    }
}

impl Sealed {
    pub const fn label(&self) -> &BatchLabel {
        &self.label
    }

    /// Writes the batch with nothing between it and the engine's C interface: what [`Store::insert`] is measured
    /// against. Blocks until it is stored.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub(crate) fn insert_bare(&self, engine: &Engine) -> Result<(), BareInsertError> {
        let token = self.label.token();
        for (table, rows) in &self.blocks {
            let token = ("insert_deduplication_token", token.as_str());
            let settings = INSERT_SETTINGS.into_iter().chain([token]);
            engine.insert_native(&rows.insert_into(table), settings, &rows.chunks)?;
        }
        Ok(())
    }
}

impl Store {
    /// Writes a batch; the same batch may be written again at any time without effect.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`]: parts of the batch may have arrived; write it again.
    pub async fn insert(&self, batch: &Sealed) -> Result<(), StoreError> {
        let token = batch.label.token();
        for (table, encoded) in &batch.blocks {
            self.insert_block(table, encoded, &token).await?;
        }
        Ok(())
    }

    /// Writes rejects in a new state, see [`RejectEntry::state`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`].
    pub async fn insert_rejects(&self, rejects: &[RejectEntry]) -> Result<(), StoreError> {
        self.insert_rows("rejects", REJECT_COLUMNS, rejects).await
    }

    /// Writes rows of one table, if there are any. Written again, they are there twice, unless the table makes them one.
    pub(super) async fn insert_rows<R>(
        &self,
        table: &'static str,
        columns: &'static [ColumnSpec<R>],
        rows: &[R],
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let token = uuid::Uuid::new_v4().to_string();
        self.insert_block(table, &encode(columns, rows), &token).await
    }

    /// Writes rows of one table. The same rows with the same token may be written again without effect.
    pub(super) async fn insert_block(
        &self,
        table: &'static str,
        rows: &Encoded,
        token: &str,
    ) -> Result<(), StoreError> {
        let sql = format!("{} FORMAT Native", rows.insert_into(table));
        let failed = |source| StoreError::Insert { table, source };
        let insert = self.client.insert_formatted_with(sql).with_timeouts(None, Some(INSERT_TIMEOUT));
        let insert = INSERT_SETTINGS
            .into_iter()
            .fold(insert, |insert, (name, value)| insert.with_setting(name, value));
        let mut insert = insert.with_setting("insert_deduplication_token", token);
        for chunk in &rows.chunks {
            insert.send(chunk.clone()).await.map_err(failed)?;
        }
        insert.end().await.map_err(failed)
    }
}

pub(super) fn encode<R>(specs: &'static [ColumnSpec<R>], rows: &[R]) -> Encoded {
    let mut block = Block::new(specs);
    for row in rows {
        block.push(row);
    }
    block.finish()
}

const REJECT_COLUMNS: &[ColumnSpec<RejectEntry>] = &[
    ("reject_id", "UUID", |c, r| c.uuid(r.reject_id)),
    ("version", "UInt64", |c, r| c.u64(r.version)),
    ("state", "Int8", |c, r| c.i8(r.state)),
    ("received_time", "DateTime64(6, 'UTC')", |c, r| c.i64(r.received.0)),
    ("source_kind", "String", |c, r| c.text(r.source.kind.name())),
    ("source", "String", |c, r| c.text(&r.source.name)),
    ("reason", "String", |c, r| c.text(r.reason.name())),
    ("message", "String", |c, r| c.text(&r.message)),
    ("size_bytes", "UInt64", |c, r| c.u64(r.size_bytes)),
    ("file_offset", "UInt64", |c, r| c.u64(r.file_offset)),
    ("bytes", "String", |c, r| c.bytes(&r.bytes)),
];

const LEDGER_COLUMNS: &[ColumnSpec<LedgerEntry>] = &[
    ("minute", "DateTime('UTC')", |c, r| c.u32(r.minute_unix)),
    ("source_kind", "String", |c, r| c.text(r.source.kind.name())),
    ("source", "String", |c, r| c.text(&r.source.name)),
    ("stored", "UInt64", |c, r| c.u64(r.counts.stored)),
    ("duplicate", "UInt64", |c, r| c.u64(r.counts.duplicate)),
    ("no_event", "UInt64", |c, r| c.u64(r.counts.no_event)),
    ("rejected", "UInt64", |c, r| c.u64(r.counts.rejected)),
    ("events", "UInt64", |c, r| c.u64(r.events)),
];
