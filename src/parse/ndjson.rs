//! relaylens' own event form: one JSON object a line, one event an object.
//!
//! Way: `POST /v1/events` and `relaylens import` bring lines, this module reads each into one [`Event`], `classify`
//! goes on. The names are those of the columns of the `events` table; `fields` lists what each may hold.
//!
//! | required | |
//! | --- | --- |
//! | `event_type` | a name of [`crate::model::EventType`] |
//! | `event_time` | RFC 3339 with an offset, or seconds or milliseconds since 1970 |
//! | `recipient` | unless [`crate::model::EventType::may_lack_recipient`] |
//!
//! A field that this form does not know is kept in `meta` under its name, arrays and objects as JSON text, so that
//! nothing is lost. What relaylens sets itself (`source`, `received_time`, …) is passed over.
//! Not here: deciding what a reply means (`classify`); splitting a body into lines (`ingest`).

mod fields;
mod object;
#[cfg(test)]
mod tests;
pub(in crate::parse) mod value;
mod write;

pub use value::{
    FIELD_BYTES_MAX, PAIR_NAME_BYTES_MAX, PAIRS_MAX, TIME_AHEAD_SECONDS_MAX, TIME_BEHIND_SECONDS_MAX,
};
pub use write::to_ndjson;

use crate::model::{Event, EventId, RejectReason, Text, Timestamp};
use crate::parse::{EventReader, Item, Reject};

/// Longest line, in bytes. All fields of the form at their limits come to less; a longer line is no event.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// The reader of the form. It keeps no state.
#[derive(Debug, Clone, Copy, Default)]
pub struct NdjsonReader;

impl EventReader for NdjsonReader {
    fn read(&mut self, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
        // filled where it stays: an event is a kilobyte, and is not moved about
        let event = events.push_mut(Event {
            received_time: item.received,
            source_kind: item.source.kind,
            source: item.source.name.clone(),
            ..Event::default()
        });
        match read_line(item.bytes, item.received, event) {
            Ok(given_id) => {
                event.event_id = event_id(event, &given_id);
                Ok(())
            }
            Err(reject) => {
                events.pop();
                Err(reject)
            }
        }
    }
}

/// Tells whether [`NdjsonReader`] will read the line: what the HTTP door answers for each line.
///
/// # Errors
///
/// The same [`Reject`] as the reader's.
pub fn check(line: &[u8], received: Timestamp) -> Result<(), Reject> {
    read_line(line, received, &mut Event::default()).map(drop)
}

/// Reads a line into an empty event; returns the id that its sender gave it.
fn read_line(line: &[u8], received: Timestamp, event: &mut Event) -> Result<Text, Reject> {
    let draft = fields::read(value::record_text(line, LINE_BYTES_MAX)?, received, event)?;
    let event_type = draft.event_type.ok_or_else(|| missing("event_type", "what happened"))?;
    let event_time = draft.event_time.ok_or_else(|| missing("event_time", "when it happened"))?;
    let given_id = draft.given_id;
    (event.event_type, event.event_time) = (event_type, event_time);
    if event.recipient.is_empty() && !event_type.may_lack_recipient() {
        return Err(missing("recipient", "whom it happened to"));
    }
    Ok(given_id)
}

/// The id of an event: what its sender calls it, else what tells it from all others.
///
/// The name of the source is part of it, because two senders may both count from 1.
fn event_id(event: &Event, given: &str) -> EventId {
    if !given.is_empty() {
        return EventId::of([b"ndjson".as_slice(), event.source.as_bytes(), given.as_bytes()]);
    }
    EventId::of([
        b"ndjson".as_slice(),
        event.source.as_bytes(),
        event.event_type.name().as_bytes(),
        &event.event_time.0.to_be_bytes(),
        event.recipient.as_bytes(),
        event.message_id.as_bytes(),
        event.provider_message_id.as_bytes(),
        event.queue_id.as_bytes(),
        event.relay.as_bytes(),
        &event.attempt.to_be_bytes(),
        &event.reply.code.to_be_bytes(),
        event.reply.text.as_bytes(),
        event.click_url.as_bytes(),
    ])
}

fn missing(field: &str, what: &str) -> Reject {
    Reject::new(RejectReason::MissingField, format!("`{field}` is missing: say {what}"))
}
