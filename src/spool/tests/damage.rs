//! Crashes and failing disks: every cut and every flipped byte.

use super::*;
use crate::spool::{CutKind, SpoolId, record};
use std::fs;

/// A directory that can be put back to how it was.
struct Sample {
    dir: tempfile::TempDir,
    id: SpoolId,
    entries: Vec<Entry>,
    segments: Vec<(u64, Vec<u8>)>,
}

impl Sample {
    fn take(dir: tempfile::TempDir) -> Self {
        let (spool, recovery) = open(dir.path());
        assert_eq!(recovery, Recovery::default());
        let segments = segment::list(dir.path()).unwrap().into_iter();
        let segments = segments.map(|seq| (seq, fs::read(segment::path(dir.path(), seq)).unwrap())).collect();
        Self { id: spool.id(), entries: read_all(&spool), segments, dir }
    }

    /// Two segments of three records, each synced apart, and one of three that were synced together.
    fn of_three_segments() -> Self {
        let dir = tempfile::tempdir().unwrap();
        append_apart(dir.path(), vec![entry("a", "1"), entry("b", "2\n2"), entry("a", "3")]);
        append_apart(dir.path(), vec![entry("a", "4"), entry("c", "5"), entry("a", "6")]);
        append_together(dir.path(), vec![entry("a", "7"), entry("d", "8"), entry("a", "9\n9")]);
        Self::take(dir)
    }

    /// Puts back all segments but one, which gets the bytes given, and reads what is there after opening.
    fn reopened_with(&self, changed: u64, bytes: &[u8]) -> (Vec<Entry>, Recovery) {
        self.restore();
        fs::write(segment::path(self.dir.path(), changed), bytes).unwrap();
        let (spool, recovery) = open(self.dir.path());
        let entries = read_all(&spool);
        drop(spool);
        let (spool, again) = open(self.dir.path());
        assert_eq!(again.cuts, [], "mending is done at once");
        assert_eq!(read_all(&spool), entries);
        (entries, recovery)
    }

    fn restore(&self) {
        for file in fs::read_dir(self.dir.path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "spool" || extension == "bad") {
                fs::remove_file(path).unwrap();
            }
        }
        for (seq, bytes) in &self.segments {
            fs::write(segment::path(self.dir.path(), *seq), bytes).unwrap();
        }
    }

    /// Begin and end of each record in a segment.
    fn records(&self, bytes: &[u8]) -> Vec<(u64, usize, usize)> {
        record::find(bytes, 0, self.id.mark()).map(|(at, frame)| (frame.seq, at, frame.body.end)).collect()
    }

    fn without(&self, lost: impl Fn(u64) -> bool) -> Vec<Entry> {
        self.entries.iter().filter(|entry| !lost(entry.seq)).cloned().collect()
    }
}

#[test]
fn a_cut_at_any_byte_of_an_unfinished_write_loses_nothing_acknowledged_and_invents_nothing() {
    let dir = tempfile::tempdir().unwrap();
    append_together(dir.path(), vec![entry("a", "1"), entry("a", "2"), entry("b", "3"), entry("a", "4\n4")]);
    let sample = Sample::take(dir);
    let (first, bytes) = &sample.segments[0];
    let records = sample.records(bytes);
    // two were acknowledged, as if the others were written later
    for cut in records[1].2..=bytes.len() {
        let (entries, recovery) = sample.reopened_with(*first, &bytes[..cut]);
        let whole = records.iter().filter(|(.., end)| *end <= cut).count();
        assert_eq!(entries, sample.entries[..whole], "cut at {cut}");
        assert!(recovery.is_complete());
        let good = records[whole - 1].2;
        let told: Vec<_> = recovery.cuts.iter().map(|cut| (cut.kind, cut.offset, cut.bytes)).collect();
        let torn = (CutKind::Unfinished, good as u64, (cut - good) as u64);
        assert_eq!(told, if cut == good { vec![] } else { vec![torn] });
    }
}

#[test]
fn a_flip_of_any_byte_is_told_and_takes_no_other_record_with_it() {
    let sample = Sample::of_three_segments();
    for (first, bytes) in &sample.segments {
        let records = sample.records(bytes);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x20;
            let (entries, recovery) = sample.reopened_with(*first, &flipped);
            let hit =
                records.iter().find(|(_, begin, end)| (*begin..*end).contains(&at)).map(|(seq, ..)| *seq);
            // whether the last sync had been finished is not known, so the fault may count as the end of it
            let in_last_sync = hit.is_some_and(|hit| hit >= 7);
            let lost = |seq| if in_last_sync { Some(seq) >= hit } else { Some(seq) == hit };
            assert_eq!(entries, sample.without(lost), "byte {at} of segment {first}");

            let [cut] = &recovery.cuts[..] else { panic!("byte {at} of segment {first}: {recovery:?}") };
            assert_eq!(cut.kind, if in_last_sync { CutKind::Unfinished } else { CutKind::Damaged });
            let missing: Vec<_> = hit.filter(|_| !in_last_sync).map(|hit| hit..=hit).into_iter().collect();
            assert_eq!(recovery.missing, missing, "byte {at} of segment {first}");
            assert_eq!(recovery.is_complete(), in_last_sync);
            // only the very last record may go without a trace: nothing tells it from a write that was never done
            assert_eq!(cut.kept_as.is_some(), hit != Some(9));
            if let Some(path) = &cut.kept_as {
                let begin = usize::try_from(cut.offset).unwrap();
                assert_eq!(fs::read(path).unwrap(), flipped[begin..][..usize::try_from(cut.bytes).unwrap()]);
            }
        }
    }
}

#[test]
fn a_cut_at_any_byte_of_an_older_segment_is_told_and_the_rest_is_read() {
    let sample = Sample::of_three_segments();
    let (first, bytes) = &sample.segments[1];
    let records = sample.records(bytes);
    for at in 0..bytes.len() {
        let (entries, recovery) = sample.reopened_with(*first, &bytes[..at]);
        let first_lost = 4 + records.iter().filter(|(.., end)| *end <= at).count() as u64;
        assert_eq!(entries, sample.without(|seq| (first_lost..=6).contains(&seq)), "cut at {at}");
        assert_eq!(recovery.missing, [first_lost..=6], "cut at {at}");
    }
}

#[test]
fn header_and_first_record_lost_together_leave_the_others() {
    let sample = Sample::of_three_segments();
    for (first, bytes) in &sample.segments {
        let mut zeroed = bytes.clone();
        zeroed[..sample.records(bytes)[0].2].fill(0);
        let (entries, recovery) = sample.reopened_with(*first, &zeroed);
        assert_eq!(entries, sample.without(|seq| seq == *first));
        assert_eq!(recovery.missing, [*first..=*first]);
    }
}

#[test]
fn damage_in_two_places_of_a_segment_leaves_what_lies_between() {
    let dir = tempfile::tempdir().unwrap();
    append_apart(dir.path(), (1..=7).map(|n| entry("a", &n.to_string())).collect());
    let sample = Sample::take(dir);
    let (first, bytes) = &sample.segments[0];
    let mut flipped = bytes.clone();
    for seq in [2, 3, 5] {
        flipped[sample.records(bytes)[seq - 1].1 + 30] ^= 1;
    }
    let (entries, recovery) = sample.reopened_with(*first, &flipped);
    assert_eq!(entries, sample.without(|seq| [2, 3, 5].contains(&seq)));
    assert_eq!(recovery.missing, [2..=3, 5..=5]);
}

#[test]
fn a_later_sync_proves_that_the_one_before_was_finished() {
    let dir = tempfile::tempdir().unwrap();
    append_together(dir.path(), vec![entry("a", "1"), entry("a", "2"), entry("a", "3")]);
    let sample = Sample::take(dir);
    let (first, bytes) = &sample.segments[0];
    let mut flipped = bytes.clone();
    flipped[sample.records(bytes)[0].1] ^= 1;
    record::encode(&mut flipped, sample.id.mark(), 4, 0, |out| entry("a", "4").encode(4, out));
    let (entries, recovery) = sample.reopened_with(*first, &flipped);
    assert_eq!(seqs(&entries), [2, 3, 4]);
    assert_eq!(recovery.missing, [1..=1]);
}

#[test]
fn bytes_put_between_records_lose_nothing() {
    let sample = Sample::of_three_segments();
    let (first, bytes) = &sample.segments[0];
    for (_, at, _) in sample.records(bytes) {
        let with_more = [&bytes[..at], b"strange", &bytes[at..]].concat();
        let (entries, recovery) = sample.reopened_with(*first, &with_more);
        assert_eq!(entries, sample.entries);
        assert_eq!((recovery.missing, recovery.cuts[0].bytes), (vec![], 7));
    }
}

#[test]
fn counts_outlive_the_segments_before_some_damage() {
    let dir = tempfile::tempdir().unwrap();
    append_apart(dir.path(), vec![entry("b", "1")]);
    append_apart(dir.path(), vec![entry("a", "2"), entry("a", "3"), entry("a", "4")]);
    let sample = Sample::take(dir);
    let (first, bytes) = &sample.segments[1];
    let mut flipped = bytes.clone();
    flipped[sample.records(bytes)[0].1] ^= 1;
    sample.reopened_with(*first, &flipped);

    open(sample.dir.path()).0.release(2).unwrap();
    assert_eq!(segment::list(sample.dir.path()).unwrap(), [3]);
    assert_eq!(open(sample.dir.path()).0.accepted_totals(), [(source("a"), 3), (source("b"), 1)].into());
}

#[test]
fn a_crash_while_damage_is_mended_is_harmless() {
    let sample = Sample::of_three_segments();
    let (first, bytes) = &sample.segments[1];
    let mut flipped = bytes.clone();
    flipped[sample.records(bytes)[0].1] ^= 1;
    let (entries, recovery) = sample.reopened_with(*first, &flipped);
    assert_eq!(recovery.missing, [4..=4]);
    // sound records have their own segment already, and the damaged one is not cut yet
    fs::write(segment::path(sample.dir.path(), *first), &flipped).unwrap();
    let (spool, recovery) = open(sample.dir.path());
    assert_eq!(recovery.missing, [4..=4]);
    assert_eq!(read_all(&spool), entries);
}

#[test]
fn what_a_failed_write_left_gives_way_to_the_next_segment() {
    let dir = tempfile::tempdir().unwrap();
    append_apart(dir.path(), vec![entry("a", "1"), entry("a", "never acknowledged")]);
    let sample = Sample::take(dir);
    let (first, with_leftover) = &sample.segments[0];
    let good = sample.records(with_leftover)[0].2;
    fs::write(segment::path(sample.dir.path(), *first), &with_leftover[..good]).unwrap();
    append_apart(sample.dir.path(), vec![entry("b", "2")]);
    fs::write(segment::path(sample.dir.path(), *first), with_leftover).unwrap();

    let (spool, recovery) = open(sample.dir.path());
    let read: Vec<_> = read_all(&spool).iter().map(as_new).collect();
    assert_eq!(read, [entry("a", "1"), entry("b", "2")]);
    assert!(recovery.is_complete());
    assert_eq!(recovery.cuts[0].bytes, (with_leftover.len() - good) as u64);
    assert_eq!(spool.accepted_totals(), [(source("a"), 1), (source("b"), 1)].into());
}

#[test]
fn a_record_of_a_newer_version_is_refused_and_left_alone() {
    let sample = Sample::of_three_segments();
    let (first, bytes) = &sample.segments[2];
    let mut newer = bytes.clone();
    record::encode(&mut newer, sample.id.mark(), 10, 0, |out| out.push(200));
    fs::write(segment::path(sample.dir.path(), *first), &newer).unwrap();
    let told = Spool::open(sample.dir.path(), small_limits()).map(drop).unwrap_err();
    assert!(matches!(told, SpoolError::Newer { offset, .. } if offset == bytes.len() as u64), "{told}");
    assert_eq!(fs::read(segment::path(sample.dir.path(), *first)).unwrap(), newer);
}

#[test]
fn damage_that_comes_while_the_spool_is_open_stops_a_reader_until_the_next_start() {
    let sample = Sample::of_three_segments();
    let (first, bytes) = &sample.segments[1];
    let (spool, _) = open(sample.dir.path());
    let mut reader = spool.reader(4).unwrap();
    let mut flipped = bytes.clone();
    flipped[sample.records(bytes)[1].1 + 10] ^= 1;
    fs::write(segment::path(sample.dir.path(), *first), &flipped).unwrap();

    assert_eq!(seqs(&reader.read_batch(1000, 10).unwrap()), [4]);
    for _ in 0..2 {
        let told = reader.read_batch(1000, 10).unwrap_err();
        assert!(
            matches!(told, SpoolError::Damaged { offset, .. } if offset == sample.records(bytes)[1].1 as u64)
        );
        assert_eq!(reader.next_seq(), 5);
    }
    drop((spool, reader));
    let (spool, recovery) = open(sample.dir.path());
    assert_eq!(recovery.missing, [5..=5]);
    let mut reader = spool.reader(5).unwrap();
    assert_eq!(seqs(&reader.read_batch(1000, 10).unwrap()), [6]);
}
