//! The outcomes of each pair of provider and sending address, hour by hour.

use crate::store::query::filter::address_text;
use crate::store::query::shapes::OutcomeSums;
use crate::store::query::{Filter, HeatCell};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;

#[derive(Row, Deserialize)]
struct Line {
    provider: String,
    ip: String,
    hour_unix: i64,
    outcomes: OutcomeSums,
}

impl Store {
    /// Counts outcomes by provider, sending address and hour over the whole hours that contain the filter's range: at
    /// most `limit` cells, the pairs with most attempts first, the hours of a pair ascending. Hours without an attempt
    /// are missing.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn provider_ip_heatmap(
        &self,
        filter: &Filter,
        limit: u32,
    ) -> Result<Vec<HeatCell>, StoreError> {
        let sql = include_str!("provider_ip_heatmap.sql");
        let question = self.ask_hours("provider_ip_heatmap", sql, filter);
        let lines: Vec<Line> = question.param("limit", limit).rows().await?;
        let cell = |line: Line| HeatCell {
            provider: line.provider,
            ip: address_text(&line.ip),
            hour_unix: line.hour_unix,
            outcomes: line.outcomes.into(),
        };
        Ok(lines.into_iter().map(cell).collect())
    }
}
