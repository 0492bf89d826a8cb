//! Which number a process writes under: no two that are alive have the same.
//!
//! A claim is written, then all claims are read: of two claims to one number both processes see both, and the older
//! one counts. A number whose owner was not seen for a day is free; its new owner's places stand behind all that were
//! read, so that nobody who follows the log notices.

use crate::model::Timestamp;
use crate::store::WriterClaim;
use crate::suppression::list::{List, ListError};
use crate::suppression::sequence::CURSOR_WRITERS_MAX;

/// A process that did not say for so long that it is alive has ended.
const DEAD_AFTER_US: i64 = 24 * 60 * 60 * 1_000_000;
/// Most claims that others may win before it is given up.
const TRIES_MAX: usize = 16;

impl List {
    /// Claims a number, the one of the last start when it is still ours.
    pub(super) async fn claim(&self) -> Result<WriterClaim, ListError> {
        let store = self.store();
        for _ in 0..TRIES_MAX {
            let now = self.now();
            let known = store.suppression_writers().await?;
            let alive: Vec<&WriterClaim> = known.iter().filter(|claim| is_alive(claim, now)).collect();
            let ours = alive.iter().find(|claim| claim.node == self.0.node && holds(&alive, claim));
            let claim = if let Some(claim) = ours {
                WriterClaim { seen: now, ..(*claim).clone() }
            } else {
                let is_free = |number: &u16| alive.iter().all(|claim| claim.writer != *number);
                let numbers = u16::try_from(CURSOR_WRITERS_MAX).unwrap_or(u16::MAX);
                let writer = (0..numbers).find(is_free).ok_or(ListError::NoWriter(CURSOR_WRITERS_MAX))?;
                WriterClaim { writer, node: self.0.node.clone(), claimed: now, seen: now }
            };
            store.insert_suppression_writer(&claim).await?;
            let known = store.suppression_writers().await?;
            let alive: Vec<&WriterClaim> = known.iter().filter(|claim| is_alive(claim, now)).collect();
            if holds(&alive, &claim) {
                return Ok(claim);
            }
        }
        Err(ListError::NoWriter(CURSOR_WRITERS_MAX))
    }
}

fn is_alive(claim: &WriterClaim, now: Timestamp) -> bool {
    now.0 - claim.seen.0 < DEAD_AFTER_US
}

/// Whether no older claim to the number is alive.
fn holds(alive: &[&WriterClaim], claim: &WriterClaim) -> bool {
    let rank = |claim: &WriterClaim| (claim.claimed, claim.node.clone());
    let rivals = alive.iter().filter(|other| other.writer == claim.writer);
    rivals.map(|other| rank(other)).min().is_none_or(|first| first >= rank(claim))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(writer: u16, node: &str, claimed: i64) -> WriterClaim {
        WriterClaim { writer, node: node.into(), claimed: Timestamp(claimed), seen: Timestamp(claimed) }
    }

    #[test]
    fn of_two_claims_the_older_one_holds() {
        let (first, second, other) = (claim(3, "b", 10), claim(3, "a", 11), claim(4, "c", 1));
        let alive = [&first, &second, &other];
        assert!(holds(&alive, &first));
        assert!(!holds(&alive, &second));
        let (first, second) = (claim(3, "a", 10), claim(3, "b", 10));
        assert!(holds(&[&first, &second], &first) && !holds(&[&first, &second], &second));
    }

    #[test]
    fn a_claim_that_nobody_renewed_for_a_day_is_over() {
        let claim = claim(3, "a", 0);
        assert!(is_alive(&claim, Timestamp(DEAD_AFTER_US - 1)));
        assert!(!is_alive(&claim, Timestamp(DEAD_AFTER_US)));
    }
}
