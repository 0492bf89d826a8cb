//! One reject with all its bytes.

use crate::store::query::RejectRow;
use crate::store::query::question::Sql;
use crate::store::{Store, StoreError};

/// The columns of a [`RejectRow`] but the bytes.
pub(super) const REJECT_COLUMNS: &str = include_str!("parts/reject_columns.sql");

impl Store {
    /// The reject of that id (a UUID), or `None` when there is none, or when the text is no id.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn reject(&self, id: &str) -> Result<Option<RejectRow>, StoreError> {
        let sql = Sql::of(include_str!("reject.sql")).with("@reject_columns", REJECT_COLUMNS);
        self.ask("reject", &sql).param("reject_id", id).row_if_any().await
    }
}
