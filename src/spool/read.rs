//! Reading the spool in order, from any seq on.
//!
//! Way: `pipeline` waits for something new, reads a batch, stores it, and releases it.
//! Not here: remembering how far it came (the pipeline's checkpoint).

use crate::spool::entry::Entry;
use crate::spool::error::SpoolError;
use crate::spool::record::{self, Fault};
use crate::spool::segment;
use crate::spool::state::{Segment, Shared};
use bytes::Bytes;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// How much is read at once on the way to a position within a segment, in bytes.
const SEEK_BYTES: usize = 1024 * 1024;

/// A place in the spool. Only synced records are seen. Several readers do not disturb each other.
pub struct SpoolReader {
    shared: Arc<Shared>,
    durable: watch::Receiver<u64>,
    next_seq: u64,
    open: Option<OpenSegment>,
}

struct OpenSegment {
    file: File,
    path: PathBuf,
    first_seq: u64,
    /// Where the next record begins, in bytes.
    at: u64,
    /// The seq of that record.
    seq: u64,
}

impl SpoolReader {
    pub(super) const fn new(shared: Arc<Shared>, durable: watch::Receiver<u64>, next_seq: u64) -> Self {
        Self { shared, durable, next_seq, open: None }
    }

    /// The seq of the record that comes next, as far as it is known now.
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Waits until there is something to read. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Stopped`] when nothing can come any more, because all handles of the spool are gone.
    pub async fn wait(&mut self) -> Result<(), SpoolError> {
        let next_seq = self.next_seq;
        self.durable
            .wait_for(|last_seq| *last_seq >= next_seq)
            .await
            .map(drop)
            .map_err(|_| SpoolError::Stopped)
    }

    /// Reads on from the position; returns no entry when nothing is there yet. This blocks on the disk.
    ///
    /// A batch ends at the end of a segment and at the first limit that is reached: `bytes_max` is of whole records,
    /// and a single longer one is read all the same. Payloads share the batch's memory.
    /// Released and lost records are passed over: then the seq of an entry is more than one behind the last.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Io`]; [`SpoolError::Damaged`] when a record changed on the disk since the spool was opened,
    /// which opening it again mends. The position stays where it was.
    pub fn read_batch(&mut self, bytes_max: usize, records_max: usize) -> Result<Vec<Entry>, SpoolError> {
        let Some(segment) = self.shared.state().segment_of(self.next_seq).cloned() else {
            return Ok(Vec::new());
        };
        let mut open = match self.open.take() {
            Some(open) if open.first_seq == segment.first_seq => open,
            _ => OpenSegment::open(&self.shared, &segment)?,
        };
        while open.seq < self.next_seq {
            let before = usize::try_from(self.next_seq - open.seq).unwrap_or(usize::MAX);
            open.read(&self.shared, &segment, SEEK_BYTES, before)?;
        }
        let entries = open.read(&self.shared, &segment, bytes_max, records_max)?;
        self.next_seq = open.seq;
        self.open = Some(open);
        Ok(entries)
    }
}

impl OpenSegment {
    fn open(shared: &Shared, segment: &Segment) -> Result<Self, SpoolError> {
        let path = segment::path(&shared.dir, segment.first_seq);
        let file = File::open(&path).map_err(SpoolError::io("open spool segment", &path))?;
        Ok(Self { file, path, first_seq: segment.first_seq, at: segment.records_at, seq: segment.first_seq })
    }

    /// Reads whole records up to the limits, and at least one if there is one.
    fn read(
        &mut self,
        shared: &Shared,
        segment: &Segment,
        bytes_max: usize,
        records_max: usize,
    ) -> Result<Vec<Entry>, SpoolError> {
        let mark = shared.id.mark();
        let mut bytes = self.bytes(segment, bytes_max.max(record::HEADER_BYTES))?;
        if let Err(Fault::Short { record_bytes }) = record::decode(&bytes, 0, mark) {
            bytes = self.bytes(segment, record_bytes)?;
        }
        let mut entries = Vec::new();
        let mut from = 0;
        while from < bytes.len() && entries.len() < records_max.max(1) {
            let frame = match record::decode(&bytes, from, mark) {
                Ok(frame) if frame.seq == self.seq => frame,
                // a record cut by the limit, or a fault that the next call meets first: what was read is good
                _ if !entries.is_empty() => break,
                Ok(_) => return Err(self.damaged("another record stands here")),
                Err(fault) => return Err(self.damaged(fault.name())),
            };
            let end = frame.body.end;
            let Some(entry) = Entry::decode(frame.seq, bytes.slice(frame.body)) else {
                return Err(SpoolError::Newer { path: self.path.clone(), offset: self.at });
            };
            entries.push(entry);
            self.seq += 1;
            self.at += (end - from) as u64;
            from = end;
        }
        Ok(entries)
    }

    /// Reads from the position on: `wanted` bytes, or as many as are synced.
    fn bytes(&self, segment: &Segment, wanted: usize) -> Result<Bytes, SpoolError> {
        let synced = (segment.records_at + segment.record_bytes).saturating_sub(self.at);
        let mut bytes = vec![0; usize::try_from(synced).unwrap_or(usize::MAX).min(wanted)];
        self.file
            .read_exact_at(&mut bytes, self.at)
            .map_err(SpoolError::io("read spool segment", &self.path))?;
        Ok(bytes.into())
    }

    fn damaged(&self, fault: &'static str) -> SpoolError {
        SpoolError::Damaged { path: self.path.clone(), offset: self.at, fault }
    }
}
