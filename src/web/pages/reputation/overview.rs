//! `/reputation`: how each address and domain stands, and why.

use crate::store::query::{Dimension, DnsFindingRow, Filter, ListTestRow, ListingRow, Outcomes, OutcomesOf};
use crate::store::{Store, StoreError};
use crate::web::SharedSite;
use crate::web::dictionary::{BLOCK, COMPLAINT, DEFERRAL, DELIVERY, HARD, Metric, VOLUME};
use crate::web::error::PageError;
use crate::web::pages::reputation::{
    Aspect, DKIM, DMARC, PTR, SPF, SUBJECTS_MAX, WATCHED_S, tabs, tone, worst,
};
use crate::web::params::{Link, NO_VALUE, Params};
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Tab, Table, Term, breakdown_table};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;
use std::collections::{BTreeMap, BTreeSet};

/// Addresses, and domains, that are asked for.
const VALUES_MAX: u32 = 200;

/// The rates that a verdict rests on.
const JUDGED: [&Metric; 5] = [&DELIVERY, &HARD, &BLOCK, &DEFERRAL, &COMPLAINT];

#[derive(Template)]
#[template(path = "pages/reputation.html")]
struct ReputationPage {
    layout: Layout,
    tabs: Vec<Tab>,
    ips: Table,
    domains: Table,
    /// By provider, where the page is about one address or domain.
    providers: Option<Table>,
    about: String,
}

#[derive(Default)]
struct Answers {
    ips: Vec<OutcomesOf>,
    domains: Vec<OutcomesOf>,
    listings: Vec<ListingRow>,
    tests: Vec<ListTestRow>,
    findings: Vec<DnsFindingRow>,
    providers: Vec<OutcomesOf>,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), &[])?;
    let layout = Layout::of_mail(&site, &params, NavPage::Reputation, "/reputation", "Reputation").await?;
    let answers = ask(site.store(), params.filter(), site.now_unix()).await?;
    Ok(Html(page(layout, &params, &answers).render()?))
}

async fn ask(store: &Store, filter: &Filter, now_unix: i64) -> Result<Answers, StoreError> {
    let (ips, domains, listings, tests, findings, providers) = tokio::try_join!(
        store.outcomes_by(filter, Dimension::Ip, VALUES_MAX),
        store.outcomes_by(filter, Dimension::Domain, VALUES_MAX),
        store.listings(now_unix - WATCHED_S),
        store.list_tests(now_unix),
        store.dns_findings(now_unix - WATCHED_S, None),
        store.outcomes_by(filter, Dimension::Provider, VALUES_MAX),
    )?;
    Ok(Answers { ips, domains, listings, tests, findings, providers })
}

fn page(layout: Layout, params: &Params, answers: &Answers) -> ReputationPage {
    let one = [&params.filter().ip, &params.filter().domain].into_iter().find(|values| values.len() == 1);
    let providers = || breakdown_table(params, Dimension::Provider, &answers.providers, &[], &[]);
    ReputationPage {
        layout,
        tabs: tabs(params, "/reputation"),
        ips: table(params, answers, Dimension::Ip),
        domains: table(params, answers, Dimension::Domain),
        providers: one.map(|_| providers()),
        about: one.map(|values| values[0].clone()).unwrap_or_default(),
    }
}

fn table(params: &Params, answers: &Answers, dimension: Dimension) -> Table {
    let is_ip = dimension == Dimension::Ip;
    let rows = if is_ip { &answers.ips } else { &answers.domains };
    let known: BTreeMap<&str, &Outcomes> =
        rows.iter().map(|row| (row.value.as_str(), &row.outcomes)).collect();
    let watched =
        answers.findings.iter().filter(|row| (row.kind != "domain") == is_ip).map(|row| row.subject.as_str());
    let listed =
        answers.listings.iter().filter(|row| (row.kind != "domain") == is_ip).map(|row| row.subject.as_str());
    let mut subjects: Vec<(&str, Outcomes)> =
        known.iter().map(|(name, outcomes)| (*name, **outcomes)).collect();
    if !params.is_filtered() {
        let mut quiet: Vec<&str> = watched.chain(listed).filter(|name| !known.contains_key(name)).collect();
        quiet.sort_unstable();
        quiet.dedup();
        subjects.extend(quiet.into_iter().map(|name| (name, Outcomes::default())));
    }
    subjects.retain(|(name, outcomes)| !name.is_empty() || outcomes.sent() > 0);
    subjects.sort_by_key(|(_, outcomes)| std::cmp::Reverse(outcomes.sent()));
    subjects.truncate(SUBJECTS_MAX);
    let largest = subjects.iter().map(|(_, outcomes)| outcomes.sent()).max().unwrap_or(0);
    let row = |(name, outcomes): &(&str, Outcomes)| {
        Row::new(cells(params, answers, dimension, name, outcomes, largest))
    };
    let head = |metric| Column::metric(Term::head(metric));
    let mut columns =
        vec![Column::text(if is_ip { "Address" } else { "Domain" }), Column::text("Stands"), head(&VOLUME)];
    columns.push(Column::text("Listed"));
    columns.push(Column::text(if is_ip { "Name (PTR)" } else { "SPF · DKIM · DMARC" }));
    columns.extend([&DELIVERY, &HARD, &BLOCK, &DEFERRAL, &COMPLAINT].map(head));
    let caption = if is_ip { "Sending addresses by volume" } else { "Sending domains by volume" };
    Table::new(caption, columns, subjects.iter().map(row).collect(), "Nothing has sent mail in this range.")
}

fn cells(
    params: &Params,
    answers: &Answers,
    dimension: Dimension,
    name: &str,
    outcomes: &Outcomes,
    largest: u64,
) -> Vec<Cell> {
    let shown = if name.is_empty() { NO_VALUE } else { name };
    let messages = params.link("/messages").only(dimension, name);
    let rate = |metric: &Metric| {
        let link = messages.clone().with_all(metric.search);
        Cell::figure(metric.text(outcomes)).tone(metric.cell_tone(outcomes)).link(&link)
    };
    let verdict = Verdict::of(answers, name, outcomes);
    let listed = verdict.listed.join(", ");
    let listed = if listed.is_empty() { verdict.asked } else { &listed };
    let detail = Link::to("/reputation/dns").with("subject", name);
    let aspects: &[Aspect] = if dimension == Dimension::Ip { &[PTR] } else { &[SPF, DKIM, DMARC] };
    let states: Vec<&str> = aspects.iter().map(|aspect| state(answers, name, aspect)).collect();
    let worst_state = ["fail", "warn"].into_iter().find(|bad| states.contains(bad)).unwrap_or_default();
    let mut cells = vec![
        Cell::text(shown).link(&params.link("/reputation").only(dimension, name)),
        Cell::text(verdict.word).reasons(&verdict.reasons).tone(verdict.tone),
        Cell::count(outcomes.sent()).bar(outcomes.sent(), largest, "sent"),
        Cell::text(listed).tone(if verdict.listed.is_empty() { "" } else { verdict.list_tone }),
        Cell::word(states.join(" · ")).tone(tone(worst_state)).link(&detail),
    ];
    cells.extend([&DELIVERY, &HARD, &BLOCK, &DEFERRAL, &COMPLAINT].map(rate));
    cells
}

fn state<'a>(answers: &'a Answers, subject: &str, aspect: &Aspect) -> &'a str {
    let found = worst(answers.findings.iter().filter(|row| row.subject == subject && aspect.has(row)));
    if found.is_empty() { "–" } else { found }
}

/// A word, and all that it rests on.
struct Verdict {
    word: &'static str,
    tone: &'static str,
    reasons: Vec<String>,
    listed: Vec<String>,
    list_tone: &'static str,
    /// What is told when nothing lists it: clean, or not asked.
    asked: &'static str,
}

impl Verdict {
    /// The worst of the inputs gives the word: listings by the tier of their list, faults of the DNS, rates by the limits
    /// that their definitions name.
    fn of(answers: &Answers, subject: &str, outcomes: &Outcomes) -> Self {
        let tier = |list: &str| answers.tests.iter().find(|row| row.list == list).map_or(3, |row| row.tier);
        let asked = answers.listings.iter().filter(|row| row.subject == subject);
        let listed: Vec<&ListingRow> = asked.clone().filter(|row| row.state == "listed").collect();
        let (mut tones, mut reasons) = (Vec::new(), Vec::new());
        let list_tones: Vec<&str> = listed
            .iter()
            .map(|row| match tier(&row.list) {
                1 => "bad",
                2 => "warn",
                _ => "",
            })
            .collect();
        for (row, tone) in listed.iter().zip(&list_tones).filter(|(_, tone)| !tone.is_empty()) {
            tones.push(*tone);
            reasons.push(format!("listed by {}", row.list));
        }
        let failed = answers.findings.iter().filter(|row| row.subject == subject && row.state == "fail");
        let faults: BTreeSet<&str> = failed.map(|row| super::check_label(&row.check)).collect();
        if !faults.is_empty() {
            tones.push("bad");
            let faults: Vec<&str> = faults.into_iter().collect();
            reasons.push(format!("faults in the DNS: {}", faults.join(", ")));
        }
        for metric in JUDGED {
            let ratio = metric.ratio(outcomes);
            let judged = metric.judge(ratio.share(), ratio.whole);
            if matches!(judged.tone, "warn" | "bad") {
                tones.push(judged.tone);
                reasons.push(format!("{} {}", metric.name.to_lowercase(), judged.words));
            }
        }
        let is_judged = HARD.judge(HARD.share(outcomes), HARD.ratio(outcomes).whole).tone != "none";
        let is_asked = asked.clone().any(|row| row.state != "unknown");
        let (word, tone) = match (tones.contains(&"bad"), tones.contains(&"warn"), is_judged) {
            (true, ..) => ("bad", "bad"),
            (_, true, _) => ("watch", "warn"),
            (.., true) => ("good", "good"),
            _ => ("too little mail to say", ""),
        };
        Self {
            word,
            tone,
            reasons,
            listed: listed.iter().map(|row| row.list.clone()).collect(),
            list_tone: ["bad", "warn"].into_iter().find(|tone| list_tones.contains(tone)).unwrap_or_default(),
            asked: match (is_asked, asked.count()) {
                (true, _) => "clean",
                (false, 0) => "not asked",
                (false, _) => "not known",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(query: &str, answers: &Answers) -> String {
        let params = Params::parse(query, 1_785_585_270, &[]).unwrap();
        page(Layout::bare("Reputation"), &params, answers).render().unwrap()
    }

    fn of(value: &str, outcomes: Outcomes) -> OutcomesOf {
        OutcomesOf { value: value.to_owned(), outcomes }
    }

    fn finding(state: &str) -> DnsFindingRow {
        DnsFindingRow {
            subject: "192.0.2.1".to_owned(),
            kind: "ip4".to_owned(),
            check: "ptr".to_owned(),
            state: state.to_owned(),
            told: "has no <name>".to_owned(),
            ..DnsFindingRow::default()
        }
    }

    #[test]
    fn without_mail_the_page_says_so() {
        assert!(html("", &Answers::default()).contains("Nothing has sent mail in this range."));
    }

    #[test]
    fn a_verdict_names_all_that_it_rests_on() {
        let listing = ListingRow {
            list: "own".to_owned(),
            subject: "192.0.2.1".to_owned(),
            kind: "ip4".to_owned(),
            state: "listed".to_owned(),
            ..ListingRow::default()
        };
        let test = ListTestRow { list: "own".to_owned(), tier: 1, ..ListTestRow::default() };
        let outcomes = Outcomes { delivered: 900, hard: 100, ..Outcomes::default() };
        let answers = Answers {
            ips: vec![of("192.0.2.1", outcomes)],
            listings: vec![listing],
            tests: vec![test],
            findings: vec![finding("fail")],
            ..Answers::default()
        };
        let html = html("", &answers);
        for reason in [
            "listed by own; faults in the DNS: PTR; delivery rate below review",
            "; hard bounce rate above review",
        ] {
            assert!(html.contains(reason), "`{reason}`: {html}");
        }
    }

    #[test]
    fn a_list_that_says_nothing_is_not_clean() {
        let listing = ListingRow {
            list: "own".to_owned(),
            subject: "192.0.2.1".to_owned(),
            kind: "ip4".to_owned(),
            state: "unknown".to_owned(),
            ..ListingRow::default()
        };
        let answers = Answers { listings: vec![listing], ..Answers::default() };
        let html = html("", &answers);
        assert!(html.contains("not known") && !html.contains("clean"), "{html}");
    }

    #[test]
    fn one_address_is_shown_by_provider() {
        let outcomes = Outcomes { delivered: 900, ..Outcomes::default() };
        let answers = Answers {
            ips: vec![of("192.0.2.1", outcomes)],
            providers: vec![of("google", outcomes)],
            ..Answers::default()
        };
        assert!(html("ip=192.0.2.1", &answers).contains("192.0.2.1 at each provider"));
        assert!(!html("", &answers).contains("at each provider"));
    }
}
