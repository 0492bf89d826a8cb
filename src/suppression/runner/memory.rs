//! What the rules knew at their place: after a start the engine sees the events before it again.

use crate::model::suppression::ReviewState;
use crate::model::{Text, Timestamp};
use crate::store::{RuleHistory, StoreError};
use crate::suppression::rules::{Engine, ReviewId, Rules};
use crate::suppression::runner::Runner;
use crate::suppression::runner::place::Place;
use crate::suppression::runner::step::review_of;
use std::collections::HashSet;

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
/// Reviews that are asked for at once: more than the guard lets wait.
const REVIEWS_MAX: u32 = 10_000;

impl Runner {
    /// An engine that knows what one knew that had seen all events up to the place.
    ///
    /// The events come by their time, day by day; those of a day, by their place in the spool.
    pub(super) async fn remember(&self, place: &Place) -> Result<Engine, StoreError> {
        let mut engine = Engine::new(self.rules.clone());
        if place.seq == 0 {
            return Ok(engine);
        }
        let (groups, reasons) = counted(&self.rules);
        let mut asked = RuleHistory {
            ingest_node: self.node.clone(),
            until_seq: place.seq,
            since: Timestamp(place.time.0 - self.rules.horizon_days() * DAY_US),
            window: Timestamp(place.time.0 - self.rules.guard_window_us()),
            groups,
            reasons,
            ..RuleHistory::default()
        };
        asked.from = asked.since;
        // The clock of a source may be ahead.
        let end = place.time.0.max(self.list.now().0) + DAY_US;
        while asked.from.0 < end {
            asked.until = Timestamp(asked.from.0 + DAY_US);
            let mut events = self.store().rule_history(&asked)?;
            while let Some(event) = events.next().await? {
                engine.observe(&event);
            }
            asked.from = asked.until;
        }
        let waiting: Vec<ReviewId> = engine.reviews().map(|review| review.id.clone()).collect();
        for id in self.decided(&waiting).await? {
            engine.settle(&id);
        }
        Ok(engine)
    }

    /// Which of these reviews somebody has decided.
    pub(super) async fn decided(&self, waiting: &[ReviewId]) -> Result<Vec<ReviewId>, StoreError> {
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.store().suppression_reviews(REVIEWS_MAX).await?;
        let decided: HashSet<_> =
            known.iter().filter(|row| row.state != ReviewState::Waiting).map(|row| row.review).collect();
        Ok(waiting.iter().filter(|id| decided.contains(&review_of(&self.node, id))).cloned().collect())
    }
}

/// The groups and reasons whose failures a rule remembers: those of rules that need more than one.
fn counted(rules: &Rules) -> (Vec<Text>, Vec<Text>) {
    let counted = || rules.rules.iter().filter(|rule| rule.count > 1);
    let groups = counted().flat_map(|rule| rule.groups.iter().map(|group| group.name().into()));
    let reasons = counted().flat_map(|rule| rule.reasons.iter().map(|reason| reason.name().into()));
    (groups.collect(), reasons.collect())
}
