//! What alerts watch beside the outcomes of mail: listings, the DNS, queues, new suppressions, addresses without a past.

use crate::model::suppression::Seq;
use crate::model::{Timestamp, subject_name};
use crate::store::query::TimeRange;
use crate::store::query::question::Sql;
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;

/// Most rows of an answer; of more, those that matter least are not watched.
const ROWS_MAX: u32 = 2_000;

/// Weeks before the present one that [`Store::new_suppressions`] can look at: as many as a baseline takes.
const WEEKS_MAX: i64 = 8;
const WEEK_S: i64 = 7 * 86_400;

/// Reasons are 17; with room for those of a newer version, in each of nine weeks.
const REASONS_MAX: u32 = 30 * 9;

/// How far back a check of the DNS must have been made to count, in seconds: a day longer than the longest
/// `reputation.dns_hours`.
const DNS_SEEN_S: i64 = 8 * 86_400;

/// Stretches before the present one in which an address may have a past: of a day, the 30 days after which receivers
/// forget (M3AAWG's and SendGrid's advice on warm-up).
const PAST_STRETCHES: i64 = 30;

/// An address is warm when it has sent for as many of them, if only once a week: public schedules take two weeks or more.
const WARM_STRETCHES: i64 = 14;

/// A subject that a list of the first tier lists, as news.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct ListedSubject {
    pub list: String,
    pub subject: String,
    pub codes: Vec<String>,
    /// What the list writes.
    pub text: String,
    /// The subject's share of all mail of the 30 days before it was listed, in millionths.
    pub share_ppm: u32,
    pub at_unix: i64,
    /// When the list was asked about it last.
    pub checked_unix: i64,
    pub title: String,
    /// Where to ask to be taken off, and how long a listing lasts by itself.
    pub delist: String,
    pub expires: String,
}

/// A check of the DNS by its newest change. States are those of [`crate::model::PostureState`], by name.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct DnsStanding {
    pub subject: String,
    pub check: String,
    pub about: String,
    pub state: String,
    pub state_before: String,
    pub told: String,
    pub value_before: String,
    pub value: String,
    pub at_unix: i64,
    /// Whether the check is still made.
    pub is_looked_at: bool,
}

/// Additions to the suppression list for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct NewSuppressions {
    pub reason: String,
    /// Weeks before now; 0 is the window itself.
    pub week: i64,
    pub added: u64,
}

/// Messages that wait to be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct Queue {
    pub relay: String,
    pub provider: String,
    pub waiting: u64,
    /// Age in seconds that 95 of 100 of them do not exceed.
    pub oldest_s: i64,
}

/// An address that sends without a past.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct ColdAddress {
    pub address: String,
    pub messages: u64,
    /// How many stretches of the range's length ago there was first a tenth as much mail; 0 when there was none.
    pub age: i64,
}

impl Store {
    /// Subjects that lists of the first tier have listed since a check that was not their first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn listed_subjects(&self) -> Result<Vec<ListedSubject>, StoreError> {
        let question = self.ask("listed_subjects", &Sql::of(include_str!("listed_subjects.sql")));
        question.param("limit", ROWS_MAX).rows().await
    }

    /// Checks of the DNS that are bad since they changed, and those that changed in the range.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dns_standing(&self, range: TimeRange) -> Result<Vec<DnsStanding>, StoreError> {
        let question = self.ask("dns_standing", &Sql::of(include_str!("dns_standing.sql")));
        let seen_unix = (range.to_unix - DNS_SEEN_S).max(0);
        question.range(range).param("seen_unix", seen_unix).param("limit", ROWS_MAX).rows().await
    }

    /// What was added to the suppression list one by one, in the range and at the same time of the eight weeks before it.
    /// Costs the records of these windows alone: the log lies by time, too.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn new_suppressions(&self, range: TimeRange) -> Result<Vec<NewSuppressions>, StoreError> {
        let range = range.in_calendar();
        let place = |unix: i64| Seq::new(Timestamp::from_seconds(unix), 0);
        let mut question = self.ask("new_suppressions", &Sql::of(include_str!("new_suppressions.sql")));
        for week in 0..=WEEKS_MAX {
            let (from, to) = (range.from_unix - week * WEEK_S, range.to_unix - week * WEEK_S);
            question =
                question.param(&format!("from_{week}"), place(from)).param(&format!("to_{week}"), place(to));
        }
        question
            .param("to_us", range.to_unix * 1_000_000)
            .param("week_us", WEEK_S * 1_000_000)
            .param("limit", REASONS_MAX)
            .rows()
            .await
    }

    /// Messages that wait to be tried again, by relay and provider: those whose newest event in the range is a deferral.
    ///
    /// An approximation in two ways. A relay tells of attempts, not of its queue: a message that is tried again more
    /// rarely than the range is long is not counted (Postfix waits 4,000 seconds at most, `maximal_backoff_time`), nor is
    /// one that was never tried. And what was deleted from a queue by hand without an event waits until the range has
    /// passed. Costs the deferrals and retries of the range, not the queue's days.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn queues(&self, range: TimeRange) -> Result<Vec<Queue>, StoreError> {
        let question = self.ask("queues", &Sql::of(include_str!("queues.sql")));
        question.range(range).param("limit", ROWS_MAX).rows().await
    }

    /// Addresses that send in the range and sent hardly anything before it.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn cold_addresses(&self, range: TimeRange) -> Result<Vec<ColdAddress>, StoreError> {
        let range = range.in_calendar();
        let window_s = range.seconds().max(1);
        let rows: Vec<ColdAddress> = self
            .ask("cold_addresses", &Sql::of(include_str!("cold_addresses.sql")))
            .param("to_unix", range.to_unix)
            .param("back_unix", (range.from_unix - PAST_STRETCHES * window_s).max(0))
            .param("window_s", window_s)
            .param("age", WARM_STRETCHES)
            .param("limit", ROWS_MAX)
            .rows()
            .await?;
        Ok(rows.into_iter().map(|row| ColdAddress { address: subject_name(&row.address), ..row }).collect())
    }
}
