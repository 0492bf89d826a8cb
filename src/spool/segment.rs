//! Segment files: their names, their header, and how one comes into being.
//!
//! `00000000000000000001.spool` is named by the seq of its first record. The header is little-endian:
//! 8 bytes `RLSPOOL1`, 4 bytes CRC-32 of all that follows, 4 bytes length of the rest, and the rest: 16 bytes id of
//! the spool, 8 bytes first seq, and the items accepted from each source before this segment, so that the counts
//! outlive the segments before it. Then records up to the end (`record`).
//!
//! Way: `append` creates segments, `recover` lists and reads them all, `read` opens them one by one.

use crate::spool::directory;
use crate::spool::entry::{AcceptedTotals, SOURCES_MAX};
use crate::spool::error::SpoolError;
use crate::spool::wire::{Cursor, put_source, put_varint};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"RLSPOOL1";

/// Bytes of the header before its varying part.
const FIXED_BYTES: usize = 16;

/// Largest number of a record. None is reached in practice; a file named by a larger one is no segment.
const SEQ_MAX: u64 = u64::MAX / 2;

/// Random and made once for each spool, so that two spools are never taken for each other.
///
/// Numbers of records start again at 1 in a new spool; id and number together are unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpoolId(pub(super) u128);

impl SpoolId {
    /// The four bytes that every record of this spool begins with.
    pub(super) const fn mark(self) -> u32 {
        let [a, b, c, d, ..] = self.0.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}

impl std::fmt::Display for SpoolId {
    /// 32 hexadecimal digits.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: SpoolId,
    pub(super) first_seq: u64,
    /// Items accepted before the first record of this segment.
    pub(super) totals: AcceptedTotals,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; FIXED_BYTES];
        out.extend_from_slice(&self.id.0.to_le_bytes());
        out.extend_from_slice(&self.first_seq.to_le_bytes());
        put_varint(&mut out, self.totals.len() as u64);
        for (source, total) in &self.totals {
            put_source(&mut out, source);
            put_varint(&mut out, *total);
        }
        let length = u32::try_from(out.len() - FIXED_BYTES).expect("`SOURCES_MAX` keeps a header under 2 MB");
        out[..8].copy_from_slice(&MAGIC);
        out[12..FIXED_BYTES].copy_from_slice(&length.to_le_bytes());
        let crc = crc32fast::hash(&out[12..]);
        out[8..12].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the header at the front of a segment; returns it with its length.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, usize), HeaderFault> {
        let sound = || {
            let (fixed, _) = bytes.split_first_chunk::<FIXED_BYTES>()?;
            let [magic @ .., c0, c1, c2, c3, l0, l1, l2, l3] = *fixed;
            let end = FIXED_BYTES.checked_add(u32::from_le_bytes([l0, l1, l2, l3]) as usize)?;
            let crc = crc32fast::hash(bytes.get(12..end)?);
            (magic == MAGIC && crc == u32::from_le_bytes([c0, c1, c2, c3])).then_some(end)
        };
        let end = sound().ok_or(HeaderFault::Damaged)?;
        let header = Self::decode_rest(&bytes[FIXED_BYTES..end]).ok_or(HeaderFault::Newer)?;
        Ok((header, end))
    }

    fn decode_rest(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let id = SpoolId(u128::from_le_bytes(cursor.array()?));
        let first_seq = u64::from_le_bytes(cursor.array()?);
        let count = cursor.varint().filter(|count| *count <= SOURCES_MAX as u64)?;
        let totals = (0..count).map(|_| Some((cursor.source()?, cursor.varint()?))).collect::<Option<_>>()?;
        Some(Self { id, first_seq, totals })
    }
}

/// Why the header of a segment cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFault {
    Damaged,
    /// The checksum holds, but what it covers is of a form or source kind unknown here.
    Newer,
}

/// The path of the segment whose first record is `first_seq`. Twenty digits hold every `u64`, so that names sort
/// as numbers do.
pub(super) fn path(dir: &Path, first_seq: u64) -> PathBuf {
    dir.join(format!("{first_seq:020}.spool"))
}

/// Returns the first seq of every segment in the directory, in order. Other files are passed over.
pub(super) fn list(dir: &Path) -> Result<Vec<u64>, SpoolError> {
    let listing = || -> io::Result<Vec<u64>> {
        let mut seqs = Vec::new();
        for file in fs::read_dir(dir)? {
            let name = file?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(".spool"));
            let seq = digits.filter(|digits| digits.len() == 20).and_then(|digits| digits.parse().ok());
            seqs.extend(seq.filter(|seq| (1..=SEQ_MAX).contains(seq)));
        }
        seqs.sort_unstable();
        Ok(seqs)
    };
    listing().map_err(SpoolError::io("list the spool directory", dir))
}

/// Creates a segment with its header and `records`, replacing one of the same name; returns it, open for writing at
/// its end, and the length of the header.
pub(super) fn create(dir: &Path, header: &Header, records: &[u8]) -> Result<(File, u64), SpoolError> {
    let path = path(dir, header.first_seq);
    let bytes = header.encode();
    let file = directory::create_whole(&path, &[&bytes, records])
        .map_err(SpoolError::io("create spool segment", &path))?;
    Ok((file, bytes.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SourceKind, SourceRef};

    fn header() -> Header {
        let source = |kind, name: &str| SourceRef { kind, name: name.into() };
        Header {
            id: SpoolId(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
            first_seq: 42,
            totals: [(source(SourceKind::Kumomta, "mx1"), 7), (source(SourceKind::Ndjson, "http"), u64::MAX)]
                .into(),
        }
    }

    #[test]
    fn a_header_is_read_as_written() {
        let bytes = header().encode();
        let length = bytes.len();
        assert_eq!(Header::decode(&[bytes, b"records".to_vec()].concat()), Ok((header(), length)));
    }

    #[test]
    fn each_flipped_bit_and_each_cut_of_a_header_is_seen() {
        let bytes = header().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&flipped), Err(HeaderFault::Damaged), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert_eq!(Header::decode(&bytes[..cut]), Err(HeaderFault::Damaged), "cut at {cut}");
        }
    }

    #[test]
    fn only_segments_are_listed_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["spool.id", "9.spool", "00000000000000000001.spool.7.bad", "unfinished"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        for seq in [0, SEQ_MAX, 10, 9, SEQ_MAX + 1] {
            fs::write(path(dir.path(), seq), "").unwrap();
        }
        assert_eq!(list(dir.path()).unwrap(), [9, 10, SEQ_MAX]);
    }
}
