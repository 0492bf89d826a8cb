//! The outcomes of a range step by step.

use crate::store::query::filter::SERIES_STEPS_MAX;
use crate::store::query::rollup::{Grouping, Part};
use crate::store::query::shapes::OutcomeSums;
use crate::store::query::{Filter, Outcomes, OutcomesAt};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;

#[derive(Row, Deserialize)]
struct Line {
    at_unix: i64,
    outcomes: OutcomeSums,
}

impl Part for Line {
    type Key = i64;

    fn into_pair(self) -> (i64, Outcomes) {
        (self.at_unix, self.outcomes.into())
    }
}

impl Store {
    /// Counts outcomes by steps of `step_s` seconds, ascending; steps without mail are missing.
    ///
    /// Steps begin at multiples of their length since 1970, so the first may begin before the range; it counts what is
    /// in the range alone. A step is rounded up to whole minutes, and to whole hours when the range is over two days.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn outcome_series(&self, filter: &Filter, step_s: u32) -> Result<Vec<OutcomesAt>, StoreError> {
        let (sql, grouping) = (include_str!("outcome_series.sql"), Grouping::Steps(step_s));
        // A range that begins and ends within a step touches one step more.
        let limit = SERIES_STEPS_MAX + 1;
        let sums = self.outcomes_of_parts::<Line>("outcome_series", sql, filter, grouping, limit).await?;
        Ok(sums.into_iter().map(|(at_unix, outcomes)| OutcomesAt { at_unix, outcomes }).collect())
    }
}
