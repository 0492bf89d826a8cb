//! `/suppressions/runs/RUN`: what one run of a rule, an import or a bulk request did, which rows it could not read, and
//! how all of it is taken back.

use crate::model::suppression::{RunId, RunKind};
use crate::store::RunRow;
use crate::suppression::imports::{ImportState, Report};
use crate::web::SharedSite;
use crate::web::api::suppressions::run_of;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::pages::suppressions::{Fact, forms, record_table, state_words};
use crate::web::params::{Extra, Params};
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Table};
use askama::Template;
use axum::extract::{Path, RawQuery};
use axum::response::Html;

/// Records shown of a run; the change feed has all.
const RECORDS_SHOWN: u32 = 200;

/// Faults shown of an import; the API has the first thousand.
const FAULTS_SHOWN: usize = 200;

/// How far back runs are looked for: years of hourly runs are asked for by the API.
const RUNS_LOOKED_AT: u32 = 2_000;

#[derive(Template)]
#[template(path = "pages/suppression_run.html")]
struct RunPage {
    layout: Layout,
    done: Option<&'static str>,
    run: String,
    title: String,
    note: String,
    facts: Vec<Fact>,
    /// Percent of the file, while an import is at work.
    progress: Option<u64>,
    faults: Option<Table>,
    records: Table,
    can_undo: bool,
    undone_by: Option<String>,
}

pub(super) async fn show(
    site: SharedSite,
    Path(run): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, PageError> {
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), &[Extra::One("done")])?;
    let run = run_of(&run)?;
    let report = site.imports().report(run);
    let (runs, records) = tokio::try_join!(
        site.store().suppression_runs(RUNS_LOOKED_AT),
        site.store().suppressions_of_run(run, "", RECORDS_SHOWN),
    )?;
    let row = runs.into_iter().find(|row| row.entry.run == run);
    if row.is_none() && report.is_none() && records.is_empty() {
        return Err(PageError::NotFound("such run"));
    }
    let layout = Layout::plain(&site, NavPage::Suppressions, "Run");
    let empty = "It has written nothing to the list.";
    let page = RunPage {
        done: params.extra("done").and_then(forms::done_words),
        run: run.0.to_string(),
        title: title(run, row.as_ref(), report.as_ref()),
        note: row.as_ref().map(|row| row.entry.note.to_string()).unwrap_or_default(),
        facts: facts(row.as_ref(), report.as_ref()),
        progress: report.as_ref().and_then(progress),
        faults: report.as_ref().and_then(fault_table),
        can_undo: !records.is_empty() && row.as_ref().is_none_or(|row| row.undone_by.is_none()),
        undone_by: row.and_then(|row| row.undone_by).map(|undo| undo.0.to_string()),
        records: record_table("What it wrote, by address", &records, empty).scrolling(),
        layout,
    };
    Ok(Html(page.render()?))
}

fn title(run: RunId, row: Option<&RunRow>, report: Option<&Report>) -> String {
    if let Some(report) = report {
        let kind = if report.order.dry_run { "Dry run of an import" } else { "Import" };
        return format!(
            "{kind}: {}",
            if report.order.name.is_empty() { "without a name" } else { &report.order.name }
        );
    }
    let Some(RunRow { entry, .. }) = row else { return format!("Run {}", run.0) };
    let kind = match entry.kind {
        RunKind::Rule => "Rule",
        RunKind::Import => "Import",
        RunKind::Bulk => "Bulk request",
        RunKind::Undo => "Undo",
        RunKind::Release => "Release by the burst guard",
    };
    if entry.name.is_empty() { kind.to_owned() } else { format!("{kind}: {}", entry.name) }
}

fn facts(row: Option<&RunRow>, report: Option<&Report>) -> Vec<Fact> {
    let fact = |name, value: String, detail: String| Fact { name, value, detail, href: None, tone: "" };
    let mut facts = Vec::new();
    if let Some(RunRow { entry, added, lifted, .. }) = row {
        let who = if entry.actor.is_empty() { "by itself".to_owned() } else { format!("by {}", entry.actor) };
        facts.push(fact(
            "State",
            entry.state.name().to_owned(),
            format!("begun {}, {who}", format::minute(entry.begun.seconds())),
        ));
        facts.push(fact("Added", format::count(*added), "records in the log".to_owned()));
        facts.push(fact("Lifted", format::count(*lifted), "records in the log".to_owned()));
    }
    if let Some(Report { order, state, progress, fault }) = report {
        let would = if order.dry_run { "would be " } else { "" };
        let is_failed = *state == ImportState::Failed;
        facts.push(Fact {
            tone: if is_failed { "bad" } else { "" },
            ..fact("File", state_words(*state).to_owned(), fault.clone())
        });
        facts.push(fact("Rows", format::count(progress.rows), format::bytes(progress.bytes)));
        facts.push(fact("New", format::count(progress.added), format!("{would}added")));
        facts.push(fact(
            "Known",
            format::count(progress.known),
            "on the list, or twice in the file".to_owned(),
        ));
        facts.push(fact("Kept off", format::count(progress.tombstoned), "lifted before".to_owned()));
        facts.push(Fact {
            tone: if progress.faulty > 0 { "warn" } else { "" },
            ..fact("Faulty", format::count(progress.faulty), "rows that could not be read".to_owned())
        });
    }
    facts
}

/// Percent of the rows that are done, guessed by the lines of the file, while it is worked on.
fn progress(report: &Report) -> Option<u64> {
    let is_at_work = matches!(report.state, ImportState::Running | ImportState::Waiting);
    let done = report.progress.bytes_read * 100;
    is_at_work.then(|| done.checked_div(report.progress.bytes).unwrap_or(0).min(100))
}

fn fault_table(report: &Report) -> Option<Table> {
    let faults = &report.progress.faults;
    let rows: Vec<Row> = faults
        .iter()
        .take(FAULTS_SHOWN)
        .map(|fault| Row::new(vec![Cell::count(fault.line), Cell::text(fault.message.clone())]))
        .collect();
    let columns = vec![Column::number("Line"), Column::text("Why it was not read")];
    (!rows.is_empty()).then(|| Table::new("Rows that could not be read", columns, rows, "").scrolling())
}
