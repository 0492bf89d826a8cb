//! One kept mail, and what was read from it.

use crate::store::query::events::{EVENT_COLUMNS, as_shown};
use crate::store::query::question::Sql;
use crate::store::query::{EventRow, MailRow};
use crate::store::{Store, StoreError};

/// Most events of one mail that are shown: a notice about more recipients is rare.
const MAIL_EVENTS_MAX: u32 = 500;

impl Store {
    /// The kept mail of that id (a UUID), or `None` when its retention has ended, or when the text is no id.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn mail(&self, id: &str) -> Result<Option<MailRow>, StoreError> {
        self.ask("mail", &Sql::of(include_str!("mail.sql"))).param("mail_id", id).row_if_any().await
    }

    /// The events that were read from the mail of that id.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn mail_events(&self, id: &str) -> Result<Vec<EventRow>, StoreError> {
        let sql = Sql::of(include_str!("mail_events.sql")).with("@event_columns", EVENT_COLUMNS);
        let rows = self.ask("mail_events", &sql).param("mail_id", id).param("limit", MAIL_EVENTS_MAX);
        Ok(as_shown(rows.rows().await?))
    }
}
