//! `/reputation/dns`: what receivers find in the DNS of each domain and address, and what changed there.

use crate::model::PostureCheck;
use crate::reputation::posture::{SpfNode, SpfTree};
use crate::store::query::{DnsChangeRow, DnsFindingRow};
use crate::web::SharedSite;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::pages::reputation::{
    Aspect, DKIM, DMARC, PTR, SPF, SUBJECTS_MAX, WATCHED_S, check_label, tabs, tone, worst,
};
use crate::web::params::{Extra, Params};
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Tab, Table};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;
use std::collections::BTreeMap;

/// Changes that are shown.
const CHANGES_MAX: u32 = 100;

/// The columns of the list of domains, and of that of addresses.
const OF_DOMAINS: [Aspect; 9] = [
    SPF,
    DKIM,
    DMARC,
    Aspect { label: "MX", checks: &[PostureCheck::Mx] },
    Aspect { label: "MTA-STS", checks: &[PostureCheck::MtaSts] },
    Aspect { label: "TLS-RPT", checks: &[PostureCheck::TlsRpt] },
    Aspect { label: "DANE", checks: &[PostureCheck::Dane] },
    Aspect { label: "BIMI", checks: &[PostureCheck::Bimi] },
    Aspect {
        label: "Paths",
        checks: &[PostureCheck::PathSpf, PostureCheck::PathDkim, PostureCheck::PathDmarc],
    },
];
const OF_IPS: [Aspect; 2] = [PTR, Aspect { label: "EHLO", checks: &[PostureCheck::Ehlo] }];

#[derive(Template)]
#[template(path = "pages/dns.html")]
struct DnsPage {
    layout: Layout,
    tabs: Vec<Tab>,
    /// The subject that the page is about; empty for the list of all.
    subject: String,
    all_href: String,
    taken: String,
    domains: Table,
    ips: Table,
    findings: Table,
    spf: Vec<Branch>,
    spf_sums: String,
    changes: Table,
}

/// A record of an SPF tree, set in by its depth.
struct Branch {
    depth: usize,
    domain: String,
    via: String,
    record: String,
    fault: String,
    costs: String,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::of_reports(&query.unwrap_or_default(), site.now_unix(), &[Extra::One("subject")])?;
    let path = "/reputation/dns";
    let layout = Layout::of_time(&site, &params, NavPage::Dns, path, "Authentication and DNS");
    let (subject, since_unix) = (params.extra("subject"), site.now_unix() - WATCHED_S);
    let (findings, changes) = tokio::try_join!(
        site.store().dns_findings(since_unix, subject),
        site.store().dns_changes(params.filter().range, subject, CHANGES_MAX),
    )?;
    Ok(Html(page(layout, &params, &findings, &changes).render()?))
}

fn page(layout: Layout, params: &Params, findings: &[DnsFindingRow], changes: &[DnsChangeRow]) -> DnsPage {
    let subject = params.extra("subject").unwrap_or_default().to_owned();
    let (mut spf, mut spf_sums) = (Vec::new(), String::new());
    let detail = findings.iter().find(|row| row.subject == subject && row.check == "spf");
    if let Some(tree) = detail.and_then(|row| serde_json::from_str::<SpfTree>(&row.detail).ok()) {
        branches(&tree.root, 0, &mut spf);
        let partial = if tree.is_partial { "; a part was not answered, so there may be more" } else { "" };
        spf_sums =
            format!("{} of 10 questions, {} of 2 without an answer{partial}", tree.lookups, tree.voids);
    }
    let taken = findings.iter().map(|row| row.taken_unix).max();
    DnsPage {
        layout,
        tabs: tabs(params, "/reputation/dns"),
        all_href: params.link("/reputation/dns").to_string(),
        taken: taken.map(|taken| format!("Looked at {} UTC", format::minute(taken))).unwrap_or_default(),
        domains: subject_table(params, findings, "Domain", &OF_DOMAINS),
        ips: subject_table(params, findings, "Address", &OF_IPS),
        findings: finding_table(findings),
        changes: change_table(params, changes),
        subject,
        spf,
        spf_sums,
    }
}

fn subject_table(params: &Params, rows: &[DnsFindingRow], head: &'static str, aspects: &[Aspect]) -> Table {
    let mut by_subject: BTreeMap<&str, Vec<&DnsFindingRow>> = BTreeMap::new();
    for row in rows.iter().filter(|row| (row.kind == "domain") == (head == "Domain")) {
        by_subject.entry(&row.subject).or_default().push(row);
    }
    let mut subjects: Vec<_> = by_subject.into_iter().collect();
    let fails = |rows: &[&DnsFindingRow]| rows.iter().filter(|row| row.state == "fail").count();
    subjects.sort_by_key(|(_, rows)| std::cmp::Reverse(fails(rows)));
    subjects.truncate(SUBJECTS_MAX);
    let row = |(subject, rows): (&str, Vec<&DnsFindingRow>)| {
        let link = params.link("/reputation/dns").with("subject", subject);
        let mut cells = vec![Cell::text(subject).link(&link)];
        cells.extend(aspects.iter().map(|aspect| {
            let state = worst(rows.iter().copied().filter(|row| aspect.has(row)));
            Cell::word(if state.is_empty() { format::NO_VALUE } else { state }).tone(tone(state))
        }));
        Row::new(cells)
    };
    let mut columns = vec![Column::text(head)];
    columns.extend(aspects.iter().map(|aspect| Column::text(aspect.label)));
    let empty = "Nothing was looked at yet: the first look begins within a minute of the start, when there is something to look at.";
    Table::new(head, columns, subjects.into_iter().map(row).collect(), empty)
}

fn finding_table(rows: &[DnsFindingRow]) -> Table {
    let row = |row: &DnsFindingRow| {
        Row::new(vec![
            Cell::text(check_label(&row.check)).sub(row.about.clone()),
            Cell::word(row.state.clone()).tone(tone(&row.state)),
            Cell::sentence(row.told.clone()),
            Cell::reply(row.value.clone()),
        ])
    };
    let columns =
        vec![Column::text("Check"), Column::text("State"), Column::text("In words"), Column::text("Record")];
    let order = |row: &&DnsFindingRow| PostureCheck::ALL.iter().position(|check| check.name() == row.check);
    let mut rows: Vec<&DnsFindingRow> = rows.iter().collect();
    rows.sort_by_key(order);
    Table::new(
        "Checks",
        columns,
        rows.into_iter().map(row).collect(),
        "This subject was not looked at in the last days.",
    )
    .stacking()
}

fn change_table(params: &Params, rows: &[DnsChangeRow]) -> Table {
    let row = |row: &DnsChangeRow| {
        let subject = params.link("/reputation/dns").with("subject", row.subject.clone());
        let states = format!("{} → {}", row.state_before, row.state);
        Row::new(vec![
            Cell::word(format::minute(row.at_unix)),
            Cell::text(row.subject.clone()).link(&subject),
            Cell::text(check_label(&row.check)).sub(row.about.clone()),
            Cell::word(states).tone(tone(&row.state)),
            Cell::reply(if row.value_before.is_empty() {
                "nothing".to_owned()
            } else {
                row.value_before.clone()
            }),
            Cell::reply(if row.value.is_empty() { "nothing".to_owned() } else { row.value.clone() }),
        ])
    };
    let columns = vec![
        Column::text("Seen (UTC)"),
        Column::text("Subject"),
        Column::text("Check"),
        Column::text("State"),
        Column::text("Before"),
        Column::text("Now"),
    ];
    Table::new(
        "Changes, newest first",
        columns,
        rows.iter().map(row).collect(),
        "Nothing changed in this range.",
    )
}

fn branches(node: &SpfNode, depth: usize, into: &mut Vec<Branch>) {
    let questions = if node.lookups == 1 { "question" } else { "questions" };
    let costs = match (node.lookups, node.voids) {
        (0, 0) => String::new(),
        (lookups, 0) => format!("{lookups} {questions}"),
        (lookups, voids) => format!("{lookups} {questions}, {voids} without an answer"),
    };
    into.push(Branch {
        depth: depth.min(12),
        domain: node.domain.clone(),
        via: node.via.clone(),
        record: node.record.clone(),
        fault: node.fault.clone(),
        costs,
    });
    for child in &node.children {
        branches(child, depth + 1, into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(query: &str, findings: &[DnsFindingRow], changes: &[DnsChangeRow]) -> String {
        let params = Params::of_reports(query, 1_785_585_270, &[Extra::One("subject")]).unwrap();
        page(Layout::bare("DNS"), &params, findings, changes).render().unwrap()
    }

    fn finding(check: &str, state: &str) -> DnsFindingRow {
        DnsFindingRow {
            subject: "shop.example".to_owned(),
            kind: "domain".to_owned(),
            check: check.to_owned(),
            state: state.to_owned(),
            ..DnsFindingRow::default()
        }
    }

    #[test]
    fn before_the_first_look_the_page_says_so() {
        let html = html("", &[], &[]);
        assert!(
            html.contains("Nothing was looked at yet") && html.contains("Nothing changed in this range."),
            "{html}"
        );
    }

    #[test]
    fn a_record_cannot_become_markup() {
        let mut row = finding("spf", "fail");
        row.value = "v=spf1 <script>".to_owned();
        row.detail = r#"{"root":{"domain":"shop.example","via":"","record":"v=spf1 <script>","fault":"","lookups":1,"voids":0,"children":[{"domain":"<i>","via":"include:<i>","record":"","fault":"gone","lookups":0,"voids":1,"children":[]}]},"lookups":1,"voids":1,"is_partial":false}"#.to_owned();
        let html = html("subject=shop.example", &[row], &[]);
        assert!(
            !html.contains("<script>v") && !html.contains("<i>") && html.contains("1 of 10 questions"),
            "{html}"
        );
    }

    #[test]
    fn the_worst_of_several_keys_is_told() {
        let html = html("", &[finding("dkim", "pass"), finding("dkim", "fail")], &[]);
        assert!(html.contains("fail") && !html.contains(">pass<"), "{html}");
    }
}
