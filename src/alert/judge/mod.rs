//! Is a value an incident? PURE: figures in, judgement out.
//!
//! Way: `evaluate` brings a [`Reading`] for each value of a rule's dimensions; [`judge`] compares it with the rule's limits
//! and with the same hours of past weeks.
//! Source: Wilson's score interval (Wilson 1927) for shares of few messages; median and median absolute deviation, times
//! 1.4826 for the standard deviation of a normal distribution (Rousseeuw and Croux 1993), for what is usual.
//! Not here: how long it must hold (`incident`), and what contributes most (`contribute`).

mod bounds;

pub(super) use bounds::median;

use crate::alert::judge::bounds::{spread, wilson};
use crate::alert::rules::{Baseline, Direction, Rule, WEEKS_MIN};
use crate::model::alert::Measure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Label and value, by which incidents are told apart.
pub type Labels = BTreeMap<String, String>;

/// Standard deviations of the bound on a share: 95 of 100 times the true share lies on the right side of it.
const CONFIDENCE_Z: f64 = 1.645;

/// The least spread of a time, as a part of it: latencies are read from buckets 19 % wide.
const SECONDS_SPREAD_MIN: f64 = 0.1;

/// A figure in a window.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sample {
    /// The part of a share, the count, or the seconds.
    pub part: f64,
    /// The whole of a share, or the messages that were measured; of a count the count again.
    pub whole: f64,
}

impl Sample {
    pub const fn share(part: f64, whole: f64) -> Self {
        Self { part, whole }
    }

    pub const fn count(count: f64) -> Self {
        Self { part: count, whole: count }
    }

    pub fn value(self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Share => (self.whole > 0.0).then(|| self.part / self.whole),
            Measure::Count | Measure::Grade => Some(self.part),
            Measure::Seconds => (self.whole > 0.0).then_some(self.part),
        }
    }
}

/// What is known of one value of a rule's dimensions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    pub labels: Labels,
    pub now: Sample,
    /// The same hours in past weeks, those of earlier incidents left out.
    pub past: Vec<Sample>,
    /// Raises the rule's `above` for this value alone: a source that is often silent may be.
    pub above_at_least: Option<f64>,
    /// What a reader should know beside the figures, such as the text of a reply.
    pub note: String,
}

/// What was expected.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    pub low: f64,
    pub middle: f64,
    pub high: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Breach,
    Clear,
    /// Too little mail, or too little history, to say anything.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judgement {
    pub verdict: Verdict,
    pub value: f64,
    /// The band of the baseline; without one, what the limits allow.
    pub expected: Option<Expected>,
}

/// Compares a reading with its rule. A rule with several conditions is broken when one of them is.
pub(super) fn judge(rule: &Rule, reading: &Reading) -> Judgement {
    let measure = rule.metric.measure();
    let Some(value) = reading.now.value(measure) else {
        return Judgement { verdict: Verdict::Unknown, value: 0.0, expected: None };
    };
    let by_limits = limits(rule, reading, value);
    let Some(baseline) = &rule.baseline else {
        return Judgement {
            verdict: by_limits.unwrap_or(Verdict::Unknown),
            value,
            expected: allowed(rule, reading),
        };
    };
    let expected = expect(measure, baseline, reading);
    let by_baseline = expected.map(|expected| against(rule, baseline, reading, value, expected));
    let verdicts = [by_limits, by_baseline];
    let verdict = if verdicts.contains(&Some(Verdict::Breach)) {
        Verdict::Breach
    } else if verdicts.contains(&Some(Verdict::Clear)) {
        Verdict::Clear
    } else {
        Verdict::Unknown
    };
    Judgement { verdict, value, expected: expected.or_else(|| allowed(rule, reading)) }
}

/// The band that the limits leave.
fn allowed(rule: &Rule, reading: &Reading) -> Option<Expected> {
    let top = if rule.metric.measure() == Measure::Share { 1.0 } else { f64::MAX };
    let high = above(rule, reading);
    (high.is_some() || rule.below.is_some()).then(|| {
        let (low, high) = (rule.below.unwrap_or(0.0), high.unwrap_or(top));
        Expected { low, middle: low, high }
    })
}

fn above(rule: &Rule, reading: &Reading) -> Option<f64> {
    rule.above.map(|limit| limit.max(reading.above_at_least.unwrap_or(limit)))
}

#[expect(clippy::cast_precision_loss, reason = "volumes of a window stay far below 2^52")]
fn is_enough(rule: &Rule, sample: Sample) -> bool {
    sample.whole >= rule.min_volume as f64
}

/// `None` when the rule has no limits.
fn limits(rule: &Rule, reading: &Reading, value: f64) -> Option<Verdict> {
    let (above, below) = (above(rule, reading), rule.below);
    if above.is_none() && below.is_none() {
        return None;
    }
    if !is_enough(rule, reading.now) {
        return Some(Verdict::Unknown);
    }
    // Of few messages a share says little: the least that it may truly be must be over the limit, too.
    let (least, most) = certain(rule, reading.now, value);
    let is_over = above.is_some_and(|limit| least > limit) && has_parts(rule, reading.now);
    let is_under = below.is_some_and(|limit| most < limit);
    Some(if is_over || is_under { Verdict::Breach } else { Verdict::Clear })
}

#[expect(clippy::cast_precision_loss, reason = "volumes of a window stay far below 2^52")]
fn has_parts(rule: &Rule, sample: Sample) -> bool {
    rule.metric.measure() != Measure::Share || sample.part >= rule.min_part as f64
}

/// Between what the true value lies.
fn certain(rule: &Rule, sample: Sample, value: f64) -> (f64, f64) {
    match rule.metric.measure() {
        Measure::Share if !rule.metric.is_state() => wilson(sample.part, sample.whole, CONFIDENCE_Z),
        _ => (value, value),
    }
}

/// The band in which the value is usual; `None` with less than [`WEEKS_MIN`] weeks of history.
fn expect(measure: Measure, baseline: &Baseline, reading: &Reading) -> Option<Expected> {
    let values: Vec<f64> = reading.past.iter().filter_map(|sample| sample.value(measure)).collect();
    if values.len() < usize::from(WEEKS_MIN) {
        return None;
    }
    let middle = median(&values)?;
    let spread = spread(&values, middle);
    // What chance alone does comes on top of what weeks differ by: binomial for shares, Poisson for counts.
    let chance = match measure {
        Measure::Share => middle * (1.0 - middle) / reading.now.whole.max(1.0),
        Measure::Count | Measure::Grade => middle,
        Measure::Seconds => (SECONDS_SPREAD_MIN * middle).powi(2),
    };
    let band = baseline.z * (spread * spread + chance).sqrt();
    let top = if measure == Measure::Share { 1.0 } else { f64::MAX };
    Some(Expected { low: (middle - band).max(0.0), middle, high: (middle + band).min(top) })
}

#[expect(clippy::cast_precision_loss, reason = "volumes of a window stay far below 2^52")]
fn against(rule: &Rule, baseline: &Baseline, reading: &Reading, value: f64, expected: Expected) -> Verdict {
    let measure = rule.metric.measure();
    let is_fall = baseline.direction != Direction::Up && value < expected.low;
    let is_rise = baseline.direction != Direction::Down && value > expected.high;
    // Mail that has stopped is no longer there to be counted: what was expected must be enough.
    let volume =
        if measure == Measure::Count && !is_rise { Sample::count(expected.middle) } else { reading.now };
    if !is_enough(rule, volume) {
        return Verdict::Unknown;
    }
    let matters = match measure {
        Measure::Share => (value - expected.middle).abs() >= baseline.change,
        Measure::Count | Measure::Seconds | Measure::Grade => {
            (value - expected.middle).abs() >= baseline.change * expected.middle
        }
    };
    let (least, most) = certain(rule, reading.now, value);
    let is_sure = if is_rise { least > expected.middle } else { most < expected.middle };
    let has_parts = !is_rise || measure != Measure::Share || reading.now.part >= rule.min_part as f64;
    if (is_fall || is_rise) && matters && is_sure && has_parts { Verdict::Breach } else { Verdict::Clear }
}

#[cfg(test)]
mod tests;
