//! The writer: one thread that takes all waiting entries, writes them at once, syncs once and answers them all.
//!
//! Way: `Spool::append` puts an entry into the queue and waits for its answer; readers see a record once it is synced.
//!
//! **When a write or sync fails**, nothing of that batch is acknowledged, and the segment is never written to again.
//! After a failed fsync the kernel may drop the dirty pages and report success for the next one (Rebello and others,
//! "Can Applications Recover from fsync Failures?", USENIX ATC 2020), so what stands in the file is unknown from then
//! on and trying again proves nothing. The segment is cut back to what had been synced, as well as that can be done,
//! and the next batch begins a new segment, a new file, at the first seq that was not acknowledged. If the cut failed
//! too, `recover` does it: a record whose seq stands in the next segment as well was never acknowledged.

use crate::spool::entry::{AcceptedTotals, NewEntry, SOURCES_MAX};
use crate::spool::error::SpoolError;
use crate::spool::record;
use crate::spool::segment::{self, Header};
use crate::spool::state::{Segment, Shared};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Most appends waiting for the writer. Those beyond it wait in `Spool::append`, with the bytes their door holds.
pub(super) const APPENDS_WAITING_MAX: usize = 1024;

/// A batch takes no more entries once it is this long, in bytes: what a common disk writes in some ten milliseconds.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// An entry on its way to the writer, and where the answer goes. A door that has gone away is no fault: its entry is
/// written all the same, since half a batch cannot be taken back.
pub(super) struct Waiting {
    pub(super) entry: NewEntry,
    pub(super) answer: oneshot::Sender<Result<u64, SpoolError>>,
}

/// The state of the writer thread.
pub(super) struct Appender {
    shared: Arc<Shared>,
    /// The last seq that is synced.
    durable: watch::Sender<u64>,
    /// The segment being written; none at the start and after a fault.
    current: Option<Current>,
    batch: Batch,
}

struct Current {
    file: File,
    path: PathBuf,
    /// Length up to which it is synced, in bytes.
    good_bytes: u64,
    /// Bytes of that which are records.
    record_bytes: u64,
}

/// Records that are written and synced together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Of the sources in this batch only.
    totals: AcceptedTotals,
    answers: Vec<oneshot::Sender<Result<u64, SpoolError>>>,
}

impl Appender {
    pub(super) fn new(shared: Arc<Shared>, durable: watch::Sender<u64>) -> Self {
        Self { shared, durable, current: None, batch: Batch::default() }
    }

    /// Runs until every sender of the queue is gone and what was sent is written.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        while let Some(first) = queue.blocking_recv() {
            let mut next = Some(first);
            while let Some(waiting) = next {
                self.take(waiting);
                let has_room = self.batch.bytes.len() < BATCH_BYTES_MAX;
                next = if has_room { queue.try_recv().ok() } else { None };
            }
            self.commit();
        }
    }

    /// Puts an entry into the batch, or answers at once why not.
    fn take(&mut self, Waiting { entry, answer }: Waiting) {
        let record_bytes = entry.record_bytes();
        let segment_bytes =
            self.current.as_ref().map_or(0, |current| current.record_bytes) + self.batch_bytes();
        if segment_bytes > 0 && segment_bytes + record_bytes > self.shared.limits.segment_bytes {
            self.commit();
            self.current = None;
        }
        match self.admit(&entry, record_bytes) {
            Ok((seq, accepted_total)) => {
                let place = u32::try_from(self.batch.answers.len()).expect("a batch is shorter than 4 GiB");
                let mark = self.shared.id.mark();
                record::encode(&mut self.batch.bytes, mark, seq, place, |out| {
                    entry.encode(accepted_total, out);
                });
                self.batch.totals.insert(entry.source, accepted_total);
                self.batch.answers.push(answer);
            }
            Err(fault) => drop(answer.send(Err(fault))),
        }
    }

    /// Checks that there is room; returns the seq of the entry and the items accepted from its source with it.
    fn admit(&self, entry: &NewEntry, record_bytes: u64) -> Result<(u64, u64), SpoolError> {
        let state = self.shared.state();
        let used_bytes = state.used_bytes() + self.batch_bytes();
        let limit_bytes = self.shared.limits.total_bytes_max;
        if used_bytes + record_bytes > limit_bytes {
            return Err(SpoolError::Full { used_bytes, limit_bytes });
        }
        let before = self.batch.totals.get(&entry.source).or_else(|| state.totals.get(&entry.source));
        if before.is_none() {
            let is_new = |source| !state.totals.contains_key(source);
            let new_sources = self.batch.totals.keys().filter(|source| is_new(source)).count();
            if state.totals.len() + new_sources >= SOURCES_MAX {
                return Err(SpoolError::TooManySources);
            }
        }
        let accepted_total = before.copied().unwrap_or(0).saturating_add(u64::from(entry.items));
        Ok((state.next_seq + self.batch.answers.len() as u64, accepted_total))
    }

    const fn batch_bytes(&self) -> u64 {
        self.batch.bytes.len() as u64
    }

    /// Writes and syncs the batch, makes it known, and answers.
    fn commit(&mut self) {
        if self.batch.answers.is_empty() {
            return;
        }
        let written = self.write();
        let answers = std::mem::take(&mut self.batch.answers);
        let first_seq = match &written {
            Ok(()) => self.publish(answers.len() as u64),
            Err(_) => 0,
        };
        for (seq, answer) in (first_seq..).zip(answers) {
            drop(answer.send(written.clone().map(|()| seq)));
        }
        self.batch.bytes.clear();
        self.batch.totals.clear();
    }

    /// Writes and syncs the batch's bytes. After a fault there is no current segment any more.
    fn write(&mut self) -> Result<(), SpoolError> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.begin_segment()?,
        };
        current.write(&self.batch.bytes)?;
        self.current = Some(current);
        Ok(())
    }

    /// Creates the segment of the next record.
    fn begin_segment(&self) -> Result<Current, SpoolError> {
        let header = {
            let state = self.shared.state();
            Header { id: self.shared.id, first_seq: state.next_seq, totals: state.totals.clone() }
        };
        let first_seq = header.first_seq;
        let (file, records_at) = segment::create(&self.shared.dir, &header, &[])?;
        let segments = &mut self.shared.state().segments;
        // an empty segment has the name of the next record, and has just been replaced
        segments.pop_back_if(|last| last.first_seq == first_seq);
        segments.push_back(Segment { first_seq, end_seq: first_seq, records_at, record_bytes: 0 });
        let path = segment::path(&self.shared.dir, first_seq);
        Ok(Current { file, path, good_bytes: records_at, record_bytes: 0 })
    }

    /// Makes a synced batch known; returns the seq of its first record.
    fn publish(&mut self, records: u64) -> u64 {
        let batch_bytes = self.batch_bytes();
        let mut state = self.shared.state();
        let first_seq = state.next_seq;
        state.next_seq += records;
        state.syncs += 1;
        state.totals.append(&mut self.batch.totals);
        let end_seq = state.next_seq;
        if let Some(last) = state.segments.back_mut() {
            last.end_seq = end_seq;
            last.record_bytes += batch_bytes;
        }
        drop(state);
        self.durable.send_replace(end_seq - 1);
        first_seq
    }
}

impl Current {
    fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        let written = self
            .file
            .write_all(bytes)
            .map_err(SpoolError::io("write to spool segment", &self.path))
            .and_then(|()| self.file.sync_data().map_err(SpoolError::io("sync spool segment", &self.path)));
        match &written {
            Ok(()) => {
                self.good_bytes += bytes.len() as u64;
                self.record_bytes += bytes.len() as u64;
            }
            Err(_) => self.cut_back(),
        }
        written
    }

    /// Cuts off what a failed write left. That helps a full disk at once; when it fails too, recovery does it.
    fn cut_back(&self) {
        let _: io::Result<()> = self.file.set_len(self.good_bytes).and_then(|()| self.file.sync_all());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::tests::{as_new, entry, open, parts, queued, read_all, small_limits, source};
    use std::fs;
    use std::path::Path;

    /// A writer in the middle of its first segment, as after one append.
    fn after_one_append(dir: &Path) -> Appender {
        let (_, mut appender) = parts(dir, small_limits());
        assert_eq!(append(&mut appender, &["1"]), [Ok(1)]);
        appender
    }

    /// Hands entries to the writer as one batch.
    fn append(appender: &mut Appender, payloads: &[&str]) -> Vec<Result<u64, String>> {
        let (mut waiting, answers) = queued(payloads.iter().map(|payload| entry("mx1", payload)).collect());
        while let Ok(next) = waiting.try_recv() {
            appender.take(next);
        }
        appender.commit();
        let answers = answers.into_iter().map(|answer| answer.blocking_recv().unwrap());
        answers.map(|answer| answer.map_err(|fault| fault.to_string())).collect()
    }

    /// Opens the spool again and compares what it holds.
    #[track_caller]
    fn check(dir: &Path, payloads: &[&str]) {
        let (spool, recovery) = open(dir);
        assert!(recovery.is_complete(), "{recovery:?}");
        let read: Vec<_> = read_all(&spool).iter().map(as_new).collect();
        assert_eq!(read, payloads.iter().map(|payload| entry("mx1", payload)).collect::<Vec<_>>());
        assert_eq!(spool.accepted_totals(), [(source("mx1"), payloads.len() as u64)].into());
    }

    #[test]
    fn after_a_failed_write_all_who_wait_are_told_and_the_next_batch_goes_to_a_new_segment() {
        let dir = tempfile::tempdir().unwrap();
        let mut appender = after_one_append(dir.path());
        let current = appender.current.as_mut().unwrap();
        // half a record gets written, and neither the rest nor the cut succeeds
        current.file.write_all(b"half a record").unwrap();
        current.file = File::open(&current.path).unwrap();
        let told = append(&mut appender, &["2", "3"]);
        let wanted = format!("could not write to spool segment {}", segment::path(dir.path(), 1).display());
        assert_eq!(told, [Err(wanted.clone()), Err(wanted)]);

        assert_eq!(append(&mut appender, &["again 2"]), [Ok(2)]);
        assert_eq!(segment::list(dir.path()).unwrap(), [1, 2]);
        check(dir.path(), &["1", "again 2"]);
    }

    #[test]
    fn after_a_failed_sync_nothing_is_acknowledged_even_if_it_reached_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let mut appender = after_one_append(dir.path());
        let path = segment::path(dir.path(), 1);
        let sound = fs::read(&path).unwrap();
        append(&mut appender, &["2"]);
        let with_both = fs::read(&path).unwrap();
        drop(appender);

        fs::write(&path, sound).unwrap();
        let (shared, mut appender) = parts(dir.path(), small_limits());
        // a pipe takes bytes and cannot sync them
        let (_reader, writer) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        appender.current = Some(Current { file, path: path.clone(), good_bytes: 0, record_bytes: 0 });
        let told = append(&mut appender, &["2"]);
        assert_eq!(told, [Err(format!("could not sync spool segment {}", path.display()))]);
        assert_eq!(shared.state().next_seq, 2);
        assert_eq!(shared.state().totals[&source("mx1")], 1);
        fs::write(&path, with_both).unwrap();

        assert_eq!(append(&mut appender, &["again 2"]), [Ok(2)]);
        check(dir.path(), &["1", "again 2"]);
    }

    #[test]
    fn a_failed_write_is_cut_off_at_once_when_the_disk_allows_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut appender = after_one_append(dir.path());
        let mut current = appender.current.take().unwrap();
        let good_bytes = fs::metadata(&current.path).unwrap().len();
        current.file.write_all(b"half a record").unwrap();
        current.cut_back();
        assert_eq!(fs::metadata(&current.path).unwrap().len(), good_bytes);
    }

    #[test]
    fn while_no_segment_can_be_made_each_append_is_told_and_tries_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut appender = after_one_append(dir.path());
        appender.current = None;
        let in_the_way = dir.path().join("unfinished");
        fs::create_dir(&in_the_way).unwrap();
        for _ in 0..2 {
            let told = append(&mut appender, &["2"]);
            assert!(told[0].as_ref().unwrap_err().starts_with("could not create spool segment"), "{told:?}");
        }
        fs::remove_dir(&in_the_way).unwrap();
        assert_eq!(append(&mut appender, &["2"]), [Ok(2)]);
        check(dir.path(), &["1", "2"]);
    }

    #[test]
    fn an_empty_segment_is_replaced_and_not_listed_twice() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, mut appender) = parts(dir.path(), small_limits());
        let mut current = appender.begin_segment().unwrap();
        current.file = File::open(&current.path).unwrap();
        appender.current = Some(current);
        assert!(append(&mut appender, &["1"])[0].is_err());
        assert_eq!(append(&mut appender, &["again 1"]), [Ok(1)]);
        // a second entry would let `release` delete the segment that is being written
        assert_eq!(shared.state().segments.len(), 1);
        check(dir.path(), &["again 1"]);
    }

    #[test]
    fn one_source_too_many_is_refused_and_known_ones_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, mut appender) = parts(dir.path(), small_limits());
        let known = (2..SOURCES_MAX).map(|n| (source(&n.to_string()), 1));
        shared.state().totals = known.collect();
        let (waiting, answers) =
            queued(["2", "new", "newer", "too new", "new"].map(|name| entry(name, "1")).into());
        let mut waiting = waiting;
        while let Ok(next) = waiting.try_recv() {
            appender.take(next);
        }
        appender.commit();
        let told: Vec<_> =
            answers.into_iter().map(|answer| answer.blocking_recv().unwrap().is_ok()).collect();
        assert_eq!(told, [true, true, true, false, true]);
    }

    #[test]
    fn a_batch_longer_than_a_segment_is_split() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, mut appender) = parts(dir.path(), small_limits());
        let payload = "x".repeat(500);
        let told = append(&mut appender, &[payload.as_str(); 12]);
        assert_eq!(told, (1..=12).map(Ok).collect::<Vec<_>>());
        let state = shared.state();
        assert_eq!((state.segments.len(), state.syncs), (2, 2));
        assert!(state.segments.iter().all(|segment| segment.record_bytes <= 5000));
    }
}
