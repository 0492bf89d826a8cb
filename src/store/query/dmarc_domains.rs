//! The policy domains that DMARC reports are about, and their mail by day.

use crate::store::query::{DmarcDayRow, DmarcDomainRow, DmarcPolicyRow, ReportFilter};
use crate::store::{Store, StoreError};

pub(super) const RECORDS: &str = include_str!("parts/dmarc_records.sql");
pub(super) const SUMS: &str = include_str!("parts/dmarc_sums.sql");

const REPORTS: &str = include_str!("parts/dmarc_reports.sql");

/// Most days of a series; more than a range may have.
const DAYS_MAX: u32 = 1_000;

impl Store {
    /// Counts the mail of each policy domain, at most `limit` domains, those with most mail first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dmarc_domains(
        &self,
        filter: &ReportFilter,
        limit: u32,
    ) -> Result<Vec<DmarcDomainRow>, StoreError> {
        let sql = filter.sql(include_str!("dmarc_domains.sql"), RECORDS, &[]).with("@sums", SUMS);
        self.ask("dmarc_domains", &sql).reports(filter).param("limit", limit).rows().await
    }

    /// The policy of each domain as its newest report in the range tells it; at most `limit` domains.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dmarc_policies(
        &self,
        filter: &ReportFilter,
        limit: u32,
    ) -> Result<Vec<DmarcPolicyRow>, StoreError> {
        let counted = ["r.standing = 'counted'"];
        let sql = filter.sql(include_str!("dmarc_policies.sql"), REPORTS, &counted);
        self.ask("dmarc_policies", &sql).reports(filter).param("limit", limit).rows().await
    }

    /// Counts the mail of each day, oldest first; days without mail are left out.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dmarc_days(&self, filter: &ReportFilter) -> Result<Vec<DmarcDayRow>, StoreError> {
        let sql = filter.sql(include_str!("dmarc_days.sql"), RECORDS, &[]).with("@sums", SUMS);
        self.ask("dmarc_days", &sql).reports(filter).param("limit", DAYS_MAX).rows().await
    }
}
