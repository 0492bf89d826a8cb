//! Rows of incidents, deliveries, silences and annotations: written here, read back by `query::alerts`.
//!
//! Way: `alert` writes a step of an incident before it acts on it, so that a crash repeats work and forgets nothing.

use crate::model::Timestamp;
use crate::model::alert::{DeliveryState, IncidentState, IncidentStep, Severity};
use crate::store::native::ColumnSpec;
use crate::store::{Store, StoreError};

/// A row of `alert_transitions`.
#[derive(Debug, Clone, PartialEq)]
pub struct TransitionRow {
    pub incident_id: u128,
    /// Counts the steps of the incident from 1.
    pub seq: u32,
    pub at: Timestamp,
    pub step: IncidentStep,
    pub state: IncidentState,
    pub rule: String,
    pub severity: Severity,
    pub labels: Vec<(String, String)>,
    pub value: f64,
    /// The expected band; both 0 where nothing is expected.
    pub expected: (f64, f64),
    /// Who is to be told of the step.
    pub channels: Vec<String>,
    /// The whole incident, JSON.
    pub body: String,
}

/// A row of `alert_deliveries`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    pub incident_id: u128,
    pub seq: u32,
    pub channel: String,
    /// From 1.
    pub attempt: u16,
    pub at: Timestamp,
    pub state: DeliveryState,
    /// When a failed one is tried again.
    pub next_at: Timestamp,
    /// What went wrong, without secrets.
    pub error: String,
}

/// A row of `alert_summaries`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryRow {
    pub incident_id: u128,
    pub channel: String,
    pub rule: String,
    pub at: Timestamp,
}

/// A row of `alert_silences`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceRow {
    pub silence_id: u128,
    /// Of two rows with one id, the higher counts.
    pub version: u64,
    pub begins: Timestamp,
    pub until: Timestamp,
    pub author: String,
    pub comment: String,
    /// Label, operator, value.
    pub matchers: Vec<(String, String, String)>,
}

/// A row of `annotations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationRow {
    pub annotation_id: u128,
    pub at: Timestamp,
    /// Equal to `at` for a moment.
    pub until: Timestamp,
    /// Such as `user`, `dns`, `rule_run`.
    pub kind: String,
    pub title: String,
    pub text: String,
    pub author: String,
    pub labels: Vec<(String, String)>,
}

fn pairs(labels: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

const TRANSITION_COLUMNS: &[ColumnSpec<TransitionRow>] = &[
    ("incident_id", "UUID", |c, r| c.uuid(r.incident_id)),
    ("seq", "UInt32", |c, r| c.u32(r.seq)),
    ("at", "DateTime64(6, 'UTC')", |c, r| c.i64(r.at.0)),
    ("step", "String", |c, r| c.text(r.step.name())),
    ("state", "String", |c, r| c.text(r.state.name())),
    ("rule", "String", |c, r| c.text(&r.rule)),
    ("severity", "String", |c, r| c.text(r.severity.name())),
    ("labels", "Map(String, String)", |c, r| c.map(pairs(&r.labels))),
    ("value", "Float64", |c, r| c.f64(r.value)),
    ("expected_low", "Float64", |c, r| c.f64(r.expected.0)),
    ("expected_high", "Float64", |c, r| c.f64(r.expected.1)),
    ("channels", "Array(String)", |c, r| c.list(r.channels.iter().map(String::as_str))),
    ("body", "String", |c, r| c.text(&r.body)),
];

const DELIVERY_COLUMNS: &[ColumnSpec<DeliveryRow>] = &[
    ("incident_id", "UUID", |c, r| c.uuid(r.incident_id)),
    ("seq", "UInt32", |c, r| c.u32(r.seq)),
    ("channel", "String", |c, r| c.text(&r.channel)),
    ("attempt", "UInt16", |c, r| c.u16(r.attempt)),
    ("at", "DateTime64(6, 'UTC')", |c, r| c.i64(r.at.0)),
    ("state", "String", |c, r| c.text(r.state.name())),
    ("next_at", "DateTime64(6, 'UTC')", |c, r| c.i64(r.next_at.0)),
    ("error", "String", |c, r| c.text(&r.error)),
];

const SUMMARY_COLUMNS: &[ColumnSpec<SummaryRow>] = &[
    ("incident_id", "UUID", |c, r| c.uuid(r.incident_id)),
    ("channel", "String", |c, r| c.text(&r.channel)),
    ("rule", "String", |c, r| c.text(&r.rule)),
    ("at", "DateTime64(6, 'UTC')", |c, r| c.i64(r.at.0)),
];

const SILENCE_COLUMNS: &[ColumnSpec<SilenceRow>] = &[
    ("silence_id", "UUID", |c, r| c.uuid(r.silence_id)),
    ("version", "UInt64", |c, r| c.u64(r.version)),
    ("begins", "DateTime64(6, 'UTC')", |c, r| c.i64(r.begins.0)),
    ("until", "DateTime64(6, 'UTC')", |c, r| c.i64(r.until.0)),
    ("author", "String", |c, r| c.text(&r.author)),
    ("comment", "String", |c, r| c.text(&r.comment)),
    ("names", "Array(String)", |c, r| c.list(r.matchers.iter().map(|m| m.0.as_str()))),
    ("operators", "Array(String)", |c, r| c.list(r.matchers.iter().map(|m| m.1.as_str()))),
    ("values", "Array(String)", |c, r| c.list(r.matchers.iter().map(|m| m.2.as_str()))),
];

const ANNOTATION_COLUMNS: &[ColumnSpec<AnnotationRow>] = &[
    ("annotation_id", "UUID", |c, r| c.uuid(r.annotation_id)),
    ("at", "DateTime64(6, 'UTC')", |c, r| c.i64(r.at.0)),
    ("until", "DateTime64(6, 'UTC')", |c, r| c.i64(r.until.0)),
    ("kind", "String", |c, r| c.text(&r.kind)),
    ("title", "String", |c, r| c.text(&r.title)),
    ("text", "String", |c, r| c.text(&r.text)),
    ("author", "String", |c, r| c.text(&r.author)),
    ("labels", "Map(String, String)", |c, r| c.map(pairs(&r.labels))),
];

impl Store {
    /// Writes steps of incidents, all or none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`].
    pub async fn insert_transitions(&self, rows: &[TransitionRow]) -> Result<(), StoreError> {
        self.insert_rows("alert_transitions", TRANSITION_COLUMNS, rows).await
    }

    /// Writes attempts to tell somebody.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`].
    pub async fn insert_deliveries(&self, rows: &[DeliveryRow]) -> Result<(), StoreError> {
        self.insert_rows("alert_deliveries", DELIVERY_COLUMNS, rows).await
    }

    /// Writes which incidents a channel is told of in the summary of their rule.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`].
    pub async fn insert_summaries(&self, rows: &[SummaryRow]) -> Result<(), StoreError> {
        self.insert_rows("alert_summaries", SUMMARY_COLUMNS, rows).await
    }

    /// Writes a silence, or a newer version of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`].
    pub async fn insert_silence(&self, row: &SilenceRow) -> Result<(), StoreError> {
        self.insert_rows("alert_silences", SILENCE_COLUMNS, std::slice::from_ref(row)).await
    }

    /// Writes annotations.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`].
    pub async fn insert_annotations(&self, rows: &[AnnotationRow]) -> Result<(), StoreError> {
        self.insert_rows("annotations", ANNOTATION_COLUMNS, rows).await
    }
}
