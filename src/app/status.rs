//! What the running process tells the pages about itself.

use crate::app::board::Board;
use crate::model::Timestamp;
use crate::pipeline::Progress;
use crate::spool::Spool;
use crate::web::{SourceStatus, SpoolStatus, Status, StatusSource};
use std::sync::Arc;

/// Reads counters alone: no disk, no database.
pub(super) fn status_source(
    spool: Spool,
    spool_bytes_max: u64,
    progress: Arc<Progress>,
    board: Board,
) -> StatusSource {
    let started_unix = now().seconds();
    StatusSource::new(move || {
        // The pipeline first: what the doors take in between the two looks is in the spool.
        let stored = progress.now();
        let accepted = spool.accepted_totals();
        let mut sources = Vec::with_capacity(accepted.len());
        for (source, accepted) in accepted {
            let totals = stored.sources.get(&source);
            let counts = totals.map(|totals| totals.counts).unwrap_or_default();
            let seen = totals.map_or(0, |totals| totals.accepted_total);
            let waiting = totals.map_or(0, |totals| totals.waiting.len() as u64);
            sources.push(SourceStatus {
                source_kind: source.kind.name().to_owned(),
                source: source.name.to_string(),
                accepted,
                stored: counts.stored,
                duplicate: counts.duplicate,
                no_event: counts.no_event,
                rejected: counts.rejected,
                in_spool: accepted.saturating_sub(seen) + waiting,
                events: totals.map_or(0, |totals| totals.events),
            });
        }
        let waiting = stored.oldest_waiting.map_or(0.0, |oldest| seconds_between(oldest, now()));
        Status {
            version: env!("CARGO_PKG_VERSION"),
            started_unix,
            spool: SpoolStatus {
                items: sources.iter().map(|source| source.in_spool).sum(),
                bytes: spool.stats().used_bytes,
                bytes_max: spool_bytes_max,
            },
            sources,
            doors: board.read(),
            pipeline_lag_s: waiting,
            store_error: stored.store_error,
        }
    })
}

/// The clock of the process.
pub(super) fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}

#[expect(clippy::cast_precision_loss, reason = "an age in seconds for a person")]
fn seconds_between(earlier: Timestamp, later: Timestamp) -> f64 {
    (later.0 - earlier.0).max(0) as f64 / 1e6
}
