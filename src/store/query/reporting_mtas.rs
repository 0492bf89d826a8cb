//! Who sends notices of failure, and how far they are believed.

use crate::store::query::question::Sql;
use crate::store::query::{Filter, ReportingMtaRow};
use crate::store::{Store, StoreError};

impl Store {
    /// Counts asynchronous bounces by the server that reported them, at most `limit`, those with most first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn reporting_mtas(
        &self,
        filter: &Filter,
        limit: u32,
    ) -> Result<Vec<ReportingMtaRow>, StoreError> {
        let mut conditions = vec!["bounce_origin = 'async'", "event_type IN ('bounced', 'expired')"];
        conditions.extend(filter.conditions());
        let sql = Sql::of(include_str!("reporting_mtas.sql"))
            .with_rows(include_str!("parts/events.sql"), &conditions);
        self.ask("reporting_mtas", &sql).filter(filter).range(filter.range).param("limit", limit).rows().await
    }
}
