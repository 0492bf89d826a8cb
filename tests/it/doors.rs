//! Bad input at every door of the running program: each is answered or kept with its reason, and the rest goes on.

use crate::checks;
use crate::support::{Answer, Http, Place, Server, follow, free_port, only, repository};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write as _;
use std::time::{Duration, Instant};

/// A sound event of now.
fn event(id: &str) -> Value {
    json!({ "event_type": "delivered", "event_time": jiff::Timestamp::now().to_string(), "event_id": id,
            "recipient": format!("{id}@r.example"), "message_id": format!("{id}@m.example") })
}

fn with(mut event: Value, field: &str, value: Value) -> Vec<u8> {
    event[field] = value;
    format!("{event}\n").into_bytes()
}

fn line(id: &str) -> Vec<u8> {
    format!("{}\n", event(id)).into_bytes()
}

#[tokio::test]
async fn a_bad_event_is_answered_with_its_line_and_reason_and_the_others_are_stored() {
    let place = Place::new("");
    let server = place.serve().await;
    let ten_mb = "x".repeat(10 << 20);
    let body = [
        line("good-1"),
        b"{\"event_type\": \"delivered\", \n".to_vec(),
        with(event("b"), "event_type", "vanished".into()),
        with(event("b"), "event_time", "2001-01-01T00:00:00Z".into()),
        with(event("b"), "event_time", "2101-01-01T00:00:00Z".into()),
        with(event("b"), "recipient", Value::Null),
        with(event("b"), "smtp_code", 1234.into()),
        with(event("b"), "raw", ten_mb.into()),
        b"{\"event_type\": \"deliv\xff\xfered\"}\n".to_vec(),
        b"\n".to_vec(),
        line("good-2"),
    ];
    let answer = server.post("/v1/events?source=app1", body.concat()).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let receipt = answer.json();
    assert_eq!((&receipt["accepted"], &receipt["rejected"]), (&json!(2), &json!(8)), "{receipt}");
    let told: Vec<(u64, &str)> = receipt["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["line"].as_u64().unwrap(), error["reason"].as_str().unwrap()))
        .collect();
    let wanted = [
        (2, "syntax"),
        (3, "unknown_type"),
        (4, "bad_time"),
        (5, "bad_time"),
        (6, "missing_field"),
        (7, "bad_value"),
        (8, "too_large"),
        (9, "encoding"),
    ];
    assert_eq!(told, wanted);
    let ledger = server.drained().await;
    assert_eq!((only(&ledger).accepted, only(&ledger).stored), (2, 2), "{ledger:?}");
    server.stop().await;
}

/// A relay cannot mend what it logged: bad records are taken, and kept with their reason and bytes.
#[tokio::test]
async fn a_bad_record_of_a_relay_is_kept_with_its_reason() {
    let place = Place::new("");
    let server = place.serve().await;
    let record = fs::read(repository("tests/data/kumomta/admin-bounce.jsonl")).unwrap();
    let bodies: [&[u8]; 4] =
        [b"{\"type\": \"Delivery\"}\n", b"no record\n", b"{\"type\": \"Delivery\", \xff\xfe}\n", &record];
    for body in bodies {
        let answer = server.post("/v1/in/kumomta?source=kumo1", body.to_vec()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["accepted"]),
            (202, &json!(1)),
            "{}",
            answer.text()
        );
    }
    let ledger = server.drained().await;
    assert!(only(&ledger).rejected >= 3 && only(&ledger).accepted == 4, "{ledger:?}");
    let rejects = server.get("/api/v1/rejects").await;
    let rows = rejects["rows"].as_array().unwrap();
    assert_eq!(rows.len() as u64, only(&ledger).rejected);
    assert!(rows.iter().any(|row| row["text"] == "no record " && row["reason"] == "syntax"), "{rejects}");
    let bytes = server.sql("SELECT hex(bytes) FROM rejects WHERE position(bytes, unhex('FFFE')) > 0").await;
    assert_eq!(bytes.len(), 1, "the bytes of the item that is no UTF-8 are kept as they came");
    server.stop().await;
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], code, "{}", answer.text());
    assert!(!answer.json()["error"]["message"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_request_that_cannot_be_taken_is_refused_as_a_whole() {
    let place = Place::new("");
    let server = place.serve().await;
    let events =
        |headers: &'static [(&str, &str)], body: Vec<u8>| server.post_with("/v1/events", headers, body);
    refused(&events(&[("content-encoding", "br")], line("a")).await, 415, "unknown_encoding");
    refused(&events(&[("content-encoding", "gzip")], line("a")).await, 400, "bad_encoding");
    refused(&events(&[("content-encoding", "zstd")], line("a")).await, 400, "bad_encoding");
    refused(&server.post("/v1/events?source=No%20Name", line("a")).await, 400, "bad_source");
    refused(&server.post("/v1/events?sauce=a", line("a")).await, 400, "bad_query");
    refused(&server.post("/v1/in/postfix?offset=-1", line("a")).await, 400, "bad_query");
    // The answer comes while the body is still being sent: a client may see a closed connection in its place.
    let url = format!("{}/v1/events", server.url);
    if let Some(answer) = Http::new().post(&url, &[], line("a").repeat(600_000)).await {
        refused(&answer, 413, "too_large");
    }
    let packed = gzip(&line("good"));
    let cut = packed[..packed.len() - 4].to_vec();
    refused(&events(&[("content-encoding", "gzip")], cut).await, 400, "bad_encoding");
    let answer = events(&[("content-encoding", "gzip")], packed).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(only(&server.drained().await).accepted, 1);
    server.stop().await;
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// A gibibyte of zeros, packed into one megabyte, from eight senders at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_are_refused_and_memory_stays_bounded() {
    let place = Place::new("");
    let server = place.serve().await;
    let zeros = vec![0; 16 << 20];
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        packer.write_all(&zeros).unwrap();
    }
    let gz = packer.finish().unwrap();
    let mut packer = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    for _ in 0..64 {
        packer.write_all(&zeros).unwrap();
    }
    let zst = packer.finish().unwrap();
    // Engine and allocator warm up first.
    assert_eq!(server.post("/v1/events", line("before")).await.status, 202);
    server.drained().await;
    reset_peak(&server);
    let before = memory_mib(&server, "VmRSS");
    let send = |encoding: &'static str, body: Vec<u8>| {
        let (http, url) = (Http::new(), format!("{}/v1/events", server.url));
        tokio::spawn(async move { http.post(&url, &[("content-encoding", encoding)], body).await.unwrap() })
    };
    let bombs: Vec<_> = (0..4).flat_map(|_| [send("gzip", gz.clone()), send("zstd", zst.clone())]).collect();
    for bomb in bombs {
        let answer = bomb.await.unwrap();
        assert!([413, 503].contains(&answer.status.as_u16()), "{} {}", answer.status, answer.text());
    }
    let grown = memory_mib(&server, "VmHWM").saturating_sub(before);
    eprintln!("eight bombs of 1 GiB: {before} MiB grew by {grown} MiB at most");
    // The doors hold at most 256 MiB of bodies; as much again is left for growing buffers.
    assert!(grown < 600, "memory grew by {grown} MiB");
    assert_eq!(server.post("/v1/events", line("after")).await.status, 202);
    assert_eq!(only(&server.drained().await).stored, 2);
    server.stop().await;
}

/// Lets the kernel's note of the largest memory begin anew (`proc_pid_clear_refs(5)`).
fn reset_peak(server: &Server) {
    fs::write(format!("/proc/{}/clear_refs", server.pid()), "5").unwrap();
}

fn memory_mib(server: &Server, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

const RELAY: &str = "Nov 20 10:00:00 relay1 postfix/";

/// The lines of one delivered message.
fn message(queue_id: &str) -> String {
    format!(
        "{RELAY}smtpd[10]: {queue_id}: client=app[192.0.2.9]\n\
         {RELAY}cleanup[11]: {queue_id}: message-id=<{queue_id}@m.example>\n\
         {RELAY}qmgr[12]: {queue_id}: from=<b@sender.example>, size=300, nrcpt=1 (queue active)\n\
         {RELAY}smtp[13]: {queue_id}: to=<{queue_id}@r.example>, relay=mx.r.example[192.0.2.7]:25, delay=1, \
         delays=0/0/0.5/0.5, dsn=2.0.0, status=sent (250 2.0.0 OK)\n\
         {RELAY}qmgr[12]: {queue_id}: removed\n"
    )
}

/// Rows of queue id and type.
async fn deliveries(server: &Server) -> Vec<String> {
    let rows =
        server.sql("SELECT queue_id FROM events WHERE event_type = 'delivered' ORDER BY queue_id").await;
    rows.iter().map(|row| row[0].as_str().unwrap().to_owned()).collect()
}

/// Waits until as many messages were delivered as are wanted.
async fn delivered(server: &Server, wanted: &[&str]) {
    let begun = Instant::now();
    loop {
        let got = deliveries(server).await;
        if got == wanted {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{got:?}, not {wanted:?}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn strange_lines_in_a_log_are_kept_and_the_log_is_read_on() {
    let place = Place::new("");
    let log = place.file("mail.log");
    place.set(&follow("mx1", &log));
    let server = place.serve().await;
    let mut file = File::create(&log).unwrap();
    let mut write = |bytes: &[u8]| file.write_all(bytes).unwrap();
    write(message("3AAAAAAAAA").as_bytes());
    write(b"no head at all\n\xff\xfe\x00 binary\n");
    // Postfix cuts its lines at 2000 characters.
    let unbroken = format!(
        "{RELAY}smtp[13]: 3AAAAAAAAB: to=<x@r.example>, relay=none, delay=1, dsn=4.0.0, status=deferred ({}",
        "y".repeat(3000)
    );
    write(format!("{}\n", &unbroken[..2000]).as_bytes());
    write(
        &[b"Nov 20 10:00:00 relay1 postfix/smtp[1]: ".to_vec(), vec![b'z'; 13 << 20], b"\n".to_vec()]
            .concat(),
    );
    write(message("3AAAAAAAAC").as_bytes());
    delivered(&server, &["3AAAAAAAAA", "3AAAAAAAAC"]).await;
    // A line whose end is not written yet waits for it.
    let last = message("3AAAAAAAAD");
    let (begin, end) = last.split_at(last.len() - 100);
    write(begin.as_bytes());
    tokio::time::sleep(Duration::from_millis(600)).await;
    write(end.as_bytes());
    delivered(&server, &["3AAAAAAAAA", "3AAAAAAAAC", "3AAAAAAAAD"]).await;
    let ledger = server.drained().await;
    assert!(only(&ledger).rejected >= 2, "{ledger:?}");
    let cut = "SELECT count() FROM events WHERE queue_id = '3AAAAAAAAB' AND event_type = 'deferred'";
    assert_eq!(server.count(cut).await, 1, "a line that was cut is an event all the same");
    server.stop().await;
}

#[tokio::test]
async fn a_log_is_followed_through_every_way_of_rotation() {
    let place = Place::new("");
    let log = place.file("mail.log");
    place.set(&follow("mx1", &log));
    let server = place.serve().await;
    let append = |id: &str| {
        let mut file = File::options().append(true).create(true).open(&log).unwrap();
        file.write_all(message(id).as_bytes()).unwrap();
    };
    append("3AAAAAAAAA");
    delivered(&server, &["3AAAAAAAAA"]).await;
    // Renamed while its writer still holds it.
    let mut held = File::options().append(true).open(&log).unwrap();
    fs::rename(&log, place.file("mail.log.1")).unwrap();
    held.write_all(message("3AAAAAAAAB").as_bytes()).unwrap();
    append("3AAAAAAAAC");
    delivered(&server, &["3AAAAAAAAA", "3AAAAAAAAB", "3AAAAAAAAC"]).await;
    // Copied, then cut to nothing.
    fs::copy(&log, place.file("mail.log.0")).unwrap();
    File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    append("3AAAAAAAADD");
    delivered(&server, &["3AAAAAAAAA", "3AAAAAAAAB", "3AAAAAAAAC", "3AAAAAAAADD"]).await;
    server.stop().await;
    // Rotated twice and packed while nobody looked.
    append("3AAAAAAAAE");
    fs::write(place.file("mail.log.2.gz"), gzip(&fs::read(&log).unwrap())).unwrap();
    fs::remove_file(&log).unwrap();
    append("3AAAAAAAAF");
    let server = place.serve().await;
    let all = ["3AAAAAAAAA", "3AAAAAAAAB", "3AAAAAAAAC", "3AAAAAAAADD", "3AAAAAAAAE", "3AAAAAAAAF"];
    delivered(&server, &all).await;
    server.drained().await;
    checks::no_event_twice(&server).await;
    server.stop().await;
}

/// The smallest spool there is, filled faster than the readers' memory is written: it must empty by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_says_come_again_and_has_room_again_soon() {
    let place = Place::new("[spool]\nsegment_bytes = 58720256\nbytes_max = 117440512\n");
    let server = place.serve().await;
    // Records that are read fast: they say nothing.
    let quiet = format!("{RELAY}smtpd[10]: connect from app[192.0.2.9]\n").repeat(60_000);
    let send = || server.post("/v1/in/postfix?source=mx1&file=f1", quiet.clone());
    let mut accepted: u64 = 0;
    let begun = Instant::now();
    let full = loop {
        let answer = send().await;
        if answer.status != 202 {
            break answer;
        }
        accepted += 60_000;
        assert!(begun.elapsed() < Duration::from_mins(1), "the spool is never full");
    };
    refused(&full, 503, "spool_full");
    let begun = Instant::now();
    while send().await.status != 202 {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "the spool stays full: {:?}",
            server.ledger().await
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    eprintln!("room again after {:.1} s", begun.elapsed().as_secs_f32());
    // A request that was turned away may be in the spool in part: it is sent anew, and counts again.
    assert!(only(&server.drained().await).accepted >= accepted + 60_000);
    server.stop().await;
}

/// A database server that is down shuts no door: what comes in waits in the spool.
#[tokio::test]
async fn a_database_that_is_down_at_the_start_keeps_no_mail_out() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let place = Place::new(&format!("[clickhouse]\nurl = \"{url}\"\n"));
    let server = place.serve().await;
    for id in ["a", "b"] {
        assert_eq!(server.post("/v1/events?source=app1", line(id)).await.status, 202);
    }
    let metrics = server.text("/metrics").await;
    let waiting = metrics.lines().find(|line| line.starts_with("relaylens_spool_items"));
    assert_eq!(waiting.and_then(|line| line.rsplit(' ').next()), Some("2"), "{metrics}");
    server.stop().await;
    // With the engine instead, what waited is stored.
    place.set("");
    let server = place.serve().await;
    assert_eq!(only(&server.drained().await).stored, 2);
    server.stop().await;
}
