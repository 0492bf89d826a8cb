//! `/bounces`: why does mail fail for good, and what do the receivers say?

use crate::model::BounceGroup;
use crate::store::query::{BounceClassRow, BounceGroupAt, ReportingMtaRow, ResponseRow};
use crate::store::{Store, StoreError};
use crate::web::SharedSite;
use crate::web::dictionary::group_meaning;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::params::{Link, Params};
use crate::web::parts::{
    Cell, Chart, ChartBuilder, ChartKind, ChartUnit, Column, Layout, Marks, NavPage, Nothing, Row, Table,
    reply_table, short_reply_table,
};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;
use std::collections::BTreeMap;

/// Kinds of reply in the table. The long tail is better searched on `/messages`.
const REPLIES_MAX: u32 = 40;

/// Kinds of reply in the unclassified queue: about what a person works through in one sitting.
const UNCLASSIFIED_MAX: u32 = 20;

/// Servers in the table of those that sent bounces later.
const REPORTERS_MAX: u32 = 30;

/// From the ground of the stack up: groups of one colour family stand together.
const STACK: [BounceGroup; 12] = [
    BounceGroup::Recipient,
    BounceGroup::Inactive,
    BounceGroup::Domain,
    BounceGroup::Block,
    BounceGroup::Rate,
    BounceGroup::Policy,
    BounceGroup::Auth,
    BounceGroup::Content,
    BounceGroup::Quota,
    BounceGroup::Transient,
    BounceGroup::Protocol,
    BounceGroup::Unknown,
];

#[derive(Template)]
#[template(path = "pages/bounces.html")]
struct BouncesPage {
    layout: Layout,
    nothing: Option<Nothing>,
    total: String,
    trend: Chart,
    classes: Table,
    replies: Table,
    unclassified: Table,
    reporters: Table,
}

struct Answers {
    classes: Vec<BounceClassRow>,
    series: Vec<BounceGroupAt>,
    replies: Vec<ResponseRow>,
    unclassified: Vec<ResponseRow>,
    reporters: Vec<ReportingMtaRow>,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), &[])?;
    let (layout, answers, marks) = tokio::try_join!(
        Layout::of_mail(&site, &params, NavPage::Bounces, "/bounces", "Bounces"),
        ask(site.store(), &params),
        Marks::of(&site, params.filter()),
    )?;
    Ok(Html(page(layout, &params, &answers, &marks).render()?))
}

async fn ask(store: &Store, params: &Params) -> Result<Answers, StoreError> {
    let hours = params.by_whole_hours();
    let (classes, series, replies, unclassified, reporters) = tokio::try_join!(
        store.bounce_classes(&hours),
        store.bounce_group_series(&hours, params.range().hour_step_s()),
        store.responses(&hours, &["bounced", "expired"], REPLIES_MAX),
        store.unclassified_responses(&hours, UNCLASSIFIED_MAX),
        store.reporting_mtas(&hours, REPORTERS_MAX),
    )?;
    Ok(Answers { classes, series, replies, unclassified, reporters })
}

fn page(layout: Layout, params: &Params, answers: &Answers, marks: &Marks) -> BouncesPage {
    let total = answers.classes.iter().map(|row| row.events).sum();
    let is_nothing = total == 0 && answers.unclassified.is_empty() && answers.reporters.is_empty();
    BouncesPage {
        nothing: is_nothing.then(|| Nothing::of(params, "/bounces", layout.newest_unix())),
        total: format::count(total),
        trend: trend(params, &answers.series, layout.stale_since(), marks),
        classes: class_table(params, &answers.classes, total),
        replies: reply_table(
            &answers.replies,
            params,
            total,
            "Replies that failed messages for good, most frequent first",
            "No receiver refused a message for good.",
        ),
        unclassified: short_reply_table(
            &answers.unclassified,
            params,
            "Replies that no rule knows, most frequent first",
            "Every reply in this range has a class.",
        ),
        reporters: reporter_table(&answers.reporters),
        layout,
    }
}

fn trend(params: &Params, rows: &[BounceGroupAt], stale_since: Option<i64>, marks: &Marks) -> Chart {
    let range = params.range();
    let (step_s, starts) = (range.hour_step_s(), range.steps(range.hour_step_s()));
    let mut by_group: BTreeMap<&str, BTreeMap<i64, u64>> = BTreeMap::new();
    for row in rows {
        let name = BounceGroup::from_name(&row.bounce_group).unwrap_or(BounceGroup::Unknown).name();
        *by_group.entry(name).or_default().entry(row.at_unix).or_default() += row.events;
    }
    let begin = Chart::begin(
        "trend",
        "Failures by group over time",
        ChartKind::Stack,
        ChartUnit::Messages,
        range,
        step_s,
    );
    let with_group = |chart: ChartBuilder, group: BounceGroup| {
        let Some(known) = by_group.get(group.name()) else { return chart };
        let values =
            starts.iter().map(|at| Some(format::float(known.get(at).copied().unwrap_or(0)))).collect();
        let drill = search(params.link("/messages"), group.name(), "").with_range_open();
        chart.series(group.name(), group.name(), values, Some(drill))
    };
    STACK
        .into_iter()
        .fold(begin, with_group)
        .stale_since(stale_since)
        .marks(marks)
        .end("No message failed for good in this range.")
}

fn search(link: Link, group: &str, reason: &str) -> Link {
    let link = link.with("type", "bounced").with("type", "expired");
    let link = if group.is_empty() { link } else { link.with("group", group) };
    if reason.is_empty() { link } else { link.with("reason", reason) }
}

/// Groups by size, and under each its reasons by size.
fn class_table(params: &Params, rows: &[BounceClassRow], total: u64) -> Table {
    let mut groups: BTreeMap<&str, Vec<&BounceClassRow>> = BTreeMap::new();
    for row in rows {
        groups.entry(&row.bounce_group).or_default().push(row);
    }
    let size = |rows: &[&BounceClassRow]| rows.iter().map(|row| row.events).sum::<u64>();
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, rows)| std::cmp::Reverse(size(rows)));
    let columns = vec![
        Column::text("Group → reason"),
        Column::text("Bounce type"),
        Column::number("Messages"),
        Column::number("Share"),
    ];
    let share = |events: u64| {
        Cell::figure(format::percent((total > 0).then(|| format::float(events) / format::float(total)), 1))
    };
    let mut table = Vec::new();
    for (group, mut reasons) in groups {
        let known = BounceGroup::from_name(group).unwrap_or(BounceGroup::Unknown);
        let events = size(&reasons);
        table.push(Row::group(vec![
            Cell::text(known.name())
                .key(known.name())
                .link(&search(params.link("/messages"), group, ""))
                .sub(group_meaning(known)),
            Cell::text(""),
            Cell::count(events).bar(events, total, known.name()),
            share(events),
        ]));
        reasons.sort_by_key(|row| std::cmp::Reverse(row.events));
        for row in reasons {
            let reason = if row.bounce_reason.is_empty() { "unclassified" } else { &row.bounce_reason };
            table.push(Row::new(vec![
                Cell::text(reason).indented().link(&search(
                    params.link("/messages"),
                    group,
                    &row.bounce_reason,
                )),
                Cell::text(row.bounce_type.clone()),
                Cell::count(row.events),
                share(row.events),
            ]));
        }
    }
    Table::new("Failures by class", columns, table, "No message failed for good in this range.")
}

/// Servers that sent notices of failure after they had taken the mail.
fn reporter_table(rows: &[ReportingMtaRow]) -> Table {
    let row = |row: &ReportingMtaRow| {
        let name = if row.reporting_mta.is_empty() { "not named" } else { &row.reporting_mta };
        Row::new(vec![
            Cell::text(name),
            Cell::count(row.bounces),
            Cell::count(row.hard),
            Cell::count(row.verified),
            Cell::count(row.repeats),
            Cell::count(row.unverified).tone(if row.unverified > 0 { "warn" } else { "" }),
            Cell::word(format::short_minute(i64::from(row.last_unix))),
        ])
    };
    let columns = vec![
        Column::text("Reporting server"),
        Column::number("Bounces"),
        Column::number("Hard"),
        Column::number("Signed"),
        Column::number("Known before"),
        Column::number("Unverified"),
        Column::text("Last"),
    ];
    let empty = "No server sent a bounce back after it had taken the mail.";
    Table::new("Bounces that came later, by reporting server", columns, rows.iter().map(row).collect(), empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(classes: Vec<BounceClassRow>) -> String {
        let params = Params::parse("range=7d", 1_785_585_270, &[]).unwrap();
        let answers = Answers {
            classes,
            series: Vec::new(),
            replies: Vec::new(),
            unclassified: Vec::new(),
            reporters: Vec::new(),
        };
        page(Layout::bare("Bounces"), &params, &answers, &Marks::default()).render().unwrap()
    }

    fn class(group: &str, reason: &str, events: u64) -> BounceClassRow {
        BounceClassRow {
            bounce_group: group.to_owned(),
            bounce_reason: reason.to_owned(),
            bounce_type: "hard".to_owned(),
            events,
        }
    }

    #[test]
    fn without_bounces_every_panel_says_so() {
        let html = html(Vec::new());
        assert!(html.contains("No message failed for good in this range."));
        assert!(html.contains("Every reply in this range has a class."));
    }

    #[test]
    fn reasons_stand_under_their_group_and_large_groups_first() {
        let html = html(vec![
            class("quota", "mailboxfull", 5),
            class("recipient", "filtered", 1),
            class("recipient", "userunknown", 9),
        ]);
        let place = |word: &str| html.find(&format!(">{word}</a>")).unwrap();
        assert!(place("recipient") < place("userunknown"));
        assert!(place("userunknown") < place("filtered"));
        assert!(place("filtered") < place("quota"));
        assert!(html.contains("60.0\u{202f}%"), "{html}");
    }
}
