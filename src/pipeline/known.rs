//! Which events were seen already.
//!
//! The newest ids stand in memory. That answers for every event whose first copy must have come in since the oldest of
//! them; an older one (an import, a webhook that was tried again for hours) is looked for in a sieve, which holds many
//! more ids but may be wrong about one that it seems to hold. Only then, and where the sieve does not reach, the store
//! is asked: under load that would be for each event, since clocks may run ahead of ours by minutes.

use crate::model::Timestamp;
use crate::pipeline::sieve::Sieve;
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

/// Ids of the sieve for each one in exact memory. They take a byte each, which makes 32 next to some 40.
const SIEVE_IDS_EACH: usize = 32;

/// Since when all arrivals are in a memory of two generations: when the younger is full, the older is dropped.
#[derive(Debug, Clone, Copy)]
struct Reach {
    /// Arrival of the first id of the younger generation.
    young_since: Timestamp,
    complete_since: Timestamp,
}

impl Reach {
    const fn since(complete_since: Timestamp) -> Self {
        Self { young_since: Timestamp(i64::MIN), complete_since }
    }

    /// Whether the first copy of an event must have come in since then.
    const fn covers(&self, event_time: Timestamp, received: Timestamp) -> bool {
        self.complete_since.0 == i64::MIN
            || event_time.0 >= self.complete_since.0.saturating_add(SKEW_US)
                && event_time.0 <= received.0.saturating_add(SKEW_US)
    }
}

/// What was seen last: exactly, and through a sieve that reaches further back.
pub(super) struct RecentIds {
    young: HashSet<u128, BuildHasherDefault<IdHasher>>,
    old: HashSet<u128, BuildHasherDefault<IdHasher>>,
    generation_max: usize,
    /// The latest arrival so far. A replayed item brings its old one, which says nothing of when it came now.
    latest: Timestamp,
    reach: Reach,
    young_sieve: Sieve,
    old_sieve: Sieve,
    sieve_reach: Reach,
}

impl RecentIds {
    /// `stored` are the newest stored ids with their arrival, newest first, at most `ids_max` of them: if there are
    /// fewer, they are all that is stored.
    pub(super) fn new(ids_max: usize, stored: &[(u128, Timestamp)]) -> Self {
        let generation_max = (ids_max / 2).max(1);
        let sieve = || Sieve::new(generation_max * SIEVE_IDS_EACH);
        let all = stored.len() < ids_max;
        let oldest = stored.last().map_or(Timestamp(i64::MIN), |(_, received)| *received);
        let reach = Reach::since(if all { Timestamp(i64::MIN) } else { oldest });
        let mut old_sieve = sieve();
        for (id, _) in stored {
            old_sieve.put(*id);
        }
        Self {
            young: HashSet::default(),
            old: stored.iter().map(|(id, _)| *id).collect(),
            generation_max,
            latest: stored.first().map_or(Timestamp(i64::MIN), |(_, received)| *received),
            reach,
            young_sieve: sieve(),
            old_sieve,
            sieve_reach: reach,
        }
    }

    /// Looks an event up and remembers it.
    pub(super) fn see(&mut self, id: u128, event_time: Timestamp, received: Timestamp) -> Seen {
        self.latest = self.latest.max(received);
        if self.old.contains(&id) || !self.young.insert(id) {
            return Seen::Known;
        }
        let is_new = self.reach.covers(event_time, received)
            || self.sieve_reach.covers(event_time, received)
                && !self.young_sieve.may_hold(id)
                && !self.old_sieve.may_hold(id);
        self.remember(id);
        if is_new { Seen::New } else { Seen::Unsure }
    }

    /// Puts an id, which is in `young` already, into the sieve, and lets generations pass.
    fn remember(&mut self, id: u128) {
        if self.young.len() == 1 {
            self.reach.young_since = self.latest;
        }
        if self.young_sieve.is_empty() {
            self.sieve_reach.young_since = self.latest;
        }
        self.young_sieve.put(id);
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
            self.reach.complete_since = self.reach.young_since;
        }
        if self.young_sieve.is_full() {
            let fresh = Sieve::new(self.generation_max * SIEVE_IDS_EACH);
            self.old_sieve = std::mem::replace(&mut self.young_sieve, fresh);
            self.sieve_reach.complete_since = self.sieve_reach.young_since;
        }
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
    fn an_event_that_left_the_memory_is_new_unless_it_is_in_the_sieve() {
        let id = |number: u64| crate::model::EventId::of([number.to_be_bytes().as_slice()]).0;
        let hour_ago = Timestamp::from_seconds(1_000_000 - 3600);
        let mut ids = RecentIds::new(10, &[]);
        for number in 0..60 {
            assert_eq!(ids.see(id(number), NOW, NOW), Seen::New);
        }
        assert_eq!(ids.see(id(1), hour_ago, NOW), Seen::Unsure, "it was seen 58 events ago");
        let fresh = (1000..1010).filter(|number| ids.see(id(*number), hour_ago, NOW) == Seen::New);
        assert!(fresh.count() > 5);
    }

    #[test]
    fn behind_the_sieve_all_is_unsure() {
        let hour_ago = Timestamp::from_seconds(1_000_000 - 3600);
        let mut ids = RecentIds::new(10, &[]);
        for number in 0..200 {
            ids.see(number, NOW, NOW);
        }
        assert_eq!(ids.see(9999, hour_ago, NOW), Seen::Unsure);
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
