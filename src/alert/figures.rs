//! Where the figures come from: the store's rollups, or scenarios that a bench makes up.

use crate::alert::judge::{Labels, Reading, Sample};
use crate::model::alert::Metric;
use crate::store::query::{
    Dimension, Filter, Latencies, LedgerRow, NewSuppressions, Outcomes, OutcomesAt, OutcomesAtHour,
    OutcomesOfKeys, ReportFilter, ResponseRow, ShareAtHour, TimeRange,
};
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

/// Most values of a rule's dimensions in one window; of more, those that sent least are not judged.
const VALUES_MAX: u32 = 2_000;

/// Kinds of reply looked at to name the commonest.
const REPLIES_MAX: u32 = 20;

/// A feedback loop is one from which complaints came on as many days of the last 90; only such a one can fall silent.
const LOOP_DAYS_MIN: u64 = 8;
const LOOP_BACK_S: i64 = 90 * 86_400;

/// A source is regular when it spoke in as many hours of the last four weeks.
const SOURCE_HOURS_MIN: u64 = 24;

/// By how much a source may be silent for longer than it ever was in four weeks.
const SILENCE_FACTOR: f64 = 2.0;

/// Answers about figures. The store is one; the other makes scenarios up.
pub trait Figures: Send + Sync {
    /// Outcomes in the filter's range, to the minute, by at most two dimensions.
    fn minutes(
        &self,
        filter: &Filter,
        by: &[Dimension],
    ) -> impl Future<Output = Result<Vec<OutcomesOfKeys>, StoreError>> + Send;

    /// Outcomes in each of some hours.
    fn hours(
        &self,
        filter: &Filter,
        by: &[Dimension],
        hours: &[i64],
    ) -> impl Future<Output = Result<Vec<OutcomesAtHour>, StoreError>> + Send;

    /// Outcomes step by step, for a chart.
    fn series(
        &self,
        filter: &Filter,
        step_s: u32,
    ) -> impl Future<Output = Result<Vec<OutcomesAt>, StoreError>> + Send;

    /// Latencies in the whole hours of the filter's range.
    fn latencies(
        &self,
        filter: &Filter,
        by: Option<Dimension>,
    ) -> impl Future<Output = Result<Vec<(String, Latencies)>, StoreError>> + Send;

    /// The commonest replies to events of a type, most first.
    fn replies(
        &self,
        filter: &Filter,
        event_type: &str,
    ) -> impl Future<Output = Result<Vec<ResponseRow>, StoreError>> + Send;

    /// Shares of reports that came in some hours ([`Metric::DmarcPass`], [`Metric::TlsFailure`]).
    fn report_shares(
        &self,
        metric: Metric,
        hours: &[i64],
    ) -> impl Future<Output = Result<Vec<ShareAtHour>, StoreError>> + Send;

    /// Readings of a metric with labels of its own. Those of [`Metric::OldestMessage`] have as their whole what
    /// [`Metric::QueueDepth`] counts.
    fn labelled(
        &self,
        metric: Metric,
        range: TimeRange,
    ) -> impl Future<Output = Result<Vec<Reading>, StoreError>> + Send;

    /// Additions to the suppression list in a range, and at the same time of the eight weeks before.
    fn new_suppressions(
        &self,
        range: TimeRange,
    ) -> impl Future<Output = Result<Vec<NewSuppressions>, StoreError>> + Send;

    /// Providers from which complaints come.
    fn loop_providers(&self, now_unix: i64) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;
}

/// The figures of the store, and of the running process.
#[derive(Clone)]
pub struct StoreFigures {
    store: Store,
    /// Age in seconds of the oldest item that is not stored.
    lag_s: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// Addresses that are being warmed up by a plan.
    planned: Arc<[String]>,
}

impl StoreFigures {
    pub fn new(store: Store, lag_s: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self { store, lag_s: Arc::new(lag_s), planned: Arc::default() }
    }

    /// Names the subjects of warm-up plans, as [`crate::model::subject_name`] writes them.
    #[must_use]
    pub fn planned(self, subjects: impl IntoIterator<Item = String>) -> Self {
        Self { planned: subjects.into_iter().collect(), ..self }
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn is_planned(&self, address: &str) -> bool {
        self.planned.iter().any(|planned| planned == address)
    }
}

impl Figures for StoreFigures {
    async fn minutes(&self, filter: &Filter, by: &[Dimension]) -> Result<Vec<OutcomesOfKeys>, StoreError> {
        self.store.outcomes_by_minutes(filter, by, VALUES_MAX).await
    }

    async fn hours(
        &self,
        filter: &Filter,
        by: &[Dimension],
        hours: &[i64],
    ) -> Result<Vec<OutcomesAtHour>, StoreError> {
        self.store.outcomes_at_hours(filter, by, hours).await
    }

    async fn series(&self, filter: &Filter, step_s: u32) -> Result<Vec<OutcomesAt>, StoreError> {
        self.store.outcome_series(filter, step_s).await
    }

    async fn latencies(
        &self,
        filter: &Filter,
        by: Option<Dimension>,
    ) -> Result<Vec<(String, Latencies)>, StoreError> {
        match by {
            Some(dimension) => self.store.latencies_by(filter, dimension).await,
            None => Ok(vec![(String::new(), self.store.latencies(filter).await?)]),
        }
    }

    async fn replies(&self, filter: &Filter, event_type: &str) -> Result<Vec<ResponseRow>, StoreError> {
        self.store.responses(filter, &[event_type], REPLIES_MAX).await
    }

    async fn report_shares(&self, metric: Metric, hours: &[i64]) -> Result<Vec<ShareAtHour>, StoreError> {
        match metric {
            Metric::TlsFailure => self.store.tls_at_hours(hours).await,
            _ => self.store.dmarc_at_hours(hours).await,
        }
    }

    async fn labelled(&self, metric: Metric, range: TimeRange) -> Result<Vec<Reading>, StoreError> {
        match metric {
            Metric::NewResponse => self.new_responses(range).await,
            Metric::NewDmarcSource => self.new_dmarc_sources(range).await,
            Metric::SourceSilence => self.silences(range.to_unix).await,
            Metric::RejectRate => self.reject_rates(range).await,
            Metric::IngestLag => {
                let now = Sample { part: (self.lag_s)(), whole: 1.0 };
                Ok(vec![Reading { now, ..Reading::default() }])
            }
            Metric::Listing => self.listings(range.to_unix).await,
            Metric::DnsChange => self.dns_changes(range).await,
            Metric::OldestMessage => self.queues(range).await,
            Metric::ColdVolume => self.cold_volumes(range).await,
            _ => Ok(Vec::new()),
        }
    }

    async fn new_suppressions(&self, range: TimeRange) -> Result<Vec<NewSuppressions>, StoreError> {
        self.store.new_suppressions(range).await
    }

    async fn loop_providers(&self, now_unix: i64) -> Result<Vec<String>, StoreError> {
        let range = TimeRange { from_unix: now_unix - LOOP_BACK_S, to_unix: now_unix };
        let loops = self.store.feedback_loops(&Filter::all(range)).await?;
        Ok(loops.into_iter().filter(|row| row.complaints > 0).map(|row| row.provider).collect())
    }
}

impl StoreFigures {
    async fn new_responses(&self, range: TimeRange) -> Result<Vec<Reading>, StoreError> {
        let rows = self.store.new_responses(range).await?;
        let reading = |row: crate::store::query::NewResponse| Reading {
            labels: labels([("provider", row.provider), ("template", row.template)]),
            now: Sample::count(float(row.events)),
            note: row.sample,
            ..Reading::default()
        };
        Ok(rows.into_iter().map(reading).collect())
    }

    async fn new_dmarc_sources(&self, range: TimeRange) -> Result<Vec<Reading>, StoreError> {
        let filter = ReportFilter { range, domains: Vec::new() };
        let rows = self.store.dmarc_new_sources(&filter, VALUES_MAX).await?;
        let reading = |row: crate::store::query::DmarcNewSourceRow| Reading {
            note: format!("{} of {} messages passed DMARC", row.aligned, row.messages),
            labels: labels([("domain", row.policy_domain), ("source", row.source)]),
            now: Sample::count(float(row.messages)),
            ..Reading::default()
        };
        Ok(rows.into_iter().map(reading).collect())
    }

    async fn silences(&self, now_unix: i64) -> Result<Vec<Reading>, StoreError> {
        let reading = |labels: Labels, last_unix: i64, usual_s: f64| Reading {
            labels,
            now: Sample { part: seconds(now_unix - last_unix), whole: 1.0 },
            above_at_least: Some(SILENCE_FACTOR * usual_s),
            ..Reading::default()
        };
        let sources = self.store.source_gaps(now_unix).await?;
        let sources = sources.into_iter().filter(|source| source.hours >= SOURCE_HOURS_MIN).map(|source| {
            let names = labels([("source_kind", source.source_kind), ("source", source.source)]);
            reading(names, source.last_unix, seconds(source.longest_gap_s))
        });
        let range = TimeRange { from_unix: now_unix - 1, to_unix: now_unix };
        let loops = self.store.feedback_loops(&Filter::all(range)).await?;
        let loops = loops.into_iter().filter(|row| row.days >= LOOP_DAYS_MIN).map(|row| {
            // Complaints come by chance: on the average day apart, and for three such spans not at all.
            let usual_s = 3.0 * seconds(LOOP_BACK_S) / float(row.days);
            reading(labels([("feedback_loop", row.provider)]), i64::from(row.last_unix), usual_s)
        });
        Ok(sources.chain(loops).collect())
    }

    async fn reject_rates(&self, range: TimeRange) -> Result<Vec<Reading>, StoreError> {
        let step_s = u32::try_from(range.seconds()).unwrap_or(u32::MAX);
        let mut sums = BTreeMap::<(String, String), Sample>::new();
        for row in self.store.ledger(&range, step_s).await? {
            let LedgerRow { stored, duplicate, no_event, rejected, .. } = row;
            let sum = sums.entry((row.source_kind, row.source)).or_default();
            sum.part += float(rejected);
            sum.whole += float(stored + duplicate + no_event + rejected);
        }
        let reading = |((kind, source), now)| Reading {
            labels: labels([("source_kind", kind), ("source", source)]),
            now,
            ..Reading::default()
        };
        Ok(sums.into_iter().map(reading).collect())
    }
}

pub(super) fn labels<const N: usize>(pairs: [(&str, String); N]) -> Labels {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "seconds of years stay far below 2^52")]
pub(super) const fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

/// The figure of a metric that mail outcomes make.
pub(super) fn sample(metric: Metric, outcomes: &Outcomes) -> Sample {
    let sent = float(outcomes.sent());
    let ended = outcomes.delivered + outcomes.hard + outcomes.soft + outcomes.block + outcomes.other;
    match metric {
        Metric::HardBounce => Sample::share(float(outcomes.hard), sent),
        Metric::Block => Sample::share(float(outcomes.block), sent),
        Metric::Deferral => Sample::share(float(outcomes.deferred), float(outcomes.deferred + ended)),
        Metric::Complaint | Metric::ComplaintLoops => {
            Sample::share(float(outcomes.complained), float(outcomes.delivered))
        }
        Metric::Delivery => Sample::share(float(outcomes.delivered), sent),
        _ => Sample::count(float((ended + outcomes.first_deferred).saturating_sub(outcomes.recovered))),
    }
}
