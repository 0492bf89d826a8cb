//! Following the logs of a relay on this machine.
//!
//! Way: `app` starts one tailer a source with what the spool and the checkpoint know of its files
//! ([`Entry::position_after`](crate::spool::Entry::position_after)); `postfix` and `kumomta` find the next lines, the loop here
//! hands them to the spool and waits when it is full.
//!
//! There is no file of positions: a position stands in the spool with the very lines that it is behind, so that one
//! cannot be there without the other.
//!
//! Files are polled. Change notices of the kernel (inotify) do not come over NFS and through most container mounts,
//! and can be lost when many come at once, so that polling would be needed beside them.
//! Not here: what a line says (`parse`).

mod kumomta;
mod postfix;
#[cfg(test)]
mod tests;

use crate::ingest::files::FileError;
use crate::ingest::lines::Chunk;
use crate::ingest::{Batch, DoorFault, Intake};
use crate::model::{FilePosition, SourceKind, SourceRef, Text, Timestamp};
use crate::spool::SpoolError;
use kumomta::SegmentFollower;
use postfix::LogFollower;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How often to look for new lines when there were none: far below a second, so that pages follow, at the cost of
/// a few system calls.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The longest wait after a fault, or for room in the spool. Waits begin at [`POLL_INTERVAL`] and double.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What to follow.
#[derive(Debug, Clone)]
pub struct TailOptions {
    /// Its kind says how: [`SourceKind::Postfix`] a log file, [`SourceKind::Kumomta`] a directory of segments.
    pub source: SourceRef,
    /// The log file, or the directory.
    pub path: PathBuf,
}

/// Where a tailer is, for the pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TailState {
    /// The file being read, wherever rotation has put it.
    pub path: PathBuf,
    /// Bytes of it that are in the spool, before any compression.
    pub offset: u64,
    /// When lines were last spooled.
    pub last_read: Option<Timestamp>,
    /// Why it waits, in words; `None` when all is well.
    pub fault: Option<String>,
    /// The last such reason, also when it is over.
    pub last_fault: Option<DoorFault>,
}

/// A handle for looking at a tailer while it runs.
#[derive(Debug, Clone, Default)]
pub struct TailStatus(Arc<Mutex<TailState>>);

impl TailStatus {
    pub fn get(&self) -> TailState {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, TailState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_fault(&self, source: &SourceRef, at: Timestamp, fault: Option<String>) {
        let mut state = self.lock();
        if state.fault != fault {
            // once when it begins and once when it ends, not at each try
            if let Some(fault) = &fault {
                tracing::warn!(%source, "log is not being read on: {fault}");
                state.last_fault = Some(DoorFault { at, words: fault.clone() });
            } else {
                tracing::info!(%source, "log is being read again");
            }
            state.fault = fault;
        }
    }
}

/// Why a tailer ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    #[error("`{0}` sources have no log to follow")]
    Kind(SourceKind),
    #[error("the spool takes no lines of this source")]
    Spool(#[from] SpoolError),
    #[error("reading the log failed: this is a fault of relaylens itself, and its log says more")]
    Broken,
}

/// Finds the next lines of a log. Calls block on the disk.
trait Follow: Send + 'static {
    /// The next lines, or `None` when there are none now.
    fn next(&mut self) -> Result<Option<Found>, FileError>;
}

/// Lines of a file.
struct Found {
    path: PathBuf,
    file: Text,
    chunk: Chunk,
}

/// Follows a log until `shutdown` says true or its sender is gone.
///
/// `positions` tell of each file how far it is in the spool or stored. A log of which none tells is read from its
/// beginning. What is not in the spool at the end is read again by the next run.
///
/// # Errors
///
/// [`TailError::Kind`]; [`TailError::Spool`] for what waiting does not mend: too many sources, a stopped writer.
/// A full spool and faults of the disk are waited out and told by `status`.
pub async fn run(
    options: TailOptions,
    intake: Intake,
    positions: Vec<FilePosition>,
    status: TailStatus,
    shutdown: watch::Receiver<bool>,
) -> Result<(), TailError> {
    let tailer = Tailer { source: options.source, intake, status, shutdown };
    match tailer.source.kind {
        SourceKind::Postfix
        | SourceKind::Exim
        | SourceKind::Powermta
        | SourceKind::Haraka
        | SourceKind::Zonemta => tailer.run(LogFollower::new(options.path, positions)).await,
        SourceKind::Kumomta => tailer.run(SegmentFollower::new(options.path, positions)).await,
        other => Err(TailError::Kind(other)),
    }
}

struct Tailer {
    source: SourceRef,
    intake: Intake,
    status: TailStatus,
    shutdown: watch::Receiver<bool>,
}

impl Tailer {
    async fn run(mut self, mut follower: impl Follow) -> Result<(), TailError> {
        let mut wait = POLL_INTERVAL;
        while !*self.shutdown.borrow() {
            let found;
            (follower, found) = tokio::task::spawn_blocking(move || {
                let found = follower.next();
                (follower, found)
            })
            .await
            .map_err(|_| TailError::Broken)?;
            match found {
                Ok(Some(found)) => {
                    self.deliver(found).await?;
                    wait = POLL_INTERVAL;
                    continue;
                }
                Ok(None) => {
                    self.status.set_fault(&self.source, self.intake.now(), None);
                    wait = POLL_INTERVAL;
                }
                Err(fault) => {
                    self.status.set_fault(&self.source, self.intake.now(), Some(fault.to_string()));
                    wait = (wait * 2).min(WAIT_MAX);
                }
            }
            self.pause(wait).await;
        }
        Ok(())
    }

    /// Brings lines into the spool, however long it is full; gives up only at shutdown.
    async fn deliver(&mut self, found: Found) -> Result<(), TailError> {
        let Found { path, file, chunk } = found;
        let mut wait = POLL_INTERVAL;
        let end = chunk.offset + chunk.payload.len() as u64;
        while !*self.shutdown.borrow() {
            let received = self.intake.now();
            let batch = Batch {
                source: self.source.clone(),
                received,
                file: file.clone(),
                offset: chunk.offset,
                payload: chunk.payload.clone(),
            };
            match self.intake.accept(&batch).await {
                Ok(_) => {
                    self.status.set_fault(&self.source, self.intake.now(), None);
                    let mut state = self.status.lock();
                    (state.path, state.offset, state.last_read) = (path, end, Some(received));
                    return Ok(());
                }
                Err(fault @ (SpoolError::Full { .. } | SpoolError::Io { .. })) => {
                    self.status.set_fault(&self.source, self.intake.now(), Some(fault.to_string()));
                }
                Err(fault) => return Err(TailError::Spool(fault)),
            }
            self.pause(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
        Ok(())
    }

    async fn pause(&mut self, wait: Duration) {
        let ended = async {
            if self.shutdown.wait_for(|ends| *ends).await.is_err() {
                // nobody is left who could tell: the same as being told
                self.shutdown = watch::channel(true).1;
            }
        };
        drop(tokio::time::timeout(wait, ended).await);
    }
}
