//! Who puts mail off, and with which words.

use crate::store::query::question::Sql;
use crate::store::query::{DeferralRow, Filter};
use crate::store::{Store, StoreError};

impl Store {
    /// Counts deferrals by receiving site and code, at most `limit`, most attempts first. Reads single events.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn deferrals(&self, filter: &Filter, limit: u32) -> Result<Vec<DeferralRow>, StoreError> {
        let sql = Sql::of(include_str!("deferrals.sql"));
        let sql = sql.with_rows(include_str!("parts/events.sql"), &filter.conditions());
        self.ask("deferrals", &sql).filter(filter).range(filter.range).param("limit", limit).rows().await
    }
}
