//! Which steps go out as one message, and when. PURE.
//!
//! Way: `outbox` has the steps that are due for a channel, and asks what to send of them now.
//! Source: Alertmanager's `group_wait` and `group_interval`; `PagerDuty` and Opsgenie keep one alert for each `dedup_key` or
//! alias, so they get an event for each incident, up to a limit, and a summary of the others.

use crate::alert::incident::Incident;
use crate::model::Timestamp;
use crate::model::alert::IncidentStep;
use crate::store::query::ToldIncident;
use std::collections::{BTreeMap, BTreeSet};

/// Most steps of one message: as many incidents as one rule can have open.
const TOGETHER_MAX: usize = 500;

/// Most incidents of one rule that a pager is told of one by one: nobody works on more at once. The others are one more
/// alert there, the summary.
const PAGED_MAX: usize = 10;

/// How long messages wait for each other, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pace {
    /// The first one of a rule.
    pub(super) wait_s: i64,
    /// Between two of a rule.
    pub(super) interval_s: i64,
}

/// A step that a channel is to be told of now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Due {
    /// As the store writes it, with hyphens.
    pub(super) incident_id: String,
    pub(super) incident: Incident,
    pub(super) step: IncidentStep,
    pub(super) at: Timestamp,
    /// Attempts so far.
    pub(super) attempts: u16,
}

/// What goes to a channel as one message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Parcel {
    Alone(Box<Due>),
    Together(Vec<Due>),
    /// To a pager, of those that are not told one by one; `open` of them fire afterwards.
    Summary {
        steps: Vec<Due>,
        open: usize,
    },
}

impl Parcel {
    pub(super) fn steps(&self) -> &[Due] {
        match self {
            Self::Alone(due) => std::slice::from_ref(due),
            Self::Together(steps) | Self::Summary { steps, .. } => steps,
        }
    }
}

/// The steps by rule.
pub(super) fn by_rule(due: Vec<Due>) -> BTreeMap<String, Vec<Due>> {
    let mut rules = BTreeMap::<String, Vec<Due>>::new();
    for step in due {
        rules.entry(step.incident.rule.clone()).or_default().push(step);
    }
    rules
}

/// Whether the steps of a rule have waited long enough for each other. What was tried before has.
pub(super) fn is_time(due: &[Due], last_us: Option<i64>, pace: Pace, now: Timestamp) -> bool {
    let waited = |since_us: i64, seconds: i64| now.0 - since_us >= seconds * 1_000_000;
    let first_us = due.iter().map(|step| step.at.0).min().unwrap_or_default();
    due.iter().any(|step| step.attempts > 0)
        || match last_us {
            Some(last_us) if !waited(last_us, pace.interval_s) => false,
            Some(_) => true,
            None => waited(first_us, pace.wait_s),
        }
}

/// For a channel of people: one message, unless there are too many for one.
pub(super) fn together(mut due: Vec<Due>) -> Vec<Parcel> {
    let mut parcels = Vec::new();
    while due.len() > 1 {
        let rest = due.split_off(due.len().min(TOGETHER_MAX));
        parcels.push(Parcel::Together(due));
        due = rest;
    }
    parcels.extend(due.pop().map(|step| Parcel::Alone(Box::new(step))));
    parcels
}

/// For a channel that keeps incidents: an event for each, those with most mail first, and a summary of those beyond
/// [`PAGED_MAX`]. `told` is what the channel knows of the rule.
pub(super) fn paged(mut due: Vec<Due>, told: &[&ToldIncident]) -> Vec<Parcel> {
    due.sort_by(|one, other| other.incident.finding.volume.total_cmp(&one.incident.finding.volume));
    let summed: BTreeSet<&str> = ids(told, |told| told.is_summed);
    let known: BTreeSet<&str> = ids(told, |told| !told.is_summed);
    let mut paged = told.iter().filter(|told| told.is_open && !told.is_summed).count();
    let (mut parcels, mut steps) = (Vec::new(), Vec::new());
    for step in due {
        let id = step.incident_id.as_str();
        let ends = step.step == IncidentStep::Resolved;
        if summed.contains(id) || !known.contains(id) && !ends && paged >= PAGED_MAX {
            steps.push(step);
        } else {
            paged += usize::from(!known.contains(id) && !ends);
            parcels.push(Parcel::Alone(Box::new(step)));
        }
    }
    if !steps.is_empty() {
        let mut open: BTreeSet<&str> = ids(told, |told| told.is_summed && told.is_open);
        for step in &steps {
            if step.step == IncidentStep::Resolved {
                open.remove(step.incident_id.as_str());
            } else {
                open.insert(&step.incident_id);
            }
        }
        let open = open.len();
        parcels.push(Parcel::Summary { steps, open });
    }
    parcels
}

fn ids<'t>(told: &[&'t ToldIncident], is_one: impl Fn(&ToldIncident) -> bool) -> BTreeSet<&'t str> {
    told.iter().filter(|told| is_one(told)).map(|told| told.incident_id.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notify::message::example;
    use crate::model::alert::IncidentState;

    fn due(id: usize, step: IncidentStep, at: i64) -> Due {
        let state =
            if step == IncidentStep::Resolved { IncidentState::Resolved } else { IncidentState::Firing };
        let mut incident = example(step, state).incident;
        incident.finding.volume = 1_000.0 - f64::from(u32::try_from(id).unwrap());
        Due { incident_id: format!("i{id:03}"), incident, step, at: Timestamp::from_seconds(at), attempts: 0 }
    }

    fn told(id: usize, is_open: bool, is_summed: bool) -> ToldIncident {
        ToldIncident {
            channel: "pager".to_owned(),
            incident_id: format!("i{id:03}"),
            rule: "deferral_spike".to_owned(),
            is_open,
            is_summed,
        }
    }

    fn fire(many: usize) -> Vec<Due> {
        (0..many).map(|id| due(id, IncidentStep::Firing, 0)).collect()
    }

    #[test]
    fn the_first_waits_for_others_and_the_next_for_the_interval() {
        let pace = Pace { wait_s: 30, interval_s: 300 };
        let is_time = |last: Option<i64>, now: i64| {
            super::is_time(&fire(1), last.map(|at| at * 1_000_000), pace, Timestamp::from_seconds(now))
        };
        assert!(!is_time(None, 29) && is_time(None, 30));
        assert!(!is_time(Some(-200), 99) && is_time(Some(-200), 100));
        let tried = [Due { attempts: 1, ..due(0, IncidentStep::Firing, 0) }];
        assert!(super::is_time(&tried, Some(0), pace, Timestamp::from_seconds(1)), "it has waited before");
    }

    #[test]
    fn people_get_one_message_of_many() {
        assert!(matches!(together(fire(1)).as_slice(), [Parcel::Alone(_)]));
        let parcels = together(fire(300));
        assert!(matches!(parcels.as_slice(), [Parcel::Together(steps)] if steps.len() == 300));
        let sizes: Vec<usize> = together(fire(1_001)).iter().map(|parcel| parcel.steps().len()).collect();
        assert_eq!(sizes, [500, 500, 1]);
    }

    /// The incidents that get an event of their own, and how many the summary has, and leaves firing.
    fn check(due: Vec<Due>, told: &[ToldIncident]) -> (Vec<String>, usize, usize) {
        let (mut alone, mut summed, mut left) = (Vec::new(), 0, 0);
        for parcel in paged(due, &told.iter().collect::<Vec<_>>()) {
            match parcel {
                Parcel::Alone(due) => alone.push(due.incident_id),
                Parcel::Summary { steps, open } => (summed, left) = (steps.len(), open),
                Parcel::Together(_) => panic!("a pager is told one by one"),
            }
        }
        (alone, summed, left)
    }

    #[test]
    fn a_pager_gets_the_largest_one_by_one_and_a_summary_of_the_rest() {
        let (alone, summed, open) = check(fire(300), &[]);
        assert_eq!((alone.len(), alone[0].as_str(), summed, open), (10, "i000", 290, 290));
        assert_eq!(check(fire(10), &[]).1, 0);
    }

    #[test]
    fn an_end_goes_where_the_beginning_was_told() {
        let known: Vec<_> = (0..12).map(|id| told(id, true, id >= 10)).collect();
        let ends = |id| due(id, IncidentStep::Resolved, 9);
        assert_eq!(check(vec![ends(3)], &known), (vec!["i003".to_owned()], 0, 0));
        assert_eq!(check(vec![ends(10)], &known), (vec![], 1, 1));
        assert_eq!(check(vec![ends(10), ends(11)], &known), (vec![], 2, 0));
        // A reminder of a summed one, and a new incident while the pager is full.
        let more = vec![due(11, IncidentStep::Reminder, 9), due(12, IncidentStep::Firing, 9)];
        assert_eq!(check(more, &known), (vec![], 2, 3));
        // Places that have become free are taken.
        let free: Vec<_> = (0..10).map(|id| told(id, id > 0, false)).collect();
        assert_eq!(check(vec![due(20, IncidentStep::Firing, 9)], &free).0, ["i020"]);
    }
}
