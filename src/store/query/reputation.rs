//! Listings, tests of lists, and the DNS of subjects.

use crate::store::query::question::Sql;
use crate::store::query::{
    Dimension, DkimSelectorRow, DnsChangeRow, DnsFindingRow, DnsKnownRow, ListTestRow, ListingChangeRow,
    ListingNoteRow, ListingRow, ReportFilter, SenderRow, TimeRange,
};
use crate::store::{Store, StoreError};

/// Most rows of what stands: `reputation.subjects_max` addresses and as many domains, on all lists.
const STANDING_ROWS_MAX: u32 = 100_000;

/// Most lists, each with up to two kinds.
const LISTS_MAX: u32 = 500;

/// How far back a list's last round is looked for, in seconds: one that was not asked for a week is asked no more.
const LIST_SEEN_S: i64 = 7 * 86_400;

/// Most pairs of a domain and an address: a few domains with a hundred addresses each, or many with a few.
const SENDERS_MAX: u32 = 20_000;

const DMARC_RECORDS: &str = include_str!("parts/dmarc_records.sql");

impl Store {
    /// What is believed of each subject on each list, of those checked since a time; by subject and list.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn listings(&self, since_unix: i64) -> Result<Vec<ListingRow>, StoreError> {
        let question = self.ask("listings", &Sql::of(include_str!("listings.sql")));
        question.param("since_unix", since_unix.max(0)).param("limit", STANDING_ROWS_MAX).rows().await
    }

    /// What changed in a range, newest first, of one subject or of all.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn listing_changes(
        &self,
        range: TimeRange,
        subject: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ListingChangeRow>, StoreError> {
        let sql = of_subject(include_str!("listing_changes.sql"), subject);
        let question = self.ask("listing_changes", &sql).range(range).param("limit", limit);
        question.param("subject", subject.unwrap_or_default()).rows().await
    }

    /// The last round of each list, and what it was asked since the day (UTC) of `now_unix` began.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn list_tests(&self, now_unix: i64) -> Result<Vec<ListTestRow>, StoreError> {
        self.ask("list_tests", &Sql::of(include_str!("list_tests.sql")))
            .param("day_unix", now_unix.div_euclid(86_400) * 86_400)
            .param("since_unix", (now_unix - LIST_SEEN_S).max(0))
            .param("limit", LISTS_MAX)
            .rows()
            .await
    }

    /// Notes about listings, newest first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn listing_notes(&self, limit: u32) -> Result<Vec<ListingNoteRow>, StoreError> {
        let question = self.ask("listing_notes", &Sql::of(include_str!("listing_notes.sql")));
        question.param("limit", limit).rows().await
    }

    /// The newest snapshot of each subject that was looked at since a time, or of one of them.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dns_findings(
        &self,
        since_unix: i64,
        subject: Option<&str>,
    ) -> Result<Vec<DnsFindingRow>, StoreError> {
        let sql = of_subject(include_str!("dns_findings.sql"), subject);
        let question = self.ask("dns_findings", &sql).param("since_unix", since_unix.max(0));
        question.param("subject", subject.unwrap_or_default()).param("limit", STANDING_ROWS_MAX).rows().await
    }

    /// The last judgement of each check that said anything, since a time.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dns_known(&self, since_unix: i64) -> Result<Vec<DnsKnownRow>, StoreError> {
        let question = self.ask("dns_known", &Sql::of(include_str!("dns_known.sql")));
        question.param("since_unix", since_unix.max(0)).param("limit", STANDING_ROWS_MAX).rows().await
    }

    /// What changed in the DNS in a range, newest first, of one subject or of all.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dns_changes(
        &self,
        range: TimeRange,
        subject: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DnsChangeRow>, StoreError> {
        let sql = of_subject(include_str!("dns_changes.sql"), subject);
        let question = self.ask("dns_changes", &sql).range(range).param("limit", limit);
        question.param("subject", subject.unwrap_or_default()).rows().await
    }

    /// The selectors that receivers saw in signatures, by DMARC reports that count.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dkim_selectors(
        &self,
        range: TimeRange,
        limit: u32,
    ) -> Result<Vec<DkimSelectorRow>, StoreError> {
        let filter = ReportFilter { range, domains: Vec::new() };
        let sql = Sql::of(include_str!("dkim_selectors.sql")).with("@rows", DMARC_RECORDS);
        self.ask("dkim_selectors", &sql).reports(&filter).param("limit", limit).rows().await
    }

    /// The addresses that sent mail for each domain in the whole hours that contain the range, at most `per_domain` of
    /// each, those that sent most first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn senders(&self, range: &TimeRange, per_domain: u32) -> Result<Vec<SenderRow>, StoreError> {
        let mut rows: Vec<SenderRow> = self
            .ask("senders", &Sql::of(include_str!("senders.sql")))
            .range(range.whole_hours())
            .param("per_domain", per_domain)
            .param("limit", SENDERS_MAX)
            .rows()
            .await?;
        for row in &mut rows {
            row.ip = Dimension::Ip.shown(std::mem::take(&mut row.ip));
        }
        Ok(rows)
    }
}

fn of_subject(sql: &'static str, subject: Option<&str>) -> Sql {
    let condition: &[&str] = if subject.is_some() { &["subject = {subject:String}"] } else { &[] };
    Sql::of(sql).with_conditions("@more", condition)
}
