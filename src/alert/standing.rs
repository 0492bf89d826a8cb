//! All incidents as they stand: findings in, steps out. PURE but for the ids of new incidents, which are handed in.
//!
//! Way: `desk` reads it from the store at its start, takes it further at every evaluation, and stores the steps.

use crate::alert::evaluate::{Evaluated, Found, Unusual};
use crate::alert::incident::{Advanced, Incident, Seen, advance};
use crate::alert::judge::{Labels, Verdict};
use crate::alert::rules::{Inhibition, Rule, Rules};
use crate::alert::silence::{Silence, muted};
use crate::model::Timestamp;
use crate::model::alert::{IncidentState, IncidentStep};
use crate::store::query::TimeRange;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most incidents that one rule may have open: it fires for everything then, and one more says nothing new.
const OPEN_BY_RULE_MAX: usize = 500;

/// How far back incidents are left out of baselines: as far as baselines reach, and the longest window.
pub(super) const UNUSUAL_S: i64 = 9 * 7 * 86_400;

type Key = (String, Labels);

/// Incidents that are open or may be opened again, and what is kept quiet.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    incidents: BTreeMap<Key, Incident>,
    /// Ended ones, for the baselines.
    past: Vec<Unusual>,
    pub silences: Vec<Silence>,
    inhibitions: Vec<Inhibition>,
}

impl Standing {
    /// From stored incidents, newest first.
    pub fn new(stored: Vec<Incident>, silences: Vec<Silence>, rules: &Rules) -> Self {
        let mut standing = Self { silences, inhibitions: rules.inhibit.clone(), ..Self::default() };
        for incident in stored {
            standing.remember(&incident);
            let key = (incident.rule.clone(), incident.labels.clone());
            standing.incidents.entry(key).or_insert(incident);
        }
        standing
    }

    /// Those that are pending or firing.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values().filter(|incident| incident.is_open())
    }

    pub fn get(&self, id: u128) -> Option<&Incident> {
        self.incidents.values().find(|incident| incident.id == id)
    }

    /// The times that baselines leave out.
    pub fn unusual(&self, now: Timestamp) -> Vec<Unusual> {
        let open = self.open().filter(|incident| incident.fired.is_some());
        let running = open.map(|incident| Unusual {
            metric: incident.metric,
            labels: incident.labels.clone(),
            range: TimeRange { from_unix: incident.began.seconds(), to_unix: now.seconds() },
        });
        self.past.iter().cloned().chain(running).collect()
    }

    /// What the findings of an evaluation make of the incidents. Nothing changes until [`Standing::apply`].
    pub fn step(
        &self,
        evaluated: &[Evaluated],
        rules: &Rules,
        now: Timestamp,
        mut new_id: impl FnMut() -> u128,
    ) -> Vec<Advanced> {
        let mut firing: BTreeSet<Key> = self
            .open()
            .filter(|incident| incident.state == IncidentState::Firing)
            .map(|incident| (incident.rule.clone(), incident.labels.clone()))
            .collect();
        let mut all = Vec::new();
        // Causes first, so that their effects of the same minute are kept quiet.
        let is_cause = |evaluated: &&Evaluated| {
            self.inhibitions.iter().any(|inhibition| inhibition.source == evaluated.rule.name)
        };
        let (causes, others): (Vec<_>, Vec<_>) = evaluated.iter().partition(is_cause);
        for Evaluated { rule, found } in causes.into_iter().chain(others) {
            // A rule whose figures could not be had: its incidents stand as they are.
            let Ok(found) = found else { continue };
            for advanced in self.of_rule(rule, found, &firing, now, &mut new_id) {
                let key = (advanced.incident.rule.clone(), advanced.incident.labels.clone());
                match advanced.incident.state {
                    IncidentState::Firing => drop(firing.insert(key)),
                    _ => drop(firing.remove(&key)),
                }
                all.push(advanced);
            }
        }
        let retired =
            self.open().filter(|incident| rules.get(&incident.rule).is_none_or(|rule| !rule.enabled));
        all.extend(retired.map(|incident| retire(incident, now)));
        all
    }

    fn of_rule(
        &self,
        rule: &Arc<Rule>,
        found: &[Found],
        firing: &BTreeSet<Key>,
        now: Timestamp,
        new_id: &mut impl FnMut() -> u128,
    ) -> Vec<Advanced> {
        let mut by_labels: BTreeMap<&Labels, &Found> =
            found.iter().map(|found| (&found.labels, found)).collect();
        let mut all = Vec::new();
        let mut open = 0;
        let known = self.incidents.range((rule.name.clone(), Labels::new())..);
        for ((_, labels), incident) in known.take_while(|((name, _), _)| *name == rule.name) {
            let found = by_labels.remove(labels);
            if !incident.is_open() && !incident.may_reopen(now) {
                // Long over: what is found now is another incident.
                by_labels.extend(found.map(|found| (labels, found)));
                continue;
            }
            open += usize::from(incident.is_open());
            all.push(self.advance(incident.clone(), rule, seen(rule, found), firing, now));
        }
        let mut breaches: Vec<&Found> =
            by_labels.into_values().filter(|found| found.verdict == Verdict::Breach).collect();
        breaches.sort_by(|one, other| other.finding.volume.total_cmp(&one.finding.volume));
        for found in breaches.into_iter().take(OPEN_BY_RULE_MAX.saturating_sub(open)) {
            let begun = Incident::begin(new_id(), rule, found.labels.clone(), found.finding.clone(), now);
            all.push(self.advance(begun, rule, seen(rule, Some(found)), firing, now));
        }
        all
    }

    fn advance(
        &self,
        incident: Incident,
        rule: &Rule,
        seen: Seen,
        firing: &BTreeSet<Key>,
        now: Timestamp,
    ) -> Advanced {
        let fires: Vec<(&str, &Labels)> =
            firing.iter().map(|(name, labels)| (name.as_str(), labels)).collect();
        let severity = incident.severity.name();
        let muted =
            muted(&incident.rule, severity, &incident.labels, &self.silences, &self.inhibitions, &fires, now);
        advance(incident, rule, seen, now, muted)
    }

    /// Takes over what has been stored.
    pub fn apply(&mut self, advanced: Vec<Advanced>, now: Timestamp) {
        for Advanced { incident, .. } in advanced {
            self.remember(&incident);
            self.incidents.insert((incident.rule.clone(), incident.labels.clone()), incident);
        }
        self.incidents.retain(|_, incident| incident.is_open() || incident.may_reopen(now));
        self.past.retain(|past| past.range.to_unix > now.seconds() - UNUSUAL_S);
    }

    fn remember(&mut self, incident: &Incident) {
        if let (IncidentState::Resolved, Some(ended)) = (incident.state, incident.ended) {
            let range = TimeRange { from_unix: incident.began.seconds(), to_unix: ended.seconds() };
            let labels = incident.labels.clone();
            self.past.push(Unusual { metric: incident.metric, labels, range });
        }
    }
}

fn seen(rule: &Rule, found: Option<&Found>) -> Seen {
    match found.map(|found| (found.verdict, found)) {
        Some((Verdict::Breach, found)) => Seen::Breach(found.finding.clone()),
        Some((Verdict::Clear, _)) => Seen::Clear,
        Some((Verdict::Unknown, _)) => Seen::Unknown,
        // What brings labels of its own is gone when it is not there; mail that is not there says nothing.
        None => {
            if rule.metric.has_dimensions() {
                Seen::Unknown
            } else {
                Seen::Clear
            }
        }
    }
}

/// Ends an incident whose rule is gone.
fn retire(incident: &Incident, now: Timestamp) -> Advanced {
    let mut incident = incident.clone();
    let step = match incident.state {
        IncidentState::Pending => (IncidentState::Dropped, IncidentStep::Dropped),
        _ => (IncidentState::Resolved, IncidentStep::Resolved),
    };
    incident.state = step.0;
    incident.ended = Some(now);
    incident.seq += 1;
    "The rule was removed or turned off.".clone_into(&mut incident.finding.note);
    let tells = incident.told.is_some();
    Advanced { incident, step: Some(step.1), tells }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::incident::Finding;

    fn found(rules: &Rules, name: &str, label: (&str, &str), verdict: Verdict) -> Evaluated {
        let rule = Arc::new(rules.get(name).unwrap().clone());
        let labels = Labels::from([(label.0.to_owned(), label.1.to_owned())]);
        Evaluated { rule, found: Ok(vec![Found { labels, verdict, finding: Finding::default() }]) }
    }

    fn run(
        standing: &mut Standing,
        rules: &Rules,
        minute: i64,
        evaluated: &[Evaluated],
    ) -> Vec<(String, IncidentStep, bool)> {
        let now = Timestamp::from_seconds(minute * 60);
        let mut ids = 0..;
        let advanced = standing.step(evaluated, rules, now, || ids.next().unwrap());
        let steps =
            advanced.iter().filter_map(|a| Some((a.incident.rule.clone(), a.step?, a.tells))).collect();
        standing.apply(advanced, now);
        steps
    }

    #[test]
    fn an_effect_is_quiet_while_its_cause_fires_and_told_when_it_does_not() {
        let rules = Rules::shipped();
        let mut standing = Standing::new(Vec::new(), Vec::new(), &rules);
        let both = |cause| {
            [
                found(&rules, "complaint_rate_warning", ("stream", "news"), Verdict::Breach),
                found(&rules, "complaint_rate_critical", ("stream", "news"), cause),
            ]
        };
        run(&mut standing, &rules, 0, &both(Verdict::Breach));
        let steps = run(&mut standing, &rules, 1, &both(Verdict::Breach));
        assert!(
            steps.contains(&("complaint_rate_warning".to_owned(), IncidentStep::Firing, false)),
            "{steps:?}"
        );
        assert!(
            steps.contains(&("complaint_rate_critical".to_owned(), IncidentStep::Firing, true)),
            "{steps:?}"
        );
        run(&mut standing, &rules, 2, &both(Verdict::Clear));
        let steps = run(&mut standing, &rules, 12, &both(Verdict::Clear));
        assert!(
            steps.contains(&("complaint_rate_warning".to_owned(), IncidentStep::Unmuted, true)),
            "{steps:?}"
        );
    }

    #[test]
    fn a_rule_that_fails_leaves_its_incidents_alone_and_one_that_is_gone_ends_them() {
        let rules = Rules::shipped();
        let mut standing = Standing::new(Vec::new(), Vec::new(), &rules);
        let breach = || [found(&rules, "block_rate", ("provider", "google"), Verdict::Breach)];
        run(&mut standing, &rules, 0, &breach());
        run(&mut standing, &rules, 1, &breach());
        let fault =
            crate::store::StoreError::Query { query: "q", source: clickhouse::error::Error::TimedOut };
        let failed = [Evaluated { rule: Arc::clone(&breach()[0].rule), found: Err(fault) }];
        assert_eq!(run(&mut standing, &rules, 2, &failed), []);
        let steps = run(&mut standing, &Rules::default(), 3, &[]);
        assert_eq!(steps, [("block_rate".to_owned(), IncidentStep::Resolved, true)]);
        assert_eq!(standing.unusual(Timestamp::from_seconds(240)).len(), 1);
    }

    #[test]
    fn what_was_stored_goes_on_after_a_restart() {
        let rules = Rules::shipped();
        let mut standing = Standing::new(Vec::new(), Vec::new(), &rules);
        let seen = |verdict| [found(&rules, "block_rate", ("provider", "google"), verdict)];
        run(&mut standing, &rules, 0, &seen(Verdict::Breach));
        run(&mut standing, &rules, 1, &seen(Verdict::Breach));
        let stored: Vec<Incident> = standing
            .open()
            .map(|incident| serde_json::from_str(&serde_json::to_string(incident).unwrap()).unwrap())
            .collect();
        let mut again = Standing::new(stored, Vec::new(), &rules);
        assert_eq!(run(&mut again, &rules, 2, &seen(Verdict::Breach)), [], "nobody is told twice");
        run(&mut again, &rules, 3, &seen(Verdict::Clear));
        let steps = run(&mut again, &rules, 13, &seen(Verdict::Clear));
        assert_eq!(steps, [("block_rate".to_owned(), IncidentStep::Resolved, true)]);
    }
}
