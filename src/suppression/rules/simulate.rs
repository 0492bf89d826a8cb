//! What other rules would have done with history.

use crate::model::suppression::Key;
use crate::model::{Event, Timestamp};
use crate::suppression::rules::{Engine, Finding, Proposal, Rules};
use std::collections::BTreeMap;

/// Rules that look at history and write nothing.
#[derive(Debug)]
pub struct Simulation {
    engine: Engine,
    suppressed: BTreeMap<Key, Proposal>,
}

impl Simulation {
    pub fn new(rules: Rules) -> Self {
        Self { engine: Engine::new(rules), suppressed: BTreeMap::new() }
    }

    /// Takes note of the next event.
    pub fn observe(&mut self, event: &Event) {
        for finding in self.engine.observe(event) {
            match finding {
                Finding::Suppress(proposal) => {
                    self.suppressed.insert(proposal.key.clone(), proposal);
                }
                Finding::Burst { recalled, .. } => {
                    for proposal in recalled {
                        if self.suppressed.get(&proposal.key) == Some(&proposal) {
                            self.suppressed.remove(&proposal.key);
                        }
                    }
                }
            }
        }
    }

    /// The proposals that hold at `now`, without those that a burst recalled or holds.
    pub fn suppressed(mut self, now: Timestamp) -> BTreeMap<Key, Proposal> {
        self.suppressed.retain(|_, proposal| proposal.expires.is_none_or(|end| end > now));
        self.suppressed
    }
}

/// Who would be added and who freed by a change of rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    pub added: Vec<Proposal>,
    pub freed: Vec<Proposal>,
}

/// Compares two results of a simulation. An address counts by what is held back from it, not by the rule's name.
pub fn difference(before: &BTreeMap<Key, Proposal>, after: &BTreeMap<Key, Proposal>) -> Difference {
    let only = |these: &BTreeMap<Key, Proposal>, those: &BTreeMap<Key, Proposal>| {
        these.values().filter(|proposal| !those.contains_key(&proposal.key)).cloned().collect()
    };
    Difference { added: only(after, before), freed: only(before, after) }
}
