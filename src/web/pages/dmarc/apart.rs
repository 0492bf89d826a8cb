//! Reports that are kept apart: how many, and why.

use crate::store::query::{DmarcReportHead, StandingRow};
use crate::web::format;
use crate::web::params::Link;
use crate::web::parts::{Cell, Column, Row, Table};

/// Why a report of that standing does not count.
pub(super) fn reason(standing: &str) -> &'static str {
    match standing {
        "foreign" => "about a domain that is not in `reports.domains`",
        "implausible" => "its times or numbers cannot be",
        "forged" => "the mail that brought it failed authentication",
        _ => "counted",
    }
}

/// How many reports do not count, by standing; `unit` is what they hold.
pub(in crate::web::pages) fn words(rows: &[StandingRow], unit: &str) -> String {
    let apart = rows.iter().filter(|row| row.standing != "counted");
    let told: Vec<_> = apart
        .map(|row| {
            format!("{} {} ({} {unit})", format::count(row.reports), row.standing, format::count(row.amount))
        })
        .collect();
    if told.is_empty() { "All reports that came in this range count".to_owned() } else { told.join(", ") }
}

pub(super) fn table(rows: &[DmarcReportHead]) -> Table {
    let row = |row: &DmarcReportHead| {
        let report = Link::to(&format!("/dmarc/reports/{}", row.report_key));
        Row::new(vec![
            Cell::word(format::short_minute(row.received_time_us.div_euclid(1_000_000))).link(&report),
            Cell::text(row.standing.clone()).tone("warn").sub(why(row)),
            Cell::text(row.reporter.clone()).sub(row.email.clone()),
            Cell::text(row.policy_domain.clone()),
            Cell::count(row.messages),
        ])
    };
    let columns = vec![
        Column::text("Came in (UTC)"),
        Column::text("Standing"),
        Column::text("Reporter"),
        Column::text("Domain"),
        Column::number("Messages"),
    ];
    Table::new(
        "Newest reports kept apart",
        columns,
        rows.iter().map(row).collect(),
        "No report was kept apart.",
    )
    .scrolling()
}

/// What the report itself gives as a reason, or else what its standing means.
fn why(row: &DmarcReportHead) -> String {
    let reason = reason(&row.standing).replace('`', "");
    match row.standing.as_str() {
        "forged" if !row.evidence.is_empty() => format!("{reason}: {}", row.evidence),
        "implausible" => {
            let (begin, end) = (i64::from(row.begin_unix), i64::from(row.end_unix));
            format!("{reason}: {} to {}", format::minute(begin), format::minute(end))
        }
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_kept_apart_says_why() {
        let head = |standing: &str| DmarcReportHead {
            standing: standing.to_owned(),
            evidence: "dkim=fail".to_owned(),
            ..DmarcReportHead::default()
        };
        assert_eq!(why(&head("forged")), "the mail that brought it failed authentication: dkim=fail");
        assert!(why(&head("implausible")).contains("1970-01-01 00:00"));
        assert!(why(&head("foreign")).contains("reports.domains"));
    }

    #[test]
    fn counted_reports_are_not_among_them() {
        let row = |standing: &str| StandingRow { standing: standing.to_owned(), reports: 3, amount: 1_500 };
        assert_eq!(words(&[row("counted")], "messages"), "All reports that came in this range count");
        assert_eq!(words(&[row("counted"), row("foreign")], "messages"), "3 foreign (1,500 messages)");
    }
}
