//! Rules as data: what is watched, when it is an incident, and who is told.
//!
//! Way: `app` loads the shipped rules with the user's own over them, `evaluate` asks for the figures of each, `judge`
//! compares.
//! Source: the names `for`, `inhibit` and `equal` are those of Prometheus and Alertmanager.

mod duration;

pub use duration::Span;

use crate::model::alert::{Metric, Severity};
use crate::store::query::Dimension;
use serde::{Deserialize, Serialize};

/// The rules that come with the program.
const SHIPPED: &str = include_str!("alerts.toml");

/// Most rules. Each is a question or two at every evaluation.
const RULES_MAX: usize = 200;

/// Weeks of history below which a baseline says nothing: fewer are no week of weeks.
pub(super) const WEEKS_MIN: u16 = 4;
const WEEKS_MAX: u16 = 8;

/// Shortest window: mail is counted by the minute, and the running one is not whole.
const WINDOW_S_MIN: i64 = 300;

/// Longest window: the rollups by the minute are kept for eight days.
const WINDOW_S_MAX: i64 = 7 * 86_400;

/// From this length on a window is counted by whole hours, widened to them: an hour more or less changes little, and a
/// day of minutes is dear.
const HOURLY_WINDOW_S: i64 = 6 * 3_600;

/// Why rules cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    #[error("no rules: {0}")]
    Toml(String),
    #[error("rule `{rule}`: {fault}")]
    Rule { rule: String, fault: &'static str },
    #[error("rule `{0}` stands there twice: give one of them another name")]
    Twice(String),
    #[error("rule `{rule}` names channel `{channel}`, which `alerts.channels` does not have")]
    Channel { rule: String, channel: String },
    #[error("{0} rules, the most is {RULES_MAX}")]
    TooMany(usize),
}

/// All rules.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    #[serde(default)]
    pub rules: Vec<Rule>,
    #[serde(default)]
    pub inhibit: Vec<Inhibition>,
}

/// One rule: an incident for each value of its dimensions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique; letters, digits and `_`. A user's rule replaces a shipped one of its name.
    pub name: String,
    /// What an incident is called.
    pub title: String,
    pub metric: Metric,
    /// At most two; none watches all mail together.
    #[serde(default)]
    pub by: Vec<Dimension>,
    /// From five minutes to seven days. A minute belongs to the window in which it begins.
    pub window: Span,
    /// An incident when the value is above.
    #[serde(default)]
    pub above: Option<f64>,
    /// An incident when the value is below.
    #[serde(default)]
    pub below: Option<f64>,
    /// An incident when the value is not what it usually is at this hour of the week.
    #[serde(default)]
    pub baseline: Option<Baseline>,
    /// Messages in the window below which nothing is said. For a fall in volume: messages expected.
    #[serde(default)]
    pub min_volume: u64,
    /// Messages of the kind that is counted (bounces, complaints …) below which nothing is said.
    #[serde(default)]
    pub min_part: u64,
    /// How long the condition must hold before it fires.
    #[serde(default, rename = "for")]
    pub hold: Span,
    /// How long it must not hold before it is resolved. Default 10 minutes.
    #[serde(default = "Span::ten_minutes")]
    pub resolve_after: Span,
    pub severity: Severity,
    /// Who is told, by the names of `alerts.channels`; none means all of them.
    #[serde(default)]
    pub channels: Vec<String>,
    /// Time between reminders while it fires and nobody has acknowledged it. Default 4 hours; 0 for none.
    #[serde(default = "Span::four_hours")]
    pub remind: Span,
    /// What to look at first.
    #[serde(default)]
    pub advice: String,
    /// A rule that is off is shown, and not evaluated.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// What is usual: median and MAD of the same hours in past weeks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    pub direction: Direction,
    /// The least change that matters: of shares a difference (0.05 is five points), of counts and times a part of the
    /// expected value (0.5 is half).
    pub change: f64,
    /// Standard deviations beyond which a value is unusual. Default 3.
    #[serde(default = "three")]
    pub z: f64,
    /// Weeks of history, 4 to 8. Default 8.
    #[serde(default = "eight")]
    pub weeks: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Up,
    Down,
    Both,
}

/// While an incident of one rule fires, those of others are not told: their cause is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inhibition {
    /// The rule that must fire.
    pub source: String,
    /// The rules that are not told.
    pub targets: Vec<String>,
    /// Labels that must be equal on both.
    #[serde(default)]
    pub equal: Vec<String>,
}

const fn yes() -> bool {
    true
}

const fn three() -> f64 {
    3.0
}

const fn eight() -> u16 {
    8
}

impl Rules {
    /// The rules that come with the program.
    ///
    /// # Panics
    ///
    /// Never: a test reads them.
    pub fn shipped() -> Self {
        Self::of(SHIPPED).expect("a test reads the shipped rules")
    }

    /// The shipped rules, with a user's over them.
    ///
    /// # Errors
    ///
    /// [`RulesError`].
    pub fn with_overlay(text: &str) -> Result<Self, RulesError> {
        let own = Self::of(text)?;
        let mut all = Self::shipped();
        all.rules.retain(|rule| own.rules.iter().all(|other| other.name != rule.name));
        all.rules.splice(0..0, own.rules);
        all.inhibit.extend(own.inhibit);
        if all.rules.len() > RULES_MAX {
            return Err(RulesError::TooMany(all.rules.len()));
        }
        Ok(all)
    }

    /// These rules alone.
    ///
    /// # Errors
    ///
    /// [`RulesError`].
    pub fn of(text: &str) -> Result<Self, RulesError> {
        let rules: Self = toml::from_str(text).map_err(|fault| RulesError::Toml(fault.to_string()))?;
        for (index, rule) in rules.rules.iter().enumerate() {
            rule.check().map_err(|fault| RulesError::Rule { rule: rule.name.clone(), fault })?;
            if rules.rules[..index].iter().any(|other| other.name == rule.name) {
                return Err(RulesError::Twice(rule.name.clone()));
            }
        }
        Ok(rules)
    }

    /// Checks that each channel that a rule names is there.
    ///
    /// # Errors
    ///
    /// [`RulesError::Channel`].
    pub fn check_channels(&self, channels: &[&str]) -> Result<(), RulesError> {
        for rule in &self.rules {
            if let Some(missing) = rule.channels.iter().find(|name| !channels.contains(&name.as_str())) {
                return Err(RulesError::Channel { rule: rule.name.clone(), channel: missing.clone() });
            }
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }
}

impl Rule {
    fn check(&self) -> Result<(), &'static str> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.name.is_empty() || !self.name.chars().all(is_name) {
            return Err("`name` takes letters, digits and `_`");
        }
        if self.by.len() > 2 {
            return Err("`by` takes at most two dimensions");
        }
        if !self.metric.has_dimensions() && !self.by.is_empty() {
            return Err("this metric has labels of its own: leave `by` out");
        }
        if self.metric == Metric::LatencyP95 && (self.by.len() > 1 || self.by.contains(&Dimension::Campaign))
        {
            return Err(
                "latencies are kept by one dimension, and not by campaign: leave `by` out or shorten it",
            );
        }
        if !(WINDOW_S_MIN..=WINDOW_S_MAX).contains(&self.window.seconds()) {
            return Err("`window` takes 5m to 7d");
        }
        if self.above.is_none() && self.below.is_none() && self.baseline.is_none() {
            return Err("needs `above`, `below` or `baseline`");
        }
        if [self.above, self.below].into_iter().flatten().any(|limit| !limit.is_finite() || limit < 0.0) {
            return Err("`above` and `below` take numbers from 0");
        }
        if self.metric.is_state() && (self.min_volume, self.min_part) != (0, 0) {
            return Err("this metric is a state: leave `min_volume` and `min_part` out");
        }
        let Some(baseline) = &self.baseline else { return Ok(()) };
        if !self.metric.has_history() {
            return Err("this metric has no history to compare with: use `above` or `below`");
        }
        if !(WEEKS_MIN..=WEEKS_MAX).contains(&baseline.weeks) {
            return Err("`baseline.weeks` takes 4 to 8");
        }
        if !(baseline.change > 0.0 && baseline.z > 0.0 && baseline.change.is_finite()) {
            return Err("`baseline.change` and `baseline.z` take numbers above 0");
        }
        Ok(())
    }

    /// Whether the window is counted by whole hours.
    pub fn is_hourly(&self) -> bool {
        self.window.seconds() >= HOURLY_WINDOW_S || self.by.contains(&Dimension::Campaign)
    }
}

impl Metric {
    /// Whether mail outcomes make it, which have dimensions; the others bring labels of their own.
    pub const fn has_dimensions(self) -> bool {
        matches!(
            self,
            Self::HardBounce
                | Self::Block
                | Self::Deferral
                | Self::Complaint
                | Self::ComplaintLoops
                | Self::Delivery
                | Self::LatencyP95
                | Self::Volume
        )
    }

    const fn has_history(self) -> bool {
        self.has_dimensions() || matches!(self, Self::DmarcPass | Self::TlsFailure | Self::SuppressionGrowth)
    }
}

#[cfg(test)]
mod tests;
