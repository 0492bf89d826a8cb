//! The whole extent of what is stored.

use crate::store::query::question::Sql;
use crate::store::query::{Extent, TimeRange};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;

#[derive(Row, Deserialize)]
struct Line {
    oldest_unix: i64,
    newest_unix: i64,
    events: u64,
}

impl Store {
    /// From the oldest event to the second after the newest; `None` when there is no event.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn extent(&self) -> Result<Extent, StoreError> {
        let line: Line = self.ask("extent", &Sql::of(include_str!("extent.sql"))).row().await?;
        Ok((line.events > 0)
            .then_some(TimeRange { from_unix: line.oldest_unix, to_unix: line.newest_unix + 1 }))
    }
}
