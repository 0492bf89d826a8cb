//! `/health`: is everything that was accepted accounted for, and is it fresh?

use crate::store::StoreError;
use crate::store::query::{LedgerRow, RejectCount, SourceFreshness};
use crate::web::error::PageError;
use crate::web::format;
use crate::web::params::{Link, Params};
use crate::web::parts::{
    Cell, Chart, ChartKind, ChartUnit, Column, Layout, Marks, NavPage, Row, STALE_AFTER_S, Table,
};
use crate::web::{SharedSite, Site, SourceStatus, Status};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;
use std::collections::BTreeMap;

#[derive(Template)]
#[template(path = "pages/health.html")]
struct HealthPage {
    layout: Layout,
    facts: Vec<Fact>,
    store_error: Option<String>,
    ledger: Table,
    trend: Option<Chart>,
    freshness: Option<Table>,
    rejects: Option<Table>,
}

/// One figure of the process.
struct Fact {
    name: &'static str,
    value: String,
    detail: String,
    /// `good`, `warn` or `bad`.
    tone: &'static str,
}

/// What the store says; the rest of the page must do without, when it does not.
struct Stored {
    ledger: Vec<LedgerRow>,
    freshness: Vec<SourceFreshness>,
    rejects: Vec<RejectCount>,
    marks: Marks,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), &[])?;
    let stored = match ask(&site, &params).await {
        Ok(stored) => Some(stored),
        Err(error) => {
            tracing::error!(%error, "health page goes without the store");
            None
        }
    };
    let layout = Layout::of_time(&site, &params, NavPage::Health, "/health", "Health");
    Ok(Html(page(layout, &params, &site.status(), stored.as_ref()).render()?))
}

async fn ask(site: &Site, params: &Params) -> Result<Stored, StoreError> {
    let store = site.store();
    let (ledger, freshness, rejects, marks) = tokio::try_join!(
        store.ledger(&params.filter().range, params.range().step_s()),
        store.freshness(),
        store.reject_counts(),
        Marks::of(site, params.filter()),
    )?;
    Ok(Stored { ledger, freshness, rejects, marks })
}

fn page(layout: Layout, params: &Params, status: &Status, stored: Option<&Stored>) -> HealthPage {
    let now_unix = params.range().now_unix();
    let store_error = match stored {
        None => Some("The store does not answer. Items are still accepted and wait in the spool.".to_owned()),
        Some(_) => status.store_error.clone(),
    };
    HealthPage {
        layout,
        facts: facts(status, store_error.is_some(), now_unix),
        store_error,
        ledger: ledger_table(&status.sources),
        trend: stored.map(|stored| trend(params, &stored.ledger, &stored.marks)),
        freshness: stored.map(|stored| freshness_table(&stored.freshness, now_unix)),
        rejects: stored.map(|stored| reject_table(&stored.rejects)),
    }
}

/// A waiting item older than this many seconds means that the pipeline does not keep up: a batch takes one or two.
const LAG_WARN_S: f64 = 60.0;

fn facts(status: &Status, store_is_down: bool, now_unix: i64) -> Vec<Fact> {
    let spool = &status.spool;
    let filled = format::float(spool.bytes) / format::float(spool.bytes_max.max(1));
    let all_balance = status.sources.iter().all(SourceStatus::balances);
    let rejected: u64 = status.sources.iter().map(|source| source.rejected).sum();
    vec![
        Fact {
            name: "Ledger",
            value: if all_balance { "balances" } else { "does not balance" }.to_owned(),
            detail: match status.sources.len() {
                1 => "1 source".to_owned(),
                n => format!("{n} sources"),
            },
            tone: if all_balance { "good" } else { "bad" },
        },
        Fact {
            name: "Store",
            value: if store_is_down { "down" } else { "up" }.to_owned(),
            detail: "ClickHouse".to_owned(),
            tone: if store_is_down { "bad" } else { "good" },
        },
        Fact {
            name: "Lag",
            value: format::duration_ms(status.pipeline_lag_s * 1_000.0),
            detail: "age of the oldest item not stored yet".to_owned(),
            tone: if status.pipeline_lag_s > LAG_WARN_S { "warn" } else { "good" },
        },
        Fact {
            name: "Spool",
            value: format!("{} items", format::short_count(spool.items)),
            detail: format!(
                "{} of {}, {}",
                format::bytes(spool.bytes),
                format::bytes(spool.bytes_max),
                format::percent(Some(filled), 1)
            ),
            tone: match filled {
                filled if filled >= 1.0 => "bad",
                filled if filled >= 0.5 => "warn",
                _ => "good",
            },
        },
        Fact {
            name: "Rejected",
            value: format::short_count(rejected),
            detail: "since the process began".to_owned(),
            tone: if rejected > 0 { "warn" } else { "good" },
        },
        Fact {
            name: "Running for",
            value: format::duration_s((now_unix - status.started_unix).max(0)),
            detail: format!("version {}", status.version),
            tone: "good",
        },
    ]
}

fn ledger_table(sources: &[SourceStatus]) -> Table {
    let columns = vec![
        Column::text("Source"),
        Column::number("Accepted"),
        Column::number("= stored"),
        Column::number("+ duplicate"),
        Column::number("+ no event"),
        Column::number("+ rejected"),
        Column::number("+ in spool"),
        Column::text("Balance"),
        Column::number("Events"),
    ];
    let row = |source: &SourceStatus| {
        let rejects = Link::to("/health/rejects").with("source_kind", source.source_kind.clone());
        let balance = if source.balances() {
            Cell::text("✓ balances").tone("good")
        } else {
            let (have, want) = (source.accounted(), source.accepted);
            let words = if have < want { "missing" } else { "too many" };
            Cell::text(format!("✗ {} {words}", format::count(have.abs_diff(want)))).tone("bad")
        };
        let rejected = Cell::count(source.rejected);
        Row::new(vec![
            Cell::text(format!("{}:{}", source.source_kind, source.source)),
            Cell::count(source.accepted),
            Cell::count(source.stored),
            Cell::count(source.duplicate),
            Cell::count(source.no_event),
            if source.rejected > 0 { rejected.tone("warn").link(&rejects) } else { rejected },
            Cell::count(source.in_spool),
            balance,
            Cell::count(source.events),
        ])
    };
    let empty =
        "No source has brought anything yet. Name one in the configuration, or post events to relaylens.";
    Table::new(
        "Items of each source, by what became of them",
        columns,
        sources.iter().map(row).collect(),
        empty,
    )
}

fn trend(params: &Params, rows: &[LedgerRow], marks: &Marks) -> Chart {
    let range = params.range();
    let (step_s, starts) = (range.step_s(), range.steps(range.step_s()));
    let mut by_step: BTreeMap<i64, [u64; 4]> = BTreeMap::new();
    for row in rows {
        let sums = by_step.entry(row.at_unix).or_default();
        for (sum, count) in sums.iter_mut().zip([row.stored, row.duplicate, row.no_event, row.rejected]) {
            *sum += count;
        }
    }
    let values = |index: usize| {
        starts.iter().map(|at| Some(format::float(by_step.get(at).map_or(0, |sums| sums[index])))).collect()
    };
    Chart::begin("ledger", "Items worked on over time", ChartKind::Stack, ChartUnit::Items, range, step_s)
        .series("stored", "Stored", values(0), None)
        .series("duplicate", "Duplicate", values(1), None)
        .series("noevent", "No event", values(2), None)
        .series("rejected", "Rejected", values(3), Some("/health/rejects?from={from}&to={to}".to_owned()))
        .marks(marks)
        .end("No item was worked on in this range.")
}

fn freshness_table(rows: &[SourceFreshness], now_unix: i64) -> Table {
    let columns = vec![
        Column::text("Source"),
        Column::text("Newest event"),
        Column::text("Arrived"),
        Column::number("Events"),
    ];
    let row = |row: &SourceFreshness| {
        let (event, received) =
            (row.last_event_us.div_euclid(1_000_000), row.last_received_us.div_euclid(1_000_000));
        let is_stale = now_unix - event > STALE_AFTER_S;
        Row::new(vec![
            Cell::text(format!("{}:{}", row.source_kind, row.source)),
            Cell::text(format::ago(event, now_unix))
                .sub(format!("{} UTC", format::minute(event)))
                .tone(if is_stale { "warn" } else { "" }),
            Cell::text(format::ago(received, now_unix)),
            Cell::count(row.events),
        ])
    };
    Table::new(
        "Newest event of each source",
        columns,
        rows.iter().map(row).collect(),
        "Nothing is stored yet.",
    )
}

fn reject_table(rows: &[RejectCount]) -> Table {
    let columns = vec![
        Column::text("Source"),
        Column::text("Reason"),
        Column::number("Open"),
        Column::number("Replayed"),
        Column::text("Last"),
    ];
    let row = |row: &RejectCount| {
        let link = Link::to("/health/rejects")
            .with("source_kind", row.source_kind.clone())
            .with("reason", row.reason.clone());
        Row::new(vec![
            Cell::text(format!("{}:{}", row.source_kind, row.source)),
            Cell::text(row.reason.clone()).link(&link),
            Cell::count(row.open).tone(if row.open > 0 { "warn" } else { "" }),
            Cell::count(row.replayed),
            Cell::word(format::minute(row.last_received_us.div_euclid(1_000_000))),
        ])
    };
    Table::new(
        "Rejects by source and reason",
        columns,
        rows.iter().map(row).collect(),
        "Everything could be read.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(status: &Status, stored: Option<&Stored>) -> String {
        let params = Params::parse("", 1_785_585_270, &[]).unwrap();
        page(Layout::bare("Health"), &params, status, stored).render().unwrap()
    }

    fn source(stored: u64) -> SourceStatus {
        SourceStatus {
            source_kind: "postfix".to_owned(),
            source: "mx1".to_owned(),
            accepted: 10,
            stored,
            ..SourceStatus::default()
        }
    }

    #[test]
    fn a_ledger_that_does_not_balance_is_marked() {
        let status = Status { sources: vec![source(10), source(8)], ..Status::default() };
        let html = html(&status, None);
        assert!(
            html.contains("✓ balances") && html.contains("✗ 2 missing") && html.contains("does not balance")
        );
    }

    #[test]
    fn the_page_works_while_the_store_is_down() {
        assert!(html(&Status::default(), None).contains("The store does not answer."));
    }

    #[test]
    fn without_anything_every_panel_says_so() {
        let stored = Stored {
            ledger: Vec::new(),
            freshness: Vec::new(),
            rejects: Vec::new(),
            marks: Marks::default(),
        };
        let html = html(&Status::default(), Some(&stored));
        for text in
            ["No source has brought anything yet.", "Nothing is stored yet.", "Everything could be read."]
        {
            assert!(html.contains(text), "{text}");
        }
    }
}
