//! The floor under the ingest: the same rows, encoded beforehand, straight into the engine.
//!
//! Way: `ingest` measures it in turn with the whole way. Same tables, views, settings, batch size and block encoding;
//! no HTTP, no spool, no reading of lines, no classifier and no client are in it.

use crate::app::Database;
use crate::classify::{BounceRules, CACHE_ENTRIES, Classifier};
use crate::cli::bench::bodies::Bodies;
use crate::cli::bench::measure::{Round, Stopwatch};
use crate::cli::bench::now;
use crate::config::Config;
use crate::model::{SourceKind, SourceRef, Text};
use crate::parse::items::items;
use crate::parse::ndjson::NdjsonReader;
use crate::parse::{EventReader, Item};
use crate::store::{Batch, BatchLabel, Sealed};
use anyhow::Context;
use std::sync::Arc;

/// Encodes all rows, then times the inserts, one after the other as the pipeline makes them.
pub(super) fn round(bodies: &Bodies, config: &Config) -> anyhow::Result<Round> {
    let batches = encode(bodies, config.pipeline.batch_rows_max)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let database = Database::open(config).await?;
        let engine = Arc::clone(database.engine.as_ref().context("the floor needs the embedded engine")?);
        let events = bodies.events;
        let inserts = tokio::task::spawn_blocking(move || {
            let stopwatch = Stopwatch::start();
            for batch in &batches {
                batch.insert_bare(&engine)?;
            }
            anyhow::Ok(stopwatch.stop(events))
        });
        let round = inserts.await??;
        database.close().await;
        Ok(round)
    })
}

/// Reads and classifies the lines as the pipeline does, and cuts them into batches of `rows` each.
fn encode(bodies: &Bodies, rows: usize) -> anyhow::Result<Vec<Sealed>> {
    let source = SourceRef { kind: SourceKind::Ndjson, name: Text::const_new("bench") };
    let mut classifier = Classifier::new(BounceRules::shipped(), CACHE_ENTRIES);
    let (mut sealed, mut batch, mut events, mut seq) = (Vec::new(), Batch::default(), Vec::new(), 0);
    let mut seal = |batch: &mut Batch, seq: u64| {
        let label = BatchLabel { ingest_node: Text::const_new("bench"), first_seq: seq, last_seq: seq };
        sealed.push(std::mem::take(batch).seal(label));
    };
    for body in 0..bodies.count() {
        let (bytes, received) = (bodies.read(body)?, now());
        for (offset, line) in items(source.kind.framing(), &bytes) {
            let item = Item { source: &source, bytes: line, offset: offset as u64, received };
            NdjsonReader.read(&item, &mut events)?;
        }
        seq += 1;
        for event in &mut events {
            classifier.apply(event);
            event.ingest_node = Text::const_new("bench");
            event.ingest_seq = seq;
            batch.events.push(event);
        }
        events.clear();
        if batch.events.rows() >= rows {
            seal(&mut batch, seq);
        }
    }
    seal(&mut batch, seq + 1);
    Ok(sealed)
}
