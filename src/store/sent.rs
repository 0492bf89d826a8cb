//! Which of our own messages a feedback item may be about.
//!
//! Way: `pipeline` gathers the ids that a batch of feedback names, asks here once, and decides (`pipeline::attribute`).
//! Events of the batch under construction are not stored yet: [`EventBlock::sent`] finds them.

use crate::model::{EventType, Text, Timestamp};
use crate::store::events::EventBlock;
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};

/// Events looked at for one kind of id in one question; a message to a long list of recipients has many.
const SENT_ROWS_MAX: u32 = 20_000;

/// Ids asked for in one question: about 200 kB of text.
const IDS_PER_QUESTION: usize = 2_000;

/// The ids by which a message may be known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SentKeys {
    pub message_ids: HashSet<Text>,
    pub provider_message_ids: HashSet<Text>,
    pub queue_ids: HashSet<Text>,
    pub envids: HashSet<Text>,
    /// Return paths that stand for one message each.
    pub env_froms: HashSet<Text>,
}

/// An event of a message that we sent, with what feedback about it takes over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SentEvent {
    pub event_id: u128,
    pub event_type: i8,
    pub event_time: Timestamp,
    pub message_id: Text,
    pub provider_message_id: Text,
    pub queue_id: Text,
    pub envid: Text,
    pub recipient: Text,
    pub orig_recipient: Text,
    pub relay: Text,
    pub tenant: Text,
    pub stream: Text,
    pub campaign: Text,
    pub env_from: Text,
    pub env_from_domain: Text,
    pub header_from_domain: Text,
    pub pool: Text,
    pub egress_source: Text,
    pub sending_ip: Option<IpAddr>,
}

impl SentEvent {
    /// Whether the event already says that the delivery has failed for good.
    pub const fn is_failure(&self) -> bool {
        self.event_type == EventType::Bounced as i8 || self.event_type == EventType::Expired as i8
    }

    /// Whether the event says that a suppression list stopped the delivery.
    pub const fn is_suppressed(&self) -> bool {
        self.event_type == EventType::Suppressed as i8
    }

    /// Whether the receiver reported the message as spam.
    pub const fn is_complaint(&self) -> bool {
        self.event_type == EventType::Complained as i8
    }
}

impl SentKeys {
    pub fn is_empty(&self) -> bool {
        self.by_column().iter().all(|(_, ids)| ids.is_empty())
    }

    /// Column of `events`, ids.
    fn by_column(&self) -> [(&'static str, &HashSet<Text>); 5] {
        [
            ("message_id", &self.message_ids),
            ("provider_message_id", &self.provider_message_ids),
            ("queue_id", &self.queue_ids),
            ("envid", &self.envids),
            ("env_from", &self.env_froms),
        ]
    }
}

#[derive(Row, Deserialize)]
struct SentRow {
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: uuid::Uuid,
    event_type: i8,
    event_time_us: i64,
    message_id: Text,
    provider_message_id: Text,
    queue_id: Text,
    envid: Text,
    recipient: Text,
    orig_recipient: Text,
    relay: Text,
    tenant: Text,
    stream: Text,
    campaign: Text,
    env_from: Text,
    env_from_domain: Text,
    header_from_domain: Text,
    pool: Text,
    egress_source: Text,
    sending_ip: Ipv6Addr,
}

impl Store {
    /// Returns the believed events of the messages that any of these ids names, with times from `first` to `last`, both
    /// included. Leaves out the rows of an interrupted batch, as [`Store::recent_ids`] does.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn sent_events(
        &self,
        ingest_node: &str,
        before_seq: u64,
        (first, last): (Timestamp, Timestamp),
        keys: &SentKeys,
    ) -> Result<Vec<SentEvent>, StoreError> {
        let mut found = Vec::new();
        for (column, ids) in keys.by_column() {
            let ids: Vec<&Text> = ids.iter().collect();
            // One question for each kind of id: of ids joined by OR, no skip index can rule a block out.
            let sql = include_str!("sent.sql").replace("@column", column);
            for ids in ids.chunks(IDS_PER_QUESTION) {
                let rows: Vec<SentRow> = self
                    .client
                    .query_raw(&sql)
                    .param("ingest_node", ingest_node)
                    .param("before_seq", before_seq)
                    .param("first_us", first.0)
                    .param("last_us", last.0)
                    .param("ids", ids.iter().map(|id| id.as_str()).collect::<Vec<_>>())
                    .param("limit", SENT_ROWS_MAX)
                    .fetch_all()
                    .await
                    .map_err(|source| StoreError::Query { query: "sent_events", source })?;
                found.extend(rows.into_iter().map(SentEvent::from));
            }
        }
        Ok(found)
    }
}

impl From<SentRow> for SentEvent {
    fn from(row: SentRow) -> Self {
        Self {
            event_id: row.event_id.as_u128(),
            event_type: row.event_type,
            event_time: Timestamp(row.event_time_us),
            message_id: row.message_id,
            provider_message_id: row.provider_message_id,
            queue_id: row.queue_id,
            envid: row.envid,
            recipient: row.recipient,
            orig_recipient: row.orig_recipient,
            relay: row.relay,
            tenant: row.tenant,
            stream: row.stream,
            campaign: row.campaign,
            env_from: row.env_from,
            env_from_domain: row.env_from_domain,
            header_from_domain: row.header_from_domain,
            pool: row.pool,
            egress_source: row.egress_source,
            sending_ip: (!row.sending_ip.is_unspecified()).then(|| IpAddr::V6(row.sending_ip).to_canonical()),
        }
    }
}

impl EventBlock {
    /// The events in the block that any of these ids names.
    pub fn sent(&self, keys: &SentKeys) -> Vec<SentEvent> {
        let block = self.block();
        let mut rows = HashSet::new();
        for (column, ids) in keys.by_column().into_iter().filter(|(_, ids)| !ids.is_empty()) {
            let texts = block.column(column).texts().enumerate();
            rows.extend(texts.filter(|(_, text)| ids.contains(*text)).map(|(row, _)| row));
        }
        if rows.is_empty() {
            return Vec::new();
        }
        let mut rows: Vec<usize> = rows.into_iter().collect();
        rows.sort_unstable();
        let mut found: Vec<SentEvent> = rows
            .iter()
            .map(|row| SentEvent {
                event_id: block.column("event_id").uuid_at(*row),
                event_type: block.column("event_type").i8_at(*row),
                event_time: Timestamp(block.column("event_time").i64_at(*row)),
                sending_ip: block.column("sending_ip").ip_at(*row),
                ..SentEvent::default()
            })
            .collect();
        for (column, field) in TEXT_FIELDS {
            let mut wanted = rows.iter().zip(&mut found).peekable();
            for (at, text) in block.column(column).texts().enumerate() {
                if let Some((_, event)) = wanted.next_if(|(row, _)| **row == at) {
                    *field(event) = text.into();
                }
            }
        }
        found
    }
}

/// Column, and the field that it fills.
type TextField = (&'static str, fn(&mut SentEvent) -> &mut Text);

const TEXT_FIELDS: [TextField; 15] = [
    ("message_id", |e| &mut e.message_id),
    ("provider_message_id", |e| &mut e.provider_message_id),
    ("queue_id", |e| &mut e.queue_id),
    ("envid", |e| &mut e.envid),
    ("recipient", |e| &mut e.recipient),
    ("orig_recipient", |e| &mut e.orig_recipient),
    ("relay", |e| &mut e.relay),
    ("tenant", |e| &mut e.tenant),
    ("stream", |e| &mut e.stream),
    ("campaign", |e| &mut e.campaign),
    ("env_from", |e| &mut e.env_from),
    ("env_from_domain", |e| &mut e.env_from_domain),
    ("header_from_domain", |e| &mut e.header_from_domain),
    ("pool", |e| &mut e.pool),
    ("egress_source", |e| &mut e.egress_source),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Event, EventId};

    fn event(number: u128, message_id: &str, recipient: &str) -> Event {
        Event {
            event_id: EventId(number),
            event_type: EventType::Delivered,
            event_time: Timestamp(number.try_into().unwrap()),
            message_id: message_id.into(),
            recipient: recipient.into(),
            stream: "x".repeat(300).into(),
            sending_ip: Some("192.0.2.1".parse().unwrap()),
            ..Event::default()
        }
    }

    #[test]
    fn events_of_a_block_are_found_by_any_id() {
        let mut block = EventBlock::default();
        for number in 0..10 {
            block.push(&event(
                number,
                &format!("m{}@example.com", number / 2),
                &format!("r{number}@example.net"),
            ));
        }
        let queued = Event { queue_id: "4Q1".into(), ..event(77, "", "q@example.net") };
        block.push(&queued);
        let keys = SentKeys {
            message_ids: HashSet::from(["m3@example.com".into(), "none@example.com".into()]),
            queue_ids: HashSet::from(["4Q1".into()]),
            ..SentKeys::default()
        };
        let found = block.sent(&keys);
        let recipients: Vec<_> = found.iter().map(|event| event.recipient.as_str()).collect();
        assert_eq!(recipients, ["r6@example.net", "r7@example.net", "q@example.net"]);
        assert_eq!((found[0].event_id, found[0].event_time), (6, Timestamp(6)));
        assert_eq!((found[2].event_id, found[2].stream.len()), (77, 300));
        assert_eq!(found[1].sending_ip, Some("192.0.2.1".parse().unwrap()));
        assert!(block.sent(&SentKeys::default()).is_empty());
    }
}
