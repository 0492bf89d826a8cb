//! Reads a spool directory when it is opened, and mends it.
//!
//! Every segment is read whole and every checksum tried, so that later each segment is known to be sound up to its
//! end. What is not sound falls into two kinds:
//!
//! - **Unfinished**: the end of a write that was never acknowledged. It is cut off. A record behind the last synced
//!   one is of this kind, and so is one whose seq stands in the next segment too: after a failed write the next
//!   segment begins at the first seq that was not acknowledged (`append`).
//! - **Damaged**: bytes that had been synced. They are kept in a `.bad` file beside the segment, and the sound
//!   records behind them go to a segment of their own. The numbers lost are told.
//!
//! In the last segment the two are told apart by the records behind the fault: each tells what had been synced when
//! it was written. A fault in the very last sync cannot be told from an unfinished write; it counts as one, but when
//! sound records are cut off with it, the bytes are kept.
//!
//! A crash in the middle of mending is harmless: the bytes are kept first, then the sound records are copied, and
//! only then is the segment cut.

use crate::spool::SEGMENT_BYTES_CEILING;
use crate::spool::directory;
use crate::spool::entry::{AcceptedTotals, Entry};
use crate::spool::error::SpoolError;
use crate::spool::record::{self, Frame};
use crate::spool::segment::{self, Header, HeaderFault, SpoolId};
use crate::spool::state::{Segment, State};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Largest file taken for a segment, in bytes, as it is read into memory whole. Twice the largest `segment_bytes`:
/// a header stands before the records, and an unfinished write may stand behind them.
const FILE_BYTES_MAX: u64 = 2 * SEGMENT_BYTES_CEILING;

/// What was found when the spool was opened. The caller logs it: the spool goes on in any case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    pub cuts: Vec<Cut>,
    /// Numbers of acknowledged records that are lost.
    pub missing: Vec<RangeInclusive<u64>>,
}

impl Recovery {
    /// True when everything ever acknowledged is there.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.cuts.iter().all(|cut| cut.kind == CutKind::Unfinished)
    }
}

/// Some bytes that were taken out of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    pub kind: CutKind,
    pub file: PathBuf,
    /// Where they began, in bytes.
    pub offset: u64,
    pub bytes: u64,
    /// The file that holds them now; always for damaged ones.
    pub kept_as: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutKind {
    /// A write that a crash or a full disk ended; its door was not told OK.
    Unfinished,
    /// Bytes that had been synced and changed since.
    Damaged,
}

impl std::fmt::Display for Cut {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.kind {
            CutKind::Unfinished => "an unfinished write",
            CutKind::Damaged => "damage",
        };
        write!(out, "cut {} bytes of {what} at byte {} of {}", self.bytes, self.offset, self.file.display())?;
        match &self.kept_as {
            Some(path) => write!(out, ", kept as {}", path.display()),
            None => Ok(()),
        }
    }
}

/// Reads and mends the segments that begin with `first_seqs`.
pub(super) fn recover(
    dir: &Path,
    id: SpoolId,
    first_seqs: Vec<u64>,
) -> Result<(State, Recovery), SpoolError> {
    let mut recoverer = Recoverer {
        dir,
        id,
        segments: VecDeque::new(),
        next_seq: None,
        totals: AcceptedTotals::new(),
        found: Recovery::default(),
    };
    let mut todo = VecDeque::from(first_seqs);
    while let Some(first_seq) = todo.pop_front() {
        // what was saved from behind some damage is looked at next: there may be more of it
        if let Some(saved) = recoverer.segment(first_seq, todo.front().copied())? {
            todo.push_front(saved);
        }
    }
    let Recoverer { segments, next_seq, totals, found, .. } = recoverer;
    if let Some(last) = segments.back() {
        // A killed process may have left sound records that only the kernel holds yet. They will be read and stored,
        // so they must not be lost any more, or their numbers would be used again.
        let path = segment::path(dir, last.first_seq);
        directory::sync(&path).map_err(SpoolError::io("sync spool segment", &path))?;
        directory::sync(dir).map_err(SpoolError::io("sync the spool directory", dir))?;
    }
    Ok((State { segments, next_seq: next_seq.unwrap_or(1), totals, syncs: 0 }, found))
}

struct Recoverer<'a> {
    dir: &'a Path,
    id: SpoolId,
    segments: VecDeque<Segment>,
    /// The seq after the last record seen; none before the first segment.
    next_seq: Option<u64>,
    totals: AcceptedTotals,
    found: Recovery,
}

/// One segment while it is read.
struct Scan {
    path: PathBuf,
    bytes: Bytes,
    first_seq: u64,
    /// The first seq of the segment behind; none for the last. All before it were acknowledged.
    limit_seq: Option<u64>,
    /// Where the records begin; 0 when the header is damaged.
    records_at: usize,
    /// Up to where all is sound, in bytes.
    at: usize,
    /// The seq of the record that belongs there.
    seq: u64,
}

impl Scan {
    const fn header_is_damaged(&self) -> bool {
        self.records_at == 0
    }
}

/// What is to be done about the bytes from `Scan::at` on.
struct Fault {
    kind: CutKind,
    /// Where sound records begin again, or the end of the file.
    end: usize,
    /// The seq of the record there, when the records behind are to be saved.
    saved_seq: Option<u64>,
    /// Whether the faulty bytes are kept.
    keep: bool,
}

impl Recoverer<'_> {
    /// Reads one segment and mends it; returns the name of the segment to look at next if that is a new one.
    fn segment(&mut self, first_seq: u64, limit_seq: Option<u64>) -> Result<Option<u64>, SpoolError> {
        if let Some(next_seq) = self.next_seq
            && next_seq < first_seq
        {
            self.found.missing.push(next_seq..=first_seq - 1);
        }
        self.next_seq = Some(first_seq);
        let path = segment::path(self.dir, first_seq);
        let bytes = read(&path)?;
        let mut scan = Scan { path, bytes, first_seq, limit_seq, records_at: 0, at: 0, seq: first_seq };
        match Header::decode(&scan.bytes) {
            Ok((header, length)) => {
                self.check_header(&scan, header)?;
                scan.records_at = length;
                scan.at = length;
                self.read_records(&mut scan)?;
            }
            Err(HeaderFault::Newer) => return Err(SpoolError::Newer { path: scan.path, offset: 0 }),
            Err(HeaderFault::Damaged) => {}
        }
        let Some(fault) = self.judge(&scan) else {
            self.keep_segment(&scan);
            return Ok(None);
        };
        self.mend(&scan, &fault)
    }

    fn keep_segment(&mut self, scan: &Scan) {
        self.next_seq = Some(scan.seq);
        self.segments.push_back(Segment {
            first_seq: scan.first_seq,
            end_seq: scan.seq,
            records_at: scan.records_at as u64,
            record_bytes: (scan.at - scan.records_at) as u64,
        });
    }

    fn check_header(&mut self, scan: &Scan, header: Header) -> Result<(), SpoolError> {
        let foreign = |fault| Err(SpoolError::Foreign { path: scan.path.clone(), fault });
        if header.id != self.id {
            return foreign("its header names another spool; move it away");
        }
        if header.first_seq != scan.first_seq {
            return foreign("its header begins at another number than its name; rename it or move it away");
        }
        self.totals.extend(header.totals);
        Ok(())
    }

    /// Moves `scan` on to the first record that is not sound, not the next, or not of this segment any more.
    fn read_records(&mut self, scan: &mut Scan) -> Result<(), SpoolError> {
        while scan.limit_seq != Some(scan.seq)
            && let Ok(frame) = record::decode(&scan.bytes, scan.at, self.id.mark())
            && frame.seq == scan.seq
        {
            let end = frame.body.end;
            let Some(entry) = Entry::decode(frame.seq, scan.bytes.slice(frame.body)) else {
                return Err(SpoolError::Newer { path: scan.path.clone(), offset: scan.at as u64 });
            };
            self.totals.insert(entry.source, entry.accepted_total);
            scan.at = end;
            scan.seq += 1;
        }
        Ok(())
    }

    /// Decides what the bytes behind the sound part are; `None` when there are none.
    fn judge(&self, scan: &Scan) -> Option<Fault> {
        let end = scan.bytes.len();
        if scan.at == end && !scan.header_is_damaged() {
            return None;
        }
        if scan.limit_seq == Some(scan.seq) {
            return Some(Fault { kind: CutKind::Unfinished, end, saved_seq: None, keep: false });
        }
        let mut sound = record::find(&scan.bytes, scan.at, self.id.mark()).filter(|(_, frame)| {
            frame.seq >= scan.seq && scan.limit_seq.is_none_or(|limit| frame.seq < limit)
        });
        let first_sound = sound.next();
        let written_later = |(_, frame): &(usize, Frame)| frame.sync_first_seq > scan.seq;
        // a header is synced before any record, and every record before the next segment is made
        let was_synced = scan.header_is_damaged()
            || scan.limit_seq.is_some()
            || first_sound.iter().any(written_later)
            || sound.any(|found| written_later(&found));
        Some(match first_sound {
            Some((end, frame)) if was_synced => {
                Fault { kind: CutKind::Damaged, end, saved_seq: Some(frame.seq), keep: true }
            }
            None if was_synced => Fault { kind: CutKind::Damaged, end, saved_seq: None, keep: true },
            _ => Fault { kind: CutKind::Unfinished, end, saved_seq: None, keep: first_sound.is_some() },
        })
    }

    /// Takes the faulty bytes out; returns the first seq of the segment to look at next if that is a new one.
    fn mend(&mut self, scan: &Scan, fault: &Fault) -> Result<Option<u64>, SpoolError> {
        let faulty = &scan.bytes[scan.at..fault.end];
        let kept_as = if fault.keep { Some(keep(&scan.path, scan.at, faulty)?) } else { None };
        self.found.cuts.push(Cut {
            kind: fault.kind,
            file: scan.path.clone(),
            offset: scan.at as u64,
            bytes: faulty.len() as u64,
            kept_as,
        });
        if scan.header_is_damaged() {
            // nothing of the old segment can stay; an empty one in its place keeps the number
            let saved_seq = fault.saved_seq.unwrap_or(scan.first_seq);
            self.save(saved_seq, &scan.bytes[fault.end..])?;
            if saved_seq != scan.first_seq {
                fs::remove_file(&scan.path).map_err(SpoolError::io("remove spool segment", &scan.path))?;
            }
            return Ok(Some(saved_seq));
        }
        if let Some(saved_seq) = fault.saved_seq {
            self.save(saved_seq, &scan.bytes[fault.end..])?;
        }
        if fault.saved_seq != Some(scan.first_seq) {
            truncate(&scan.path, scan.at)?;
            self.keep_segment(scan);
        }
        Ok(fault.saved_seq)
    }

    /// Writes sound records to a segment of their own.
    fn save(&self, first_seq: u64, records: &[u8]) -> Result<(), SpoolError> {
        let header = Header { id: self.id, first_seq, totals: self.totals.clone() };
        segment::create(self.dir, &header, records).map(drop)
    }
}

/// Reads a segment into memory.
fn read(path: &Path) -> Result<Bytes, SpoolError> {
    let doing = "read spool segment";
    let size_bytes = fs::metadata(path).map_err(SpoolError::io(doing, path))?.len();
    if size_bytes > FILE_BYTES_MAX {
        let what = "file named as a spool segment";
        return Err(SpoolError::TooLarge { what, size_bytes, limit_bytes: FILE_BYTES_MAX });
    }
    fs::read(path).map(Bytes::from).map_err(SpoolError::io(doing, path))
}

/// Keeps bytes in a `.bad` file. The name holds their checksum: the same bytes are kept once, others never replaced.
fn keep(segment: &Path, offset: usize, bytes: &[u8]) -> Result<PathBuf, SpoolError> {
    let mut path = segment.as_os_str().to_owned();
    path.push(format!(".{offset}.{:08x}.bad", crc32fast::hash(bytes)));
    let path = PathBuf::from(path);
    directory::create_whole(&path, &[bytes]).map_err(SpoolError::io("keep damaged bytes in", &path))?;
    Ok(path)
}

fn truncate(path: &Path, length: usize) -> Result<(), SpoolError> {
    File::options()
        .write(true)
        .open(path)
        .and_then(|file| {
            file.set_len(length as u64)?;
            file.sync_all()
        })
        .map_err(SpoolError::io("cut spool segment", path))
}
