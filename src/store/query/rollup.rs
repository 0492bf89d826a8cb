//! Which table answers for which part of a range: the only place that knows.
//!
//! Outcomes: the whole hours of a range come from an hour table, what is left at its two ends from minutes, so that a
//! range is exact to the minute and costs little more than its hours; a series with steps below an hour comes from the
//! minutes alone. The smallest table that has the dimensions of the question answers. For hours that is `values_hour` when
//! it touches one dimension or none, else `events_hour` or, with the campaign, `campaigns_hour`; for minutes
//! `totals_minute`, `events_minute` or, with the campaign, `events`. Where retention has taken the finer rows already, the
//! hour that holds the end counts whole.
//!
//! The heatmap, latencies and replies are kept by the hour: their ranges are widened to whole hours, their steps are
//! whole hours. Latencies of a campaign are counted in `events`, over the same hours.
//!
//! The parts of a range are asked at once and added up here: two plain questions cost less than one over a union.

use crate::store::query::filter::{HOUR_S, LAST_UNIX, MINUTE_S, ceil, floor};
use crate::store::query::question::{Question, Sql};
use crate::store::query::{Dimension, Filter, Outcomes, TimeRange};
use crate::store::{Store, StoreError};
use clickhouse::{RowOwned, RowRead};
use std::collections::BTreeMap;

/// Longest range, in seconds, of a series with steps below an hour: the charts of longer ones have wider steps anyway.
const FINE_RANGE_S_MAX: i64 = 2 * 86_400;

/// Where something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rollup {
    /// Hours, one dimension at a time.
    Value,
    /// Hours by all dimensions but the campaign.
    Hour,
    /// Hours by all dimensions.
    Campaign,
    /// Minutes by all dimensions but the campaign.
    Minute,
    /// Minutes by tenant and stream alone.
    Total,
    Raw,
}

impl Rollup {
    /// The smallest table that answers for whole hours.
    fn hourly(filter: &Filter, by: Option<Dimension>) -> Self {
        let one = filter.asked(by).next();
        let is_one = filter.asked(by).all(|dimension| Some(dimension) == one);
        if is_one { Self::Value } else { Self::combined(filter, by) }
    }

    /// The same, for a question that groups by several dimensions.
    fn combined(filter: &Filter, by: Option<Dimension>) -> Self {
        let has_campaign = filter.asked(by).any(|dimension| dimension == Dimension::Campaign);
        if has_campaign { Self::Campaign } else { Self::Hour }
    }

    /// The smallest table that answers where hours are too coarse.
    fn finer(filter: &Filter, by: Option<Dimension>) -> Self {
        filter.asked(by).fold(Self::Total, |rollup, dimension| match (dimension, rollup) {
            (Dimension::Campaign, _) | (_, Self::Raw) => Self::Raw,
            (Dimension::Tenant | Dimension::Stream, _) => rollup,
            _ => Self::Minute,
        })
    }

    /// Puts in what a question about outcomes reads (`@rows`, `@at`, `@sums`, `@dimension`).
    fn fill(self, sql: &'static str, filter: &Filter, by: Option<Dimension>) -> Sql {
        let (rows, at) = match self {
            Self::Value => (include_str!("parts/outcomes_value.sql"), "hour"),
            Self::Hour => (include_str!("parts/outcomes_hour.sql"), "hour"),
            Self::Campaign => (include_str!("parts/outcomes_campaign.sql"), "hour"),
            Self::Minute => (include_str!("parts/outcomes_minute.sql"), "minute"),
            Self::Total => (include_str!("parts/outcomes_total.sql"), "minute"),
            Self::Raw => (include_str!("parts/outcomes_raw.sql"), "event_time"),
        };
        let sums = match self {
            Self::Raw => include_str!("parts/sums_raw.sql"),
            _ => include_str!("parts/sums_rollup.sql"),
        };
        self.narrow(Sql::of(sql), rows, filter, by).with("@at", at).with("@sums", sums)
    }

    /// Puts in the rows of a table, narrowed by the filter (`@rows`), and the column to group by (`@dimension`).
    fn narrow(self, sql: Sql, rows: &'static str, filter: &Filter, by: Option<Dimension>) -> Sql {
        if self == Self::Value {
            sql.with_rows(rows, &filter.value_conditions()).with("@dimension", "one.value")
        } else {
            sql.with_rows(rows, &filter.conditions()).with("@dimension", by.map_or("", Dimension::column))
        }
    }
}

/// A range cut in three: finer rows, whole hours, finer rows. Each part is half open and may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    whole: TimeRange,
    hours: TimeRange,
}

impl Cut {
    /// Cuts a range. `is_fine` keeps hours out as far as there are finer rows; these begin at `oldest_unix`.
    ///
    /// A minute belongs to the range in which it begins, so that ranges side by side count each minute once.
    fn of(range: TimeRange, is_fine: bool, oldest_unix: i64) -> Self {
        // The hour in which finer rows begin is taken for complete: before it there was no mail at all, or retention
        // cut it, and then it is the very oldest.
        let oldest = floor(oldest_unix, HOUR_S);
        let mut from = ceil(range.from_unix, MINUTE_S);
        let mut to = ceil(range.to_unix, MINUTE_S).max(from);
        if from < oldest {
            from = floor(from, HOUR_S);
        }
        if to < oldest {
            to = ceil(to, HOUR_S);
        }
        let hours = if is_fine {
            TimeRange { from_unix: from, to_unix: to.min(oldest).max(from) }
        } else {
            let from_unix = ceil(from, HOUR_S).min(to);
            TimeRange { from_unix, to_unix: floor(to, HOUR_S).max(from_unix) }
        };
        Self { whole: TimeRange { from_unix: from, to_unix: to }, hours }
    }

    fn has_hours(&self) -> bool {
        self.hours.seconds() > 0
    }

    fn has_ends(&self) -> bool {
        self.whole.seconds() > self.hours.seconds()
    }
}

/// Whether the hour rollup alone can answer, whatever finer rows there are.
const fn is_hourly(range: TimeRange) -> bool {
    range.from_unix % HOUR_S == 0 && range.to_unix % HOUR_S == 0
}

/// What a question about outcomes groups by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Grouping {
    Nothing,
    By(Dimension),
    /// Steps of that many seconds, at least.
    Steps(u32),
}

/// A row of outcomes that may come in two parts.
pub(super) trait Part: RowOwned + RowRead {
    type Key: Ord;

    fn into_pair(self) -> (Self::Key, Outcomes);
}

impl Store {
    /// Asks for outcomes (`@rows`, `@at`, `@sums`, `@dimension`), at most `limit` rows of each part of the range.
    pub(super) async fn outcomes_of_parts<T: Part>(
        &self,
        name: &'static str,
        sql: &'static str,
        filter: &Filter,
        grouping: Grouping,
        limit: u32,
    ) -> Result<BTreeMap<T::Key, Outcomes>, StoreError> {
        let range = filter.range.in_calendar();
        let grain_s = if range.seconds() <= FINE_RANGE_S_MAX { MINUTE_S } else { HOUR_S };
        let (step_s, dimension) = match grouping {
            Grouping::Nothing => (HOUR_S, None),
            Grouping::By(dimension) => (HOUR_S, Some(dimension)),
            Grouping::Steps(step_s) => (range.step_s(step_s, grain_s), None),
        };
        let (hourly, finer) = (Rollup::hourly(filter, dimension), Rollup::finer(filter, dimension));
        let is_fine = step_s % HOUR_S != 0;
        let cut = self.cut(range, is_fine, finer).await?;
        let part = async |rollup: Rollup, is_needed: bool| -> Result<Vec<T>, StoreError> {
            if !is_needed {
                return Ok(Vec::new());
            }
            self.ask(name, &rollup.fill(sql, filter, dimension))
                .filter(filter)
                .one_dimension(filter, dimension)
                .range(cut.whole)
                .param("hours_from_unix", cut.hours.from_unix)
                .param("hours_to_unix", cut.hours.to_unix)
                .param("step_s", step_s)
                .param("limit", limit)
                .rows()
                .await
        };
        let (hours, ends) = tokio::try_join!(part(hourly, cut.has_hours()), part(finer, cut.has_ends()))?;
        let mut sums = BTreeMap::<T::Key, Outcomes>::new();
        for (key, outcomes) in hours.into_iter().chain(ends).map(T::into_pair) {
            *sums.entry(key).or_default() += outcomes;
        }
        Ok(sums)
    }

    async fn cut(&self, range: TimeRange, is_fine: bool, finer: Rollup) -> Result<Cut, StoreError> {
        let oldest_unix = match finer {
            _ if is_hourly(range) && !is_fine => None,
            Rollup::Minute | Rollup::Total => self.oldest_minute().await?,
            _ => self.extent().await?.map(|extent| extent.from_unix),
        };
        Ok(Cut::of(range, is_fine, oldest_unix.unwrap_or(LAST_UNIX)))
    }

    /// Begins a question about outcomes by the hour (`@rows`, `@at`, `@sums`), with its filter and range.
    pub(super) fn ask_hours(&self, name: &'static str, sql: &'static str, filter: &Filter) -> Question {
        let range = filter.range.whole_hours().in_calendar();
        self.ask(name, &Rollup::combined(filter, None).fill(sql, filter, None))
            .filter(filter)
            .param("hours_from_unix", range.from_unix)
            .param("hours_to_unix", range.to_unix)
    }

    /// Begins a question about latencies (`@rows`, `@at`, `@bucket`, `@deliveries`, `@dimension`), with its filter and
    /// range.
    pub(super) fn ask_latencies(
        &self,
        name: &'static str,
        sql: &'static str,
        filter: &Filter,
        dimension: Option<Dimension>,
    ) -> Question {
        let rollup = match Rollup::finer(filter, dimension) {
            Rollup::Raw => Rollup::Raw,
            _ => Rollup::hourly(filter, dimension),
        };
        let (rows, at, bucket, deliveries) = match rollup {
            // As the view of `latency_hour` has it.
            Rollup::Raw => (
                include_str!("parts/latency_raw.sql"),
                "toStartOfHour(event_time)",
                "toUInt8(floor(4 * log2(greatest(assumeNotNull(latency_ms), 1))))",
                "count()",
            ),
            Rollup::Value => {
                (include_str!("parts/latency_value.sql"), "hour", "one.bucket", "sum(delivered)")
            }
            _ => (include_str!("parts/latency_hour.sql"), "hour", "latency.bucket", "sum(delivered)"),
        };
        let sql = rollup
            .narrow(Sql::of(sql), rows, filter, dimension)
            .with("@at", at)
            .with("@bucket", bucket)
            .with("@deliveries", deliveries);
        self.ask(name, &sql).filter(filter).one_dimension(filter, dimension).range(filter.range.whole_hours())
    }

    /// Begins a question about replies (`@rows`), with its filter and range. Empty lists take all.
    pub(super) fn ask_replies(
        &self,
        name: &'static str,
        sql: &'static str,
        filter: &Filter,
        event_types: &[&str],
        bounce_reasons: &[&str],
    ) -> Question {
        let mut conditions = filter.conditions();
        if !event_types.is_empty() {
            conditions.push("event_type IN {event_types:Array(String)}");
        }
        if !bounce_reasons.is_empty() {
            conditions.push("bounce_reason IN {bounce_reasons:Array(String)}");
        }
        let by_kind = filter.asked(None).all(|dimension| dimension == Dimension::Provider);
        let rows = if by_kind { include_str!("parts/kinds.sql") } else { include_str!("parts/replies.sql") };
        self.ask(name, &Sql::of(sql).with_rows(rows, &conditions))
            .filter(filter)
            .range(filter.range.whole_hours())
            .param("event_types", event_types)
            .param("bounce_reasons", bounce_reasons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: i64 = HOUR_S;

    #[track_caller]
    fn check(range: (i64, i64), is_fine: bool, oldest: i64, whole: (i64, i64), hours: (i64, i64)) {
        let of = |(from_unix, to_unix)| TimeRange { from_unix, to_unix };
        let cut = Cut::of(of(range), is_fine, oldest);
        assert_eq!(cut, Cut { whole: of(whole), hours: of(hours) });
    }

    #[test]
    fn whole_hours_stand_between_finer_ends() {
        check((10 * H + 600, 12 * H + 60), false, 0, (10 * H + 600, 12 * H + 60), (11 * H, 12 * H));
    }

    #[test]
    fn a_range_within_one_hour_has_no_whole_hour() {
        let range = (10 * H + 600, 10 * H + 1200);
        check(range, false, 0, range, (10 * H + 1200, 10 * H + 1200));
    }

    #[test]
    fn a_range_across_one_full_hour_has_no_whole_hour() {
        let range = (10 * H + 600, 11 * H + 600);
        check(range, false, 0, range, (11 * H, 11 * H));
    }

    #[test]
    fn a_fine_series_takes_no_hours() {
        let range = (10 * H, 12 * H);
        check(range, true, 0, range, (10 * H, 10 * H));
    }

    #[test]
    fn hours_answer_where_finer_rows_are_gone() {
        check((10 * H + 600, 12 * H + 600), false, 20 * H, (10 * H, 13 * H), (10 * H, 13 * H));
        check((10 * H + 600, 12 * H + 600), true, 20 * H, (10 * H, 13 * H), (10 * H, 13 * H));
        check((10 * H + 600, 12 * H + 600), false, 11 * H + 1, (10 * H, 12 * H + 600), (10 * H, 12 * H));
        check((10 * H + 600, 12 * H + 600), true, 11 * H + 1, (10 * H, 12 * H + 600), (10 * H, 11 * H));
    }

    #[test]
    fn a_minute_belongs_to_the_range_in_which_it_begins() {
        let first = Cut::of(TimeRange { from_unix: 0, to_unix: 90 }, false, 0);
        let second = Cut::of(TimeRange { from_unix: 90, to_unix: 200 }, false, 0);
        assert_eq!(first.whole.to_unix, 120);
        assert_eq!(second.whole.from_unix, 120);
    }

    #[test]
    fn an_empty_or_reversed_range_is_empty() {
        check((7200, 3600), false, 0, (7200, 7200), (7200, 7200));
        check((7230, 7230), true, 0, (7260, 7260), (7260, 7260));
    }

    #[test]
    fn the_smallest_table_answers() {
        let all = Filter::all(TimeRange { from_unix: 0, to_unix: 0 });
        let some = || vec!["x".to_owned()];
        let tenant = Filter { tenant: some(), stream: some(), ..all.clone() };
        let provider = Filter { provider: some(), ..tenant.clone() };
        let campaign = Filter { campaign: some(), ..all.clone() };
        for (filter, by, hourly, finer) in [
            (&all, None, Rollup::Value, Rollup::Total),
            (&all, Some(Dimension::Stream), Rollup::Value, Rollup::Total),
            (&all, Some(Dimension::Pool), Rollup::Value, Rollup::Minute),
            (&all, Some(Dimension::Campaign), Rollup::Value, Rollup::Raw),
            (&tenant, None, Rollup::Hour, Rollup::Total),
            (&provider, None, Rollup::Hour, Rollup::Minute),
            (&provider, Some(Dimension::Tenant), Rollup::Hour, Rollup::Minute),
            (&provider, Some(Dimension::Campaign), Rollup::Campaign, Rollup::Raw),
            (&campaign, None, Rollup::Value, Rollup::Raw),
            (&campaign, Some(Dimension::Campaign), Rollup::Value, Rollup::Raw),
            (&campaign, Some(Dimension::Ip), Rollup::Campaign, Rollup::Raw),
        ] {
            assert_eq!(Rollup::hourly(filter, by), hourly, "{filter:?} by {by:?}");
            assert_eq!(Rollup::finer(filter, by), finer, "{filter:?} by {by:?}");
        }
    }

    /// Every minute of any range lies in exactly one part, whatever the ends are.
    #[test]
    fn the_parts_cover_the_range_once() {
        for from in (0..4 * H).step_by(420) {
            for to in (from..4 * H).step_by(1260) {
                for oldest in [0, 2 * H, 2 * H + 300, 9 * H] {
                    for is_fine in [false, true] {
                        let Cut { whole, hours } =
                            Cut::of(TimeRange { from_unix: from, to_unix: to }, is_fine, oldest);
                        assert!(whole.from_unix <= hours.from_unix, "{from} {to} {oldest} {is_fine}");
                        assert!(hours.from_unix <= hours.to_unix, "{from} {to} {oldest} {is_fine}");
                        assert!(hours.to_unix <= whole.to_unix, "{from} {to} {oldest} {is_fine}");
                        assert!(hours.seconds() == 0 || is_hourly(hours), "{from} {to} {oldest} {is_fine}");
                        let finer = TimeRange { from_unix: whole.from_unix, to_unix: hours.from_unix };
                        let oldest_hour = oldest / H * H;
                        assert!(
                            finer.seconds() == 0 || finer.from_unix >= oldest_hour,
                            "{from} {to} {oldest}"
                        );
                    }
                }
            }
        }
    }
}
