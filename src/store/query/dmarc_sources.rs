//! Who sends mail of our domains, as DMARC reports tell.

use crate::store::query::dmarc_domains::{RECORDS, SUMS};
use crate::store::query::{DmarcNewSourceRow, DmarcSourceRow, ReportFilter, TimeRange};
use crate::store::{Store, StoreError};

/// What is known of addresses, and what a source is called by it.
pub(super) const NAMES: &str = include_str!("parts/source_names.sql");
const LABEL: &str = include_str!("parts/source_label.sql");

/// How far back a source is looked for that may be new, in seconds: 90 days, so that one that sends each quarter is not
/// new each time.
const BACK_S: i64 = 90 * 86_400;

impl Store {
    /// Counts the mail of each sender, at most `limit` of them, those with most mail first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dmarc_sources(
        &self,
        filter: &ReportFilter,
        limit: u32,
    ) -> Result<Vec<DmarcSourceRow>, StoreError> {
        let sql = filter.sql(include_str!("dmarc_sources.sql"), RECORDS, &[]);
        let sql = sql.with("@sums", SUMS).with("@names", NAMES).with("@label", LABEL);
        self.ask("dmarc_sources", &sql).reports(filter).param("limit", limit).rows().await
    }

    /// The senders of the range that their domain had not in the 90 days before, at most `limit`, those with most mail
    /// first. None for a domain whose first reports are in the range.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dmarc_new_sources(
        &self,
        filter: &ReportFilter,
        limit: u32,
    ) -> Result<Vec<DmarcNewSourceRow>, StoreError> {
        let days = filter.days();
        let back = ReportFilter {
            range: TimeRange { from_unix: days.from_unix - BACK_S, ..days },
            domains: filter.domains.clone(),
        };
        let sql = filter.sql(include_str!("dmarc_new_sources.sql"), RECORDS, &[]);
        let sql = sql.with("@names", NAMES).with("@label", LABEL);
        self.ask("dmarc_new_sources", &sql)
            .reports(&back)
            .param("begin_unix", days.in_calendar().from_unix)
            .param("limit", limit)
            .rows()
            .await
    }
}
