//! What a person decides about a burst.

use crate::model::Text;
use crate::model::suppression::{Change, ReviewState, RunId, RunKind, RunState};
use crate::store::{HeldRow, ReviewRow, RunEntry};
use crate::suppression::list::{Actor, List, ListError, Written};
use uuid::Uuid;

/// Most addresses that a release looks at: what a review holds.
const HELD_MAX: u32 = 100_000;

impl List {
    /// Reviews: those that wait first, then the newest.
    ///
    /// # Errors
    ///
    /// [`ListError::Store`].
    pub async fn reviews(&self, limit: u32) -> Result<Vec<ReviewRow>, ListError> {
        Ok(self.store().suppression_reviews(limit).await?)
    }

    /// What a review holds, by address.
    ///
    /// # Errors
    ///
    /// [`ListError::Store`].
    pub async fn held(&self, review: Uuid, limit: u32) -> Result<Vec<HeldRow>, ListError> {
        Ok(self.store().suppressions_held(review, limit).await?)
    }

    /// Decides a review: what it holds is suppressed, or forgotten. A release is a run and can be undone; one that was
    /// interrupted is finished by deciding again.
    ///
    /// # Errors
    ///
    /// [`ListError::UnknownReview`], [`ListError::Decided`], and as [`List::write_as`].
    pub async fn decide(
        &self,
        review: Uuid,
        is_released: bool,
        actor: &Actor,
        note: &str,
    ) -> Result<Written, ListError> {
        let row = self.store().suppression_review(review).await?.ok_or(ListError::UnknownReview)?;
        if row.state != ReviewState::Waiting {
            return Err(ListError::Decided(row.state));
        }
        let written = if is_released { self.release(&row, actor, note).await? } else { Written::default() };
        let decided = ReviewRow {
            state: if is_released { ReviewState::Released } else { ReviewState::Dismissed },
            is_open: false,
            decided_by: actor.name.clone(),
            decided: self.now(),
            note: note.into(),
            ..row
        };
        self.store().insert_suppression_reviews(&[decided], &[]).await?;
        self.has_moved();
        Ok(written)
    }

    async fn release(&self, review: &ReviewRow, actor: &Actor, note: &str) -> Result<Written, ListError> {
        let run = RunId(review.review);
        let held = self.held(review.review, HELD_MAX).await?;
        let as_released = |held: HeldRow| Change {
            run: Some(run),
            note: Text::from(format!("released by {}", actor.name)),
            ..held.change
        };
        let changes: Vec<Change> = held.into_iter().map(as_released).collect();
        let rows = changes.len() as u64;
        let written = self.write_as(actor, changes).await?;
        let now = self.now();
        self.note_run(&RunEntry {
            run,
            kind: RunKind::Release,
            name: review.receiver.clone(),
            actor: actor.name.clone(),
            state: RunState::Done,
            begun: now,
            changed: now,
            target: Some(review.review),
            rows,
            faults: 0,
            note: note.into(),
        })
        .await?;
        Ok(written)
    }
}
