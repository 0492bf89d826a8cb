//! The pipeline's second half: writes batches and moves the checkpoint.

use crate::model::with_causes;
use crate::pipeline::PipelineError;
use crate::pipeline::checkpoint::{Checkpoint, Home, ReaderStates, SourceTotals};
use crate::pipeline::draft::Finished;
use crate::pipeline::progress::Progress;
use crate::pipeline::read::{Memory, ToWrite};
use crate::spool::Spool;
use crate::store::{Sealed, Store};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// First and longest pause before a failed batch is written again.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LAST: Duration = Duration::from_secs(30);

pub(super) struct Writing {
    pub(super) home: Home,
    pub(super) checkpoint: Checkpoint,
    /// The readers' memory on disk is that after this record.
    pub(super) states_seq: u64,
    pub(super) spool: Spool,
    pub(super) store: Store,
    pub(super) progress: Arc<Progress>,
    pub(super) shutdown: watch::Receiver<bool>,
}

impl Writing {
    /// Works until there are no more batches. A database that is down is tried again for as long as it takes: the
    /// spool keeps what comes in meanwhile.
    pub(super) async fn run(mut self, mut batches: mpsc::Receiver<ToWrite>) -> Result<(), PipelineError> {
        while let Some(work) = batches.recv().await {
            if let Some(batch) = work.batch
                && !self.store(batch).await?
            {
                return Ok(());
            }
            match work.memory {
                Memory::Later => {}
                Memory::None => self.states_seq = self.checkpoint.stored_seq,
                Memory::After(seq, states) => {
                    let spool_id = self.checkpoint.spool_id.clone();
                    self.home.write_readers(&ReaderStates { spool_id, seq, states })?;
                    self.states_seq = seq;
                }
            }
            // Records after the readers' memory, and those that wait for a second look, are read again at the next start.
            let first_waiting = self.checkpoint.waiting().first().copied().unwrap_or(u64::MAX);
            self.spool.release(self.states_seq.min(self.checkpoint.stored_seq).min(first_waiting - 1))?;
        }
        Ok(())
    }

    /// Writes one batch and moves the checkpoint; false at shutdown.
    async fn store(&mut self, batch: Finished) -> Result<bool, PipelineError> {
        self.checkpoint.pending_last_seq = Some(batch.last_seq);
        self.checkpoint.pending_waiting = batch.waiting.iter().map(|(_, seq)| *seq).collect();
        self.home.write_checkpoint(&self.checkpoint)?;
        if !self.insert(&batch.sealed).await {
            return Ok(false);
        }
        self.checkpoint.pending_last_seq = None;
        self.checkpoint.stored_seq = batch.last_seq;
        for totals in batch.sources {
            add(&mut self.checkpoint.sources, totals);
        }
        for totals in &mut self.checkpoint.sources {
            let of_source = batch.waiting.iter().filter(|(source, _)| *source == totals.source);
            totals.waiting = of_source.map(|(_, seq)| *seq).collect();
        }
        self.home.write_checkpoint(&self.checkpoint)?;
        self.progress.batch_stored(&self.checkpoint);
        Ok(true)
    }

    /// Writes one batch, however long it takes; false at shutdown.
    async fn insert(&mut self, batch: &Sealed) -> bool {
        let mut pause = RETRY_FIRST;
        loop {
            match self.store.insert(batch).await {
                Ok(()) => return true,
                Err(error) => {
                    let error = with_causes(&error);
                    tracing::error!(
                        error,
                        retry_s = pause.as_secs_f32(),
                        "a batch could not be written; it is kept"
                    );
                    self.progress.store_failed(error);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(RETRY_LAST),
                _ = self.shutdown.wait_for(|stop| *stop) => return false,
            }
        }
    }
}

/// Adds what one batch brought to the totals.
fn add(sources: &mut Vec<SourceTotals>, batch: SourceTotals) {
    let at = sources.iter().position(|totals| totals.source == batch.source).unwrap_or_else(|| {
        sources.push(SourceTotals::new(batch.source.clone()));
        sources.len() - 1
    });
    let totals = &mut sources[at];
    totals.counts.add(&batch.counts);
    totals.events += batch.events;
    totals.accepted_total = totals.accepted_total.max(batch.accepted_total);
    for position in batch.files {
        totals.note_file(position);
    }
}
