//! One reject with all its bytes.

use crate::store::query::RejectRow;
use crate::store::query::question::Question;
use crate::store::{Store, StoreError};

impl Store {
    /// The reject of that id (a UUID), or `None` when there is none, or when the text is no id.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn reject(&self, id: &str) -> Result<Option<RejectRow>, StoreError> {
        self.ask_reject("reject", include_str!("reject.sql")).param("reject_id", id).row_if_any().await
    }

    /// Begins a question about `@reject_row`.
    pub(super) fn ask_reject(&self, name: &'static str, sql: &str) -> Question {
        self.ask(name, &sql.replace("@reject_row", include_str!("parts/reject_row.sql")))
    }
}
