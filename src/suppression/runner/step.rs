//! One step: what the engine found becomes reviews, records, and records taken back.

use crate::model::suppression::{Change, Key, LogRecord, Origin, ReviewState, RunId, RunKind, RunState};
use crate::model::{EventId, Text, Timestamp};
use crate::store::{HeldRow, ReviewRow, RunEntry, StoreError};
use crate::suppression::fold::{self, Effect, Undoing};
use crate::suppression::list::{ListError, WRITE_CHANGES_MAX, run_of};
use crate::suppression::rules::{Finding, Proposal, Review, ReviewId};
use crate::suppression::runner::AtWork;
use std::collections::HashMap;
use uuid::Uuid;

/// Rules' records that are undone together: those of one rule and one hour.
const HOUR_US: i64 = 60 * 60 * 1_000_000;
/// Who takes back what a burst recalls.
const GUARD: &str = "burst-guard";

/// Why a step could not be written; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    List(#[from] ListError),
}

/// What the engine found in one step.
#[derive(Default)]
pub(super) struct Found {
    proposals: Vec<Proposal>,
    /// What bursts take back: it may be in the log already, from a step before or from a try before this.
    recalled: Vec<(ReviewId, Vec<Proposal>)>,
}

impl Found {
    pub(super) fn take(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            match finding {
                Finding::Suppress(proposal) => self.proposals.push(proposal),
                Finding::Burst { review, recalled } => {
                    let by_key = by_key(&recalled);
                    let is_recalled = |proposal: &Proposal| {
                        by_key.get(&proposal.key).is_some_and(|recalled| recalled.contains(&proposal))
                    };
                    self.proposals.retain(|proposal| !is_recalled(proposal));
                    self.recalled.push((review, recalled));
                }
            }
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.proposals.is_empty() && self.recalled.is_empty()
    }
}

/// What of each review the store has got: proposals held, how many left out, whether the burst goes on.
#[derive(Default)]
pub(super) struct ReviewsSeen(HashMap<ReviewId, (usize, u64, bool)>);

impl ReviewsSeen {
    pub(super) fn forget(&mut self, id: &ReviewId) {
        self.0.remove(id);
    }

    fn of(&self, review: &Review) -> Option<(usize, u64, bool)> {
        self.0.get(&review.id).copied()
    }
}

fn standing(review: &Review) -> (usize, u64, bool) {
    (review.held.len(), review.left_out, review.is_open)
}

/// The id of a review in the store.
pub(super) fn review_of(node: &str, id: &ReviewId) -> Uuid {
    let begun = id.begun.0.to_le_bytes();
    let parts = [b"suppression-review".as_slice(), node.as_bytes(), id.receiver.as_bytes(), &begun];
    Uuid::from_u128(EventId::of(parts).0)
}

impl AtWork {
    /// Writes what was found: reviews first, so that nothing is taken back for a burst that nobody is told of.
    pub(super) async fn write(&mut self, found: &Found) -> Result<(), StepError> {
        self.write_reviews().await?;
        for (review, recalled) in &found.recalled {
            self.take_back(review, recalled).await?;
        }
        let now = self.runner.list.now();
        let hour = now.0.div_euclid(HOUR_US);
        for proposals in found.proposals.chunks(WRITE_CHANGES_MAX) {
            let changes = proposals.iter().map(|proposal| {
                let run = self.run_of_rule(&proposal.rule, hour);
                proposal.clone().into_change(Some(run))
            });
            let is_news = |change: &Change| {
                let effect = fold::effect(&self.runner.list.index().state(&change.key), change, now);
                matches!(effect, Effect::Adds | Effect::Extends)
            };
            let changes: Vec<Change> = changes.filter(is_news).collect();
            self.note_runs(&changes, hour).await?;
            self.runner.list.write(changes).await?;
        }
        Ok(())
    }

    /// Brings the store's reviews up to what the guard holds.
    async fn write_reviews(&mut self) -> Result<(), StepError> {
        let (mut rows, mut held, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        for review in self.engine.reviews().filter(|it| self.reviews.of(it) != Some(standing(it))) {
            let id = review_of(&self.runner.node, &review.id);
            let known = self.reviews.of(review).map_or(0, |(held, ..)| held);
            let news = review.held.get(known..).unwrap_or_default();
            held.extend(
                news.iter()
                    .map(|proposal| HeldRow { review: id, change: proposal.clone().into_change(None) }),
            );
            rows.push(row_of(id, review));
            seen.push((review.id.clone(), standing(review)));
        }
        self.runner.store().insert_suppression_reviews(&rows, &held).await?;
        self.reviews.0.extend(seen);
        Ok(())
    }

    /// Takes back what rules wrote in the minutes before a burst was known as one.
    async fn take_back(&self, review: &ReviewId, recalled: &[Proposal]) -> Result<(), StepError> {
        let list = &self.runner.list;
        let by_key = by_key(recalled);
        let is_recalled = |record: &LogRecord| {
            let told = by_key.get(&record.change.key);
            told.is_some_and(|told| told.iter().any(|proposal| proposal.is_told_by(&record.change)))
        };
        let mut addresses: Vec<Text> = by_key.keys().map(|key| key.address.clone()).collect();
        addresses.sort();
        addresses.dedup();
        let history = self.runner.store().suppressions_of(&addresses).await?;
        let id = review_of(&self.runner.node, review);
        let undoing = Undoing {
            origin: Origin::Rule(GUARD.into()),
            run: run_of([b"recall".as_slice(), id.as_bytes()]),
            note: format!("{} fails an unusual share of its recipients", review.receiver).into(),
        };
        let changes = fold::undo(&history, is_recalled, &undoing, list.now());
        for changes in changes.chunks(WRITE_CHANGES_MAX) {
            list.write(changes.to_vec()).await?;
        }
        Ok(())
    }

    fn run_of_rule(&self, rule: &str, hour: i64) -> RunId {
        run_of([b"rule".as_slice(), self.runner.node.as_bytes(), rule.as_bytes(), &hour.to_le_bytes()])
    }

    /// Notes the runs of the rules that write something in this hour for the first time.
    async fn note_runs(&mut self, changes: &[Change], hour: i64) -> Result<(), StepError> {
        for Change { origin, run, .. } in changes {
            let (Origin::Rule(rule), Some(run)) = (origin, run) else { continue };
            if self.noted.get(rule) == Some(&hour) {
                continue;
            }
            let begun = Timestamp(hour * HOUR_US);
            let entry = RunEntry {
                run: *run,
                kind: RunKind::Rule,
                name: rule.clone(),
                actor: Text::default(),
                state: RunState::Done,
                begun,
                changed: begun,
                target: None,
                rows: 0,
                faults: 0,
                note: Text::default(),
            };
            self.runner.list.note_run(&entry).await?;
            self.noted.insert(rule.clone(), hour);
        }
        Ok(())
    }
}

fn by_key(proposals: &[Proposal]) -> HashMap<&Key, Vec<&Proposal>> {
    let mut by_key: HashMap<&Key, Vec<&Proposal>> = HashMap::new();
    for proposal in proposals {
        by_key.entry(&proposal.key).or_default().push(proposal);
    }
    by_key
}

fn row_of(id: Uuid, review: &Review) -> ReviewRow {
    ReviewRow {
        review: id,
        receiver: review.id.receiver.clone(),
        begun: review.id.begun,
        failing: review.failing,
        outcomes: review.outcomes,
        held: review.held.len() as u64,
        left_out: review.left_out,
        is_open: review.is_open,
        state: ReviewState::Waiting,
        decided_by: Text::default(),
        decided: Timestamp::default(),
        note: Text::default(),
    }
}
