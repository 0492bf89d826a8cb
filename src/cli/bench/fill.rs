//! A data folder full of made-up events, by the product's own classifier and encoder.

use crate::app::Database;
use crate::classify::{BounceRules, CACHE_ENTRIES, Classifier};
use crate::cli::bench::mail::Mail;
use crate::cli::bench::{Fill, config_for, measure, now};
use crate::config::Config;
use crate::model::{Event, EventId, SourceKind, Text};
use crate::store::{Batch, BatchLabel, Sealed};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::mpsc;

/// Rows of one insert: more than the pipeline's, since nobody waits for them. About 150 MB while they are written.
const BATCH_ROWS: usize = 400_000;

/// How long after it happened an event came in, in microseconds.
const RECEIVED_AFTER_US: i64 = 1_500_000;

/// Names the rows' spool, which never was.
const INGEST_NODE: &str = "bench";

pub(super) fn run(asked: &Fill, config: &Config) -> anyhow::Result<()> {
    ensure_empty(&asked.data_dir)?;
    let config = config_for(config, &asked.data_dir);
    let mail = Mail::new(&asked.mix, asked.mix.end.unwrap_or_else(now));
    let bar = ProgressBar::new(asked.mix.events).with_style(ProgressStyle::with_template(
        "{wide_bar} {human_pos} of {human_len} events, {per_sec}, {eta} left",
    )?);
    let begun = Instant::now();
    tokio::runtime::Runtime::new()?.block_on(fill(mail, &config, &bar))?;
    bar.finish_and_clear();
    let rate = measure::per_second(asked.mix.events, begun.elapsed());
    writeln!(
        std::io::stdout(),
        "{} events, {rate:.0} a second, in {}",
        asked.mix.events,
        asked.data_dir.display()
    )?;
    Ok(())
}

pub(super) fn ensure_empty(dir: &Path) -> anyhow::Result<()> {
    let is_empty = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| format!("{} cannot be looked at", dir.display())),
    };
    anyhow::ensure!(is_empty, "{} is not empty; made-up events belong into a new folder", dir.display());
    Ok(())
}

/// Writes one batch while the next one is made.
async fn fill(mail: Mail, config: &Config, bar: &ProgressBar) -> anyhow::Result<()> {
    let database = Database::open(config).await?;
    let (batches, mut to_write) = mpsc::channel(1);
    let making = make_batches(mail, batches)?;
    while let Some((rows, batch)) = to_write.recv().await {
        database.store.insert(&batch).await?;
        bar.inc(rows);
    }
    making.join().map_err(|_| anyhow::anyhow!("the thread that makes events has failed"))?;
    database.close().await;
    Ok(())
}

fn make_batches(mail: Mail, batches: mpsc::Sender<(u64, Sealed)>) -> anyhow::Result<JoinHandle<()>> {
    let mut maker = Maker {
        classifier: Classifier::new(BounceRules::shipped(), CACHE_ENTRIES),
        batch: Batch::default(),
        events: 0,
    };
    let make = move || {
        for event in mail {
            maker.push(event);
            if maker.batch.events.rows() >= BATCH_ROWS && batches.blocking_send(maker.seal()).is_err() {
                return;
            }
        }
        // A receiver that is gone has told its own fault.
        let _ = batches.blocking_send(maker.seal());
    };
    Ok(std::thread::Builder::new().name("bench-fill".to_owned()).spawn(make)?)
}

struct Maker {
    classifier: Classifier,
    batch: Batch,
    /// Events pushed so far.
    events: u64,
}

impl Maker {
    fn push(&mut self, mut event: Event) {
        self.events += 1;
        event.event_id = EventId::of([b"bench".as_slice(), &self.events.to_be_bytes()]);
        event.received_time.0 = event.event_time.0 + RECEIVED_AFTER_US;
        event.source_kind = SourceKind::Ndjson;
        event.source = Text::const_new(INGEST_NODE);
        event.ingest_node = Text::const_new(INGEST_NODE);
        event.ingest_seq = self.events;
        self.classifier.apply(&mut event);
        self.batch.events.push(&event);
    }

    /// The batch so far, with its number of rows.
    fn seal(&mut self) -> (u64, Sealed) {
        let batch = std::mem::take(&mut self.batch);
        let rows = batch.events.rows() as u64;
        let label = BatchLabel {
            ingest_node: Text::const_new(INGEST_NODE),
            first_seq: self.events + 1 - rows,
            last_seq: self.events,
        };
        (rows, batch.seal(label))
    }
}
