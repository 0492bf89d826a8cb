//! TLS reports: sessions of other servers with ours that were encrypted as our policy asks, or failed.

use crate::store::query::{
    ReportFilter, StandingRow, TlsDayRow, TlsDomainRow, TlsFailureCount, TlsReporterRow,
};
use crate::store::{Store, StoreError};

const REPORTS: &str = include_str!("parts/tls_reports.sql");
const ARRIVALS: &str = include_str!("parts/tls_arrivals.sql");
const FAILURES: &str = include_str!("parts/tls_failures.sql");
const COUNTED: &[&str] = &["r.standing = 'counted'"];

/// Most days of a series; more than a range may have.
const DAYS_MAX: u32 = 1_000;

impl Store {
    /// Counts the sessions of each policy, at most `limit`, those with most sessions first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn tls_domains(
        &self,
        filter: &ReportFilter,
        limit: u32,
    ) -> Result<Vec<TlsDomainRow>, StoreError> {
        let sql = filter.sql(include_str!("tls_domains.sql"), REPORTS, COUNTED);
        self.ask("tls_domains", &sql).reports(filter).param("limit", limit).rows().await
    }

    /// Counts the sessions of each day on which reports begin, oldest first; days without are left out.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn tls_days(&self, filter: &ReportFilter) -> Result<Vec<TlsDayRow>, StoreError> {
        let sql = filter.sql(include_str!("tls_days.sql"), REPORTS, COUNTED);
        self.ask("tls_days", &sql).reports(filter).param("limit", DAYS_MAX).rows().await
    }

    /// Counts the sessions that failed, by domain, way and server, at most `limit` rows, those with most first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn tls_failures(
        &self,
        filter: &ReportFilter,
        limit: u32,
    ) -> Result<Vec<TlsFailureCount>, StoreError> {
        let sql = filter.sql(include_str!("tls_failures.sql"), FAILURES, &[]);
        self.ask("tls_failures", &sql).reports(filter).param("limit", limit).rows().await
    }

    /// Counts what each reporter saw, at most `limit` of them, those with most sessions first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn tls_reporters(
        &self,
        filter: &ReportFilter,
        limit: u32,
    ) -> Result<Vec<TlsReporterRow>, StoreError> {
        let sql = filter.sql(include_str!("tls_reporters.sql"), REPORTS, COUNTED);
        self.ask("tls_reporters", &sql).reports(filter).param("limit", limit).rows().await
    }

    /// Counts the reports that came in the range by whether they count.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn tls_standings(&self, filter: &ReportFilter) -> Result<Vec<StandingRow>, StoreError> {
        let sql = filter.sql(include_str!("tls_standings.sql"), ARRIVALS, &[]);
        self.ask("tls_standings", &sql).reports(filter).rows().await
    }
}
