//! The joint between doors and pipeline: a durable queue of entries in a directory.
//!
//! Way: a door [`append`](Spool::append)s and says OK when that returns, for then the entry is synced; `pipeline` reads
//! with a [`SpoolReader`] and [`release`](Spool::release)s what it has stored.
//!
//! The directory holds `spool.lock`, `spool.id`, and segments (`00000000000000000001.spool`, named by their first
//! record) that are only appended to, and deleted whole. `*.bad` files hold bytes in which damage was found; nothing
//! reads or deletes them.
//!
//! What holds at every moment, a crash included:
//! - An entry whose append returned a number is read, under that number, until it is released. Should the disk itself
//!   lose it, [`Recovery`] or an error tells so.
//! - Numbers begin at 1, grow by one, and are never used twice under one [`SpoolId`].
//! - An entry whose append failed, or did not return, is there once or not at all.
//!
//! Not here: what the items mean, how far the pipeline came, logging (the caller logs what is returned).

mod append;
mod directory;
mod entry;
mod error;
mod read;
mod record;
mod recover;
mod segment;
mod state;
mod wire;

#[cfg(test)]
mod tests;

pub use entry::{AcceptedTotals, Entry, FILE_NAME_BYTES_MAX, NewEntry, SOURCE_NAME_BYTES_MAX, SOURCES_MAX};
pub use error::SpoolError;
pub use read::SpoolReader;
pub use recover::{Cut, CutKind, Recovery};
pub use segment::SpoolId;

use append::{APPENDS_WAITING_MAX, Appender, Waiting};
use state::Shared;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot, watch};

/// Largest `segment_bytes`: a segment is read into memory whole when the spool is opened.
pub const SEGMENT_BYTES_CEILING: u64 = 1024 * 1024 * 1024;

/// How large the spool may grow. Headers of segments come on top: some hundred bytes each with a few sources, and
/// 1.5 MB with [`SOURCES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Bytes of records in one segment, 64 MiB by default: space is given back in steps of this size.
    pub segment_bytes: u64,
    /// Bytes of all records, 8 GiB by default: an hour without database at 2 MB/s. At least two segments, so that
    /// there is room for the next one while the current one, which is never deleted, stays.
    pub total_bytes_max: u64,
    /// Bytes of one payload, 52 MiB by default: the largest mail that is read (50 MiB) with its trace headers. With
    /// 5 KiB for its head it must fit into a segment.
    pub record_bytes_max: u64,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self { segment_bytes: 64 * MIB, total_bytes_max: 8192 * MIB, record_bytes_max: 52 * MIB }
    }
}

impl SpoolLimits {
    fn check(&self) -> Result<(), SpoolError> {
        let fault = |limit, value, rule| Err(SpoolError::Limit { limit, value, rule });
        if self.segment_bytes > SEGMENT_BYTES_CEILING {
            return fault("segment_bytes", self.segment_bytes, "it must not exceed 1 GiB");
        }
        if self.record_bytes_max.saturating_add(entry::OVERHEAD_BYTES_MAX as u64) > self.segment_bytes {
            return fault(
                "record_bytes_max",
                self.record_bytes_max,
                "it must be 5 KiB less than `segment_bytes`",
            );
        }
        if self.total_bytes_max < 2 * self.segment_bytes {
            return fault(
                "total_bytes_max",
                self.total_bytes_max,
                "it must be at least twice `segment_bytes`",
            );
        }
        Ok(())
    }
}

/// The size of the spool. All numbers count synced records only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolStats {
    /// The oldest record there; `last_seq + 1` when there is none.
    pub first_seq: u64,
    /// The newest record ever written; 0 before the first.
    pub last_seq: u64,
    /// Bytes of all records, released ones included until their segment is deleted.
    pub used_bytes: u64,
    pub limit_bytes: u64,
    pub segments: usize,
    /// Syncs of records since the spool was opened: fewer than appends when many come at once.
    pub syncs: u64,
}

/// A handle of an open spool. Clones are handles of the same one; it is closed when the last is dropped, which waits
/// for the write under way.
#[derive(Clone)]
pub struct Spool {
    shared: Arc<Shared>,
    writer: Arc<Writer>,
}

/// The writer thread, and the lock it works under.
struct Writer {
    /// Taken when the thread is to end.
    queue: Option<mpsc::Sender<Waiting>>,
    thread: Option<JoinHandle<()>>,
    durable: watch::Receiver<u64>,
    _lock: File,
}

impl Spool {
    /// Opens the spool in `dir`, which is made if need be, and mends what a crash or the disk left behind.
    ///
    /// This reads all segments, and blocks for as long as that takes.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Limit`], [`SpoolError::Locked`]; [`SpoolError::Foreign`] and [`SpoolError::Newer`] for files
    /// that are not to be touched; [`SpoolError::Io`].
    pub fn open(dir: &Path, limits: SpoolLimits) -> Result<(Self, Recovery), SpoolError> {
        limits.check()?;
        let lock = directory::lock(dir)?;
        let first_seqs = segment::list(dir)?;
        let id = directory::identify(dir, !first_seqs.is_empty())?;
        let (state, recovery) = recover::recover(dir, id, first_seqs)?;

        let (durable_sender, durable) = watch::channel(state.next_seq - 1);
        let shared = Arc::new(Shared::new(dir.to_owned(), id, limits, state));
        let (queue, waiting) = mpsc::channel(APPENDS_WAITING_MAX);
        let appender = Appender::new(Arc::clone(&shared), durable_sender);
        let thread = std::thread::Builder::new()
            .name("spool-writer".to_owned())
            .spawn(move || appender.run(waiting))
            .map_err(SpoolError::io("start the writer thread of", dir))?;
        let writer = Writer { queue: Some(queue), thread: Some(thread), durable, _lock: lock };
        Ok((Self { shared, writer: Arc::new(writer) }, recovery))
    }

    pub fn id(&self) -> SpoolId {
        self.shared.id
    }

    /// Writes an entry and returns its number once it is synced. Appends at the same time share a sync.
    ///
    /// When the future is dropped, the entry may be written or not.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Full`]: come again later. [`SpoolError::TooLarge`], [`SpoolError::TooManySources`].
    /// [`SpoolError::Io`]: nothing was acknowledged, and the next append tries anew. [`SpoolError::Stopped`].
    pub async fn append(&self, entry: NewEntry) -> Result<u64, SpoolError> {
        entry.check(&self.shared.limits)?;
        let queue = self.writer.queue.as_ref().ok_or(SpoolError::Stopped)?;
        let (answer, answered) = oneshot::channel();
        queue.send(Waiting { entry, answer }).await.map_err(|_| SpoolError::Stopped)?;
        answered.await.map_err(|_| SpoolError::Stopped)?
    }

    /// Makes a reader whose first record is `next_seq`, or the first one there behind it.
    ///
    /// Make the first one before the first append, from what was stored: should the disk have lost records that were
    /// stored already, their numbers must not be given out again.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Ahead`] when `next_seq` is more than one behind the last record: numbers that were seen already
    /// would be used again.
    pub fn reader(&self, next_seq: u64) -> Result<SpoolReader, SpoolError> {
        let last_seq = self.shared.state().next_seq - 1;
        if next_seq > last_seq + 1 {
            return Err(SpoolError::Ahead { dir: self.shared.dir.clone(), asked_seq: next_seq, last_seq });
        }
        Ok(SpoolReader::new(Arc::clone(&self.shared), self.writer.durable.clone(), next_seq))
    }

    /// Deletes the segments of which all records are numbered `up_to_seq` or lower, but never the newest one: it
    /// keeps the number of the next record. A deletion undone by a crash is done again by the next release.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Io`] when a file cannot be deleted; it and all behind it stay.
    pub fn release(&self, up_to_seq: u64) -> Result<(), SpoolError> {
        let released: Vec<u64> = {
            let segments = &self.shared.state().segments;
            let old = segments.iter().take(segments.len().saturating_sub(1));
            old.take_while(|segment| segment.end_seq <= up_to_seq.saturating_add(1))
                .map(|segment| segment.first_seq)
                .collect()
        };
        for first_seq in released {
            let path = segment::path(&self.shared.dir, first_seq);
            match fs::remove_file(&path) {
                Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                    return Err(SpoolError::io("delete spool segment", &path)(fault));
                }
                _ => self.shared.state().segments.retain(|segment| segment.first_seq != first_seq),
            }
        }
        Ok(())
    }

    /// Items accepted from each source since the spool was made, restarts and deleted segments included.
    pub fn accepted_totals(&self) -> AcceptedTotals {
        self.shared.state().totals.clone()
    }

    pub fn stats(&self) -> SpoolStats {
        self.shared.state().stats(&self.shared.limits)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // a panic of the writer was told by its hook, and to each append as `Stopped`
            drop(thread.join());
        }
    }
}
