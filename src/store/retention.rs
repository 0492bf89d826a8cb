//! How long rows are kept, per class of data.
//!
//! The TTL of each table follows the settings: it is compared at every start, and altered where it differs.

use crate::store::{Store, StoreError};
use serde::{Deserialize, Serialize};

/// Days that rows are kept after their own time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Single events, with recipient addresses. Default 90: long enough to explain last quarter's bounce.
    pub events_days: u16,
    /// Counts per minute. Default 8: a week and its neighbour, for series finer than an hour.
    pub minutes_days: u16,
    /// Counts per hour. Default 1095: three years of the same season.
    pub hours_days: u16,
    /// Items that could not be read, with their bytes. Default 30.
    pub rejects_days: u16,
    /// The ledger. Default 90.
    pub ledger_days: u16,
}

impl Default for Retention {
    fn default() -> Self {
        Self { events_days: 90, minutes_days: 8, hours_days: 1095, rejects_days: 30, ledger_days: 90 }
    }
}

impl Retention {
    /// Table, its time column, days.
    const fn tables(&self) -> [(&'static str, &'static str, u16); 9] {
        [
            ("events", "event_time", self.events_days),
            ("events_minute", "minute", self.minutes_days),
            ("events_hour", "hour", self.hours_days),
            ("values_hour", "hour", self.hours_days),
            ("sources_hour", "hour", self.hours_days),
            ("responses_hour", "hour", self.hours_days),
            ("latency_hour", "hour", self.hours_days),
            ("rejects", "received_time", self.rejects_days),
            ("ledger_minute", "minute", self.ledger_days),
        ]
    }
}

impl Store {
    /// Brings the TTL of every table in step with the settings, on every node. Old rows go with the next merges.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn set_retention(&self, retention: &Retention) -> Result<(), StoreError> {
        let failed = |source| StoreError::Query { query: "set_retention", source };
        let engine_sql = "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = ?";
        for node in self.nodes() {
            for (table, column, days) in retention.tables() {
                let table = self.local(table);
                let engine: String = node.query(engine_sql).bind(&table).fetch_one().await.map_err(failed)?;
                if engine.contains(&format!("toIntervalDay({days})")) {
                    continue;
                }
                // Names from this file and a number: no text of a user's.
                let sql = format!(
                    "ALTER TABLE {table} MODIFY TTL toDateTime({column}) + INTERVAL {days} DAY \
                     SETTINGS materialize_ttl_after_modify = 0"
                );
                node.query_raw(&sql).execute().await.map_err(failed)?;
            }
        }
        Ok(())
    }
}
