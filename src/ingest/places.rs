//! Places for those who are served at once. When all are taken, who has done nothing for longest gives way.
//!
//! Way: a door asks [`Places::take`] for each connection or request, the holder tells when it came further, and watches
//! whether its place was given to another.
//!
//! A fixed number of places alone would let as many slow strangers, each of them within every time limit, keep honest
//! senders out for as long as they like.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Who came no further for so long may have to give way: a mail server hands over a mail in milliseconds, and what is
/// large in seconds.
const GIVES_WAY_AFTER: Duration = Duration::from_secs(5);

/// All places of a door. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    holders: HashMap<u64, Holder>,
}

#[derive(Debug)]
struct Holder {
    came_further: Instant,
    lost: Arc<Notify>,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    id: u64,
    shared: Arc<Shared>,
    lost: Arc<Notify>,
}

impl Places {
    pub(super) fn new(max: usize) -> Self {
        Self(Arc::new(Shared { max, held: Mutex::default() }))
    }

    /// A place, if one is free or somebody can be made to give way.
    pub(super) fn take(&self) -> Option<Place> {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> Option<Place> {
        let mut held = self.0.lock();
        if held.holders.len() >= self.0.max {
            let (id, slowest) = held.holders.iter().min_by_key(|(_, holder)| holder.came_further)?;
            if now.saturating_duration_since(slowest.came_further) < GIVES_WAY_AFTER {
                return None;
            }
            slowest.lost.notify_one();
            let id = *id;
            held.holders.remove(&id);
        }
        let id = held.next;
        held.next += 1;
        let lost = Arc::new(Notify::new());
        held.holders.insert(id, Holder { came_further: now, lost: Arc::clone(&lost) });
        drop(held);
        Some(Place { id, shared: Arc::clone(&self.0), lost })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing in here can panic half way.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Something whole was done: a mail was kept.
    pub(super) fn came_further(&self) {
        self.came_further_at(Instant::now());
    }

    fn came_further_at(&self, now: Instant) {
        if let Some(holder) = self.shared.lock().holders.get_mut(&self.id) {
            holder.came_further = now;
        }
    }

    /// Returns when the place was given to another.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.lock().holders.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn who_came_no_further_for_longest_gives_way() {
        let places = Places::new(2);
        let begin = Instant::now();
        let (first, second) = (places.take_at(begin).unwrap(), places.take_at(begin).unwrap());
        assert!(places.take_at(begin).is_none(), "both have just come");
        let later = begin + GIVES_WAY_AFTER;
        first.came_further_at(later);
        let third = places.take_at(later).unwrap();
        assert!(second.lost().now_or_never().is_some());
        assert!(first.lost().now_or_never().is_none() && third.lost().now_or_never().is_none());
        assert!(places.take_at(later).is_none());
        // Who lost his place frees none.
        drop(second);
        assert!(places.take_at(later).is_none());
        drop(third);
        assert!(places.take_at(later).is_some());
    }
}
