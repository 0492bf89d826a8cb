//! A judgement of one thing, in words.

use crate::model::{PostureCheck, PostureState};
use serde::Serialize;

/// One check of one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: PostureCheck,
    /// Which of several: a selector, a server, a path. Empty when there is one.
    pub about: String,
    pub state: PostureState,
    /// The record as it stands; empty when there is none.
    pub value: String,
    /// What is the matter, and what to change.
    pub told: String,
    /// More of it, as JSON; empty when there is no more.
    #[serde(skip)]
    pub detail: String,
}

impl Finding {
    pub(super) fn new(check: PostureCheck, state: PostureState, told: impl Into<String>) -> Self {
        let (about, value, detail) = (String::new(), String::new(), String::new());
        Self { check, about, state, value, told: told.into(), detail }
    }

    /// Nobody could say.
    pub(super) fn unknown(check: PostureCheck, why: &str) -> Self {
        Self::new(check, PostureState::Unknown, format!("the DNS did not tell: {why}"))
    }

    pub(super) fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }

    pub(super) fn value(self, value: impl Into<String>) -> Self {
        Self { value: value.into(), ..self }
    }
}

/// Faults of a record as they are found: the worst gives the state, all of them the words.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<(PostureState, String)>);

impl Faults {
    pub(super) fn fail(&mut self, told: impl Into<String>) {
        self.0.push((PostureState::Fail, told.into()));
    }

    pub(super) fn warn(&mut self, told: impl Into<String>) {
        self.0.push((PostureState::Warn, told.into()));
    }

    /// The finding: with the faults, the worst first, or with what is told when there are none.
    pub(super) fn finding(mut self, check: PostureCheck, well: impl Into<String>) -> Finding {
        self.0.sort_by_key(|(state, _)| std::cmp::Reverse(*state));
        let Some((state, _)) = self.0.first() else { return Finding::new(check, PostureState::Pass, well) };
        let told: Vec<&str> = self.0.iter().map(|(_, told)| told.as_str()).collect();
        Finding::new(check, *state, told.join("; "))
    }
}

/// The worst state of several; unknown is worse than pass, and better than a fault that is known.
pub fn worst<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> PostureState {
    let rank = |state: &PostureState| match state {
        PostureState::Info => 0,
        PostureState::Pass => 1,
        PostureState::Unknown => 2,
        PostureState::Warn => 3,
        PostureState::Fail => 4,
    };
    findings.into_iter().map(|finding| finding.state).max_by_key(rank).unwrap_or(PostureState::Unknown)
}
