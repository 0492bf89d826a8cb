//! The outcomes of a range step by step.

use crate::store::query::filter::SERIES_STEPS_MAX;
use crate::store::query::rollup::Grouping;
use crate::store::query::shapes::OutcomeSums;
use crate::store::query::{Filter, OutcomesAt};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;

#[derive(Row, Deserialize)]
struct Line {
    at_unix: i64,
    outcomes: OutcomeSums,
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
        let grouping = Grouping { step_s: Some(step_s), ..Grouping::default() };
        let sql = include_str!("outcome_series.sql");
        let question = self.ask_outcomes("outcome_series", sql, filter, grouping).await?;
        // A range that begins and ends within a step touches one step more.
        let lines: Vec<Line> = question.param("limit", SERIES_STEPS_MAX + 1).rows().await?;
        let at = |line: Line| OutcomesAt { at_unix: line.at_unix, outcomes: line.outcomes.into() };
        Ok(lines.into_iter().map(at).collect())
    }
}
