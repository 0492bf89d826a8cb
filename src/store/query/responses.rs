//! What receivers answered when they did not take the mail, by kind of reply.

use crate::store::query::{Filter, ResponseRow};
use crate::store::{Store, StoreError};

/// Reasons that say that no rule knew the reply (`BounceReason::Undefined`, `OnHold`), or that nobody classified it.
const UNCLASSIFIED: [&str; 3] = ["undefined", "onhold", ""];

impl Store {
    /// The commonest kinds of reply of events of these types (none means all of `deferred`, `bounced`, `expired`,
    /// `rejected`), at most `limit`, over the whole hours that contain the filter's range.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn responses(
        &self,
        filter: &Filter,
        event_types: &[&str],
        limit: u32,
    ) -> Result<Vec<ResponseRow>, StoreError> {
        let question = self.ask_replies("responses", include_str!("responses.sql"), filter, event_types, &[]);
        question.param("limit", limit).rows().await
    }

    /// The commonest kinds of reply that no rule knew, at most `limit`, over the whole hours that contain the
    /// filter's range.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn unclassified_responses(
        &self,
        filter: &Filter,
        limit: u32,
    ) -> Result<Vec<ResponseRow>, StoreError> {
        let sql = include_str!("responses.sql");
        let question = self.ask_replies("unclassified_responses", sql, filter, &[], &UNCLASSIFIED);
        question.param("limit", limit).rows().await
    }
}
