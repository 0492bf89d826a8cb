//! DMARC reports as such: who sends them, which count, and the head of one.

use crate::store::query::dmarc_domains::{RECORDS, SUMS};
use crate::store::query::question::Sql;
use crate::store::query::{DmarcReportHead, DmarcReporterRow, ReportFilter, StandingRow};
use crate::store::{Store, StoreError};

const ARRIVALS: &str = include_str!("parts/dmarc_arrivals.sql");
const HEAD: &str = include_str!("parts/dmarc_head.sql");
const ONE: &str = "dmarc_reports AS r\nWHERE r.report_key = toUUIDOrZero({report_key:String})\n";

impl Store {
    /// Counts what each reporter saw, at most `limit` of them, those with most mail first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dmarc_reporters(
        &self,
        filter: &ReportFilter,
        limit: u32,
    ) -> Result<Vec<DmarcReporterRow>, StoreError> {
        let sql = filter.sql(include_str!("dmarc_reporters.sql"), RECORDS, &[]).with("@sums", SUMS);
        self.ask("dmarc_reporters", &sql).reports(filter).param("limit", limit).rows().await
    }

    /// The reports that came in the range, newest first, at most `limit`; `is_apart` takes those that do not count, else
    /// those that do.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dmarc_reports(
        &self,
        filter: &ReportFilter,
        is_apart: bool,
        limit: u32,
    ) -> Result<Vec<DmarcReportHead>, StoreError> {
        let which = if is_apart { "r.standing != 'counted'" } else { "r.standing = 'counted'" };
        let sql = filter.sql(include_str!("dmarc_reports.sql"), ARRIVALS, &[which]).with("@head", HEAD);
        self.ask("dmarc_reports", &sql).reports(filter).param("limit", limit).rows().await
    }

    /// The report of that key (a UUID), or `None` when its retention has ended, or when the text is no key.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dmarc_report(&self, report_key: &str) -> Result<Option<DmarcReportHead>, StoreError> {
        let sql = Sql::of(include_str!("dmarc_reports.sql")).with_rows(ONE, &[]).with("@head", HEAD);
        self.ask("dmarc_report", &sql)
            .param("report_key", report_key)
            .param("limit", 1_u32)
            .row_if_any()
            .await
    }

    /// Counts the reports that came in the range by whether they count.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dmarc_standings(&self, filter: &ReportFilter) -> Result<Vec<StandingRow>, StoreError> {
        let sql = filter.sql(include_str!("dmarc_standings.sql"), ARRIVALS, &[]);
        self.ask("dmarc_standings", &sql).reports(filter).rows().await
    }
}
