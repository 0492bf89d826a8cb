//! Made-up relays with and without a fault, as figures without a store.
//!
//! A relay sends three streams from two addresses each to four providers, by a daily and weekly rhythm. Counts are drawn
//! by Poisson's law from a seed; each week is a little larger or smaller than the one before. A scenario changes the rates
//! of some mail from a time on, or at the same time of every week.

use crate::alert::{Figures, Labels, Reading, Sample};
use crate::model::alert::Metric;
use crate::store::StoreError;
use crate::store::query::{
    Dimension, Filter, Latencies, NewSuppressions, Outcomes, OutcomesAt, OutcomesAtHour, OutcomesOfKeys,
    ResponseRow, ShareAtHour, TimeRange,
};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;
const WEEK_S: i64 = 7 * 86_400;

/// From this long before the fault on, mail is drawn by the minute.
const FINE_S: i64 = 4 * HOUR_S;

pub(super) const PROVIDERS: [&str; 4] = ["google", "microsoft_consumer", "yahoo", "other"];
pub(super) const STREAMS: [&str; 3] = ["transactional", "news", "offers"];

/// Parts of all mail, by provider.
const PROVIDER_SHARES: [f64; 4] = [0.45, 0.25, 0.15, 0.15];

/// Mail of a combination of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Combination {
    pub(super) provider: usize,
    pub(super) stream: usize,
    /// 0 or 1: the first or second address of the stream.
    pub(super) ip: usize,
}

impl Combination {
    fn all() -> impl Iterator<Item = Self> {
        (0..PROVIDERS.len()).flat_map(|provider| {
            (0..STREAMS.len()).flat_map(move |stream| (0..2).map(move |ip| Self { provider, stream, ip }))
        })
    }

    pub(super) fn address(self) -> String {
        format!("192.0.2.{}", 10 * (self.stream + 1) + self.ip)
    }

    fn value(self, dimension: Dimension) -> String {
        match dimension {
            Dimension::Provider => PROVIDERS[self.provider].to_owned(),
            Dimension::Stream => STREAMS[self.stream].to_owned(),
            Dimension::Ip => self.address(),
            _ => String::new(),
        }
    }

    fn fits(self, filter: &Filter) -> bool {
        Dimension::ALL.into_iter().all(|dimension| {
            let wanted = filter.values(dimension);
            wanted.is_empty() || wanted.contains(&self.value(dimension))
        })
    }

    const fn number(self) -> u64 {
        (self.provider * 100 + self.stream * 10 + self.ip) as u64
    }
}

/// Parts of the messages that go one way or the other, and how many there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub(super) volume: f64,
    pub(super) deferral: f64,
    pub(super) hard: f64,
    pub(super) block: f64,
    pub(super) complaint: f64,
}

/// What is different from a time on, for mail that fits.
#[derive(Clone, Copy)]
pub(super) struct Change {
    pub(super) fits: fn(Combination, pick: usize) -> bool,
    pub(super) apply: fn(&mut Rates, strength: f64),
    /// In every week at that time, not in the last alone.
    pub(super) is_weekly: bool,
}

/// A relay, its past, and what changes.
pub(super) struct World {
    pub(super) seed: u64,
    /// When the change begins.
    pub(super) begins: i64,
    /// Messages a day, all together.
    pub(super) daily: f64,
    pub(super) change: Option<Change>,
    /// Which value it strikes, and how hard.
    pub(super) pick: usize,
    pub(super) strength: f64,
    /// Messages of a sender that no report had before, from the change on.
    pub(super) new_source: Option<f64>,
}

impl World {
    /// Of the daily mail, the part that is sent in an hour: mornings and evenings, less at weekends.
    fn rhythm(unix: i64, stream: usize) -> f64 {
        let (hour, day) = (unix.div_euclid(HOUR_S).rem_euclid(24), unix.div_euclid(86_400).rem_euclid(7));
        let by_hour = [
            1.0, 0.7, 0.5, 0.5, 0.6, 1.0, 2.0, 4.0, 6.5, 7.5, 7.0, 6.5, 5.5, 5.5, 5.5, 5.5, 5.5, 6.0, 6.5,
            6.5, 5.0, 3.5, 2.5, 1.5,
        ];
        // 1970 began on a Thursday.
        let weekend = if matches!(day, 2 | 3) { [0.8, 0.3, 0.4][stream] } else { 1.0 };
        let index = usize::try_from(hour).unwrap_or(0);
        by_hour[index] / 92.8 * weekend
    }

    fn rates(&self, mail: Combination, at: i64, is_present: bool) -> Rates {
        let mut rates = Rates {
            volume: self.daily * PROVIDER_SHARES[mail.provider] / 6.0 * Self::rhythm(at, mail.stream),
            deferral: [0.02, 0.03, 0.06, 0.04][mail.provider],
            hard: [0.002, 0.012, 0.010][mail.stream],
            block: 0.003,
            complaint: [0.0001, 0.0004, 0.0005][mail.stream],
        };
        // No two weeks are alike: five percent up or down, for each stream its own.
        let week = at.div_euclid(WEEK_S).unsigned_abs();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(
            self.seed ^ week.wrapping_mul(0x9e37_79b9) ^ (mail.stream as u64) << 40,
        );
        rates.volume *= 1.0 + rng.random_range(-0.05..0.05);
        rates.deferral *= rng.random_range(0.7..1.3);
        if let Some(change) = self.change
            && (is_present || change.is_weekly)
            && (change.fits)(mail, self.pick)
        {
            (change.apply)(&mut rates, self.strength);
        }
        rates
    }

    /// Whether the change is in force; every week at the same time, where it is weekly.
    fn is_changed(&self, at: i64) -> bool {
        let (first, later) = (at >= self.begins, at.rem_euclid(WEEK_S) >= self.begins.rem_euclid(WEEK_S));
        let is_weekly = self.change.is_some_and(|change| change.is_weekly);
        if is_weekly {
            later && at.rem_euclid(WEEK_S) < self.begins.rem_euclid(WEEK_S) + 3 * HOUR_S
        } else {
            first
        }
    }

    /// What happened in a time short enough for one rate.
    fn draw(&self, mail: Combination, at: i64, seconds: i64) -> Outcomes {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(
            self.seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ at.unsigned_abs() ^ mail.number() << 44,
        );
        let plain = World { change: None, new_source: None, ..*self };
        let rates = if self.is_changed(at) {
            self.rates(mail, at, at >= self.begins)
        } else {
            plain.rates(mail, at, false)
        };
        let hours = f64::from(i32::try_from(seconds).unwrap_or(0)) / 3_600.0;
        let sent = poisson(&mut rng, rates.volume * hours);
        let mut part = |share: f64| poisson(&mut rng, sent * share.min(1.0)).min(sent);
        let (deferred, hard, block) = (part(rates.deferral), part(rates.hard), part(rates.block));
        let delivered = (sent - deferred - hard - block).max(0.0);
        let complained = poisson(&mut rng, delivered * rates.complaint);
        let whole = |number: f64| if number > 0.0 { format!("{number:.0}").parse().unwrap_or(0) } else { 0 };
        Outcomes {
            delivered: whole(delivered),
            deferred: whole(deferred),
            first_deferred: whole(deferred),
            hard: whole(hard),
            block: whole(block),
            complained: whole(complained),
            ..Outcomes::default()
        }
    }

    /// Adds what happened in a range, which is of whole minutes near the change and of whole hours before.
    fn over(&self, mail: Combination, range: TimeRange) -> Outcomes {
        let mut sum = Outcomes::default();
        let mut at = range.from_unix;
        while at < range.to_unix {
            let is_fine = at >= self.begins - FINE_S;
            let step = if is_fine { MINUTE_S } else { HOUR_S - at.rem_euclid(HOUR_S) };
            sum += self.draw(mail, at, step.min(range.to_unix - at));
            at += step;
        }
        sum
    }

    fn grouped(
        &self,
        filter: &Filter,
        by: &[Dimension],
        range: TimeRange,
    ) -> BTreeMap<Vec<String>, Outcomes> {
        let mut sums = BTreeMap::<_, Outcomes>::new();
        for mail in Combination::all().filter(|mail| mail.fits(filter)) {
            let keys = by.iter().map(|dimension| mail.value(*dimension)).collect();
            *sums.entry(keys).or_default() += self.over(mail, range);
        }
        sums.retain(|_, outcomes| *outcomes != Outcomes::default());
        sums
    }
}

/// A number drawn by Poisson's law: exactly for a few, by the normal law for many.
fn poisson(rng: &mut Xoshiro256PlusPlus, mean: f64) -> f64 {
    if mean <= 0.0 {
        return 0.0;
    }
    if mean > 50.0 {
        // The sum of twelve even numbers is all but normal, with a variance of 1.
        let normal: f64 = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        return normal.mul_add(mean.sqrt(), mean).round().max(0.0);
    }
    let (limit, mut product, mut count) = ((-mean).exp(), rng.random::<f64>(), 0.0);
    while product > limit {
        product *= rng.random::<f64>();
        count += 1.0;
    }
    count
}

impl Figures for World {
    async fn minutes(&self, filter: &Filter, by: &[Dimension]) -> Result<Vec<OutcomesOfKeys>, StoreError> {
        let sums = self.grouped(filter, by, filter.range);
        Ok(sums.into_iter().map(|(keys, outcomes)| OutcomesOfKeys { keys, outcomes }).collect())
    }

    async fn hours(
        &self,
        filter: &Filter,
        by: &[Dimension],
        hours: &[i64],
    ) -> Result<Vec<OutcomesAtHour>, StoreError> {
        let mut rows = Vec::new();
        for hour_unix in hours.iter().copied() {
            // What has not happened yet is not counted: the scenario is asked up to its end alone.
            let range = TimeRange {
                from_unix: hour_unix,
                to_unix: (hour_unix + HOUR_S).min(filter.range.to_unix.max(hour_unix)),
            };
            let of = |(keys, outcomes)| OutcomesAtHour { keys, hour_unix, outcomes };
            rows.extend(self.grouped(filter, by, range).into_iter().map(of));
        }
        Ok(rows)
    }

    async fn series(&self, _: &Filter, _: u32) -> Result<Vec<OutcomesAt>, StoreError> {
        Ok(Vec::new())
    }

    async fn latencies(
        &self,
        _: &Filter,
        _: Option<Dimension>,
    ) -> Result<Vec<(String, Latencies)>, StoreError> {
        Ok(Vec::new())
    }

    async fn replies(&self, _: &Filter, _: &str) -> Result<Vec<ResponseRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn report_shares(&self, _: Metric, _: &[i64]) -> Result<Vec<ShareAtHour>, StoreError> {
        Ok(Vec::new())
    }

    async fn labelled(&self, metric: Metric, range: TimeRange) -> Result<Vec<Reading>, StoreError> {
        let Some(messages) = self.new_source else { return Ok(Vec::new()) };
        if metric != Metric::NewDmarcSource || range.to_unix <= self.begins {
            return Ok(Vec::new());
        }
        let labels = [("domain", "shop.example"), ("source", "203.0.113.99")];
        let labels: Labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Ok(vec![Reading { labels, now: Sample::count(messages), ..Reading::default() }])
    }

    async fn new_suppressions(&self, _: TimeRange) -> Result<Vec<NewSuppressions>, StoreError> {
        Ok(Vec::new())
    }

    async fn loop_providers(&self, _: i64) -> Result<Vec<String>, StoreError> {
        Ok(vec!["yahoo".to_owned(), "microsoft_consumer".to_owned()])
    }
}
