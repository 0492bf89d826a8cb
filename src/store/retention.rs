//! How long rows are kept, per class of data.
//!
//! The TTL of each table follows the settings: it is compared at every start, and altered where it differs.

use crate::config::Retention;
use crate::store::{Store, StoreError};

/// Table, its time column, days.
const fn tables(keep: &Retention) -> [(&'static str, &'static str, u16); 29] {
    [
        ("events", "event_time", keep.events_days),
        ("events_minute", "minute", keep.minutes_days),
        ("totals_minute", "minute", keep.minutes_days),
        ("events_hour", "hour", keep.hours_days),
        ("campaigns_hour", "hour", keep.hours_days),
        ("values_hour", "hour", keep.hours_days),
        ("sources_hour", "hour", keep.hours_days),
        ("responses_hour", "hour", keep.hours_days),
        ("kinds_hour", "hour", keep.hours_days),
        ("latency_hour", "hour", keep.hours_days),
        ("values_latency_hour", "hour", keep.hours_days),
        ("mails", "received_time", keep.mails_days),
        ("dmarc_reports", "received_time", keep.reports_days),
        ("dmarc_records", "day", keep.reports_days),
        ("tls_reports", "begin_time", keep.reports_days),
        ("tls_failures", "begin_time", keep.reports_days),
        ("dmarc_failures", "event_time", keep.reports_days),
        ("ip_names", "looked_up", keep.reports_days),
        ("rejects", "received_time", keep.rejects_days),
        ("alert_transitions", "at", keep.reports_days),
        ("alert_deliveries", "at", keep.reports_days),
        ("alert_summaries", "at", keep.reports_days),
        ("annotations", "at", keep.reports_days),
        ("ledger_minute", "minute", keep.ledger_days),
        ("audit", "at", keep.audit_days),
        ("listing_changes", "change_time", keep.reputation_days),
        ("list_tests", "test_time", keep.reputation_days),
        ("dns_findings", "taken_time", keep.reputation_days),
        ("dns_changes", "change_time", keep.reputation_days),
    ]
}

impl Store {
    /// Brings the TTL of every table in step with the settings, on every node. Old rows go with the next merges.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn set_retention(&self, retention: &Retention) -> Result<(), StoreError> {
        let failed = |source| StoreError::Query { query: "set_retention", source };
        let engine_sql =
            "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = ?";
        for node in self.nodes() {
            for (table, column, days) in tables(retention) {
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
