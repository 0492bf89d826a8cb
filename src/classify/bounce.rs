//! From a reply to a verdict: why it failed, of what kind the failure is, and whether it is for good.
//!
//! The reason comes from the first rule that matches (`rules`). The kind follows from the reason's group and from
//! the permanence, unless the rule says otherwise:
//!
//! | group | permanent (5xx) | temporary (4xx, or retries ran out) | unknown |
//! | --- | --- | --- | --- |
//! | recipient, domain, inactive | hard | soft | undetermined |
//! | block, content, policy, auth, rate | block | soft | block |
//! | policy: `norelaying` | admin | soft | admin |
//! | quota, transient | soft | soft | soft |
//! | protocol, unknown | undetermined | soft | undetermined |
//! | `suppressed` | admin | admin | admin |
//! | `delivered`, `feedback`, `vacation` | none | none | none |
//!
//! * A deferred attempt, a delayed and an expired message are soft, unless the rule or the cell of their reply says block: never
//!   hard, because the relay itself took the failure for a temporary one.
//! * A rule's `hard` counts for a permanent failure alone.
//!
//! So greylisting, quota and expiry never end in a suppression, Microsoft's S3150 is a block and no unknown user,
//! and `554 5.7.1` alone is a block.
//!
//! Source: the kinds are SparkPost's (bounce classification codes); which reasons are hard: its codes 10, 30 and
//! Sisimai's rule, with the inactive mailbox added. Permanence: RFC 5321 section 4.2.1, RFC 3463 section 3.1.
//! Not here: what is done about it (`suppression`).

use crate::classify::rules::{BounceRules, RuleId};
use crate::classify::{reply, template};
use crate::model::{BounceGroup, BounceReason, BounceType, EnhancedCode, SmtpStage};
use serde::Deserialize;

/// What became of the attempt, as far as the source says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    #[default]
    Unknown,
    /// The relay will try again.
    Deferred,
    /// The same, and it was so long that the sender is told.
    Delayed,
    /// Given up. With a temporary reply or status that is the same as `Expired`.
    Failed,
    /// Given up because retries ran out.
    Expired,
}

/// Whether the failure is for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permanence {
    Permanent,
    Temporary,
    Unknown,
}

/// A reply and what is known around it.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReplyView<'a> {
    /// Three-digit code, or 0 when there is none; then it is read from the front of `text`.
    pub code: u16,
    /// The status in the reply; read from the front of `text` when `None`.
    pub enhanced: Option<EnhancedCode>,
    /// The status that the relay or the report itself gives. Used when the reply has none, or only X.0.0.
    pub relay_dsn: Option<EnhancedCode>,
    /// The words, on one line.
    pub text: &'a str,
    /// As [`crate::classify::ProviderTable::find`] gives it; empty when not known.
    pub provider: &'a str,
    pub stage: SmtpStage,
    pub outcome: Outcome,
    /// The form of the notice that tells it, as [`crate::model::Notice`] names it; empty outside of notices.
    pub format: &'a str,
}

impl<'a> ReplyView<'a> {
    /// A reply of which only the line is known, such as a Diagnostic-Code without its `smtp;`.
    pub fn of(text: &'a str) -> Self {
        Self { text, ..Self::default() }
    }
}

/// What a reply means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub reason: BounceReason,
    pub bounce_type: BounceType,
    pub permanence: Permanence,
    /// The reply code that it leans on, 0 for none.
    pub code: u16,
    /// The most telling status that was said: the reply's before the relay's or report's, X.0.0 only for want of another.
    pub status: Option<EnhancedCode>,
    /// The rule that decided; [`BounceRules::rule`] has its name and source.
    pub rule: RuleId,
}

impl Verdict {
    /// Whether the reply says that the address or its domain does not exist, in Sisimai's strict sense of a hard
    /// bounce: user or host unknown, moved, or a host that takes no mail at all and says so for good.
    ///
    /// Narrower than [`BounceType::Hard`], which holds for inactive mailboxes and for an unknown user after DATA,
    /// too; and it does not ask for a 5xx, because an unknown user of whom 4xx is said is no less unknown.
    pub fn says_address_is_gone(&self) -> bool {
        match self.reason {
            BounceReason::UserUnknown | BounceReason::HostUnknown | BounceReason::HasMoved => true,
            BounceReason::NotAccept => self.permanence == Permanence::Permanent,
            _ => false,
        }
    }
}

/// The codes that the rules ask about, made out once for a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Facts {
    pub(super) code: u16,
    /// The most telling status: the reply's, unless that is missing or X.0.0; else the relay's.
    pub(super) enhanced: Option<EnhancedCode>,
    /// The same, or X.0.0 when there is no better one.
    status: Option<EnhancedCode>,
    pub(super) outcome: Outcome,
    /// By the reply, or by the relay's giving up at once.
    permanence: Permanence,
}

impl Facts {
    /// Puts together what the view says and what its text began with.
    pub(super) fn of(view: &ReplyView<'_>, folded: &reply::Folded<'_>) -> Self {
        let code = if view.code == 0 { folded.code } else { view.code };
        let own = view.enhanced.or(folded.enhanced);
        let classes =
            [Some(code / 100), own.map(|own| own.class.into()), view.relay_dsn.map(|dsn| dsn.class.into())];
        let by_reply = classes.into_iter().flatten().find_map(|class: u16| match class {
            4 => Some(Permanence::Temporary),
            5 => Some(Permanence::Permanent),
            _ => None,
        });
        let relay_tried_again = view.relay_dsn.is_some_and(|dsn| dsn.class == 4);
        let (outcome, otherwise) = match view.outcome {
            Outcome::Failed if relay_tried_again || by_reply == Some(Permanence::Temporary) => {
                (Outcome::Expired, Permanence::Temporary)
            }
            Outcome::Failed => (Outcome::Failed, Permanence::Permanent),
            Outcome::Expired => (Outcome::Expired, Permanence::Temporary),
            outcome => (outcome, Permanence::Unknown),
        };
        let enhanced = own.filter(|own| is_telling(*own)).or(view.relay_dsn.filter(|dsn| is_telling(*dsn)));
        let status = enhanced.or(own).or(view.relay_dsn);
        Self { code, enhanced, status, outcome, permanence: by_reply.unwrap_or(otherwise) }
    }

    pub(super) fn verdict(&self, reason: BounceReason, by_rule: Option<BounceType>, rule: RuleId) -> Verdict {
        let by_rule = by_rule
            .filter(|by_rule| *by_rule != BounceType::Hard || self.permanence == Permanence::Permanent);
        let by_reply = by_rule.unwrap_or(bounce_type(reason, self.permanence));
        let (bounce_type, permanence) = match self.outcome {
            Outcome::Unknown | Outcome::Failed => (by_reply, self.permanence),
            Outcome::Deferred | Outcome::Delayed | Outcome::Expired => (
                if by_reply == BounceType::Block { by_reply } else { BounceType::Soft },
                Permanence::Temporary,
            ),
        };
        Verdict { reason, bounce_type, permanence, code: self.code, status: self.status, rule }
    }
}

/// X.0.0 says no more than its first digit.
const fn is_telling(status: EnhancedCode) -> bool {
    status.subject != 0 || status.detail != 0
}

/// The table in the module's head.
const fn bounce_type(reason: BounceReason, permanence: Permanence) -> BounceType {
    use Permanence::{Permanent, Temporary, Unknown};
    match (reason, permanence) {
        (BounceReason::Delivered | BounceReason::Feedback | BounceReason::Vacation, _) => {
            return BounceType::None;
        }
        (BounceReason::Suppressed, _) | (BounceReason::NoRelaying, Permanent | Unknown) => {
            return BounceType::Admin;
        }
        _ => {}
    }
    match (reason.group(), permanence) {
        (BounceGroup::Quota | BounceGroup::Transient, _) | (_, Temporary) => BounceType::Soft,
        (BounceGroup::Recipient | BounceGroup::Domain | BounceGroup::Inactive, Permanent) => BounceType::Hard,
        (
            BounceGroup::Block
            | BounceGroup::Content
            | BounceGroup::Policy
            | BounceGroup::Auth
            | BounceGroup::Rate,
            Permanent | Unknown,
        ) => BounceType::Block,
        (
            BounceGroup::Recipient
            | BounceGroup::Domain
            | BounceGroup::Inactive
            | BounceGroup::Protocol
            | BounceGroup::Unknown,
            Permanent | Unknown,
        ) => BounceType::Undetermined,
    }
}

impl BounceRules {
    /// Classifies one reply. [`crate::classify::Classifier`] does the same with a memory for replies seen before.
    pub fn classify(&self, view: &ReplyView<'_>) -> Verdict {
        let folded = reply::fold(view.text, view.code);
        let facts = Facts::of(view, &folded);
        let mut template = String::with_capacity(folded.text.len());
        template::write_template(&folded.text, &mut template);
        self.verdict(view, &facts, &template)
    }
}
