//! The `suppression_runs` table: what can be undone as a whole.

use crate::model::suppression::{RunId, RunKind, RunState};
use crate::model::{Text, Timestamp};
use crate::store::batch::encode;
use crate::store::native::ColumnSpec;
use crate::store::{AnnotationRow, Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

/// A run as whoever makes it tells it. Written again when its state changes; the newest `changed` counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEntry {
    pub run: RunId,
    pub kind: RunKind,
    /// The rule, the file, the receiver.
    pub name: Text,
    /// Who began it; empty for a rule.
    pub actor: Text,
    pub state: RunState,
    pub begun: Timestamp,
    pub changed: Timestamp,
    /// The run that an undo takes back, the review that a release lets go.
    pub target: Option<Uuid>,
    /// Rows of the file that were read, and those that could not be.
    pub rows: u64,
    pub faults: u64,
    pub note: Text,
}

/// A run, and what the log holds of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    pub entry: RunEntry,
    pub added: u64,
    pub lifted: u64,
    /// The run that took it back, if one did.
    pub undone_by: Option<RunId>,
}

const COLUMNS: &[ColumnSpec<RunEntry>] = &[
    ("run", "UUID", |c, r| c.uuid(r.run.0.as_u128())),
    ("version", "UInt64", |c, r| c.u64(u64::try_from(r.changed.0).unwrap_or(0))),
    ("kind", "Int8", |c, r| c.i8(r.kind as i8)),
    ("name", "String", |c, r| c.text(&r.name)),
    ("actor", "String", |c, r| c.text(&r.actor)),
    ("state", "Int8", |c, r| c.i8(r.state as i8)),
    ("begun", "DateTime64(6, 'UTC')", |c, r| c.i64(r.begun.0)),
    ("changed", "DateTime64(6, 'UTC')", |c, r| c.i64(r.changed.0)),
    ("target", "UUID", |c, r| c.opt_uuid(r.target.map_or(0, |target| target.as_u128()))),
    ("rows", "UInt64", |c, r| c.u64(r.rows)),
    ("faults", "UInt64", |c, r| c.u64(r.faults)),
    ("note", "String", |c, r| c.text(&r.note)),
];

#[derive(Row, Deserialize)]
struct Found {
    #[serde(with = "clickhouse::serde::uuid")]
    run: Uuid,
    kind: i8,
    name: Text,
    actor: Text,
    state: i8,
    begun_us: i64,
    changed_us: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    target: Uuid,
    rows: u64,
    faults: u64,
    note: Text,
    added: u64,
    lifted: u64,
    #[serde(with = "clickhouse::serde::uuid")]
    undone_by: Uuid,
}

impl From<Found> for RunRow {
    fn from(row: Found) -> Self {
        let kind = RunKind::ALL.iter().copied().find(|kind| *kind as i8 == row.kind);
        let state = RunState::ALL.iter().copied().find(|state| *state as i8 == row.state);
        Self {
            entry: RunEntry {
                run: RunId(row.run),
                // The columns take no other numbers.
                kind: kind.unwrap_or(RunKind::Bulk),
                name: row.name,
                actor: row.actor,
                state: state.unwrap_or(RunState::Done),
                begun: Timestamp(row.begun_us),
                changed: Timestamp(row.changed_us),
                target: (!row.target.is_nil()).then_some(row.target),
                rows: row.rows,
                faults: row.faults,
                note: row.note,
            },
            added: row.added,
            lifted: row.lifted,
            undone_by: (!row.undone_by.is_nil()).then_some(RunId(row.undone_by)),
        }
    }
}

fn annotation(run: &RunEntry) -> AnnotationRow {
    let (kind, title) = match run.kind {
        RunKind::Rule => ("rule_run", format!("suppression rule {}", run.name)),
        other => (other.name(), format!("suppression list: {} {}", other.name(), run.name)),
    };
    AnnotationRow {
        annotation_id: run.run.0.as_u128(),
        at: run.begun,
        until: run.changed,
        kind: kind.to_owned(),
        title: title.trim_end().to_owned(),
        text: run.note.to_string(),
        author: if run.actor.is_empty() { "relaylens".to_owned() } else { run.actor.to_string() },
        labels: Vec::new(),
    }
}

impl Store {
    /// Writes a run, or its new state, and marks it on the charts. A run has one mark however often it is written: it has
    /// the run's id and beginning.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`].
    pub async fn insert_suppression_run(&self, run: &RunEntry) -> Result<(), StoreError> {
        let token = format!("{}-{}", run.run.0, run.changed.0);
        self.insert_block("suppression_runs", &encode(COLUMNS, std::slice::from_ref(run)), &token).await?;
        self.insert_annotations(&[annotation(run)]).await
    }

    /// The newest runs, the newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn suppression_runs(&self, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        let rows: Vec<Found> = self
            .client
            .query_raw(include_str!("runs.sql"))
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(|source| StoreError::Query { query: "suppression_runs", source })?;
        Ok(rows.into_iter().map(RunRow::from).collect())
    }
}
