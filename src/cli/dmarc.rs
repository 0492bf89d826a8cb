//! `relaylens dmarc export`.
//!
//! Way: for each day with records page by page, from the store or from the server that owns it, so that a year of records needs no
//! more memory than a page.

mod columns;

use crate::app::{Database, Handover};
use crate::cli::Common;
use crate::cli::dmarc::columns::COLUMNS;
use crate::cli::remote::Remote;
use crate::config::Config;
use crate::store::query::{DMARC_RECORDS_MAX, DmarcRecordRow, DmarcRecordSearch, ReportFilter, TimeRange};
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use jiff::{Span, Timestamp, tz::TimeZone};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io::{self, BufWriter, Write};

const DAY_S: i64 = 86_400;

/// Days for which it is asked at once which of them have records: the JSON API answers for 400 at most.
const LIST_DAYS: i64 = 365;

const AFTER_HELP: &str = "\
One row is the messages of one source with one result on one day, with the head of its report. A report over several days
is spread over them evenly; reports that are kept apart (foreign, implausible, forged) are left out. Lists stand in one CSV
field with blanks between. Days are UTC. While `relaylens serve` runs on the data folder, it is asked.";

#[derive(Debug, Subcommand)]
pub(super) enum Dmarc {
    /// Write the records of DMARC reports to standard output
    Export(ExportArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With a head line
    Csv,
    /// One JSON object a line, as the JSON API has it
    Ndjson,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    common: Common,
    #[arg(long, value_enum)]
    format: Format,
    /// Only this policy domain; may be given more than once
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Vec<String>,
    /// First day, such as 2026-08-01 [default: as long as reports are kept]
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// Last day, which is included [default: today]
    #[arg(long, value_name = "DATE")]
    to: Option<Date>,
}

pub(super) async fn run(command: &Dmarc) -> anyhow::Result<()> {
    let Dmarc::Export(args) = command;
    let config = args.common.settings()?;
    let (first, last) = days(args, &config)?;
    let source = Source::open(&config).await?;
    let mut out = Output { out: BufWriter::new(io::stdout()), format: args.format };
    let written = export(&source, &mut out, &args.domains, (first, last)).await;
    source.close().await;
    match written {
        // Whoever reads has seen enough, as `head` does.
        Err(error) if is_closed_pipe(&error) => Ok(()),
        written => written,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// First and last day, both included.
fn days(args: &ExportArgs, config: &Config) -> anyhow::Result<(Date, Date)> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let last = args.to.unwrap_or(today);
    let kept = Span::new().days(i64::from(config.retention.reports_days));
    let first = match args.from {
        Some(first) => first,
        None => last.checked_sub(kept).context("`--to` is before all time")?,
    };
    anyhow::ensure!(first <= last, "`--from` {first} is after `--to` {last}");
    Ok((first, last))
}

async fn export(
    source: &Source,
    out: &mut Output<impl Write>,
    domains: &[String],
    (first, last): (Date, Date),
) -> anyhow::Result<()> {
    out.head()?;
    let domains: Vec<String> = domains.iter().map(|domain| domain.to_lowercase()).collect();
    let end_unix = unix_of(last)? + DAY_S;
    let mut begin_unix = unix_of(first)?;
    while begin_unix < end_unix {
        let range =
            TimeRange { from_unix: begin_unix, to_unix: end_unix.min(begin_unix + LIST_DAYS * DAY_S) };
        for day_unix in source.days(&ReportFilter { range, domains: domains.clone() }).await? {
            export_day(source, out, &domains, day_unix).await?;
        }
        begin_unix = range.to_unix;
    }
    Ok(out.out.flush()?)
}

async fn export_day(
    source: &Source,
    out: &mut Output<impl Write>,
    domains: &[String],
    day_unix: i64,
) -> anyhow::Result<()> {
    let mut search = search(domains, day_unix);
    loop {
        let rows = source.page(&search).await?;
        for row in &rows {
            out.row(row)?;
        }
        search.offset += rows.len() as u64;
        if rows.len() < search.limit as usize {
            return Ok(());
        }
    }
}

fn unix_of(day: Date) -> anyhow::Result<i64> {
    Ok(day.to_zoned(TimeZone::UTC)?.timestamp().as_second())
}

fn search(domains: &[String], day_unix: i64) -> DmarcRecordSearch {
    let range = TimeRange { from_unix: day_unix, to_unix: day_unix + DAY_S };
    let filter = ReportFilter { range, domains: domains.to_vec() };
    DmarcRecordSearch { filter, ips: Vec::new(), offset: 0, limit: DMARC_RECORDS_MAX }
}

/// Where the records come from.
enum Source {
    Own(Database),
    Server(Remote),
}

/// What is read of the server's answers.
#[derive(Deserialize)]
struct Page {
    rows: Vec<DmarcRecordRow>,
}

#[derive(Deserialize)]
struct Days {
    days: Vec<Day>,
}

#[derive(Deserialize)]
struct Day {
    at_unix: i64,
}

impl Source {
    async fn open(config: &Config) -> anyhow::Result<Self> {
        if let Some(server) = Handover::find(&config.data_dir) {
            return Ok(Self::Server(Remote::to(config, server)?));
        }
        std::fs::create_dir_all(&config.data_dir)
            .with_context(|| format!("data folder {} cannot be made", config.data_dir.display()))?;
        Ok(Self::Own(Database::open(config).await?))
    }

    /// The days with records, oldest first.
    async fn days(&self, filter: &ReportFilter) -> anyhow::Result<Vec<i64>> {
        match self {
            Self::Own(database) => {
                Ok(database.store.dmarc_days(filter).await?.iter().map(|row| row.at_unix).collect())
            }
            Self::Server(server) => {
                let answer: Days = ask(server, &path("", filter, &[])?).await?;
                Ok(answer.days.iter().map(|day| day.at_unix).collect())
            }
        }
    }

    async fn page(&self, search: &DmarcRecordSearch) -> anyhow::Result<Vec<DmarcRecordRow>> {
        match self {
            Self::Own(database) => Ok(database.store.dmarc_records(search).await?),
            Self::Server(server) => {
                let more = [("offset", search.offset), ("limit", u64::from(search.limit))];
                let answer: Page = ask(server, &path("/records", &search.filter, &more)?).await?;
                Ok(answer.rows)
            }
        }
    }

    async fn close(self) {
        if let Self::Own(database) = self {
            database.close().await;
        }
    }
}

async fn ask<T: DeserializeOwned>(server: &Remote, path: &str) -> anyhow::Result<T> {
    let answer = server.get(path).await?;
    serde_json::from_slice(&answer).context("the running server's answer cannot be read")
}

/// A question as the JSON API takes it.
fn path(question: &str, filter: &ReportFilter, more: &[(&str, u64)]) -> anyhow::Result<String> {
    let minute = |unix: i64| -> anyhow::Result<String> {
        let at = Timestamp::from_second(unix)?.to_zoned(TimeZone::UTC);
        Ok(at.strftime("%Y-%m-%dT%H:%M").to_string())
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("from", &minute(filter.range.from_unix)?);
    query.append_pair("to", &minute(filter.range.to_unix)?);
    for domain in &filter.domains {
        query.append_pair("domain", domain);
    }
    for (name, value) in more {
        query.append_pair(name, &value.to_string());
    }
    Ok(format!("/api/v1/dmarc{question}?{}", query.finish()))
}

struct Output<W> {
    out: W,
    format: Format,
}

impl<W: Write> Output<W> {
    fn head(&mut self) -> io::Result<()> {
        if self.format == Format::Ndjson {
            return Ok(());
        }
        self.line(COLUMNS.iter().map(|(name, _)| (*name).to_owned()))
    }

    fn row(&mut self, row: &DmarcRecordRow) -> io::Result<()> {
        match self.format {
            Format::Csv => self.line(COLUMNS.iter().map(|(_, value)| value(row))),
            Format::Ndjson => {
                serde_json::to_writer(&mut self.out, row)?;
                self.out.write_all(b"\n")
            }
        }
    }

    fn line(&mut self, fields: impl Iterator<Item = String>) -> io::Result<()> {
        for (number, field) in fields.enumerate() {
            if number > 0 {
                self.out.write_all(b",")?;
            }
            self.out.write_all(quoted(field).as_bytes())?;
        }
        self.out.write_all(b"\r\n")
    }
}

/// A CSV field (RFC 4180 section 2): in quotes where it must be.
fn quoted(field: String) -> String {
    if field.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> DmarcRecordRow {
        DmarcRecordRow {
            day_unix: 1_785_542_400,
            policy_domain: "shop.example".to_owned(),
            source_ip: "192.0.2.7".to_owned(),
            messages: 3,
            is_spf_aligned: true,
            dkim_domains: vec!["a.example".to_owned(), "b.example".to_owned()],
            org_name: "Receiver, \"Inc.\"".to_owned(),
            pct: Some(100),
            ..DmarcRecordRow::default()
        }
    }

    fn written(format: Format) -> String {
        let mut out = Output { out: Vec::new(), format };
        out.head().unwrap();
        out.row(&row()).unwrap();
        String::from_utf8(out.out).unwrap()
    }

    #[test]
    fn csv_has_a_head_and_quotes_what_must_be() {
        let text = written(Format::Csv);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("day,policy_domain,source_ip,"), "{text}");
        assert!(lines[1].starts_with("2026-08-01,shop.example,192.0.2.7,"), "{text}");
        assert!(
            lines[1].contains("\"Receiver, \"\"Inc.\"\"\"") && lines[1].contains("a.example b.example"),
            "{text}"
        );
    }

    #[test]
    fn ndjson_is_read_back() {
        let text = written(Format::Ndjson);
        assert_eq!(serde_json::from_str::<DmarcRecordRow>(&text).unwrap(), row());
    }

    #[test]
    fn a_day_is_asked_for_whole() {
        let day_unix = unix_of("2026-08-01".parse().unwrap()).unwrap();
        let search = search(&["shop.example".to_owned()], day_unix);
        assert_eq!(
            path("/records", &search.filter, &[("offset", 20_000)]).unwrap(),
            "/api/v1/dmarc/records?from=2026-08-01T00%3A00&to=2026-08-02T00%3A00&domain=shop.example&offset=20000"
        );
    }
}
