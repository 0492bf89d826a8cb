//! `/complaints`: who calls the mail spam, how often, and do the feedback loops still report?

use crate::store::query::{
    Dimension, EventRow, EventSearch, FeedbackLoopRow, Filter, Outcomes, OutcomesAt, OutcomesOf,
};
use crate::store::{Store, StoreError};
use crate::web::SharedSite;
use crate::web::dictionary::{
    COMPLAINT, COVERED_COMPLAINT, FeedbackLoop, Metric, feedback_loop, reporting_providers,
};
use crate::web::error::PageError;
use crate::web::format;
use crate::web::params::{Link, NO_VALUE, Params};
use crate::web::parts::{
    Cell, Chart, ChartKind, ChartUnit, Column, Layout, Marks, NavPage, Nothing, Row, Table,
};
use crate::web::series;
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;
use std::collections::BTreeMap;

/// Providers and campaigns in their tables.
const ROWS_MAX: u32 = 50;

/// Complaints in the list; `/messages` has all.
const NEWEST_MAX: u32 = 20;

/// A loop that reported on as many days as this is missed when it falls silent.
const REGULAR_DAYS: u64 = 5;

/// A regular loop is silent after so many days without a report: a week has a quiet weekend in it.
const SILENT_S: i64 = 7 * 86_400;

#[derive(Template)]
#[template(path = "pages/complaints.html")]
struct ComplaintsPage {
    layout: Layout,
    nothing: Option<Nothing>,
    figures: Vec<Figure>,
    trend: Chart,
    providers: Table,
    campaigns: Table,
    newest: Table,
    newest_href: String,
}

/// One rate with its denominator in words.
struct Figure {
    name: &'static str,
    value: String,
    detail: String,
    words: String,
    tone: &'static str,
}

struct Answers {
    series: Vec<OutcomesAt>,
    covered: Vec<OutcomesAt>,
    providers: Vec<OutcomesOf>,
    campaigns: Vec<OutcomesOf>,
    loops: Vec<FeedbackLoopRow>,
    newest: Vec<EventRow>,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), &[])?;
    let (layout, answers, marks) = tokio::try_join!(
        Layout::of_mail(&site, &params, NavPage::Complaints, "/complaints", "Complaints"),
        ask(site.store(), &params),
        Marks::of(&site, params.filter()),
    )?;
    Ok(Html(page(layout, &params, &answers, &marks).render()?))
}

async fn ask(store: &Store, params: &Params) -> Result<Answers, StoreError> {
    let (filter, step_s) = (params.filter(), params.range().step_s());
    let covered = covered(filter);
    let covered_series = async {
        match &covered {
            Some(covered) => store.outcome_series(covered, step_s).await,
            None => Ok(Vec::new()),
        }
    };
    let search = EventSearch {
        event_types: vec!["complained".to_owned()],
        limit: NEWEST_MAX,
        ..EventSearch::default()
    };
    let (series, covered, providers, campaigns, loops, newest) = tokio::try_join!(
        store.outcome_series(filter, step_s),
        covered_series,
        store.outcomes_by(filter, Dimension::Provider, ROWS_MAX),
        store.outcomes_by(filter, Dimension::Campaign, ROWS_MAX),
        store.feedback_loops(filter),
        store.events(filter, &search),
    )?;
    Ok(Answers { series, covered, providers, campaigns, loops, newest })
}

/// The filter narrowed to providers that report complaints; `None` when none of those asked for does.
fn covered(filter: &Filter) -> Option<Filter> {
    let is_asked =
        |name: &&str| filter.provider.is_empty() || filter.provider.iter().any(|asked| asked == name);
    let provider: Vec<String> = reporting_providers().filter(is_asked).map(str::to_owned).collect();
    (!provider.is_empty()).then(|| Filter { provider, ..filter.clone() })
}

fn page(layout: Layout, params: &Params, answers: &Answers, marks: &Marks) -> ComplaintsPage {
    let (total, covered) = (series::total(&answers.series), series::total(&answers.covered));
    let is_nothing = total == Outcomes::default() && answers.newest.is_empty();
    ComplaintsPage {
        nothing: is_nothing.then(|| Nothing::of(params, "/complaints", layout.newest_unix())),
        figures: vec![
            figure(&COMPLAINT, &total, "delivered messages"),
            figure(&COVERED_COMPLAINT, &covered, "delivered where a loop reports"),
        ],
        trend: trend(params, answers, layout.stale_since(), marks),
        providers: provider_table(params, answers),
        campaigns: campaign_table(params, &answers.campaigns),
        newest: newest_table(&answers.newest),
        newest_href: params.link("/messages").with("type", "complained").to_string(),
        layout,
    }
}

fn figure(metric: &'static Metric, outcomes: &Outcomes, whole: &str) -> Figure {
    let ratio = metric.ratio(outcomes);
    let verdict = metric.judge(ratio.share(), ratio.whole);
    Figure {
        name: metric.name,
        value: metric.text(outcomes),
        detail: format!("{} of {} {whole}", format::count(ratio.part), format::count(ratio.whole)),
        words: verdict.words,
        tone: verdict.tone,
    }
}

fn trend(params: &Params, answers: &Answers, stale_since: Option<i64>, marks: &Marks) -> Chart {
    let range = params.range();
    let (step_s, starts) = (range.step_s(), range.steps(range.step_s()));
    let drill = || Some(params.link("/messages").with_all(COMPLAINT.search).with_range_open());
    let rates = |metric, rows| series::rates(&starts, rows, metric);
    Chart::begin("trend", "Complaint rates over time", ChartKind::Lines, ChartUnit::Percent, range, step_s)
        .series(COMPLAINT.key, COMPLAINT.short, rates(&COMPLAINT, &answers.series), drill())
        .series(
            COVERED_COMPLAINT.key,
            COVERED_COMPLAINT.short,
            rates(&COVERED_COMPLAINT, &answers.covered),
            drill(),
        )
        .limits(&COMPLAINT)
        .stale_since(stale_since)
        .marks(marks)
        .end("No complaint in this range.")
}

/// Providers with mail or complaints: rate, how they report, and whether they still do.
fn provider_table(params: &Params, answers: &Answers) -> Table {
    let loops: BTreeMap<&str, &FeedbackLoopRow> =
        answers.loops.iter().map(|row| (row.provider.as_str(), row)).collect();
    let mut rows: Vec<(&str, Outcomes)> =
        answers.providers.iter().map(|row| (row.value.as_str(), row.outcomes)).collect();
    // Mail that was only taken in has no provider yet.
    rows.retain(|(value, outcomes)| !value.is_empty() || outcomes.delivered + outcomes.complained > 0);
    for name in loops.keys() {
        if rows.iter().all(|(value, _)| value != name) {
            rows.push((name, Outcomes::default()));
        }
    }
    let now_unix = params.range().time().to_unix;
    let row = |(provider, outcomes): (&str, Outcomes)| {
        let link = params.link("/messages").only(Dimension::Provider, provider);
        Row::new(vec![
            Cell::text(if provider.is_empty() { NO_VALUE } else { provider }).link(&link),
            Cell::count(outcomes.delivered),
            Cell::count(outcomes.complained).link(&link.clone().with_all(COMPLAINT.search)),
            Cell::figure(COMPLAINT.text(&outcomes)).tone(COMPLAINT.cell_tone(&outcomes)),
            loop_cell(provider),
            last_cell(loops.get(provider).copied(), now_unix),
            Cell::count(loops.get(provider).map_or(0, |row| row.unverified)),
        ])
    };
    let columns = vec![
        Column::text("Provider"),
        Column::number("Delivered"),
        Column::number("Complaints"),
        Column::number("Rate"),
        Column::text("Feedback loop"),
        Column::text("Last complaint"),
        Column::number("Unverified"),
    ];
    let empty = "No mail and no complaint in this range.";
    Table::new("Complaints by provider", columns, rows.into_iter().map(row).collect(), empty)
}

fn loop_cell(provider: &str) -> Cell {
    match feedback_loop(provider) {
        FeedbackLoop::Reports(how) => Cell::text("reports").sub(how),
        FeedbackLoop::Never(why) => Cell::text("none").sub(why),
        FeedbackLoop::Unknown => Cell::text("none known"),
    }
}

/// When the last complaint came; marked when a loop that used to report has fallen silent.
fn last_cell(row: Option<&FeedbackLoopRow>, now_unix: i64) -> Cell {
    let Some(row) = row else { return Cell::text("never") };
    let last_unix = i64::from(row.last_unix);
    let cell = Cell::word(format::short_minute(last_unix));
    if row.days >= REGULAR_DAYS && now_unix - last_unix > SILENT_S {
        return cell.tone("warn").sub(format!("silent: it came on {} days before", row.days));
    }
    cell
}

fn campaign_table(params: &Params, rows: &[OutcomesOf]) -> Table {
    let mut rows: Vec<&OutcomesOf> = rows.iter().filter(|row| row.outcomes.complained > 0).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.outcomes.complained));
    let row = |row: &OutcomesOf| {
        let link = params.link("/messages").only(Dimension::Campaign, &row.value).with_all(COMPLAINT.search);
        Row::new(vec![
            Cell::text(if row.value.is_empty() { NO_VALUE } else { &row.value }).link(&link),
            Cell::count(row.outcomes.delivered),
            Cell::count(row.outcomes.complained),
            Cell::figure(COMPLAINT.text(&row.outcomes)).tone(COMPLAINT.cell_tone(&row.outcomes)),
        ])
    };
    let columns = vec![
        Column::text("Campaign"),
        Column::number("Delivered"),
        Column::number("Complaints"),
        Column::number("Rate"),
    ];
    Table::new(
        "Campaigns by complaints",
        columns,
        rows.into_iter().map(row).collect(),
        "No campaign was complained about.",
    )
}

fn newest_table(rows: &[EventRow]) -> Table {
    let row = |row: &EventRow| {
        let recipient = if row.recipient.is_empty() { "hidden by the reporter" } else { &row.recipient };
        let mail = Link::to(&format!("/mails/{}", row.mail_id));
        let time = Cell::word(format::minute(row.event_time_us.div_euclid(1_000_000)));
        Row::new(vec![
            if row.mail_id.is_empty() { time } else { time.link(&mail) },
            Cell::text(recipient),
            Cell::text(row.feedback_type.clone()).sub(row.provider.clone()),
            Cell::text(row.campaign.clone()).sub(row.stream.clone()),
            Cell::text(row.trust.clone()).tone(trust_tone(&row.trust)).sub(row.evidence.clone()),
        ])
    };
    let columns = vec![
        Column::text("Time (UTC)"),
        Column::text("Recipient"),
        Column::text("Kind"),
        Column::text("Campaign"),
        Column::text("Trust"),
    ];
    Table::new("Newest complaints", columns, rows.iter().map(row).collect(), "No complaint in this range.")
}

/// The tone of a trust level: what no rate counts is marked.
pub(crate) fn trust_tone(trust: &str) -> &'static str {
    if trust == "unverified" { "warn" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> Params {
        Params::parse("range=7d", 1_785_585_270, &[]).unwrap()
    }

    fn answers() -> Answers {
        Answers {
            series: Vec::new(),
            covered: Vec::new(),
            providers: Vec::new(),
            campaigns: Vec::new(),
            loops: Vec::new(),
            newest: Vec::new(),
        }
    }

    fn html(answers: &Answers) -> String {
        page(Layout::bare("Complaints"), &params(), answers, &Marks::default()).render().unwrap()
    }

    #[test]
    fn without_complaints_every_panel_says_so() {
        let html = html(&answers());
        assert!(
            html.contains("No campaign was complained about.")
                && html.contains("No complaint in this range.")
        );
    }

    #[test]
    fn a_loop_that_used_to_report_and_is_silent_is_marked() {
        let now_unix = params().range().time().to_unix;
        let row = |days, ago_days: i64| FeedbackLoopRow {
            provider: "yahoo".to_owned(),
            days,
            last_unix: u32::try_from(now_unix - ago_days * 86_400).unwrap(),
            ..FeedbackLoopRow::default()
        };
        let with = |row| html(&Answers { loops: vec![row], ..answers() });
        assert!(with(row(20, 9)).contains("silent: it came on 20 days before"));
        assert!(!with(row(20, 2)).contains("silent"));
        assert!(!with(row(2, 30)).contains("silent"));
    }

    #[test]
    fn a_filter_by_provider_narrows_the_covered_ones() {
        let filter = |provider: &[&str]| Filter {
            provider: provider.iter().map(|name| (*name).to_owned()).collect(),
            ..params().filter().clone()
        };
        assert_eq!(covered(&filter(&["google"])), None);
        assert_eq!(covered(&filter(&["google", "yahoo"])).unwrap().provider, ["yahoo"]);
        assert!(covered(&filter(&[])).unwrap().provider.len() > 10);
    }
}
