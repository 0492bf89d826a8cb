//! What the tests of the doors share: a real spool in a temporary directory.

use crate::ingest::Intake;
use crate::model::{FilePosition, SourceKind, SourceRef, Timestamp};
use crate::spool::{Entry, Spool, SpoolLimits};
use std::time::{Duration, Instant};

/// 2026-01-31T12:00:00Z.
pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_769_860_800);

/// A spool in a directory that goes away with it.
pub(super) struct SpoolDir {
    pub(super) intake: Intake,
    pub(super) spool: Spool,
    _dir: tempfile::TempDir,
}

impl SpoolDir {
    pub(super) fn new() -> Self {
        Self::with(SpoolLimits::default())
    }

    pub(super) fn with(limits: SpoolLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(dir.path(), limits).unwrap();
        Self { intake: Intake::new(spool.clone(), || NOW), spool, _dir: dir }
    }

    /// A spool with room for two segments of 10 kB.
    pub(super) fn small() -> Self {
        Self::with(SpoolLimits { segment_bytes: 10_000, total_bytes_max: 20_000, record_bytes_max: 4000 })
    }

    /// Fills the spool until an append of `bytes` does not fit any more.
    pub(super) async fn fill(&self, bytes: usize) {
        let batch = crate::ingest::Batch {
            source: source(SourceKind::Ndjson, "filler"),
            received: NOW,
            file: "".into(),
            offset: 0,
            payload: vec![b'x'; bytes].into(),
        };
        while self.intake.accept(&batch).await.is_ok() {}
    }

    /// Does what the pipeline does once all is stored.
    pub(super) fn drain(&self) {
        self.spool.release(self.spool.stats().last_seq).unwrap();
    }
}

pub(super) fn source(kind: SourceKind, name: &str) -> SourceRef {
    SourceRef { kind, name: name.into() }
}

pub(super) fn read_all(spool: &Spool) -> Vec<Entry> {
    let mut reader = spool.reader(0).unwrap();
    let mut entries = Vec::new();
    loop {
        match reader.read_batch(64 * 1024 * 1024, 1000).unwrap() {
            batch if batch.is_empty() => return entries,
            batch => entries.extend(batch),
        }
    }
}

/// The payloads of one source, put together.
pub(super) fn text_of(spool: &Spool, source: &SourceRef) -> String {
    let entries = read_all(spool).into_iter().filter(|entry| entry.source == *source);
    entries.map(|entry| String::from_utf8_lossy(&entry.payload).into_owned()).collect()
}

/// What a restarted process knows of the files of a source.
pub(super) fn positions(spool: &Spool, source: &SourceRef) -> Vec<FilePosition> {
    let mut known: Vec<FilePosition> = Vec::new();
    for entry in read_all(spool).iter().filter(|entry| entry.source == *source) {
        let position = entry.position_after().unwrap();
        known.retain(|other| other.file != position.file);
        known.push(position);
    }
    known
}

/// Waits until `holds`; fails when it does not within 30 seconds, which only a hanging test takes.
#[track_caller]
pub(super) fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    let deadline = Instant::now() + Duration::from_secs(30);
    let what = what.to_owned();
    async move {
        while !holds() {
            assert!(Instant::now() < deadline, "{place}: never came: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
