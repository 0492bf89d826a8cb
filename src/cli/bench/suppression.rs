//! A long suppression list: how long it loads, what it costs in memory, how fast it answers.
//!
//! The clients run in the same process as the server, so that every figure holds both sides of the conversation.

use crate::app::{self, Database};
use crate::cli::bench::fill::ensure_empty;
use crate::cli::bench::measure::{self, memory_bytes, percentile};
use crate::cli::bench::{Suppression, config_for, now};
use crate::config::Config;
use crate::model::suppression::{
    Action, Change, Key, LogRecord, MailType, Origin, Question, Reason, Scope, Seq,
};
use crate::model::{BounceGroup, EventId, Text, Timestamp};
use crate::store::Store;
use crate::suppression::list::List;
use crate::suppression::postfix::{Desk, Listener, Protocol, Server, Trouble};
use anyhow::Context;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Records of one insert.
const BATCH: u64 = 200_000;
/// Domains of the addresses.
const DOMAINS: u64 = 50_000;
/// Requests on their way at once where a client does not wait for each answer.
const PIPELINED: usize = 64;
/// Connections of the last measurement: as many as a small relay has smtpd processes.
const CONNECTIONS: usize = 8;
/// Requests that are not counted.
const WARM: usize = 2_000;

pub(super) fn run(asked: &Suppression, config: &Config) -> anyhow::Result<()> {
    ensure_empty(&asked.data_dir)?;
    let config = config_for(config, &asked.data_dir);
    tokio::runtime::Runtime::new()?.block_on(async {
        let database = Database::open(&config).await?;
        let measured = measure_list(&database.store, asked).await;
        database.close().await;
        measured?;
        measure_http(&config, asked).await
    })
}

fn tell(what: &str, value: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{what:56} {value}")
}

async fn measure_list(store: &Store, asked: &Suppression) -> anyhow::Result<()> {
    let begun = Instant::now();
    fill(store, asked.entries).await?;
    tell("entries written to the log, a second", &rate(asked.entries, begun.elapsed()))?;
    let before = memory_bytes().unwrap_or_default();
    let list = List::new(store.clone(), "bench".into(), now);
    let begun = Instant::now();
    list.load().await?;
    let loaded = begun.elapsed();
    let grown = memory_bytes().unwrap_or_default().saturating_sub(before);
    anyhow::ensure!(
        list.index().len() as u64 == asked.entries,
        "{} entries were loaded of {}",
        list.index().len(),
        asked.entries
    );
    tell("loaded, seconds", &format!("{:.1}", loaded.as_secs_f64()))?;
    tell("index, bytes an entry", &per_entry(list.index().size_bytes() as u64, asked.entries))?;
    tell("grown resident memory, bytes an entry, engine included", &per_entry(grown, asked.entries))?;
    tell("check in memory, nanoseconds", &check_ns(&list, asked))?;
    for protocol in [Protocol::Policy, Protocol::Socketmap] {
        measure_protocol(&list, protocol, asked).await?;
    }
    Ok(())
}

fn address(number: u64) -> Text {
    // Scattered, as addresses are: not in the order in which they were added.
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("u{scattered:016x}@d{}.example", number % DOMAINS).into()
}

/// Every other address is on the list.
fn asked_address(number: u64, entries: u64) -> Text {
    if number.is_multiple_of(2) {
        address(number.wrapping_mul(7_919) % entries)
    } else {
        address(entries + number)
    }
}

async fn fill(store: &Store, entries: u64) -> anyhow::Result<()> {
    let begun = now().0 - i64::try_from(entries)?;
    let mut number = 0;
    while number < entries {
        let records: Vec<LogRecord> =
            (number..entries.min(number + BATCH)).map(|number| record(number, begun)).collect();
        number += records.len() as u64;
        store.append_suppressions(&records).await?;
    }
    Ok(())
}

fn record(number: u64, begun: i64) -> LogRecord {
    let at = Timestamp(begun + i64::try_from(number).unwrap_or_default());
    let reasons =
        [Reason::Bounce(BounceGroup::Recipient), Reason::Complaint, Reason::Unsubscribe, Reason::Import];
    let reason = reasons[usize::try_from(number % 4).unwrap_or_default()];
    let key = Key { address: address(number), scope: Scope::Global, mail_type: MailType::All, reason };
    let change = Change {
        action: Action::Add,
        key,
        observed: at,
        expires: None,
        origin: Origin::Rule("bench".into()),
        run: None,
        evidence: vec![EventId(number.into())],
        note: Text::default(),
    };
    LogRecord { seq: Seq::new(at, 0), change }
}

fn check_ns(list: &List, asked: &Suppression) -> String {
    let (now, count) = (list.now(), 1_000_000);
    let questions: Vec<Question> = (0..count)
        .map(|number| Question { address: asked_address(number, asked.entries), ..Question::default() })
        .collect();
    let begun = Instant::now();
    let found = questions.iter().filter(|question| list.index().check(question, now).is_some()).count();
    let each = begun.elapsed().as_nanos() / u128::from(count);
    format!("{each} ({found} of {count} suppressed)")
}

async fn measure_protocol(list: &List, protocol: Protocol, asked: &Suppression) -> anyhow::Result<()> {
    let listener = Listener::tcp(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let at = listener.local_addr().context("a TCP listener has an address")?;
    let desk = Desk {
        index: Arc::clone(list.index()),
        labels: Arc::new(|_, _| ()),
        clock: now,
        trouble: Trouble::LetThrough,
        return_paths: None,
    };
    let server = tokio::spawn(Server { listener, protocol, desk }.run());
    let name = format!("{protocol:?}").to_lowercase();
    let waits = |times: &[Duration]| {
        format!("p50 {} p99 {} p99.9 {}", micros(times, 0.5), micros(times, 0.99), micros(times, 0.999))
    };
    let (times, took) = converse(at, protocol, asked, 1).await?;
    let checks = times.len() as u64;
    tell(
        &format!("{name}, one connection, one by one"),
        &format!("{}, {} checks/s", waits(&times), rate(checks, took)),
    )?;
    let (times, took) = converse(at, protocol, asked, PIPELINED).await?;
    tell(
        &format!("{name}, one connection, {PIPELINED} at once"),
        &format!("{} checks/s", rate(times.len() as u64, took)),
    )?;
    let begun = Instant::now();
    let clients = (0..CONNECTIONS).map(|_| {
        let asked = asked.clone();
        tokio::spawn(async move { converse(at, protocol, &asked, 1).await })
    });
    let mut all = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        all.extend(client.await??.0);
    }
    let took = begun.elapsed();
    all.sort_unstable();
    tell(
        &format!("{name}, {CONNECTIONS} connections, one by one"),
        &format!("{}, {} checks/s", waits(&all), rate(all.len() as u64, took)),
    )?;
    server.abort();
    Ok(())
}

/// Asks `asked.checks` times over one connection; returns the sorted times of the answers.
async fn converse(
    at: SocketAddr,
    protocol: Protocol,
    asked: &Suppression,
    at_once: usize,
) -> anyhow::Result<(Vec<Duration>, Duration)> {
    let mut stream = TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    let (mut times, mut begun) = (Vec::with_capacity(asked.checks), Instant::now());
    let mut answer = vec![0; 64 * 1024];
    let mut number = 0;
    while times.len() < asked.checks {
        if number == WARM as u64 / at_once as u64 * at_once as u64 {
            times.clear();
            begun = Instant::now();
        }
        let requests: String = (0..at_once as u64)
            .map(|more| request(protocol, &asked_address(number + more, asked.entries)))
            .collect();
        number += at_once as u64;
        let sent = Instant::now();
        stream.write_all(requests.as_bytes()).await?;
        let mut answered = 0;
        while answered < at_once {
            let read = stream.read(&mut answer).await?;
            anyhow::ensure!(read > 0, "the server hung up");
            answered += match protocol {
                Protocol::Policy => memchr::memmem::find_iter(&answer[..read], b"\n\n").count(),
                Protocol::Socketmap => memchr::memchr_iter(b',', &answer[..read]).count(),
            };
        }
        times.extend(std::iter::repeat_n(sent.elapsed(), at_once));
    }
    let took = begun.elapsed();
    times.sort_unstable();
    Ok((times, took))
}

/// As Postfix asks.
fn request(protocol: Protocol, address: &str) -> String {
    match protocol {
        Protocol::Policy => format!(
            "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nhelo_name=app1.example\n\
             sender=news@sender.example\nrecipient={address}\nrecipient_count=0\nclient_address=192.0.2.7\n\
             client_name=app1.example\nsasl_username=\nsize=2048\nqueue_id=\ninstance=123.456.7\n\n"
        ),
        Protocol::Socketmap => {
            let asked = format!("suppress {address}");
            format!("{}:{asked},", asked.len())
        }
    }
}

/// Over HTTP, by the whole server.
async fn measure_http(config: &Config, asked: &Suppression) -> anyhow::Result<()> {
    let begun = Instant::now();
    let served = app::serve(config, None).await?;
    let at: SocketAddr = served.url.trim_start_matches("http://").parse()?;
    let mut stream = TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    while !ask_http(&mut stream, &asked_address(0, asked.entries)).await? {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tell("server started until its list answers, seconds", &format!("{:.1}", begun.elapsed().as_secs_f64()))?;
    let mut times = Vec::with_capacity(asked.checks);
    let begun = Instant::now();
    for number in 0..asked.checks as u64 / 10 {
        let sent = Instant::now();
        let is_well = ask_http(&mut stream, &asked_address(number, asked.entries)).await?;
        anyhow::ensure!(is_well, "a check was not answered");
        times.push(sent.elapsed());
    }
    let took = begun.elapsed();
    times.sort_unstable();
    let (p50, p99) = (micros(&times, 0.5), micros(&times, 0.99));
    tell(
        "HTTP, one connection, one by one",
        &format!("p50 {p50} p99 {p99}, {} checks/s", rate(times.len() as u64, took)),
    )?;
    served.run_until(std::future::ready(())).await
}

/// Checks one address by the bulk check of the API; `false` while the list is being loaded.
async fn ask_http(stream: &mut TcpStream, address: &str) -> anyhow::Result<bool> {
    let body = serde_json::json!({ "addresses": [address] }).to_string();
    let request = format!(
        "POST /api/v1/suppressions/check HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        anyhow::ensure!(stream.read_buf(&mut answer).await? > 0, "the server hung up");
        let Some(head) = memchr::memmem::find(&answer, b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&answer[..head])?.to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.context("the answer has no length")?.trim().parse()?;
        if answer.len() < head + 4 + length {
            continue;
        }
        let status = text.split(' ').nth(1).unwrap_or_default();
        anyhow::ensure!(matches!(status, "200" | "503"), "the server answered {status}: {address}");
        return Ok(status == "200");
    }
}

fn micros(sorted: &[Duration], q: f64) -> String {
    format!("{} µs", percentile(sorted, q).as_micros())
}

fn rate(count: u64, took: Duration) -> String {
    format!("{:.0}", measure::per_second(count, took))
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn per_entry(bytes: u64, entries: u64) -> String {
    format!("{:.1}", bytes as f64 / entries.max(1) as f64)
}
