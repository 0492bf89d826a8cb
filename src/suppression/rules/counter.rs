//! The failures of one address that a rule with a count has seen.

use crate::model::suppression::Scope;
use crate::model::{Event, EventId, EventType};
use crate::suppression::rules::Rule;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Most failures kept for one rule and scope: the oldest and the newest, between which others may be forgotten.
pub const STRIKES_MAX: usize = 32;

/// One failed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Strike {
    time: i64,
    message: u64,
    event: EventId,
}

/// Failures for one rule and scope, in the order of their times.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Counter {
    rule: u16,
    scope: Scope,
    strikes: Vec<Strike>,
}

/// All that is remembered of one address; only addresses with failures are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct History {
    counters: Vec<Counter>,
    /// The newest delivery, which counts as a success only when no bounce of the same message comes after it.
    delivered: Option<(i64, u64)>,
    /// What failed before this counts no more where a success resets.
    success: i64,
}

/// What tells one message from another; 0 when nothing does.
fn message_of(event: &Event) -> u64 {
    let ids = [&event.message_id, &event.provider_message_id, &event.queue_id, &event.envid];
    ids.into_iter().find(|id| !id.is_empty()).map_or(0, |id| {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        hasher.finish() | 1
    })
}

impl History {
    /// Takes note of a delivery.
    pub(super) fn delivered(&mut self, event: &Event, rules: &[Rule]) {
        let (time, message) = (event.event_time.0, message_of(event));
        if let Some((earlier, other)) = self.delivered {
            if time <= earlier {
                return;
            }
            // That no notice about the earlier message came while the relay sent the next one makes it a success.
            if other != message {
                self.succeeded(earlier, rules);
            }
        }
        self.delivered = Some((time, message));
    }

    /// Counts a failure for a rule. Returns the evidence when that completes it, and forgets it.
    pub(super) fn strike(
        &mut self,
        rules: &[Rule],
        number: u16,
        scope: &Scope,
        event: &Event,
    ) -> Option<Vec<EventId>> {
        let rule = &rules[usize::from(number)];
        let strike = Strike { time: event.event_time.0, message: message_of(event), event: event.event_id };
        self.settle(event, strike.message, rules);
        if rule.reset_on_success && strike.time <= self.success {
            return None;
        }
        let at = self.counters.iter().position(|counter| counter.rule == number && counter.scope == *scope);
        let at = at.unwrap_or_else(|| {
            self.counters.push(Counter { rule: number, scope: scope.clone(), strikes: Vec::new() });
            self.counters.len() - 1
        });
        let strikes = &mut self.counters[at].strikes;
        let is_same = |known: &Strike| {
            known.event == strike.event || known.message == strike.message && strike.message != 0
        };
        if !strikes.iter().any(is_same) {
            let place = strikes.partition_point(|known| known.time <= strike.time);
            strikes.insert(place, strike);
        }
        let newest = strikes.last().map_or(strike.time, |last| last.time);
        if let Some(within) = rule.within {
            strikes.retain(|known| newest - known.time <= within);
        }
        if strikes.len() > STRIKES_MAX {
            strikes.remove(1);
        }
        let first = strikes.first().map_or(newest, |first| first.time);
        if strikes.len() < rule.count || newest - first < rule.elapsed {
            return None;
        }
        let counter = self.counters.swap_remove(at);
        Some(counter.strikes.into_iter().map(|strike| strike.event).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }

    /// Decides about the last delivery, now that a failure is there.
    fn settle(&mut self, event: &Event, message: u64, rules: &[Rule]) {
        let Some((time, delivered)) = self.delivered else { return };
        let is_taken_back = delivered == message && message != 0 && event.event_type == EventType::Bounced;
        if is_taken_back {
            self.delivered = None;
        } else if time < event.event_time.0 {
            self.delivered = None;
            self.succeeded(time, rules);
        }
    }

    fn succeeded(&mut self, time: i64, rules: &[Rule]) {
        self.success = self.success.max(time);
        for counter in &mut self.counters {
            if rules[usize::from(counter.rule)].reset_on_success {
                counter.strikes.retain(|strike| strike.time > time);
            }
        }
        self.counters.retain(|counter| !counter.strikes.is_empty());
    }
}
