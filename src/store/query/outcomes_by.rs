//! The outcomes of each value of a dimension.

use crate::store::query::rollup::Grouping;
use crate::store::query::shapes::OutcomeSums;
use crate::store::query::{Dimension, Filter, OutcomesOf};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;

#[derive(Row, Deserialize)]
struct Line {
    value: String,
    outcomes: OutcomeSums,
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
        let grouping = Grouping { dimension: Some(dimension), ..Grouping::default() };
        let question =
            self.ask_outcomes("outcomes_by", include_str!("outcomes_by.sql"), filter, grouping).await?;
        let lines: Vec<Line> = question.param("limit", limit).rows().await?;
        let of =
            |line: Line| OutcomesOf { value: dimension.shown(line.value), outcomes: line.outcomes.into() };
        Ok(lines.into_iter().map(of).collect())
    }
}
