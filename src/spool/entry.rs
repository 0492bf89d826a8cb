//! An entry: some items of one source that a door took in together, and its bytes.
//!
//! Way: a door makes a [`NewEntry`], the spool gives it a number and a running count, `pipeline` reads an [`Entry`].
//! Not here: record headers and checksums (`record`), splitting the payload into items (`pipeline`).

use crate::model::{FilePosition, Framing, SourceRef, Text, Timestamp};
use crate::spool::SpoolLimits;
use crate::spool::error::SpoolError;
use crate::spool::record;
use crate::spool::wire::{Cursor, VARINT_BYTES_MAX, put_source, put_text, put_varint};
use bytes::{Buf, Bytes};
use std::collections::BTreeMap;

/// Most sources the spool counts items for. Their counts stand at the head of each segment, 1.5 MB at worst.
pub const SOURCES_MAX: usize = 10_000;

/// Longest name of a source, in bytes: room for a host name of 64 characters and a prefix.
pub const SOURCE_NAME_BYTES_MAX: usize = 128;

/// Longest file name kept with an entry, in bytes: Linux' `PATH_MAX` (limits.h).
pub const FILE_NAME_BYTES_MAX: usize = 4096;

/// The form of the head written below. An unknown one is refused, not guessed at.
const HEAD_VERSION: u8 = 1;

/// Items accepted so far, by source.
pub type AcceptedTotals = BTreeMap<SourceRef, u64>;

/// What a door hands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    pub source: SourceRef,
    /// When the door took it in.
    pub received: Timestamp,
    /// The number of items in the payload.
    pub items: u32,
    /// Where the payload begins in `file`, in bytes before any compression; 0 without a file.
    pub offset: u64,
    /// The file that was read, or empty.
    pub file: Text,
    /// The items, with `\n` between them.
    pub payload: Bytes,
}

/// What the pipeline reads: the entry with its place in the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Place in the spool: from 1, one more for each record, never used twice.
    pub seq: u64,
    /// Items accepted from this source since the spool was made, these included. Two entries of one source that do
    /// not differ by `items` have a gap between them.
    pub accepted_total: u64,
    pub source: SourceRef,
    pub received: Timestamp,
    pub items: u32,
    pub offset: u64,
    pub file: Text,
    pub payload: Bytes,
}

impl Entry {
    /// How far the entry's file has been read with it; `None` for an entry without a file.
    ///
    /// Lines are counted by their bytes, whole mails by one: their place is a number, such as the UID in a folder.
    ///
    /// Of several entries of one file the last one tells: a file that was cut back is read again from a lower offset.
    pub fn position_after(&self) -> Option<FilePosition> {
        let step = match self.source.kind.framing() {
            Framing::Whole => 1,
            Framing::Lines | Framing::Events => self.payload.len() as u64,
        };
        (!self.file.is_empty()).then(|| FilePosition { file: self.file.clone(), offset: self.offset + step })
    }
}

impl NewEntry {
    pub(super) fn check(&self, limits: &SpoolLimits) -> Result<(), SpoolError> {
        let check = |what, size: usize, limit_bytes: u64| {
            let size_bytes = size as u64;
            if size_bytes > limit_bytes {
                return Err(SpoolError::TooLarge { what, size_bytes, limit_bytes });
            }
            Ok(())
        };
        check("payload of a spool record", self.payload.len(), limits.record_bytes_max)?;
        check("name of a source", self.source.name.len(), SOURCE_NAME_BYTES_MAX as u64)?;
        check("name of a file", self.file.len(), FILE_NAME_BYTES_MAX as u64)
    }

    /// The most bytes that the record of this entry takes; the true number is up to 60 bytes less.
    ///
    /// Room is reckoned with this bound, so that it is known before the record is written.
    pub(super) fn record_bytes(&self) -> u64 {
        let texts = self.source.kind.name().len() + self.source.name.len() + self.file.len();
        (record::HEADER_BYTES + HEAD_FIXED_BYTES_MAX + texts + self.payload.len()) as u64
    }

    /// Appends the body of a record: the head, then the payload up to the end.
    pub(super) fn encode(&self, accepted_total: u64, out: &mut Vec<u8>) {
        out.push(HEAD_VERSION);
        put_source(out, &self.source);
        out.extend_from_slice(&self.received.0.to_le_bytes());
        put_varint(out, u64::from(self.items));
        put_varint(out, accepted_total);
        put_varint(out, self.offset);
        put_text(out, &self.file);
        out.extend_from_slice(&self.payload);
    }
}

/// Most bytes of a head without its texts: version, time, three numbers and three lengths.
const HEAD_FIXED_BYTES_MAX: usize = 1 + 8 + 6 * VARINT_BYTES_MAX;

/// Most bytes that a record takes beyond its payload.
pub(super) const OVERHEAD_BYTES_MAX: usize = record::HEADER_BYTES
    + HEAD_FIXED_BYTES_MAX
    + KIND_NAME_BYTES_MAX
    + SOURCE_NAME_BYTES_MAX
    + FILE_NAME_BYTES_MAX;

/// Room for the name of a source kind, in bytes; the longest of today has seven.
const KIND_NAME_BYTES_MAX: usize = 32;

impl Entry {
    /// Reads the body of a record whose checksum held; `None` means that a newer version wrote it.
    pub(super) fn decode(seq: u64, mut body: Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(&body);
        let [version] = cursor.array()?;
        if version != HEAD_VERSION {
            return None;
        }
        let source = cursor.source()?;
        let received = Timestamp(i64::from_le_bytes(cursor.array()?));
        let items = u32::try_from(cursor.varint()?).ok()?;
        let accepted_total = cursor.varint()?;
        let offset = cursor.varint()?;
        let file = Text::from(cursor.text()?);
        let head_bytes = body.len() - cursor.left();
        body.advance(head_bytes);
        Some(Self { seq, accepted_total, source, received, items, offset, file, payload: body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SourceKind;

    fn longest() -> NewEntry {
        NewEntry {
            source: SourceRef { kind: SourceKind::Kumomta, name: "n".repeat(SOURCE_NAME_BYTES_MAX).into() },
            received: Timestamp(i64::MIN),
            items: u32::MAX,
            offset: u64::MAX,
            file: "f".repeat(FILE_NAME_BYTES_MAX).into(),
            payload: Bytes::from_static(b"one\ntwo"),
        }
    }

    #[test]
    fn the_extremes_survive() {
        let new = longest();
        let mut body = Vec::new();
        new.encode(u64::MAX, &mut body);
        assert!((body.len() + record::HEADER_BYTES) as u64 <= new.record_bytes());
        assert!(body.len() + record::HEADER_BYTES <= OVERHEAD_BYTES_MAX + new.payload.len());

        let entry = Entry::decode(7, body.into()).unwrap();
        assert_eq!((entry.seq, entry.accepted_total), (7, u64::MAX));
        assert_eq!((entry.source, entry.received, entry.items), (new.source, new.received, new.items));
        assert_eq!((entry.offset, entry.file, entry.payload), (new.offset, new.file, new.payload));
    }

    #[test]
    fn every_source_kind_has_room_for_its_name() {
        assert!(SourceKind::ALL.iter().all(|kind| kind.name().len() <= KIND_NAME_BYTES_MAX));
    }

    #[test]
    fn a_head_of_another_version_or_cut_short_is_refused() {
        let mut body = Vec::new();
        longest().encode(1, &mut body);
        assert!(Entry::decode(1, Bytes::copy_from_slice(&body[..100])).is_none());
        body[0] = HEAD_VERSION + 1;
        assert!(Entry::decode(1, body.into()).is_none());
    }

    #[test]
    fn what_is_too_large_is_named() {
        let limits = SpoolLimits { record_bytes_max: 3, ..SpoolLimits::default() };
        let told = longest().check(&limits).unwrap_err().to_string();
        assert_eq!(told, "payload of a spool record is 7 bytes, limit is 3");

        let mut entry = longest();
        entry.source.name.push('n');
        let told = entry.check(&SpoolLimits::default()).unwrap_err().to_string();
        assert_eq!(told, "name of a source is 129 bytes, limit is 128");
    }
}
