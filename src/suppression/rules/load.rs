//! Reads rules from TOML and checks them.
//!
//! ```toml
//! [guard]                           # all three, or the shipped ones
//! window_minutes = 30               # 1 to 1440
//! failing_min = 10                  # at least 2
//! share_percent = 25                # 1 to 100
//!
//! [[rule]]
//! name = "mailbox-full"             # a rule of the same name replaces the shipped one
//! enabled = true                    # `false` alone, with the name, turns the shipped one off
//! on = ["bounced", "expired"]       # bounced, expired, complained, unsubscribed
//! groups = ["quota"]                # bounce groups, or
//! reasons = ["mailboxfull"]         # bounce reasons: one of both must fit
//! types = ["soft"]                  # hard, soft, undetermined; any when left out
//! streams = ["news"]                # any when left out
//! count = 3                         # failed messages; 1 to 31
//! elapsed_days = 15                 # between the first and the last of them; 0 when left out
//! within_days = 90                  # older ones do not count; for ever when left out
//! reset_on_success = true           # false when left out
//! scope = "global"                  # global, tenant, stream, narrowest
//! type = "marketing"                # all, marketing, transactional
//! expires_days = 60                 # never when left out
//! guarded = true                    # false when left out
//! ```
//!
//! Not here: reading the overlay's file (the caller does that).

use crate::model::suppression::{MailType, NAME_BYTES_MAX};
use crate::model::{BounceGroup, BounceReason, BounceType, EventType, Text};
use crate::suppression::rules::{
    DAY, GuardLimits, NEVER_GROUPS, NEVER_REASONS, Reach, Rule, Rules, STRIKES_MAX,
};
use serde::Deserialize;
use toml::Spanned;

/// Most rules, shipped ones included: each is tried on every failure.
pub const RULES_MAX: usize = 200;
/// Largest overlay read, in bytes: a hundred times the shipped rules.
pub const OVERLAY_BYTES_MAX: usize = 256 * 1024;
/// Most days of any setting: a century, so that sums of times stay in range.
const DAYS_MAX: u16 = 36_500;

const SHIPPED: &str = include_str!("rules.toml");

/// Why a file of rules is refused: where, and what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("suppression rules, line {line}{}: {message}", if rule.is_empty() { String::new() } else { format!(", rule `{rule}`") })]
pub struct RulesError {
    /// Counted from 1.
    pub line: usize,
    /// Empty when the fault is outside of a rule.
    pub rule: Text,
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    guard: Option<Spanned<GuardLimits>>,
    #[serde(default)]
    rule: Vec<Spanned<RawRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: Text,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    on: Vec<EventType>,
    #[serde(default)]
    groups: Vec<BounceGroup>,
    #[serde(default)]
    reasons: Vec<BounceReason>,
    #[serde(default)]
    types: Vec<BounceType>,
    #[serde(default)]
    streams: Vec<Text>,
    #[serde(default)]
    count: usize,
    #[serde(default)]
    elapsed_days: u16,
    within_days: Option<u16>,
    #[serde(default)]
    reset_on_success: bool,
    scope: Option<Reach>,
    #[serde(rename = "type")]
    mail_type: Option<MailType>,
    expires_days: Option<u16>,
    #[serde(default)]
    guarded: bool,
}

const fn yes() -> bool {
    true
}

impl Rules {
    /// The rules that come with the program.
    ///
    /// # Panics
    ///
    /// Never: a test reads the same file.
    pub fn shipped() -> Self {
        let rules = Self { rules: Vec::new(), guard: NO_GUARD };
        rules.overlaid(SHIPPED).expect("the shipped rules are checked by a test")
    }

    /// The shipped rules with those of `overlay` (TOML, as the head of this module describes it) in their place or
    /// behind them.
    ///
    /// # Errors
    ///
    /// When the overlay is no such TOML, breaks a limit, or has a rule that could never or must never suppress.
    pub fn with_overlay(overlay: &str) -> Result<Self, RulesError> {
        Self::shipped().overlaid(overlay)
    }

    fn overlaid(mut self, text: &str) -> Result<Self, RulesError> {
        if text.len() > OVERLAY_BYTES_MAX {
            let message = format!("{} bytes, limit is {OVERLAY_BYTES_MAX}; leave rules out", text.len());
            return Err(RulesError { line: 1, rule: Text::default(), message });
        }
        let raw: RawFile = toml::from_str(text).map_err(|error| RulesError {
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            rule: Text::default(),
            message: error.message().to_owned(),
        })?;
        if let Some(guard) = raw.guard {
            let line = line_of(text, guard.span().start);
            self.guard = checked(guard.into_inner()).map_err(|message| RulesError {
                line,
                rule: Text::default(),
                message: message.to_owned(),
            })?;
        }
        let mut seen = Vec::new();
        for rule in raw.rule {
            let line = line_of(text, rule.span().start);
            let rule = rule.into_inner();
            let name = rule.name.clone();
            let refused = |message: String| RulesError { line, rule: name.clone(), message };
            if seen.contains(&name) {
                return Err(refused("stands twice in the file; choose another name".into()));
            }
            seen.push(name.clone());
            self.take(rule).map_err(refused)?;
        }
        Ok(self)
    }

    /// Puts the rule in the place of the one with its name, or at the end.
    fn take(&mut self, raw: RawRule) -> Result<(), String> {
        let at = self.rules.iter().position(|rule| rule.name == raw.name);
        if !raw.enabled {
            let at = at.ok_or("is turned off, but there is none of that name; correct the name")?;
            self.rules.remove(at);
            return Ok(());
        }
        let rule = read(raw)?;
        match at {
            Some(at) => self.rules[at] = rule,
            None if self.rules.len() >= RULES_MAX => {
                return Err(format!("is one more than {RULES_MAX}, the most; leave some out"));
            }
            None => self.rules.push(rule),
        }
        Ok(())
    }
}

/// Before the shipped file is read.
const NO_GUARD: GuardLimits = GuardLimits { window_minutes: 1, failing_min: u32::MAX, share_percent: 100 };

fn checked(guard: GuardLimits) -> Result<GuardLimits, &'static str> {
    if !(1..=1440).contains(&guard.window_minutes) {
        return Err("`window_minutes` of the guard must be 1 to 1440: above a day an outage is no burst");
    }
    if guard.failing_min < 2 {
        return Err("`failing_min` of the guard must be at least 2: one failure is no share");
    }
    if !(1..=100).contains(&guard.share_percent) {
        return Err(
            "`share_percent` of the guard must be 1 to 100; to turn it off, set `guarded = false` in the rules",
        );
    }
    Ok(guard)
}

fn read(raw: RawRule) -> Result<Rule, String> {
    if raw.name.is_empty() || raw.name.len() > NAME_BYTES_MAX {
        return Err(format!("`name` must have 1 to {NAME_BYTES_MAX} bytes"));
    }
    let is_bounce = |on: &EventType| matches!(on, EventType::Bounced | EventType::Expired);
    let is_feedback = |on: &EventType| matches!(on, EventType::Complained | EventType::Unsubscribed);
    if raw.on.is_empty() || !raw.on.iter().all(|on| is_bounce(on) || is_feedback(on)) {
        return Err("`on` must list some of `bounced`, `expired`, `complained`, `unsubscribed`".into());
    }
    if raw.on.iter().any(is_bounce) && raw.on.iter().any(is_feedback) {
        return Err("`on` mixes bounces with feedback; write two rules".into());
    }
    let has_reasons = !raw.groups.is_empty() || !raw.reasons.is_empty();
    if raw.on.iter().any(is_bounce) != has_reasons {
        return Err("bounces need `groups` or `reasons`, and feedback has none".into());
    }
    if let Some(group) = raw.groups.iter().find(|group| NEVER_GROUPS.contains(group)) {
        return Err(format!(
            "group `{group}` says nothing of the recipient and never suppresses; leave it out"
        ));
    }
    let never =
        |reason: &&BounceReason| NEVER_REASONS.contains(reason) || NEVER_GROUPS.contains(&reason.group());
    if let Some(reason) = raw.reasons.iter().find(never) {
        return Err(format!(
            "reason `{reason}` says nothing of the recipient and never suppresses; leave it out"
        ));
    }
    let never = |kind: &BounceType| matches!(kind, BounceType::None | BounceType::Block | BounceType::Admin);
    if raw.types.iter().any(never) {
        return Err("`types` may list `hard`, `soft` and `undetermined`; the others never suppress".into());
    }
    if !(1..STRIKES_MAX).contains(&raw.count) {
        return Err(format!("`count` must be 1 to {}", STRIKES_MAX - 1));
    }
    if raw.count == 1 && raw.elapsed_days > 0 {
        return Err("`elapsed_days` needs a `count` of at least 2: one failure takes no time".into());
    }
    if raw.within_days.is_some_and(|within| within < raw.elapsed_days.max(1)) {
        return Err(
            "`within_days` is less than `elapsed_days`, so the rule could never hold; make it longer".into(),
        );
    }
    if [Some(raw.elapsed_days), raw.within_days, raw.expires_days]
        .into_iter()
        .flatten()
        .any(|days| days > DAYS_MAX)
    {
        return Err(format!("a number of days is above {DAYS_MAX}"));
    }
    if raw.expires_days == Some(0) {
        return Err("`expires_days` must be at least 1; leave it out for entries that never end".into());
    }
    let days = |days: u16| i64::from(days) * DAY;
    Ok(Rule {
        name: raw.name,
        on: raw.on,
        groups: raw.groups,
        reasons: raw.reasons,
        types: raw.types,
        streams: raw.streams,
        count: raw.count,
        elapsed: days(raw.elapsed_days),
        within: raw.within_days.map(days),
        reset_on_success: raw.reset_on_success,
        reach: raw.scope.ok_or("`scope` is missing: `global`, `tenant`, `stream` or `narrowest`")?,
        mail_type: raw.mail_type.ok_or("`type` is missing: `all`, `marketing` or `transactional`")?,
        expires: raw.expires_days.map(days),
        guarded: raw.guarded,
    })
}

/// The line of a byte offset, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    memchr::memchr_iter(b'\n', &text.as_bytes()[..at.min(text.len())]).count() + 1
}
