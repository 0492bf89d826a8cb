//! The doors: where bytes come in.
//!
//! Way: a door (`http`, `tail`, `import`) takes bytes in, [`Intake`] cuts them into records and hands them to the
//! spool, and only when the spool has synced them does the door say OK. `pipeline` reads on from there.
//!
//! What is sent twice, because an answer got lost or a process was killed, is spooled twice: `pipeline` knows events
//! by their id.
//! Not here: reading what the bytes say (`parse`, `pipeline`), except that `POST /v1/events` checks each line so that
//! its sender learns at once what is wrong.

mod board;
mod files;
pub mod http;
pub mod imap;
mod import;
mod lines;
pub mod lmtp;
pub mod mailbox;
pub mod maildir;
pub mod mbox;
pub mod tail;
#[cfg(test)]
mod testing;
pub mod webhook;

pub use board::{DoorFault, DoorState, DoorStatus};
pub use files::FileError;
pub use import::{ImportReader, ImportedChunk};

use crate::model::{Framing, SourceRef, Text, Timestamp};
use crate::parse::items::items;
use crate::spool::{NewEntry, Spool, SpoolError};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Records are cut at the last line end before this length, in bytes: small enough that the pipeline's memory for a
/// few of them is no matter, large enough that a sync is shared by thousands of lines.
pub const RECORD_BYTES: usize = 4 * 1024 * 1024;

/// Longest line that stays whole, in bytes: above the longest item of any reader (a `KumoMTA` record of 8 MiB), and
/// below the spool's `record_bytes_max`. A longer line is handed on in pieces of this length. Each is an item, which
/// the reader rejects as too large (the last one as broken), so that all bytes are kept and counted.
pub const ITEM_BYTES_MAX: usize = 12 * 1024 * 1024;

/// Lines of one source that came in together.
#[derive(Debug, Clone)]
pub struct Batch {
    pub source: SourceRef,
    /// When the door took them in.
    pub received: Timestamp,
    /// The file they were read from, or empty.
    pub file: Text,
    /// Where the payload begins in the file, in bytes before any compression; 0 without a file.
    pub offset: u64,
    /// Items as [`items`] finds them.
    pub payload: Bytes,
}

/// What the doors turned away since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DoorCounts {
    /// Lines of `POST /v1/events` that were answered with an error. They are in no ledger: their sender has them.
    pub refused_items: u64,
    /// Requests told to come again later, because the spool was full or too much was under way.
    pub turned_away: u64,
}

/// The way from the doors into the spool. Clones are handles of the same one.
#[derive(Clone)]
pub struct Intake {
    spool: Spool,
    clock: fn() -> Timestamp,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    refused_items: AtomicU64,
    turned_away: AtomicU64,
}

impl Intake {
    pub fn new(spool: Spool, clock: fn() -> Timestamp) -> Self {
        Self { spool, clock, counters: Arc::default() }
    }

    pub fn counts(&self) -> DoorCounts {
        DoorCounts {
            refused_items: self.counters.refused_items.load(Ordering::Relaxed),
            turned_away: self.counters.turned_away.load(Ordering::Relaxed),
        }
    }

    /// The time of day, for [`Batch::received`].
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Puts a batch into the spool and returns the number of its items once all of them are synced.
    ///
    /// Records are appended one after the other, so that the lines of a log stay in order.
    ///
    /// # Errors
    ///
    /// Those of [`Spool::append`]. Records before the one that failed are in the spool all the same: who tries again
    /// hands in the whole batch, and the pipeline finds the duplicates.
    pub async fn accept(&self, batch: &Batch) -> Result<u64, SpoolError> {
        let mut accepted = 0;
        for Record { at, bytes, count } in records(batch.source.kind.framing(), &batch.payload) {
            let entry = NewEntry {
                source: batch.source.clone(),
                received: batch.received,
                items: count,
                offset: batch.offset + at as u64,
                file: batch.file.clone(),
                payload: batch.payload.slice(at..at + bytes),
            };
            self.spool.append(entry).await?;
            accepted += u64::from(count);
        }
        Ok(accepted)
    }

    fn note_refused(&self, lines: u64) {
        self.counters.refused_items.fetch_add(lines, Ordering::Relaxed);
    }

    fn note_turned_away(&self) {
        self.counters.turned_away.fetch_add(1, Ordering::Relaxed);
    }
}

/// A part of a payload that becomes one record of the spool.
#[derive(Debug, PartialEq, Eq)]
struct Record {
    at: usize,
    bytes: usize,
    count: u32,
}

/// Cuts a payload into records, each with at least one item.
fn records(framing: Framing, payload: &[u8]) -> impl Iterator<Item = Record> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = payload.get(at..).filter(|rest| !rest.is_empty())?;
        let record = Record { at, bytes: record_bytes(framing, rest), count: 0 };
        at += record.bytes;
        Some(record)
    })
    .map(move |record| {
        let count = items(framing, &payload[record.at..record.at + record.bytes]).count();
        Record { count: u32::try_from(count).expect("a record is shorter than 4 GiB"), ..record }
    })
    .filter(|record| record.count > 0)
}

/// The length of the record that `rest` begins with: whole lines up to [`RECORD_BYTES`], or one longer item.
fn record_bytes(framing: Framing, rest: &[u8]) -> usize {
    if rest.len() <= RECORD_BYTES || framing != Framing::Lines {
        return rest.len();
    }
    if let Some(end) = memchr::memrchr(b'\n', &rest[..RECORD_BYTES]) {
        return end + 1;
    }
    let longest = &rest[..rest.len().min(ITEM_BYTES_MAX)];
    memchr::memchr(b'\n', &longest[RECORD_BYTES..]).map_or(longest.len(), |end| RECORD_BYTES + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::testing::{SpoolDir, read_all, source};
    use crate::model::{FilePosition, SourceKind};

    fn cut(payload: &[u8]) -> Vec<(usize, usize, u32)> {
        records(Framing::Lines, payload).map(|record| (record.at, record.bytes, record.count)).collect()
    }

    #[test]
    fn a_short_payload_is_one_record_and_an_empty_one_is_none() {
        assert_eq!(cut(b"one\n\ntwo"), [(0, 8, 2)]);
        assert_eq!(cut(b"\n\r\n"), []);
        assert_eq!(cut(b""), []);
    }

    #[test]
    fn a_long_payload_is_cut_at_line_ends() {
        let line_bytes = RECORD_BYTES / 2 + 1;
        let line = [vec![b'x'; line_bytes - 1], vec![b'\n']].concat();
        assert_eq!(cut(&line.repeat(2)), [(0, line_bytes, 1), (line_bytes, line_bytes, 1)]);
    }

    #[test]
    fn a_line_longer_than_a_record_stays_whole() {
        let payload = [b"a\n".as_slice(), &vec![b'x'; RECORD_BYTES + 7], b"\nb\n"].concat();
        assert_eq!(cut(&payload), [(0, 2, 1), (2, RECORD_BYTES + 8, 1), (RECORD_BYTES + 10, 2, 1)]);
    }

    #[test]
    fn of_a_line_without_end_every_byte_is_kept_in_pieces() {
        let payload = vec![b'x'; ITEM_BYTES_MAX + 3];
        assert_eq!(cut(&payload), [(0, ITEM_BYTES_MAX, 1), (ITEM_BYTES_MAX, 3, 1)]);
    }

    #[tokio::test]
    async fn what_is_accepted_stands_in_the_spool_with_file_and_offset() {
        let dir = SpoolDir::new();
        let lines = [vec![b'x'; RECORD_BYTES], b"\nlast\n".to_vec()].concat();
        let batch = Batch {
            source: source(SourceKind::Postfix, "mx1"),
            received: Timestamp(7),
            file: "f1".into(),
            offset: 100,
            payload: lines.into(),
        };
        assert_eq!(dir.intake.accept(&batch).await.unwrap(), 2);
        let entries = read_all(&dir.spool);
        let ends: Vec<_> = entries.iter().map(|entry| (entry.items, entry.offset)).collect();
        assert_eq!(ends, [(1, 100), (1, 101 + RECORD_BYTES as u64)]);
        let last = entries[1].position_after().unwrap();
        assert_eq!(last, FilePosition { file: "f1".into(), offset: 106 + RECORD_BYTES as u64 });
        assert_eq!(entries[1].received, Timestamp(7));
    }
}
