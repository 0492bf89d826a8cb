//! The pipeline's thread: takes entries from the spool and makes batches of them.

use crate::pipeline::PipelineError;
use crate::pipeline::assemble::{Assembler, Draft, Finished};
use crate::pipeline::progress::Progress;
use crate::spool::{Entry, SpoolReader};
use crate::store::Store;
use crate::model::SourceRef;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Bytes of entries taken from the spool at once, unless one alone is larger.
pub(super) const READ_BYTES: usize = 8 << 20;

/// Entries taken at once.
pub(super) const READ_RECORDS: usize = 1024;

/// How often the readers' memory is written. Until then a restart reads again what came since: a few seconds' work.
const STATES_EVERY: Duration = Duration::from_secs(20);

/// Pause before the store is asked again that did not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A batch on its way to the writer.
pub(super) struct ToWrite {
    pub(super) finished: Finished,
    /// The readers' memory after the batch, when it is time to write it. `None`: not now.
    pub(super) states: Option<Vec<(SourceRef, String)>>,
}

pub(super) struct Reading {
    pub(super) reader: SpoolReader,
    pub(super) assembler: Assembler,
    pub(super) store: Store,
    /// The batch that a crash interrupted ends here: it must be cut there again.
    pub(super) pending_last_seq: Option<u64>,
    pub(super) rows_max: usize,
    pub(super) bytes_max: usize,
    pub(super) wait: Duration,
    pub(super) batches: mpsc::Sender<ToWrite>,
    pub(super) progress: Arc<Progress>,
    pub(super) shutdown: watch::Receiver<bool>,
    pub(super) runtime: tokio::runtime::Handle,
}

impl Reading {
    /// Works until shutdown, or until the writer is gone.
    pub(super) fn run(mut self) -> Result<(), PipelineError> {
        let mut entries = VecDeque::new();
        let mut states_written = Instant::now();
        loop {
            let Some(mut draft) = self.draft(&mut entries)? else { return Ok(()) };
            if !self.settle(&mut draft) {
                return Ok(());
            }
            let is_time = states_written.elapsed() >= STATES_EVERY || *self.shutdown.borrow();
            let states = is_time.then(|| self.assembler.readers.states());
            if is_time {
                states_written = Instant::now();
            }
            let finished = draft.finish(self.assembler.ingest_node.clone());
            if self.batches.blocking_send(ToWrite { finished, states }).is_err() {
                return Ok(());
            }
        }
    }

    /// Fills one batch; `None` at shutdown.
    fn draft(&mut self, entries: &mut VecDeque<Entry>) -> Result<Option<Draft>, PipelineError> {
        let mut draft: Option<Draft> = None;
        let mut full_at = Instant::now() + self.wait;
        loop {
            while let Some(entry) = entries.pop_front() {
                let mut current = draft.take().unwrap_or_else(|| {
                    full_at = Instant::now() + self.wait;
                    self.progress.batch_began(entry.received);
                    Draft::new(&entry)
                });
                self.assembler.add(&mut current, &entry);
                if self.is_full(&current, entry.seq) {
                    return Ok(Some(current));
                }
                draft = Some(current);
            }
            if *self.shutdown.borrow() && self.pending_last_seq.is_none() {
                return Ok(draft);
            }
            entries.extend(self.reader.read_batch(READ_BYTES, READ_RECORDS)?);
            if entries.is_empty() && !self.wait_for_more(draft.is_some().then_some(full_at))? {
                return Ok(draft);
            }
        }
    }

    /// Whether the batch ends here: at the limits, or exactly where it ended before a crash.
    fn is_full(&mut self, draft: &Draft, seq: u64) -> bool {
        if let Some(last_seq) = self.pending_last_seq {
            if seq < last_seq {
                return false;
            }
            self.pending_last_seq = None;
            return true;
        }
        draft.rows() >= self.rows_max || draft.size_bytes() >= self.bytes_max
    }

    /// Waits for more entries, until `deadline` when there is one. Returns whether to go on filling.
    fn wait_for_more(&mut self, deadline: Option<Instant>) -> Result<bool, PipelineError> {
        let (reader, shutdown) = (&mut self.reader, &mut self.shutdown);
        self.runtime.block_on(async {
            let ended = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                more = reader.wait() => more.map(|()| true).map_err(PipelineError::from),
                () = ended => Ok(false),
                _ = shutdown.wait_for(|stop| *stop) => Ok(false),
            }
        })
    }

    /// Asks the store for the events that may be there already; false at shutdown.
    fn settle(&self, draft: &mut Draft) -> bool {
        let Some((times, ids)) = draft.unsure_ids() else { return true };
        let node = self.assembler.ingest_node.as_str();
        loop {
            match self.runtime.block_on(self.store.known_ids(node, draft.first_seq(), times, &ids)) {
                Ok(known) => {
                    draft.settle(&known);
                    return true;
                }
                Err(error) => self.progress.store_failed(crate::pipeline::write::in_words(&error)),
            }
            if *self.shutdown.borrow() {
                return false;
            }
            std::thread::sleep(ASK_AGAIN);
        }
    }
}
