//! DMARC failure reports: single messages that failed authentication at a receiver.

use crate::store::query::{DmarcFailureCount, DmarcFailureShown, ReportFilter};
use crate::store::{Store, StoreError};

const ROWS: &str = include_str!("parts/dmarc_failures.sql");

impl Store {
    /// The newest failure reports in the range, at most `limit`, those kept apart among them.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dmarc_failures(
        &self,
        filter: &ReportFilter,
        limit: u32,
    ) -> Result<Vec<DmarcFailureShown>, StoreError> {
        let sql = filter.sql(include_str!("dmarc_failures.sql"), ROWS, &[]);
        self.ask("dmarc_failures", &sql).reports(filter).param("limit", limit).rows().await
    }

    /// Counts the failure reports that count, by domain and kind of failure, at most `limit` rows.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dmarc_failure_counts(
        &self,
        filter: &ReportFilter,
        limit: u32,
    ) -> Result<Vec<DmarcFailureCount>, StoreError> {
        let sql = filter.sql(include_str!("dmarc_failure_counts.sql"), ROWS, &["r.standing = 'counted'"]);
        self.ask("dmarc_failure_counts", &sql).reports(filter).param("limit", limit).rows().await
    }
}
