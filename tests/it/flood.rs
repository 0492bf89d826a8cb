//! Two hundred slow, broken and oversized senders at each door, while honest ones go on: what is honest is taken, all of
//! it, and memory stays within its limits.

use crate::support::{Http, PATIENCE, Place, free_port};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Connections of strangers at each door, always: who is sent away comes again.
const STRANGERS: usize = 200;

/// Seconds that it lasts; the figures of the README are of 60.
const SECONDS: &str = "RELAYLENS_TEST_FLOOD_SECONDS";
const SECONDS_DEFAULT: u64 = 12;

/// What the whole server may take: the doors' 256 MiB each, and the engine's part.
const MEMORY_KB_MAX: u64 = 2 << 20;

/// One step of a stranger: something to send, and how long to wait then.
type Step = (Vec<u8>, Duration);

/// What strangers send to the mail door.
fn by_mail(number: usize) -> Vec<Step> {
    let now = |text: &str| (text.as_bytes().to_vec(), Duration::ZERO);
    let envelope = "LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@bounce.example>\r\nDATA\r\n";
    let line = "x".repeat(998) + "\r\n";
    match number % 5 {
        // Says nothing.
        0 => vec![(Vec::new(), Duration::from_mins(10))],
        // A mail that never ends, a byte at a time.
        1 => std::iter::once(now(envelope))
            .chain(std::iter::repeat_n((b"x".to_vec(), Duration::from_millis(500)), 1200))
            .collect(),
        // More than a mail may have.
        2 => std::iter::once(now(envelope)).chain((0..60).map(|_| now(&line.repeat(1000)))).collect(),
        // No command that there is.
        3 => (0..50).map(|_| now("HOW ARE YOU\r\n")).collect(),
        // Goes away in the middle of a mail.
        _ => vec![now(envelope), (line.into_bytes(), Duration::from_millis(200))],
    }
}

/// What strangers send to the HTTP door.
fn by_http(number: usize) -> Vec<Step> {
    let now = |text: &str| (text.as_bytes().to_vec(), Duration::ZERO);
    let head = |rest: &str| format!("POST /v1/events HTTP/1.1\r\nHost: x\r\n{rest}\r\n");
    match number % 5 {
        0 => vec![(b"POST /v1/ev".to_vec(), Duration::from_mins(10))],
        1 => std::iter::once(now(&head("Content-Length: 100000\r\n")))
            .chain(std::iter::repeat_n((b"x".to_vec(), Duration::from_millis(500)), 1200))
            .collect(),
        2 => {
            let piece = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
            let head = now(&head("Transfer-Encoding: chunked\r\n"));
            std::iter::once(head).chain((0..60).map(|_| now(&piece))).collect()
        }
        3 => vec![now(&head("Content-Encoding: gzip\r\nContent-Length: 8\r\n")), now("nonsense")],
        _ => vec![
            now(&head("Content-Length: 5000\r\n")),
            (b"{\"event_type\":".to_vec(), Duration::from_millis(200)),
        ],
    }
}

/// Comes again and again, until all is over.
async fn stranger(address: String, steps: Vec<Step>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        let visit = async {
            let (mut answers, mut stream) = TcpStream::connect(&address).await?.into_split();
            // Reads what is answered, so that the door is never held up by us.
            let listen = async { tokio::io::copy(&mut answers, &mut tokio::io::sink()).await };
            let speak = async {
                for (bytes, pause) in &steps {
                    stream.write_all(bytes).await?;
                    tokio::time::sleep(*pause).await;
                }
                stream.shutdown().await
            };
            tokio::select! { _ = listen => Ok(()), spoken = speak => spoken }
        };
        let _: std::io::Result<()> = visit.await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn bounce(number: u64) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nSubject: failure\r\nMessage-Id: <{number}@mx.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
         Final-Recipient: rfc822; honest-{number}@x.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
    )
}

/// Hands over one mail, as a mail server does; `false` when it is to come again.
async fn hand_over(address: &str, mail: &str) -> std::io::Result<bool> {
    let (answers, mut stream) = TcpStream::connect(address).await?.into_split();
    let mut answers = BufReader::new(answers);
    let envelope = "LHLO mx.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@bounce.example>\r\n";
    let mail = format!("{mail}.\r\n");
    for (say, wanted) in [("", "220"), (envelope, "250"), ("DATA\r\n", "354"), (mail.as_str(), "250")] {
        stream.write_all(say.as_bytes()).await?;
        // The envelope has three answers, and that to the greeting several lines.
        for _ in 0..say.matches("\r\n").count().clamp(1, if say == envelope { 3 } else { 1 }) {
            let mut line = String::new();
            while line.as_bytes().get(3) != Some(&b' ') {
                line.clear();
                if answers.read_line(&mut line).await? == 0 {
                    return Ok(false);
                }
            }
            if !line.starts_with(wanted) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Sends until all is over, and each item until it is taken.
async fn honest_mail(address: String, items: Arc<AtomicU64>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        let mail = bounce(items.fetch_add(1, Ordering::Relaxed));
        loop {
            let attempt = tokio::time::timeout(Duration::from_secs(30), hand_over(&address, &mail));
            if matches!(attempt.await, Ok(Ok(true))) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn honest_events(url: String, items: Arc<AtomicU64>, is_over: Arc<AtomicBool>) {
    let http = Http::new();
    while !is_over.load(Ordering::Relaxed) {
        let number = items.fetch_add(1, Ordering::Relaxed);
        let event = format!(
            "{{\"event_type\":\"delivered\",\"event_time\":\"2026-11-01T10:00:00Z\",\"recipient\":\"honest-{number}@y.example\",\
             \"message_id\":\"{number}@y.example\"}}"
        );
        loop {
            let answer = http.post(&format!("{url}/v1/events"), &[], event.clone()).await;
            if answer.is_some_and(|answer| answer.status.as_u16() == 202) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn memory_peak_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_strangers_keeps_no_honest_item_out() {
    let seconds = std::env::var(SECONDS).map_or(SECONDS_DEFAULT, |text| text.parse().unwrap());
    let mail = format!("127.0.0.1:{}", free_port());
    let place = Place::new(&format!("[[sources.mail]]\nname = \"mx\"\nlisten = \"{mail}\"\n"));
    let server = place.serve().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut strangers = JoinSet::new();
    let http = server.url.trim_start_matches("http://").to_owned();
    for number in 0..STRANGERS {
        strangers.spawn(stranger(mail.clone(), by_mail(number), Arc::clone(&is_over)));
        strangers.spawn(stranger(http.clone(), by_http(number), Arc::clone(&is_over)));
    }
    let (mails, events) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut honest = JoinSet::new();
    for _ in 0..2 {
        honest.spawn(honest_mail(mail.clone(), Arc::clone(&mails), Arc::clone(&is_over)));
        honest.spawn(honest_events(server.url.clone(), Arc::clone(&events), Arc::clone(&is_over)));
    }
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    is_over.store(true, Ordering::Relaxed);
    let last = async { while honest.join_next().await.is_some() {} };
    assert!(tokio::time::timeout(PATIENCE, last).await.is_ok(), "an honest item is kept out");
    let last_ms = begun.elapsed().as_millis() - u128::from(seconds) * 1000;
    strangers.shutdown().await;
    let (mails, events) = (mails.load(Ordering::Relaxed), events.load(Ordering::Relaxed));
    server.drained().await;
    let peak = memory_peak_kb(server.pid());
    eprintln!(
        "{seconds} s with {STRANGERS} strangers at each door: {mails} mails and {events} events taken, the last after \
         {last_ms} ms more; memory peak {} MB",
        peak / 1024
    );
    let count = |like: &str| format!("SELECT uniqExact(recipient) FROM events WHERE recipient LIKE '{like}'");
    assert_eq!(server.count(&count("honest-%@x.example")).await, mails);
    assert_eq!(server.count(&count("honest-%@y.example")).await, events);
    assert!(mails > 3 && events > 3, "{mails} mails and {events} events");
    assert!(peak < MEMORY_KB_MAX, "{peak} kB");
    server.stop().await;
}
