//! PURE: bytes in, record out. No I/O, no clock, no log; a reader never panics on any bytes.
//!
//! Way: a door puts bytes into the spool, `pipeline` hands them to the reader of their source, one item at a time.
//! Not here: deciding what a reply means (`classify`), where the bytes come from (`ingest`).

pub mod archive;
mod arf;
pub mod auth_results;
mod csv;
pub mod dmarc;
mod dsn;
pub mod hubspot;
pub mod items;
mod json;
mod labels;
pub mod mail;
pub mod mbox;
pub mod ndjson;
pub mod relay;
pub mod report;
mod text;
pub mod tlsrpt;
pub mod webhook;

use crate::model::{Event, RejectReason, SourceRef, Text, Timestamp};

/// One item of a source: a line of a log, one JSON record.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    pub source: &'a SourceRef,
    /// Without the line end.
    pub bytes: &'a [u8],
    /// Where the item begins in its file, in bytes before any compression; 0 for sources without files.
    pub offset: u64,
    /// When a door took it in. Readers take it for what the source leaves out, such as the year.
    pub received: Timestamp,
}

/// An item that could not be read. Its bytes are kept with this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Reject {
    pub reason: RejectReason,
    /// What is wrong, where, and what to change; without personal data.
    pub message: Text,
}

impl Reject {
    pub fn new(reason: RejectReason, message: impl Into<Text>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// A reader of one source. Log formats that spread one message over many lines keep state in it.
pub trait EventReader: Send {
    /// Reads one item and appends its events to `events`; none for an item that tells of nothing by itself.
    ///
    /// # Errors
    ///
    /// A [`Reject`] when the item cannot be read; then nothing was appended and the state is as before.
    fn read(&mut self, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject>;

    /// What must survive a restart, as bytes that `restore` of the same reader understands; `None` when there is none.
    fn snapshot(&self) -> Option<Vec<u8>> {
        None
    }
}
