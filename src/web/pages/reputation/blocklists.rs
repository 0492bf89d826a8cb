//! `/reputation/blocklists`: which list lists what, which lists can be believed, what changed, what was done about it.

use crate::store::query::{ListTestRow, ListingChangeRow, ListingNoteRow, ListingRow, TimeRange};
use crate::store::{Store, StoreError};
use crate::web::SharedSite;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::pages::reputation::{WATCHED_S, tabs, tone};
use crate::web::params::{Extra, Link, Params};
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Tab, Table};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;
use std::collections::{BTreeMap, BTreeSet};

/// Subjects on the board: those with a listing first.
const BOARD_ROWS_MAX: usize = 50;

/// Listings that are told in full.
const LISTED_MAX: usize = 30;

/// Changes and notes that are shown.
const CHANGES_MAX: u32 = 100;
const NOTES_MAX: u32 = 500;

#[derive(Template)]
#[template(path = "pages/blocklists.html")]
struct BlocklistsPage {
    layout: Layout,
    tabs: Vec<Tab>,
    board: Board,
    listed: Vec<Listed>,
    /// How many more listings there are than are told.
    more: usize,
    lists: Table,
    changes: Table,
}

/// Lists across, subjects down.
struct Board {
    lists: Vec<BoardList>,
    rows: Vec<BoardRow>,
    note: String,
}

struct BoardList {
    name: String,
    title: String,
}

struct BoardRow {
    subject: String,
    href: String,
    spots: Vec<Option<Spot>>,
}

struct Spot {
    /// `listed`, `clean` or `unknown`.
    class: &'static str,
    mark: &'static str,
    text: String,
}

/// A listing, with what can be done about it.
struct Listed {
    subject: String,
    list: String,
    title: String,
    tier: u8,
    codes: String,
    since: String,
    text: String,
    /// Why the last answer says nothing; empty when it does.
    doubt: String,
    /// A web address, or empty.
    delist: String,
    expires: String,
    notes: Vec<Note>,
}

struct Note {
    at: String,
    author: String,
    text: String,
}

#[derive(Default)]
struct Answers {
    listings: Vec<ListingRow>,
    tests: Vec<ListTestRow>,
    changes: Vec<ListingChangeRow>,
    notes: Vec<ListingNoteRow>,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let extras = [Extra::One("subject")];
    let params = Params::of_reports(&query.unwrap_or_default(), site.now_unix(), &extras)?;
    let path = "/reputation/blocklists";
    let layout = Layout::of_time(&site, &params, NavPage::Blocklists, path, "Blocklists");
    let range = params.filter().range;
    let answers = ask(site.store(), range, params.extra("subject"), site.now_unix()).await?;
    Ok(Html(page(layout, &params, &answers).render()?))
}

async fn ask(
    store: &Store,
    range: TimeRange,
    subject: Option<&str>,
    now_unix: i64,
) -> Result<Answers, StoreError> {
    let (mut listings, tests, changes, notes) = tokio::try_join!(
        store.listings(now_unix - WATCHED_S),
        store.list_tests(now_unix),
        store.listing_changes(range, subject, CHANGES_MAX),
        store.listing_notes(NOTES_MAX),
    )?;
    listings.retain(|row| subject.is_none_or(|subject| row.subject == subject));
    Ok(Answers { listings, tests, changes, notes })
}

fn page(layout: Layout, params: &Params, answers: &Answers) -> BlocklistsPage {
    let now_unix = params.range().now_unix();
    let tests: BTreeMap<&str, &ListTestRow> =
        answers.tests.iter().map(|row| (row.list.as_str(), row)).collect();
    let mut standing: Vec<&ListingRow> =
        answers.listings.iter().filter(|row| row.state == "listed").collect();
    standing.sort_by_key(|row| {
        (tests.get(row.list.as_str()).map_or(3, |test| test.tier), std::cmp::Reverse(row.since_unix))
    });
    BlocklistsPage {
        layout,
        tabs: tabs(params, "/reputation/blocklists"),
        board: board(params, answers),
        listed: standing
            .iter()
            .take(LISTED_MAX)
            .map(|row| listed(row, tests.get(row.list.as_str()).copied(), &answers.notes))
            .collect(),
        more: standing.len().saturating_sub(LISTED_MAX),
        lists: list_table(&answers.tests, now_unix),
        changes: change_table(params, &answers.changes),
    }
}

fn board(params: &Params, answers: &Answers) -> Board {
    let mut names: Vec<&str> = Vec::new();
    // The tests come by tier, and that is the order of the columns.
    for test in &answers.tests {
        if !names.contains(&test.list.as_str()) {
            names.push(&test.list);
        }
    }
    let mut by_subject: BTreeMap<&str, BTreeMap<&str, &ListingRow>> = BTreeMap::new();
    for row in &answers.listings {
        by_subject.entry(&row.subject).or_default().insert(&row.list, row);
    }
    let count = |rows: &BTreeMap<&str, &ListingRow>, state: &str| {
        rows.values().filter(|row| row.state == state).count()
    };
    let mut subjects: Vec<_> = by_subject.into_iter().collect();
    subjects.sort_by_key(|(_, rows)| {
        (std::cmp::Reverse(count(rows, "listed")), std::cmp::Reverse(count(rows, "unknown")))
    });
    let left_out = subjects.len().saturating_sub(BOARD_ROWS_MAX);
    subjects.truncate(BOARD_ROWS_MAX);
    let asked: BTreeSet<&str> = subjects.iter().flat_map(|(_, rows)| rows.keys().copied()).collect();
    names.retain(|name| asked.contains(name));
    let rows = subjects.into_iter().map(|(subject, rows)| BoardRow {
        subject: subject.to_owned(),
        href: params.link("/reputation/blocklists").with("subject", subject).to_string(),
        spots: names.iter().map(|name| rows.get(name).map(|row| spot(row))).collect(),
    });
    let title = |name: &str| {
        answers.tests.iter().find(|row| row.list == name).map(|row| row.title.clone()).unwrap_or_default()
    };
    Board {
        rows: rows.collect(),
        lists: names.iter().map(|name| BoardList { name: (*name).to_owned(), title: title(name) }).collect(),
        note: if left_out == 0 {
            String::new()
        } else {
            format!("{left_out} more without a listing are left out.")
        },
    }
}

fn spot(row: &ListingRow) -> Spot {
    let last = if row.reason.is_empty() { String::new() } else { format!("; now unknown: {}", row.reason) };
    let is_doubtful = row.seen == "unknown";
    let (class, mark, text) = match row.state.as_str() {
        "listed" => (
            "listed",
            "■",
            format!("listed since {}: {}", format::minute(row.since_unix), row.codes.join(", ")),
        ),
        "clean" if is_doubtful => ("unknown", "?", "clean when it last answered".to_owned()),
        "clean" => ("clean", "·", "clean".to_owned()),
        _ => ("unknown", "?", "unknown".to_owned()),
    };
    Spot { class, mark, text: format!("{} on {}: {text}{last}", row.subject, row.list) }
}

fn listed(row: &ListingRow, test: Option<&ListTestRow>, notes: &[ListingNoteRow]) -> Listed {
    let about = |note: &&ListingNoteRow| note.list == row.list && note.subject == row.subject;
    let note = |note: &ListingNoteRow| Note {
        at: format::minute(note.at_unix),
        author: note.author.clone(),
        text: note.text.clone(),
    };
    let delist = test.map(|test| test.delist.clone()).unwrap_or_default();
    Listed {
        subject: row.subject.clone(),
        list: row.list.clone(),
        title: test.map_or_else(|| row.list.clone(), |test| test.title.clone()),
        tier: test.map_or(3, |test| test.tier),
        codes: row.codes.join(", "),
        since: format::minute(row.since_unix),
        text: row.text.clone(),
        doubt: if row.seen == "unknown" { row.reason.clone() } else { String::new() },
        // A registry of one's own may say anything here.
        delist: if delist.starts_with("https://") || delist.starts_with("http://") {
            delist
        } else {
            String::new()
        },
        expires: test.map(|test| test.expires.clone()).unwrap_or_default(),
        notes: notes.iter().filter(about).map(note).collect(),
    }
}

fn list_table(rows: &[ListTestRow], now_unix: i64) -> Table {
    let row = |row: &ListTestRow| {
        let is_well = row.result == "passed";
        let told = if is_well { "believed".to_owned() } else { format!("{}: not believed", row.result) };
        let spent = row.budget > 0 && row.queries_today >= u64::from(row.budget);
        Row::new(vec![
            Cell::text(row.title.clone()).sub(format!("{} · {}", row.list, row.kind)),
            Cell::count(u64::from(row.tier)),
            Cell::sentence(told).sub(row.detail.clone()).tone(if is_well { "good" } else { "warn" }),
            Cell::count(u64::from(row.subjects)),
            Cell::count(u64::from(row.listed)).tone(if row.listed > 0 { "bad" } else { "" }),
            Cell::count(u64::from(row.unknown)).tone(if row.unknown > 0 { "warn" } else { "" }),
            Cell::count(row.queries_today)
                .sub(format!("of {}", format::short_count(u64::from(row.budget))))
                .tone(if spent { "warn" } else { "" }),
            Cell::word(format::ago(row.tested_unix, now_unix)),
        ])
    };
    let columns = vec![
        Column::text("List"),
        Column::number("Tier"),
        Column::text("Its own test"),
        Column::number("Asked about"),
        Column::number("Listed"),
        Column::number("Unknown"),
        Column::number("Questions today"),
        Column::text("Last asked"),
    ];
    let empty = "No list was asked yet. The first round begins within a minute of the start, when there is an address or domain to ask about.";
    Table::new("Lists by tier", columns, rows.iter().map(row).collect(), empty)
}

fn change_table(params: &Params, rows: &[ListingChangeRow]) -> Table {
    let row = |row: &ListingChangeRow| {
        let what = match (row.state.as_str(), row.is_first) {
            ("listed", true) => "listed when first asked",
            ("listed", false) => "listed",
            _ => "delisted",
        };
        let share = format::float(u64::from(row.share_ppm)) / 1e6;
        let subject: Link = params.link("/reputation/blocklists").with("subject", row.subject.clone());
        Row::new(vec![
            Cell::word(format::minute(row.at_unix)),
            Cell::text(row.subject.clone()).link(&subject),
            Cell::text(row.list.clone()).sub(format!("tier {}", row.tier)),
            Cell::text(what).tone(if row.is_first { "" } else { tone(&row.state) }),
            Cell::text(row.codes.join(", ")).sub(row.text.clone()),
            Cell::count(row.sent).sub(format!("{} of all", format::percent(Some(share), 1))),
        ])
    };
    let columns = vec![
        Column::text("When (UTC)"),
        Column::text("Subject"),
        Column::text("List"),
        Column::text("What"),
        Column::text("Codes, and what the list writes"),
        Column::number("Mail of 30 days"),
    ];
    Table::new(
        "Changes, newest first",
        columns,
        rows.iter().map(row).collect(),
        "Nothing changed in this range.",
    )
    .scrolling()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(answers: &Answers) -> String {
        let params = Params::of_reports("", 1_785_585_270, &[]).unwrap();
        page(Layout::bare("Blocklists"), &params, answers).render().unwrap()
    }

    fn listing(state: &str, seen: &str) -> ListingRow {
        ListingRow {
            list: "own".to_owned(),
            subject: "192.0.2.1".to_owned(),
            kind: "ip4".to_owned(),
            state: state.to_owned(),
            seen: seen.to_owned(),
            reason: if seen == "unknown" { "SERVFAIL".to_owned() } else { String::new() },
            ..ListingRow::default()
        }
    }

    fn test(delist: &str) -> ListTestRow {
        ListTestRow {
            list: "own".to_owned(),
            title: "Own list".to_owned(),
            tier: 1,
            delist: delist.to_owned(),
            result: "passed".to_owned(),
            ..ListTestRow::default()
        }
    }

    #[test]
    fn before_the_first_round_the_page_says_so() {
        let html = html(&Answers::default());
        assert!(
            html.contains("No list was asked yet.") && html.contains("Nothing changed in this range."),
            "{html}"
        );
    }

    #[test]
    fn a_listing_that_cannot_be_confirmed_now_stays_and_says_so() {
        let html = html(&Answers {
            listings: vec![listing("listed", "unknown")],
            tests: vec![test("")],
            ..Answers::default()
        });
        assert!(html.contains("now unknown: SERVFAIL") && html.contains("SERVFAIL"), "{html}");
        assert!(html.contains("class=\"listed\""));
    }

    #[test]
    fn clean_is_not_shown_while_nobody_can_say() {
        let html = html(&Answers {
            listings: vec![listing("clean", "unknown")],
            tests: vec![test("")],
            ..Answers::default()
        });
        assert!(html.contains("class=\"unknown\"") && !html.contains("class=\"clean\""), "{html}");
    }

    #[test]
    fn an_address_to_be_taken_off_is_a_web_address() {
        let html = |delist| {
            html(&Answers {
                listings: vec![listing("listed", "listed")],
                tests: vec![test(delist)],
                ..Answers::default()
            })
        };
        assert!(html("https://own.example/remove").contains("href=\"https://own.example/remove\""));
        assert!(!html("javascript:alert(1)").contains("javascript"));
    }
}
