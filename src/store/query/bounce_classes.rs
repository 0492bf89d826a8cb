//! Failures by class.

use crate::store::query::{BounceClassRow, Filter};
use crate::store::{Store, StoreError};

/// What counts as a failure for good.
pub(super) const FAILURES: [&str; 2] = ["bounced", "expired"];

/// Most classes: 34 reasons, each with the few types and groups that rules gave it over the years.
const CLASSES_MAX: u32 = 500;

impl Store {
    /// Counts failures for good (bounced and expired) by class, the commonest first, over the whole hours that contain
    /// the filter's range.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn bounce_classes(&self, filter: &Filter) -> Result<Vec<BounceClassRow>, StoreError> {
        let sql = include_str!("bounce_classes.sql");
        self.ask_replies("bounce_classes", sql, filter, &FAILURES, &[])
            .param("limit", CLASSES_MAX)
            .rows()
            .await
    }
}
