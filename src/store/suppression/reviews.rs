//! The tables `suppression_reviews` and `suppression_held`: bursts that wait for a person, and what they hold.

use crate::model::suppression::{Action, Change, Origin, ReviewState};
use crate::model::{EventId, Text, Timestamp};
use crate::store::native::ColumnSpec;
use crate::store::suppression::{key_of, time_of};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

/// A decision outranks every observation, whatever the clocks say.
const DECIDED: u64 = 1 << 63;

/// A burst's review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRow {
    pub review: Uuid,
    pub receiver: Text,
    pub begun: Timestamp,
    /// Different recipients that failed, and all outcomes, in the minutes that began the burst.
    pub failing: u32,
    pub outcomes: u32,
    pub held: u64,
    /// How many more there would be than a review holds.
    pub left_out: u64,
    /// Whether the burst goes on.
    pub is_open: bool,
    pub state: ReviewState,
    pub decided_by: Text,
    /// When it was decided; 1970 while it waits.
    pub decided: Timestamp,
    pub note: Text,
}

impl ReviewRow {
    /// Of two rows about a review the one with the greater rank counts: a decision, else the one that holds more.
    const fn rank(&self) -> u64 {
        match self.state {
            ReviewState::Waiting => (self.held + self.left_out) * 2 + !self.is_open as u64,
            ReviewState::Released | ReviewState::Dismissed => DECIDED | self.decided.0.cast_unsigned(),
        }
    }
}

/// What a review holds: one address that would be on the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRow {
    pub review: Uuid,
    /// The record that a release writes; its origin is the rule.
    pub change: Change,
}

const REVIEW_COLUMNS: &[ColumnSpec<ReviewRow>] = &[
    ("review", "UUID", |c, r| c.uuid(r.review.as_u128())),
    ("version", "UInt64", |c, r| c.u64(r.rank())),
    ("receiver", "String", |c, r| c.text(&r.receiver)),
    ("begun", "DateTime64(6, 'UTC')", |c, r| c.i64(r.begun.0)),
    ("failing", "UInt32", |c, r| c.u32(r.failing)),
    ("outcomes", "UInt32", |c, r| c.u32(r.outcomes)),
    ("held", "UInt64", |c, r| c.u64(r.held)),
    ("left_out", "UInt64", |c, r| c.u64(r.left_out)),
    ("is_open", "Bool", |c, r| c.u8(u8::from(r.is_open))),
    ("state", "Int8", |c, r| c.i8(r.state as i8)),
    ("decided_by", "String", |c, r| c.text(&r.decided_by)),
    ("decided", "DateTime64(6, 'UTC')", |c, r| c.i64(r.decided.0)),
    ("note", "String", |c, r| c.text(&r.note)),
];

const HELD_COLUMNS: &[ColumnSpec<HeldRow>] = &[
    ("review", "UUID", |c, r| c.uuid(r.review.as_u128())),
    ("address", "String", |c, r| c.text(&r.change.key.address)),
    ("scope", "String", |c, r| c.text(r.change.key.scope.name())),
    ("tenant", "String", |c, r| c.text(r.change.key.scope.parts().0)),
    ("scope_name", "String", |c, r| c.text(r.change.key.scope.parts().1)),
    ("type", "Int8", |c, r| c.i8(r.change.key.mail_type as i8)),
    ("reason", "String", |c, r| c.text(r.change.key.reason.name())),
    ("rule", "String", |c, r| c.text(r.change.origin.name())),
    ("observed", "DateTime64(6, 'UTC')", |c, r| c.i64(r.change.observed.0)),
    ("expires", "Nullable(DateTime64(6, 'UTC'))", |c, r| c.opt_i64(r.change.expires.map(|end| end.0))),
    ("evidence", "Array(UUID)", |c, r| c.uuids(r.change.evidence.iter().map(|id| id.0))),
];

#[derive(Row, Deserialize)]
struct FoundReview {
    #[serde(with = "clickhouse::serde::uuid")]
    review: Uuid,
    receiver: Text,
    begun_us: i64,
    failing: u32,
    outcomes: u32,
    held: u64,
    left_out: u64,
    is_open: bool,
    state: i8,
    decided_by: Text,
    decided_us: i64,
    note: Text,
}

impl From<FoundReview> for ReviewRow {
    fn from(row: FoundReview) -> Self {
        Self {
            review: row.review,
            receiver: row.receiver,
            begun: Timestamp(row.begun_us),
            failing: row.failing,
            outcomes: row.outcomes,
            held: row.held,
            left_out: row.left_out,
            is_open: row.is_open,
            state: ReviewState::ALL
                .iter()
                .copied()
                .find(|state| *state as i8 == row.state)
                .unwrap_or_default(),
            decided_by: row.decided_by,
            decided: Timestamp(row.decided_us),
            note: row.note,
        }
    }
}

#[derive(Row, Deserialize)]
struct FoundHeld {
    address: Text,
    scope: Text,
    tenant: Text,
    scope_name: Text,
    mail_type: i8,
    reason: Text,
    rule: Text,
    observed_us: i64,
    expires_us: Option<i64>,
    #[serde(with = "clickhouse::serde::uuid_vec")]
    evidence: Vec<Uuid>,
}

impl FoundHeld {
    fn into_change(self) -> Change {
        Change {
            action: Action::Add,
            key: key_of(
                self.address,
                (&self.scope, &self.tenant, &self.scope_name),
                self.mail_type,
                &self.reason,
            ),
            observed: Timestamp(self.observed_us),
            expires: time_of(self.expires_us),
            origin: Origin::Rule(self.rule),
            run: None,
            evidence: self.evidence.into_iter().map(|id| EventId(id.as_u128())).collect(),
            note: Text::default(),
        }
    }
}

impl Store {
    /// Writes reviews and what they hold; what is there already stays as it is, and a decision stands against every
    /// row without one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`]: parts may have arrived; write the same again.
    pub async fn insert_suppression_reviews(
        &self,
        reviews: &[ReviewRow],
        held: &[HeldRow],
    ) -> Result<(), StoreError> {
        // What it holds first: a review that is there is whole.
        self.insert_rows("suppression_held", HELD_COLUMNS, held).await?;
        self.insert_rows("suppression_reviews", REVIEW_COLUMNS, reviews).await
    }

    /// Reviews: those that wait first, then the newest.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn suppression_reviews(&self, limit: u32) -> Result<Vec<ReviewRow>, StoreError> {
        self.reviews(include_str!("reviews.sql"), Uuid::nil(), limit).await
    }

    /// One review.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn suppression_review(&self, review: Uuid) -> Result<Option<ReviewRow>, StoreError> {
        Ok(self.reviews(include_str!("review.sql"), review, 1).await?.pop())
    }

    async fn reviews(
        &self,
        sql: &'static str,
        review: Uuid,
        limit: u32,
    ) -> Result<Vec<ReviewRow>, StoreError> {
        let rows: Vec<FoundReview> = self
            .client
            .query_raw(&sql.replace("@review", include_str!("parts/review.sql")))
            .param("review", review.to_string())
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(|source| StoreError::Query { query: "suppression_reviews", source })?;
        Ok(rows.into_iter().map(ReviewRow::from).collect())
    }

    /// What a review holds, by address, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn suppressions_held(&self, review: Uuid, limit: u32) -> Result<Vec<HeldRow>, StoreError> {
        let rows: Vec<FoundHeld> = self
            .client
            .query_raw(include_str!("held.sql"))
            .param("review", review.to_string())
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(|source| StoreError::Query { query: "suppressions_held", source })?;
        Ok(rows.into_iter().map(|row| HeldRow { review, change: row.into_change() }).collect())
    }
}
