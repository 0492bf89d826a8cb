//! The commands.
//!
//! Way: one file per command; each reads its arguments, asks `app` for what it needs, and says in words what happened.

#![expect(clippy::doc_markdown, reason = "comments on arguments are the help text, not Markdown")]

mod alerts;
pub mod bench;
mod check;
mod check_config;
mod classify;
mod demo;
mod dmarc;
mod erase;
mod import;
mod import_mail;
mod input;
mod migrate;
mod parse;
mod remote;
mod replay;
mod serve;
mod suppress;
mod token;
mod unsubscribe_link;
mod verp;

use crate::app::start_logging;
use crate::config::{self, Config};
use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

const AFTER_HELP: &str = "\
Begin with:
  relaylens demo                                   a recorded day of a real relay, on a dashboard
  relaylens serve                                  an empty server on http://127.0.0.1:8080
  relaylens import --format postfix /var/log/mail.log

Settings come from relaylens.toml in the working directory (or --config), then from the environment:
RELAYLENS_HTTP__LISTEN=127.0.0.1:9000 is [http] listen. An unknown key is an error.";

/// What happens to the mail that your relay sends: delivery events into ClickHouse and onto a dashboard.
#[derive(Parser)]
#[command(name = "relaylens", version, about, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server: doors for events, followed logs, dashboard, JSON API
    Serve(serve::ServeArgs),
    /// Read log or event files into the store, or print their events
    Import(import::ImportArgs),
    /// Bring the database's tables up to date, and end
    Migrate(Common),
    /// Read the items again that could not be read, after a fix
    Replay(replay::ReplayArgs),
    /// Check the settings and the rules file, and print what is in force
    CheckConfig(Common),
    /// Look at the DNS and the blocklists as receivers do
    #[command(subcommand)]
    Check(check::Check),
    /// Read mail and reports, and print what they are and what was read
    Parse(parse::ParseArgs),
    /// Write what DMARC reports say to standard output
    #[command(subcommand)]
    Dmarc(dmarc::Dmarc),
    /// Delete all that names an address; what suppresses it stays under its hash
    Erase(erase::EraseArgs),
    /// Say what a reply means: which reason, and by which rule
    Classify(classify::ClassifyArgs),
    /// Sign a return path, by which a bounce is known as genuine
    Verp(verp::VerpArgs),
    /// Ask, change, import and export the suppression list
    #[command(subcommand)]
    Suppress(suppress::Suppress),
    /// Try a channel of the alerts
    #[command(subcommand)]
    Alerts(alerts::Alerts),
    /// Sign a link by which a recipient unsubscribes
    UnsubscribeLink(unsubscribe_link::UnsubscribeLinkArgs),
    /// Make a token for the API, with a scope
    Token(token::TokenArgs),
    /// Show a recorded day of a real relay on a dashboard
    Demo(demo::DemoArgs),
    /// Measure this program on this machine
    #[command(subcommand)]
    Bench(bench::Bench),
}

/// Arguments of every command that uses the settings.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Common {
    /// Settings file [default: relaylens.toml, when it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder for spool, checkpoint and the embedded database [default: relaylens-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Use this ClickHouse server instead of the embedded engine, such as http://127.0.0.1:8123
    #[arg(long, value_name = "URL")]
    clickhouse_url: Option<String>,
}

impl Common {
    /// The settings, with what the command line says over them.
    fn settings(&self) -> anyhow::Result<Config> {
        self.settings_with(|_| ())
    }

    fn settings_with(&self, change: impl FnOnce(&mut Config)) -> anyhow::Result<Config> {
        let mut config = config::load(self.config.as_deref())?;
        if let Some(data_dir) = &self.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        if let Some(url) = &self.clickhouse_url {
            config.clickhouse.url = Some(url.clone());
        }
        change(&mut config);
        config.check()?;
        Ok(config)
    }
}

/// Arguments of the commands that open a port.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Listen {
    /// Address and port for dashboard, API and doors; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

/// Runs the command line. Exit status 0 when the command did its work, 1 when not, 2 for wrong arguments;
/// `check` tells by it what it found.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    match run(cli.command) {
        Ok(status) => status,
        Err(error) => failed(&error),
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(check) => return block_on(check::run(&check)),
        Command::Serve(args) => block_on(serve::run(&args)),
        Command::Import(args) => block_on(import::run(&args)),
        Command::Migrate(args) => block_on(migrate::run(&args)),
        Command::Replay(args) => block_on(replay::run(&args)),
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Parse(args) => parse::run(&args),
        Command::Dmarc(command) => block_on(dmarc::run(&command)),
        Command::Erase(args) => block_on(erase::run(&args)),
        Command::Classify(args) => classify::run(&args),
        Command::Verp(args) => verp::run(&args),
        Command::Suppress(command) => block_on(suppress::run(&command)),
        Command::Alerts(command) => block_on(alerts::run(&command)),
        Command::UnsubscribeLink(args) => unsubscribe_link::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Demo(args) => block_on(demo::run(&args)),
        // Measurements start runtimes of their own.
        Command::Bench(bench) => bench::run(bench, &config::load(None)?),
    }
    .map(|()| ExitCode::SUCCESS)
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Runtime::new().context("the runtime cannot be started")?.block_on(work)
}

/// Tells the error and what led to it.
fn failed(error: &anyhow::Error) -> ExitCode {
    say_error(&format!("relaylens: {error:#}"));
    ExitCode::FAILURE
}

/// A line for the person who called, on standard output. An output that is closed is no error.
pub(crate) fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn say_error(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}
