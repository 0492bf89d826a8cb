//! Which events were seen already.
//!
//! The newest ids stand in memory. That answers for every event whose first copy must have come in since the oldest of
//! them; for an older one (an import, a webhook that was tried again for hours) the store is asked.

use crate::model::Timestamp;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// How far the clocks of sources may run ahead of ours before an event's time says nothing of its arrival: 5 minutes.
const SKEW_US: i64 = 5 * 60 * 1_000_000;

/// What is known of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    New,
    Known,
    /// Not among the ids in memory, but it may have come before them.
    Unsure,
}

/// The newest ids, in two generations: when the younger is full, the older is dropped.
pub(super) struct RecentIds {
    young: HashSet<u128, BuildHasherDefault<IdHasher>>,
    old: HashSet<u128, BuildHasherDefault<IdHasher>>,
    generation_max: usize,
    /// The latest arrival so far. A replayed item brings its old one, which says nothing of when it came now.
    latest: Timestamp,
    /// `latest` when the first id came into `young`.
    young_since: Timestamp,
    /// Every event that arrived since then is in memory.
    complete_since: Timestamp,
}

impl RecentIds {
    /// `stored` are the newest stored ids with their arrival, newest first, at most `ids_max` of them: if there are
    /// fewer, they are all that is stored.
    pub(super) fn new(ids_max: usize, stored: &[(u128, Timestamp)]) -> Self {
        let generation_max = (ids_max / 2).max(1);
        let all = stored.len() < ids_max;
        let oldest = stored.last().map_or(Timestamp(i64::MIN), |(_, received)| *received);
        Self {
            young: HashSet::default(),
            old: stored.iter().map(|(id, _)| *id).collect(),
            generation_max,
            latest: stored.first().map_or(Timestamp(i64::MIN), |(_, received)| *received),
            young_since: Timestamp(i64::MIN),
            complete_since: if all { Timestamp(i64::MIN) } else { oldest },
        }
    }

    /// Looks an event up and remembers it.
    pub(super) fn see(&mut self, id: u128, event_time: Timestamp, received: Timestamp) -> Seen {
        self.latest = self.latest.max(received);
        if self.old.contains(&id) || !self.young.insert(id) {
            return Seen::Known;
        }
        if self.young.len() == 1 {
            self.young_since = self.latest;
        }
        let answers_for_all = self.complete_since.0 == i64::MIN;
        let came_within = event_time.0 >= self.complete_since.0.saturating_add(SKEW_US)
            && event_time.0 <= received.0.saturating_add(SKEW_US);
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
            self.complete_since = self.young_since;
        }
        if answers_for_all || came_within { Seen::New } else { Seen::Unsure }
    }
}

/// The ids are cut from SHA-256 already: hashing them again would add nothing.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        #[expect(clippy::cast_possible_truncation, reason = "any 64 bits of the id will do")]
        let low = id as u64;
        self.0 = low;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    #[test]
    fn a_second_copy_is_known() {
        let mut ids = RecentIds::new(10, &[]);
        assert_eq!(ids.see(1, NOW, NOW), Seen::New);
        assert_eq!(ids.see(1, NOW, NOW), Seen::Known);
    }

    #[test]
    fn with_everything_in_memory_an_old_event_is_new() {
        let mut ids = RecentIds::new(10, &[(7, NOW)]);
        assert_eq!(ids.see(1, Timestamp::from_seconds(5), NOW), Seen::New);
        assert_eq!(ids.see(7, NOW, NOW), Seen::Known);
    }

    #[test]
    fn an_event_from_before_the_window_is_unsure() {
        let hour_ago = Timestamp::from_seconds(1_000_000 - 3600);
        let mut ids = RecentIds::new(4, &[(6, NOW), (7, NOW), (8, NOW), (9, hour_ago)]);
        assert_eq!(ids.see(1, Timestamp::from_seconds(1_000_000 - 7200), NOW), Seen::Unsure);
        assert_eq!(ids.see(2, NOW, NOW), Seen::New);
    }

    #[test]
    fn a_time_far_ahead_says_nothing_of_the_arrival() {
        let mut ids = RecentIds::new(2, &[(7, NOW), (8, Timestamp::from_seconds(0))]);
        assert_eq!(ids.see(1, Timestamp::from_seconds(1_090_000), NOW), Seen::Unsure);
    }

    #[test]
    fn memory_is_bounded_by_two_generations() {
        let mut ids = RecentIds::new(10, &[]);
        for id in 0..1000 {
            ids.see(id, NOW, NOW);
            assert!(ids.young.len() + ids.old.len() <= 10);
        }
        assert_eq!(ids.see(999, NOW, NOW), Seen::Known);
    }
}
