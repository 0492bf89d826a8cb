//! `/suppressions`: who is not mailed, why, since when, and what does a person have to decide?
//!
//! Way: this file asks for all panels of the page; `answer` tells of one address, `forms` takes changes, `run` and
//! `webhooks` are pages of their own, to which it leads.

mod answer;
mod forms;
mod run;
mod webhooks;

use crate::model::suppression::{LogRecord, Origin, Reason, ReviewState};
use crate::store::query::{Filter, GrowthAt, TimeToHonour};
use crate::store::{ReviewRow, RunRow};
use crate::suppression::imports::{ImportState, Report};
use crate::web::error::PageError;
use crate::web::format;
use crate::web::params::{Extra, Link, Params};
use crate::web::parts::{Cell, Chart, ChartKind, ChartUnit, Column, Layout, Marks, NavPage, Row, Table};
use crate::web::{SharedSite, Site};
use answer::Answer;
use askama::Template;
use axum::Router;
use axum::extract::RawQuery;
use axum::response::Html;
use axum::routing::{get, post};
use std::collections::BTreeMap;
use std::sync::Arc;

const PATH: &str = "/suppressions";

/// Runs, newest changes and imports in their tables.
const RUNS_MAX: u32 = 15;
const NEWEST_MAX: u32 = 8;
const IMPORTS_MAX: usize = 5;

/// Reviews that are asked for; those that wait come first.
const REVIEWS_MAX: u32 = 50;

/// Addresses of a review that are shown.
const HELD_SHOWN: u32 = 8;

/// Within two days bulk senders must honour an unsubscribe. Source: support.google.com/a/answer/81126 ("Email sender
/// guidelines", bulk senders) and senders.yahooinc.com/best-practices.
const HONOUR_S_MAX: f64 = 2.0 * 86_400.0;

/// Reasons of the chart with their colours, from the ground of the stack up; what is not here is "other bounces".
const STACK: [(Reason, &str, &str); 9] = [
    (Reason::Bounce(crate::model::BounceGroup::Recipient), "recipient", "No such recipient"),
    (Reason::Bounce(crate::model::BounceGroup::Inactive), "inactive", "Inactive mailbox"),
    (Reason::Bounce(crate::model::BounceGroup::Domain), "domain", "No such domain"),
    (Reason::Bounce(crate::model::BounceGroup::Quota), "quota", "Mailbox full"),
    (Reason::Complaint, "complaint", "Complaint"),
    (Reason::Unsubscribe, "unsubscribe", "Unsubscribe"),
    (Reason::Manual, "manual", "By hand"),
    (Reason::Import, "import", "Import"),
    (Reason::Compliance, "compliance", "Compliance"),
];

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/suppressions", get(show).post(forms::change))
        .route("/suppressions/reviews/{review}", post(forms::decide))
        .route("/suppressions/runs/{run}", get(run::show).post(forms::undo))
        .route("/suppressions/webhooks", get(webhooks::show).post(forms::send_again))
}

#[derive(Template)]
#[template(path = "pages/suppressions.html")]
struct SuppressionsPage {
    layout: Layout,
    /// What was just done.
    done: Option<&'static str>,
    /// Why the list cannot be asked yet.
    is_loading: bool,
    asked: answer::Asked,
    answer: Option<Answer>,
    facts: Vec<Fact>,
    reviews: Vec<Review>,
    trend: Chart,
    by_reason: Table,
    newest: Table,
    runs: Table,
    imports: Option<Table>,
    reasons: Vec<&'static str>,
}

/// One figure in the row at the top.
pub(crate) struct Fact {
    name: &'static str,
    value: String,
    detail: String,
    href: Option<&'static str>,
    tone: &'static str,
}

/// A burst that waits for a person.
struct Review {
    id: String,
    title: String,
    detail: String,
    held: Vec<String>,
    more: u64,
}

struct Answers {
    growth: Vec<GrowthAt>,
    honour: TimeToHonour,
    reviews: Vec<ReviewRow>,
    held: Vec<Vec<String>>,
    runs: Vec<RunRow>,
    newest: Vec<LogRecord>,
}

pub(super) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    const EXTRAS: &[Extra] =
        &[Extra::One("address"), Extra::One("list"), Extra::One("type"), Extra::One("done")];
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), EXTRAS)?;
    let asked = answer::Asked::of(&params)?;
    let everything = Filter::all(params.filter().range);
    let marks = async { Marks::of(&site, &everything).await.map_err(PageError::from) };
    let (answers, answer, marks) = tokio::try_join!(ask(&site, &params), answer::ask(&site, &asked), marks)?;
    let layout = Layout::of_time(&site, &params, NavPage::Suppressions, PATH, "Suppressions");
    let page = SuppressionsPage {
        layout,
        done: params.extra("done").and_then(forms::done_words),
        is_loading: !site.list().index().is_loaded(),
        asked,
        answer,
        facts: facts(&site, &answers),
        trend: trend(&params, &answers.growth, &marks),
        by_reason: reason_table(&answers.growth),
        newest: newest_table(&answers.newest),
        runs: run_table(&answers.runs),
        imports: import_table(&site.imports().reports()),
        reviews: reviews(answers.reviews, answers.held),
        reasons: forms::REASONS.iter().map(|reason| reason.name()).collect(),
    };
    Ok(Html(page.render()?))
}

async fn ask(site: &Site, params: &Params) -> Result<Answers, PageError> {
    let (store, range) = (site.store(), params.filter().range);
    let reviews = async {
        let mut reviews = site.list().reviews(REVIEWS_MAX).await.map_err(PageError::from)?;
        reviews.retain(|review| review.state == ReviewState::Waiting);
        let mut held = Vec::with_capacity(reviews.len());
        for review in &reviews {
            let rows = site.list().held(review.review, HELD_SHOWN).await.map_err(PageError::from)?;
            held.push(rows.into_iter().map(|row| row.change.key.address.to_string()).collect());
        }
        Ok::<_, PageError>((reviews, held))
    };
    let store_asked = async {
        Ok::<_, PageError>(tokio::try_join!(
            store.suppression_growth(range, params.range().step_s()),
            store.time_to_honour(range),
            store.suppression_runs(RUNS_MAX),
            store.suppressions_newest(None, NEWEST_MAX),
        )?)
    };
    let ((reviews, held), (growth, honour, runs, newest)) = tokio::try_join!(reviews, store_asked)?;
    Ok(Answers { growth, honour, reviews, held, runs, newest })
}

fn facts(site: &Site, answers: &Answers) -> Vec<Fact> {
    let sum = |of: fn(&GrowthAt) -> u64| answers.growth.iter().map(of).sum::<u64>();
    let waiting = answers.reviews.len() as u64;
    let honour = &answers.honour;
    let is_late = honour.unsubscribes > 0 && honour.p95_s > HONOUR_S_MAX;
    let hooks: Vec<_> = site.hooks().iter().map(crate::suppression::hooks::Hook::status).collect();
    let behind = hooks.iter().filter(|hook| hook.failures > 0 || hook.dead_letters > 0).count();
    let fact = |name, value: String, detail: String| Fact { name, value, detail, href: None, tone: "" };
    let mut facts = vec![
        fact(
            "On the list",
            format::count(site.list().index().len() as u64),
            "entries and tombstones".to_owned(),
        ),
        fact(
            "Added",
            format::count(sum(|row| row.added)),
            format!("and {} lifted, in this range", format::count(sum(|row| row.lifted))),
        ),
        Fact {
            tone: if waiting > 0 { "warn" } else { "" },
            href: (waiting > 0).then_some("#reviews"),
            ..fact("Waiting for a decision", format::count(waiting), "held by the burst guard".to_owned())
        },
        Fact {
            tone: if is_late { "bad" } else { "" },
            ..fact(
                "Time to honour",
                if honour.unsubscribes == 0 { format::NO_VALUE.to_owned() } else { seconds(honour.p95_s) },
                format!("95 % of {} unsubscribes; 2 days are allowed", format::count(honour.unsubscribes)),
            )
        },
    ];
    if !hooks.is_empty() {
        facts.push(Fact {
            tone: if behind > 0 { "warn" } else { "" },
            href: Some("/suppressions/webhooks"),
            ..fact(
                "Webhooks",
                format::count(hooks.len() as u64),
                format!("{behind} behind or with dead letters"),
            )
        });
    }
    facts
}

fn seconds(seconds: f64) -> String {
    format::duration_ms(seconds * 1_000.0)
}

fn reviews(rows: Vec<ReviewRow>, held: Vec<Vec<String>>) -> Vec<Review> {
    let review = |(row, held): (ReviewRow, Vec<String>)| Review {
        id: row.review.to_string(),
        title: format!(
            "{} refused {} of {} recipients",
            row.receiver,
            format::count(row.failing.into()),
            format::count(row.outcomes.into())
        ),
        detail: format!(
            "Since {} UTC; {}. {} addresses are held{}.",
            format::minute(row.begun.seconds()),
            if row.is_open { "it goes on" } else { "it is over" },
            format::count(row.held),
            if row.left_out > 0 { ", and more were left out" } else { "" },
        ),
        more: row.held.saturating_sub(held.len() as u64),
        held,
    };
    rows.into_iter().zip(held).map(review).collect()
}

fn trend(params: &Params, rows: &[GrowthAt], marks: &Marks) -> Chart {
    let range = params.range();
    let (step_s, starts) = (range.step_s(), range.steps(range.step_s()));
    let key_of =
        |reason: &str| STACK.iter().find(|(known, ..)| known.name() == reason).map_or("unknown", |it| it.1);
    let mut known: BTreeMap<(&str, i64), u64> = BTreeMap::new();
    for row in rows {
        *known.entry((key_of(&row.reason), row.at_unix)).or_default() += row.added;
    }
    let values = |key| {
        let at = |at: &i64| Some(format::float(known.get(&(key, *at)).copied().unwrap_or(0)));
        starts.iter().map(at).collect()
    };
    let label = "Additions to the list over time, by reason";
    let mut chart = Chart::begin("growth", label, ChartKind::Stack, ChartUnit::Items, range, step_s);
    for (_, key, name) in STACK {
        chart = chart.series(key, name, values(key), None);
    }
    chart
        .series("unknown", "Other bounces", values("unknown"), None)
        .marks(marks)
        .end("Nothing was added in this range.")
}

fn reason_table(rows: &[GrowthAt]) -> Table {
    let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(&row.reason).or_default();
        *sum = (sum.0 + row.added, sum.1 + row.lifted);
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
    let row = |(reason, (added, lifted)): (&str, (u64, u64))| {
        Row::new(vec![Cell::text(reason), Cell::count(added), Cell::count(lifted)])
    };
    let columns = vec![Column::text("Reason"), Column::number("Added"), Column::number("Lifted or ended")];
    let rows = sums.into_iter().map(row).collect();
    Table::new("Changes by reason", columns, rows, "Nothing was changed in this range.")
}

/// Records, each with its address as a link to what is known of it.
pub(super) fn record_table(caption: &str, records: &[LogRecord], empty: &str) -> Table {
    let row = |record: &LogRecord| {
        let key = &record.change.key;
        let (tenant, name) = key.scope.parts();
        let reach = [key.scope.name(), tenant, name].into_iter().filter(|part| !part.is_empty());
        let who = match &record.change.origin {
            Origin::Rule(name) => format!("rule {name}"),
            Origin::Actor(name) => name.to_string(),
        };
        Row::new(vec![
            Cell::word(format::short_minute(record.seq.time().seconds())),
            Cell::word(record.change.action.name()),
            Cell::text(key.address.to_string())
                .link(&Link::to(PATH).with("address", key.address.to_string())),
            Cell::text(key.reason.name()).sub(format!(
                "{}, {} mail",
                reach.collect::<Vec<_>>().join(" "),
                key.mail_type
            )),
            Cell::text(who).sub(record.change.note.to_string()),
        ])
    };
    let columns = vec![
        Column::text("Time (UTC)"),
        Column::text("What"),
        Column::text("Address"),
        Column::text("Reason"),
        Column::text("By"),
    ];
    Table::new(caption, columns, records.iter().map(row).collect(), empty)
}

fn newest_table(records: &[LogRecord]) -> Table {
    record_table("Newest changes", records, "The list is empty, and always was.")
}

fn run_table(rows: &[RunRow]) -> Table {
    let row = |row: &RunRow| {
        let entry = &row.entry;
        let name = if entry.name.is_empty() { entry.kind.name() } else { entry.name.as_str() };
        let state = if row.undone_by.is_some() { "undone" } else { entry.state.name() };
        let who = if entry.actor.is_empty() { "by itself" } else { entry.actor.as_str() };
        Row::new(vec![
            Cell::word(format::short_minute(entry.begun.seconds())),
            Cell::text(name).sub(format!("{}, {who}", entry.kind)).link(&run_link(entry.run.0)),
            Cell::count(row.added),
            Cell::count(row.lifted),
            Cell::word(state),
        ])
    };
    let columns = vec![
        Column::text("Begun (UTC)"),
        Column::text("Run"),
        Column::number("Added"),
        Column::number("Lifted"),
        Column::text("State"),
    ];
    Table::new(
        "Newest runs",
        columns,
        rows.iter().map(row).collect(),
        "No rule and no file has changed the list.",
    )
}

fn run_link(run: uuid::Uuid) -> Link {
    Link::to(&format!("{PATH}/runs/{run}"))
}

fn import_table(reports: &[Report]) -> Option<Table> {
    let row = |report: &Report| {
        let progress = &report.progress;
        let name = if report.order.name.is_empty() { "without a name" } else { &report.order.name };
        Row::new(vec![
            Cell::text(name)
                .sub(if report.order.dry_run { "dry run: only counted" } else { "" })
                .link(&run_link(report.order.run.0)),
            Cell::word(state_words(report.state)).tone(if report.state == ImportState::Failed {
                "bad"
            } else {
                ""
            }),
            Cell::count(progress.rows),
            Cell::count(progress.added),
            Cell::count(progress.faulty).tone(if progress.faulty > 0 { "warn" } else { "" }),
        ])
    };
    let columns = vec![
        Column::text("File"),
        Column::text("State"),
        Column::number("Rows"),
        Column::number("Added"),
        Column::number("Faulty"),
    ];
    let rows: Vec<Row> = reports.iter().take(IMPORTS_MAX).map(row).collect();
    (!rows.is_empty()).then(|| Table::new("Newest imports", columns, rows, ""))
}

const fn state_words(state: ImportState) -> &'static str {
    match state {
        ImportState::Waiting => "waiting",
        ImportState::Running => "running",
        ImportState::Done => "done",
        ImportState::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn params() -> Params {
        Params::parse("range=7d", 1_785_585_270, &[]).unwrap()
    }

    #[test]
    fn an_empty_list_says_so_in_every_panel() {
        assert!(trend(&params(), &[], &Marks::default()).to_string().contains("Nothing was added"));
        assert!(reason_table(&[]).to_string().contains("Nothing was changed"));
        assert!(newest_table(&[]).to_string().contains("The list is empty"));
        assert!(run_table(&[]).to_string().contains("No rule and no file"));
        assert!(import_table(&[]).is_none());
    }

    #[test]
    fn a_reason_without_a_colour_of_its_own_is_counted_among_the_others() {
        let at_unix = params().range().steps(params().range().step_s())[0];
        let row = |reason: &str, added| GrowthAt { at_unix, reason: reason.to_owned(), added, lifted: 0 };
        let html =
            trend(&params(), &[row("bounce:unknown", 3), row("bounce:transient", 4)], &Marks::default())
                .to_string();
        assert!(html.contains(">7<"), "{html}");
    }

    #[test]
    fn a_burst_is_told_in_words_with_what_it_holds() {
        let row = ReviewRow {
            review: uuid::Uuid::nil(),
            receiver: "mx.slow.example".into(),
            begun: Timestamp(0),
            failing: 60,
            outcomes: 61,
            held: 59,
            left_out: 0,
            is_open: true,
            state: ReviewState::Waiting,
            decided_by: "".into(),
            decided: Timestamp(0),
            note: "".into(),
        };
        let shown = reviews(vec![row], vec![vec!["a@b.example".to_owned()]]).remove(0);
        assert_eq!((shown.title.as_str(), shown.more), ("mx.slow.example refused 60 of 61 recipients", 58));
        assert!(shown.detail.contains("it goes on. 59 addresses are held."), "{}", shown.detail);
    }
}
