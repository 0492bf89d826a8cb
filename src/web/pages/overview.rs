//! `/`: is the mail well, and if not, since when and where?

use crate::store::query::{
    Dimension, Filter, Latencies, LatenciesAt, Outcomes, OutcomesAt, OutcomesOf, ResponseRow,
};
use crate::store::{Store, StoreError};
use crate::web::SharedSite;
use crate::web::dictionary::{
    BLOCK, COMPLAINT, DEFERRAL, DELIVERY, HARD, LATENCY_P50, LATENCY_P95, Metric, OUTCOMES, SOFT, VOLUME,
    Verdict,
};
use crate::web::error::PageError;
use crate::web::format;
use crate::web::params::{Extra, Params};
use crate::web::parts::{
    Card, Chart, ChartKind, ChartUnit, Difference, Layout, Marks, NavPage, Nothing, Tab, Table, Term,
    breakdown_table, short_reply_table, sparkline,
};
use crate::web::series;
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;

/// Providers in the table; `/providers` shows more.
const PROVIDERS_MAX: u32 = 12;

/// Kinds of reply in the table; `/bounces` shows more.
const REPLIES_MAX: u32 = 6;

const VIEWS: [(&str, &str, &str); 4] = [
    ("outcomes", "Outcomes", "What becomes of the mail?"),
    ("failures", "Failures", "How much fails for good?"),
    ("deferrals", "Deferrals", "How much is put off?"),
    ("complaints", "Complaints", "How much is called spam?"),
];

#[derive(Template)]
#[template(path = "pages/overview.html")]
struct OverviewPage {
    layout: Layout,
    range: String,
    previous: String,
    nothing: Option<Nothing>,
    cards: Vec<Card>,
    trend_title: &'static str,
    tabs: Vec<Tab>,
    trend: Chart,
    latency: Chart,
    latency_note: String,
    responses: Table,
    responses_href: String,
    providers: Table,
    providers_href: String,
}

/// What the store says. Totals are sums of the series, so that cards and charts cannot differ.
struct Answers {
    series: Vec<OutcomesAt>,
    before: Outcomes,
    latency_series: Vec<LatenciesAt>,
    latency_before: Latencies,
    providers: Vec<OutcomesOf>,
    providers_before: Vec<OutcomesOf>,
    provider_latencies: Vec<(String, Latencies)>,
    responses: Vec<ResponseRow>,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), &[Extra::One("view")])?;
    let view = params.choice("view", &VIEWS.map(|(key, ..)| key))?;
    let (layout, answers, marks) = tokio::try_join!(
        Layout::of_mail(&site, &params, NavPage::Overview, "/", "Overview"),
        ask(site.store(), &params),
        Marks::of(&site, params.filter()),
    )?;
    Ok(Html(page(layout, &params, view, &answers, &marks).render()?))
}

async fn ask(store: &Store, params: &Params) -> Result<Answers, StoreError> {
    let (range, now, before) = (params.range(), params.filter(), params.previous());
    let hours = params.by_whole_hours();
    let hours_before = Filter { range: hours.range.previous(), ..hours.clone() };
    let refused = ["bounced", "expired", "deferred", "rejected"];
    let (
        series,
        before,
        latency_series,
        latency_before,
        providers,
        providers_before,
        provider_latencies,
        responses,
    ) = tokio::try_join!(
        store.outcome_series(now, range.step_s()),
        store.outcome_totals(&before),
        store.latency_series(&hours, range.hour_step_s()),
        store.latencies(&hours_before),
        store.outcomes_by(now, Dimension::Provider, PROVIDERS_MAX),
        store.outcomes_by(&before, Dimension::Provider, PROVIDERS_MAX),
        store.latencies_by(&hours, Dimension::Provider),
        store.responses(&hours, &refused, REPLIES_MAX),
    )?;
    Ok(Answers {
        series,
        before,
        latency_series,
        latency_before,
        providers,
        providers_before,
        provider_latencies,
        responses,
    })
}

fn page(layout: Layout, params: &Params, view: &str, answers: &Answers, marks: &Marks) -> OverviewPage {
    let total = series::total(&answers.series);
    let tabs = VIEWS.map(|(key, label, _)| Tab {
        label: label.to_owned(),
        href: params.link("/").with("view", key).to_string(),
        is_current: key == view,
    });
    let is_nothing = total == Outcomes::default();
    OverviewPage {
        range: params.range().label(),
        previous: params.range().previous_label(),
        nothing: is_nothing.then(|| Nothing::of(params, "/", layout.newest_unix())),
        cards: cards(params, &total, answers, layout.stale_since()),
        trend_title: VIEWS.iter().find(|(key, ..)| *key == view).map_or("", |(_, _, title)| title),
        tabs: tabs.into(),
        trend: trend(params, view, &answers.series, layout.stale_since(), marks),
        latency: latency(params, &answers.latency_series, layout.stale_since(), marks),
        latency_note: "Injection to delivery, retries included; logarithmic".to_owned(),
        responses: short_reply_table(
            &answers.responses,
            params,
            "Replies of receivers, most frequent first",
            "No receiver refused or put off a message.",
        ),
        responses_href: params.link("/bounces").to_string(),
        providers: breakdown_table(
            params,
            Dimension::Provider,
            &answers.providers,
            &answers.providers_before,
            &answers.provider_latencies,
        ),
        providers_href: params.link("/providers").to_string(),
        layout,
    }
}

fn cards(params: &Params, total: &Outcomes, answers: &Answers, stale_since: Option<i64>) -> Vec<Card> {
    let counted = |count: u64, what: &str| format!("{} {what}", format::count(count));
    let rate = |metric, detail: String| rate_card(metric, params, total, answers, detail);
    let soft = format!("{}, {}", counted(total.soft, "messages"), counted(total.expired, "more expired"));
    vec![
        volume_card(params, total, answers, stale_since),
        rate(&DELIVERY, counted(total.delivered, "messages")),
        rate(&HARD, counted(total.hard, "messages")),
        rate(&BLOCK, counted(total.block, "messages")),
        rate(&SOFT, soft),
        rate(&DEFERRAL, counted(total.deferred, "attempts put off")),
        rate(&COMPLAINT, counted(total.complained, "complaints")),
        latency_card(params, answers),
    ]
}

/// A line over the whole steps: a running one would always seem to fall.
fn spark(params: &Params, starts: &[i64], step_s: u32, values: Vec<Option<f64>>, floor: f64) -> String {
    let whole = starts.iter().zip(values).filter(|(at, _)| params.range().is_whole(**at, step_s));
    sparkline(&whole.map(|(_, value)| value).collect::<Vec<_>>(), floor)
}

fn rate_card(
    metric: &'static Metric,
    params: &Params,
    total: &Outcomes,
    answers: &Answers,
    detail: String,
) -> Card {
    let ratio = metric.ratio(total);
    let step_s = params.range().step_s();
    let starts = params.range().steps(step_s);
    let values = series::rates(&starts, &answers.series, metric);
    // a delivery rate never nears zero on a living relay: its line begins at 80 % so that its dips are seen
    let floor = if metric.higher_is_better { 80.0 } else { 0.0 };
    Card {
        term: Term::full(metric),
        value: metric.text(total),
        detail,
        difference: Difference::of_rate(metric, total, &answers.before),
        previous: metric.text(&answers.before),
        verdict: metric.judge(ratio.share(), ratio.whole),
        key: metric.key,
        line: spark(params, &starts, step_s, values, floor),
        href: params.link("/messages").with_all(metric.search).to_string(),
    }
}

fn volume_card(params: &Params, total: &Outcomes, answers: &Answers, stale_since: Option<i64>) -> Card {
    let step_s = params.range().step_s();
    let starts = params.range().steps(step_s);
    let sent = total.sent();
    let known = |at: &i64| stale_since.is_none_or(|since| *at <= since);
    let values = series::counts(&starts, &answers.series, Outcomes::sent);
    let values = starts.iter().zip(values).map(|(at, value)| value.filter(|_| known(at))).collect();
    let (accepted, suppressed) = (format::count(total.accepted), format::count(total.suppressed));
    Card {
        term: Term::full(&VOLUME),
        // while events are missing, none is not the same as zero
        value: if sent == 0 && stale_since.is_some() {
            format::NO_VALUE.to_owned()
        } else {
            format::short_count(sent)
        },
        detail: format!("{accepted} accepted, {suppressed} suppressed"),
        difference: Difference::of_count(sent, answers.before.sent()),
        previous: format::short_count(answers.before.sent()),
        verdict: Verdict { tone: "none", words: "messages whose way has ended".to_owned() },
        key: VOLUME.key,
        line: spark(params, &starts, step_s, values, 0.0),
        href: params.link("/messages").to_string(),
    }
}

fn latency_card(params: &Params, answers: &Answers) -> Card {
    let total = series::total_latencies(&answers.latency_series);
    let (now_ms, before_ms) = (total.quantile_ms(0.95), answers.latency_before.quantile_ms(0.95));
    let starts = params.range().steps(params.range().hour_step_s());
    Card {
        term: Term::full(&LATENCY_P95),
        value: format::duration_ms_or_none(now_ms),
        detail: format!("p50 {}", format::duration_ms_or_none(total.quantile_ms(0.5))),
        difference: Difference::of_latency(now_ms, before_ms),
        previous: format::duration_ms_or_none(before_ms),
        verdict: LATENCY_P95.judge(now_ms, total.count()),
        key: LATENCY_P95.key,
        line: spark(
            params,
            &starts,
            params.range().hour_step_s(),
            series::quantiles(&starts, &answers.latency_series, 0.95),
            0.0,
        ),
        href: params.link("/messages").with("type", "delivered").to_string(),
    }
}

fn trend(params: &Params, view: &str, rows: &[OutcomesAt], stale_since: Option<i64>, marks: &Marks) -> Chart {
    let range = params.range();
    let step_s = range.step_s();
    let starts = range.steps(step_s);
    let drill = |search| Some(params.link("/messages").with_all(search).with_range_open());
    let begin = |label: &str, kind, unit| Chart::begin("trend", label, kind, unit, range, step_s);
    let rates = |label: &str, metrics: &[&Metric]| {
        metrics.iter().fold(begin(label, ChartKind::Lines, ChartUnit::Percent), |chart, metric| {
            let values = series::rates(&starts, rows, metric);
            chart.series(metric.key, metric.short, values, drill(metric.search)).limits(metric)
        })
    };
    let chart = match view {
        "failures" => rates("Failure rates over time", &[&HARD, &BLOCK, &SOFT]),
        "deferrals" => rates("Deferral rate over time", &[&DEFERRAL]),
        "complaints" => rates("Complaint rate over time", &[&COMPLAINT]),
        _ => {
            let begin = begin("Outcomes over time", ChartKind::Stack, ChartUnit::Messages);
            OUTCOMES.iter().fold(begin, |chart, outcome| {
                let values = series::counts(&starts, rows, outcome.of);
                chart.series(outcome.key, outcome.name, values, drill(outcome.search))
            })
        }
    };
    chart.stale_since(stale_since).marks(marks).end("No message ended its way in this range.")
}

fn latency(params: &Params, rows: &[LatenciesAt], stale_since: Option<i64>, marks: &Marks) -> Chart {
    let range = params.range();
    let (step_s, starts) = (range.hour_step_s(), range.steps(range.hour_step_s()));
    let drill = || Some(params.link("/messages").with("type", "delivered").with_range_open());
    Chart::begin(
        "latency",
        "Delivery latency over time",
        ChartKind::Lines,
        ChartUnit::Duration,
        range,
        step_s,
    )
    .series(LATENCY_P50.key, LATENCY_P50.short, series::quantiles(&starts, rows, 0.5), drill())
    .series(LATENCY_P95.key, LATENCY_P95.short, series::quantiles(&starts, rows, 0.95), drill())
    .limits(&LATENCY_P95)
    .stale_since(stale_since)
    .marks(marks)
    .end("No delivery whose time of injection is known.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_785_585_270;

    fn answers(series: Vec<OutcomesAt>) -> Answers {
        Answers {
            series,
            before: Outcomes::default(),
            latency_series: Vec::new(),
            latency_before: Latencies::default(),
            providers: Vec::new(),
            providers_before: Vec::new(),
            provider_latencies: Vec::new(),
            responses: Vec::new(),
        }
    }

    fn html(query: &str, view: &str, series: Vec<OutcomesAt>) -> String {
        let params = Params::parse(query, NOW, &[Extra::One("view")]).unwrap();
        page(Layout::bare("Overview"), &params, view, &answers(series), &Marks::default()).render().unwrap()
    }

    fn at(at_unix: i64, delivered: u64, hard: u64) -> OutcomesAt {
        OutcomesAt { at_unix, outcomes: Outcomes { delivered, hard, ..Outcomes::default() } }
    }

    #[test]
    fn without_mail_the_page_says_so_and_offers_a_way_out() {
        let html = html("provider=gmail", "outcomes", Vec::new());
        assert!(html.contains("No message matches these filters in this range."));
        assert!(html.contains("Take the filters away"));
    }

    #[test]
    fn a_card_tells_value_and_verdict() {
        let html = html("range=1h", "outcomes", vec![at(NOW - 630, 900, 100)]);
        assert!(html.contains("90.00\u{202f}%"), "{html}");
        assert!(html.contains("above review 5\u{202f}%"), "{html}");
        assert!(html.contains("nothing to compare with"));
    }

    #[test]
    fn each_view_draws_its_own_limits() {
        let mail = || vec![at(1_785_584_700, 900, 100)];
        assert!(html("", "failures", mail()).contains("hard review 5\u{202f}%"));
        assert!(!html("", "outcomes", mail()).contains("hard review 5\u{202f}%"));
    }
}
