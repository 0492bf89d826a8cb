//! From the spool into the database: read, classify, drop what is known, write in batches, move the checkpoint.
//!
//! Way: doors append to the spool; a thread reads it in order and makes batches (`read`, `assemble`); a task writes them
//! (`write`) while the thread makes the next one.
//!
//! After a crash: `checkpoint.json` tells which records are stored and which batch was being written. That batch is
//! made again from the same records and written with the same token, so that the database takes what it lacks and
//! nothing twice. Readers with a memory start from `readers.json` and read again what came after it. Feedback that came
//! before its message waits for a second look (`waiting`), and stays in the spool for so long.
//! Not here: accepting bytes (`ingest`), what a reply means (`classify`), SQL (`store`).

mod assemble;
mod attribute;
mod authenticate;
mod checkpoint;
mod draft;
mod feedback;
mod kept;
mod known;
mod labels;
mod progress;
mod read;
mod readers;
mod reports;
mod sieve;
mod waiting;
mod write;

pub use authenticate::Authenticator;
pub use checkpoint::{Checkpoint, CheckpointError, SourceTotals};
pub use feedback::Marks;
pub use labels::{LabelError, Labels};
pub use progress::{Progress, ProgressNow};
pub use readers::{ReaderOptions, ReaderStateError};
pub use reports::ReportOptions;

use crate::classify::Classifier;
use crate::model::{FilePosition, SourceRef, Text, Timestamp};
use crate::pipeline::assemble::Assembler;
use crate::pipeline::checkpoint::{Home, note_file};
use crate::pipeline::known::RecentIds;
use crate::pipeline::readers::Readers;
use crate::pipeline::waiting::WaitingRoom;
use crate::spool::{Spool, SpoolError, SpoolReader};
use crate::store::Store;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How the pipeline works.
pub struct PipelineOptions {
    /// Folder of the checkpoint.
    pub dir: PathBuf,
    pub batch_rows_max: usize,
    pub batch_bytes_max: usize,
    pub batch_wait: Duration,
    /// How long feedback waits for the log to tell of its message; zero: not at all.
    pub second_look: Duration,
    pub clock: fn() -> Timestamp,
    pub recent_ids_max: usize,
    pub readers: ReaderOptions,
    pub labels: Labels,
    pub marks: Marks,
    pub reports: ReportOptions,
    pub authenticator: Authenticator,
}

#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Reader(#[from] ReaderStateError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the pipeline's thread cannot be started")]
    Thread(#[source] std::io::Error),
    #[error("the pipeline's thread has failed; the log tells why")]
    Died,
}

/// The store, and whether its tables are there yet.
pub struct StoreAccess {
    pub store: Store,
    /// Turns true when the database answers and its tables are up to date.
    pub is_ready: watch::Receiver<bool>,
}

/// A running pipeline.
pub struct Pipeline {
    ingest_node: Text,
    progress: Arc<Progress>,
    files: BTreeMap<SourceRef, Vec<FilePosition>>,
    reading: JoinHandle<Result<(), PipelineError>>,
    writing: tokio::task::JoinHandle<Result<(), PipelineError>>,
}

impl Pipeline {
    /// Takes up the work where it was left. Call it before any door is opened: it also finds out what has been read of
    /// the followed files.
    ///
    /// # Errors
    ///
    /// [`PipelineError`] when checkpoint or spool cannot be read. A store that does not answer is waited for.
    pub fn start(
        options: PipelineOptions,
        spool: Spool,
        store: StoreAccess,
        classifier: Classifier,
        shutdown: watch::Receiver<bool>,
    ) -> Result<Self, PipelineError> {
        let home = Home::new(&options.dir);
        let spool_id = spool.id().to_string();
        let mut checkpoint = home.checkpoint()?;
        let mut states = home.readers()?;
        if checkpoint.spool_id != spool_id {
            if !checkpoint.spool_id.is_empty() {
                tracing::warn!("the spool is a new one: the ledger begins anew");
            }
            checkpoint = Checkpoint { spool_id: spool_id.clone(), ..Checkpoint::default() };
        }
        if states.spool_id != spool_id || states.seq > checkpoint.stored_seq {
            states = checkpoint::ReaderStates { spool_id, ..Default::default() };
        }
        let next_seq = checkpoint.stored_seq + 1;
        let reader = spool.reader(next_seq)?;
        let ingest_node = Text::from(&checkpoint.spool_id[..16.min(checkpoint.spool_id.len())]);
        let mut assembler = Assembler {
            readers: Readers::restore(options.readers, &states.states)?,
            classifier,
            labels: options.labels,
            marks: options.marks,
            recent: RecentIds::new(options.recent_ids_max, &[]),
            recent_reports: RecentIds::new(1, &[]),
            report_options: options.reports,
            verdicts: HashMap::new(),
            ingest_node: ingest_node.clone(),
            scratch: Vec::new(),
        };
        catch_up(&spool, states.seq, checkpoint.stored_seq, &mut assembler)?;
        let files = files_read(&spool, &checkpoint)?;

        let progress = Arc::new(Progress::default());
        progress.begin(&checkpoint);
        // One batch waits while one is written: more would only hold memory.
        let (batches, to_write) = mpsc::channel(1);
        let reading = read::Reading {
            reader,
            authenticator: options.authenticator,
            assembler,
            store: store.store.clone(),
            is_ready: store.is_ready,
            recent_ids_max: options.recent_ids_max,
            pending_last_seq: checkpoint.pending_last_seq,
            pending_waiting: checkpoint.pending_last_seq.map(|_| checkpoint.pending_waiting.clone()),
            room: WaitingRoom::new(options.second_look),
            waiting: checkpoint.waiting(),
            spool: spool.clone(),
            clock: options.clock,
            rows_max: options.batch_rows_max,
            bytes_max: options.batch_bytes_max,
            wait: options.batch_wait,
            batches,
            progress: Arc::clone(&progress),
            shutdown: shutdown.clone(),
            runtime: tokio::runtime::Handle::current(),
        };
        let reading = std::thread::Builder::new()
            .name("pipeline".to_owned())
            .spawn(move || reading.run())
            .map_err(PipelineError::Thread)?;
        let states_seq = states.seq;
        let writing = write::Writing {
            home,
            checkpoint,
            states_seq,
            spool,
            store: store.store,
            progress: Arc::clone(&progress),
            shutdown,
        };
        let writing = tokio::spawn(writing.run(to_write));
        Ok(Self { ingest_node, progress, files, reading, writing })
    }

    /// The name of the spool in every row that it brings.
    pub const fn ingest_node(&self) -> &Text {
        &self.ingest_node
    }

    pub const fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// How far each followed or imported file had been read when the pipeline started: what is stored, and what waits
    /// in the spool.
    pub const fn files(&self) -> &BTreeMap<SourceRef, Vec<FilePosition>> {
        &self.files
    }

    /// Whether the work has ended, which it only does at shutdown or by a fault.
    pub fn has_ended(&self) -> bool {
        self.writing.is_finished()
    }

    /// Waits until the work has ended.
    ///
    /// # Errors
    ///
    /// The fault that ended it.
    pub async fn join(self) -> Result<(), PipelineError> {
        let written = self.writing.await.map_err(|_| PipelineError::Died)?;
        let read = tokio::task::spawn_blocking(move || self.reading.join()).await;
        let read = read.map_err(|_| PipelineError::Died)?.map_err(|_| PipelineError::Died)?;
        written.and(read)
    }
}

/// Brings readers with a memory from record `from_seq` to record `to_seq`.
///
/// Of these records the oldest may be released already: they were, because no reader had a memory then.
fn catch_up(
    spool: &Spool,
    from_seq: u64,
    to_seq: u64,
    assembler: &mut Assembler,
) -> Result<(), PipelineError> {
    let first_seq = spool.stats().first_seq.max(from_seq + 1);
    if first_seq > to_seq {
        return Ok(());
    }
    each_entry(&mut spool.reader(first_seq)?, to_seq, |entry| assembler.catch_up(entry))
}

/// How far every file has been read, by the checkpoint and the records after it.
fn files_read(
    spool: &Spool,
    checkpoint: &Checkpoint,
) -> Result<BTreeMap<SourceRef, Vec<FilePosition>>, PipelineError> {
    let known = checkpoint.sources.iter().map(|totals| (totals.source.clone(), totals.files.clone()));
    let mut files: BTreeMap<SourceRef, Vec<FilePosition>> = known.collect();
    each_entry(&mut spool.reader(checkpoint.stored_seq + 1)?, u64::MAX, |entry| {
        if let Some(position) = entry.position_after() {
            note_file(files.entry(entry.source.clone()).or_default(), position);
        }
    })?;
    Ok(files)
}

fn each_entry(
    reader: &mut SpoolReader,
    to_seq: u64,
    mut see: impl FnMut(&crate::spool::Entry),
) -> Result<(), PipelineError> {
    while reader.next_seq() <= to_seq {
        let entries = reader.read_batch(read::READ_BYTES, read::READ_RECORDS)?;
        if entries.is_empty() {
            break;
        }
        entries.iter().filter(|entry| entry.seq <= to_seq).for_each(&mut see);
    }
    Ok(())
}
