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
mod delivery;
mod event;
mod line;
mod queue_id;
mod refusal;
mod reply;
mod tls;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod traps;

use crate::model::{Event, Text};
use crate::parse::relay::header::{self, Header};
use crate::parse::relay::in_flight::{InFlight, Message};
use crate::parse::relay::journal;
use crate::parse::relay::log;
use crate::parse::relay::stamp::StampReader;
use crate::parse::relay::teller::Teller;
use crate::parse::{EventReader, Item, Reject};
use apply::Memory;
use serde::{Deserialize, Serialize};
use tls::TlsSessions;

pub use crate::parse::relay::log::{LINE_BYTES_MAX, LogOptions as PostfixOptions, RestoreError};

/// Longest text behind the head of a line, in bytes; the rest is not read. 2000 characters of UTF-8 stay
/// below it, and no message holds more of it in memory.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Form of the snapshots that this version writes and reads.
const SNAPSHOT_VERSION: u32 = 1;

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
        log::check_version(snapshot, SNAPSHOT_VERSION)?;
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
        log::check_names(&header)?;
        match line::read(&header.text[..header.text.floor_char_boundary(TEXT_BYTES_MAX)]) {
            Some(line) => apply::apply(&mut self.memory, &Teller { item, header, cursor }, &line, events),
            None => Ok(()),
        }
    }
}

impl EventReader for PostfixReader {
    fn read(&mut self, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
        let line = log::line_text(item)?;
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
