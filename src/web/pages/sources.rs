//! `/sources`: does every way in work, and how genuine is what comes by it?

use crate::store::query::{LedgerRow, SourceFreshness, SourceTrust};
use crate::store::{Store, StoreError};
use crate::web::error::PageError;
use crate::web::format;
use crate::web::params::{Link, Params};
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Table};
use crate::web::{SharedSite, SourceDoor, Status};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;
use std::collections::BTreeMap;

#[derive(Template)]
#[template(path = "pages/sources.html")]
struct SourcesPage {
    layout: Layout,
    is_store_down: bool,
    doors: Table,
    items: Option<Table>,
    trust: Option<Table>,
}

/// What the store says; the doors are shown without it.
struct Stored {
    ledger: Vec<LedgerRow>,
    freshness: Vec<SourceFreshness>,
    trust: Vec<SourceTrust>,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), &[])?;
    let stored = match ask(site.store(), &params).await {
        Ok(stored) => Some(stored),
        Err(error) => {
            tracing::error!(%error, "page of sources goes without the store");
            None
        }
    };
    let layout = Layout::of_time(&site, &params, NavPage::Sources, "/sources", "Sources");
    Ok(Html(page(layout, &params, &site.status(), stored.as_ref()).render()?))
}

async fn ask(store: &Store, params: &Params) -> Result<Stored, StoreError> {
    let range = params.filter().range;
    let (ledger, freshness, trust) = tokio::try_join!(
        store.ledger(&range, params.range().step_s()),
        store.freshness(),
        store.source_trust(&range),
    )?;
    Ok(Stored { ledger, freshness, trust })
}

fn page(layout: Layout, params: &Params, status: &Status, stored: Option<&Stored>) -> SourcesPage {
    let now_unix = params.range().now_unix();
    SourcesPage {
        layout,
        is_store_down: stored.is_none(),
        doors: door_table(&status.doors, now_unix),
        items: stored.map(|stored| item_table(params, stored, now_unix)),
        trust: stored.map(|stored| trust_table(&stored.trust)),
    }
}

fn door_table(doors: &[SourceDoor], now_unix: i64) -> Table {
    let columns = vec![
        Column::text("Way in"),
        Column::text("Now"),
        Column::text("Last item"),
        Column::number("Taken"),
        Column::number("Turned away"),
        Column::number("Faults"),
        Column::text("Last error"),
    ];
    let row = |door: &SourceDoor| {
        let name = match door.source.as_str() {
            "" => door.source_kind.clone(),
            source => format!("{}:{source}", door.source_kind),
        };
        let state = match (door.is_up, door.doing.as_str()) {
            (_, "") => Cell::word("starting"),
            (None, doing) => Cell::word(doing),
            (Some(true), doing) => Cell::word(format!("✓ {doing}")).tone("good"),
            (Some(false), doing) => Cell::word(format!("✗ {doing}")).tone("bad"),
        };
        Row::new(vec![
            Cell::text(name).sub(door.place.clone()),
            state,
            door.last_taken_unix.map_or(Cell::text("–"), |at| Cell::word(format::ago(at, now_unix))),
            door.taken.map_or(Cell::figure("–"), Cell::count),
            refused_cell(&door.refused),
            Cell::count(door.faults).tone(if door.faults > 0 { "warn" } else { "" }),
            fault_cell(door, now_unix),
        ])
    };
    let empty = "No door is open.";
    Table::new(
        "Ways in, with what happened since the process began",
        columns,
        doors.iter().map(row).collect(),
        empty,
    )
    .stacking()
}

fn refused_cell(refused: &[(String, u64)]) -> Cell {
    let total: u64 = refused.iter().map(|(_, count)| count).sum();
    let cell = Cell::count(total);
    match refused {
        [] => cell,
        [(word, _)] if word == "refused" => cell.tone("warn"),
        _ => {
            let words = refused.iter().map(|(word, count)| format!("{} {word}", format::count(*count)));
            cell.tone("warn").sub(words.collect::<Vec<_>>().join(", "))
        }
    }
}

fn fault_cell(door: &SourceDoor, now_unix: i64) -> Cell {
    let Some(words) = &door.last_fault else { return Cell::text("none") };
    let cell = Cell::text(words.clone());
    match door.last_fault_unix {
        Some(at) => cell.sub(format!("{}, {} UTC", format::ago(at, now_unix), format::minute(at))),
        None => cell,
    }
}

/// Items of one source in the range.
#[derive(Default)]
struct Items {
    count: u64,
    rejected: u64,
    events: u64,
}

fn item_table(params: &Params, stored: &Stored, now_unix: i64) -> Table {
    let mut sources: BTreeMap<(&str, &str), Items> = BTreeMap::new();
    for row in &stored.ledger {
        let items = sources.entry((&row.source_kind, &row.source)).or_default();
        items.count += row.stored + row.duplicate + row.no_event + row.rejected;
        items.rejected += row.rejected;
        items.events += row.events;
    }
    let range = params.filter().range;
    let hours = format::float(u64::try_from(range.seconds()).unwrap_or(1).max(1)) / 3_600.0;
    let last: BTreeMap<(&str, &str), i64> = stored
        .freshness
        .iter()
        .map(|row| {
            ((row.source_kind.as_str(), row.source.as_str()), row.last_received_us.div_euclid(1_000_000))
        })
        .collect();
    let columns = vec![
        Column::text("Source"),
        Column::number("Items"),
        Column::number("Per hour"),
        Column::number("Rejected"),
        Column::number("Events"),
        Column::text("Last event arrived"),
    ];
    let row = |(key, items): (&(&str, &str), &Items)| {
        let (kind, source) = *key;
        let rejects = Link::to("/health/rejects").with("source_kind", kind);
        let rejected = Cell::count(items.rejected);
        Row::new(vec![
            Cell::text(format!("{kind}:{source}")),
            Cell::count(items.count),
            Cell::figure(rate(format::float(items.count) / hours)),
            if items.rejected > 0 { rejected.tone("warn").link(&rejects) } else { rejected },
            Cell::count(items.events),
            last.get(key).map_or(Cell::text("–"), |at| Cell::word(format::ago(*at, now_unix))),
        ])
    };
    Table::new(
        "Items of each source in the range",
        columns,
        sources.iter().map(row).collect(),
        "Nothing came in during this range.",
    )
}

/// One digit after the point below ten: three mails a day are a rate, too.
fn rate(per_hour: f64) -> String {
    if per_hour < 10.0 { format!("{per_hour:.1}") } else { format!("{per_hour:.0}") }
}

fn trust_table(rows: &[SourceTrust]) -> Table {
    let columns = vec![
        Column::text("Source"),
        Column::number("Verified"),
        Column::number("Matched"),
        Column::number("Unverified"),
        Column::number("Reports genuine"),
        Column::number("Forged"),
        Column::number("Not known"),
    ];
    let row = |row: &SourceTrust| {
        let warned = |count: u64| Cell::count(count).tone(if count > 0 { "warn" } else { "" });
        Row::new(vec![
            Cell::text(format!("{}:{}", row.source_kind, row.source)),
            Cell::count(row.verified),
            Cell::count(row.matched),
            warned(row.unverified),
            Cell::count(row.reports_pass),
            warned(row.reports_fail),
            Cell::count(row.reports_unknown),
        ])
    };
    Table::new(
        "Feedback and reports of each source, by whether they are genuine",
        columns,
        rows.iter().map(row).collect(),
        "No feedback and no report came in this range.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(doors: Vec<SourceDoor>, stored: Option<&Stored>) -> String {
        let params = Params::parse("", 1_785_585_270, &[]).unwrap();
        let status = Status { doors, ..Status::default() };
        page(Layout::bare("Sources"), &params, &status, stored).render().unwrap()
    }

    fn door() -> SourceDoor {
        SourceDoor {
            source_kind: "mail".to_owned(),
            source: "box".to_owned(),
            place: "IMAP folder INBOX at imap.example.com".to_owned(),
            doing: "waiting by IDLE".to_owned(),
            is_up: Some(true),
            taken: Some(5000),
            ..SourceDoor::default()
        }
    }

    #[test]
    fn a_door_that_works_says_so_and_one_that_does_not_says_why() {
        let fine = html(vec![door()], None);
        assert!(fine.contains("✓ waiting by IDLE") && fine.contains("5,000"), "{fine}");
        let broken = SourceDoor {
            is_up: Some(false),
            faults: 3,
            last_fault: Some("log in: <b>NO</b>".to_owned()),
            last_fault_unix: Some(1_785_585_200),
            refused: vec![("signature".to_owned(), 2), ("replayed".to_owned(), 1)],
            ..door()
        };
        let html = html(vec![broken], None);
        assert!(html.contains("✗ waiting by IDLE") && html.contains("2 signature, 1 replayed"), "{html}");
        assert!(html.contains("log in: &#60;b&#62;NO"), "{html}");
    }

    #[test]
    fn without_anything_every_panel_says_so() {
        let stored = Stored { ledger: Vec::new(), freshness: Vec::new(), trust: Vec::new() };
        let html = html(Vec::new(), Some(&stored));
        for text in ["No door is open.", "Nothing came in during this range.", "No feedback and no report"] {
            assert!(html.contains(text), "{text}");
        }
    }

    #[test]
    fn the_doors_are_shown_while_the_store_is_down() {
        assert!(html(vec![door()], None).contains("The store does not answer."));
    }

    #[test]
    fn a_rate_of_a_few_has_a_digit_more() {
        assert_eq!(
            (rate(0.125), rate(9.96), rate(1234.5)),
            ("0.1".to_owned(), "10.0".to_owned(), "1234".to_owned())
        );
    }
}
