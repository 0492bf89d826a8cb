//! The whole way of an event against its floor.
//!
//! Way: one round serves a new data folder, posts all bodies over loopback from some clients at once, and ends when
//! the last row is counted by a query: HTTP, check of each line, synced spool, pipeline, tables and views. The floor's
//! rounds stand between (`floor`), so that a machine that slows down slows both.

use crate::app::{self, Served};
use crate::cli::bench::bodies::Bodies;
use crate::cli::bench::folder::Folder;
use crate::cli::bench::measure::{Round, Stopwatch, median};
use crate::cli::bench::{Ingest, config_for, floor};
use crate::config::Config;
use crate::store::query::{EventSearch, Filter, TimeRange};
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Senders, each on a connection of its own that it keeps.
const CLIENTS: usize = 4;

/// Pause of a sender that was told to come again later.
const AGAIN: Duration = Duration::from_millis(200);

/// How often the store is asked whether all rows are there.
const LOOK: Duration = Duration::from_millis(10);

pub(super) fn run(asked: &Ingest, config: &Config) -> anyhow::Result<()> {
    let folder = Folder::of_this_process(asked.dir.as_deref())?;
    let bodies = Arc::new(Bodies::write(folder.path(), asked.events, asked.seed)?);
    let mut out = std::io::stdout();
    writeln!(out, "{} events in {} bodies, {} MB", asked.events, bodies.count(), bodies.size_bytes() >> 20)?;
    let (mut floors, mut wholes) = (Vec::new(), Vec::new());
    for number in 1..=asked.rounds {
        if !asked.without_floor {
            let round = in_new_folder(folder.path(), config, |config| floor::round(&bodies, config))?;
            tell(&mut out, number, "floor", &round)?;
            floors.push(round.rate);
        }
        let round = in_new_folder(folder.path(), config, |config| whole_way(&bodies, config))?;
        tell(&mut out, number, "whole way", &round)?;
        wholes.push(round.rate);
    }
    let (floor, whole) = (median(&floors), median(&wholes));
    writeln!(out, "median whole way: {whole:.0} rows a second")?;
    if !asked.without_floor {
        writeln!(out, "median floor: {floor:.0} rows a second; ratio {:.2}", whole / floor)?;
    }
    Ok(())
}

fn tell(out: &mut impl Write, number: u16, way: &str, round: &Round) -> std::io::Result<()> {
    let Round { rate, cpu_seconds, memory_peak_bytes } = round;
    let memory_mb = memory_peak_bytes >> 20;
    writeln!(
        out,
        "round {number}, {way}: {rate:.0} rows a second, {cpu_seconds:.1} s of processor, memory peak {memory_mb} MB"
    )
}

/// Runs a round on a folder that did not exist before and does not after.
fn in_new_folder(
    parent: &Path,
    config: &Config,
    round: impl FnOnce(&Config) -> anyhow::Result<Round>,
) -> anyhow::Result<Round> {
    let folder = Folder::new(parent.join("data"))?;
    round(&config_for(config, folder.path()))
}

fn whole_way(bodies: &Arc<Bodies>, config: &Config) -> anyhow::Result<Round> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let served = app::serve(config, None).await?;
        let stopwatch = Stopwatch::start();
        post_all(bodies, served.url.trim_start_matches("http://")).await?;
        served.core().drain().await?;
        wait_for_rows(&served, bodies.events).await?;
        let round = stopwatch.stop(bodies.events);
        served.run_until(std::future::ready(())).await?;
        Ok(round)
    })
}

async fn post_all(bodies: &Arc<Bodies>, address: &str) -> anyhow::Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(post_some(Arc::clone(bodies), address.to_owned(), Arc::clone(&next)));
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}

/// One sender: takes the next body that nobody has taken, until there is none.
async fn post_some(bodies: Arc<Bodies>, address: String, next: Arc<AtomicUsize>) -> anyhow::Result<()> {
    let stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    loop {
        let body = next.fetch_add(1, Ordering::Relaxed);
        if body >= bodies.count() {
            break;
        }
        let bytes = Full::new(bodies.read(body)?);
        while !post(&mut sender, &address, bytes.clone()).await? {
            tokio::time::sleep(AGAIN).await;
        }
    }
    drop(sender);
    Ok(connection.await??)
}

/// Posts one body; false when the door asks to come again later.
async fn post<B>(sender: &mut SendRequest<B>, host: &str, body: B) -> anyhow::Result<bool>
where
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let request = Request::post("/v1/events?source=bench").header(header::HOST, host).body(body)?;
    sender.ready().await?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let said = http_body_util::BodyExt::collect(answer.into_body()).await?.to_bytes();
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Ok(false),
        status if status.is_success() => Ok(true),
        status => anyhow::bail!("the door answered {status}: {}", String::from_utf8_lossy(&said)),
    }
}

/// Waits until a query counts all rows.
async fn wait_for_rows(served: &Served, events: u64) -> anyhow::Result<()> {
    let all = Filter::all(TimeRange { from_unix: 0, to_unix: i64::from(u32::MAX) });
    loop {
        let rows = served.core().database.store.event_count(&all, &EventSearch::default()).await?;
        anyhow::ensure!(rows <= events, "{rows} rows of {events} events: something was stored twice");
        if rows == events {
            return Ok(());
        }
        anyhow::ensure!(!served.core().pipeline.has_ended(), "the pipeline has ended; the log tells why");
        tokio::time::sleep(LOOK).await;
    }
}
