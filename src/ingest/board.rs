//! What a door tells of itself while it works, for the page of sources and the metrics.
//!
//! Way: a door holds a [`DoorStatus`] and notes what happens; `app` reads all of them when a page asks.
//! Not here: what became of the items (the ledger of `pipeline`), webhooks and followed logs, which tell more
//! (`webhook::WebhookCounts`, `tail::TailStatus`).

use crate::model::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Longest words kept of a fault, in bytes: some show what a server or a stranger wrote.
const WORDS_BYTES_MAX: usize = 400;

/// A handle for looking at a door while it works. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct DoorStatus(Arc<Mutex<DoorState>>);

/// What happened at a door since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DoorState {
    /// What it is doing, in a few words.
    pub doing: &'static str,
    /// Items that are in the spool.
    pub taken: u64,
    pub last_taken: Option<Timestamp>,
    /// Items and requests that were turned away, or could not be fetched.
    pub refused: u64,
    /// Faults of the door itself: connections lost, a server that says no.
    pub faults: u64,
    pub last_fault: Option<DoorFault>,
    /// Whether the last fault still holds it up.
    pub is_held_up: bool,
}

/// The last thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorFault {
    pub at: Timestamp,
    pub words: String,
}

impl DoorStatus {
    pub fn get(&self) -> DoorState {
        self.lock().clone()
    }

    pub(super) fn set_doing(&self, doing: &'static str) {
        self.lock().doing = doing;
    }

    pub(super) fn note_taken(&self, items: u64, at: Timestamp) {
        let mut state = self.lock();
        state.taken += items;
        state.last_taken = Some(at);
        state.is_held_up = false;
    }

    /// Something was turned away; the door itself is well.
    pub(super) fn note_refused(&self, at: Timestamp, words: &str) {
        let mut state = self.lock();
        state.refused += 1;
        state.last_fault = Some(DoorFault { at, words: cut(words) });
    }

    /// The door cannot work; returns whether that is news.
    pub(super) fn note_fault(&self, at: Timestamp, words: &str) -> bool {
        let mut state = self.lock();
        state.faults += 1;
        let words = cut(words);
        let is_news = !state.is_held_up || state.last_fault.as_ref().is_none_or(|last| last.words != words);
        state.last_fault = Some(DoorFault { at, words });
        state.is_held_up = true;
        is_news
    }

    /// The door works again; returns whether that is news.
    pub(super) fn note_well(&self) -> bool {
        std::mem::take(&mut self.lock().is_held_up)
    }

    fn lock(&self) -> MutexGuard<'_, DoorState> {
        // numbers and words alone: a panic elsewhere leaves nothing half done
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cut(words: &str) -> String {
    words[..words.floor_char_boundary(WORDS_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_news_once_until_the_door_is_well_again() {
        let status = DoorStatus::default();
        let now = Timestamp::from_seconds(7);
        assert!(status.note_fault(now, "no route to host"));
        assert!(!status.note_fault(now, "no route to host"));
        assert!(status.note_fault(now, "login refused"));
        assert!(status.get().is_held_up);
        assert!(status.note_well());
        assert!(!status.note_well());
        assert!(status.note_fault(now, "login refused"));
        assert_eq!(status.get().faults, 4);
    }

    #[test]
    fn words_of_a_stranger_are_cut_at_a_character() {
        let status = DoorStatus::default();
        status.note_refused(Timestamp::from_seconds(7), &"ä".repeat(999));
        assert_eq!(status.get().last_fault.unwrap().words.len(), WORDS_BYTES_MAX);
    }
}
