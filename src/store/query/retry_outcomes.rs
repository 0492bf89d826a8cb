//! What became of the mail that was put off.

use crate::store::query::question::Sql;
use crate::store::query::{Filter, RetryOutcomes};
use crate::store::{Store, StoreError};

impl Store {
    /// Follows the messages that were deferred in the filter's range to their end, or to now. Reads single events.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn retry_outcomes(&self, filter: &Filter) -> Result<RetryOutcomes, StoreError> {
        let sql = Sql::of(include_str!("retry_outcomes.sql"));
        let sql = sql.with_conditions("@filter", &filter.conditions());
        self.ask("retry_outcomes", &sql).filter(filter).range(filter.range).row().await
    }
}
