//! `relaylens import`.

use crate::app::{Core, Handover, local_intake, log_options};
use crate::classify::{CACHE_ENTRIES, Classifier};
use crate::cli::remote::Remote;
use crate::cli::{Common, import_mail, say};
use crate::config::Config;
use crate::ingest::{Batch, ImportReader, ImportedChunk, Intake};
use crate::model::{Event, SourceKind, SourceRef, Timestamp};
use crate::parse::Item;
use crate::parse::items::items;
use crate::parse::ndjson::to_ndjson;
use crate::pipeline::ReaderOptions;
use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

const AFTER_HELP: &str = "\
Files may be plain, gzip or zstd. An import that was stopped goes on where it was; the same file twice adds nothing.
Stamps without a year are taken to be of the last twelve months. While `relaylens serve` runs on the data folder, the
lines are handed to it.";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ImportFormat {
    /// A Postfix mail log: traditional or RFC 3339 stamps, or journalctl -o json
    Postfix,
    /// Exim's main log
    Exim,
    /// Accounting files of PowerMTA: CSV with a header line
    Powermta,
    /// Haraka's log: plain, logfmt or JSON
    Haraka,
    /// ZoneMTA's log: plain or JSON
    Zonemta,
    /// HubSpot's e-mail events: pages of its API, or an export as CSV
    Hubspot,
    /// KumoMTA log records, one JSON object a line
    Kumomta,
    /// Events in relaylens' own form, one JSON object a line
    Ndjson,
    /// Mail that came back: bounces, complaints, DMARC and TLS reports; files, folders, Maildir, mbox
    Mail,
    /// DMARC and TLS reports without a mail around them, packed or not; files and folders
    Report,
}

impl ImportFormat {
    const fn kind(self) -> SourceKind {
        match self {
            Self::Postfix => SourceKind::Postfix,
            Self::Exim => SourceKind::Exim,
            Self::Powermta => SourceKind::Powermta,
            Self::Haraka => SourceKind::Haraka,
            Self::Zonemta => SourceKind::Zonemta,
            Self::Hubspot => SourceKind::Hubspot,
            Self::Kumomta => SourceKind::Kumomta,
            Self::Ndjson => SourceKind::Ndjson,
            Self::Mail => SourceKind::Mail,
            Self::Report => SourceKind::Report,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    common: Common,
    /// What the files hold
    #[arg(long, value_enum)]
    format: ImportFormat,
    /// Your name for the relay that wrote them; the name of a followed log continues that log
    #[arg(long, default_value = "import")]
    source: String,
    /// Time zone of stamps that have none, such as Europe/Berlin [default: the system's]; with --dry-run. For an import
    /// set it in the settings, as `time_zone` of the source
    #[arg(long, value_name = "ZONE", requires = "dry_run")]
    time_zone: Option<String>,
    /// Print the events as NDJSON instead of storing them
    #[arg(long)]
    dry_run: bool,
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What an import did.
#[derive(Debug, Default)]
struct Done {
    items: u64,
    refused: u64,
}

pub(super) async fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let config = args.common.settings()?;
    if matches!(args.format, ImportFormat::Mail | ImportFormat::Report) {
        anyhow::ensure!(!args.dry_run, "`relaylens parse` prints what is read from mail and reports");
        return import_mail::run(&args.files, &args.source, &config).await;
    }
    if args.dry_run {
        return dry_run(args);
    }
    let done = match Handover::find(&config.data_dir) {
        Some(server) => remote(args, &Remote::to(&config, server)?).await?,
        None => local(args, &config).await?,
    };
    say(&format!("{} items taken in", done.items));
    if done.refused > 0 {
        say(&format!("{} lines were refused, see above", done.refused));
    }
    Ok(())
}

impl ImportArgs {
    fn source(&self) -> SourceRef {
        SourceRef { kind: self.format.kind(), name: self.source.as_str().into() }
    }
}

async fn local(args: &ImportArgs, config: &Config) -> anyhow::Result<Done> {
    let core = Core::open(config, Duration::ZERO).await?;
    let intake = local_intake(&core);
    let source = args.source();
    let known = core.pipeline.files().get(&source).cloned().unwrap_or_default();
    let before = core.pipeline.progress().now().sources.remove(&source).unwrap_or_else(|| totals_of(&source));
    let mut done = Done::default();
    for path in &args.files {
        let mut reader = ImportReader::open(path, &known)?;
        let bar = bar_for(path, reader.bytes_total());
        while let Some(chunk) = next_chunk(&mut reader, &bar)? {
            let batch = Batch {
                source: source.clone(),
                received: intake.now(),
                file: reader.file().clone(),
                offset: chunk.offset,
                payload: chunk.payload,
            };
            done.items += accept(&intake, &batch).await?;
        }
        finish(path, &reader, &bar);
    }
    core.drain().await?;
    let after = core.pipeline.progress().now().sources.remove(&source).unwrap_or_else(|| totals_of(&source));
    say(&format!(
        "{} events stored; {} items were known already, {} could not be read (`rejects`)",
        after.events - before.events,
        after.counts.duplicate - before.counts.duplicate,
        after.counts.rejected - before.counts.rejected,
    ));
    drop(intake);
    core.close().await?;
    Ok(done)
}

fn totals_of(source: &SourceRef) -> crate::pipeline::SourceTotals {
    crate::pipeline::SourceTotals::new(source.clone())
}

/// Waits for room while the spool is full: the pipeline makes some.
async fn accept(intake: &Intake, batch: &Batch) -> anyhow::Result<u64> {
    loop {
        match intake.accept(batch).await {
            Ok(items) => return Ok(items),
            Err(crate::spool::SpoolError::Full { .. }) => {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn remote(args: &ImportArgs, server: &Remote) -> anyhow::Result<Done> {
    let mut done = Done::default();
    for path in &args.files {
        let mut reader = ImportReader::open(path, &[])?;
        let bar = bar_for(path, reader.bytes_total());
        while let Some(chunk) = next_chunk(&mut reader, &bar)? {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("source", &args.source);
            let kind = args.format.kind();
            let door = match kind {
                SourceKind::Ndjson => "events".to_owned(),
                SourceKind::Kumomta => "in/kumomta".to_owned(),
                _ => {
                    query.append_pair("file", reader.file()).append_pair("offset", &chunk.offset.to_string());
                    format!("in/{kind}")
                }
            };
            let answer = server.post(&format!("/v1/{door}?{}", query.finish()), chunk.payload).await?;
            tell(path, &answer, &mut done, &bar)?;
        }
        finish(path, &reader, &bar);
    }
    Ok(done)
}

/// Takes the door's answer: how many items it took, and which lines it refused.
fn tell(path: &std::path::Path, answer: &[u8], done: &mut Done, bar: &ProgressBar) -> anyhow::Result<()> {
    #[derive(serde::Deserialize)]
    struct Receipt {
        accepted: u64,
        #[serde(default)]
        rejected: u64,
        #[serde(default)]
        errors: Vec<serde_json::Value>,
    }
    let receipt: Receipt =
        serde_json::from_slice(answer).context("the running server's answer cannot be read")?;
    done.items += receipt.accepted;
    done.refused += receipt.rejected;
    for error in receipt.errors {
        bar.suspend(|| say(&format!("{}: {error}", path.display())));
    }
    Ok(())
}

/// Prints what would be stored, and on standard error what could not be read.
fn dry_run(args: &ImportArgs) -> anyhow::Result<()> {
    let source = args.source();
    let options = ReaderOptions { log: log_options(args.time_zone.as_deref())?, ..ReaderOptions::default() };
    let mut reader = options.reader(&source).context("mail is read by `relaylens parse`")?;
    let mut classifier = Classifier::new(crate::app::bounce_rules(&args.common.settings()?)?, CACHE_ENTRIES);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let received = Timestamp::from(jiff::Timestamp::now());
    let (mut events, mut line): (Vec<Event>, Vec<u8>) = Default::default();
    for path in &args.files {
        let mut file = ImportReader::open(path, &[])?;
        while let Some(chunk) = file.next_chunk()? {
            for (at, bytes) in items(source.kind.framing(), &chunk.payload) {
                let offset = chunk.offset + at as u64;
                let item = Item { source: &source, bytes, offset, received };
                if let Err(reject) = reader.read(&item, &mut events) {
                    super::say_error(&format!("{} at byte {offset}: {reject}", path.display()));
                }
                for mut event in events.drain(..) {
                    classifier.apply(&mut event);
                    line.clear();
                    to_ndjson(&event, &mut line);
                    out.write_all(&line)?;
                }
            }
        }
    }
    Ok(out.flush()?)
}

fn bar_for(path: &std::path::Path, bytes_total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    ProgressBar::new(bytes_total)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(name)
}

fn next_chunk(reader: &mut ImportReader, bar: &ProgressBar) -> anyhow::Result<Option<ImportedChunk>> {
    let chunk = reader.next_chunk()?;
    if let Some(chunk) = &chunk {
        bar.set_position(chunk.bytes_done);
    }
    Ok(chunk)
}

fn finish(path: &std::path::Path, reader: &ImportReader, bar: &ProgressBar) {
    bar.finish_and_clear();
    if reader.is_cut_short() {
        say(&format!(
            "{} ends within its last packed block; what could be unpacked was read",
            path.display()
        ));
    }
}
