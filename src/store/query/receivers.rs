//! What the mail itself tells of the rules of large receivers.

use crate::store::query::TimeRange;
use crate::store::query::question::Sql;
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::{Deserialize, Serialize};

/// Most streams whose recipients left by one click: who has more separates nothing by them.
const STREAMS_MAX: u32 = 500;

/// Deliveries to a provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct TlsSessionsRow {
    pub provider: String,
    pub delivered: u64,
    /// Those with a TLS session in the event: of the others nothing is known.
    pub encrypted: u64,
}

/// A stream whose recipients left by one click (RFC 8058).
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct OneClicksRow {
    pub name: String,
    pub clicks: u64,
}

impl Store {
    /// Deliveries for a domain of the envelope sender to some providers. Reads events: ask about a day.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn tls_sessions(
        &self,
        range: TimeRange,
        domain: &str,
        providers: &[&str],
    ) -> Result<Vec<TlsSessionsRow>, StoreError> {
        self.ask("tls_sessions", &Sql::of(include_str!("tls_sessions.sql")))
            .range(range)
            .param("domain", domain)
            .param("providers", providers)
            .param("limit", providers.len())
            .rows()
            .await
    }

    /// The streams whose recipients left by one click, those with most clicks first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn one_clicks(&self, range: TimeRange) -> Result<Vec<OneClicksRow>, StoreError> {
        let question = self.ask("one_clicks", &Sql::of(include_str!("one_clicks.sql"))).range(range);
        question.param("limit", STREAMS_MAX).rows().await
    }
}
