//! What an evaluation costs over a real engine, with as many values of a dimension as asked for.

use crate::alert::{Evaluator, Rules, StoreFigures};
use crate::app::Database;
use crate::cli::bench::{config_for, measure};
use crate::config::Config;
use crate::model::{BounceType, Event, EventId, EventType, SourceKind, Text, Timestamp};
use crate::store::{Batch, BatchLabel, Store};
use std::io::Write;
use std::time::Instant;

const HOUR_S: i64 = 3_600;
const WEEK_S: i64 = 7 * 86_400;
const WEEKS: i64 = 8;

/// Events of each value in each hour.
const EVENTS_AN_HOUR: i64 = 30;

/// Hours before each time that have mail: as far as the windows of the rules below reach.
const HOURS: i64 = 2;

/// Evaluations measured, a minute apart, after the first.
const RUNS: i64 = 20;

/// Rules over the dimension with many values, each with eight weeks of history.
const RULES: &str = "\
[[rules]]
name = \"hard\"
title = \"Hard bounces\"
metric = \"hard_bounce\"
by = [\"domain\"]
window = \"1h\"
baseline = { direction = \"up\", change = 0.05 }
severity = \"warning\"

[[rules]]
name = \"deferral\"
title = \"Deferrals\"
metric = \"deferral\"
by = [\"domain\"]
window = \"30m\"
baseline = { direction = \"up\", change = 0.1 }
severity = \"warning\"

[[rules]]
name = \"volume\"
title = \"Volume\"
metric = \"volume\"
by = [\"domain\"]
window = \"30m\"
baseline = { direction = \"both\", change = 0.5 }
severity = \"warning\"
";

pub(super) async fn run(values: u16, config: &Config) -> anyhow::Result<()> {
    let dir = std::env::temp_dir().join(format!("relaylens-bench-alerts-{}", std::process::id()));
    let config = config_for(config, &dir);
    std::fs::create_dir_all(&dir)?;
    let database = Database::open(&config).await?;
    let measured = measure(&database.store, values).await;
    database.close().await;
    std::fs::remove_dir_all(&dir)?;
    measured
}

async fn measure(store: &Store, values: u16) -> anyhow::Result<()> {
    let now = jiff::Timestamp::now().as_second();
    let events = fill(store, values, now).await?;
    let rules = Rules::of(RULES)?;
    let mut evaluator = Evaluator::new(StoreFigures::new(store.clone(), || 0.0), &rules);
    let mut out = std::io::stdout();
    let mut times = Vec::new();
    for run in 0..=RUNS {
        let begun = Instant::now();
        let evaluated = evaluator.evaluate(now - RUNS * 60 + run * 60, &[]).await;
        let took = begun.elapsed();
        let mut judged = 0;
        for evaluated in evaluated {
            judged += evaluated.found?.len();
        }
        anyhow::ensure!(judged >= usize::from(values), "only {judged} values were judged");
        if run == 0 {
            writeln!(
                out,
                "cost: {values} values of one dimension, {} rules with {WEEKS} weeks of history, {events} events: \
                 {judged} readings, first evaluation {:.0} ms",
                rules.rules.len(),
                took.as_secs_f64() * 1e3
            )?;
        } else {
            times.push(took);
        }
    }
    times.sort_unstable();
    let ms = |q: f64| measure::percentile(&times, q).as_secs_f64() * 1e3;
    writeln!(out, "cost: the next {RUNS} evaluations, median {:.0} ms, slowest {:.0} ms", ms(0.5), ms(1.0))?;
    Ok(())
}

/// Mail of each value in the same hours of each week.
async fn fill(store: &Store, values: u16, now: i64) -> anyhow::Result<u64> {
    let mut number = 0_u64;
    for week in 0..=WEEKS {
        let mut batch = Batch::default();
        let first = number + 1;
        for value in 0..values {
            let domain: Text = format!("d{value}.example").into();
            for index in 0..HOURS * EVENTS_AN_HOUR {
                number += 1;
                let at = now - week * WEEK_S - index * HOUR_S / EVENTS_AN_HOUR;
                batch.events.push(&event(number, domain.clone(), at, index));
            }
        }
        let label = BatchLabel { ingest_node: Text::const_new("bench"), first_seq: first, last_seq: number };
        store.insert(&batch.seal(label)).await?;
    }
    Ok(number)
}

fn event(number: u64, domain: Text, at: i64, index: i64) -> Event {
    let (event_type, bounce_type) = match index % 20 {
        0 => (EventType::Bounced, BounceType::Hard),
        1 => (EventType::Deferred, BounceType::Soft),
        _ => (EventType::Delivered, BounceType::None),
    };
    Event {
        event_id: EventId::of([b"bench alerts".as_slice(), &number.to_be_bytes()]),
        event_type,
        event_time: Timestamp::from_seconds(at),
        received_time: Timestamp::from_seconds(at),
        source_kind: SourceKind::Ndjson,
        mailbox_provider: Text::const_new("google"),
        env_from_domain: domain,
        bounce_type,
        attempt: 1,
        ingest_seq: number,
        ..Event::default()
    }
}
