//! `/dmarc`: who sends mail of our domains, does it pass, and may the policy be made stricter?
//!
//! Way: this file asks for all panels of the page; `domains`, `sources` and `apart` draw them. `records`, `report` and
//! `failures` are pages of their own, to which it leads.

mod apart;
mod domains;
mod failures;
mod raw;
mod readiness;
mod records;
mod report;
mod sources;

pub(super) use apart::words as apart_words;

use crate::store::query::{
    DmarcCounts, DmarcDayRow, DmarcDomainRow, DmarcNewSourceRow, DmarcPolicyRow, DmarcReportHead,
    DmarcReporterRow, DmarcSourceRow, ReportFilter, StandingRow,
};
use crate::store::{Store, StoreError};
use crate::web::error::PageError;
use crate::web::format;
use crate::web::params::Params;
use crate::web::parts::{Cell, Chart, ChartKind, ChartUnit, Column, Layout, Marks, NavPage, Row, Table};
use crate::web::{SharedSite, Site};
use askama::Template;
use axum::Router;
use axum::extract::RawQuery;
use axum::response::Html;
use axum::routing::get;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Policy domains in the table. Who has more asks the JSON API.
const DOMAINS_MAX: u32 = 200;

/// Senders asked for: readiness is judged over all of a domain, and those beyond these send single messages.
const SOURCES_MAX: u32 = 20_000;

/// Senders in the table, those with most mail.
const SOURCES_SHOWN: usize = 200;

/// New senders in their table.
const NEW_SOURCES_MAX: u32 = 50;

const REPORTERS_MAX: u32 = 50;

/// Reports kept apart that are named; their number stands beside them.
const APART_MAX: u32 = 20;

const DAY_S: i64 = 86_400;

/// The step of charts: reports know no finer one.
const DAY_STEP_S: u32 = 86_400;

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/dmarc", get(show))
        .route("/dmarc/records", get(records::show))
        .route("/dmarc/reports/{key}", get(report::show))
        .route("/dmarc/failures", get(failures::show))
}

#[derive(Template)]
#[template(path = "pages/dmarc.html")]
struct DmarcPage {
    layout: Layout,
    /// Of the one domain that is chosen; empty when none or several are.
    facts: Vec<Fact>,
    domains: Table,
    trend: Chart,
    sources: Table,
    sources_note: String,
    new_sources: Table,
    reporters: Table,
    apart_words: String,
    apart: Table,
    failures_href: String,
}

/// One figure with what it amounts to.
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) detail: String,
    pub(super) tone: &'static str,
}

struct Answers {
    domains: Vec<DmarcDomainRow>,
    policies: Vec<DmarcPolicyRow>,
    days: Vec<DmarcDayRow>,
    sources: Vec<DmarcSourceRow>,
    new_sources: Vec<DmarcNewSourceRow>,
    reporters: Vec<DmarcReporterRow>,
    standings: Vec<StandingRow>,
    apart: Vec<DmarcReportHead>,
}

async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::of_reports(&query.unwrap_or_default(), site.now_unix(), &[])?;
    let layout = Layout::of_time(&site, &params, NavPage::Dmarc, "/dmarc", "DMARC");
    let reports = params.reports();
    let (answers, marks) = tokio::try_join!(ask(site.store(), &reports), Marks::of(&site, params.filter()))?;
    Ok(Html(page(layout, &params, &answers, &marks).render()?))
}

async fn ask(store: &Store, filter: &ReportFilter) -> Result<Answers, StoreError> {
    let (domains, policies, days, sources, new_sources, reporters, standings, apart) = tokio::try_join!(
        store.dmarc_domains(filter, DOMAINS_MAX),
        store.dmarc_policies(filter, DOMAINS_MAX),
        store.dmarc_days(filter),
        store.dmarc_sources(filter, SOURCES_MAX),
        store.dmarc_new_sources(filter, NEW_SOURCES_MAX),
        store.dmarc_reporters(filter, REPORTERS_MAX),
        store.dmarc_standings(filter),
        store.dmarc_reports(filter, true, APART_MAX),
    )?;
    Ok(Answers { domains, policies, days, sources, new_sources, reporters, standings, apart })
}

fn page(layout: Layout, params: &Params, answers: &Answers, marks: &Marks) -> DmarcPage {
    let totals: BTreeMap<&str, u64> =
        answers.domains.iter().map(|row| (row.policy_domain.as_str(), row.counts.messages)).collect();
    let is_one = params.filter().domain.len() == 1;
    let has_domain_column = !is_one;
    DmarcPage {
        layout,
        facts: if is_one { domains::facts(answers) } else { Vec::new() },
        domains: domains::table(params, answers),
        trend: trend(params, &answers.days, marks),
        sources: sources::table(
            params,
            &answers.sources[..answers.sources.len().min(SOURCES_SHOWN)],
            &totals,
            has_domain_column,
        ),
        sources_note: match answers.sources.len() {
            all if all > SOURCES_SHOWN => {
                format!("the {SOURCES_SHOWN} largest of {}", format::count(all as u64))
            }
            _ => String::new(),
        },
        new_sources: sources::new_table(params, &answers.new_sources),
        reporters: reporter_table(&answers.reporters),
        apart_words: apart_words(&answers.standings, "messages"),
        apart: apart::table(&answers.apart),
        failures_href: params.link("/dmarc/failures").to_string(),
    }
}

fn trend(params: &Params, rows: &[DmarcDayRow], marks: &Marks) -> Chart {
    let range = params.range();
    let known: BTreeMap<i64, &DmarcCounts> = rows.iter().map(|row| (row.at_unix, &row.counts)).collect();
    let values = |of: fn(&DmarcCounts) -> u64| {
        let value = |at| Some(format::float(known.get(&at).map_or(0, |counts| of(counts))));
        range.steps(DAY_STEP_S).into_iter().map(value).collect()
    };
    let drill = || Some(params.link("/dmarc/records").with_range_open());
    Chart::begin(
        "trend",
        "Messages by day and alignment",
        ChartKind::Stack,
        ChartUnit::Messages,
        range,
        DAY_STEP_S,
    )
    .series("delivered", "Aligned", values(|counts| counts.aligned), drill())
    .series("hard", "Not aligned", values(DmarcCounts::unaligned), drill())
    .marks(marks)
    .end("No receiver reported mail in this range.")
}

fn reporter_table(rows: &[DmarcReporterRow]) -> Table {
    let largest = rows.iter().map(|row| row.counts.messages).max().unwrap_or(0);
    let row = |row: &DmarcReporterRow| {
        Row::new(vec![
            Cell::text(if row.reporter.is_empty() { "not named" } else { &row.reporter }),
            Cell::count(row.reports),
            Cell::count(row.counts.messages).bar(row.counts.messages, largest, "sent"),
            share_cell(row.counts.aligned, row.counts.messages),
            Cell::word(format::day(row.last_unix)),
        ])
    };
    let columns = vec![
        Column::text("Reporter"),
        Column::number("Reports"),
        Column::number("Messages"),
        Column::number("Aligned"),
        Column::text("Newest day"),
    ];
    Table::new("Reporters by messages", columns, rows.iter().map(row).collect(), "Nobody reported.")
        .scrolling()
}

pub(super) fn share_cell(part: u64, whole: u64) -> Cell {
    Cell::figure(share_text(part, whole))
}

pub(super) fn share_text(part: u64, whole: u64) -> String {
    format::percent((whole > 0).then(|| format::float(part) / format::float(whole)), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn params(query: &str) -> Params {
        Params::of_reports(query, 1_785_585_270, &[]).unwrap()
    }

    pub(super) fn answers() -> Answers {
        Answers {
            domains: Vec::new(),
            policies: Vec::new(),
            days: Vec::new(),
            sources: Vec::new(),
            new_sources: Vec::new(),
            reporters: Vec::new(),
            standings: Vec::new(),
            apart: Vec::new(),
        }
    }

    fn sampled() -> Answers {
        let counts = DmarcCounts {
            messages: 1_000,
            aligned: 990,
            dkim_aligned: 985,
            spf_aligned: 700,
            ..DmarcCounts::default()
        };
        Answers {
            domains: vec![DmarcDomainRow { policy_domain: "shop.example".to_owned(), counts, ips: 3 }],
            policies: vec![DmarcPolicyRow {
                policy_domain: "shop.example".to_owned(),
                p: "none".to_owned(),
                reporters: 4,
                ..DmarcPolicyRow::default()
            }],
            days: vec![DmarcDayRow { at_unix: 1_785_542_400, counts }],
            sources: vec![DmarcSourceRow {
                policy_domain: "shop.example".to_owned(),
                source: "<b>mailer".to_owned(),
                ips: 3,
                counts,
                ..DmarcSourceRow::default()
            }],
            standings: vec![
                StandingRow { standing: "counted".to_owned(), reports: 9, amount: 1_000 },
                StandingRow { standing: "forged".to_owned(), reports: 2, amount: 70 },
            ],
            ..answers()
        }
    }

    fn html(query: &str, answers: &Answers) -> String {
        page(Layout::bare("DMARC"), &params(query), answers, &Marks::default()).render().unwrap()
    }

    #[test]
    fn without_reports_every_panel_says_so() {
        let html = html("", &answers());
        for empty in
            ["No receiver reported mail in this range.", "Nobody reported.", "No report was kept apart."]
        {
            assert!(html.contains(empty), "{empty}: {html}");
        }
    }

    #[test]
    fn a_domain_is_shown_with_its_policy_and_readiness() {
        let html = html("", &sampled());
        assert!(html.contains("shop.example") && html.contains("99.0\u{202f}%"), "{html}");
        assert!(html.contains("p=none"), "{html}");
        assert!(html.contains("2 forged"), "{html}");
    }

    #[test]
    fn one_chosen_domain_has_its_facts() {
        let html = html("domain=shop.example", &sampled());
        assert!(html.contains("class=\"facts\""), "{html}");
        assert!(!self::html("", &sampled()).contains("class=\"facts\""));
    }

    #[test]
    fn names_from_reports_cannot_become_markup() {
        assert!(!html("", &sampled()).contains("<b>mailer"));
    }
}
