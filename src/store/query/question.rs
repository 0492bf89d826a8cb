//! One question on its way: text, conditions, parameters, limits, and the one place where a refusal becomes a
//! [`StoreError`].

use crate::store::query::{Dimension, Filter, TimeRange};
use crate::store::{Store, StoreError};
use clickhouse::{RowOwned, RowRead};
use serde::Serialize;

/// What one question may cost, so that no page can starve the others or the writing of events.
///
/// The engine stops a question that goes further, with an error that names the setting.
const LIMITS: [(&str, &str); 4] = [
    // Seconds. Whoever asked for the page has gone by then.
    ("max_execution_time", "20"),
    // Bytes: a quarter of a small machine's memory. The dearest question (what became of the deferred messages) needs
    // about 100 bytes for each of them.
    ("max_memory_usage", "1000000000"),
    // More than any page or chart can show; every question has a lower `LIMIT` of its own.
    ("max_result_rows", "100000"),
    ("result_overflow_mode", "throw"),
];

/// The text of a question before it is sent: markers such as `@rows` are replaced by constant text. Only conditions
/// that are asked for are added: the engine would see through a condition that takes all, but takes milliseconds for it
/// and no longer finds its skip indexes.
pub(super) struct Sql(String);

impl Sql {
    pub(super) fn of(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// Replaces a marker wherever it stands.
    #[must_use]
    pub(super) fn with(self, marker: &str, text: &'static str) -> Self {
        Self(self.0.replace(marker, text))
    }

    /// Replaces a marker by rows of a table (the text after FROM, with a WHERE) and conditions that narrow them.
    #[must_use]
    pub(super) fn with_rows(self, rows: &'static str, conditions: &[&'static str]) -> Self {
        Self(self.0.replace("@rows", &narrowed(rows, conditions)))
    }

    /// Replaces a marker after a WHERE by more conditions.
    #[must_use]
    pub(super) fn with_conditions(self, marker: &str, conditions: &[&'static str]) -> Self {
        Self(self.0.replace(marker, &narrowed("", conditions)))
    }
}

fn narrowed(rows: &str, conditions: &[&str]) -> String {
    conditions.iter().fold(rows.to_owned(), |rows, condition| rows + "  AND " + condition + "\n")
}

pub(super) struct Question {
    name: &'static str,
    query: clickhouse::query::Query,
}

impl Store {
    /// Begins a question; `name` is that of its method and file.
    pub(super) fn ask(&self, name: &'static str, sql: &Sql) -> Question {
        let query = self.client.query_raw(&sql.0);
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

    /// Gives the values of [`Filter::conditions`].
    pub(super) fn filter(self, filter: &Filter) -> Self {
        filter.given().fold(self, |question, (dimension, values)| {
            question.param(dimension.name(), dimension.stored(values))
        })
    }

    /// Gives the parameters of a table with one dimension at a time: the dimension, and the values that the filter takes
    /// of it (see [`Filter::value_conditions`]). Of a question that touches no dimension, the one of all mail.
    pub(super) fn one_dimension(self, filter: &Filter, by: Option<Dimension>) -> Self {
        let one = filter.asked(by).next();
        let values = one.map(|dimension| dimension.stored(filter.values(dimension)));
        self.param("dimension", one.map_or("", Dimension::name)).param("values", values.unwrap_or_default())
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
