//! Questions about the suppression list as a whole, and about what an entry rests on.

use crate::model::suppression::{EVIDENCE_MAX, Seq};
use crate::model::{EventId, Timestamp};
use crate::store::query::events::{EVENT_COLUMNS, as_shown};
use crate::store::query::filter::SERIES_STEPS_MAX;
use crate::store::query::question::Sql;
use crate::store::query::{EventRow, TimeRange};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::{Deserialize, Serialize};

/// Reasons in a step: 17, with room for those of a newer version.
const REASONS_MAX: u32 = 30;

/// How long before its newest event the evidence of an entry can lie: longer than events are kept by default.
const EVIDENCE_AGE_US: i64 = 400 * 86_400 * 1_000_000;

/// What happened to the list in one step of time, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct GrowthAt {
    pub at_unix: i64,
    pub reason: String,
    pub added: u64,
    pub lifted: u64,
}

/// How fast unsubscribes were honoured, in seconds; NaN without any.
#[derive(Debug, Clone, Copy, PartialEq, Default, Row, Serialize, Deserialize)]
pub struct TimeToHonour {
    pub unsubscribes: u64,
    pub p50_s: f64,
    pub p95_s: f64,
    pub max_s: f64,
}

impl Store {
    /// Counts additions and removals by reason and by steps of `step_s` seconds; ascending.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn suppression_growth(
        &self,
        range: TimeRange,
        step_s: u32,
    ) -> Result<Vec<GrowthAt>, StoreError> {
        let (from, to) = places(range);
        self.ask("suppression_growth", &Sql::of(include_str!("suppression_growth.sql")))
            .param("from_seq", from.0)
            .param("to_seq", to.0)
            .param("step_s", range.step_s(step_s, 1))
            .param("limit", (SERIES_STEPS_MAX + 1) * REASONS_MAX)
            .rows()
            .await
    }

    /// How long unsubscribes of the range took from the wish to the list.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn time_to_honour(&self, range: TimeRange) -> Result<TimeToHonour, StoreError> {
        let (from, to) = places(range);
        self.ask("time_to_honour", &Sql::of(include_str!("time_to_honour.sql")))
            .param("from_seq", from.0)
            .param("to_seq", to.0)
            .row()
            .await
    }

    /// The events on which an entry rests whose newest is of `observed`; those whose retention has ended are missing.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn suppression_evidence(
        &self,
        ids: &[EventId],
        observed: Timestamp,
    ) -> Result<Vec<EventRow>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = Sql::of(include_str!("suppression_evidence.sql")).with("@event_columns", EVENT_COLUMNS);
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let rows = self
            .ask("suppression_evidence", &sql)
            .param("first_us", (observed.0 - EVIDENCE_AGE_US).max(0))
            // Rounded up, as the column of the log keeps microseconds and some sources tell no more than seconds.
            .param("last_us", observed.0.saturating_add(1_000_000))
            .param("ids", ids)
            .param("limit", u32::try_from(EVIDENCE_MAX).unwrap_or(u32::MAX));
        Ok(as_shown(rows.rows().await?))
    }
}

/// The places in the log that a range of time has.
fn places(range: TimeRange) -> (Seq, Seq) {
    let range = range.in_calendar();
    let place = |unix: i64| Seq::new(Timestamp::from_seconds(unix), 0);
    (place(range.from_unix), place(range.to_unix))
}
