//! The outcomes of a range in one row.

use crate::store::query::rollup::{Grouping, Part};
use crate::store::query::shapes::OutcomeSums;
use crate::store::query::{Filter, Outcomes};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;

#[derive(Row, Deserialize)]
struct Line {
    outcomes: OutcomeSums,
}

impl Part for Line {
    type Key = ();

    fn into_pair(self) -> ((), Outcomes) {
        ((), self.outcomes.into())
    }
}

impl Store {
    /// Counts all outcomes of the filter's range; all zero when there is no mail.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn outcome_totals(&self, filter: &Filter) -> Result<Outcomes, StoreError> {
        let sql = include_str!("outcome_totals.sql");
        let sums =
            self.outcomes_of_parts::<Line>("outcome_totals", sql, filter, Grouping::Nothing, 1).await?;
        Ok(sums.into_values().next().unwrap_or_default())
    }
}
