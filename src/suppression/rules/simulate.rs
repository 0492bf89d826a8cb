//! What other rules would have done with history.

use crate::model::suppression::Key;
use crate::model::{Event, Timestamp};
use crate::suppression::rules::{Engine, Finding, Proposal, Rules};
use std::collections::BTreeMap;

/// Who would be added and who freed by a change of rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    pub added: Vec<Proposal>,
    pub freed: Vec<Proposal>,
}

/// What the rules make of the events, in their order: the proposals that hold at `now`, without those that a burst
/// recalled or holds.
pub fn would_suppress<'a>(
    rules: &Rules,
    events: impl IntoIterator<Item = &'a Event>,
    now: Timestamp,
) -> BTreeMap<Key, Proposal> {
    let mut engine = Engine::new(rules.clone());
    let mut suppressed = BTreeMap::new();
    for event in events {
        for finding in engine.observe(event) {
            match finding {
                Finding::Suppress(proposal) => {
                    suppressed.insert(proposal.key.clone(), proposal);
                }
                Finding::Burst { recalled, .. } => {
                    for proposal in recalled {
                        if suppressed.get(&proposal.key) == Some(&proposal) {
                            suppressed.remove(&proposal.key);
                        }
                    }
                }
            }
        }
    }
    suppressed.retain(|_, proposal| proposal.expires.is_none_or(|end| end > now));
    suppressed
}

/// Compares two results of [`would_suppress`]. An address counts by what is held back from it, not by the rule's
/// name.
pub fn difference(before: &BTreeMap<Key, Proposal>, after: &BTreeMap<Key, Proposal>) -> Difference {
    let only = |these: &BTreeMap<Key, Proposal>, those: &BTreeMap<Key, Proposal>| {
        these.values().filter(|proposal| !those.contains_key(&proposal.key)).cloned().collect()
    };
    Difference { added: only(after, before), freed: only(before, after) }
}
