//! How the log becomes the list, key by key, and how a run is undone. Pure.
//!
//! Records are folded in the order of their places. Two records of different writers about one key, written within
//! the two seconds in which processes do not see each other, may be folded in the other order until the next start.
//!
//! | record | what it does to its key |
//! | --- | --- |
//! | add, import | suppresses, unless it rests on what was observed before the tombstone; never brings the end nearer |
//! | extend | suppresses until the end that it names, be it nearer or further |
//! | remove | lifts, and leaves a tombstone at its `observed` |
//! | expire | drops what has ended |
//! | withdraw | lifts; the tombstone is that of its `observed`, or none when that is 1970 |
//!
//! Way: [`crate::suppression::index`] keeps one [`KeyState`] a key in memory, [`entries`] tells the story of one
//! address.

use crate::model::suppression::{
    Action, Change, Decision, Entry, Key, LogRecord, Origin, Precedence, Question, Reason, RunId, Scope, Seq,
};
use crate::model::{Text, Timestamp};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What the log makes of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyState {
    pub living: Option<Living>,
    /// The tombstone: what was observed up to here does not suppress again.
    pub removed_to: Option<Timestamp>,
}

/// A key that is on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Living {
    /// The record that decided `expires`.
    pub seq: Seq,
    pub observed: Timestamp,
    /// Whole seconds, rounded up.
    pub expires: Option<Timestamp>,
}

impl Living {
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    fn end(&self) -> Timestamp {
        self.expires.unwrap_or(Timestamp(i64::MAX))
    }
}

/// What of a record the fold needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub seq: Seq,
    pub action: Action,
    pub observed: Timestamp,
    pub expires: Option<Timestamp>,
}

impl Step {
    pub fn of(record: &LogRecord) -> Self {
        let LogRecord { seq, change } = record;
        Self { seq: *seq, action: change.action, observed: change.observed, expires: change.expires }
    }
}

impl KeyState {
    /// Whether the key suppresses at `now`.
    pub fn is_living(&self, now: Timestamp) -> bool {
        self.living.is_some_and(|living| !living.is_over(now))
    }

    /// Folds the next record in.
    pub fn apply(&mut self, step: Step) {
        let now = step.seq.time();
        // A source's clock may be ahead; a removal must be able to hold against it.
        let observed = step.observed.min(now);
        match step.action {
            Action::Add | Action::Import | Action::Extend => {
                if self.removed_to.is_some_and(|removed_to| observed <= removed_to) {
                    return;
                }
                let new = Living { seq: step.seq, observed, expires: step.expires.map(whole_seconds) };
                self.living = Some(match self.living {
                    Some(old) if !old.is_over(now) => merged(old, new, step.action),
                    _ => new,
                });
            }
            Action::Remove => {
                // A tombstone never stands at 1970, which means none.
                self.removed_to = self.removed_to.max(Some(observed.max(Timestamp(1))));
                if self.living.is_some_and(|living| living.observed <= observed) {
                    self.living = None;
                }
            }
            Action::Expire => {
                if self.living.is_some_and(|living| living.is_over(now)) {
                    self.living = None;
                }
            }
            Action::Withdraw => {
                let removed_to = (observed.0 > 0).then_some(observed);
                *self = Self { living: None, removed_to };
            }
        }
    }

    /// What counts of the state at `now`, to compare two: whether, until when, against what.
    fn standing(&self, now: Timestamp) -> (Option<(Timestamp, Option<Timestamp>)>, Option<Timestamp>) {
        let living = self.living.filter(|living| !living.is_over(now));
        (living.map(|living| (living.observed, living.expires)), self.removed_to)
    }
}

fn merged(old: Living, new: Living, action: Action) -> Living {
    let observed = old.observed.max(new.observed);
    let decides = match action {
        Action::Extend => new.seq > old.seq,
        _ => new.end() > old.end(),
    };
    Living { observed, ..if decides { new } else { old } }
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_seconds(at.0.saturating_add(999_999).div_euclid(1_000_000))
}

/// The keys of `records` with their states. The records may be of many addresses; they must be in order.
pub fn states<'a>(records: impl IntoIterator<Item = &'a LogRecord>) -> BTreeMap<&'a Key, KeyState> {
    let mut states = BTreeMap::<&Key, KeyState>::new();
    for record in records {
        states.entry(&record.change.key).or_default().apply(Step::of(record));
    }
    states
}

/// The living entries at `now` that the records make, in the order of their keys. The records must be in order.
pub fn entries<'a>(records: impl IntoIterator<Item = &'a LogRecord>, now: Timestamp) -> Vec<Entry> {
    #[derive(Default)]
    struct Story<'a> {
        state: KeyState,
        since: Timestamp,
        told_by: Option<&'a LogRecord>,
    }
    let mut stories = BTreeMap::<&Key, Story<'a>>::new();
    for record in records {
        let story = stories.entry(&record.change.key).or_default();
        let lived = story.state.is_living(record.seq.time());
        story.state.apply(Step::of(record));
        if !lived {
            story.since = record.seq.time();
        }
        if story.state.living.is_some_and(|living| living.seq == record.seq) {
            story.told_by = Some(record);
        }
    }
    let living = stories.into_iter().filter_map(|(key, story)| {
        let living = story.state.living.filter(|living| !living.is_over(now))?;
        let told_by = &story.told_by?.change;
        Some(Entry {
            key: key.clone(),
            since: story.since,
            observed: living.observed,
            expires: living.expires,
            seq: living.seq,
            origin: told_by.origin.clone(),
            run: told_by.run,
            evidence: told_by.evidence.clone(),
            note: told_by.note.clone(),
        })
    });
    living.collect()
}

/// What decides between entries that match; the least one stands first.
pub(super) fn precedence(
    reason: Reason,
    scope: &Scope,
    expires: Option<Timestamp>,
    seq: Seq,
) -> (u8, u8, Reverse<Timestamp>, Seq) {
    (reason.rank(), scope.narrowness(), Reverse(expires.unwrap_or(Timestamp(i64::MAX))), seq)
}

/// Answers the question from the living entries of its address.
pub fn decide(question: &Question, entries: Vec<Entry>) -> Decision {
    let (mut matching, other): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| {
        entry.key.scope.covers(question) && entry.key.mail_type.covers(question.mail_type)
    });
    let rank = |entry: &Entry| precedence(entry.key.reason, &entry.key.scope, entry.expires, entry.seq);
    matching.sort_by_key(rank);
    let decided_by = match matching.as_slice() {
        [] => None,
        [_] => Some(Precedence::Alone),
        [first, second, ..] => {
            let (first, second) = (rank(first), rank(second));
            Some(if first.0 != second.0 {
                Precedence::Reason
            } else if first.1 != second.1 {
                Precedence::Scope
            } else if first.2 != second.2 {
                Precedence::Expiry
            } else {
                Precedence::Age
            })
        }
    };
    Decision { suppressed: !matching.is_empty(), matching, decided_by, other }
}

/// What writing `change` would do to a key in `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It suppresses what was not suppressed.
    Adds,
    /// It moves the end of what is suppressed.
    Extends,
    /// It lifts what is suppressed.
    Lifts,
    /// Suppressed already, at least as long: not worth a record.
    Known,
    /// Removed before, and what the change rests on is older than that.
    Tombstone,
    /// Nothing to lift.
    Absent,
}

/// Foretells what `change`, written now, would do. A writer leaves out what does nothing.
pub fn effect(state: &KeyState, change: &Change, now: Timestamp) -> Effect {
    let before = state.living.filter(|living| !living.is_over(now));
    let mut after = *state;
    let step = Step {
        seq: Seq::new(Timestamp(now.0 + 1), 0),
        action: change.action,
        observed: change.observed,
        expires: change.expires,
    };
    after.apply(step);
    let after = after.living.filter(|living| !living.is_over(now));
    match (before, after) {
        (None, Some(_)) => Effect::Adds,
        (Some(_), None) => Effect::Lifts,
        (Some(before), Some(after)) if before.expires != after.expires => Effect::Extends,
        (Some(_), Some(_)) => Effect::Known,
        (None, None) if change.action.adds() => Effect::Tombstone,
        (None, None) => Effect::Absent,
    }
}

/// The changes that undo some records of one or more addresses: after them every key stands as if those had never
/// been written. `history` is all records of the addresses, in order; `undoing` names the run of the undo itself.
///
/// What others wrote of the same keys, before or after, keeps its effect. An undo that is done twice changes nothing
/// the second time.
pub fn undo(
    history: &[LogRecord],
    is_undone: impl Fn(&LogRecord) -> bool,
    undoing: &Undoing,
    now: Timestamp,
) -> Vec<Change> {
    let with = states(history);
    let without = states(history.iter().filter(|record| !is_undone(record)));
    let mut changes = Vec::new();
    for (key, state) in with {
        let wanted = without.get(key).copied().unwrap_or_default();
        if state.standing(now) == wanted.standing(now) {
            continue;
        }
        changes.push(Change {
            action: Action::Withdraw,
            key: key.clone(),
            observed: wanted.removed_to.unwrap_or_default(),
            expires: None,
            origin: undoing.origin.clone(),
            run: Some(undoing.run),
            evidence: Vec::new(),
            note: undoing.note.clone(),
        });
        let Some(living) = wanted.living.filter(|living| !living.is_over(now)) else { continue };
        let told_by = history.iter().find(|record| record.seq == living.seq && record.change.key == *key);
        if let Some(LogRecord { change, .. }) = told_by {
            changes.push(Change {
                action: Action::Add,
                observed: living.observed,
                expires: living.expires,
                ..change.clone()
            });
        }
    }
    changes
}

/// Who undoes, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undoing {
    pub origin: Origin,
    pub run: RunId,
    pub note: Text,
}

#[cfg(test)]
mod tests;
