//! Rejects by source and reason.

use crate::store::query::RejectCount;
use crate::store::query::question::Sql;
use crate::store::{Store, StoreError};

/// Most pairs of source and reason shown.
const PAIRS_MAX: u32 = 5_000;

impl Store {
    /// Counts the rejects that are kept, by source and reason.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn reject_counts(&self) -> Result<Vec<RejectCount>, StoreError> {
        self.ask("reject_counts", &Sql::of(include_str!("reject_counts.sql")))
            .param("limit", PAIRS_MAX)
            .rows()
            .await
    }
}
