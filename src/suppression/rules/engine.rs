//! Events in, proposals out.
//!
//! The engine's memory is a function of the events that it has seen, in their order: fed the same events again, in
//! any number of pieces, it is the same engine. It knows nothing of the list; whoever writes the log leaves out what
//! is suppressed already ([`crate::suppression::fold::effect`]).

use crate::model::suppression::{Action, Change, EVIDENCE_MAX, Key, Origin, Reason, RunId};
use crate::model::{Event, EventId, EventType, Text, Timestamp};
use crate::suppression::rules::counter::History;
use crate::suppression::rules::guard::{Guard, Review, ReviewId};
use crate::suppression::rules::{Rule, Rules, reason_of};
use lru::LruCache;
use std::num::NonZeroUsize;

/// Most addresses with failures that are remembered, at about 250 bytes each; the one that was quiet longest is
/// forgotten. A relay of ten million recipients has some hundred thousand with a soft failure in three months.
pub const ADDRESSES_MAX: usize = 500_000;

/// An address that a rule would suppress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    pub key: Key,
    pub rule: Text,
    /// Time of the event that completed the rule.
    pub observed: Timestamp,
    pub expires: Option<Timestamp>,
    /// At most [`EVIDENCE_MAX`]: the first and the last ones.
    pub evidence: Vec<EventId>,
}

impl Proposal {
    /// The record to write.
    pub fn into_change(self, run: Option<RunId>) -> Change {
        Change {
            action: Action::Add,
            key: self.key,
            observed: self.observed,
            expires: self.expires,
            origin: Origin::Rule(self.rule),
            run,
            evidence: self.evidence,
            note: Text::default(),
        }
    }

    /// Whether the record is the one that this proposal became: what an undo of a recalled one must find.
    pub fn is_told_by(&self, change: &Change) -> bool {
        change.key == self.key && change.observed == self.observed && change.evidence == self.evidence
    }
}

/// What an event leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    Suppress(Proposal),
    /// A burst has begun: undo these, which were found in the minutes before, and tell people of the review.
    Burst {
        review: ReviewId,
        recalled: Vec<Proposal>,
    },
}

/// The rules at work.
#[derive(Debug)]
pub struct Engine {
    rules: Rules,
    addresses: LruCache<Text, History>,
    guard: Guard,
}

impl Engine {
    pub fn new(rules: Rules) -> Self {
        let capacity = NonZeroUsize::new(ADDRESSES_MAX).unwrap_or(NonZeroUsize::MIN);
        let guard = Guard::new(rules.guard);
        Self { rules, addresses: LruCache::new(capacity), guard }
    }

    /// Takes note of the next event.
    pub fn observe(&mut self, event: &Event) -> Vec<Finding> {
        let mut found = Vec::new();
        if event.event_type == EventType::Delivered && !event.is_notification {
            if let Some(history) = self.addresses.get_mut(&event.recipient) {
                history.delivered(event, &self.rules.rules);
            }
            // A delivery makes no share unusual, but may end a burst.
            self.guard.outcome(event, false);
            return found;
        }
        let Some(reason) = reason_of(event) else { return found };
        let Self { rules, addresses, guard } = self;
        let counting = || (0_u16..).zip(&rules.rules).filter(|(_, rule)| rule.counts(event));
        if counting().any(|(_, rule)| rule.guarded)
            && let Some((review, recalled)) = guard.outcome(event, true)
        {
            found.push(Finding::Burst { review, recalled });
        }
        for (number, rule) in counting() {
            let Some(proposal) = complete(addresses, &rules.rules, (number, rule), event, reason) else {
                continue;
            };
            let passed = if rule.guarded { guard.pass(event, proposal) } else { Some(proposal) };
            found.extend(passed.map(Finding::Suppress));
        }
        found
    }

    /// What waits for a person, by receiver.
    pub fn reviews(&self) -> impl Iterator<Item = &Review> {
        self.guard.reviews()
    }

    /// Ends a review and returns it: the caller suppresses what it held, or lets it go. `None` when there is no such.
    pub fn settle(&mut self, id: &ReviewId) -> Option<Review> {
        self.guard.settle(id)
    }
}

/// Counts the event for one rule; returns what follows when that completes it.
fn complete(
    addresses: &mut LruCache<Text, History>,
    rules: &[Rule],
    (number, rule): (u16, &Rule),
    event: &Event,
    reason: Reason,
) -> Option<Proposal> {
    let scope = rule.scope(event);
    let evidence = if rule.count == 1 {
        vec![event.event_id]
    } else {
        let history = addresses.get_or_insert_mut_ref(&event.recipient, History::default);
        let evidence = history.strike(rules, number, &scope, event);
        if history.is_empty() {
            addresses.pop(&event.recipient);
        }
        shortened(evidence?)
    };
    Some(Proposal {
        key: Key { address: event.recipient.clone(), scope, mail_type: rule.mail_type, reason },
        rule: rule.name.clone(),
        observed: event.event_time,
        expires: rule.expires.map(|after| Timestamp(event.event_time.0.saturating_add(after))),
        evidence,
    })
}

/// The first event and the newest ones.
fn shortened(mut evidence: Vec<EventId>) -> Vec<EventId> {
    if evidence.len() > EVIDENCE_MAX {
        evidence.drain(1..=evidence.len() - EVIDENCE_MAX);
    }
    evidence
}
