//! `/dmarc/failures`: single messages that failed authentication at a receiver.

use crate::store::query::{Dimension, DmarcFailureCount, DmarcFailureShown};
use crate::web::SharedSite;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::params::{Link, Params};
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Table};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;

/// Failure reports in the list. Who needs more asks the JSON API.
const NEWEST_MAX: u32 = 100;

const COUNTS_MAX: u32 = 100;

#[derive(Template)]
#[template(path = "pages/dmarc_failures.html")]
struct FailuresPage {
    layout: Layout,
    counts: Table,
    newest: Table,
    reports_href: String,
}

pub(super) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::of_reports(&query.unwrap_or_default(), site.now_unix(), &[])?;
    let filter = params.reports();
    let (counts, newest) = tokio::try_join!(
        site.store().dmarc_failure_counts(&filter, COUNTS_MAX),
        site.store().dmarc_failures(&filter, NEWEST_MAX),
    )?;
    let layout = Layout::of_time(&site, &params, NavPage::Dmarc, "/dmarc/failures", "DMARC failure reports");
    Ok(Html(page(layout, &params, &counts, &newest).render()?))
}

fn page(
    layout: Layout,
    params: &Params,
    counts: &[DmarcFailureCount],
    newest: &[DmarcFailureShown],
) -> FailuresPage {
    FailuresPage {
        layout,
        counts: count_table(params, counts),
        newest: newest_table(newest),
        reports_href: params.link("/dmarc").to_string(),
    }
}

fn count_table(params: &Params, rows: &[DmarcFailureCount]) -> Table {
    let row = |row: &DmarcFailureCount| {
        let link = params.link("/dmarc/failures").only(Dimension::Domain, &row.policy_domain);
        Row::new(vec![
            Cell::text(row.policy_domain.clone()).link(&link),
            Cell::text(if row.failure.is_empty() { "not told" } else { &row.failure }),
            Cell::count(row.reports),
            Cell::count(row.incidents),
            Cell::count(row.ips),
            Cell::count(row.reporters),
            Cell::word(format::short_minute(i64::from(row.last_unix))),
        ])
    };
    let columns = vec![
        Column::text("Domain"),
        Column::text("What failed"),
        Column::number("Reports"),
        Column::number("Messages"),
        Column::number("Addresses"),
        Column::number("Reporters"),
        Column::text("Last"),
    ];
    let empty = "No failure report in this range. Few receivers send any.";
    Table::new("Failures by domain and kind", columns, rows.iter().map(row).collect(), empty)
}

fn newest_table(rows: &[DmarcFailureShown]) -> Table {
    let row = |row: &DmarcFailureShown| {
        let time = Cell::word(format::minute(row.event_time_us.div_euclid(1_000_000)));
        let mail = Link::to(&format!("/mails/{}", row.mail_id));
        let signer = match (row.dkim_domain.as_str(), row.dkim_selector.as_str()) {
            (domain, "") => domain.to_owned(),
            (domain, selector) => format!("{domain} ({selector})"),
        };
        let aligned = if row.aligned.is_empty() {
            String::new()
        } else {
            format!("aligned: {}", row.aligned.join(", "))
        };
        let is_apart = row.standing != "counted";
        Row::new(vec![
            if row.mail_id.is_empty() { time } else { time.link(&mail) },
            Cell::text(row.policy_domain.clone()).sub(row.subject.clone()),
            Cell::code(if row.source_ip.is_empty() { "not told" } else { &row.source_ip })
                .sub(row.env_from_domain.clone()),
            Cell::text(row.failure.clone()).sub(aligned),
            Cell::text(signer),
            Cell::text(row.delivery_result.clone()).sub(row.rcpt_domain.clone()),
            Cell::count(u64::from(row.incidents)),
            Cell::text(row.reporter.clone()).sub(row.warnings.join("; ")),
            Cell::text(if is_apart { row.standing.clone() } else { row.authenticity.clone() })
                .tone(if is_apart { "warn" } else { "" }),
        ])
    };
    let columns = vec![
        Column::text("Time (UTC)"),
        Column::text("Domain"),
        Column::text("Source"),
        Column::text("What failed"),
        Column::text("Signer"),
        Column::text("Delivery"),
        Column::number("Messages"),
        Column::text("Reporter"),
        Column::text("Report"),
    ];
    let empty = "No failure report in this range.";
    Table::new("Newest failure reports", columns, rows.iter().map(row).collect(), empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::pages::dmarc::tests::params;

    fn html(counts: &[DmarcFailureCount], newest: &[DmarcFailureShown]) -> String {
        page(Layout::bare("Failures"), &params(""), counts, newest).render().unwrap()
    }

    #[test]
    fn without_failure_reports_the_page_says_so() {
        assert!(html(&[], &[]).contains("Few receivers send any."));
    }

    #[test]
    fn a_failure_leads_to_its_mail_and_cannot_become_markup() {
        let row = DmarcFailureShown {
            mail_id: "m1".to_owned(),
            subject: "<script>alert(1)</script>".to_owned(),
            standing: "forged".to_owned(),
            ..DmarcFailureShown::default()
        };
        let html = html(&[], &[row]);
        assert!(html.contains("/mails/m1") && html.contains("forged"), "{html}");
        assert!(!html.contains("<script>alert"), "{html}");
    }
}
