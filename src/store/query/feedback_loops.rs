//! From which providers complaints come, and since when they do not.

use crate::store::query::question::Sql;
use crate::store::query::{FeedbackLoopRow, Filter};
use crate::store::{Store, StoreError};

/// Most providers: some hundred are told apart.
const LOOPS_MAX: u32 = 1_000;

/// How far back a loop is looked for that has fallen silent, in seconds: 90 days, as long as events are kept by default.
const BACK_S: i64 = 90 * 86_400;

const ROWS: &str = "events\nWHERE events.event_type = 'complained'\n  \
    AND events.event_time >= fromUnixTimestamp64Micro({back_us:Int64}, 'UTC')\n  \
    AND events.event_time < fromUnixTimestamp64Micro({to_us:Int64}, 'UTC')\n";

const IN_RANGE: &str = "events.event_time >= fromUnixTimestamp64Micro({from_us:Int64}, 'UTC')";

impl Store {
    /// Counts complaints by provider in the filter's range, and says when the last one came, up to 90 days before.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn feedback_loops(&self, filter: &Filter) -> Result<Vec<FeedbackLoopRow>, StoreError> {
        let range = filter.range.in_calendar();
        let sql = Sql::of(include_str!("feedback_loops.sql"))
            .with("@in_range", IN_RANGE)
            .with_rows(ROWS, &filter.conditions());
        self.ask("feedback_loops", &sql)
            .filter(filter)
            .param("from_us", range.from_unix * 1_000_000)
            .param("to_us", range.to_unix * 1_000_000)
            .param("back_us", (range.from_unix - BACK_S).max(0) * 1_000_000)
            .param("limit", LOOPS_MAX)
            .rows()
            .await
    }
}
