//! One record in a segment: header, checksum, body.
//!
//! All numbers are little-endian:
//!
//! | bytes | field | |
//! | --- | --- | --- |
//! | 4 | mark | made from the spool's id: where a record may begin |
//! | 4 | crc | CRC-32 (IEEE 802.3) of all that follows |
//! | 4 | length | of the body |
//! | 4 | place | how many records of the same sync stand before this one |
//! | 8 | seq | |
//! | length | body | see `entry` |
//!
//! The mark lets recovery find the next sound record behind a damaged one. It is random for each spool, so that
//! nobody who sends items can put one into them.
//! The place tells what had been synced when the record was written: every record before `seq - place`.

use std::ops::Range;

/// Bytes of a record before its body.
pub(super) const HEADER_BYTES: usize = 24;

/// Where the bytes begin that the checksum covers.
const CHECKED_FROM: usize = 8;

/// A sound record, as places in the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) seq: u64,
    /// The first record that was written and synced together with this one.
    pub(super) sync_first_seq: u64,
    pub(super) body: Range<usize>,
}

/// Why there is no sound record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes end before the record does, which has this length by its header.
    Short {
        record_bytes: usize,
    },
    NoMark,
    Checksum,
}

impl Fault {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Short { .. } => "record is longer than what is left of the file",
            Self::NoMark => "no record begins here",
            Self::Checksum => "checksum differs",
        }
    }
}

/// Appends a record whose body `put_body` writes.
pub(super) fn encode(
    out: &mut Vec<u8>,
    mark: u32,
    seq: u64,
    place: u32,
    put_body: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.resize(start + HEADER_BYTES, 0);
    put_body(out);
    let record = &mut out[start..];
    let length =
        u32::try_from(record.len() - HEADER_BYTES).expect("`SpoolLimits` keeps a record under 1 GiB");
    record[8..12].copy_from_slice(&length.to_le_bytes());
    record[12..16].copy_from_slice(&place.to_le_bytes());
    record[16..24].copy_from_slice(&seq.to_le_bytes());
    let crc = crc32fast::hash(&record[CHECKED_FROM..]);
    record[0..4].copy_from_slice(&mark.to_le_bytes());
    record[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// Reads the record that begins at `at`.
pub(super) fn decode(bytes: &[u8], at: usize, mark: u32) -> Result<Frame, Fault> {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some((header, _)) = rest.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Fault::Short { record_bytes: HEADER_BYTES });
    };
    let word = |from: usize| {
        u32::from_le_bytes([header[from], header[from + 1], header[from + 2], header[from + 3]])
    };
    if word(0) != mark {
        return Err(Fault::NoMark);
    }
    let record_bytes = HEADER_BYTES.saturating_add(word(8) as usize);
    let Some(record) = rest.get(..record_bytes) else {
        return Err(Fault::Short { record_bytes });
    };
    if crc32fast::hash(&record[CHECKED_FROM..]) != word(4) {
        return Err(Fault::Checksum);
    }
    let seq = u64::from(word(16)) | u64::from(word(20)) << 32;
    let sync_first_seq = seq.saturating_sub(u64::from(word(12)));
    Ok(Frame { seq, sync_first_seq, body: at + HEADER_BYTES..at + record_bytes })
}

/// Finds the sound records at or behind `from`, passing over whatever lies between them.
pub(super) fn find(bytes: &[u8], from: usize, mark: u32) -> impl Iterator<Item = (usize, Frame)> {
    let mut from = from;
    std::iter::from_fn(move || {
        for hit in memchr::memmem::find_iter(bytes.get(from..)?, &mark.to_le_bytes()) {
            let at = from + hit;
            if let Ok(frame) = decode(bytes, at, mark) {
                from = frame.body.end;
                return Some((at, frame));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MARK: u32 = 0x5eed_f00d;

    fn record(seq: u64, place: u32, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, MARK, seq, place, |out| out.extend_from_slice(body));
        out
    }

    #[test]
    fn a_record_is_read_as_written() {
        let bytes = record(1 << 40, 3, b"abc");
        let frame = decode(&bytes, 0, MARK).unwrap();
        assert_eq!((frame.seq, frame.sync_first_seq), (1 << 40, (1 << 40) - 3));
        assert_eq!(&bytes[frame.body], b"abc");
    }

    #[test]
    fn each_flipped_bit_and_each_cut_is_seen() {
        let bytes = record(9, 0, b"some body");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped, 0, MARK).is_err(), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert!(matches!(decode(&bytes[..cut], 0, MARK), Err(Fault::Short { .. })), "cut at {cut}");
        }
    }

    #[test]
    fn records_are_found_behind_garbage() {
        let bytes =
            [b"garbage".to_vec(), record(4, 0, b"four"), MARK.to_le_bytes().to_vec(), record(6, 1, b"six")]
                .concat();
        let found: Vec<_> = find(&bytes, 0, MARK).map(|(at, frame)| (at, frame.seq)).collect();
        assert_eq!(found, [(7, 4), (7 + 28 + 4, 6)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_read_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), at in 0..100_usize) {
            bytes.splice(0..0, MARK.to_le_bytes());
            let _ = decode(&bytes, at, MARK);
            let _ = decode(&bytes, 0, MARK);
            find(&bytes, 0, MARK).for_each(drop);
        }
    }
}
