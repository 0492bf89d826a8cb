//! How a snapshot differs from what was known. Pure.

use crate::model::{PostureCheck, PostureState};
use crate::reputation::posture::Finding;

/// The last judgement of a check that said anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub check: PostureCheck,
    pub about: String,
    pub state: PostureState,
    pub value: String,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub check: PostureCheck,
    pub about: String,
    pub state_before: PostureState,
    pub state: PostureState,
    pub value_before: String,
    pub value: String,
    pub told: String,
}

/// What is different now. What nobody could say is no difference, and neither is what is looked at for the first time: a
/// selector that was just seen, a server that was just added, stands there as it always did.
pub fn changes(known: &[Known], found: &[Finding]) -> Vec<Change> {
    let said = found.iter().filter(|finding| finding.state != PostureState::Unknown);
    let change = |finding: &Finding| {
        let before =
            known.iter().find(|known| (known.check, &known.about) == (finding.check, &finding.about))?;
        let is_same = (before.state, &before.value) == (finding.state, &finding.value);
        (!is_same && before.state != PostureState::Unknown).then(|| Change {
            check: finding.check,
            about: finding.about.clone(),
            state_before: before.state,
            state: finding.state,
            value_before: before.value.clone(),
            value: finding.value.clone(),
            told: finding.told.clone(),
        })
    };
    said.filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(state: PostureState, value: &str) -> Known {
        Known { check: PostureCheck::Spf, about: String::new(), state, value: value.to_owned() }
    }

    fn found(state: PostureState, value: &str) -> Finding {
        Finding::new(PostureCheck::Spf, state, "").value(value)
    }

    #[test]
    fn a_record_that_was_changed_or_taken_away_is_told() {
        let before = [known(PostureState::Pass, "v=spf1 -all")];
        assert!(changes(&before, &[found(PostureState::Pass, "v=spf1 -all")]).is_empty());
        let change = &changes(&before, &[found(PostureState::Fail, "")])[0];
        assert_eq!((change.state_before, change.value_before.as_str()), (PostureState::Pass, "v=spf1 -all"));
    }

    #[test]
    fn silence_is_no_change_and_neither_is_a_first_look() {
        let before = [known(PostureState::Pass, "v=spf1 -all")];
        assert!(changes(&before, &[found(PostureState::Unknown, "")]).is_empty());
        assert!(changes(&[], &[found(PostureState::Fail, "")]).is_empty());
    }
}
