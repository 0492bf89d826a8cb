//! Failures by group, step by step.

use crate::store::query::bounce_classes::FAILURES;
use crate::store::query::filter::{HOUR_S, SERIES_STEPS_MAX};
use crate::store::query::{BounceGroupAt, Filter};
use crate::store::{Store, StoreError};

/// Most groups: 12 and the empty one, with room for groups that an older version wrote.
const GROUPS_MAX: u32 = 20;

impl Store {
    /// Counts failures for good (bounced and expired) by group and by steps of `step_s` seconds, rounded up to whole
    /// hours, over the whole hours that contain the filter's range; ascending.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn bounce_group_series(
        &self,
        filter: &Filter,
        step_s: u32,
    ) -> Result<Vec<BounceGroupAt>, StoreError> {
        let sql = include_str!("bounce_group_series.sql");
        self.ask_replies("bounce_group_series", sql, filter, &FAILURES, &[])
            .param("step_s", filter.range.step_s(step_s, HOUR_S))
            .param("limit", (SERIES_STEPS_MAX + 1) * GROUPS_MAX)
            .rows()
            .await
    }
}
