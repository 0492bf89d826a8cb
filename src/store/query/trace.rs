//! The whole life of one message.

use crate::store::query::events::{EVENT_COLUMNS, as_shown};
use crate::store::query::question::Sql;
use crate::store::query::{EventRow, TimeRange};
use crate::store::{Store, StoreError};

/// Most events of one trace. A message to many recipients has one or more for each; nobody reads further.
const TRACE_ROWS_MAX: u32 = 1_000;

/// How long after a message a notice about it may have events, in seconds: Postfix tries a notice for 5 days
/// (`bounce_queue_lifetime`, postconf(5)), with a day to spare.
const NOTICE_S_MAX: i64 = 6 * 86_400;

/// The condition that takes the events of one message. A relay may use a queue id anew for another message, so with a
/// message id given, a row with another one is no part of it.
fn which(queue_id: &str, message_id: &str) -> Option<&'static str> {
    match (queue_id, message_id) {
        ("", "") => None,
        ("", _) => Some("message_id = {message_id:String}"),
        (_, "") => Some("queue_id = {queue_id:String} AND relay = {relay:String}"),
        _ => Some(
            "message_id = {message_id:String} \
             OR queue_id = {queue_id:String} AND relay = {relay:String} AND message_id = ''",
        ),
    }
}

impl Store {
    /// All events of one message, oldest first, at most a thousand, then those of the notices that the relay wrote
    /// about it, by their time among them.
    ///
    /// A message is the events of one queue id at one relay, and all events with its message id wherever they come
    /// from. Relays use queue ids anew: with a message id given, events under the queue id that have another one are
    /// left out.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn trace(
        &self,
        relay: &str,
        queue_id: &str,
        message_id: &str,
    ) -> Result<Vec<EventRow>, StoreError> {
        let Some(message) = which(queue_id, message_id) else {
            return Ok(Vec::new());
        };
        let sql = Sql::of(include_str!("trace.sql"))
            .with("@event_columns", EVENT_COLUMNS)
            .with("@message", message);
        let mut events: Vec<EventRow> = self
            .ask("trace", &sql)
            .param("relay", relay)
            .param("queue_id", queue_id)
            .param("message_id", message_id)
            .param("limit", TRACE_ROWS_MAX)
            .rows()
            .await?;
        if let (Some(first), Some(last)) = (events.first(), events.last()) {
            let range = TimeRange {
                from_unix: first.event_time_us.div_euclid(1_000_000),
                to_unix: last.event_time_us.div_euclid(1_000_000) + NOTICE_S_MAX,
            };
            let notices = self.trace_notices(range, &events).await?;
            events.extend(notices);
            events.sort_by(|a, b| (a.event_time_us, &a.event_id).cmp(&(b.event_time_us, &b.event_id)));
            // A notice about a notice of the same message would come twice.
            events.dedup_by(|a, b| a.event_id == b.event_id);
        }
        Ok(as_shown(events))
    }

    async fn trace_notices(&self, range: TimeRange, about: &[EventRow]) -> Result<Vec<EventRow>, StoreError> {
        let distinct = |of: fn(&EventRow) -> &str| {
            let mut values: Vec<&str> = about.iter().map(of).filter(|value| !value.is_empty()).collect();
            values.sort_unstable();
            values.dedup();
            values
        };
        let sql = Sql::of(include_str!("trace_notices.sql"))
            .with("@event_columns", EVENT_COLUMNS)
            .with_rows(include_str!("parts/events.sql"), &[]);
        self.ask("trace_notices", &sql)
            .range(range)
            .param("relays", distinct(|event| &event.relay))
            .param("queue_ids", distinct(|event| &event.queue_id))
            .param("limit", TRACE_ROWS_MAX)
            .rows()
            .await
    }
}
