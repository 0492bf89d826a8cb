//! Haraka logs: lines in, deliveries and their like out.
//!
//! Way: `pipeline` hands the lines of one source in order; `entry` reads each of the three forms (`format` in
//! `log.ini`: default, logfmt, json) into one shape, `apply` puts it together with what `state` holds of the message.
//! Source: Haraka 3.3, `logger.js` (forms), `connection.js` (arrivals), `outbound/hmail.js` (deliveries); the captures in
//! `tests/data/haraka` are of 3.3.4.
//! Not here: what a reply means and who the mailbox provider is (`classify`); following files (`ingest`).
//!
//! | line | event |
//! | --- | --- |
//! | `queue code=OK` | `accepted` |
//! | `recipient <…> code=DENY`, `sender`, `message`, `queue` likewise | `rejected`; `suppressed` by its words |
//! | `delivered file=…` | `delivered` for the recipients of its destination that were not refused |
//! | `recipient <…> rejected: …` | `bounced` |
//! | `recipient <…> deferred: …`, `Temp failing … : …` | `deferred` |
//! | `bouncing mail: …` | `bounced`; `expired` for `Too many failures` |
//! | `Created transaction: …` | `notification`: mail of Haraka's own, whose recipient no line names |
//!
//! A line about a destination (`UUID.transaction.number`) names no recipients, so they are remembered from the arrival:
//! Haraka numbers the domains of a message in the order of their first recipients, or each recipient with
//! `always_split`. Needs `level=info` (the default): deferrals and bounces are logged there. Lines have a time with
//! `timestamps=true`, through syslog or the journal; one without has the time of its arrival here. What else the program
//! prints tells nothing and is passed over.

mod apply;
mod entry;
mod state;
#[cfg(test)]
mod tests;

use crate::model::{Event, Text};
use crate::parse::relay::header::{self, Header};
use crate::parse::relay::journal;
use crate::parse::relay::log::{self, LogOptions, RestoreError};
use crate::parse::relay::stamp::StampReader;
use crate::parse::relay::teller::Teller;
use crate::parse::{EventReader, Item, Reject};
use entry::Entry;
use serde::{Deserialize, Serialize};
use state::{Memory, Transaction};

/// Form of the snapshots that this version writes and reads.
const SNAPSHOT_VERSION: u32 = 1;

/// How a Haraka log is read.
#[derive(Debug, Clone, Default)]
pub struct HarakaOptions {
    pub log: LogOptions,
    /// As in the relay's `outbound.ini`: each recipient is a destination of its own. Default false, as there.
    pub always_split: bool,
}

/// Reads the log of one source, which may hold lines of several relays when it came by syslog.
#[derive(Debug)]
pub struct HarakaReader {
    stamps: StampReader,
    memory: Memory,
}

/// What survives a restart.
#[derive(Serialize)]
struct SnapshotRef<'a> {
    version: u32,
    transactions: Vec<(&'a Text, &'a Transaction)>,
}

#[derive(Deserialize)]
struct Snapshot {
    transactions: Vec<(Text, Transaction)>,
}

impl HarakaReader {
    pub fn new(options: &HarakaOptions) -> Self {
        Self::with(options, Vec::new())
    }

    /// Takes the state back that [`EventReader::snapshot`] gave.
    ///
    /// # Errors
    ///
    /// When the bytes are no snapshot of this version.
    pub fn restore(options: &HarakaOptions, snapshot: &[u8]) -> Result<Self, RestoreError> {
        log::check_version(snapshot, SNAPSHOT_VERSION)?;
        let Snapshot { transactions } = serde_json::from_slice(snapshot).map_err(RestoreError::Damaged)?;
        Ok(Self::with(options, transactions))
    }

    fn with(options: &HarakaOptions, transactions: Vec<(Text, Transaction)>) -> Self {
        Self {
            stamps: StampReader::new(options.log.time_zone.clone()),
            memory: Memory::new(options.log.limits(), options.always_split, transactions),
        }
    }

    fn read_text(
        &mut self,
        header: Header<'_>,
        cursor: &str,
        item: &Item<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        log::check_names(&header)?;
        if let Some(entry) = Entry::read(header.text)? {
            apply::apply(&mut self.memory, &Teller { item, header, cursor }, &entry, events);
        }
        Ok(())
    }
}

impl EventReader for HarakaReader {
    fn read(&mut self, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
        let line = log::line_text(item)?;
        let own_head = |time, text| Header::new(time, &item.source.name, "haraka", "", text);
        if entry::is_of_journal(&line) {
            let entry = journal::Entry::read(&line)?;
            return self.read_text(entry.header()?, entry.cursor(), item, events);
        }
        if entry::has_form(&line) {
            return self.read_text(own_head(item.received, &line), "", item, events);
        }
        if let Some((stamp, text)) = line.split_once(' ')
            && entry::has_form(text)
            && let Some(time) = self.stamps.read_long(stamp, item.received)
        {
            return self.read_text(own_head(time, text), "", item, events);
        }
        match header::read(&line, &mut self.stamps, item.received) {
            Ok(Some(header)) => self.read_text(header, "", item, events),
            // the standard output of the program has lines of other shapes, stacks of errors among them
            Ok(None) | Err(_) => Ok(()),
        }
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        let transactions = self.memory.transactions().collect();
        let snapshot = SnapshotRef { version: SNAPSHOT_VERSION, transactions };
        Some(serde_json::to_vec(&snapshot).expect("records of texts and numbers under text keys"))
    }
}
