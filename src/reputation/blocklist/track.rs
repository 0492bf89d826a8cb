//! What is believed of a subject on a list, and what makes it change. Pure.
//!
//! Three laws: what nobody could say changes nothing; the first answer is adopted silently; any later change needs two
//! answers in a row that say the same.

use crate::model::{ListState, Timestamp};
use crate::reputation::blocklist::Verdict;

/// Answers in a row after which a change is believed.
const ANSWERS_NEEDED: u8 = 2;

/// What is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub state: ListState,
    pub since: Timestamp,
    /// Answers in a row that say otherwise.
    pub pending: u8,
    pub codes: Vec<String>,
    pub text: String,
}

/// An answer, and what the list writes beside it (its TXT record).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub verdict: Verdict,
    pub text: String,
}

/// What an answer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Nothing,
    /// The first answer that says anything: history, not news.
    First,
    /// A sign of a change, which must be asked about again.
    Pending,
    Listed,
    Delisted,
}

/// Takes an answer in.
pub fn turn(known: Option<&Standing>, heard: &Heard, at: Timestamp) -> (Standing, Turn) {
    let seen = heard.verdict.state;
    let fresh = || Standing {
        state: seen,
        since: at,
        pending: 0,
        codes: heard.verdict.codes.clone(),
        text: heard.text.clone(),
    };
    let Some(known) = known.filter(|known| known.state != ListState::Unknown) else {
        return (fresh(), if seen == ListState::Unknown { Turn::Nothing } else { Turn::First });
    };
    if seen == ListState::Unknown {
        return (known.clone(), Turn::Nothing);
    }
    if seen == known.state {
        return (Standing { since: known.since, ..fresh() }, Turn::Nothing);
    }
    let pending = known.pending.saturating_add(1);
    if pending < ANSWERS_NEEDED {
        return (Standing { pending, ..known.clone() }, Turn::Pending);
    }
    (fresh(), if seen == ListState::Listed { Turn::Listed } else { Turn::Delisted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heard(state: ListState) -> Heard {
        Heard { verdict: Verdict { state, codes: Vec::new(), reason: String::new() }, text: String::new() }
    }

    fn play(states: &[ListState]) -> Vec<Turn> {
        let mut known = None;
        let mut turns = Vec::new();
        for (at, state) in (0..).zip(states) {
            let (next, turn) = turn(known.as_ref(), &heard(*state), Timestamp(at));
            known = Some(next);
            turns.push(turn);
        }
        turns
    }

    use ListState::{Clean, Listed, Unknown};

    #[test]
    fn the_first_answer_is_silent_and_a_change_needs_two() {
        assert_eq!(
            play(&[Clean, Listed, Listed, Clean, Clean]),
            [Turn::First, Turn::Pending, Turn::Listed, Turn::Pending, Turn::Delisted]
        );
        assert_eq!(play(&[Listed, Listed]), [Turn::First, Turn::Nothing]);
        assert_eq!(
            play(&[Clean, Listed, Clean, Listed]),
            [Turn::First, Turn::Pending, Turn::Nothing, Turn::Pending]
        );
    }

    #[test]
    fn silence_between_two_signs_does_not_forget_the_first() {
        assert_eq!(
            play(&[Clean, Listed, Unknown, Listed]),
            [Turn::First, Turn::Pending, Turn::Nothing, Turn::Listed]
        );
    }

    #[test]
    fn a_list_that_was_silent_at_first_gives_no_news() {
        assert_eq!(play(&[Unknown, Unknown, Listed]), [Turn::Nothing, Turn::Nothing, Turn::First]);
    }

    proptest! {
        #[test]
        fn nothing_follows_from_unknown_and_no_news_from_one_answer(
            picks in proptest::collection::vec(0_usize..3, 1..40),
        ) {
            let states: Vec<_> = picks.iter().map(|at| [Unknown, Clean, Listed][*at]).collect();
            let turns = play(&states);
            for (at, turn) in turns.iter().enumerate() {
                if states[at] == Unknown {
                    prop_assert_eq!(*turn, Turn::Nothing);
                }
                let wanted = match turn { Turn::Listed => Listed, Turn::Delisted => Clean, _ => continue };
                let known: Vec<_> = states[..=at].iter().filter(|state| **state != Unknown).collect();
                prop_assert!(known.len() >= 3, "something else was believed before");
                prop_assert!(known[known.len() - 2..].iter().all(|state| **state == wanted));
            }
        }
    }
}
