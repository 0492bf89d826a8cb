//! The outcomes of each value of a dimension.

use crate::store::query::rollup::{Grouping, Part};
use crate::store::query::shapes::OutcomeSums;
use crate::store::query::{Dimension, Filter, Outcomes, OutcomesOf};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;
use std::cmp::Reverse;

/// Most values that are read before the `limit` of the question is applied. Campaigns alone come near it: fifty new
/// ones a day for a year. Of more, those last in the alphabet are missing.
const VALUES_MAX: u32 = 20_000;

#[derive(Row, Deserialize)]
struct Line {
    value: String,
    outcomes: OutcomeSums,
}

impl Part for Line {
    type Key = String;

    fn into_pair(self) -> (String, Outcomes) {
        (self.value, self.outcomes.into())
    }
}

impl Store {
    /// Counts outcomes by the values of a dimension, at most `limit`, those that sent most first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn outcomes_by(
        &self,
        filter: &Filter,
        dimension: Dimension,
        limit: u32,
    ) -> Result<Vec<OutcomesOf>, StoreError> {
        let (sql, by) = (include_str!("outcomes_by.sql"), Grouping::By(dimension));
        let sums = self.outcomes_of_parts::<Line>("outcomes_by", sql, filter, by, VALUES_MAX).await?;
        let of = |(value, outcomes)| OutcomesOf { value: dimension.shown(value), outcomes };
        let mut rows: Vec<OutcomesOf> = sums.into_iter().map(of).collect();
        // The sort is stable: what sent alike stays in the order of its values.
        rows.sort_by_key(|row| Reverse(row.outcomes.sent()));
        rows.truncate(limit as usize);
        Ok(rows)
    }
}
