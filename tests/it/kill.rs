//! The process is killed again and again, at any moment; nothing that was acknowledged is lost, and nothing is doubled.
//!
//! The seed of the moments is printed; `RELAYLENS_TEST_SEED` repeats a run as far as the machine allows.

use crate::checks;
use crate::support::{self, Http, Place, Server, Spawned, repository};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use regex::Regex;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

const KILLS: u32 = 20;

/// Senders, and events of one request. With a pause between requests they load the machine without filling it.
const SENDERS: usize = 4;
const EVENTS_PER_BODY: usize = 200;
const PAUSE: Duration = Duration::from_millis(20);

/// Small batches: many inserts and checkpoints to be killed in, and ids older than those in memory.
const SETTINGS: &str = "[pipeline]\nbatch_wait_ms = 30\nbatch_rows_max = 700\nrecent_ids_max = 5000\n";

fn seeded() -> StdRng {
    let given = std::env::var(support::SEED).ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    eprintln!("{}={seed}", support::SEED);
    StdRng::seed_from_u64(seed)
}

/// Lets a server live for a while, then kills it: half of the time it may still be starting.
async fn live_and_die(place: &Place, rng: &mut StdRng, ready: impl FnOnce(&Server)) {
    let spawned = place.spawn();
    if rng.random_bool(0.3) {
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..1500))).await;
        spawned.kill();
        return;
    }
    let server = place.ready(spawned).await;
    ready(&server);
    tokio::time::sleep(Duration::from_millis(rng.random_range(20..1500))).await;
    server.kill();
}

/// Where the senders find the server now.
type Address = Arc<Mutex<Option<String>>>;

fn set(address: &Address, url: Option<&Server>) {
    *address.lock().unwrap() = url.map(|server| server.url.clone());
}

/// One sender: a body at a time, tried until it is acknowledged, as any sane sender does.
struct Sender {
    number: usize,
    address: Address,
    stop: tokio::sync::watch::Receiver<bool>,
}

impl Sender {
    /// Sends until it is told to stop and the last body is acknowledged; returns how many bodies were.
    async fn run(self) -> usize {
        let http = Http::new();
        let mut acknowledged = 0;
        while !*self.stop.borrow() {
            let (path, body) = self.body(acknowledged);
            while !self.send(&http, path, body.clone()).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            acknowledged += 1;
            tokio::time::sleep(PAUSE).await;
        }
        acknowledged
    }

    async fn send(&self, http: &Http, path: &str, body: Bytes) -> bool {
        let Some(url) = self.address.lock().unwrap().clone() else { return false };
        let answer = http.post(&format!("{url}{path}"), &[], body).await;
        answer.is_some_and(|answer| {
            let busy = [202, 503].contains(&answer.status.as_u16());
            assert!(busy, "a sound body was refused: {} {}", answer.status, answer.text());
            answer.status == 202
        })
    }

    /// Odd senders are a KumoMTA, even ones an application with events of its own form.
    fn body(&self, number: usize) -> (&'static str, Bytes) {
        let now = jiff::Timestamp::now();
        let lines = (0..EVENTS_PER_BODY).fold(String::new(), |mut lines, event| {
            let id = format!("s{}-b{number}-e{event}", self.number);
            let line =
                if self.number % 2 == 1 { kumomta_line(&id, now) } else { ndjson_line(&id, event, now) };
            writeln!(lines, "{line}").unwrap();
            lines
        });
        (
            if self.number % 2 == 1 { "/v1/in/kumomta?source=kumo1" } else { "/v1/events?source=app1" },
            lines.into(),
        )
    }
}

fn ndjson_line(id: &str, event: usize, now: jiff::Timestamp) -> Value {
    let (event_type, code, reply) = match event % 4 {
        0 => ("accepted", 0, ""),
        1 => ("delivered", 250, "250 2.0.0 OK"),
        2 => ("deferred", 421, "421 4.7.28 rate limited, try again later"),
        _ => ("bounced", 550, "550 5.1.1 no such user"),
    };
    serde_json::json!({
        "event_type": event_type, "event_time": now.to_string(), "event_id": id, "message_id": format!("{id}@m.example"),
        "recipient": format!("{id}@r{}.example", event % 7), "env_from": "b@sender.example", "attempt": 1,
        "smtp_code": code, "response_text": reply, "latency_ms": 10 * event,
    })
}

fn kumomta_line(id: &str, now: jiff::Timestamp) -> Value {
    serde_json::json!({
        "type": "Delivery", "id": id, "sender": "b@sender.example", "recipient": format!("{id}@k.example"),
        "queue": "k.example", "site": "mx.k.example@smtp_client", "size": 1000,
        "response": { "code": 250, "enhanced_code": null, "content": "OK", "command": "." },
        "peer_address": { "name": "mx.k.example", "addr": "192.0.2.7" }, "timestamp": now.as_second(),
        "created": now.as_second() - 3, "num_attempts": 0, "bounce_classification": "Uncategorized",
        "egress_pool": "p1", "egress_source": "ip-1", "feedback_report": null,
        "headers": { "Message-ID": format!("<{id}@m.example>") }, "meta": {},
        "nodeid": "6b1f1b9e-5c2d-4f5a-9d3e-0b7a4c1d2e3f",
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_is_stored_once_however_the_process_is_killed() {
    let mut rng = seeded();
    let place = Place::new(SETTINGS);
    let address = Address::default();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let start =
        |number| tokio::spawn(Sender { number, address: Arc::clone(&address), stop: stopped.clone() }.run());
    let senders: Vec<JoinHandle<usize>> = (0..SENDERS).map(start).collect();
    for _ in 0..KILLS {
        live_and_die(&place, &mut rng, |server| set(&address, Some(server))).await;
        set(&address, None);
    }
    let server = place.serve().await;
    set(&address, Some(&server));
    stop.send_replace(true);
    let mut acknowledged = Vec::new();
    for sender in senders {
        acknowledged.push(sender.await.unwrap());
    }
    let ledger = server.drained().await;
    eprintln!("bodies acknowledged by sender: {acknowledged:?}; ledger: {ledger:?}");
    everything_once(&server, &acknowledged).await;
    let sent = acknowledged.iter().sum::<usize>() * EVENTS_PER_BODY;
    assert!(sent > 0 && ledger.iter().map(|source| source.events).sum::<u64>() == sent as u64, "{ledger:?}");
    assert!(ledger.iter().all(|source| source.rejected == 0 && source.no_event == 0), "{ledger:?}");
    let stored = server.count("SELECT sum(stored) FROM ledger_minute").await;
    assert_eq!(
        stored,
        ledger.iter().map(|source| source.stored).sum::<u64>(),
        "the stored ledger is another one"
    );
    checks::rollups_equal_events(&server).await;
    server.stop().await;
}

/// Every event of every acknowledged body stands in the store exactly once, and nothing else does.
async fn everything_once(server: &Server, acknowledged: &[usize]) {
    checks::no_event_twice(server).await;
    let sql = "SELECT toUInt32(extract(message_id, '^s([0-9]+)-')) AS sender, count(), uniqExact(message_id), \
               max(toUInt32(extract(message_id, '-b([0-9]+)-'))) FROM events GROUP BY sender ORDER BY sender";
    let stored: Vec<[u64; 4]> =
        server.sql(sql).await.iter().map(|row| std::array::from_fn(|at| support::number(&row[at]))).collect();
    let wanted: Vec<[u64; 4]> = acknowledged
        .iter()
        .enumerate()
        .filter(|(_, bodies)| **bodies > 0)
        .map(|(sender, bodies)| {
            let events = (bodies * EVENTS_PER_BODY) as u64;
            [sender as u64, events, events, *bodies as u64 - 1]
        })
        .collect();
    assert_eq!(stored, wanted, "sender, events, messages, number of the last body");
}

/// Writes a log as a relay does: some lines at a time, and rotated by renaming now and then, with a part of a line at
/// the end of a write.
struct LogWriter {
    path: PathBuf,
    lines: Vec<String>,
    /// Lines of one file.
    lines_per_file: usize,
}

impl LogWriter {
    async fn run(self, mut rng: StdRng) {
        for (number, file_lines) in self.lines.chunks(self.lines_per_file).enumerate() {
            if number > 0 {
                fs::rename(&self.path, rotated(&self.path, number)).unwrap();
            }
            let mut file = File::options().create(true).append(true).open(&self.path).unwrap();
            let bytes = file_lines.concat().into_bytes();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let some = rng.random_range(1..7_000).min(rest.len());
                file.write_all(&rest[..some]).unwrap();
                rest = &rest[some..];
                tokio::time::sleep(Duration::from_millis(rng.random_range(5..60))).await;
            }
        }
    }
}

/// The name of the file that was rotated away as the `number`th: the newer, the lower its own number.
fn rotated(path: &Path, number: usize) -> PathBuf {
    PathBuf::from(format!("{}.{}", path.display(), 99 - number))
}

/// The capture many times over, each time with other queue ids: other messages.
fn long_log(copies: u8) -> Vec<String> {
    let capture = fs::read_to_string(repository("tests/data/postfix/mx.maillog")).unwrap();
    // Postfix' long queue ids: time, `z`, inode (`enable_long_queue_ids`, postconf(5)).
    let queue_id = Regex::new(r"\b([0-9B-Zb-y]{10})z([0-9B-Zb-y]{4,6})\b").unwrap();
    let mut lines = Vec::new();
    for copy in 0..copies {
        let digit = char::from(b"BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxy"[usize::from(copy)]);
        let changed = queue_id
            .replace_all(&capture, |id: &regex::Captures<'_>| format!("{}z{}{digit}", &id[1], &id[2]));
        lines.extend(changed.lines().map(|line| format!("{line}\n")));
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_followed_log_gives_the_same_events_however_the_process_is_killed() {
    let mut rng = seeded();
    let place = Place::new("");
    let log = place.file("mail.log");
    place.set(&format!("{SETTINGS}{}", support::follow("mx1", &log)));
    // A file begins with a line of its own, as it does where every line has a new time.
    let lines = long_log(30);
    let lines_per_file = 485 * 10 + 21;
    let writer = LogWriter { path: log.clone(), lines: lines.clone(), lines_per_file };
    let writer = tokio::spawn(writer.run(StdRng::seed_from_u64(rng.random())));
    let mut kills = 0;
    while !writer.is_finished() {
        live_and_die(&place, &mut rng, |_| ()).await;
        kills += 1;
    }
    writer.await.unwrap();
    let server = place.serve().await;
    let total = lines.len() as u64;
    let ledger = followed(&server, total).await;
    eprintln!("{kills} kills; ledger of {total} lines: {ledger:?}");
    let killed = checks::events(&server).await;
    checks::no_event_twice(&server).await;
    checks::rollups_equal_events(&server).await;
    server.stop().await;

    let undisturbed = Place::new("");
    let files = lines.chunks(lines_per_file).enumerate().map(|(number, lines)| {
        let file = undisturbed.file(&format!("mail.log.{number}"));
        fs::write(&file, lines.concat()).unwrap();
        file.to_str().unwrap().to_owned()
    });
    let files: Vec<String> = files.collect();
    let arguments =
        ["--format", "postfix", "--source", "mx1"].into_iter().chain(files.iter().map(String::as_str));
    undisturbed.run_well("import", &arguments.collect::<Vec<_>>());
    let server = undisturbed.serve().await;
    let wanted = checks::events(&server).await;
    server.stop().await;
    assert_eq!(killed.len(), wanted.len());
    for (killed, wanted) in killed.iter().zip(&wanted) {
        assert_eq!(killed, wanted);
    }
}

/// Waits until all lines of the log are in the ledger and stored.
async fn followed(server: &Server, lines: u64) -> Vec<support::Ledger> {
    let begun = std::time::Instant::now();
    loop {
        let ledger = server.drained().await;
        if ledger.iter().map(|source| source.accepted).sum::<u64>() >= lines {
            return ledger;
        }
        assert!(
            begun.elapsed() < support::PATIENCE,
            "the log is not read to its end: {ledger:?}\n{}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A server that was killed leaves its announcement behind; it must not be mistaken for a running one.
#[tokio::test]
async fn a_killed_server_is_not_taken_for_a_running_one() {
    let place = Place::new("");
    place.serve().await.kill();
    assert!(place.data_dir().join("serve.json").exists(), "a killed process cannot clean up");
    let log = repository("tests/data/postfix/mx.maillog");
    place.run_well("import", &["--format", "postfix", log.to_str().unwrap()]);
    let spawned: Spawned = place.spawn();
    place.ready(spawned).await.stop().await;
    assert!(!place.data_dir().join("serve.json").exists(), "a server that ended in order takes it along");
}
