//! Delivery latencies of a range step by step.

use crate::store::query::filter::{HOUR_S, SERIES_STEPS_MAX};
use crate::store::query::{Filter, Latencies, LatenciesAt};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;

#[derive(Row, Deserialize)]
struct Line {
    at_unix: i64,
    buckets: Vec<(u8, u64)>,
}

impl Store {
    /// Counts deliveries by latency and by steps of `step_s` seconds, rounded up to whole hours, over the whole hours
    /// that contain the filter's range; steps without a delivery are missing.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn latency_series(&self, filter: &Filter, step_s: u32) -> Result<Vec<LatenciesAt>, StoreError> {
        let lines: Vec<Line> = self
            .ask_latencies("latency_series", include_str!("latency_series.sql"), filter, None)
            .param("step_s", filter.range.step_s(step_s, HOUR_S))
            .param("limit", SERIES_STEPS_MAX + 1)
            .rows()
            .await?;
        let at = |line: Line| LatenciesAt {
            at_unix: line.at_unix,
            latencies: Latencies { buckets: line.buckets },
        };
        Ok(lines.into_iter().map(at).collect())
    }
}
