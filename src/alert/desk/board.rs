//! What the last evaluation came to, for pages and `/metrics`. PURE.

use crate::alert::evaluate::{Evaluated, Found};
use crate::alert::incident::{Finding, Incident};
use crate::alert::judge::{Labels, Verdict};
use crate::alert::rules::{Rule, Rules};
use crate::alert::standing::Standing;
use crate::model::Timestamp;
use crate::model::alert::Severity;
use std::time::Duration;

/// Values of one rule shown on the page, those in breach first.
const SHOWN_MAX: usize = 50;

/// One value of a rule, as the last evaluation saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    pub labels: Labels,
    pub verdict: Verdict,
    pub finding: Finding,
}

/// A rule, as the last evaluation saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleView {
    pub name: String,
    pub severity: Severity,
    /// Values judged.
    pub values: usize,
    pub shown: Vec<Watched>,
    /// Why it could not be judged.
    pub error: Option<String>,
}

/// What the last evaluation came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Board {
    pub at: Option<Timestamp>,
    pub took_ms: u64,
    pub rules: Vec<RuleView>,
    pub open: Vec<Incident>,
    pub silences: Vec<SilenceView>,
}

/// A silence, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct SilenceView {
    pub id: u128,
    pub matchers: String,
    pub begins: Timestamp,
    pub until: Timestamp,
    pub author: String,
    pub comment: String,
}

pub(super) fn shown(standing: &Standing) -> (Vec<Incident>, Vec<SilenceView>) {
    let silences = standing.silences.iter().map(|silence| SilenceView {
        id: silence.id,
        matchers: silence.matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        begins: silence.begins,
        until: silence.until,
        author: silence.author.clone(),
        comment: silence.comment.clone(),
    });
    (standing.open().cloned().collect(), silences.collect())
}

pub(super) fn board(
    rules: &Rules,
    evaluated: &[Evaluated],
    standing: &Standing,
    now: Timestamp,
    took: Duration,
) -> Board {
    let view = |rule: &Rule| {
        let seen = evaluated.iter().find(|evaluated| evaluated.rule.name == rule.name);
        let (name, severity) = (rule.name.clone(), rule.severity);
        let mut view = RuleView { name, severity, values: 0, shown: Vec::new(), error: None };
        match seen.map(|seen| &seen.found) {
            Some(Ok(found)) => {
                view.values = found.len();
                let mut sorted: Vec<_> = found.iter().collect();
                let rank = |verdict| (verdict != Verdict::Breach, verdict != Verdict::Clear);
                sorted.sort_by(|one, other| {
                    let by_volume = other.finding.volume.total_cmp(&one.finding.volume);
                    rank(one.verdict).cmp(&rank(other.verdict)).then(by_volume)
                });
                let watched = |found: &Found| Watched {
                    labels: found.labels.clone(),
                    verdict: found.verdict,
                    finding: found.finding.clone(),
                };
                view.shown = sorted.into_iter().take(SHOWN_MAX).map(watched).collect();
            }
            Some(Err(error)) => view.error = Some(error.to_string()),
            None => {}
        }
        view
    };
    let (open, silences) = shown(standing);
    Board {
        at: Some(now),
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        rules: rules.rules.iter().map(view).collect(),
        open,
        silences,
    }
}
