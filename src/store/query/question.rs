//! One question on its way: text, parameters, limits, and the one place where a refusal becomes a [`StoreError`].

use crate::store::query::filter::address_of;
use crate::store::query::{Filter, TimeRange};
use crate::store::{Store, StoreError};
use clickhouse::{RowOwned, RowRead};
use serde::Serialize;

/// What one question may cost, so that no page can starve the others or the writing of events.
///
/// The engine stops a question that goes further, with an error that names the setting.
const LIMITS: [(&str, &str); 4] = [
    // A page that takes longer than this has been closed by its reader.
    ("max_execution_time", "20"),
    // A quarter of a small machine's memory. The dearest question (which messages were deferred, and what became of
    // them) needs about 100 bytes for each message.
    ("max_memory_usage", "1000000000"),
    // More rows than any page or chart can show; every question has a lower `LIMIT` of its own.
    ("max_result_rows", "100000"),
    ("result_overflow_mode", "throw"),
];

/// The filter bar as a condition: `mailbox_provider`, `sending_ip` … must be columns where it stands.
const FILTER: &str = include_str!("parts/filter.sql");

/// The columns of an [`crate::store::query::EventRow`].
const EVENT_ROW: &str = include_str!("parts/event_row.sql");

pub(super) struct Question {
    name: &'static str,
    query: clickhouse::query::Query,
}

impl Store {
    /// Begins a question; `name` is that of its method and file.
    pub(super) fn ask(&self, name: &'static str, sql: &str) -> Question {
        // Two replacements in a few kilobytes: a thousandth of what the shortest question costs.
        let sql = sql.replace("@event_row", EVENT_ROW).replace("@filter", FILTER);
        let query = self.client.query_raw(&sql);
        let query = LIMITS.into_iter().fold(query, |query, (name, value)| query.with_setting(name, value));
        Question { name, query }
    }
}

impl Question {
    pub(super) fn param(mut self, name: &str, value: impl Serialize) -> Self {
        self.query = self.query.param(name, value);
        self
    }

    pub(super) fn range(self, range: TimeRange) -> Self {
        let range = range.in_calendar();
        self.param("from_unix", range.from_unix).param("to_unix", range.to_unix)
    }

    /// Gives the values of [`FILTER`]; the range is given apart, because each table has its own grain.
    pub(super) fn filter(self, filter: &Filter) -> Self {
        let addresses: Vec<String> =
            filter.ip.iter().filter_map(|text| address_of(text)).map(|address| address.to_string()).collect();
        self.param("provider", &filter.provider)
            .param("ip", &filter.ip)
            .param("ip_parsed", addresses)
            .param("pool", &filter.pool)
            .param("stream", &filter.stream)
            .param("tenant", &filter.tenant)
            .param("domain", &filter.domain)
            .param("campaign", &filter.campaign)
    }

    pub(super) async fn rows<T: RowOwned + RowRead>(self) -> Result<Vec<T>, StoreError> {
        let Self { name, query } = self;
        query.fetch_all().await.map_err(|source| StoreError::Query { query: name, source })
    }

    pub(super) async fn row<T: RowOwned + RowRead>(self) -> Result<T, StoreError> {
        let Self { name, query } = self;
        query.fetch_one().await.map_err(|source| StoreError::Query { query: name, source })
    }

    pub(super) async fn row_if_any<T: RowOwned + RowRead>(self) -> Result<Option<T>, StoreError> {
        let Self { name, query } = self;
        query.fetch_optional().await.map_err(|source| StoreError::Query { query: name, source })
    }
}
