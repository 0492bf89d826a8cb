//! Tailers on real files with the real spool. Tests wait for what must come; none counts on how long it takes.

use crate::ingest::tail::{TailError, TailOptions, TailStatus, run};
use crate::ingest::testing::{SpoolDir, eventually, positions, source, text_of};
use crate::model::{SourceKind, SourceRef};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A log, a spool, and at times a tailer between them.
struct Stage {
    dir: tempfile::TempDir,
    spool: SpoolDir,
    source: SourceRef,
    path: PathBuf,
}

struct Running {
    status: TailStatus,
    shutdown: watch::Sender<bool>,
    task: JoinHandle<Result<(), TailError>>,
}

impl Running {
    async fn stop(self) {
        self.shutdown.send_replace(true);
        self.task.await.unwrap().unwrap();
    }
}

impl Stage {
    fn with(kind: SourceKind, name: &str, spool: SpoolDir) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        Self { dir, spool, source: source(kind, "mx1"), path }
    }

    fn postfix() -> Self {
        Self::with(SourceKind::Postfix, "mail.log", SpoolDir::new())
    }

    fn kumomta() -> Self {
        Self::with(SourceKind::Kumomta, "", SpoolDir::new())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start(&self) -> Running {
        let (shutdown, told) = watch::channel(false);
        let status = TailStatus::default();
        let options = TailOptions { source: self.source.clone(), path: self.path.clone() };
        let known = positions(&self.spool.spool, &self.source);
        let task = tokio::spawn(run(options, self.spool.intake.clone(), known, status.clone(), told));
        Running { status, shutdown, task }
    }

    /// Waits until exactly this has been spooled.
    async fn spooled(&self, text: &str) {
        let what = format!("{text:?}");
        eventually(&what, || text_of(&self.spool.spool, &self.source) == text).await;
    }

    /// Runs a tailer until exactly this has been spooled.
    async fn run_until(&self, text: &str) {
        let running = self.start();
        self.spooled(text).await;
        running.stop().await;
    }
}

fn append(path: &Path, bytes: impl AsRef<[u8]>) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(bytes.as_ref()).unwrap();
}

/// Says when a file was written, as rotation keeps it.
fn written(path: &Path, minutes_ago: u64) {
    let at = SystemTime::now() - Duration::from_secs(60 * minutes_ago);
    File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

#[tokio::test]
async fn a_log_is_waited_for_and_read_from_its_beginning() {
    let stage = Stage::postfix();
    let running = stage.start();
    eventually("a first look", || running.status.get().fault.is_none()).await;
    append(&stage.path, "one\n");
    stage.spooled("one\n").await;
    append(&stage.path, "two\n");
    stage.spooled("one\ntwo\n").await;
    eventually("the status", || running.status.get().offset == 8).await;
    assert_eq!(running.status.get().path, stage.path);
    assert!(running.status.get().last_read.is_some());
    running.stop().await;
}

#[tokio::test]
async fn an_unfinished_line_waits_for_its_end() {
    let stage = Stage::postfix();
    append(&stage.path, "one\ntw");
    let running = stage.start();
    stage.spooled("one\n").await;
    append(&stage.path, "o\n");
    stage.spooled("one\ntwo\n").await;
    running.stop().await;
}

#[tokio::test]
async fn a_renamed_log_is_read_to_its_end_before_the_new_one() {
    let stage = Stage::postfix();
    append(&stage.path, "one\n");
    let running = stage.start();
    stage.spooled("one\n").await;
    fs::rename(&stage.path, stage.at("mail.log.1")).unwrap();
    append(&stage.path, "");
    // its writer has not been told yet
    append(&stage.at("mail.log.1"), "two\n");
    stage.spooled("one\ntwo\n").await;
    append(&stage.at("mail.log.1"), "three\nunfinished");
    append(&stage.path, "new\n");
    stage.spooled("one\ntwo\nthree\nunfinishednew\n").await;
    append(&stage.path, "more\n");
    stage.spooled("one\ntwo\nthree\nunfinishednew\nmore\n").await;
    running.stop().await;
}

#[tokio::test]
async fn after_a_copy_and_truncation_the_copy_is_finished_first() {
    let stage = Stage::postfix();
    append(&stage.path, "one\n");
    stage.run_until("one\n").await;
    append(&stage.path, "two\n");
    fs::copy(&stage.path, stage.at("mail.log.1")).unwrap();
    File::create(&stage.path).unwrap();
    append(&stage.path, "a new line that is longer than the old file\n");
    stage.run_until("one\ntwo\na new line that is longer than the old file\n").await;
}

#[tokio::test]
async fn truncation_is_noticed_while_running_longer_or_shorter() {
    let stage = Stage::postfix();
    append(&stage.path, "one\ntwo\n");
    let running = stage.start();
    stage.spooled("one\ntwo\n").await;
    fs::write(&stage.path, "3\n").unwrap();
    stage.spooled("one\ntwo\n3\n").await;
    fs::write(&stage.path, "four is longer\n").unwrap();
    stage.spooled("one\ntwo\n3\nfour is longer\n").await;
    running.stop().await;
}

#[tokio::test]
async fn a_log_that_is_deleted_and_made_anew_is_read_on() {
    let stage = Stage::postfix();
    append(&stage.path, "one\n");
    let running = stage.start();
    stage.spooled("one\n").await;
    fs::remove_file(&stage.path).unwrap();
    append(&stage.path, "two\n");
    stage.spooled("one\ntwo\n").await;
    running.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_in_the_middle() {
    let stage = Stage::postfix();
    append(&stage.path, "one\ntwo\n");
    stage.run_until("one\ntwo\n").await;
    append(&stage.path, "three\n");
    stage.run_until("one\ntwo\nthree\n").await;
}

#[tokio::test]
async fn rotations_while_we_were_down_are_caught_up_in_order_packed_or_not() {
    for pack in [|text: &str| text.as_bytes().to_vec(), gzip, zstd] {
        let stage = Stage::postfix();
        append(&stage.path, "one\n");
        stage.run_until("one\n").await;
        fs::remove_file(&stage.path).unwrap();
        for (name, text, minutes_ago) in [
            ("mail.log.4.gz", "long read\n", 40),
            ("mail.log.3.gz", "one\ntwo\n", 30),
            ("mail.log.2.gz", "three\n", 20),
            ("mail.log.1", "four\n", 10),
        ] {
            fs::write(stage.at(name), pack(text)).unwrap();
            written(&stage.at(name), minutes_ago);
        }
        fs::write(stage.at("mail.logger"), "another log\n").unwrap();
        append(&stage.path, "five\n");
        stage.run_until("one\ntwo\nthree\nfour\nfive\n").await;
    }
}

#[tokio::test]
async fn while_a_rotated_log_is_being_packed_it_is_read_once() {
    let stage = Stage::postfix();
    append(&stage.path, "one\n");
    stage.run_until("one\n").await;
    append(&stage.path, "two\n");
    fs::rename(&stage.path, stage.at("mail.log.1")).unwrap();
    let packed = gzip("one\ntwo\n");
    fs::write(stage.at("mail.log.1.gz"), &packed[..packed.len() - 4]).unwrap();
    append(&stage.path, "three\n");
    stage.run_until("one\ntwo\nthree\n").await;
}

#[tokio::test]
async fn when_the_known_file_is_gone_all_that_are_there_are_read() {
    let stage = Stage::postfix();
    append(&stage.path, "one\n");
    stage.run_until("one\n").await;
    fs::write(&stage.path, "three\n").unwrap();
    fs::write(stage.at("mail.log-20260130"), "two\n").unwrap();
    written(&stage.at("mail.log-20260130"), 5);
    stage.run_until("one\ntwo\nthree\n").await;
}

#[tokio::test]
async fn a_full_spool_is_waited_out_and_nothing_is_skipped() {
    let stage = Stage::with(SourceKind::Postfix, "mail.log", SpoolDir::small());
    stage.spool.fill(3000).await;
    let lines = "a line of the log\n".repeat(150);
    append(&stage.path, &lines);
    let running = stage.start();
    eventually("the fault", || running.status.get().fault.is_some()).await;
    assert!(running.status.get().fault.unwrap().starts_with("spool is full"));
    stage.spool.drain();
    stage.spooled(&lines).await;
    eventually("the end of the fault", || running.status.get().fault.is_none()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_fault_of_the_disk_is_told_and_waited_out() {
    let stage = Stage::postfix();
    fs::create_dir(&stage.path).unwrap();
    let running = stage.start();
    eventually("the fault", || running.status.get().fault.is_some()).await;
    let wanted = format!("could not read {}", stage.path.display());
    assert!(running.status.get().fault.unwrap().starts_with(&wanted));
    fs::remove_dir(&stage.path).unwrap();
    append(&stage.path, "one\n");
    stage.spooled("one\n").await;
    running.stop().await;
}

#[tokio::test]
async fn a_tailer_whose_owner_is_gone_ends() {
    let stage = Stage::postfix();
    let Running { task, shutdown, .. } = stage.start();
    drop(shutdown);
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn events_have_no_log_to_follow() {
    let mut stage = Stage::postfix();
    stage.source.kind = SourceKind::Ndjson;
    let told = stage.start().task.await.unwrap().unwrap_err().to_string();
    assert_eq!(told, "`ndjson` sources have no log to follow");
}

#[tokio::test]
async fn segments_are_read_in_the_order_of_their_names() {
    let stage = Stage::kumomta();
    fs::write(stage.at("20260131-120000.000000002"), zstd("{\"b\":1}\n")).unwrap();
    fs::write(stage.at("20260131-110000.000000001"), zstd("{\"a\":1}\n{\"a\":2}\n")).unwrap();
    fs::write(stage.at("README"), "no segment").unwrap();
    let all = "{\"a\":1}\n{\"a\":2}\n{\"b\":1}\n";
    stage.run_until(all).await;
    // a restart does not read them again
    fs::write(stage.at("20260131-130000.000000003"), zstd("{\"c\":1}\n")).unwrap();
    stage.run_until(&format!("{all}{{\"c\":1}}\n")).await;
    let known = positions(&stage.spool.spool, &stage.source);
    let names: Vec<_> = known.iter().map(|position| position.file.as_str()).collect();
    assert_eq!(names[2], "20260131-130000.000000003");
}

#[tokio::test]
async fn the_current_segment_is_read_as_far_as_it_is_flushed_and_over_a_restart() {
    let stage = Stage::kumomta();
    let file = File::create(stage.at("20260131-120000.1")).unwrap();
    let mut writer = zstd::stream::write::Encoder::new(file, 1).unwrap();
    let running = stage.start();
    let mut text = String::new();
    for n in 0..3 {
        let line = format!("{{\"n\":{n}}}\n");
        writer.write_all(line.as_bytes()).unwrap();
        writer.flush().unwrap();
        text.push_str(&line);
        stage.spooled(&text).await;
    }
    running.stop().await;
    writer.write_all(b"{\"n\":3}\nunfini").unwrap();
    writer.flush().unwrap();
    text.push_str("{\"n\":3}\n");
    stage.run_until(&text).await;
    // its writer died; the rest is not waited for once there is a new segment
    fs::write(stage.at("20260131-130000.1"), zstd("{\"n\":4}\n")).unwrap();
    stage.run_until(&format!("{text}unfini{{\"n\":4}}\n")).await;
}

#[tokio::test]
async fn segments_of_different_suffixes_do_not_end_each_other() {
    let stage = Stage::kumomta();
    let file = File::create(stage.at("20260131-120000_in")).unwrap();
    let mut writer = zstd::stream::write::Encoder::new(file, 1).unwrap();
    writer.write_all(b"{\"n\":1}\n").unwrap();
    writer.flush().unwrap();
    let running = stage.start();
    stage.spooled("{\"n\":1}\n").await;
    fs::write(stage.at("20260131-130000_out"), zstd("{\"n\":2}\n")).unwrap();
    stage.spooled("{\"n\":1}\n{\"n\":2}\n").await;
    writer.write_all(b"{\"n\":3}\n").unwrap();
    writer.finish().unwrap();
    stage.spooled("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n").await;
    running.stop().await;
}

#[tokio::test]
async fn a_damaged_file_does_not_keep_back_what_comes_behind_it() {
    let long = "{\"a line\":\"of some length\"}\n".repeat(100_000);
    let mut damaged = zstd(&format!("one\n{long}"));
    let middle = damaged.len() / 2;
    damaged[middle..].fill(0xff);

    let stage = Stage::postfix();
    append(&stage.path, "one\n");
    stage.run_until("one\n").await;
    fs::write(stage.at("mail.log.1.zst"), &damaged).unwrap();
    fs::write(&stage.path, "last\n").unwrap();
    let running = stage.start();
    eventually("the last line", || text_of(&stage.spool.spool, &stage.source).ends_with("last\n")).await;
    running.stop().await;

    let stage = Stage::kumomta();
    fs::write(stage.at("20260131-120000"), &damaged).unwrap();
    fs::write(stage.at("20260131-130000"), zstd("last\n")).unwrap();
    let running = stage.start();
    eventually("the last record", || text_of(&stage.spool.spool, &stage.source).ends_with("last\n")).await;
    running.stop().await;
}
