//! What the pipeline tells of itself while it runs.

use crate::model::{SourceRef, Timestamp};
use crate::pipeline::checkpoint::{Checkpoint, SourceTotals};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Shared between the pipeline and whoever asks how it goes.
#[derive(Debug, Default)]
pub struct Progress {
    state: Mutex<State>,
    /// `State::stored_seq`, for those who wait for it.
    stored: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    sources: BTreeMap<SourceRef, SourceTotals>,
    stored_seq: u64,
    batches: u64,
    /// Arrival of the first entry of each batch that is not stored yet, in order.
    waiting: VecDeque<Timestamp>,
    store_error: Option<String>,
}

/// One look at it.
#[derive(Debug, Clone, Default)]
pub struct ProgressNow {
    pub sources: BTreeMap<SourceRef, SourceTotals>,
    /// All spool records up to this one are stored.
    pub stored_seq: u64,
    /// Batches written since the start.
    pub batches: u64,
    pub oldest_waiting: Option<Timestamp>,
    /// Why the present batch cannot be written, until it can.
    pub store_error: Option<String>,
}

impl Progress {
    pub fn now(&self) -> ProgressNow {
        let state = self.lock();
        ProgressNow {
            sources: state.sources.clone(),
            stored_seq: state.stored_seq,
            batches: state.batches,
            oldest_waiting: state.waiting.front().copied(),
            store_error: state.store_error.clone(),
        }
    }

    /// The last spool record up to which all are stored, whenever it moves.
    pub fn stored(&self) -> watch::Receiver<u64> {
        self.stored.subscribe()
    }

    /// All spool records up to this one are stored.
    pub(super) fn stored_seq(&self) -> u64 {
        self.lock().stored_seq
    }

    pub(super) fn begin(&self, checkpoint: &Checkpoint) {
        let mut state = self.lock();
        state.stored_seq = checkpoint.stored_seq;
        state.sources =
            checkpoint.sources.iter().map(|totals| (totals.source.clone(), totals.clone())).collect();
        drop(state);
        self.stored.send_replace(checkpoint.stored_seq);
    }

    pub(super) fn batch_began(&self, oldest_received: Timestamp) {
        self.lock().waiting.push_back(oldest_received);
    }

    pub(super) fn batch_stored(&self, checkpoint: &Checkpoint) {
        self.begin(checkpoint);
        let mut state = self.lock();
        state.waiting.pop_front();
        state.batches += 1;
        state.store_error = None;
    }

    pub(super) fn store_failed(&self, error: String) {
        self.lock().store_error = Some(error);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is replaced field by field with whole values: a panic elsewhere leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
