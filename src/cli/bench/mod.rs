//! `relaylens bench`: measures this machine, this build and this engine, with mail that is made up.
//!
//! Way: `cli` hands over the [`Bench`] that was asked for. `mail` makes events from a seed; `generate` writes them as
//! lines, `fill` puts them into a database, `ingest` sends them through the doors, `pages` times what the dashboard asks,
//! `lmtp` sends mail that came back through the mail door, `suppression` asks what relays ask of a long list, `alerts`
//! watches relays with and without faults, and `blocklists` asks lists about many addresses.
//! Not here: the speed of the Postfix reader, which is compared with another in `benches/postfix.rs`.

mod alerts;
mod blocklists;
mod bodies;
mod fill;
mod floor;
mod folder;
mod generate;
mod ingest;
mod lmtp;
mod mail;
mod measure;
mod mix;
mod pages;
mod suppression;

use crate::config::Config;
use crate::model::Timestamp;
use std::path::PathBuf;

/// What to measure.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Bench {
    /// Write made-up delivery events as lines of relaylens' own form.
    Generate(Generate),
    /// Fill a new data folder with made-up events, for `bench pages` or to look around.
    Fill(Fill),
    /// Compare the whole way of events, from HTTP to queryable rows, with bare inserts of the same rows.
    Ingest(Ingest),
    /// Send bounces through the LMTP door into the spool, and compare with bare synced writes of the same bytes.
    Lmtp(lmtp::Lmtp),
    /// Time the overview page, and each question it asks, over a filled data folder.
    Pages(Pages),
    /// Load a long suppression list, and time its answers to relays and over HTTP.
    Suppression(Suppression),
    /// Watch made-up relays with and without faults by the shipped rules and by plain thresholds, and time an evaluation.
    Alerts(alerts::Alerts),
    /// Ask made-up blocklists about many addresses, and count the questions of a day.
    Blocklists(Blocklists),
}

/// Which events to make. The same numbers give the same events.
#[derive(Debug, Clone, clap::Args)]
pub struct Mix {
    /// How many events.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Any number; another one gives other events.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Days that the events are spread over.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=400))]
    days: u16,
    /// When the last event happens, as 2026-01-31T12:00:00Z; now, if not given.
    #[arg(long, value_parser = read_time)]
    end: Option<Timestamp>,
}

#[derive(Debug, Clone, clap::Args)]
pub struct Generate {
    #[command(flatten)]
    mix: Mix,
    /// File to write, or `-` for standard output.
    #[arg(long, default_value = "-")]
    out: PathBuf,
}

#[derive(Debug, Clone, clap::Args)]
pub struct Fill {
    #[command(flatten)]
    mix: Mix,
    /// A folder that does not exist yet, or is empty.
    #[arg(long)]
    data_dir: PathBuf,
}

#[derive(Debug, Clone, clap::Args)]
pub struct Ingest {
    /// How many events go each way in each round.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rounds; the median of each way is reported.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Leave out the bare inserts, whose blocks are held in memory: for the memory of the product alone.
    #[arg(long)]
    without_floor: bool,
    /// Folder for the data of the rounds, which is removed at the end; a new one beside other temporary files, if not
    /// given. Where it lies decides what a sync costs.
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, clap::Args)]
pub struct Pages {
    /// A folder with events, such as `bench fill` makes.
    #[arg(long)]
    data_dir: PathBuf,
    /// How often each question is asked, after three times to warm up.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    runs: u16,
}

#[derive(Debug, Clone, clap::Args)]
pub struct Suppression {
    /// How many addresses are on the list.
    #[arg(long, default_value_t = 10_000_000)]
    entries: u64,
    /// How many questions each client asks.
    #[arg(long, default_value_t = 200_000)]
    checks: usize,
    /// A folder that does not exist yet, or is empty.
    #[arg(long)]
    data_dir: PathBuf,
}

#[derive(Debug, Clone, clap::Args)]
pub struct Blocklists {
    /// How many addresses are watched.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=2_000))]
    ips: u16,
    /// How many lists are asked.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    lists: u16,
    /// After how many milliseconds each answer comes: real lists take 10 to 100.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    answer_ms: u16,
    /// A folder that does not exist yet, or is empty.
    #[arg(long)]
    data_dir: PathBuf,
}

/// Runs a measurement and prints what came out.
///
/// It starts runtimes of its own, one for each engine, so it must not be called on one.
///
/// # Errors
///
/// When a folder is not usable, the engine cannot be opened, or rows are missing at the end.
pub fn run(bench: Bench, config: &Config) -> anyhow::Result<()> {
    match bench {
        Bench::Generate(asked) => generate::run(&asked),
        Bench::Fill(asked) => fill::run(&asked, config),
        Bench::Ingest(asked) => ingest::run(&asked, config),
        Bench::Lmtp(asked) => lmtp::run(&asked, config),
        Bench::Pages(asked) => pages::run(&asked, config),
        Bench::Suppression(asked) => suppression::run(&asked, config),
        Bench::Alerts(asked) => alerts::run(&asked, config),
        Bench::Blocklists(asked) => blocklists::run(&asked, config),
    }
}

fn read_time(text: &str) -> Result<Timestamp, jiff::Error> {
    Timestamp::parse_rfc3339(text)
}

fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}

/// The settings of the user, for a data folder of ours: embedded, whatever else is configured.
fn config_for(config: &Config, data_dir: &std::path::Path) -> Config {
    Config {
        data_dir: data_dir.to_owned(),
        // Port 0: any free one. No token, which loopback does not need.
        http: crate::config::Http { listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(), ..Default::default() },
        clickhouse: crate::config::ClickHouse::default(),
        sources: crate::config::Sources::default(),
        ..config.clone()
    }
}
