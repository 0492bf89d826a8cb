//! A dry run: what changed rules would have made of the stored events.
//!
//! Both rules see the same events, those of all spools, by their time; nothing is written. What the list holds does
//! not count: entries of people and imports stay, whatever the rules say.

use crate::model::Timestamp;
use crate::store::{RuleHistory, Store, StoreError};
use crate::suppression::rules::{Difference, Rules, Simulation, difference};

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// What came out.
#[derive(Debug, Clone, Default)]
pub struct Simulated {
    /// Events looked at.
    pub events: u64,
    /// Entries that the present and the changed rules make of them.
    pub before: usize,
    pub after: usize,
    pub difference: Difference,
}

/// Runs the present and the changed rules over the events of the last days.
///
/// # Errors
///
/// [`StoreError::Query`].
pub async fn simulate(
    store: &Store,
    (present, changed): (Rules, Rules),
    days: u16,
    now: Timestamp,
) -> Result<Simulated, StoreError> {
    let (mut before, mut after) = (Simulation::new(present), Simulation::new(changed));
    let since = Timestamp(now.0 - i64::from(days) * DAY_US);
    // All events: no spool is named, and the time since which nothing is left out is that of the first.
    let mut asked =
        RuleHistory { until_seq: u64::MAX, since, window: since, from: since, ..RuleHistory::default() };
    let mut events = 0;
    while asked.from <= now {
        asked.until = Timestamp(asked.from.0 + DAY_US);
        let mut stream = store.rule_history(&asked)?;
        while let Some(event) = stream.next().await? {
            before.observe(&event);
            after.observe(&event);
            events += 1;
        }
        asked.from = asked.until;
    }
    let (before, after) = (before.suppressed(now), after.suppressed(now));
    let difference = difference(&before, &after);
    Ok(Simulated { events, before: before.len(), after: after.len(), difference })
}
