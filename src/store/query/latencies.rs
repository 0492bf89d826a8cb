//! Delivery latencies of a range in one histogram.

use crate::store::query::{Filter, Latencies};
use crate::store::{Store, StoreError};

impl Store {
    /// Counts deliveries by latency over the whole hours that contain the filter's range.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn latencies(&self, filter: &Filter) -> Result<Latencies, StoreError> {
        let question = self.ask_latencies("latencies", include_str!("latencies.sql"), filter, None);
        Ok(Latencies { buckets: question.rows().await? })
    }
}
