//! What handle, writer and readers of one spool know in common: only what has been synced.

use crate::spool::entry::AcceptedTotals;
use crate::spool::segment::SpoolId;
use crate::spool::{SpoolLimits, SpoolStats};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shared by all holders of one spool.
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    pub(super) id: SpoolId,
    pub(super) limits: SpoolLimits,
    state: Mutex<State>,
}

impl Shared {
    pub(super) const fn new(dir: PathBuf, id: SpoolId, limits: SpoolLimits, state: State) -> Self {
        Self { dir, id, limits, state: Mutex::new(state) }
    }

    /// Locks the state. No file is touched under this lock, so it is held for moments only.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // every change is made of steps that cannot panic, so the state is whole even after a panic elsewhere
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One segment, as far as it is synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) first_seq: u64,
    /// The seq of the record after the last; `first_seq` when there is none.
    pub(super) end_seq: u64,
    /// Where the records begin in the file, in bytes.
    pub(super) records_at: u64,
    /// Length of all records, in bytes.
    pub(super) record_bytes: u64,
}

/// The directory, as far as it is synced.
#[derive(Debug)]
pub(super) struct State {
    /// In order. Between two of them there may be a gap, where damage was found.
    pub(super) segments: VecDeque<Segment>,
    /// The seq that the next record gets.
    pub(super) next_seq: u64,
    pub(super) totals: AcceptedTotals,
    /// Syncs of records since the spool was opened.
    pub(super) syncs: u64,
}

impl State {
    /// Bytes of all records.
    pub(super) fn used_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.record_bytes).sum()
    }

    /// The first segment that holds `seq` or a later record.
    pub(super) fn segment_of(&self, seq: u64) -> Option<&Segment> {
        let from = self.segments.partition_point(|segment| segment.end_seq <= seq);
        self.segments.range(from..).find(|segment| segment.first_seq < segment.end_seq)
    }

    pub(super) fn stats(&self, limits: &SpoolLimits) -> SpoolStats {
        SpoolStats {
            first_seq: self.segment_of(0).map_or(self.next_seq, |segment| segment.first_seq),
            last_seq: self.next_seq - 1,
            used_bytes: self.used_bytes(),
            limit_bytes: limits.total_bytes_max,
            segments: self.segments.len(),
            syncs: self.syncs,
        }
    }
}
