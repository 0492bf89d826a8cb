//! `/alerts`: what fires, what fired, which rules watch, who is told.
//!
//! Way: the desk (`alert::Alerts`) has the last evaluation in memory, so what fires shows even when the store is down; the
//! history comes from the store. Forms post to `change`, which answers with the page again.
//! Not here: one incident (`incident`).

mod change;
mod incident;

use crate::alert::notify::{band_words, contributor_words, labels_words, minute, written};
use crate::alert::{Alerts, Board, Incident, Rule, RuleView, Verdict};
use crate::model::alert::{IncidentState, Metric, Severity};
use crate::store::StoreError;
use crate::store::query::{AnnotationOf, DeliveryAttempt, Dimension, TimeRange};
use crate::web::error::PageError;
use crate::web::format;
use crate::web::params::Link;
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Table};
use crate::web::{SharedSite, Site};
use askama::Template;
use axum::Router;
use axum::extract::RawQuery;
use axum::response::Html;
use axum::routing::{get, post};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How far back the history goes.
const HISTORY_S: i64 = 30 * 86_400;

/// Rows of the history, of the deliveries and of the annotations.
const ROWS_MAX: u32 = 200;

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/alerts", get(show))
        .route("/alerts/incidents/{id}", get(incident::show))
        .route("/alerts/acknowledge/{id}", post(change::acknowledge))
        .route("/alerts/silences/{id}", post(change::silence))
        .route("/alerts/channels/{id}", post(change::test_channel))
        .route("/alerts/annotations/{id}", post(change::annotate))
}

#[derive(Template)]
#[template(path = "pages/alerts.html")]
struct AlertsPage {
    layout: Layout,
    done: Option<&'static str>,
    state: String,
    is_evaluated: bool,
    firing: Vec<Card>,
    pending: Table,
    history: Table,
    rules: Table,
    silences: Vec<SilenceCard>,
    channels: Vec<ChannelCard>,
    deliveries: Table,
    annotations: Table,
}

/// An incident that fires.
struct Card {
    href: String,
    id: String,
    severity: Severity,
    tone: &'static str,
    title: String,
    entity: String,
    value: String,
    expected: Option<String>,
    contributors: Vec<String>,
    since: String,
    standing: Vec<String>,
    note: String,
    advice: String,
    can_be_acknowledged: bool,
}

struct SilenceCard {
    id: String,
    matchers: String,
    times: String,
    who: String,
    comment: String,
}

struct ChannelCard {
    name: String,
    last: String,
    tone: &'static str,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let now = site.now_unix();
    let alerts = site.alerts();
    let (history, deliveries, annotations) = ask(alerts, now).await?;
    let board = alerts.board();
    let layout = Layout::plain(&site, NavPage::Alerts, "Alerts");
    let page = AlertsPage {
        layout,
        done: change::done(&query.unwrap_or_default()),
        state: state(&board, now),
        is_evaluated: board.at.is_some(),
        firing: firing(&board),
        pending: pending(&board),
        history: history_table(&history),
        rules: rules(alerts, &board),
        silences: silences(&board),
        channels: channels(alerts, &deliveries),
        deliveries: delivery_table(&deliveries, &history),
        annotations: annotation_table(&annotations),
    };
    Ok(Html(page.render()?))
}

type Answers = (Vec<Incident>, Vec<DeliveryAttempt>, Vec<AnnotationOf>);

async fn ask(alerts: &Alerts, now: i64) -> Result<Answers, StoreError> {
    let range = TimeRange { from_unix: now - HISTORY_S, to_unix: now + 86_400 };
    tokio::try_join!(
        alerts.history(range.from_unix, ROWS_MAX),
        alerts.deliveries(range.from_unix, ROWS_MAX),
        alerts.annotations(range, ROWS_MAX),
    )
}

fn state(board: &Board, now: i64) -> String {
    let Some(at) = board.at else {
        return "The rules have not been evaluated yet.".to_owned();
    };
    let values: usize = board.rules.iter().map(|rule| rule.values).sum();
    let broken = board.rules.iter().filter(|rule| rule.error.is_some()).count();
    let faults = if broken > 0 { format!("; {broken} rules could not be judged") } else { String::new() };
    format!(
        "{} values of {} rules, evaluated {} in {} ms{faults}",
        format::count(values as u64),
        board.rules.len(),
        format::ago(at.seconds(), now),
        board.took_ms,
    )
}

const fn tone(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "bad",
        Severity::Warning => "warn",
        Severity::Info => "info",
    }
}

fn entity(incident: &Incident) -> String {
    let words = labels_words(&incident.labels);
    if words.is_empty() { "all mail".to_owned() } else { words }
}

fn path(incident: &Incident) -> String {
    format!("/alerts/incidents/{:032x}", incident.id)
}

fn card(incident: &Incident) -> Card {
    let finding = &incident.finding;
    let acknowledged =
        incident.acknowledged.as_ref().map(|by| format!("acknowledged by {}: {}", by.by, by.comment));
    let muted = incident.muted.clone().map(|why| format!("not told: {why}"));
    let reopened = (incident.reopened > 0).then(|| format!("reopened {} times", incident.reopened));
    Card {
        href: path(incident),
        id: format!("{:032x}", incident.id),
        severity: incident.severity,
        tone: tone(incident.severity),
        title: incident.title.clone(),
        entity: entity(incident),
        value: format!("{} {}", incident.metric.words(), written(incident.metric, finding.value)),
        expected: finding.expected.map(|expected| band_words(incident.metric, expected)),
        contributors: finding.contributors.iter().map(contributor_words).collect(),
        since: minute(incident.began),
        standing: [acknowledged, muted, reopened].into_iter().flatten().collect(),
        note: finding.note.clone(),
        advice: incident.advice.clone(),
        can_be_acknowledged: incident.acknowledged.is_none(),
    }
}

fn firing(board: &Board) -> Vec<Card> {
    let mut open: Vec<_> = board.open.iter().filter(|i| i.state == IncidentState::Firing).collect();
    open.sort_by_key(|incident| (std::cmp::Reverse(incident.severity), incident.began));
    open.into_iter().map(card).collect()
}

fn pending(board: &Board) -> Table {
    let columns = vec![
        Column::text("Rule"),
        Column::text("Where"),
        Column::number("Value"),
        Column::text("Since (UTC)"),
    ];
    let open = board.open.iter().filter(|incident| incident.state == IncidentState::Pending);
    let row = |incident: &Incident| {
        Row::new(vec![
            Cell::text(&incident.title),
            Cell::text(entity(incident)),
            Cell::figure(written(incident.metric, incident.finding.value)),
            Cell::word(minute(incident.began)),
        ])
    };
    Table::new("Incidents that are pending", columns, open.map(row).collect(), "")
}

fn history_table(history: &[Incident]) -> Table {
    let columns = vec![
        Column::text("Began (UTC)"),
        Column::text("Incident"),
        Column::text("Where"),
        Column::text("State"),
        Column::number("Value"),
        Column::number("Expected"),
        Column::number("Lasted"),
        Column::text("Contributes most"),
    ];
    let fired = history.iter().filter(|incident| incident.fired.is_some());
    let row = |incident: &Incident| {
        let finding = &incident.finding;
        let lasted = incident.ended.map_or("still firing".to_owned(), |ended| {
            format::duration_s(ended.seconds() - incident.began.seconds())
        });
        let expected = finding.expected.map(|expected| band_words(incident.metric, expected));
        let top = finding.contributors.first().map(|top| format!("{} {}", top.dimension, top.value));
        let state = Cell::word(incident.state.name());
        Row::new(vec![
            Cell::word(minute(incident.began)).link(&Link::to(&path(incident))),
            Cell::text(&incident.title).sub(incident.severity.name()),
            Cell::text(entity(incident)),
            if incident.is_open() { state.tone(tone(incident.severity)) } else { state },
            Cell::figure(written(incident.metric, finding.value)),
            Cell::figure(expected.unwrap_or_default()),
            Cell::figure(lasted),
            Cell::text(top.unwrap_or_default()),
        ])
    };
    Table::new(
        "Incidents of the last 30 days",
        columns,
        fired.map(row).collect(),
        "No incident in the last 30 days.",
    )
    .scrolling()
}

/// What a rule asks, in words.
fn condition(rule: &Rule) -> String {
    let mut all = Vec::new();
    if let Some(limit) = rule.above {
        all.push(format!("above {}", written(rule.metric, limit)));
    }
    if let Some(limit) = rule.below {
        all.push(format!("below {}", written(rule.metric, limit)));
    }
    if let Some(baseline) = &rule.baseline {
        use crate::alert::Direction;
        let way = match baseline.direction {
            Direction::Up => "over",
            Direction::Down => "under",
            Direction::Both => "beside",
        };
        all.push(format!("{way} what {} weeks had at this hour", baseline.weeks));
    }
    all.join(", or ")
}

fn rules(alerts: &Alerts, board: &Board) -> Table {
    let columns = vec![
        Column::text("Rule"),
        Column::text("Watches"),
        Column::text("Fires"),
        Column::text("Window"),
        Column::text("For"),
        Column::text("Told"),
        Column::number("Values"),
        Column::text("Now"),
    ];
    let views: BTreeMap<&str, &RuleView> =
        board.rules.iter().map(|view| (view.name.as_str(), view)).collect();
    let row = |rule: &Rule| {
        let by = rule.by.iter().map(|by: &Dimension| by.name()).collect::<Vec<_>>().join(" and ");
        let watches = if by.is_empty() {
            rule.metric.words().to_owned()
        } else {
            format!("{} by {by}", rule.metric.words())
        };
        let view = views.get(rule.name.as_str());
        let told =
            if rule.channels.is_empty() { "all channels".to_owned() } else { rule.channels.join(", ") };
        let (now, tone) = now_cell(rule, view.copied());
        let least = if rule.min_volume > 0 {
            format!("at least {} messages", rule.min_volume)
        } else {
            String::new()
        };
        Row::new(vec![
            Cell::text(&rule.title).sub(format!("{}, {}", rule.name, rule.severity)),
            Cell::text(watches).sub(least),
            Cell::text(condition(rule)),
            Cell::word(rule.window.to_string()),
            Cell::word(rule.hold.to_string()),
            Cell::text(told),
            Cell::count(view.map_or(0, |view| view.values as u64)),
            Cell::text(now).tone(tone),
        ])
    };
    Table::new("Rules", columns, alerts.rules().rules.iter().map(row).collect(), "There are no rules.")
}

fn now_cell(rule: &Rule, view: Option<&RuleView>) -> (String, &'static str) {
    if !rule.enabled {
        return ("off".to_owned(), "");
    }
    let Some(view) = view else { return ("not yet".to_owned(), "") };
    if let Some(error) = &view.error {
        return (error.clone(), "bad");
    }
    let worst = view.shown.first().map(|first| {
        let place = labels_words(&first.labels);
        format!("{place} {}", written(rule.metric, first.finding.value))
    });
    let count = |verdict| view.shown.iter().filter(|watched| watched.verdict == verdict).count();
    match (count(Verdict::Breach), count(Verdict::Clear)) {
        (0, 0) if view.shown.is_empty() => ("nothing to judge".to_owned(), ""),
        (0, 0) => ("too little mail or history".to_owned(), ""),
        (0, _) => ("as it should be".to_owned(), "good"),
        (breaches, _) => {
            let others = if breaches > 1 { format!(" and {} more", breaches - 1) } else { String::new() };
            (worst.unwrap_or_default() + &others, tone(rule.severity))
        }
    }
}

fn silences(board: &Board) -> Vec<SilenceCard> {
    let card = |silence: &crate::alert::SilenceView| SilenceCard {
        id: format!("{:032x}", silence.id),
        matchers: silence.matchers.clone(),
        times: format!("{} to {} UTC", minute(silence.begins), minute(silence.until)),
        who: silence.author.clone(),
        comment: silence.comment.clone(),
    };
    board.silences.iter().map(card).collect()
}

fn channels(alerts: &Alerts, deliveries: &[DeliveryAttempt]) -> Vec<ChannelCard> {
    let card = |name: &str| {
        let last = deliveries.iter().find(|delivery| delivery.channel == name);
        let (last, tone) = match last {
            None => ("nothing sent in 30 days".to_owned(), "info"),
            Some(last) if last.error.is_empty() => (
                format!("{} {}", last.state.replace('_', " "), format::minute(last.at_us / 1_000_000)),
                "good",
            ),
            Some(last) => (format!("{}: {}", last.state.replace('_', " "), last.error), "bad"),
        };
        ChannelCard { name: name.to_owned(), last, tone }
    };
    alerts.channels().names().map(card).collect()
}

fn delivery_table(deliveries: &[DeliveryAttempt], history: &[Incident]) -> Table {
    let columns = vec![
        Column::text("Time (UTC)"),
        Column::text("Channel"),
        Column::text("Incident"),
        Column::text("State"),
        Column::number("Attempts"),
        Column::text("What it said"),
    ];
    let titles: BTreeMap<String, &Incident> =
        history.iter().map(|incident| (uuid::Uuid::from_u128(incident.id).to_string(), incident)).collect();
    let row = |delivery: &DeliveryAttempt| {
        let incident = titles.get(&delivery.incident_id);
        let title = incident.map_or("an older incident".to_owned(), |incident| {
            format!("{}: {}", incident.title, entity(incident))
        });
        let title = Cell::text(title).sub(format!("step {}", delivery.seq));
        let state = Cell::word(delivery.state.replace('_', " "));
        Row::new(vec![
            Cell::word(format::minute(delivery.at_us / 1_000_000)),
            Cell::text(&delivery.channel),
            incident.map_or(title.clone(), |incident| title.link(&Link::to(&path(incident)))),
            if delivery.error.is_empty() { state } else { state.tone("bad") },
            Cell::count(delivery.attempt.into()),
            Cell::text(&delivery.error),
        ])
    };
    let rows = deliveries.iter().map(row).collect();
    Table::new("Messages to channels", columns, rows, "Nobody has been told anything in the last 30 days.")
        .scrolling()
}

fn annotation_table(annotations: &[AnnotationOf]) -> Table {
    let columns = vec![Column::text("Time (UTC)"), Column::text("What"), Column::text("Who")];
    let row = |annotation: &AnnotationOf| {
        let at = format::minute(annotation.at_us / 1_000_000);
        let time = Cell::word(at);
        let time = if annotation.until_us > annotation.at_us {
            time.sub(format!("to {}", format::minute(annotation.until_us / 1_000_000)))
        } else {
            time
        };
        Row::new(vec![
            time,
            Cell::text(&annotation.title).sub(annotation.text.clone()),
            Cell::text(&annotation.author).sub(annotation.kind.clone()),
        ])
    };
    Table::new(
        "Annotations",
        columns,
        annotations.iter().rev().map(row).collect(),
        "Nothing was noted in the last 30 days.",
    )
}

/// A metric's words with a capital, for a heading.
fn heading(metric: Metric) -> String {
    let words = metric.words();
    words.chars().take(1).flat_map(char::to_uppercase).chain(words.chars().skip(1)).collect()
}
