//! Delivery latencies of each value of a dimension.

use crate::store::query::{Dimension, Filter, Latencies};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;

/// Most values of a dimension; more are no table that anyone reads.
const VALUES_MAX: u32 = 1_000;

#[derive(Row, Deserialize)]
struct Line {
    value: String,
    buckets: Vec<(u8, u64)>,
}

impl Store {
    /// Counts deliveries by latency for each value of a dimension, most deliveries first, over the whole hours that
    /// contain the filter's range. By campaign it reads single events, which takes seconds over millions of them.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn latencies_by(
        &self,
        filter: &Filter,
        dimension: Dimension,
    ) -> Result<Vec<(String, Latencies)>, StoreError> {
        let sql = include_str!("latencies_by.sql");
        let question = self.ask_latencies("latencies_by", sql, filter, Some(dimension));
        let lines: Vec<Line> = question.param("limit", VALUES_MAX).rows().await?;
        let of = |line: Line| (dimension.shown(line.value), Latencies { buckets: line.buckets });
        Ok(lines.into_iter().map(of).collect())
    }
}
