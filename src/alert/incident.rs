//! One incident: pending, firing, resolved. PURE: what was seen and the time in, at most one step out.
//!
//! Way: `standing` keeps the open ones and calls [`advance`] for each at every evaluation; a step is stored before anybody
//! is told.
//! Source: the states of Prometheus' `for` and `keep_firing_for`; one incident for each value as `SparkPost`'s alerts have.

use crate::alert::judge::{Expected, Labels};
use crate::alert::rules::Rule;
use crate::model::Timestamp;
use crate::model::alert::{IncidentState, IncidentStep, Metric, Severity};
use serde::{Deserialize, Serialize};

/// For how long after its end an incident is opened again instead of a new one: what flaps is one incident.
const REOPEN_S: i64 = 3_600;

/// Each reopening doubles the time that it must be clear; beyond this it is no use to wait longer.
const RESOLVE_AFTER_S_MAX: i64 = 4 * 3_600;

/// An incident that can no longer be judged, since its mail has stopped, is resolved after this time.
const UNKNOWN_RESOLVES_AFTER_S: i64 = 6 * 3_600;

/// What contributes to an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contributor {
    /// Such as `ip`, or `response`.
    pub dimension: String,
    pub value: String,
    /// Its part of what is beyond the expected, 0 to 1.
    pub share: f64,
}

/// What an evaluation found out about an incident.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Finding {
    pub value: f64,
    /// Messages behind it.
    pub volume: f64,
    pub expected: Option<Expected>,
    /// Those that contribute most, first.
    #[serde(default)]
    pub contributors: Vec<Contributor>,
    #[serde(default)]
    pub note: String,
    /// The metric before and at that moment, for a chart: seconds since 1970, value.
    #[serde(default)]
    pub series: Vec<(i64, f64)>,
}

/// Who has taken an incident on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    pub by: String,
    pub at: Timestamp,
    pub comment: String,
}

/// An incident as it stands after a step. Stored whole with each step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Of 32 hexadecimal digits.
    #[serde(with = "hex_id")]
    pub id: u128,
    /// Counts its steps from 1.
    pub seq: u32,
    pub rule: String,
    pub title: String,
    pub metric: Metric,
    pub severity: Severity,
    pub labels: Labels,
    pub state: IncidentState,
    /// When the condition began to hold.
    pub began: Timestamp,
    pub fired: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// Since when it is clear while it still fires. Lost at a restart, which then waits anew.
    #[serde(skip)]
    pub clear_since: Option<Timestamp>,
    #[serde(default)]
    pub reopened: u32,
    #[serde(default)]
    pub reminders: u32,
    /// When somebody was told last; `None` while it is silenced or inhibited.
    pub told: Option<Timestamp>,
    /// Why nobody is told.
    pub muted: Option<String>,
    pub acknowledged: Option<Acknowledgement>,
    /// What was found when it fired, and at its worst.
    pub finding: Finding,
    #[serde(default)]
    pub advice: String,
}

mod hex_id {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{id:032x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map_err(serde::de::Error::custom)
    }
}

/// What an evaluation saw of the value of an incident.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    Breach(Finding),
    Clear,
    /// Nothing can be said.
    Unknown,
}

/// What became of an incident in an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Advanced {
    pub incident: Incident,
    /// A step to store; without one only what is kept in memory has changed.
    pub step: Option<IncidentStep>,
    /// Whether the channels are to be told of the step.
    pub tells: bool,
}

impl Incident {
    /// A new one, not stored yet.
    pub fn begin(id: u128, rule: &Rule, labels: Labels, finding: Finding, now: Timestamp) -> Self {
        Self {
            id,
            seq: 0,
            rule: rule.name.clone(),
            title: rule.title.clone(),
            metric: rule.metric,
            severity: rule.severity,
            labels,
            state: IncidentState::Pending,
            began: now,
            fired: None,
            ended: None,
            clear_since: None,
            reopened: 0,
            reminders: 0,
            told: None,
            muted: None,
            acknowledged: None,
            finding,
            advice: rule.advice.clone(),
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.state, IncidentState::Pending | IncidentState::Firing)
    }

    /// Whether it ended so shortly before `now` that it is opened again.
    pub fn may_reopen(&self, now: Timestamp) -> bool {
        let since = |ended: Timestamp| now.seconds() - ended.seconds();
        self.state == IncidentState::Resolved && self.ended.is_some_and(|ended| since(ended) < REOPEN_S)
    }

    fn stepped(mut self, step: IncidentStep, tells: bool, now: Timestamp) -> Advanced {
        self.seq += 1;
        if tells {
            self.told = Some(now);
        }
        Advanced { incident: self, step: Some(step), tells }
    }

    const fn quiet(self) -> Advanced {
        Advanced { incident: self, step: None, tells: false }
    }

    fn fire(mut self, step: IncidentStep, now: Timestamp, muted: Option<String>) -> Advanced {
        self.state = IncidentState::Firing;
        self.fired = Some(self.fired.unwrap_or(now));
        self.ended = None;
        self.clear_since = None;
        let tells = muted.is_none();
        self.muted = muted;
        self.stepped(step, tells, now)
    }
}

/// Takes an incident one evaluation further. `muted` says why nobody is to be told, if so.
pub(super) fn advance(
    mut incident: Incident,
    rule: &Rule,
    seen: Seen,
    now: Timestamp,
    muted: Option<String>,
) -> Advanced {
    let is_clear = seen == Seen::Clear;
    match (incident.state, seen) {
        (IncidentState::Pending, Seen::Breach(finding)) => {
            incident.finding = finding;
            if now.seconds() - incident.began.seconds() >= rule.hold.seconds() {
                return incident.fire(IncidentStep::Firing, now, muted);
            }
            if incident.seq == 0 {
                incident.stepped(IncidentStep::Pending, false, now)
            } else {
                incident.quiet()
            }
        }
        (IncidentState::Pending, Seen::Clear | Seen::Unknown) => {
            incident.state = IncidentState::Dropped;
            incident.ended = Some(now);
            incident.stepped(IncidentStep::Dropped, false, now)
        }
        (IncidentState::Resolved | IncidentState::Dropped, Seen::Breach(finding)) => {
            incident.finding = finding;
            incident.reopened += 1;
            incident.fire(IncidentStep::Reopened, now, muted)
        }
        (IncidentState::Resolved | IncidentState::Dropped, _) => incident.quiet(),
        (IncidentState::Firing, Seen::Breach(finding)) => still_firing(incident, rule, finding, now, muted),
        (IncidentState::Firing, Seen::Clear | Seen::Unknown) => {
            let since = *incident.clear_since.get_or_insert(now);
            let wait = if is_clear { resolve_after(&incident, rule) } else { UNKNOWN_RESOLVES_AFTER_S };
            if now.seconds() - since.seconds() < wait {
                return incident.quiet();
            }
            incident.state = IncidentState::Resolved;
            incident.ended = Some(now);
            if !is_clear {
                "Nothing can be said of it any more.".clone_into(&mut incident.finding.note);
            }
            // Who was told that it began is told that it ended, silence or not: a pager must be closed.
            let tells = incident.told.is_some();
            incident.stepped(IncidentStep::Resolved, tells, now)
        }
    }
}

fn still_firing(
    mut incident: Incident,
    rule: &Rule,
    finding: Finding,
    now: Timestamp,
    muted: Option<String>,
) -> Advanced {
    incident.clear_since = None;
    let is_muted = muted.is_some();
    incident.muted = muted;
    let has_waited = incident.told.is_some_and(|told| {
        rule.remind.seconds() > 0 && now.seconds() - told.seconds() >= rule.remind.seconds()
    });
    if incident.told.is_none() && !is_muted {
        incident.finding = finding;
        return incident.stepped(IncidentStep::Unmuted, true, now);
    }
    if has_waited && !is_muted && incident.acknowledged.is_none() {
        incident.finding = finding;
        incident.reminders += 1;
        return incident.stepped(IncidentStep::Reminder, true, now);
    }
    incident.quiet()
}

/// Doubles with each reopening, so that what flaps is told ever more rarely.
fn resolve_after(incident: &Incident, rule: &Rule) -> i64 {
    let doubled = rule.resolve_after.seconds() << incident.reopened.min(10);
    doubled.min(RESOLVE_AFTER_S_MAX.max(rule.resolve_after.seconds()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::rules::Rules;

    const MINUTE: i64 = 60;

    /// A life of an incident of `block_rate` (held for a minute, resolved after ten): at each minute what was seen
    /// (`x` breach, `.` clear, `?` unknown, `m` breach while silenced), and which steps came of it; those told in capitals.
    fn life(seen: &str) -> String {
        let rule = Rules::shipped().get("block_rate").unwrap().clone();
        let mut incident: Option<Incident> = None;
        let mut steps = Vec::new();
        for (minute, what) in (0..).zip(seen.chars()) {
            let now = Timestamp::from_seconds(minute * MINUTE);
            let current = incident.take().filter(|incident| incident.is_open() || incident.may_reopen(now));
            let breach = matches!(what, 'x' | 'm');
            let Some(current) = current.or_else(|| {
                breach.then(|| Incident::begin(1, &rule, Labels::new(), Finding::default(), now))
            }) else {
                continue;
            };
            let seen = match what {
                'x' | 'm' => Seen::Breach(Finding::default()),
                '.' => Seen::Clear,
                _ => Seen::Unknown,
            };
            let muted = (what == 'm').then(|| "silenced".to_owned());
            let advanced = advance(current, &rule, seen, now, muted);
            if let Some(step) = advanced.step {
                let name = if advanced.tells { step.name().to_uppercase() } else { step.name().to_owned() };
                steps.push(format!("{minute}:{name}"));
            }
            incident = Some(advanced.incident);
        }
        steps.join(" ")
    }

    #[test]
    fn it_fires_once_it_has_held_and_ends_once_it_is_clear_for_long_enough() {
        assert_eq!(life("xxx..........."), "0:pending 1:FIRING 13:RESOLVED");
        assert_eq!(life("x."), "0:pending 1:dropped");
        assert_eq!(life("xx.....x........."), "0:pending 1:FIRING");
    }

    #[test]
    fn what_flaps_is_one_incident_and_is_told_ever_more_rarely() {
        let flap = format!("xx{}x{}", ".".repeat(11), ".".repeat(21));
        assert_eq!(life(&flap), "0:pending 1:FIRING 12:RESOLVED 13:REOPENED 34:RESOLVED");
    }

    #[test]
    fn while_silenced_nobody_is_told_and_afterwards_they_are() {
        assert_eq!(life("mmmm............"), "0:pending 1:firing 14:resolved");
        assert_eq!(life("mmmxx"), "0:pending 1:firing 3:UNMUTED");
        // Told before the silence began: the end is told, too.
        assert_eq!(life("xxmm............"), "0:pending 1:FIRING 14:RESOLVED");
    }

    #[test]
    fn reminders_come_every_four_hours() {
        let life = life(&"x".repeat(600));
        assert_eq!(life, "0:pending 1:FIRING 241:REMINDER 481:REMINDER");
    }

    #[test]
    fn mail_that_stopped_does_not_end_it_at_once() {
        assert_eq!(life(&format!("xx{}", "?".repeat(30))), "0:pending 1:FIRING");
        assert_eq!(life(&format!("xx{}", "?".repeat(361))), "0:pending 1:FIRING 362:RESOLVED");
    }

    #[test]
    fn an_incident_is_read_as_it_was_written() {
        let rule = Rules::shipped().get("block_rate").unwrap().clone();
        let labels = Labels::from([("provider".to_owned(), "google".to_owned())]);
        let incident = Incident::begin(u128::MAX / 3, &rule, labels, Finding::default(), Timestamp(5));
        let text = serde_json::to_string(&incident).unwrap();
        assert_eq!(serde_json::from_str::<Incident>(&text).unwrap(), incident);
    }
}
