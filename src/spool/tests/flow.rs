//! Appending, reading, releasing: a healthy disk.

use super::*;
use crate::spool::segment::SpoolId;

#[tokio::test]
async fn what_is_appended_is_read_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = [entry("mx1", "one\ntwo"), entry("mx2", ""), entry("mx1", "three")];
    let (spool, recovery) = open(dir.path());
    assert_eq!(recovery, Recovery::default());
    for (seq, new) in (1..).zip(wanted.clone()) {
        assert_eq!(spool.append(new).await.unwrap(), seq);
    }
    let id = spool.id();
    drop(spool);

    let (spool, recovery) = open(dir.path());
    assert_eq!(recovery, Recovery::default());
    assert_eq!(spool.id(), id);
    let entries = read_all(&spool);
    assert_eq!(entries.iter().map(as_new).collect::<Vec<_>>(), wanted);
    assert_eq!(seqs(&entries), [1, 2, 3]);
    assert_eq!(entries.iter().map(|entry| entry.accepted_total).collect::<Vec<_>>(), [2, 0, 3]);
    assert_eq!(spool.append(entry("mx1", "four")).await.unwrap(), 4);
}

#[test]
fn entries_that_wait_together_share_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let (shared, appender) = parts(dir.path(), SpoolLimits::default());
    let (waiting, answers) = queued((0..64).map(|n| entry("mx1", &n.to_string())).collect());
    appender.run(waiting);
    let seqs: Vec<_> = answers.into_iter().map(|answer| answer.blocking_recv().unwrap().unwrap()).collect();
    assert_eq!(seqs, (1..=64).collect::<Vec<_>>());
    assert_eq!(shared.state().syncs, 1);
}

#[tokio::test]
async fn appends_at_the_same_time_all_get_a_number_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
    let mut appends = tokio::task::JoinSet::new();
    for n in 0..200 {
        let spool = spool.clone();
        appends
            .spawn(async move { (spool.append(entry("mx1", &n.to_string())).await.unwrap(), n.to_string()) });
    }
    let mut answered = appends.join_all().await;
    answered.sort();
    let read: Vec<_> = read_all(&spool)
        .into_iter()
        .map(|entry| (entry.seq, String::from_utf8(entry.payload.to_vec()).unwrap()))
        .collect();
    assert_eq!(answered, read);
    assert_eq!(spool.accepted_totals(), [(source("mx1"), 200)].into());
    assert!(spool.stats().syncs <= 200);
}

#[tokio::test]
async fn a_full_spool_takes_entries_again_once_some_are_released() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let big = "x".repeat(500);
    let mut last_seq = 0;
    let told = loop {
        match spool.append(entry("mx1", &big)).await {
            Ok(seq) => last_seq = seq,
            Err(told) => break told,
        }
    };
    let SpoolError::Full { used_bytes, limit_bytes: 10_000 } = told else { panic!("{told}") };
    assert_eq!(used_bytes, spool.stats().used_bytes);
    assert!((9_000..=10_000).contains(&used_bytes), "{used_bytes}");
    assert_eq!(spool.accepted_totals()[&source("mx1")], last_seq, "a refused entry counts nothing");

    spool.release(last_seq).unwrap();
    assert_eq!(spool.stats().segments, 1, "the newest segment stays");
    for _ in 0..8 {
        last_seq += 1;
        assert_eq!(spool.append(entry("mx1", &big)).await.unwrap(), last_seq);
    }
}

#[tokio::test]
async fn numbers_and_counts_outlive_the_segments() {
    let dir = tempfile::tempdir().unwrap();
    for seq in [1, 2, 3] {
        let (spool, _) = open(dir.path());
        assert_eq!(spool.append(entry(if seq == 1 { "mx1" } else { "mx2" }, "a\nb")).await.unwrap(), seq);
        spool.release(seq).unwrap();
    }
    assert_eq!(segment::list(dir.path()).unwrap(), [3]);
    let (spool, recovery) = open(dir.path());
    assert_eq!(recovery, Recovery::default());
    assert_eq!(spool.accepted_totals(), [(source("mx1"), 2), (source("mx2"), 4)].into());
    assert_eq!((spool.stats().first_seq, spool.stats().last_seq), (3, 3));
}

#[test]
fn a_segment_is_kept_until_its_last_record_is_released() {
    let dir = tempfile::tempdir().unwrap();
    append_apart(dir.path(), vec![entry("mx1", "1"), entry("mx1", "2")]);
    append_apart(dir.path(), vec![entry("mx1", "3")]);
    let (spool, _) = open(dir.path());
    spool.release(1).unwrap();
    assert_eq!(seqs(&read_all(&spool)), [1, 2, 3]);
    spool.release(2).unwrap();
    assert_eq!(seqs(&read_all(&spool)), [3]);
    spool.release(u64::MAX).unwrap();
    assert_eq!(seqs(&read_all(&spool)), [3]);
}

#[test]
fn a_reader_begins_anywhere_and_keeps_its_limits() {
    let dir = tempfile::tempdir().unwrap();
    append_apart(dir.path(), (1..=9).map(|n| entry("mx1", &n.to_string().repeat(100))).collect());
    let (spool, _) = open(dir.path());
    let read = |next_seq, bytes_max, records_max| {
        let mut reader = spool.reader(next_seq).unwrap();
        let batch = reader.read_batch(bytes_max, records_max).unwrap();
        assert_eq!(reader.next_seq(), batch.last().map_or(next_seq, |entry| entry.seq + 1));
        seqs(&batch)
    };
    assert_eq!(read(4, 10_000, 3), [4, 5, 6]);
    assert_eq!(read(7, 400, 100), [7, 8], "two records of some 160 bytes fit");
    assert_eq!(read(8, 0, 0), [8], "one is always read");
    assert!(read(10, 10_000, 100).is_empty());
    assert!(matches!(spool.reader(11), Err(SpoolError::Ahead { asked_seq: 11, last_seq: 9, .. })));
}

#[tokio::test]
async fn a_waiting_reader_is_woken_and_learns_of_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let mut reader = spool.reader(1).unwrap();
    let waiting = tokio::spawn(async move {
        reader.wait().await.unwrap();
        reader
    });
    spool.append(entry("mx1", "one")).await.unwrap();
    let mut reader = waiting.await.unwrap();
    assert_eq!(seqs(&reader.read_batch(1000, 10).unwrap()), [1]);
    drop(spool);
    assert!(matches!(reader.wait().await, Err(SpoolError::Stopped)));
}

#[tokio::test]
async fn a_second_process_is_kept_out_until_the_first_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let clone = spool.clone();
    drop(spool);
    assert!(matches!(Spool::open(dir.path(), small_limits()), Err(SpoolError::Locked { .. })));
    let reader = clone.reader(1).unwrap();
    drop(clone);
    open(dir.path());
    drop(reader);
}

#[test]
fn limits_that_do_not_fit_each_other_are_refused() {
    let check = |limits: SpoolLimits, wanted| {
        let dir = tempfile::tempdir().unwrap();
        let told = Spool::open(&dir.path().join("new"), limits).map(drop).unwrap_err().to_string();
        assert_eq!(told, wanted);
        assert!(!dir.path().join("new").exists());
    };
    let fit = small_limits();
    check(
        SpoolLimits { segment_bytes: u64::MAX, ..fit.clone() },
        "spool limit `segment_bytes` is 18446744073709551615: it must not exceed 1 GiB",
    );
    check(
        SpoolLimits { record_bytes_max: 1000, ..fit.clone() },
        "spool limit `record_bytes_max` is 1000: it must be 5 KiB less than `segment_bytes`",
    );
    check(
        SpoolLimits { total_bytes_max: 9999, ..fit },
        "spool limit `total_bytes_max` is 9999: it must be at least twice `segment_bytes`",
    );
}

#[test]
fn a_segment_of_another_spool_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    append_apart(dir.path(), vec![entry("mx1", "1")]);
    std::fs::write(dir.path().join("spool.id"), SpoolId(7).to_string()).unwrap();
    let told = Spool::open(dir.path(), small_limits()).map(drop).unwrap_err().to_string();
    assert!(told.ends_with("its header names another spool; move it away"), "{told}");
}
