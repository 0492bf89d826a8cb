//! Asks for the figures of every rule and judges them.
//!
//! Way: `desk` calls [`Evaluator::evaluate`] once a minute. What several rules ask alike is asked once; the hours of past
//! weeks, which no longer change, are asked once an hour.
//! Not here: what the figures mean (`judge`), which incident they make (`incident`).

use crate::alert::figures::{Figures, sample};
use crate::alert::incident::Finding;
use crate::alert::judge::{Labels, Reading, Sample, Verdict, judge};
use crate::alert::rules::{Rule, Rules};
use crate::model::alert::{Measure, Metric};
use crate::store::StoreError;
use crate::store::query::{Dimension, Filter, OutcomesAtHour, TimeRange};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(super) const HOUR_S: i64 = 3_600;
const WEEK_S: i64 = 7 * 86_400;

/// Answers about past weeks kept in memory: one for each combination of dimensions and windows of the rules.
const HISTORIES_MAX: usize = 64;

/// A time in which a metric was not usual for these labels: an earlier incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Unusual {
    pub metric: Metric,
    pub labels: Labels,
    pub range: TimeRange,
}

/// What was found for one value of a rule's dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub labels: Labels,
    pub verdict: Verdict,
    pub finding: Finding,
}

/// What became of one rule in an evaluation.
#[derive(Debug)]
pub struct Evaluated {
    pub rule: Arc<Rule>,
    pub found: Result<Vec<Found>, StoreError>,
}

/// Hours of past weeks: by hour, and the week before now that it belongs to.
type Sums = BTreeMap<Vec<String>, BTreeMap<i64, Sample>>;

type HistoryKey = (Vec<Dimension>, Vec<String>, Vec<i64>);

pub struct Evaluator<F> {
    figures: F,
    rules: Vec<Arc<Rule>>,
    histories: HashMap<HistoryKey, Arc<Vec<OutcomesAtHour>>>,
}

/// What rules of one evaluation asked already.
#[derive(Default)]
struct Asked {
    windows: Windows,
    labelled: BTreeMap<(&'static str, TimeRangeKey), Vec<Reading>>,
}

type Windows = HashMap<
    (Vec<Dimension>, Vec<String>, TimeRangeKey),
    Arc<BTreeMap<Vec<String>, crate::store::query::Outcomes>>,
>;
type TimeRangeKey = (i64, i64);

/// Which mail of which time a rule looks at.
pub(super) struct Window {
    /// As counted: of a long window whole hours.
    pub(super) range: TimeRange,
    /// The hours that it touches, each with the part of it that counts.
    hours: Vec<(i64, f64)>,
    is_hourly: bool,
}

impl Window {
    pub(super) fn of(rule: &Rule, now_unix: i64) -> Self {
        let from_unix = now_unix - rule.window.seconds();
        let range = TimeRange { from_unix, to_unix: now_unix };
        let reads_hours = match rule.metric {
            Metric::DmarcPass | Metric::TlsFailure | Metric::LatencyP95 => true,
            metric => metric.has_dimensions() && rule.is_hourly(),
        };
        let range = if reads_hours { range.whole_hours() } else { range };
        let first = range.from_unix.div_euclid(HOUR_S) * HOUR_S;
        let hours = (0..).map(|step| first + step * HOUR_S).take_while(|hour| *hour < range.to_unix);
        let part = |hour: i64| {
            let seconds = (hour + HOUR_S).min(range.to_unix) - hour.max(range.from_unix);
            f64::from(i32::try_from(seconds).unwrap_or(3_600)) / 3_600.0
        };
        Self { range, hours: hours.map(|hour| (hour, part(hour))).collect(), is_hourly: reads_hours }
    }

    /// The hours of the window, `weeks` weeks before.
    fn hours_before(&self, weeks: u16) -> Vec<i64> {
        let all = (1..=i64::from(weeks))
            .flat_map(|week| self.hours.iter().map(move |(hour, _)| hour - week * WEEK_S));
        all.collect()
    }

    fn hours_now(&self) -> Vec<i64> {
        self.hours.iter().map(|(hour, _)| *hour).collect()
    }

    /// The week before now that an hour belongs to, and the part of it that counts.
    fn place(&self, hour: i64) -> Option<(i64, f64)> {
        let first = self.hours.first()?.0;
        let week = (first - hour + WEEK_S - 1).div_euclid(WEEK_S).max(0);
        let at = hour + week * WEEK_S;
        self.hours.iter().find(|(known, _)| *known == at).map(|(_, part)| (week, *part))
    }

    fn before(&self, week: i64) -> TimeRange {
        TimeRange {
            from_unix: self.range.from_unix - week * WEEK_S,
            to_unix: self.range.to_unix - week * WEEK_S,
        }
    }
}

impl<F: Figures> Evaluator<F> {
    pub fn new(figures: F, rules: &Rules) -> Self {
        let rules = rules.rules.iter().filter(|rule| rule.enabled).cloned().map(Arc::new).collect();
        Self { figures, rules, histories: HashMap::new() }
    }

    pub(super) const fn figures(&self) -> &F {
        &self.figures
    }

    /// Judges all rules at a time. A rule whose figures cannot be had does not stop the others.
    pub async fn evaluate(&mut self, now_unix: i64, unusual: &[Unusual]) -> Vec<Evaluated> {
        if self.histories.len() > HISTORIES_MAX {
            self.histories.clear();
        }
        let mut asked = Asked::default();
        let mut all = Vec::with_capacity(self.rules.len());
        for rule in self.rules.clone() {
            let readings = self.readings(&rule, now_unix, unusual, &mut asked).await;
            let found =
                readings.map(|readings| readings.into_iter().map(|reading| found(&rule, reading)).collect());
            all.push(Evaluated { rule, found });
        }
        all
    }

    async fn readings(
        &mut self,
        rule: &Rule,
        now_unix: i64,
        unusual: &[Unusual],
        asked: &mut Asked,
    ) -> Result<Vec<Reading>, StoreError> {
        let window = Window::of(rule, now_unix);
        match rule.metric {
            Metric::DmarcPass | Metric::TlsFailure => self.of_reports(rule, &window, unusual).await,
            Metric::LatencyP95 => self.of_latencies(rule, &window, unusual).await,
            Metric::SuppressionGrowth => self.of_suppressions(rule, &window, unusual).await,
            metric if metric.has_dimensions() => {
                self.of_outcomes(rule, &window, unusual, &mut asked.windows).await
            }
            Metric::QueueDepth => {
                // The answer about the oldest messages tells how many wait, too.
                let queues = self.labelled(Metric::OldestMessage, window.range, asked).await?;
                let depth = |queue: Reading| Reading { now: Sample::count(queue.now.whole), ..queue };
                Ok(queues.into_iter().map(depth).collect())
            }
            metric => self.labelled(metric, window.range, asked).await,
        }
    }

    async fn labelled(
        &self,
        metric: Metric,
        range: TimeRange,
        asked: &mut Asked,
    ) -> Result<Vec<Reading>, StoreError> {
        let key = (metric.name(), (range.from_unix, range.to_unix));
        if let Some(known) = asked.labelled.get(&key) {
            return Ok(known.clone());
        }
        let readings = self.figures.labelled(metric, range).await?;
        asked.labelled.insert(key, readings.clone());
        Ok(readings)
    }

    /// The filter that a metric brings itself, before any narrowing.
    pub(super) async fn filter(
        &self,
        metric: Metric,
        range: TimeRange,
    ) -> Result<Option<Filter>, StoreError> {
        let mut filter = Filter::all(range);
        if metric == Metric::ComplaintLoops {
            filter.provider = self.figures.loop_providers(range.to_unix).await?;
            if filter.provider.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(filter))
    }

    async fn of_outcomes(
        &mut self,
        rule: &Rule,
        window: &Window,
        unusual: &[Unusual],
        windows: &mut Windows,
    ) -> Result<Vec<Reading>, StoreError> {
        let Some(filter) = self.filter(rule.metric, window.range).await? else { return Ok(Vec::new()) };
        let key = (rule.by.clone(), filter.provider.clone(), (window.range.from_unix, window.range.to_unix));
        let now = if let Some(known) = windows.get(&key) {
            Arc::clone(known)
        } else {
            let asked = Arc::new(self.now(&filter, &rule.by, window).await?);
            windows.insert(key, Arc::clone(&asked));
            asked
        };
        let mut past = match &rule.baseline {
            None => Sums::new(),
            Some(baseline) => {
                let hours = self.history(&filter, &rule.by, window.hours_before(baseline.weeks)).await?;
                weekly(rule.metric, window, &hours)
            }
        };
        let oldest = past.values().filter_map(|weeks| weeks.keys().next_back()).max().copied().unwrap_or(0);
        let mut readings = Vec::with_capacity(now.len());
        for (keys, outcomes) in now.iter() {
            let weeks = past.remove(keys).unwrap_or_default();
            readings.push((keys.clone(), sample(rule.metric, outcomes), weeks));
        }
        if rule.metric == Metric::Volume {
            // Those that sent before and do not now.
            readings.extend(past.into_iter().map(|(keys, weeks)| (keys, Sample::default(), weeks)));
        }
        let is_said = |keys: &[String]| {
            rule.by
                .iter()
                .zip(keys)
                .all(|(by, key)| !key.is_empty() || !matches!(by, Dimension::Ip | Dimension::Provider))
        };
        let readings =
            readings.into_iter().filter(|(keys, ..)| is_said(keys)).map(|(keys, now, mut weeks)| {
                if rule.metric == Metric::Volume {
                    // A week without a row is a week without mail, as far back as there is any.
                    for week in 1..=oldest {
                        weeks.entry(week).or_default();
                    }
                }
                let labels: Labels =
                    rule.by.iter().zip(keys).map(|(by, key)| (by.name().to_owned(), key)).collect();
                let past = usual(rule.metric, window, &labels, weeks, unusual);
                Reading { labels, now, past, ..Reading::default() }
            });
        Ok(readings.collect())
    }

    /// The outcomes in a window.
    pub(super) async fn now(
        &self,
        filter: &Filter,
        by: &[Dimension],
        window: &Window,
    ) -> Result<BTreeMap<Vec<String>, crate::store::query::Outcomes>, StoreError> {
        if !window.is_hourly {
            let rows = self.figures.minutes(filter, by).await?;
            return Ok(rows.into_iter().map(|row| (row.keys, row.outcomes)).collect());
        }
        let mut sums = BTreeMap::<Vec<String>, crate::store::query::Outcomes>::new();
        for row in self.figures.hours(filter, by, &window.hours_now()).await? {
            *sums.entry(row.keys).or_default() += row.outcomes;
        }
        Ok(sums)
    }

    /// What was expected of each value, from past weeks: for what fell.
    pub(super) async fn usual_counts(
        &self,
        rule: &Rule,
        filter: &Filter,
        by: &[Dimension],
        window: &Window,
    ) -> Result<BTreeMap<Vec<String>, f64>, StoreError> {
        let Some(baseline) = &rule.baseline else { return Ok(BTreeMap::new()) };
        let hours = self.figures.hours(filter, by, &window.hours_before(baseline.weeks)).await?;
        let past = weekly(rule.metric, window, &hours);
        let median = |weeks: BTreeMap<i64, Sample>| {
            let values: Vec<f64> = weeks.values().map(|sample| sample.part).collect();
            crate::alert::judge::median(&values).unwrap_or_default()
        };
        Ok(past.into_iter().map(|(keys, weeks)| (keys, median(weeks))).collect())
    }

    async fn history(
        &mut self,
        filter: &Filter,
        by: &[Dimension],
        hours: Vec<i64>,
    ) -> Result<Arc<Vec<OutcomesAtHour>>, StoreError> {
        let key = (by.to_vec(), filter.provider.clone(), hours);
        if let Some(known) = self.histories.get(&key) {
            return Ok(Arc::clone(known));
        }
        let asked = Arc::new(self.figures.hours(filter, by, &key.2).await?);
        self.histories.insert(key, Arc::clone(&asked));
        Ok(asked)
    }

    async fn of_reports(
        &self,
        rule: &Rule,
        window: &Window,
        unusual: &[Unusual],
    ) -> Result<Vec<Reading>, StoreError> {
        let mut hours = window.hours_now();
        hours.extend(window.hours_before(rule.baseline.as_ref().map_or(0, |baseline| baseline.weeks)));
        let mut sums = BTreeMap::<String, BTreeMap<i64, Sample>>::new();
        for row in self.figures.report_shares(rule.metric, &hours).await? {
            let Some((week, _)) = window.place(row.hour_unix) else { continue };
            let sum = sums.entry(row.value).or_default().entry(week).or_default();
            sum.part += crate::alert::figures::float(row.part);
            sum.whole += crate::alert::figures::float(row.whole);
        }
        let reading = |(domain, mut weeks): (String, BTreeMap<i64, Sample>)| {
            let now = weeks.remove(&0).unwrap_or_default();
            let labels = Labels::from([("domain".to_owned(), domain)]);
            let past = usual(rule.metric, window, &labels, weeks, unusual);
            Reading { labels, now, past, ..Reading::default() }
        };
        Ok(sums.into_iter().map(reading).collect())
    }

    async fn of_suppressions(
        &self,
        rule: &Rule,
        window: &Window,
        unusual: &[Unusual],
    ) -> Result<Vec<Reading>, StoreError> {
        let weeks_back = i64::from(rule.baseline.as_ref().map_or(0, |baseline| baseline.weeks));
        let mut sums = BTreeMap::<String, BTreeMap<i64, Sample>>::new();
        for row in self.figures.new_suppressions(window.range).await? {
            if row.week <= weeks_back {
                let count = Sample::count(crate::alert::figures::float(row.added));
                sums.entry(row.reason).or_default().insert(row.week, count);
            }
        }
        // A week without a row is a week without additions, as far back as there are any.
        let oldest = sums.values().filter_map(|weeks| weeks.keys().next_back()).max().copied().unwrap_or(0);
        let reading = |(reason, mut weeks): (String, BTreeMap<i64, Sample>)| {
            let now = weeks.remove(&0).unwrap_or_default();
            for week in 1..=oldest {
                weeks.entry(week).or_default();
            }
            let labels = Labels::from([("reason".to_owned(), reason)]);
            let past = usual(rule.metric, window, &labels, weeks, unusual);
            Reading { labels, now, past, ..Reading::default() }
        };
        Ok(sums.into_iter().map(reading).collect())
    }

    async fn of_latencies(
        &self,
        rule: &Rule,
        window: &Window,
        unusual: &[Unusual],
    ) -> Result<Vec<Reading>, StoreError> {
        let by = rule.by.first().copied();
        let weeks = i64::from(rule.baseline.as_ref().map_or(0, |baseline| baseline.weeks));
        let mut sums = BTreeMap::<String, BTreeMap<i64, Sample>>::new();
        for week in 0..=weeks {
            for (value, latencies) in self.figures.latencies(&Filter::all(window.before(week)), by).await? {
                let Some(p95_ms) = latencies.quantile_ms(0.95) else { continue };
                let sample =
                    Sample { part: p95_ms / 1_000.0, whole: crate::alert::figures::float(latencies.count()) };
                sums.entry(value).or_default().insert(week, sample);
            }
        }
        let reading = |(value, mut weeks): (String, BTreeMap<i64, Sample>)| {
            let now = weeks.remove(&0).unwrap_or_default();
            let labels: Labels = by.map(|by| (by.name().to_owned(), value)).into_iter().collect();
            let past = usual(rule.metric, window, &labels, weeks, unusual);
            Reading { labels, now, past, ..Reading::default() }
        };
        Ok(sums.into_iter().map(reading).collect())
    }
}

/// Adds the hours of past weeks up to windows like the one of now.
fn weekly(metric: Metric, window: &Window, hours: &[OutcomesAtHour]) -> Sums {
    let mut sums = Sums::new();
    for row in hours {
        let Some((week, part)) = window.place(row.hour_unix) else { continue };
        let of_hour = sample(metric, &row.outcomes);
        let sum = sums.entry(row.keys.clone()).or_default().entry(week).or_default();
        sum.part += part * of_hour.part;
        sum.whole += part * of_hour.whole;
    }
    sums
}

/// The weeks in which nothing unusual happened.
fn usual(
    metric: Metric,
    window: &Window,
    labels: &Labels,
    weeks: BTreeMap<i64, Sample>,
    unusual: &[Unusual],
) -> Vec<Sample> {
    let is_usual = |week: i64| {
        let range = window.before(week);
        let touches = |other: &TimeRange| other.from_unix < range.to_unix && range.from_unix < other.to_unix;
        !unusual
            .iter()
            .any(|other| other.metric == metric && other.labels == *labels && touches(&other.range))
    };
    weeks.into_iter().filter(|(week, _)| is_usual(*week)).map(|(_, sample)| sample).collect()
}

fn found(rule: &Rule, reading: Reading) -> Found {
    let judged = judge(rule, &reading);
    let volume = if rule.metric.measure() == Measure::Count { judged.value } else { reading.now.whole };
    let finding = Finding {
        value: judged.value,
        volume,
        expected: judged.expected,
        note: reading.note,
        ..Finding::default()
    };
    Found { labels: reading.labels, verdict: judged.verdict, finding }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(name: &str, now_unix: i64) -> Window {
        Window::of(Rules::shipped().get(name).expect("a shipped rule"), now_unix)
    }

    #[test]
    fn a_short_window_takes_parts_of_the_hours_it_touches() {
        // Half an hour up to ten past.
        let window = window("deferral_spike", 100 * HOUR_S + 600);
        assert_eq!(window.hours, [(99 * HOUR_S, 1.0 / 3.0), (100 * HOUR_S, 1.0 / 6.0)]);
        assert_eq!(window.place(99 * HOUR_S - WEEK_S), Some((1, 1.0 / 3.0)));
        assert_eq!(window.place(100 * HOUR_S - 3 * WEEK_S), Some((3, 1.0 / 6.0)));
        assert_eq!(window.place(98 * HOUR_S - WEEK_S), None);
        assert_eq!(window.hours_before(2).len(), 4);
    }

    #[test]
    fn a_long_window_takes_whole_hours() {
        let window = window("complaint_rate_critical", 1_000 * HOUR_S + 60);
        assert_eq!(window.range, TimeRange { from_unix: 976 * HOUR_S, to_unix: 1_001 * HOUR_S });
        assert!(window.hours.iter().all(|(_, part)| (part - 1.0).abs() < 1e-9));
        assert_eq!(window.place(976 * HOUR_S), Some((0, 1.0)));
    }

    #[test]
    fn weeks_of_an_earlier_incident_are_left_out() {
        let window = window("deferral_spike", 10_000 * HOUR_S);
        let labels = Labels::from([("provider".to_owned(), "google".to_owned())]);
        let weeks = || BTreeMap::from([(1, Sample::count(1.0)), (2, Sample::count(2.0))]);
        let unusual = Unusual { metric: Metric::Deferral, labels: labels.clone(), range: window.before(2) };
        let kept = |unusual: &Unusual| {
            usual(Metric::Deferral, &window, &labels, weeks(), std::slice::from_ref(unusual))
        };
        assert_eq!(kept(&unusual), [Sample::count(1.0)]);
        assert_eq!(kept(&Unusual { labels: Labels::new(), ..unusual }).len(), 2);
    }
}
