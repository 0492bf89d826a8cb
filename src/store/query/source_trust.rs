//! How genuine what each source brings turned out to be.

use crate::store::query::question::Sql;
use crate::store::query::{SourceTrust, TimeRange};
use crate::store::{Store, StoreError};

/// Most sources: a hundred mailboxes and relays are many.
const SOURCES_MAX: u32 = 1_000;

impl Store {
    /// Counts feedback by its trust, and reports by what their signatures were found to be, for each source that brought
    /// any in the range.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn source_trust(&self, range: &TimeRange) -> Result<Vec<SourceTrust>, StoreError> {
        let range = range.in_calendar();
        self.ask("source_trust", &Sql::of(include_str!("source_trust.sql")))
            .param("from_us", range.from_unix * 1_000_000)
            .param("to_us", range.to_unix * 1_000_000)
            .param("limit", SOURCES_MAX)
            .rows()
            .await
    }
}
