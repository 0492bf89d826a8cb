//! Single records of DMARC reports, in pages.

use crate::store::query::dmarc_domains::RECORDS;
use crate::store::query::dmarc_sources::NAMES;
use crate::store::query::question::{Question, Sql};
use crate::store::query::{DMARC_RECORDS_MAX, Dimension, DmarcRecordRow, DmarcRecordSearch};
use crate::store::{Store, StoreError};

const OF_REPORT: &str = "dmarc_records AS r\nWHERE r.report_key = toUUIDOrZero({report_key:String})\n";

impl Store {
    /// A page of the records that count, by day, domain and source.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dmarc_records(&self, search: &DmarcRecordSearch) -> Result<Vec<DmarcRecordRow>, StoreError> {
        let of_ips: &[&str] = if search.ips.is_empty() { &[] } else { &["r.source_ip IN {ips:Array(IPv6)}"] };
        let sql = search.filter.sql(include_str!("dmarc_records.sql"), RECORDS, of_ips);
        let question = self.ask("dmarc_records", &sql.with("@names", NAMES)).reports(&search.filter);
        paged(question.param("ips", Dimension::Ip.stored(&search.ips)), search.offset, search.limit).await
    }

    /// A page of the records of one report, whether it counts or not.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dmarc_report_records(
        &self,
        report_key: &str,
        offset: u64,
        limit: u32,
    ) -> Result<Vec<DmarcRecordRow>, StoreError> {
        let sql = Sql::of(include_str!("dmarc_records.sql")).with_rows(OF_REPORT, &[]).with("@names", NAMES);
        let question = self.ask("dmarc_report_records", &sql).param("report_key", report_key);
        paged(question, offset, limit).await
    }
}

async fn paged(question: Question, offset: u64, limit: u32) -> Result<Vec<DmarcRecordRow>, StoreError> {
    question.param("offset", offset).param("limit", limit.min(DMARC_RECORDS_MAX)).rows().await
}
