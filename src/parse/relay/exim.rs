//! Exim main logs: lines in, deliveries and their like out.
//!
//! Way: `pipeline` hands the lines of one source in order; `head` reads the front of each, `line` the rest,
//! `apply` puts it together with what is remembered of the message, which its id names on every line.
//! Source: Exim's specification, chapter "Log files" (flags, fields, `log_selector`), its `src/deliver.c` and
//! `src/log.c`; the captures in `tests/data/exim` are of 4.96.
//! Not here: what a reply means and who the mailbox provider is (`classify`); following files (`ingest`); the
//! reject and panic logs, whose lines stand in the main log too.
//!
//! | line | event |
//! | --- | --- |
//! | `<=`, `(=` | `accepted`; `notification` for a notice of the relay itself (`<= <> R=…`) |
//! | `=>`, `->`, `>>` | `delivered` to a host, `delivered_local` without one, `dropped` by `:blackhole:` |
//! | `*>` | `dropped`: an administrator's `-N` run that delivers nothing |
//! | `==` | `deferred`; none when the time of the next attempt had not come |
//! | `**` | `bounced`, `expired`, `admin_cancelled` by its words |
//! | `removed by …` | `admin_cancelled` for the recipients that waited |
//! | `rejected RCPT`, `MAIL`, `DATA` | `rejected` |
//!
//! `dropped` and `bounced` become `suppressed` when the relay's own words (the text, or the name of the router)
//! tell of a suppression list. How much a line says depends on `log_selector`: `+smtp_confirmation` (on by
//! default) gives the reply of a delivery, `+received_recipients` the number of recipients, `+queue_time` the
//! latency, `+deliver_time` the time of the transfer, `+outgoing_interface` the sending address,
//! `+outgoing_port` the port, `+millisec` the fraction of the time. The host of the relay is known from syslog
//! and the journal alone; a log file is named by its source.

mod apply;
mod fields;
mod head;
mod line;
mod message_id;
mod reply;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod traps;

use crate::model::{Event, Text};
use crate::parse::relay::in_flight::{InFlight, Message};
use crate::parse::relay::journal;
use crate::parse::relay::log::{self, LogOptions, RestoreError};
use crate::parse::relay::teller::Teller;
use crate::parse::{EventReader, Item, Reject};
use apply::Memory;
use head::{Head, HeadReader};
use serde::{Deserialize, Serialize};

/// Form of the snapshots that this version writes and reads.
const SNAPSHOT_VERSION: u32 = 1;

/// Reads the main log of one source, which may hold lines of several relays when it came by syslog.
#[derive(Debug)]
pub struct EximReader {
    heads: HeadReader,
    memory: Memory,
}

/// What survives a restart.
#[derive(Serialize)]
struct SnapshotRef<'a> {
    version: u32,
    messages: Vec<(&'a Text, &'a Message)>,
}

#[derive(Deserialize)]
struct Snapshot {
    messages: Vec<(Text, Message)>,
}

impl EximReader {
    pub fn new(options: &LogOptions) -> Self {
        Self::with(options, InFlight::new(options.limits()))
    }

    /// Takes the state back that [`EventReader::snapshot`] gave.
    ///
    /// # Errors
    ///
    /// When the bytes are no snapshot of this version.
    pub fn restore(options: &LogOptions, snapshot: &[u8]) -> Result<Self, RestoreError> {
        log::check_version(snapshot, SNAPSHOT_VERSION)?;
        let Snapshot { messages } = serde_json::from_slice(snapshot).map_err(RestoreError::Damaged)?;
        Ok(Self::with(options, InFlight::restore(options.limits(), messages)))
    }

    fn with(options: &LogOptions, in_flight: InFlight) -> Self {
        let heads = HeadReader::new(options.time_zone.clone());
        Self { heads, memory: Memory { in_flight, key: String::new() } }
    }

    fn read_head(
        &mut self,
        head: &Head<'_>,
        cursor: &str,
        item: &Item<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        log::check_names(&head.header)?;
        let Some(line) = line::read(head.message_id, head.header.text) else { return Ok(()) };
        let teller = Teller { item, header: head.header, cursor };
        apply::apply(&mut self.memory, &teller, head.message_id, &line, events);
        Ok(())
    }
}

impl EventReader for EximReader {
    fn read(&mut self, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
        let line = log::line_text(item)?;
        if line.starts_with('{') {
            let entry = journal::Entry::read(&line)?;
            return match self.heads.of_syslog(entry.header()?, item.received) {
                Some(head) => self.read_head(&head, entry.cursor(), item, events),
                None => Ok(()),
            };
        }
        match self.heads.read(&line, item)? {
            Some(head) => self.read_head(&head, "", item, events),
            None => Ok(()),
        }
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        let messages = self.memory.in_flight.messages().collect();
        let snapshot = SnapshotRef { version: SNAPSHOT_VERSION, messages };
        Some(serde_json::to_vec(&snapshot).expect("records of texts and numbers under text keys"))
    }
}
