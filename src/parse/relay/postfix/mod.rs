//! Postfix mail logs: lines in, deliveries and their like out.
//!
//! Way: `pipeline` hands the lines of one source in order; `header` or `journal` reads the head of each,
//! `line` the rest, `apply` puts it together with what `state` holds of the message. A message is spread over
//! seven lines and more, which carry its queue id.
//! Source: Postfix 2.9 to 3.11, see the files of this room; the captures in `tests/data/postfix` are of
//! 3.7.11.
//! Not here: what a reply means and who the mailbox provider is (`classify`); following files (`ingest`).
//!
//! Differences between the lines and the events:
//! - `accepted` comes at the first `queue active`, once; later rounds of attempts give none.
//! - A notice that the relay wrote is a `notification` when the line that tells what it is about came first,
//!   else an `accepted`; `is_notification` is set on all events of both.
//! - A `hold`, `warn`, `filter` or `redirect` gives no event: the message goes on.
//! - A delivery to a content filter is `delivered` like any other, and the message is accepted again behind
//!   it; the same goes for one that `postsuper -r` put back into the queue.
//! - A message that was `canceled` before it was accepted gives none; a client left in the middle of it.

mod apply;
mod cut;
mod delivery;
mod event;
mod header;
mod journal;
mod line;
mod queue_id;
mod refusal;
mod reply;
mod stamp;
mod state;
mod tls;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod traps;

use crate::model::{Event, RejectReason, Text};
use crate::parse::{EventReader, Item, Reject};
use apply::Memory;
use event::Teller;
use header::Header;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use stamp::StampReader;
use state::{InFlight, Limits, Message};
use std::borrow::Cow;
use tls::TlsSessions;

/// Longest line read, in bytes. Postfix cuts at 2000 characters; a journal entry adds some kilobytes of
/// fields.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Longest text behind the head of a line, in bytes; the rest is not read. 2000 characters of UTF-8 stay
/// below it, and no message holds more of it in memory.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Longest name of a host, a program or a process, in bytes: that of a domain name (RFC 1035 section 2.3.4).
const NAME_BYTES_MAX: usize = 255;

/// Form of the snapshots that this version writes and reads.
const SNAPSHOT_VERSION: u32 = 1;

/// How a Postfix log is read.
#[derive(Debug, Clone)]
pub struct PostfixOptions {
    /// Zone of time stamps without one, that of the relay's clock. Default UTC.
    pub time_zone: TimeZone,
    /// Messages in the queue of the relays and recipients that wait for another attempt, together. Default
    /// 200 000: at some 450 bytes each (measured) that is 90 MB. When over, the oldest message is forgotten,
    /// and its later events lack sender, message id and attempt.
    pub in_flight_max: usize,
    /// Recipients of one message that wait for another attempt. Default 20 000, as many as Postfix itself
    /// holds in memory (`qmgr_message_recipient_limit`). The events of those beyond lack the attempt, and
    /// they do not expire.
    pub waiting_max: usize,
    /// Days after which a message that did not leave the queue is forgotten. Default 10: twice the time after
    /// which Postfix gives up (`maximal_queue_lifetime`, 5 days).
    pub age_max_days: u16,
}

impl Default for PostfixOptions {
    fn default() -> Self {
        Self { time_zone: TimeZone::UTC, in_flight_max: 200_000, waiting_max: 20_000, age_max_days: 10 }
    }
}

impl PostfixOptions {
    fn limits(&self) -> Limits {
        const DAY_MICROS: i64 = 86_400 * 1_000_000;
        let age_max_micros = i64::from(self.age_max_days) * DAY_MICROS;
        Limits { in_flight_max: self.in_flight_max, waiting_max: self.waiting_max, age_max_micros }
    }
}

/// Why a snapshot could not be taken back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("the state of the Postfix reader is damaged; delete it to read on with an empty one")]
    Damaged(#[source] serde_json::Error),
    #[error(
        "the state of the Postfix reader has version {found}, this program reads {SNAPSHOT_VERSION}; \
         delete it to read on with an empty one"
    )]
    Version { found: u32 },
}

/// Reads the mail log of one source, which may hold lines of several relays.
#[derive(Debug)]
pub struct PostfixReader {
    stamps: StampReader,
    memory: Memory,
}

/// What survives a restart.
#[derive(Serialize)]
struct SnapshotRef<'a> {
    version: u32,
    messages: Vec<(&'a Text, &'a Message)>,
    tls: &'a TlsSessions,
}

#[derive(Deserialize)]
struct Snapshot {
    messages: Vec<(Text, Message)>,
    tls: TlsSessions,
}

/// Read first, since another version may have another form.
#[derive(Deserialize)]
struct SnapshotVersion {
    version: u32,
}

impl PostfixReader {
    pub fn new(options: &PostfixOptions) -> Self {
        Self::with(options, InFlight::new(options.limits()), TlsSessions::default())
    }

    /// Takes the state back that [`EventReader::snapshot`] gave.
    ///
    /// # Errors
    ///
    /// When the bytes are no snapshot of this version.
    pub fn restore(options: &PostfixOptions, snapshot: &[u8]) -> Result<Self, RestoreError> {
        let SnapshotVersion { version } = serde_json::from_slice(snapshot).map_err(RestoreError::Damaged)?;
        if version != SNAPSHOT_VERSION {
            return Err(RestoreError::Version { found: version });
        }
        let Snapshot { messages, tls } = serde_json::from_slice(snapshot).map_err(RestoreError::Damaged)?;
        Ok(Self::with(options, InFlight::restore(options.limits(), messages), tls))
    }

    fn with(options: &PostfixOptions, in_flight: InFlight, tls: TlsSessions) -> Self {
        Self {
            stamps: StampReader::new(options.time_zone.clone()),
            memory: Memory { in_flight, tls, key: String::new() },
        }
    }

    fn read_line(
        &mut self,
        header: Header<'_>,
        cursor: &str,
        item: &Item<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        if !header.is_postfix() {
            return Ok(());
        }
        if [header.host, header.syslog_name, header.pid].iter().any(|name| name.len() > NAME_BYTES_MAX) {
            return Err(Reject::new(
                RejectReason::BadValue,
                format!("host, program or process name over {NAME_BYTES_MAX} bytes at the head of the line"),
            ));
        }
        match line::read(&header.text[..header.text.floor_char_boundary(TEXT_BYTES_MAX)]) {
            Some(line) => apply::apply(&mut self.memory, &Teller { item, header, cursor }, &line, events),
            None => Ok(()),
        }
    }
}

impl EventReader for PostfixReader {
    fn read(&mut self, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
        if item.bytes.len() > LINE_BYTES_MAX {
            return Err(Reject::new(
                RejectReason::TooLarge,
                format!("line of {} bytes, the limit is {LINE_BYTES_MAX}", item.bytes.len()),
            ));
        }
        // a receiver's reply may hold any bytes; checking first is faster than `from_utf8_lossy` alone
        let line =
            str::from_utf8(item.bytes).map_or_else(|_| String::from_utf8_lossy(item.bytes), Cow::Borrowed);
        if line.starts_with('{') {
            let entry = journal::Entry::read(&line)?;
            return self.read_line(entry.header()?, entry.cursor(), item, events);
        }
        match header::read(&line, &mut self.stamps, item.received)? {
            Some(header) => self.read_line(header, "", item, events),
            None => Ok(()),
        }
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        let messages = self.memory.in_flight.messages().collect();
        let snapshot = SnapshotRef { version: SNAPSHOT_VERSION, messages, tls: &self.memory.tls };
        Some(serde_json::to_vec(&snapshot).expect("records of texts and numbers under text keys"))
    }
}
