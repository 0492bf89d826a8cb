//! A page of rejects.

use crate::store::query::filter::LAST_UNIX;
use crate::store::query::question::Sql;
use crate::store::query::reject::REJECT_COLUMNS;
use crate::store::query::{EVENTS_PAGE_ROWS_MAX, REJECT_EXCERPT_BYTES, RejectRow};
use crate::store::{Store, StoreError};

/// A time after every reject, in microseconds since 1970.
const NEWEST_US: i64 = LAST_UNIX * 1_000_000;

impl Store {
    /// A page of rejects, newest first, each with its first bytes; `None` takes all kinds or reasons.
    ///
    /// `before` is time (microseconds) and id of the last row of the page before.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn rejects(
        &self,
        source_kind: Option<&str>,
        reason: Option<&str>,
        limit: u32,
        before: Option<(i64, String)>,
    ) -> Result<Vec<RejectRow>, StoreError> {
        let (before_us, before_id) = before.unwrap_or((NEWEST_US, String::new()));
        let conditions: Vec<&str> = [
            source_kind.map(|_| "source_kind = {source_kind:String}"),
            reason.map(|_| "reason = {reason:String}"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let sql = Sql::of(include_str!("rejects.sql"))
            .with_conditions("@which", &conditions)
            .with("@reject_columns", REJECT_COLUMNS);
        self.ask("rejects", &sql)
            .param("source_kind", source_kind.unwrap_or_default())
            .param("reason", reason.unwrap_or_default())
            .param("before_us", before_us.clamp(0, NEWEST_US))
            .param("before_id", before_id)
            .param("excerpt", REJECT_EXCERPT_BYTES)
            .param("limit", limit.min(EVENTS_PAGE_ROWS_MAX))
            .rows()
            .await
    }
}
