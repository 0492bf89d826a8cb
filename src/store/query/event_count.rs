//! How many events a search finds.

use crate::store::query::{EventSearch, Filter};
use crate::store::{Store, StoreError};

impl Store {
    /// Counts the events of a search on all its pages: `before` and `limit` do not matter.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn event_count(&self, filter: &Filter, search: &EventSearch) -> Result<u64, StoreError> {
        self.ask_search("event_count", include_str!("event_count.sql"), filter, search).row().await
    }
}
