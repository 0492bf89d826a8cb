//! What charts mark: annotations and incidents of a time.

use crate::store::query::question::Sql;
use crate::store::query::{Dimension, Filter};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;

/// A moment or a time that a chart marks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Deserialize)]
pub struct MarkRow {
    /// `incident`, or the kind of an annotation.
    pub kind: String,
    pub id: String,
    pub from_unix: i64,
    /// Of what still goes on, the end of the range.
    pub until_unix: i64,
    /// Of incidents the name of their rule.
    pub title: String,
    pub text: String,
    pub author: String,
    /// Of incidents alone.
    pub severity: String,
    /// Incidents that began to fire in the same minute.
    pub many: u64,
    /// All marks that there are.
    pub total: u64,
}

impl Store {
    /// Marks that touch the filter's range and do not speak of other mail than the filter takes, at most `limit`.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn marks(&self, filter: &Filter, limit: u32) -> Result<Vec<MarkRow>, StoreError> {
        let (names, allowed) = labels(filter);
        self.ask("marks", &Sql::of(include_str!("marks.sql")))
            .range(filter.range)
            .param("names", names)
            .param("allowed", allowed)
            .param("limit", limit)
            .rows()
            .await
    }
}

/// Labels that must be among some values where they are given, and these values as `label=value`. What is known of an
/// address or domain as a subject of blocklists is known of mail by it.
fn labels(filter: &Filter) -> (Vec<&'static str>, Vec<String>) {
    let (mut names, mut allowed) = (Vec::new(), Vec::new());
    let asked = Dimension::ALL.into_iter().filter(|dimension| !filter.values(*dimension).is_empty());
    for dimension in asked {
        names.push(dimension.name());
        allowed.extend(filter.values(dimension).iter().map(|value| format!("{}={value}", dimension.name())));
        if matches!(dimension, Dimension::Ip | Dimension::Domain) {
            names.push("subject");
            allowed.extend(filter.values(dimension).iter().map(|value| format!("subject={value}")));
        }
    }
    (names, allowed)
}
