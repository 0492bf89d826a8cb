//! `/dmarc/records`: what single reports say of a source.

use crate::store::query::{DmarcRecordRow, DmarcRecordSearch};
use crate::web::SharedSite;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::pages::dmarc::DAY_S;
use crate::web::params::{Extra, Link, Params, ParamsError};
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Table};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;

/// Records on one page.
const PAGE_ROWS: u32 = 100;

/// Last page that can be asked for: each costs all before it. Who needs more exports.
const PAGE_MAX: u64 = 100;

const EXTRAS: &[Extra] = &[Extra::One("day"), Extra::One("page")];

#[derive(Template)]
#[template(path = "pages/dmarc_records.html")]
struct RecordsPage {
    layout: Layout,
    about: String,
    records: Table,
    newer_href: Option<String>,
    older_href: Option<String>,
}

pub(super) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::of_reports(&query.unwrap_or_default(), site.now_unix(), EXTRAS)?;
    let (search, page_number) = search(&params)?;
    let rows = site.store().dmarc_records(&search).await?;
    let layout = Layout::of_time(&site, &params, NavPage::Dmarc, "/dmarc/records", "DMARC records");
    Ok(Html(page(layout, &params, page_number, &rows).render()?))
}

/// `day=2026-08-01` narrows the range to that day.
fn search(params: &Params) -> Result<(DmarcRecordSearch, u64), ParamsError> {
    let mut filter = params.reports();
    if let Some(day) = params.extra("day") {
        let at = day
            .parse::<jiff::civil::Date>()
            .ok()
            .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
        let bad = || ParamsError::bad_value("day", day, "write a date such as 2026-08-01");
        filter.range.from_unix = at.ok_or_else(bad)?.timestamp().as_second();
        filter.range.to_unix = filter.range.from_unix + DAY_S;
    }
    let number = params.extra("page").unwrap_or("1");
    let page = number.parse().ok().filter(|page| (1..=PAGE_MAX).contains(page));
    let page = page.ok_or_else(|| {
        ParamsError::bad_value("page", number, format!("write a number from 1 to {PAGE_MAX}"))
    })?;
    let ips = params.filter().ip.clone();
    let offset = (page - 1) * u64::from(PAGE_ROWS);
    Ok((DmarcRecordSearch { filter, ips, offset, limit: PAGE_ROWS }, page))
}

fn page(layout: Layout, params: &Params, number: u64, rows: &[DmarcRecordRow]) -> RecordsPage {
    let here = params.here("/dmarc/records").without("page");
    let at = |number: u64| here.clone().with("page", number.to_string()).to_string();
    let mut about: Vec<&str> = params.filter().domain.iter().map(String::as_str).collect();
    about.extend(params.filter().ip.iter().map(String::as_str));
    about.extend(params.extra("day"));
    RecordsPage {
        layout,
        about: if about.is_empty() { "All domains and sources".to_owned() } else { about.join(" · ") },
        records: table(rows, true),
        newer_href: (number > 1).then(|| at(number - 1)),
        older_href: (rows.len() >= PAGE_ROWS as usize && number < PAGE_MAX).then(|| at(number + 1)),
    }
}

/// Records one by one; `has_report` adds who reported them.
pub(super) fn table(rows: &[DmarcRecordRow], has_report: bool) -> Table {
    let row = |row: &DmarcRecordRow| {
        let mut cells = vec![
            Cell::word(format::day(row.day_unix)),
            Cell::code(if row.source_ip.is_empty() { "not told" } else { &row.source_ip }).sub(source(row)),
            Cell::count(row.messages),
            aligned_cell(row),
            Cell::text(dkim(row)),
            Cell::text(spf(row)),
            Cell::text(row.disposition.clone()).sub(exceptions(row)),
            Cell::text(row.header_from.clone()).sub(envelope(row)),
        ];
        if has_report {
            let report = Link::to(&format!("/dmarc/reports/{}", row.report_key));
            cells.push(Cell::text(row.reporter.clone()).link(&report).sub(row.warnings.join("; ")));
        } else {
            cells.push(Cell::text(row.warnings.join("; ")));
        }
        Row::new(cells)
    };
    let columns = vec![
        Column::text("Day"),
        Column::text("Source"),
        Column::number("Messages"),
        Column::text("Aligned"),
        Column::text("DKIM"),
        Column::text("SPF"),
        Column::text("Disposition"),
        Column::text("From"),
        Column::text(if has_report { "Report" } else { "Warnings" }),
    ];
    Table::new("Records by day", columns, rows.iter().map(row).collect(), "No record matches.")
}

fn aligned_cell(row: &DmarcRecordRow) -> Cell {
    let words = match (row.is_dkim_aligned, row.is_spf_aligned) {
        (true, true) => "DKIM and SPF",
        (true, false) => "DKIM",
        (false, true) => "SPF",
        (false, false) => "no",
    };
    Cell::text(words).tone(if row.is_aligned() { "" } else { "warn" })
}

fn source(row: &DmarcRecordRow) -> String {
    let parts = [row.source_name.as_str(), &row.host, &row.country];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn dkim(row: &DmarcRecordRow) -> String {
    let signatures = row.dkim_domains.iter().zip(&row.dkim_selectors).zip(&row.dkim_results);
    let told = signatures.map(|((domain, selector), result)| {
        let key = if selector.is_empty() { String::new() } else { format!(" ({selector})") };
        format!("{result} {domain}{key}")
    });
    told.collect::<Vec<_>>().join(", ")
}

fn spf(row: &DmarcRecordRow) -> String {
    let scope = if row.spf_scope == "helo" { " (helo)" } else { "" };
    format!("{} {}{scope}", row.spf_result, row.spf_domain).trim().to_owned()
}

fn exceptions(row: &DmarcRecordRow) -> String {
    let comments = row.override_comments.iter().map(String::as_str).chain(std::iter::repeat(""));
    let told = row.override_types.iter().zip(comments).map(|(kind, comment)| {
        let kind = kind.replace('_', " ");
        if comment.is_empty() { kind } else { format!("{kind}: {comment}") }
    });
    told.collect::<Vec<_>>().join("; ")
}

fn envelope(row: &DmarcRecordRow) -> String {
    let from = (!row.envelope_from.is_empty()).then(|| format!("envelope {}", row.envelope_from));
    let to = (!row.envelope_to.is_empty()).then(|| format!("to {}", row.envelope_to));
    [from, to].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::of_reports(query, 1_785_585_270, EXTRAS).unwrap()
    }

    fn row() -> DmarcRecordRow {
        DmarcRecordRow {
            source_ip: "192.0.2.7".to_owned(),
            messages: 3,
            dkim_domains: vec!["shop.example".to_owned(), "mailer.example".to_owned()],
            dkim_selectors: vec!["s1".to_owned(), String::new()],
            dkim_results: vec!["pass".to_owned(), "fail".to_owned()],
            spf_result: "softfail".to_owned(),
            spf_domain: "shop.example".to_owned(),
            is_dkim_aligned: true,
            override_types: vec!["mailing_list".to_owned()],
            header_from: "<i>shop.example".to_owned(),
            report_key: "k".to_owned(),
            ..DmarcRecordRow::default()
        }
    }

    #[test]
    fn a_day_narrows_the_range() {
        let (search, page) = search(&params("day=2026-07-01&domain=shop.example&ip=192.0.2.7")).unwrap();
        assert_eq!(search.filter.range.seconds(), DAY_S);
        assert_eq!(format::minute(search.filter.range.from_unix), "2026-07-01 00:00");
        assert_eq!((search.ips, page, search.offset), (vec!["192.0.2.7".to_owned()], 1, 0));
    }

    #[test]
    fn a_bad_day_or_page_says_what_to_write() {
        assert!(search(&params("day=yesterday")).unwrap_err().to_string().contains("2026-08-01"));
        assert!(search(&params("page=0")).is_err());
        assert_eq!(search(&params("page=3")).unwrap().0.offset, 200);
    }

    #[test]
    fn a_record_is_told_whole_and_cannot_become_markup() {
        let html = page(Layout::bare("Records"), &params(""), 1, &[row()]).render().unwrap();
        for told in ["pass shop.example (s1), fail mailer.example", "softfail shop.example", "mailing list"] {
            assert!(html.contains(told), "{told}: {html}");
        }
        assert!(html.contains("/dmarc/reports/k") && !html.contains("<i>shop"), "{html}");
    }

    #[test]
    fn a_full_page_leads_to_the_next() {
        let rows = vec![row(); PAGE_ROWS as usize];
        let next = |number| page(Layout::bare("Records"), &params(""), number, &rows).older_href;
        assert!(next(1).unwrap().contains("page=2"));
        assert_eq!(next(PAGE_MAX), None);
    }
}
