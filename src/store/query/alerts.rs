//! Incidents, deliveries, silences and annotations, read back.

use crate::store::query::TimeRange;
use crate::store::query::question::Sql;
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::{Deserialize, Serialize};

/// Most incidents that are open at once. More would be a rule that fires for everything.
const OPEN_MAX: u32 = 10_000;

/// Most silences kept in mind.
const SILENCES_MAX: u32 = 1_000;

/// Most steps that wait to be told, and attempts at them.
const DELIVERIES_MAX: u32 = 20_000;

/// The newest step of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct IncidentBody {
    pub incident_id: String,
    pub seq: u32,
    pub body: String,
}

/// A step of which somebody is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct StepToTell {
    pub incident_id: String,
    pub seq: u32,
    pub at_us: i64,
    pub step: String,
    pub rule: String,
    pub channels: Vec<String>,
    pub body: String,
}

/// When a channel was last told of incidents of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct ToldLately {
    pub channel: String,
    pub rule: String,
    pub at_us: i64,
}

/// An incident that a channel was told of.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct ToldIncident {
    pub channel: String,
    pub incident_id: String,
    pub rule: String,
    pub is_open: bool,
    /// In the summary of its rule, not by itself.
    pub is_summed: bool,
}

/// The newest attempt to tell a channel of a step.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct DeliveryAttempt {
    pub incident_id: String,
    pub seq: u32,
    pub channel: String,
    pub attempt: u16,
    pub at_us: i64,
    pub state: String,
    pub next_us: i64,
    pub error: String,
}

/// A silence, its newest version.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct SilenceOf {
    pub silence_id: String,
    pub version: u64,
    pub begins_us: i64,
    pub until_us: i64,
    pub author: String,
    pub comment: String,
    pub names: Vec<String>,
    pub operators: Vec<String>,
    pub values: Vec<String>,
}

/// A mark on the charts.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct AnnotationOf {
    pub annotation_id: String,
    pub at_us: i64,
    pub until_us: i64,
    pub kind: String,
    pub title: String,
    pub text: String,
    pub author: String,
    pub labels: Vec<(String, String)>,
}

impl Store {
    /// Incidents by their newest step, those that are open and those that ended since then, newest first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn incidents(&self, since_unix: i64, limit: u32) -> Result<Vec<IncidentBody>, StoreError> {
        self.ask("incidents", &Sql::of(include_str!("incidents.sql")))
            .param("since_unix", since_unix.max(0))
            .param("limit", limit.min(OPEN_MAX))
            .rows()
            .await
    }

    /// One incident with all its steps, oldest first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn incident_steps(&self, incident_id: &str) -> Result<Vec<StepToTell>, StoreError> {
        self.ask("incident_steps", &Sql::of(include_str!("incident_steps.sql")))
            .param("incident_id", incident_id)
            .param("limit", DELIVERIES_MAX)
            .rows()
            .await
    }

    /// Steps since a time of which a channel is still to be told, oldest first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn steps_to_tell(&self, since_unix: i64) -> Result<Vec<StepToTell>, StoreError> {
        self.ask("steps_to_tell", &Sql::of(include_str!("steps_to_tell.sql")))
            .param("since_unix", since_unix.max(0))
            .param("limit", DELIVERIES_MAX)
            .rows()
            .await
    }

    /// When each channel was told of each rule, of those told since a time.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn told_lately(&self, since_unix: i64) -> Result<Vec<ToldLately>, StoreError> {
        self.ask("told_lately", &Sql::of(include_str!("told_lately.sql")))
            .param("since_unix", since_unix.max(0))
            .param("limit", DELIVERIES_MAX)
            .rows()
            .await
    }

    /// What channels were told of: the incidents that still fire, and those of some ids.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn told_incidents(&self, ids: &[&str]) -> Result<Vec<ToldIncident>, StoreError> {
        self.ask("told_incidents", &Sql::of(include_str!("told_incidents.sql")))
            .param("ids", ids)
            .param("limit", DELIVERIES_MAX)
            .rows()
            .await
    }

    /// The newest attempt of each step and channel since a time, newest first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn delivery_attempts(
        &self,
        since_unix: i64,
        limit: u32,
    ) -> Result<Vec<DeliveryAttempt>, StoreError> {
        self.ask("delivery_attempts", &Sql::of(include_str!("delivery_attempts.sql")))
            .param("since_unix", since_unix.max(0))
            .param("limit", limit.min(DELIVERIES_MAX))
            .rows()
            .await
    }

    /// Silences that end after a time, those that end last first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn silences(&self, since_unix: i64) -> Result<Vec<SilenceOf>, StoreError> {
        self.ask("silences", &Sql::of(include_str!("silences.sql")))
            .param("since_unix", since_unix.max(0))
            .param("limit", SILENCES_MAX)
            .rows()
            .await
    }

    /// Writes an annotation for each change of the DNS since a time that has none yet.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn annotate_dns_changes(&self, since_unix: i64) -> Result<(), StoreError> {
        let query = self.client.query_raw(include_str!("annotate_dns_changes.sql"));
        let written = query.param("since_unix", since_unix.max(0)).execute().await;
        written.map_err(|source| StoreError::Query { query: "annotate_dns_changes", source })
    }

    /// Annotations that touch a range, oldest first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn annotations(&self, range: TimeRange, limit: u32) -> Result<Vec<AnnotationOf>, StoreError> {
        self.ask("annotations", &Sql::of(include_str!("annotations.sql")))
            .range(range)
            .param("limit", limit)
            .rows()
            .await
    }
}
