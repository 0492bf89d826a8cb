//! The audit log, page by page.

use crate::store::query::filter::LAST_UNIX;
use crate::store::query::question::Sql;
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::{Deserialize, Serialize};

/// One change of state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct AuditRow {
    pub audit_id: String,
    pub at_us: i64,
    pub actor: String,
    pub role: String,
    pub door: String,
    pub action: String,
    pub object: String,
    pub detail: String,
    pub items: u64,
}

/// Which entries of the audit log; `None` takes all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditSearch {
    pub actor: Option<String>,
    pub action: Option<String>,
    /// Time (microseconds) and id of the last row of the page before.
    pub before: Option<(i64, String)>,
    pub limit: u32,
}

/// A time after every entry, in microseconds since 1970.
const NEWEST_US: i64 = LAST_UNIX * 1_000_000;

impl Store {
    /// A page of the audit log, newest first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn audit(&self, search: &AuditSearch) -> Result<Vec<AuditRow>, StoreError> {
        let (before_us, before_id) = search.before.clone().unwrap_or((NEWEST_US, String::new()));
        let conditions: Vec<&str> = [
            search.actor.as_ref().map(|_| "actor = {actor:String}"),
            search.action.as_ref().map(|_| "action = {action:String}"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let sql = Sql::of(include_str!("audit.sql")).with_conditions("@which", &conditions);
        self.ask("audit", &sql)
            .param("actor", search.actor.as_deref().unwrap_or_default())
            .param("action", search.action.as_deref().unwrap_or_default())
            .param("before_us", before_us.clamp(0, NEWEST_US))
            .param("before_id", before_id)
            .param("limit", search.limit)
            .rows()
            .await
    }
}
