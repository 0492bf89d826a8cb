//! `/deferrals`: who makes us wait, how long, and what comes of it?

use crate::store::query::{DeferralRow, Dimension, Latencies, OutcomesAt, RetryOutcomes};
use crate::store::{Store, StoreError};
use crate::web::SharedSite;
use crate::web::dictionary::{DEFERRAL, RECOVERY, Ratio};
use crate::web::error::PageError;
use crate::web::format;
use crate::web::params::Params;
use crate::web::parts::{
    Cell, Chart, ChartKind, ChartUnit, Column, Layout, Marks, NavPage, Nothing, Row, Share, Shares, Table,
    Term,
};
use crate::web::series;
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;

/// Pairs of code and site in the table.
const ROWS_MAX: u32 = 50;

const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];

#[derive(Template)]
#[template(path = "pages/deferrals.html")]
struct DeferralsPage {
    layout: Layout,
    nothing: Option<Nothing>,
    rate: Term,
    rate_text: String,
    rate_verdict: String,
    attempts: String,
    messages: String,
    recovery: Term,
    recovery_text: String,
    oldest: String,
    waiting_href: String,
    retries: Shares,
    trend: Chart,
    latency: Table,
    rows: Table,
}

struct Answers {
    series: Vec<OutcomesAt>,
    retries: RetryOutcomes,
    latencies: Latencies,
    rows: Vec<DeferralRow>,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), &[])?;
    let (layout, answers, marks) = tokio::try_join!(
        Layout::of_mail(&site, &params, NavPage::Deferrals, "/deferrals", "Deferrals"),
        ask(site.store(), &params),
        Marks::of(&site, params.filter()),
    )?;
    Ok(Html(page(layout, &params, &answers, &marks).render()?))
}

async fn ask(store: &Store, params: &Params) -> Result<Answers, StoreError> {
    let hours = params.by_whole_hours();
    let (series, retries, latencies, rows) = tokio::try_join!(
        store.outcome_series(params.filter(), params.range().step_s()),
        store.retry_outcomes(params.filter()),
        store.latencies(&hours),
        store.deferrals(params.filter(), ROWS_MAX),
    )?;
    Ok(Answers { series, retries, latencies, rows })
}

fn page(layout: Layout, params: &Params, answers: &Answers, marks: &Marks) -> DeferralsPage {
    let total = series::total(&answers.series);
    let ratio = DEFERRAL.ratio(&total);
    let retries = &answers.retries;
    let recovery = Ratio { part: retries.recovered, whole: retries.deferred_messages };
    let oldest = match retries.oldest_waiting_unix {
        0 => "none waits".to_owned(),
        at => format!("last tried {}", format::ago(at, params.range().now_unix())),
    };
    let is_nothing = total.deferred == 0 && retries.deferred_messages == 0;
    DeferralsPage {
        nothing: (is_nothing && total.sent() == 0)
            .then(|| Nothing::of(params, "/deferrals", layout.newest_unix())),
        rate: Term::full(&DEFERRAL),
        rate_text: DEFERRAL.text(&total),
        rate_verdict: DEFERRAL.judge(ratio.share(), ratio.whole).words,
        attempts: format::count(total.deferred),
        messages: format::count(retries.deferred_messages),
        recovery: Term::full(&RECOVERY),
        recovery_text: format::percent(recovery.share(), RECOVERY.decimals),
        oldest,
        waiting_href: params.link("/messages").with("type", "deferred").to_string(),
        retries: shares(params, retries),
        trend: trend(params, &answers.series, layout.stale_since(), marks),
        latency: latency_table(&answers.latencies),
        rows: deferral_table(params, &answers.rows),
        layout,
    }
}

fn shares(params: &Params, retries: &RetryOutcomes) -> Shares {
    let messages = |kind: &str| params.link("/messages").with("type", kind).to_string();
    let share = |key, label, count, href| Share { key, label, count, href };
    Shares::of(
        "What became of the deferred messages",
        vec![
            share("delivered", "delivered later", retries.recovered, messages("delivered")),
            share("deferred", "still waiting", retries.waiting, messages("deferred")),
            share("hard", "bounced later", retries.bounced, messages("bounced")),
            share("expired", "expired", retries.expired, messages("expired")),
        ],
        "No message was deferred in this range.",
    )
}

fn trend(params: &Params, rows: &[OutcomesAt], stale_since: Option<i64>, marks: &Marks) -> Chart {
    let range = params.range();
    let (step_s, starts) = (range.step_s(), range.steps(range.step_s()));
    let drill = |kind: &str| Some(params.link("/messages").with("type", kind).with_range_open());
    Chart::begin("trend", "Deferred attempts over time", ChartKind::Stack, ChartUnit::Attempts, range, step_s)
        .series(
            "deferred",
            "First attempts",
            series::counts(&starts, rows, |o| o.first_deferred),
            drill("deferred"),
        )
        .series(
            "retried",
            "Retries",
            series::counts(&starts, rows, |o| o.deferred.saturating_sub(o.first_deferred)),
            drill("deferred"),
        )
        .stale_since(stale_since)
        .marks(marks)
        .end("No attempt was deferred in this range.")
}

fn latency_table(latencies: &Latencies) -> Table {
    let columns = vec![Column::text("Share of deliveries"), Column::number("took at most")];
    let row = |(name, q): (&str, f64)| {
        let share = format!("{name}, {} of 100", (q * 100.0).round());
        Row::new(vec![Cell::text(share), Cell::figure(format::duration_ms_or_none(latencies.quantile_ms(q)))])
    };
    let rows = if latencies.count() == 0 { Vec::new() } else { QUANTILES.map(row).into() };
    Table::new("Latency of deliveries", columns, rows, "No delivery whose time of injection is known.")
}

fn deferral_table(params: &Params, rows: &[DeferralRow]) -> Table {
    let columns = vec![
        Column::text("Reply, one sample"),
        Column::text("Code"),
        Column::text("Site"),
        Column::text("Class"),
        Column::number("Attempts"),
        Column::number("Messages"),
        Column::number("Most tries"),
        Column::text("Last seen"),
    ];
    let largest = rows.iter().map(|row| row.attempts).max().unwrap_or(0);
    let row = |row: &DeferralRow| {
        let mut link =
            params.link("/messages").only(Dimension::Provider, &row.provider).with("type", "deferred");
        link = link.with("code", row.smtp_code.to_string());
        if !row.enhanced_code.is_empty() {
            link = link.with("enhanced", row.enhanced_code.clone());
        }
        let sample = if row.sample.is_empty() { "(no text)" } else { &row.sample };
        Row::new(vec![
            Cell::reply(sample).key("deferred").link(&link),
            Cell::code(format::reply_code(row.smtp_code, &row.enhanced_code)),
            Cell::text(row.site.clone()).sub(row.provider.clone()),
            Cell::text(row.bounce_reason.clone()),
            Cell::count(row.attempts).bar(row.attempts, largest, "deferred"),
            Cell::count(row.messages),
            Cell::count(u64::from(row.attempt_max)),
            Cell::word(format::short_minute(row.last_unix)),
        ])
    };
    let empty = "No receiver put a message off in this range.";
    Table::new("Deferrals by code and receiving site", columns, rows.iter().map(row).collect(), empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::query::Outcomes;

    fn html(series: Vec<OutcomesAt>, retries: RetryOutcomes) -> String {
        let params = Params::parse("range=7d", 1_785_585_270, &[]).unwrap();
        let answers = Answers { series, retries, latencies: Latencies::default(), rows: Vec::new() };
        page(Layout::bare("Deferrals"), &params, &answers, &Marks::default()).render().unwrap()
    }

    #[test]
    fn without_mail_the_page_says_so() {
        let html = html(Vec::new(), RetryOutcomes::default());
        assert!(html.contains("No message ended its way in this range."));
        assert!(html.contains("No message was deferred in this range."));
        assert!(html.contains("none waits"));
    }

    #[test]
    fn retries_are_told_with_their_end() {
        let outcomes = Outcomes { delivered: 800, deferred: 200, ..Outcomes::default() };
        let retries =
            RetryOutcomes { deferred_messages: 100, recovered: 75, waiting: 25, ..RetryOutcomes::default() };
        let html = html(vec![OutcomesAt { at_unix: 1_785_582_000, outcomes }], retries);
        assert!(html.contains("75.0\u{202f}%") && html.contains("20.00\u{202f}%"), "{html}");
    }
}
