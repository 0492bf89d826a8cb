//! The LMTP door into the spool against its floor: a mail is answered when it is synced.
//!
//! Way: for each number of connections, the door that `serve` opens takes in the mails that as many clients send over
//! loopback, and the spool writes them. Behind it stand two floors with the same bytes on the same disk, a moment later:
//! bare writes with as many mails in each sync as the spool had, and a sync for each mail. Nothing reads the spool
//! meanwhile. The clients run in the same process, so that every figure holds both sides of the conversation.

use crate::cli::bench::folder::Folder;
use crate::cli::bench::measure::{per_second, percentile};
use crate::cli::bench::now;
use crate::config::Config;
use crate::ingest::lmtp::{self, MAILS_PER_CONNECTION_MAX, MailDoor, MailDoorLimits, MailListener, Protocol};
use crate::ingest::{DoorStatus, Intake};
use crate::spool::{Spool, SpoolLimits};
use anyhow::Context;
use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A failure that a Postfix wrote, with the message that it returns: 4 KB, as most are.
const MAIL: &str = include_str!("../../../tests/data/mail/postfix-lab-failed-gmail-nouser.eml");

#[derive(Debug, Clone, clap::Args)]
pub struct Lmtp {
    /// Mails of each round.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=200_000))]
    mails: u64,
    /// Connections at once, one round for each number: 1 to 200, which is what the door takes.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64], value_parser = clap::value_parser!(u16).range(1..=200))]
    connections: Vec<u16>,
    /// Folder for the data of the rounds, which is removed at the end; a new one beside other temporary files, if not
    /// given. Where it lies decides what a sync costs.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// What a round came to.
struct Round {
    took: Duration,
    /// From MAIL to the answer behind the dot, sorted.
    waits: Vec<Duration>,
    syncs: u64,
    /// Bytes that the spool holds for them.
    bytes: u64,
}

pub(super) fn run(asked: &Lmtp, config: &Config) -> anyhow::Result<()> {
    let folder = Folder::of_this_process(asked.dir.as_deref())?;
    let mut out = std::io::stdout();
    let text = on_the_wire(MAIL);
    writeln!(out, "{} mails of {} bytes in each round", asked.mails, text.len())?;
    for connections in &asked.connections {
        let round = tokio::runtime::Runtime::new()?.block_on(async {
            let data = Folder::new(folder.path().join("data"))?;
            through_the_door(data.path(), config, asked.mails, *connections, &text).await
        })?;
        let together = asked.mails.div_ceil(round.syncs.max(1));
        let shared = floor(folder.path(), asked.mails, round.bytes, together)?;
        let single = floor(folder.path(), asked.mails, round.bytes, 1)?;
        tell(&mut out, *connections, asked.mails, &round, [shared, single])?;
    }
    Ok(())
}

fn tell(
    out: &mut impl Write,
    connections: u16,
    mails: u64,
    round: &Round,
    [shared, single]: [Duration; 2],
) -> std::io::Result<()> {
    let rate = per_second(mails, round.took);
    let millis = |q: f64| percentile(&round.waits, q).as_secs_f64() * 1_000.0;
    let of = |floor: Duration| rate / per_second(mails, floor);
    writeln!(
        out,
        "{connections:3} connections: {rate:.0} mails/s, answered after p50 {:.2} ms, p99 {:.2} ms; {:.1} mails a sync",
        millis(0.5),
        millis(0.99),
        per_second(mails, Duration::from_secs(round.syncs.max(1))),
    )?;
    writeln!(
        out,
        "    bare writes, as many a sync: {:.0} mails/s, ratio {:.2}; a sync for each: {:.0} mails/s, ratio {:.2}",
        per_second(mails, shared),
        of(shared),
        per_second(mails, single),
        of(single),
    )
}

async fn through_the_door(
    dir: &Path,
    config: &Config,
    mails: u64,
    connections: u16,
    text: &Arc<str>,
) -> anyhow::Result<Round> {
    let limits = SpoolLimits {
        segment_bytes: config.spool.segment_bytes,
        total_bytes_max: config.spool.bytes_max,
        ..SpoolLimits::default()
    };
    let (spool, _) = Spool::open(&dir.join("spool"), limits)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let at = listener.local_addr()?;
    let door = MailDoor {
        protocol: Protocol::Lmtp,
        source: "bench".into(),
        hostname: "localhost".to_owned(),
        recipients: Vec::new(),
        limits: MailDoorLimits::default(),
    };
    let (stop, stopped) = watch::channel(false);
    let intake = Intake::new(spool.clone(), now);
    let door =
        tokio::spawn(lmtp::listen(MailListener::Tcp(listener), door, intake, DoorStatus::default(), stopped));
    let begun = Instant::now();
    let waits = send_all(at, mails, connections, text).await?;
    let took = begun.elapsed();
    stop.send_replace(true);
    door.await?;
    let stats = spool.stats();
    anyhow::ensure!(stats.last_seq == mails, "the spool has {} of {mails} mails", stats.last_seq);
    Ok(Round { took, waits, syncs: stats.syncs, bytes: stats.used_bytes })
}

/// Sends all mails; returns how long each was waited for, sorted.
async fn send_all(
    at: SocketAddr,
    mails: u64,
    connections: u16,
    text: &Arc<str>,
) -> anyhow::Result<Vec<Duration>> {
    let sent = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let (sent, text) = (Arc::clone(&sent), Arc::clone(text));
        clients.spawn(async move {
            let mut waits = Vec::new();
            while send_some(at, mails, &sent, &text, &mut waits).await? {}
            anyhow::Ok(waits)
        });
    }
    let mut waits = Vec::new();
    while let Some(client) = clients.join_next().await {
        waits.extend(client??);
    }
    waits.sort_unstable();
    Ok(waits)
}

/// Sends what is left to send, as long as one connection lasts; whether there may be more.
async fn send_some(
    at: SocketAddr,
    mails: u64,
    sent: &AtomicU64,
    text: &str,
    waits: &mut Vec<Duration>,
) -> anyhow::Result<bool> {
    let stream = TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    let mut client = Client(BufReader::new(stream));
    client.wait_for("220").await?;
    client.say("LHLO bench.example\r\n", &["250"]).await?;
    for _ in 0..MAILS_PER_CONNECTION_MAX {
        if sent.fetch_add(1, Ordering::Relaxed) >= mails {
            client.say("QUIT\r\n", &["221"]).await?;
            return Ok(false);
        }
        let begun = Instant::now();
        // Pipelined, as Postfix does.
        let envelope = "MAIL FROM:<>\r\nRCPT TO:<bounces@bounce.example>\r\nDATA\r\n";
        client.say(envelope, &["250", "250", "354"]).await?;
        client.say(text, &["250"]).await?;
        waits.push(begun.elapsed());
    }
    Ok(true)
}

struct Client(BufReader<TcpStream>);

impl Client {
    /// Sends, and waits for as many answers.
    async fn say(&mut self, text: &str, wanted: &[&str]) -> anyhow::Result<()> {
        self.0.get_mut().write_all(text.as_bytes()).await?;
        for code in wanted {
            self.wait_for(code).await?;
        }
        Ok(())
    }

    /// Waits for one answer, of one line or several.
    async fn wait_for(&mut self, code: &str) -> anyhow::Result<()> {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await?;
            let rest = line.strip_prefix(code).with_context(|| format!("the door answered {line:?}"))?;
            if !rest.starts_with('-') {
                return Ok(());
            }
        }
    }
}

/// Writes as many bytes into one file, with so many mails in each write and sync. Returns how long that took.
fn floor(dir: &Path, mails: u64, bytes: u64, together: u64) -> anyhow::Result<Duration> {
    let path = dir.join("floor");
    let mut file = File::create(&path)?;
    let mail = vec![b'x'; usize::try_from(bytes / mails)?];
    let batch = mail.repeat(usize::try_from(together)?);
    let mut left = mails;
    let begun = Instant::now();
    while left > 0 {
        let now = left.min(together);
        file.write_all(&batch[..mail.len() * usize::try_from(now)?])?;
        file.sync_data()?;
        left -= now;
    }
    let took = begun.elapsed();
    std::fs::remove_file(path)?;
    Ok(took)
}

/// A mail as LMTP carries it: lines end with CR LF, a dot at the beginning of a line stands twice, one alone ends it.
fn on_the_wire(mail: &str) -> Arc<str> {
    let mut text = String::with_capacity(mail.len() * 2);
    for line in mail.lines() {
        if line.starts_with('.') {
            text.push('.');
        }
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str(".\r\n");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_goes_over_the_wire_with_its_dots_doubled() {
        assert_eq!(&*on_the_wire("a\n.b\r\n\n"), "a\r\n..b\r\n\r\n.\r\n");
    }

    #[tokio::test]
    async fn one_client_waits_for_a_sync_each_time_and_many_send_no_more_than_was_asked() {
        let dir = tempfile::tempdir().unwrap();
        let mails = u64::from(MAILS_PER_CONNECTION_MAX) + 5;
        let text = on_the_wire(MAIL);
        let round = through_the_door(dir.path(), &Config::default(), mails, 1, &text).await.unwrap();
        assert_eq!((round.waits.len() as u64, round.syncs), (mails, mails));
        std::fs::remove_dir_all(dir.path().join("spool")).unwrap();
        let round = through_the_door(dir.path(), &Config::default(), 200, 16, &text).await.unwrap();
        assert_eq!(round.waits.len(), 200);
    }

    #[test]
    fn the_floor_writes_all_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        floor(dir.path(), 10, 1005, 3).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
