//! The senders of our domains' mail.

use crate::store::query::{Dimension, DmarcNewSourceRow, DmarcSourceRow, SourceClass};
use crate::web::format;
use crate::web::pages::dmarc::share_cell;
use crate::web::params::Params;
use crate::web::parts::{Cell, Column, Row, Table};
use std::collections::BTreeMap;

/// A class with its colour, its tone, and what is to be done about it.
const fn told(class: SourceClass) -> (&'static str, &'static str, &'static str) {
    match class {
        SourceClass::Authorised => ("authorised", "", "mostly aligned"),
        SourceClass::Unaligned => ("unaligned", "warn", "known, but does not pass for the domain"),
        SourceClass::Forwarder => ("forwarder", "", "passes on what others sent"),
        SourceClass::Unknown => ("unknown", "", "yours to set up, or not yours"),
        SourceClass::SuspectedAbuse => ("suspected abuse", "bad", "nothing passes, and no host name"),
    }
}

/// `totals` are all messages of each policy domain.
pub(super) fn table(
    params: &Params,
    rows: &[DmarcSourceRow],
    totals: &BTreeMap<&str, u64>,
    has_domain: bool,
) -> Table {
    let largest = rows.iter().map(|row| row.counts.messages).max().unwrap_or(0);
    let row = |row: &DmarcSourceRow| {
        let total = totals.get(row.policy_domain.as_str()).copied().unwrap_or(row.counts.messages);
        let (class, tone, advice) = told(row.class(total));
        let mut cells =
            vec![source_cell(params, &row.source, &row.policy_domain, &row.ip, row.ips).sub(about(row))];
        if has_domain {
            cells.push(Cell::text(row.policy_domain.clone()));
        }
        cells.extend([
            Cell::text(class).tone(tone).sub(advice),
            Cell::count(row.ips),
            Cell::count(row.counts.messages).bar(row.counts.messages, largest, "sent"),
            share_cell(row.counts.aligned, row.counts.messages),
            share_cell(row.counts.dkim_aligned, row.counts.messages),
            share_cell(row.counts.spf_aligned, row.counts.messages),
            Cell::count(row.counts.quarantined),
            Cell::count(row.counts.rejected),
        ]);
        Row::new(cells)
    };
    let mut columns = vec![Column::text("Source")];
    if has_domain {
        columns.push(Column::text("Domain"));
    }
    columns.extend([
        Column::text("Class"),
        Column::number("Addresses"),
        Column::number("Messages"),
        Column::number("Aligned"),
        Column::number("by DKIM"),
        Column::number("by SPF"),
        Column::number("Quarantined"),
        Column::number("Rejected"),
    ]);
    let empty = "No receiver reported mail of a source in this range.";
    Table::new("Sources by messages", columns, rows.iter().map(row).collect(), empty).scrolling()
}

/// A single address leads to its records; several have no common filter.
fn source_cell(params: &Params, source: &str, domain: &str, ip: &str, ips: u64) -> Cell {
    let cell = Cell::text(if source.is_empty() { "address not told" } else { source });
    let records = params.link("/dmarc/records").only(Dimension::Domain, domain);
    if ips == 1 && !ip.is_empty() { cell.link(&records.only(Dimension::Ip, ip)) } else { cell }
}

/// Network and country, as far as they are known; of several addresses, one.
fn about(row: &DmarcSourceRow) -> String {
    let asn = if row.asn == 0 { String::new() } else { format!("AS{}", row.asn) };
    let base = if row.base_domain == row.source { "" } else { row.base_domain.as_str() };
    let ip = if row.ips == 1 && row.ip != row.source { row.ip.as_str() } else { "" };
    let parts = [base, ip, &row.kind, &asn, &row.asn_name, &row.country];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

pub(super) fn new_table(params: &Params, rows: &[DmarcNewSourceRow]) -> Table {
    let row = |row: &DmarcNewSourceRow| {
        Row::new(vec![
            source_cell(params, &row.source, &row.policy_domain, &row.ip, row.ips),
            Cell::text(row.policy_domain.clone()),
            Cell::word(format::day(row.first_unix)),
            Cell::count(row.messages),
            share_cell(row.aligned, row.messages),
        ])
    };
    let columns = vec![
        Column::text("Source"),
        Column::text("Domain"),
        Column::text("First seen"),
        Column::number("Messages"),
        Column::number("Aligned"),
    ];
    let empty = "No source is new, or nothing was reported before this range to compare with.";
    Table::new("Sources not seen in the 90 days before", columns, rows.iter().map(row).collect(), empty)
        .scrolling()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::query::DmarcCounts;
    use crate::web::pages::dmarc::tests::params;

    fn row(ips: u64) -> DmarcSourceRow {
        let counts = DmarcCounts { messages: 10, ..DmarcCounts::default() };
        DmarcSourceRow {
            policy_domain: "shop.example".to_owned(),
            source: "Mailer".to_owned(),
            name: "Mailer".to_owned(),
            base_domain: "mailer.example".to_owned(),
            ip: "192.0.2.7".to_owned(),
            asn: 64_500,
            ips,
            counts,
            ..DmarcSourceRow::default()
        }
    }

    fn html(row: DmarcSourceRow) -> String {
        table(&params(""), &[row], &BTreeMap::from([("shop.example", 10)]), true).to_string()
    }

    #[test]
    fn a_single_address_leads_to_its_records() {
        let html = html(row(1));
        assert!(html.contains("domain=shop.example&#38;ip=192.0.2.7"), "{html}");
        assert!(html.contains("mailer.example · 192.0.2.7 · AS64500"), "{html}");
    }

    #[test]
    fn several_addresses_have_no_single_link() {
        assert!(!html(row(3)).contains("/dmarc/records"));
    }

    #[test]
    fn a_known_sender_that_does_not_pass_is_marked() {
        assert!(html(row(1)).contains("unaligned"));
    }
}
