//! The events that suppression rules look at, in the order in which they were stored.
//!
//! Of an event comes what a rule can ask for; the other fields are empty.

use crate::model::{BounceReason, BounceType, Event, EventId, EventType, Text, Timestamp, Trust};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use clickhouse::query::{Query, RowCursor};
use serde::Deserialize;
use uuid::Uuid;

/// Most events of one step, but for those of its last spool record: 20 MB.
pub const RULE_EVENTS_MAX: u32 = 50_000;

/// Some events of one spool, and the record up to which they are all of them.
#[derive(Debug, Clone, Default)]
pub struct RuleEvents {
    pub events: Vec<Event>,
    pub last_seq: u64,
}

/// Which past events are asked for.
#[derive(Debug, Clone, Default)]
pub struct RuleHistory {
    /// One spool, or all of them when it is empty.
    pub ingest_node: Text,
    /// Events of later spool records are left out.
    pub until_seq: u64,
    /// The stretch: from the first time to before the second.
    pub from: Timestamp,
    pub until: Timestamp,
    /// Of failures before `window`, those of these groups and reasons; of deliveries before it, those to recipients
    /// that had such a failure after `since`.
    pub since: Timestamp,
    pub window: Timestamp,
    pub groups: Vec<Text>,
    pub reasons: Vec<Text>,
}

/// Which columns a rule may ask for.
const COLUMNS: &str = include_str!("parts/rule_event.sql");

#[derive(Row, Deserialize)]
struct Found {
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
    event_type: i8,
    event_time_us: i64,
    tenant: Text,
    stream: Text,
    list: Text,
    message_id: Text,
    provider_message_id: Text,
    queue_id: Text,
    envid: Text,
    recipient: Text,
    mailbox_provider: Text,
    mx_host: Text,
    bounce_type: i8,
    bounce_reason: Text,
    feedback_type: Text,
    trust: i8,
    is_repeat: bool,
    is_notification: bool,
    ingest_node: Text,
    ingest_seq: u64,
}

impl From<Found> for Event {
    fn from(row: Found) -> Self {
        let event_type = EventType::ALL.iter().copied().find(|kind| *kind as i8 == row.event_type);
        let list = (!row.list.is_empty()).then(|| (Text::from("list"), row.list));
        Self {
            event_id: EventId(row.event_id.as_u128()),
            event_type: event_type.unwrap_or_default(),
            event_time: Timestamp(row.event_time_us),
            tenant: row.tenant,
            stream: row.stream,
            tags: list.into_iter().collect(),
            message_id: row.message_id,
            provider_message_id: row.provider_message_id,
            queue_id: row.queue_id,
            envid: row.envid,
            recipient: row.recipient,
            mailbox_provider: row.mailbox_provider,
            mx_host: row.mx_host,
            bounce_type: bounce_type(row.bounce_type),
            bounce_reason: BounceReason::from_name(&row.bounce_reason),
            feedback_type: row.feedback_type,
            trust: trust(row.trust),
            is_repeat: row.is_repeat,
            is_notification: row.is_notification,
            ingest_node: row.ingest_node,
            ingest_seq: row.ingest_seq,
            ..Self::default()
        }
    }
}

const fn bounce_type(number: i8) -> BounceType {
    match number {
        1 => BounceType::Hard,
        2 => BounceType::Soft,
        3 => BounceType::Block,
        5 => BounceType::Admin,
        0 => BounceType::None,
        _ => BounceType::Undetermined,
    }
}

/// What is not known to be believed is not believed.
const fn trust(number: i8) -> Trust {
    match number {
        0 => Trust::None,
        1 => Trust::Verified,
        2 => Trust::Matched,
        _ => Trust::Unverified,
    }
}

/// Events on their way from the store.
pub struct RuleEventStream(RowCursor<Found>);

impl RuleEventStream {
    /// The next event; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`]; the stream has ended with it.
    pub async fn next(&mut self) -> Result<Option<Event>, StoreError> {
        let row = self.0.next().await.map_err(failed)?;
        Ok(row.map(Event::from))
    }
}

const fn failed(source: clickhouse::error::Error) -> StoreError {
    StoreError::Query { query: "rule_events", source }
}

impl Store {
    /// The next events of a spool behind record `after` and up to record `until`: at most [`RULE_EVENTS_MAX`], and
    /// those of the last record whole. An answer without events says that there are none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn rule_events(
        &self,
        ingest_node: &str,
        after: u64,
        until: u64,
    ) -> Result<RuleEvents, StoreError> {
        let query = self
            .rule_query(include_str!("rule_events.sql"))
            .param("ingest_node", ingest_node)
            .param("after", after)
            .param("until", until)
            .param("limit", RULE_EVENTS_MAX);
        let mut stream = RuleEventStream(query.fetch().map_err(failed)?);
        let mut events = Vec::new();
        while let Some(event) = stream.next().await? {
            events.push(event);
        }
        // The order must be the same whenever they are read: what a burst recalls follows from it.
        events.sort_by_key(|event: &Event| (event.ingest_seq, event.event_time, event.event_id));
        let is_part = events.len() >= RULE_EVENTS_MAX as usize;
        let last_seq = events.last().filter(|_| is_part).map_or(until, |event| event.ingest_seq);
        Ok(RuleEvents { events, last_seq })
    }

    /// The events of a stretch of time that rules with a memory need to know, by time.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub fn rule_history(&self, asked: &RuleHistory) -> Result<RuleEventStream, StoreError> {
        let texts = |names: &[Text]| names.iter().map(Text::to_string).collect::<Vec<_>>();
        let query = self
            .rule_query(include_str!("rule_history.sql"))
            .param("ingest_node", asked.ingest_node.as_str())
            .param("until_seq", asked.until_seq)
            .param("from_us", asked.from.0)
            .param("until_us", asked.until.0)
            .param("since_us", asked.since.0)
            .param("window_us", asked.window.0)
            .param("groups", texts(&asked.groups))
            .param("reasons", texts(&asked.reasons));
        Ok(RuleEventStream(query.fetch().map_err(failed)?))
    }

    fn rule_query(&self, sql: &'static str) -> Query {
        self.client.query_raw(&sql.replace("@rule_event", COLUMNS))
    }
}
