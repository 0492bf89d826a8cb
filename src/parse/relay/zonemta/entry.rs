//! Log entries as JSON: what ZoneMTA hands to the hook `log:entry`, one object a line.
//!
//! Way: the reader hands a line that begins with `{` in; this module reads it into a fact.
//! Source: ZoneMTA `lib/sender.js`, `lib/mail-drop.js` and `lib/mail-queue.js` (calls of `remotelog`).

use super::Fact;
use crate::model::{RejectReason, Timestamp};
use crate::parse::Reject;
use crate::parse::ndjson::value::{Value, json_reject};
use serde::Deserialize;

/// The fields that are read. Unknown ones are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Entry<'a> {
    id: Value<'a>,
    action: Value<'a>,
    time: Value<'a>,
    category: Value<'a>,
    reason: Value<'a>,
    description: Value<'a>,
    zone: Value<'a>,
    from: Value<'a>,
    #[serde(rename = "returnPath")]
    return_path: Value<'a>,
    to: Value<'a>,
    recipient: Value<'a>,
    mx: Value<'a>,
    host: Value<'a>,
    ip: Value<'a>,
    src: Value<'a>,
    response: Value<'a>,
    #[serde(rename = "responseText")]
    response_text: Value<'a>,
    error: Value<'a>,
    size: Value<'a>,
    body: Value<'a>,
    timer: Value<'a>,
    start: Value<'a>,
    #[serde(rename = "messageId")]
    delivery_message_id: Value<'a>,
    #[serde(rename = "message-id")]
    message_id: Value<'a>,
    protocol: Value<'a>,
    defcount: Value<'a>,
    auth: Value<'a>,
    user: Value<'a>,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    journal_time: Value<'a>,
}

impl<'a> Entry<'a> {
    /// Reads an object.
    ///
    /// # Errors
    ///
    /// When the line is none.
    pub(super) fn read(text: &'a str) -> Result<Self, Reject> {
        serde_json::from_str(text).map_err(|error| json_reject(&error))
    }

    /// Whether the object is an entry of the system's journal, with a log line in it.
    pub(super) fn is_of_journal(&self) -> bool {
        self.journal_time.is_said()
    }

    /// Returns what the entry says.
    ///
    /// # Errors
    ///
    /// [`RejectReason::MissingField`] without `action` or `id`, and as the values' own readers.
    pub(super) fn fact(&self, received: Timestamp) -> Result<Fact<'_>, Reject> {
        for (name, value) in [("action", &self.action), ("id", &self.id)] {
            if !value.is_said() {
                return Err(Reject::new(
                    RejectReason::MissingField,
                    format!("`{name}` is missing; a log entry of ZoneMTA has it"),
                ));
            }
        }
        let is_delivery = self.mx.is_said();
        let xfer_ms: Option<u32> = self.timer.parse("timer", "a number of milliseconds")?;
        Ok(Fact {
            action: self.action.text("action")?,
            category: first_said([&self.category, &self.reason, &self.description])?,
            queue_id: self.id.text("id")?,
            session_id: "",
            zone: self.zone.text("zone")?,
            from: match first_said([&self.return_path, &self.from])? {
                "<>" => "",
                from => from,
            },
            to: first_said([&self.to, &self.recipient])?,
            source_ip: if is_delivery { self.ip.ip("ip")? } else { self.src.ip("src")? },
            mx_host: self.mx.text("mx")?,
            mx_ip: self.host.ip("host").unwrap_or_default(),
            message_id: first_said([&self.message_id, &self.delivery_message_id])?,
            response: first_said([&self.response, &self.response_text, &self.error])?,
            login: first_said([&self.auth, &self.user])?,
            protocol: self.protocol.text("protocol")?,
            size_bytes: match self.size.parse("size", "a number of bytes")? {
                Some(size) => size,
                None => self.body.parse("body", "a number of bytes")?.unwrap_or(0),
            },
            xfer_ms,
            attempt: self.defcount.parse("defcount", "0 to 65535")?.unwrap_or(0),
            time: match self.time.time("time", received)? {
                Some(time) => Some(time),
                None => self.end_of_transfer(xfer_ms, received)?,
            },
        })
    }

    /// When the message had been sent, which is when its receiver answered.
    fn end_of_transfer(
        &self,
        xfer_ms: Option<u32>,
        received: Timestamp,
    ) -> Result<Option<Timestamp>, Reject> {
        if self.action.as_text() != Some("ACCEPTED") {
            return Ok(None);
        }
        let start = self.start.time("start", received)?;
        Ok(start.map(|start| Timestamp(start.0 + i64::from(xfer_ms.unwrap_or(0)) * 1_000)))
    }
}

/// Returns the first value that says something.
fn first_said<'v, const N: usize>(values: [&'v Value<'_>; N]) -> Result<&'v str, Reject> {
    match values.into_iter().find(|value| value.is_said()) {
        Some(value) => value.text("a field of the entry"),
        None => Ok(""),
    }
}
