//! `/tls`: do other servers reach ours encrypted, as our policies ask?
//!
//! Source: RFC 8460 section 4.3 for the types of failure.

use crate::store::query::{
    Dimension, ReportFilter, StandingRow, TlsDayRow, TlsDomainRow, TlsFailureCount, TlsReporterRow,
};
use crate::store::{Store, StoreError};
use crate::web::SharedSite;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::pages::dmarc::apart_words;
use crate::web::params::{NO_VALUE, Params};
use crate::web::parts::{Cell, Chart, ChartKind, ChartUnit, Column, Layout, Marks, NavPage, Row, Table};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;
use std::collections::BTreeMap;

/// Policies, kinds of failure, and reporters in their tables. Who has more asks the JSON API.
const ROWS_MAX: u32 = 100;

const DAY_STEP_S: u32 = 86_400;

#[derive(Template)]
#[template(path = "pages/tls_reports.html")]
struct TlsPage {
    layout: Layout,
    domains: Table,
    sessions: Chart,
    share: Chart,
    failures: Table,
    reporters: Table,
    apart_words: String,
}

struct Answers {
    domains: Vec<TlsDomainRow>,
    days: Vec<TlsDayRow>,
    failures: Vec<TlsFailureCount>,
    reporters: Vec<TlsReporterRow>,
    standings: Vec<StandingRow>,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::of_reports(&query.unwrap_or_default(), site.now_unix(), &[])?;
    let layout = Layout::of_time(&site, &params, NavPage::Tls, "/tls", "TLS reports");
    let reports = params.reports();
    let (answers, marks) = tokio::try_join!(ask(site.store(), &reports), Marks::of(&site, params.filter()))?;
    Ok(Html(page(layout, &params, &answers, &marks).render()?))
}

async fn ask(store: &Store, filter: &ReportFilter) -> Result<Answers, StoreError> {
    let (domains, days, failures, reporters, standings) = tokio::try_join!(
        store.tls_domains(filter, ROWS_MAX),
        store.tls_days(filter),
        store.tls_failures(filter, ROWS_MAX),
        store.tls_reporters(filter, ROWS_MAX),
        store.tls_standings(filter),
    )?;
    Ok(Answers { domains, days, failures, reporters, standings })
}

fn page(layout: Layout, params: &Params, answers: &Answers, marks: &Marks) -> TlsPage {
    TlsPage {
        layout,
        domains: domain_table(params, &answers.domains),
        sessions: sessions(params, &answers.days, marks),
        share: share(params, &answers.days, marks),
        failures: failure_table(&answers.failures),
        reporters: reporter_table(&answers.reporters),
        apart_words: apart_words(&answers.standings, "sessions"),
    }
}

/// Failures are rare: two digits.
fn share_cell(part: u64, whole: u64) -> Cell {
    Cell::figure(format::percent((whole > 0).then(|| format::float(part) / format::float(whole)), 2))
}

fn known(rows: &[TlsDayRow]) -> BTreeMap<i64, &TlsDayRow> {
    rows.iter().map(|row| (row.at_unix, row)).collect()
}

fn sessions(params: &Params, rows: &[TlsDayRow], marks: &Marks) -> Chart {
    let (range, known) = (params.range(), known(rows));
    let values = |of: fn(&TlsDayRow) -> u64| {
        let value = |at| Some(format::float(known.get(&at).map_or(0, |row| of(row))));
        range.steps(DAY_STEP_S).into_iter().map(value).collect()
    };
    let label = "TLS sessions by day and outcome";
    Chart::begin("sessions", label, ChartKind::Stack, ChartUnit::Items, range, DAY_STEP_S)
        .series("delivered", "Successful", values(|row| row.successful), None)
        .series("hard", "Failed", values(|row| row.failed), None)
        .marks(marks)
        .end("No receiver reported TLS sessions in this range.")
}

/// A day without sessions has no share.
fn share(params: &Params, rows: &[TlsDayRow], marks: &Marks) -> Chart {
    let (range, known) = (params.range(), known(rows));
    let value = |at: i64| {
        let row = known.get(&at)?;
        let whole = row.successful.saturating_add(row.failed);
        (whole > 0).then(|| format::float(row.failed) / format::float(whole) * 100.0)
    };
    let values = range.steps(DAY_STEP_S).into_iter().map(value).collect();
    let label = "Share of TLS sessions that failed, by day";
    Chart::begin("share", label, ChartKind::Lines, ChartUnit::Percent, range, DAY_STEP_S)
        .series("hard", "Failed", values, None)
        .marks(marks)
        .end("No session failed in this range.")
}

fn domain_table(params: &Params, rows: &[TlsDomainRow]) -> Table {
    let largest = rows.iter().map(|row| row.successful.saturating_add(row.failed)).max().unwrap_or(0);
    let row = |row: &TlsDomainRow| {
        let whole = row.successful.saturating_add(row.failed);
        let name = if row.policy_domain.is_empty() { NO_VALUE } else { &row.policy_domain };
        let policy = row.policy_lines.join("; ");
        Row::new(vec![
            Cell::text(name).link(&params.link("/tls").only(Dimension::Domain, &row.policy_domain)),
            Cell::word(policy_type(&row.policy_type)).sub(row.policy_type.clone()),
            Cell::count(whole).bar(whole, largest, "sent"),
            Cell::count(row.failed).tone(if row.failed > 0 { "warn" } else { "" }),
            share_cell(row.failed, whole),
            Cell::text(policy).sub(row.mx_hosts.join(", ")),
            Cell::count(row.reporters),
            Cell::word(format::day(i64::from(row.seen_unix))),
        ])
    };
    let columns = vec![
        Column::text("Domain"),
        Column::text("Policy"),
        Column::number("Sessions"),
        Column::number("Failed"),
        Column::number("Share"),
        Column::text("Policy as it was seen, and its servers"),
        Column::number("Reporters"),
        Column::text("Newest"),
    ];
    let empty = "No TLS report begins in this range.";
    Table::new("Policies by sessions", columns, rows.iter().map(row).collect(), empty)
}

fn policy_type(name: &str) -> &'static str {
    match name {
        "sts" => "MTA-STS",
        "tlsa" => "DANE",
        "no-policy-found" => "none found",
        _ => "not known",
    }
}

/// What a type of failure means, by RFC 8460 section 4.3.
fn meaning(result_type: &str) -> &'static str {
    match result_type {
        "starttls-not-supported" => "the server offered no STARTTLS",
        "certificate-host-mismatch" => "the certificate is for another host",
        "certificate-expired" => "the certificate has expired",
        "certificate-not-trusted" => "the certificate is of no trusted authority",
        "validation-failure" => "the session failed for another reason",
        "tlsa-invalid" => "the TLSA record does not match the certificate",
        "dnssec-invalid" => "DNSSEC did not validate",
        "dane-required" => "the sender asks for DANE and found none",
        "sts-policy-fetch-error" => "the MTA-STS policy could not be fetched",
        "sts-policy-invalid" => "the MTA-STS policy cannot be read",
        "sts-webpki-invalid" => "the certificate of the policy's web server does not hold",
        _ => "",
    }
}

fn failure_table(rows: &[TlsFailureCount]) -> Table {
    let largest = rows.iter().map(|row| row.sessions).max().unwrap_or(0);
    let row = |row: &TlsFailureCount| {
        let said = [row.information.as_str(), row.reason_code.as_str()];
        let said = said.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
        Row::new(vec![
            Cell::text(row.result_type.clone()).sub(meaning(&row.result_type)),
            Cell::text(if row.mx_host.is_empty() { "server not told" } else { &row.mx_host })
                .sub(row.policy_domain.clone()),
            Cell::count(row.sessions).bar(row.sessions, largest, "hard"),
            Cell::count(row.reporters),
            Cell::count(row.sending_ips),
            Cell::reply(said),
            Cell::word(format::day(i64::from(row.last_unix))),
        ])
    };
    let columns = vec![
        Column::text("What failed"),
        Column::text("Server"),
        Column::number("Sessions"),
        Column::number("Reporters"),
        Column::number("Addresses"),
        Column::text("What a reporter says, one sample"),
        Column::text("Last"),
    ];
    let empty = "No failure was told in this range.";
    Table::new("Failures by type and server", columns, rows.iter().map(row).collect(), empty)
}

fn reporter_table(rows: &[TlsReporterRow]) -> Table {
    let row = |row: &TlsReporterRow| {
        let whole = row.successful.saturating_add(row.failed);
        Row::new(vec![
            Cell::text(if row.reporter.is_empty() { "not named" } else { &row.reporter }),
            Cell::count(row.reports),
            Cell::count(whole),
            share_cell(row.failed, whole),
            Cell::word(format::day(i64::from(row.last_unix))),
        ])
    };
    let columns = vec![
        Column::text("Reporter"),
        Column::number("Reports"),
        Column::number("Sessions"),
        Column::number("Failed"),
        Column::text("Newest"),
    ];
    Table::new("Reporters by sessions", columns, rows.iter().map(row).collect(), "Nobody reported.")
        .scrolling()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers {
        Answers {
            domains: Vec::new(),
            days: Vec::new(),
            failures: Vec::new(),
            reporters: Vec::new(),
            standings: Vec::new(),
        }
    }

    fn html(answers: &Answers) -> String {
        let params = Params::of_reports("", 1_785_585_270, &[]).unwrap();
        page(Layout::bare("TLS"), &params, answers, &Marks::default()).render().unwrap()
    }

    #[test]
    fn without_reports_every_panel_says_so() {
        let html = html(&answers());
        for empty in
            ["No TLS report begins in this range.", "No failure was told in this range.", "Nobody reported."]
        {
            assert!(html.contains(empty), "{empty}: {html}");
        }
    }

    #[test]
    fn failures_are_told_with_their_share_and_meaning() {
        let domain = TlsDomainRow {
            policy_domain: "shop.example".to_owned(),
            policy_type: "sts".to_owned(),
            successful: 990,
            failed: 10,
            policy_lines: vec!["mode: <b>enforce".to_owned()],
            ..TlsDomainRow::default()
        };
        let failure = TlsFailureCount {
            result_type: "certificate-expired".to_owned(),
            sessions: 10,
            ..TlsFailureCount::default()
        };
        let days = vec![TlsDayRow { at_unix: 1_785_542_400, successful: 990, failed: 10 }];
        let html = html(&Answers { domains: vec![domain], failures: vec![failure], days, ..answers() });
        for told in ["1.00\u{202f}%", "MTA-STS", "the certificate has expired", "1.000\u{202f}%"] {
            assert!(html.contains(told), "{told}: {html}");
        }
        assert!(!html.contains("<b>enforce"));
    }
}
