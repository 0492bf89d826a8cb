//! How long the dashboard's questions take, one by one and as the overview page.

use crate::app::{Database, without_channels};
use crate::cli::bench::{Pages, config_for, measure};
use crate::config::Config;
use crate::model::Timestamp;
use crate::store::query::{Dimension, Filter, TimeRange};
use crate::store::{Store, StoreError};
use crate::suppression::imports::Imports;
use crate::suppression::list::List;
use crate::web::{Status, StatusSource, WebState, router};
use anyhow::Context;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use std::io::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tower::ServiceExt;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;
const HOUR_STEP_S: u32 = 3_600;

/// Name, length, and the steps that the overview has for it: of its series, and of those by the hour. In seconds.
const RANGES: [(&str, i64, u32, u32); 4] = [
    ("24 h", DAY_S, 900, HOUR_STEP_S),
    ("72 h", 3 * DAY_S, HOUR_STEP_S, HOUR_STEP_S),
    ("7 d", 7 * DAY_S, HOUR_STEP_S, HOUR_STEP_S),
    ("30 d", 30 * DAY_S, 21_600, 21_600),
];

/// The overview's own limits, and the values that the filter bar offers.
const PROVIDERS_MAX: u32 = 12;
const REPLIES_MAX: u32 = 10;
const CHOICES_MAX: u32 = 50;

/// Answers that are not counted: they fill the caches.
const WARM_RUNS: u16 = 3;

/// Between two loads of the page, for its clock: more than pages remember how fresh the data is.
const RELOAD_S: i64 = 7;

/// The clock of the pages: the end of the data, so that old data has a last day, too.
static CLOCK_UNIX: AtomicI64 = AtomicI64::new(0);

pub(super) fn run(asked: &Pages, config: &Config) -> anyhow::Result<()> {
    let config = config_for(config, &asked.data_dir);
    tokio::runtime::Runtime::new()?.block_on(async {
        let database = Database::open(&config).await?;
        let measured = measure_all(&database.store, asked.runs).await;
        database.close().await;
        measured
    })
}

async fn measure_all(store: &Store, runs: u16) -> anyhow::Result<()> {
    let extent = store.extent().await?.context("there are no events in this folder; see `bench fill`")?;
    let end = extent.to_unix;
    let mut out = std::io::stdout();
    writeln!(out, "{:32} {:>9} {:>9} {:>9}", "milliseconds", "p50", "p95", "p99")?;
    for (name, seconds, step_s, hour_step_s) in
        RANGES.into_iter().filter(|range| range.1 <= extent.seconds() + HOUR_S)
    {
        let filter = Filter::all(TimeRange { from_unix: end - seconds, to_unix: end });
        for question in Question::ALL {
            let times = times(runs, async || question.ask(store, &filter, step_s, hour_step_s).await).await?;
            tell(&mut out, &format!("{name}, {}", question.name()), &times)?;
        }
        let times = page_times(store, end, seconds, runs).await?;
        tell(&mut out, &format!("{name}, whole overview page"), &times)?;
    }
    Ok(())
}

fn tell(out: &mut impl Write, what: &str, times: &[Duration]) -> std::io::Result<()> {
    let millis = |q| measure::percentile(times, q).as_secs_f64() * 1e3;
    writeln!(out, "{what:32} {:9.1} {:9.1} {:9.1}", millis(0.5), millis(0.95), millis(0.99))
}

/// The times that the runs took, ascending.
async fn times<E>(runs: u16, mut run: impl AsyncFnMut() -> Result<(), E>) -> Result<Vec<Duration>, E> {
    let mut times = Vec::new();
    for number in 0..runs + WARM_RUNS {
        let begun = Instant::now();
        run().await?;
        if number >= WARM_RUNS {
            times.push(begun.elapsed());
        }
    }
    times.sort();
    Ok(times)
}

/// What the overview asks, and the filter bar and header around it.
#[derive(Clone, Copy)]
enum Question {
    OutcomeTotals,
    OutcomeSeries,
    OutcomesByProvider,
    Latencies,
    LatencySeries,
    LatenciesByProvider,
    Responses,
    BounceClasses,
    DimensionValues,
    Freshness,
    Extent,
}

impl Question {
    const ALL: [Self; 11] = [
        Self::OutcomeTotals,
        Self::OutcomeSeries,
        Self::OutcomesByProvider,
        Self::Latencies,
        Self::LatencySeries,
        Self::LatenciesByProvider,
        Self::Responses,
        Self::BounceClasses,
        Self::DimensionValues,
        Self::Freshness,
        Self::Extent,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::OutcomeTotals => "outcome_totals",
            Self::OutcomeSeries => "outcome_series",
            Self::OutcomesByProvider => "outcomes_by(provider)",
            Self::Latencies => "latencies",
            Self::LatencySeries => "latency_series",
            Self::LatenciesByProvider => "latencies_by(provider)",
            Self::Responses => "responses",
            Self::BounceClasses => "bounce_classes",
            Self::DimensionValues => "dimension_values",
            Self::Freshness => "freshness",
            Self::Extent => "extent",
        }
    }

    async fn ask(self, store: &Store, now: &Filter, step_s: u32, hour_step_s: u32) -> Result<(), StoreError> {
        // As the overview does: by the hour where only hours are kept.
        let hours = Filter { range: now.range.whole_hours(), ..now.clone() };
        let provider = Dimension::Provider;
        match self {
            Self::OutcomeTotals => store.outcome_totals(now).await.map(drop),
            Self::OutcomeSeries => store.outcome_series(now, step_s).await.map(drop),
            Self::OutcomesByProvider => store.outcomes_by(now, provider, PROVIDERS_MAX).await.map(drop),
            Self::Latencies => store.latencies(&hours).await.map(drop),
            Self::LatencySeries => store.latency_series(&hours, hour_step_s).await.map(drop),
            Self::LatenciesByProvider => store.latencies_by(&hours, provider).await.map(drop),
            Self::Responses => {
                let refused = ["bounced", "expired", "deferred", "rejected"];
                store.responses(&hours, &refused, REPLIES_MAX).await.map(drop)
            }
            Self::BounceClasses => store.bounce_classes(&hours).await.map(drop),
            Self::DimensionValues => store.dimension_values(&hours.range, CHOICES_MAX).await.map(drop),
            Self::Freshness => store.freshness().await.map(drop),
            Self::Extent => store.extent().await.map(drop),
        }
    }
}

/// The times of the overview, loaded as a browser does, by the router with all that is around it.
async fn page_times(store: &Store, end_unix: i64, seconds: i64, runs: u16) -> anyhow::Result<Vec<Duration>> {
    CLOCK_UNIX.store(end_unix, Ordering::Relaxed);
    let list = List::new(store.clone(), "bench".into(), || {
        Timestamp::from_seconds(CLOCK_UNIX.load(Ordering::Relaxed))
    });
    let pages = router(WebState {
        imports: Imports::open("no-imports".into(), list.clone())?,
        list,
        hooks: Vec::new(),
        stopped: tokio::sync::watch::channel(false).1,
        store: store.clone(),
        status: StatusSource::new(Status::default),
        warmups: Vec::new(),
        alerts: without_channels(store.clone())?,
        demo: None,
        clock: || CLOCK_UNIX.load(Ordering::Relaxed),
    });
    times(runs, async || {
        let now = CLOCK_UNIX.fetch_add(RELOAD_S, Ordering::Relaxed);
        let page = format!("/?from={}", Timestamp::from_seconds(now - seconds));
        let request = Request::get(page).header("accept-encoding", "gzip").body(Body::empty())?;
        let answer = pages.clone().oneshot(request).await?;
        let status = answer.status();
        let html = answer.into_body().collect().await?.to_bytes();
        anyhow::ensure!(
            status.is_success(),
            "the page answered {status}: {}",
            String::from_utf8_lossy(&html)
        );
        Ok(())
    })
    .await
}
