//! The burst guard: a receiver that suddenly refuses an unusual share of its recipients has a fault of its own.
//!
//! For each receiver, outcomes are counted by minute. When in the last minute, the last two, … up to the window at
//! least `failing_min` different recipients failed and they are `share_percent` of all outcomes, the burst has begun:
//! what was suppressed for this receiver in those minutes is recalled, what would be is held, and a [`Review`] is
//! opened. A fresh fault shows in the last minute, however much went well before; at a small receiver it shows in the
//! whole window.
//!
//! When for a window nobody failed while the share was unusual, new failures count again. What the review holds stays
//! held until a person releases or discards it.
//!
//! Time is that of the events. Late ones count in their minute as long as it lies in the window.

use crate::model::{Event, Text, Timestamp, domain_of};
use crate::suppression::rules::engine::Proposal;
use crate::suppression::rules::{GuardLimits, MINUTE};
use lru::LruCache;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroUsize;

/// Most receivers watched; the one that was silent longest is forgotten. A busy relay talks to some thousand in an
/// hour.
pub const RECEIVERS_MAX: usize = 10_000;
/// Most proposals of one receiver that a burst can recall, and most recipients told apart: what a large provider
/// refuses in half an hour at 50 a second.
const RECENT_MAX: usize = 100_000;
/// Most proposals that a review holds; more are counted and left out, so they are not suppressed either.
const HELD_MAX: usize = 100_000;
/// Most reviews that wait. Beyond it, bursts share one: so many receivers at a time do not fail, the sender does.
const REVIEWS_MAX: usize = 1_000;
/// Receiver of the shared review.
const MANY: &str = "(many receivers)";

/// Which review: the receiver and the minute in which its burst began, so that history gives it the same name again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReviewId {
    pub receiver: Text,
    pub begun: Timestamp,
}

/// What waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    pub id: ReviewId,
    /// Different recipients that failed, and all outcomes, in the minutes that began the burst.
    pub failing: u32,
    pub outcomes: u32,
    /// What would have been suppressed.
    pub held: Vec<Proposal>,
    /// How many more there would be than fit into `held`.
    pub left_out: u64,
    /// Whether the burst goes on.
    pub is_open: bool,
}

/// All receivers.
#[derive(Debug)]
pub(super) struct Guard {
    limits: GuardLimits,
    receivers: LruCache<Text, Receiver>,
    reviews: BTreeMap<ReviewId, Review>,
}

#[derive(Debug, Default)]
struct Receiver {
    /// In order, at most as many as the window has.
    minutes: VecDeque<Minute>,
    /// Failed recipients and the minute of the last failure.
    failing: HashMap<Text, i64>,
    /// What was suppressed, and in which minute.
    recent: VecDeque<(i64, Proposal)>,
    /// The review of the burst that goes on.
    burst: Option<Burst>,
}

#[derive(Debug)]
struct Burst {
    review: ReviewId,
    /// The last minute in which one failed while the share was unusual.
    last: i64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Minute {
    at: i64,
    failing: u32,
    outcomes: u32,
}

/// A burst that begins: its first minute, its numbers.
#[derive(Debug, Clone, Copy)]
struct Begun {
    from: i64,
    failing: u32,
    outcomes: u32,
}

/// Which receiver an event speaks of: the mailbox provider, else the MX, else the recipient's domain.
fn receiver_of(event: &Event) -> Text {
    match event.mailbox_provider.as_str() {
        // What the provider table says of whoever it does not know.
        "" | "other" | "local" if event.mx_host.is_empty() => domain_of(&event.recipient).into(),
        "" | "other" | "local" => event.mx_host.clone(),
        _ => event.mailbox_provider.clone(),
    }
}

impl Guard {
    pub(super) fn new(limits: GuardLimits) -> Self {
        let capacity = NonZeroUsize::new(RECEIVERS_MAX).unwrap_or(NonZeroUsize::MIN);
        Self { limits, receivers: LruCache::new(capacity), reviews: BTreeMap::new() }
    }

    /// Counts an outcome. Returns what is to be recalled, when a burst begins with it.
    pub(super) fn outcome(&mut self, event: &Event, has_failed: bool) -> Option<(ReviewId, Vec<Proposal>)> {
        let (window, limits) = (i64::from(self.limits.window_minutes), self.limits);
        let name = receiver_of(event);
        let receiver = self.receivers.get_or_insert_mut(name.clone(), Receiver::default);
        let at = event.event_time.0.div_euclid(MINUTE);
        receiver.count(at, window, has_failed.then_some(&event.recipient));
        if !has_failed && receiver.burst.is_none() {
            return None;
        }
        let begun = receiver.burst_from(&limits);
        if let Some(burst) = &mut receiver.burst {
            let newest = receiver.minutes.back().map_or(at, |newest| newest.at);
            if has_failed && begun.is_some() {
                burst.last = newest;
            } else if newest - burst.last > window {
                if let Some(review) = self.reviews.get_mut(&burst.review) {
                    review.is_open = false;
                }
                receiver.burst = None;
            }
            return None;
        }
        let begun = begun?;
        let first = receiver.recent.partition_point(|(minute, _)| *minute < begun.from);
        let recalled: Vec<Proposal> =
            receiver.recent.split_off(first).into_iter().map(|(_, it)| it).collect();
        let id = open(&mut self.reviews, &name, begun);
        receiver.burst = Some(Burst { review: id.clone(), last: at });
        for proposal in &recalled {
            self.hold(&id, proposal.clone());
        }
        Some((id, recalled))
    }

    /// Lets a guarded proposal through, or holds it.
    pub(super) fn pass(&mut self, event: &Event, proposal: Proposal) -> Option<Proposal> {
        let at = event.event_time.0.div_euclid(MINUTE);
        let receiver = self.receivers.get_or_insert_mut(receiver_of(event), Receiver::default);
        if let Some(burst) = &receiver.burst {
            let id = burst.review.clone();
            self.hold(&id, proposal);
            return None;
        }
        if receiver.recent.len() >= RECENT_MAX {
            receiver.recent.pop_front();
        }
        let place = receiver.recent.partition_point(|(minute, _)| *minute <= at);
        receiver.recent.insert(place, (at, proposal.clone()));
        Some(proposal)
    }

    pub(super) fn reviews(&self) -> impl Iterator<Item = &Review> {
        self.reviews.values()
    }

    /// Ends a review: what it held. A burst that goes on is over with it.
    pub(super) fn settle(&mut self, id: &ReviewId) -> Option<Review> {
        for (_, receiver) in &mut self.receivers {
            if receiver.burst.as_ref().is_some_and(|burst| burst.review == *id) {
                *receiver = Receiver::default();
            }
        }
        self.reviews.remove(id)
    }

    fn hold(&mut self, id: &ReviewId, proposal: Proposal) {
        let Some(review) = self.reviews.get_mut(id) else { return };
        if review.held.len() < HELD_MAX {
            review.held.push(proposal);
        } else {
            review.left_out += 1;
        }
    }
}

fn open(reviews: &mut BTreeMap<ReviewId, Review>, receiver: &str, begun: Begun) -> ReviewId {
    let is_crowded = reviews.len() >= REVIEWS_MAX;
    let shared = reviews.keys().find(|id| is_crowded && id.receiver == MANY);
    if let Some(id) = shared {
        return id.clone();
    }
    let receiver = if is_crowded { MANY } else { receiver };
    let id = ReviewId { receiver: receiver.into(), begun: Timestamp(begun.from * MINUTE) };
    let Begun { failing, outcomes, .. } = begun;
    let review = Review { id: id.clone(), failing, outcomes, held: Vec::new(), left_out: 0, is_open: true };
    // A second burst of the receiver that began in the same minute goes on with the first one's review.
    reviews.entry(id.clone()).or_insert(review).is_open = true;
    id
}

impl Receiver {
    /// Counts an outcome of minute `at`; a recipient that failed counts once in a window.
    fn count(&mut self, at: i64, window: i64, failed: Option<&Text>) {
        let newest = self.minutes.back().map_or(at, |newest| newest.at.max(at));
        if self.minutes.back().is_none_or(|last| last.at < newest) {
            self.forget(newest - window);
        }
        if at <= newest - window {
            return;
        }
        let place = self.minutes.partition_point(|minute| minute.at < at);
        if self.minutes.get(place).is_none_or(|minute| minute.at != at) {
            self.minutes.insert(place, Minute { at, ..Minute::default() });
        }
        let minute = &mut self.minutes[place];
        let Some(recipient) = failed else {
            minute.outcomes += 1;
            return;
        };
        if self.failing.len() < RECENT_MAX && self.failing.insert(recipient.clone(), at).is_none() {
            minute.failing += 1;
            minute.outcomes += 1;
        }
    }

    /// Forgets what is of minute `until` or earlier.
    fn forget(&mut self, until: i64) {
        while self.minutes.front().is_some_and(|minute| minute.at <= until) {
            self.minutes.pop_front();
        }
        while self.recent.front().is_some_and(|(minute, _)| *minute <= until) {
            self.recent.pop_front();
        }
        self.failing.retain(|_, minute| *minute > until);
    }

    /// The longest stretch up to the newest minute in which the share is unusual.
    fn burst_from(&self, limits: &GuardLimits) -> Option<Begun> {
        let (mut failing, mut outcomes, mut longest) = (0_u32, 0_u32, None);
        for minute in self.minutes.iter().rev() {
            failing += minute.failing;
            outcomes += minute.outcomes;
            let is_unusual =
                u64::from(failing) * 100 >= u64::from(limits.share_percent) * u64::from(outcomes);
            if failing >= limits.failing_min && is_unusual {
                longest = Some(Begun { from: minute.at, failing, outcomes });
            }
        }
        longest
    }
}
