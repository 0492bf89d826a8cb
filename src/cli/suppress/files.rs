//! Lists in, lists out.

use crate::cli::suppress::Reach;
use crate::cli::suppress::api::{Api, PATH, query};
use crate::cli::{Common, say};
use anyhow::Context;
use axum::body::{Body, Bytes};
use axum::http::Method;
use clap::{Args, ValueEnum};
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// Bytes of a file that are sent at once.
const PART_BYTES: usize = 256 * 1024;

/// How often an import is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Faulty rows that are printed; `--json` prints all that the server kept.
const FAULTS_SHOWN: usize = 20;

const IMPORT_HELP: &str = "\
Columns are known by their names: address (or email), reason, scope, tenant, name, type, since, expires, note. Lists of
HubSpot, Mailchimp, SendGrid and Amazon SES are read as they are. What was lifted before an entry's `since`, or has none,
is kept off the list. An import that is stopped goes on with the server; it can be undone as a whole.";

#[derive(Debug, Args)]
#[command(after_help = IMPORT_HELP)]
pub(in crate::cli) struct ImportArgs {
    #[command(flatten)]
    common: Common,
    /// Up to 1 GiB each
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reach: Reach,
    /// When entries without an end of their own end, such as 2026-12-31T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME", default_value = "")]
    expires: String,
    /// Only count what would be done
    #[arg(long)]
    dry_run: bool,
    /// Print the whole report
    #[arg(long)]
    json: bool,
}

pub(super) async fn import(args: &ImportArgs) -> anyhow::Result<()> {
    Api::with(&args.common, async |api| {
        for file in &args.files {
            let report = import_one(api, args, file).await.with_context(|| file.display().to_string())?;
            tell(&report, args)?;
        }
        Ok(())
    })
    .await
}

async fn import_one(api: &Api, args: &ImportArgs, file: &Path) -> anyhow::Result<Value> {
    let Reach { scope, tenant, name, mail_type } = &args.reach;
    let file_name = file.file_name().unwrap_or_default().to_string_lossy();
    let asked = query(&[
        ("name", &file_name),
        ("dry_run", if args.dry_run { "true" } else { "" }),
        ("scope", scope),
        ("tenant", tenant),
        ("scope_name", name),
        ("type", mail_type),
        ("expires", &args.expires),
    ]);
    let opened = tokio::fs::File::open(file).await.context("it cannot be opened")?;
    let body = Body::from_stream(stream::try_unfold(opened, |mut opened| async move {
        let mut part = vec![0; PART_BYTES];
        let read = opened.read(&mut part).await?;
        part.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(part), opened)))
    }));
    let answer = api.send(Method::POST, &format!("{PATH}/imports?{asked}"), body).await?;
    let begun: Value = api.read(answer).await?;
    let run = begun["run"].as_str().context("the import has no run")?.to_owned();
    let bar = ProgressBar::new(begun["bytes"].as_u64().unwrap_or(0));
    let style = ProgressStyle::with_template(
        "{bar:40} {binary_bytes} of {binary_total_bytes}, {msg} rows, {eta} left",
    );
    bar.set_style(style?);
    loop {
        let report: Value = api.get(&format!("{PATH}/imports/{run}")).await?;
        bar.set_position(report["bytes_read"].as_u64().unwrap_or(0));
        bar.set_message(report["rows"].to_string());
        if matches!(report["state"].as_str(), Some("done" | "failed")) {
            bar.finish_and_clear();
            return Ok(report);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn tell(report: &Value, args: &ImportArgs) -> anyhow::Result<()> {
    if args.json {
        say(&report.to_string());
    } else {
        let count = |name: &str| report[name].as_u64().unwrap_or(0);
        let would = if args.dry_run { "would be " } else { "" };
        say(&format!(
            "{} rows: {} {would}added, {} with a new end, {} known, {} kept off (lifted before), {} faulty",
            count("rows"),
            count("added"),
            count("extended"),
            count("known"),
            count("tombstoned"),
            count("faulty")
        ));
        let faults: &[Value] = report["faults"].as_array().map_or(&[], Vec::as_slice);
        for fault in faults.iter().take(FAULTS_SHOWN) {
            say(&format!("  line {}: {}", fault["line"], fault["message"].as_str().unwrap_or_default()));
        }
        if !args.dry_run {
            say(&format!("run {}", report["run"].as_str().unwrap_or_default()));
        }
    }
    let is_done = report["state"] == "done";
    anyhow::ensure!(is_done, "the import failed: {}", report["fault"].as_str().unwrap_or_default());
    Ok(())
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Ndjson,
    Csv,
    /// An opt-out list
    Hubspot,
    /// Unsubscribed contacts
    Mailchimp,
    /// Bodies for the global suppression group
    Sendgrid,
    /// Lines for import jobs of the account-level list
    Ses,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Identity {
    Plain,
    Sha256,
    Md5,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    #[command(flatten)]
    common: Common,
    #[arg(long, value_enum, default_value = "ndjson")]
    format: Format,
    /// How addresses are written, in NDJSON and CSV
    #[arg(long, value_enum, default_value = "plain")]
    identity: Identity,
    /// Whose account it is for, in the shapes of others
    #[arg(long, default_value = "")]
    tenant: String,
    /// Write here instead of to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let path = path_of(args);
    Api::with(&args.common, async |api| {
        let answer = api.send(Method::GET, &path, Body::empty()).await?;
        let mut out: Box<dyn Write> = match &args.output {
            Some(file) => Box::new(
                std::fs::File::create(file)
                    .with_context(|| format!("{} cannot be written", file.display()))?,
            ),
            None => Box::new(std::io::stdout().lock()),
        };
        let mut parts = answer.into_body().into_data_stream();
        while let Some(part) = parts.next().await {
            let part = part.context("the list broke off; what was written is not all of it")?;
            match out.write_all(&part) {
                // Whoever read has seen enough.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            }
        }
        Ok(out.flush()?)
    })
    .await
}

fn path_of(args: &ExportArgs) -> String {
    let name = |value: &dyn std::fmt::Debug| format!("{value:?}").to_ascii_lowercase();
    match args.format {
        Format::Ndjson | Format::Csv => {
            let asked = query(&[("format", &name(&args.format)), ("identity", &name(&args.identity))]);
            format!("{PATH}/snapshot?{asked}")
        }
        shape => format!("{PATH}/export/{}?{}", name(&shape), query(&[("tenant", &args.tenant)])),
    }
}
