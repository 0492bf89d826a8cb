//! How far back the minute rollup goes.

use crate::store::query::question::Sql;
use crate::store::{Store, StoreError};

impl Store {
    /// The first minute that the minute rollup still has, in seconds since 1970; `None` when it is empty.
    pub(super) async fn oldest_minute(&self) -> Result<Option<i64>, StoreError> {
        let minute_unix: i64 =
            self.ask("oldest_minute", &Sql::of(include_str!("oldest_minute.sql"))).row().await?;
        Ok((minute_unix > 0).then_some(minute_unix))
    }
}
