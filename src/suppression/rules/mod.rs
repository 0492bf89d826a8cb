//! When an address is suppressed by itself: rules as data, and the engine that runs them. Pure.
//!
//! Way: [`crate::suppression::runner`] hands every stored event to [`Engine::observe`], and writes to the log what it
//! finds; after a start the engine has seen the events of the last [`Rules::horizon_days`] again. [`Simulation`] runs
//! other rules over history.
//! Source: what suppresses and what never does is explained in `rules.toml`.
//! Not here: the log and its fold ([`crate::suppression::fold`]); removing what a person removes.

mod counter;
mod engine;
mod guard;
mod load;
mod simulate;

pub use counter::STRIKES_MAX;
pub use engine::{ADDRESSES_MAX, Engine, Finding, Proposal};
pub use guard::{RECEIVERS_MAX, Review, ReviewId};
pub use load::{OVERLAY_BYTES_MAX, RULES_MAX, RulesError};
pub use simulate::{Difference, Simulation, difference};

use crate::model::suppression::{MailType, Reason, Scope};
use crate::model::{BounceGroup, BounceReason, BounceType, Event, EventType, Text, Trust};
use serde::Deserialize;

/// Microseconds of a day.
pub(super) const DAY: i64 = 24 * 60 * 60 * 1_000_000;
/// Microseconds of a minute.
pub(super) const MINUTE: i64 = 60 * 1_000_000;

/// Tag of an event that names the mailing list.
pub const LIST_TAG: &str = "list";

/// Groups that say nothing of the recipient. No rule may name them.
pub const NEVER_GROUPS: [BounceGroup; 6] = [
    BounceGroup::Block,
    BounceGroup::Policy,
    BounceGroup::Content,
    BounceGroup::Auth,
    BounceGroup::Rate,
    BounceGroup::Protocol,
];

/// Reasons that say nothing of the recipient, whatever their group. No rule may name them.
pub const NEVER_REASONS: [BounceReason; 7] = [
    BounceReason::Expired,
    BounceReason::EmailTooLarge,
    BounceReason::FailedStartTls,
    BounceReason::Suppressed,
    BounceReason::Delivered,
    BounceReason::Feedback,
    BounceReason::Vacation,
];

/// Feedback types that are no complaint of the recipient. Source: RFC 5965 section 7.3, RFC 6430, RFC 6591.
const NO_COMPLAINT: [&str; 4] = ["not-spam", "virus", "auth-failure", "dkim"];

/// Where an entry of a rule reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    Global,
    Tenant,
    Stream,
    /// List, stream or tenant: the narrowest that the event names.
    Narrowest,
}

/// One rule. All conditions must hold; an empty list of streams or types always does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub name: Text,
    pub on: Vec<EventType>,
    /// A bounce counts when its group is among these or its reason among `reasons`.
    pub groups: Vec<BounceGroup>,
    pub reasons: Vec<BounceReason>,
    pub types: Vec<BounceType>,
    pub streams: Vec<Text>,
    /// Messages that must have failed.
    pub count: usize,
    /// Microseconds that must lie between the first and the last of them.
    pub elapsed: i64,
    /// Microseconds after which a failure no longer counts.
    pub within: Option<i64>,
    /// A delivery makes the failures before it count no more.
    pub reset_on_success: bool,
    pub reach: Reach,
    pub mail_type: MailType,
    /// Microseconds after the last failure at which the entry ends.
    pub expires: Option<i64>,
    /// Held while a receiver fails an unusual share of its recipients.
    pub guarded: bool,
}

/// When a receiver's failures are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardLimits {
    /// 1 to 1440.
    pub window_minutes: u16,
    /// At least 2: one failure is no share.
    pub failing_min: u32,
    /// 1 to 100.
    pub share_percent: u32,
}

/// All rules, and the limits of the guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub rules: Vec<Rule>,
    pub guard: GuardLimits,
}

impl Rules {
    /// Days of history that a new engine must see to know what the old one knew.
    pub fn horizon_days(&self) -> i64 {
        // A rule without a window counts for ever; a year is as long as events are of use.
        const FOR_EVER: i64 = 365 * DAY;
        let counted = self.rules.iter().filter(|rule| rule.count > 1);
        let longest = counted.map(|rule| rule.within.unwrap_or(FOR_EVER)).max().unwrap_or(0);
        longest.max(self.guard_window_us()).div_euclid(DAY) + 1
    }

    /// Microseconds of outcomes at a receiver that the guard looks at.
    pub fn guard_window_us(&self) -> i64 {
        i64::from(self.guard.window_minutes) * MINUTE
    }
}

impl Rule {
    /// Whether the event is one that this rule counts.
    pub(super) fn counts(&self, event: &Event) -> bool {
        self.on.contains(&event.event_type)
            && (self.streams.is_empty() || self.streams.contains(&event.stream))
            && (self.types.is_empty() || self.types.contains(&event.bounce_type))
            && (self.groups.is_empty() && self.reasons.is_empty()
                || event.bounce_reason.is_some_and(|reason| {
                    self.groups.contains(&reason.group()) || self.reasons.contains(&reason)
                }))
    }

    /// The scope of the entry that the event leads to.
    pub(super) fn scope(&self, event: &Event) -> Scope {
        let tenant = || event.tenant.clone();
        let list = event.tags.iter().find(|(name, value)| name == LIST_TAG && !value.is_empty());
        match (self.reach, list) {
            (Reach::Global, _) => Scope::Global,
            (Reach::Narrowest, Some((_, list))) => Scope::List { tenant: tenant(), list: list.clone() },
            (Reach::Stream | Reach::Narrowest, _) if !event.stream.is_empty() => {
                Scope::Stream { tenant: tenant(), stream: event.stream.clone() }
            }
            _ => Scope::Tenant { tenant: tenant() },
        }
    }
}

/// Why the event would suppress, if a rule counts it; `None` for what never does.
///
/// Feedback that is not believed, a failure that is known already, and what says nothing of the recipient never
/// counts.
pub(super) fn reason_of(event: &Event) -> Option<Reason> {
    if event.trust == Trust::Unverified
        || event.is_repeat
        || event.is_notification
        || event.recipient.is_empty()
    {
        return None;
    }
    match event.event_type {
        EventType::Complained => {
            let is_complaint = !NO_COMPLAINT.contains(&event.feedback_type.as_str());
            is_complaint.then_some(Reason::Complaint)
        }
        EventType::Unsubscribed => Some(Reason::Unsubscribe),
        EventType::Bounced | EventType::Expired => {
            let reason = event.bounce_reason?;
            let says_nothing = matches!(event.bounce_type, BounceType::Block | BounceType::Admin)
                || NEVER_GROUPS.contains(&reason.group())
                || NEVER_REASONS.contains(&reason);
            (!says_nothing).then_some(Reason::Bounce(reason.group()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
