//! How fresh each source is.

use crate::store::query::SourceFreshness;
use crate::store::query::question::Sql;
use crate::store::{Store, StoreError};

/// Most sources shown.
const SOURCES_MAX: u32 = 1_000;

impl Store {
    /// The newest event of each source of which events are kept, by kind and name.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn freshness(&self) -> Result<Vec<SourceFreshness>, StoreError> {
        self.ask("freshness", &Sql::of(include_str!("freshness.sql")))
            .param("limit", SOURCES_MAX)
            .rows()
            .await
    }
}
