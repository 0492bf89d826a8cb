//! What became of the accepted items.

use crate::store::query::filter::MINUTE_S;
use crate::store::query::question::Sql;
use crate::store::query::{LedgerRow, TimeRange};
use crate::store::{Store, StoreError};

/// Most rows of the ledger: a day of minutes of ten sources.
const ROWS_MAX: u32 = 15_000;

impl Store {
    /// Counts items by source and by steps of `step_s` seconds (rounded up to whole minutes) of their arrival;
    /// ascending. Steps in which nothing arrived are missing.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn ledger(&self, range: &TimeRange, step_s: u32) -> Result<Vec<LedgerRow>, StoreError> {
        self.ask("ledger", &Sql::of(include_str!("ledger.sql")))
            .range(*range)
            .param("step_s", range.step_s(step_s, MINUTE_S))
            .param("limit", ROWS_MAX)
            .rows()
            .await
    }
}
