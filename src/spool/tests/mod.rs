//! Tests of the spool as a whole, and what they share. Entries are written by a writer without a thread of its own,
//! so that it is the test that says which ones share a sync.

mod damage;
mod flow;
mod model;

use crate::model::{SourceKind, SourceRef, Timestamp};
use crate::spool::append::{APPENDS_WAITING_MAX, Appender, Waiting};
use crate::spool::state::Shared;
use crate::spool::{Entry, NewEntry, Recovery, Spool, SpoolError, SpoolLimits, directory, recover, segment};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// The smallest segments there can be, some five hundred bytes beyond what one record may need.
pub(super) fn small_limits() -> SpoolLimits {
    SpoolLimits { segment_bytes: 5000, total_bytes_max: 10_000, record_bytes_max: 500 }
}

pub(super) fn source(name: &str) -> SourceRef {
    SourceRef { kind: SourceKind::Kumomta, name: name.into() }
}

pub(super) fn entry(name: &str, payload: &str) -> NewEntry {
    NewEntry {
        source: source(name),
        received: Timestamp(1_700_000_000_000_000),
        items: u32::try_from(payload.lines().count()).unwrap(),
        offset: 12,
        file: "mail.log".into(),
        payload: payload.to_owned().into(),
    }
}

/// What is read back of an entry, without the numbers that the spool gives.
pub(super) fn as_new(entry: &Entry) -> NewEntry {
    let Entry { source, received, items, offset, file, payload, .. } = entry.clone();
    NewEntry { source, received, items, offset, file, payload }
}

pub(super) fn open(dir: &Path) -> (Spool, Recovery) {
    Spool::open(dir, small_limits()).unwrap()
}

/// A spool's parts, as [`Spool::open`] puts them together, without the writer thread.
pub(super) fn parts(dir: &Path, limits: SpoolLimits) -> (Arc<Shared>, Appender) {
    let first_seqs = segment::list(dir).unwrap();
    let id = directory::identify(dir, !first_seqs.is_empty()).unwrap();
    let (state, _) = recover::recover(dir, id, first_seqs).unwrap();
    let (durable, _) = watch::channel(state.next_seq - 1);
    let shared = Arc::new(Shared::new(dir.to_owned(), id, limits, state));
    (Arc::clone(&shared), Appender::new(shared, durable))
}

/// Puts entries into a queue. The writer that gets it finds them all waiting, and then the queue's end.
pub(super) fn queued(
    entries: Vec<NewEntry>,
) -> (mpsc::Receiver<Waiting>, Vec<oneshot::Receiver<Result<u64, SpoolError>>>) {
    let (queue, waiting) = mpsc::channel(APPENDS_WAITING_MAX);
    let answers = entries.into_iter().map(|entry| {
        let (answer, answered) = oneshot::channel();
        assert!(queue.try_send(Waiting { entry, answer }).is_ok(), "a test queues too many entries");
        answered
    });
    let answers = answers.collect();
    (waiting, answers)
}

/// Opens the spool and writes entries that share a sync, to a new segment.
pub(super) fn append_together(dir: &Path, entries: Vec<NewEntry>) -> Vec<Result<u64, SpoolError>> {
    let (_, appender) = parts(dir, small_limits());
    let (waiting, answers) = queued(entries);
    appender.run(waiting);
    answers.into_iter().map(|answer| answer.blocking_recv().unwrap()).collect()
}

/// Opens the spool and writes entries that are synced one by one, to a new segment.
pub(super) fn append_apart(dir: &Path, entries: Vec<NewEntry>) {
    let (spool, _) = open(dir);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for entry in entries {
        runtime.block_on(spool.append(entry)).unwrap();
    }
}

pub(super) fn read_all(spool: &Spool) -> Vec<Entry> {
    let mut reader = spool.reader(0).unwrap();
    let mut entries = Vec::new();
    loop {
        match reader.read_batch(1000, 7).unwrap() {
            batch if batch.is_empty() => return entries,
            batch => entries.extend(batch),
        }
    }
}

pub(super) fn seqs(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq).collect()
}
