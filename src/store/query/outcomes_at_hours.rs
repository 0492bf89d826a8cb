//! Outcomes of each combination of values, in a window or at single hours: what rules of alerts compare.
//!
//! The other questions about outcomes take one range; a rule sets its window beside the same hours of past weeks, which
//! are no range.

use crate::store::query::question::Sql;
use crate::store::query::shapes::OutcomeSums;
use crate::store::query::{Dimension, Filter, Outcomes, TimeRange};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;

/// Most rows of an answer: 2,000 values at nine weeks of three hours, with some room. The cut takes those that sent
/// least.
const ROWS_MAX: u32 = 80_000;

const TOTALS: &str =
    "totals_minute\nWHERE minute >= toDateTime({from_unix:Int64}) AND minute < toDateTime({to_unix:Int64})\n";
const MINUTES: &str =
    "events_minute\nWHERE minute >= toDateTime({from_unix:Int64}) AND minute < toDateTime({to_unix:Int64})\n";
const VALUES: &str = "values_hour AS one\nWHERE one.dimension = {dimension:String} AND hour IN {hours:Array(DateTime('UTC'))}\n";
const HOURS: &str = "events_hour\nWHERE hour IN {hours:Array(DateTime('UTC'))}\n";
const CAMPAIGNS: &str = "campaigns_hour\nWHERE hour IN {hours:Array(DateTime('UTC'))}\n";

const SUMS: &str = include_str!("parts/sums_rollup.sql");

/// Outcomes of one combination of values, in the order of the dimensions asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomesOfKeys {
    pub keys: Vec<String>,
    pub outcomes: Outcomes,
}

/// The same, in one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomesAtHour {
    pub keys: Vec<String>,
    pub hour_unix: i64,
    pub outcomes: Outcomes,
}

#[derive(Row, Deserialize)]
struct Line {
    keys: Vec<String>,
    outcomes: OutcomeSums,
}

#[derive(Row, Deserialize)]
struct HourLine {
    keys: Vec<String>,
    hour_unix: i64,
    outcomes: OutcomeSums,
}

fn shown(by: &[Dimension], keys: Vec<String>) -> Vec<String> {
    by.iter().zip(keys).map(|(dimension, key)| dimension.shown(key)).collect()
}

/// The text that makes the list of values of a row: of columns, or of a table with one dimension at a time.
fn keys(sql: Sql, by: &[Dimension], is_one: bool) -> Sql {
    match by {
        [] => sql.with("@keys", "emptyArrayString()"),
        [_] if is_one => sql.with("@keys", "[toString(one.value)]"),
        [first] => sql.with("@keys", "[toString(@first)]").with("@first", first.column()),
        [first, second, ..] => sql
            .with("@keys", "[toString(@first), toString(@second)]")
            .with("@first", first.column())
            .with("@second", second.column()),
    }
}

impl Store {
    /// Counts outcomes in the filter's range, to the minute, by at most two dimensions; more are left out. Not by
    /// campaign, which is counted by the hour alone.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn outcomes_by_minutes(
        &self,
        filter: &Filter,
        by: &[Dimension],
        limit: u32,
    ) -> Result<Vec<OutcomesOfKeys>, StoreError> {
        let touched = by.iter().copied().chain(filter.given().map(|(dimension, _)| dimension));
        let is_total =
            touched.into_iter().all(|dimension| matches!(dimension, Dimension::Tenant | Dimension::Stream));
        let rows = if is_total { TOTALS } else { MINUTES };
        let sql = Sql::of(include_str!("outcomes_by_minutes.sql"));
        let sql = keys(sql, by, false).with("@sums", SUMS).with_rows(rows, &filter.conditions());
        let lines: Vec<Line> = self
            .ask("outcomes_by_minutes", &sql)
            .filter(filter)
            .range(filter.range)
            .param("limit", limit)
            .rows()
            .await?;
        let of = |line: Line| OutcomesOfKeys { keys: shown(by, line.keys), outcomes: line.outcomes.into() };
        Ok(lines.into_iter().map(of).collect())
    }

    /// Counts outcomes in each of some hours, by at most two dimensions. The filter's range does not matter.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn outcomes_at_hours(
        &self,
        filter: &Filter,
        by: &[Dimension],
        hours: &[i64],
    ) -> Result<Vec<OutcomesAtHour>, StoreError> {
        let touched: Vec<_> =
            by.iter().copied().chain(filter.given().map(|(dimension, _)| dimension)).collect();
        let one = touched.first().copied();
        let is_one = touched.iter().all(|dimension| Some(*dimension) == one);
        let (rows, conditions) = if is_one {
            (VALUES, filter.value_conditions())
        } else if touched.contains(&Dimension::Campaign) {
            (CAMPAIGNS, filter.conditions())
        } else {
            (HOURS, filter.conditions())
        };
        let sql = Sql::of(include_str!("outcomes_at_hours.sql"));
        let sql = keys(sql, by, is_one).with("@sums", SUMS).with_rows(rows, &conditions);
        let lines: Vec<HourLine> = self
            .ask("outcomes_at_hours", &sql)
            .filter(filter)
            .one_dimension(filter, by.first().copied())
            .param("hours", hours)
            .param("limit", ROWS_MAX)
            .rows()
            .await?;
        let of = |line: HourLine| OutcomesAtHour {
            keys: shown(by, line.keys),
            hour_unix: line.hour_unix,
            outcomes: line.outcomes.into(),
        };
        Ok(lines.into_iter().map(of).collect())
    }
}

/// A part of a whole in one hour of arrival.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct ShareAtHour {
    pub value: String,
    pub hour_unix: i64,
    pub part: u64,
    pub whole: u64,
}

/// A kind of reply that was not seen before.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct NewResponse {
    pub provider: String,
    pub template: String,
    pub smtp_code: u16,
    pub enhanced_code: String,
    pub sample: String,
    pub events: u64,
}

/// When a source was heard of.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct SourceGap {
    pub source_kind: String,
    pub source: String,
    pub last_unix: i64,
    /// The longest time without an event, in seconds, of all but the last.
    pub longest_gap_s: i64,
    /// Hours with events.
    pub hours: u64,
}

/// How far back a kind of reply must not have been seen to be new, in seconds: four weeks, as long as most campaigns come
/// round.
const NEW_AFTER_S: i64 = 28 * 86_400;

/// Most rows of the questions below: domains, sources, kinds of reply.
const LIST_MAX: u32 = 2_000;

impl Store {
    /// Passed and all messages of DMARC reports that came in some hours, by policy domain.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dmarc_at_hours(&self, hours: &[i64]) -> Result<Vec<ShareAtHour>, StoreError> {
        self.ask("dmarc_at_hours", &Sql::of(include_str!("dmarc_at_hours.sql")))
            .param("hours", hours)
            .param("limit", ROWS_MAX)
            .rows()
            .await
    }

    /// Failed and all sessions of TLS reports that came in some hours, by policy domain.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn tls_at_hours(&self, hours: &[i64]) -> Result<Vec<ShareAtHour>, StoreError> {
        self.ask("tls_at_hours", &Sql::of(include_str!("tls_at_hours.sql")))
            .param("hours", hours)
            .param("limit", ROWS_MAX)
            .rows()
            .await
    }

    /// Kinds of reply in the whole hours of a range that did not come in the four weeks before, most events first. None
    /// while there is no older reply at all: then everything would be new.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn new_responses(&self, range: TimeRange) -> Result<Vec<NewResponse>, StoreError> {
        let range = range.whole_hours();
        self.ask("new_responses", &Sql::of(include_str!("new_responses.sql")))
            .range(range)
            .param("back_unix", (range.from_unix - NEW_AFTER_S).max(0))
            .param("limit", LIST_MAX)
            .rows()
            .await
    }

    /// When each source was heard of last, and how long it was silent before, over four weeks.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn source_gaps(&self, now_unix: i64) -> Result<Vec<SourceGap>, StoreError> {
        self.ask("source_gaps", &Sql::of(include_str!("source_gaps.sql")))
            .param("from_unix", (now_unix - NEW_AFTER_S).max(0))
            .param("to_unix", now_unix)
            .param("limit", LIST_MAX)
            .rows()
            .await
    }
}
