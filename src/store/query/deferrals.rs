//! Who puts mail off, and with which words.

use crate::store::query::{DeferralRow, Filter};
use crate::store::{Store, StoreError};

impl Store {
    /// Counts deferrals by receiving site and code, at most `limit`, most attempts first. Reads single events.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn deferrals(&self, filter: &Filter, limit: u32) -> Result<Vec<DeferralRow>, StoreError> {
        let question = self.ask("deferrals", include_str!("deferrals.sql"));
        question.filter(filter).range(filter.range).param("limit", limit).rows().await
    }
}
