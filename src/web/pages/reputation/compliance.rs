//! `/reputation/compliance`: does a domain keep the rules of the large receivers?

use crate::model::{PostureCheck, PostureState};
use crate::reputation::compliance::{
    Evidence, Honour, Kept, Receiver, Refusal, Rule, Seen, Traffic, is_bulk, judge,
};
use crate::store::query::{
    Dimension, DmarcDomainRow, DnsFindingRow, Filter, OneClicksRow, OutcomesAt, OutcomesOf, ReportFilter,
    ResponseRow, TimeRange, TimeToHonour, TlsSessionsRow,
};
use crate::store::{Store, StoreError};
use crate::web::SharedSite;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::pages::reputation::{WATCHED_S, tabs};
use crate::web::params::{Extra, Params};
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Tab, Table};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;
use std::collections::BTreeSet;

/// Domains to choose from, and addresses of one.
const DOMAINS_MAX: usize = 30;
const IPS_MAX: u32 = 200;

/// Streams of a domain, and kinds of a receiver's replies.
const STREAMS_MAX: u32 = 200;
const REPLIES_MAX: u32 = 200;

const DAY_STEP_S: u32 = 86_400;

#[derive(Template)]
#[template(path = "pages/compliance.html")]
struct CompliancePage {
    layout: Layout,
    tabs: Vec<Tab>,
    domains: Vec<Tab>,
    domain: String,
    /// Rules down, receivers across.
    board: Table,
    receivers: Vec<Board>,
}

/// The rules of one receiver.
struct Board {
    title: &'static str,
    volume: String,
    rules: Table,
}

/// What the store says of a domain.
#[derive(Default)]
struct Answers {
    domain: String,
    findings: Vec<DnsFindingRow>,
    dmarc: Vec<DmarcDomainRow>,
    ips: Vec<OutcomesOf>,
    streams: Vec<OutcomesOf>,
    one_clicks: Vec<OneClicksRow>,
    honour: TimeToHonour,
    /// Of the last day.
    sessions: Vec<TlsSessionsRow>,
    receivers: Vec<AtReceiver>,
}

/// Mail to one receiver.
struct AtReceiver {
    receiver: Receiver,
    days: Vec<OutcomesAt>,
    /// What it answered when it did not take mail.
    replies: Vec<ResponseRow>,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::of_reports(&query.unwrap_or_default(), site.now_unix(), &[Extra::One("subject")])?;
    let path = "/reputation/compliance";
    let layout = Layout::of_time(&site, &params, NavPage::Compliance, path, "Receivers' rules");
    let answers = ask(site.store(), &params, site.now_unix()).await?;
    Ok(Html(page(layout, &params, &answers).render()?))
}

async fn ask(store: &Store, params: &Params, now_unix: i64) -> Result<Answers, StoreError> {
    let all = Filter::all(params.filter().range);
    let (findings, busiest) = tokio::try_join!(
        store.dns_findings(now_unix - WATCHED_S, None),
        store.outcomes_by(&all, Dimension::Domain, 1),
    )?;
    let busiest = busiest.into_iter().map(|row| row.value).find(|domain| !domain.is_empty());
    let looked_at = findings.iter().find(|row| row.kind == "domain").map(|row| row.subject.clone());
    let asked = params.extra("subject").map(ToOwned::to_owned);
    let Some(domain) = asked.or(busiest).or(looked_at) else { return Ok(Answers::default()) };
    let filter = Filter { domain: vec![domain.clone()], ..all };
    let reports = ReportFilter { range: filter.range, domains: vec![domain.clone()] };
    let range = filter.range;
    let lately = TimeRange { from_unix: range.from_unix.max(range.to_unix - i64::from(DAY_STEP_S)), ..range };
    let providers = Receiver::ALL.map(Receiver::provider);
    let (dmarc, ips, streams, one_clicks, honour, sessions) = tokio::try_join!(
        store.dmarc_domains(&reports, 1),
        store.outcomes_by(&filter, Dimension::Ip, IPS_MAX),
        store.outcomes_by(&filter, Dimension::Stream, STREAMS_MAX),
        store.one_clicks(range),
        store.time_to_honour(range),
        store.tls_sessions(lately, &domain, &providers),
    )?;
    let mut receivers = Vec::new();
    for receiver in Receiver::ALL {
        let filter = Filter { provider: vec![receiver.provider().to_owned()], ..filter.clone() };
        let (days, replies) = tokio::try_join!(
            store.outcome_series(&filter, DAY_STEP_S),
            store.responses(&filter, &[], REPLIES_MAX),
        )?;
        receivers.push(AtReceiver { receiver, days, replies });
    }
    Ok(Answers { domain, findings, dmarc, ips, streams, one_clicks, honour, sessions, receivers })
}

fn page(layout: Layout, params: &Params, answers: &Answers) -> CompliancePage {
    let evidence = evidence(answers);
    let known: BTreeSet<&str> =
        answers.findings.iter().filter(|row| row.kind == "domain").map(|row| row.subject.as_str()).collect();
    let tab = |domain: &str| Tab {
        label: domain.to_owned(),
        href: params.link("/reputation/compliance").with("subject", domain).to_string(),
        is_current: domain == answers.domain,
    };
    let judged = |at: &AtReceiver| {
        let traffic = traffic(at, &answers.sessions);
        (at.receiver, traffic, judge(at.receiver, &evidence, traffic, &refusals(at)))
    };
    let judged: Vec<(Receiver, Traffic, Vec<Rule>)> = answers.receivers.iter().map(judged).collect();
    let board = |(receiver, traffic, rules): &(Receiver, Traffic, Vec<Rule>)| Board {
        title: receiver.title(),
        volume: volume(*traffic),
        rules: rule_table(*receiver, rules),
    };
    CompliancePage {
        layout,
        tabs: tabs(params, "/reputation/compliance"),
        domains: known.into_iter().take(DOMAINS_MAX).map(tab).collect(),
        domain: answers.domain.clone(),
        receivers: judged.iter().map(board).collect(),
        board: board_table(&judged),
    }
}

fn evidence(answers: &Answers) -> Evidence {
    let ips: BTreeSet<&str> = answers.ips.iter().map(|row| row.value.as_str()).collect();
    let seen = |row: &DnsFindingRow| {
        Some(Seen {
            subject: row.subject.clone(),
            check: PostureCheck::from_name(&row.check)?,
            about: row.about.clone(),
            state: PostureState::from_name(&row.state)?,
            value: row.value.clone(),
            told: row.told.clone(),
        })
    };
    let reports = answers.dmarc.first().map(|row| &row.counts);
    let streams: BTreeSet<&str> = answers.streams.iter().map(|row| row.value.as_str()).collect();
    let clicked = answers.one_clicks.iter().filter(|row| streams.contains(row.name.as_str()));
    Evidence {
        one_clicks: clicked.map(|row| (row.name.clone(), row.clicks)).collect(),
        honour: Honour {
            unsubscribes: answers.honour.unsubscribes,
            p95_s: seconds(answers.honour.p95_s),
            max_s: seconds(answers.honour.max_s),
        },
        domain: answers
            .findings
            .iter()
            .filter(|row| row.subject == answers.domain)
            .filter_map(seen)
            .collect(),
        ips: answers
            .findings
            .iter()
            .filter(|row| row.check == PostureCheck::Ptr.name() && ips.contains(row.subject.as_str()))
            .filter_map(seen)
            .collect(),
        reported: reports.map_or(0, |counts| counts.messages),
        aligned: reports.map_or(0, |counts| counts.aligned),
    }
}

/// Whole seconds, upward: the engine counts them in fractions.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and a time is not negative"
)]
fn seconds(seconds: f64) -> u64 {
    seconds.ceil() as u64
}

fn refusals(at: &AtReceiver) -> Vec<Refusal> {
    let refusal = |row: &ResponseRow| Refusal {
        enhanced_code: row.enhanced_code.clone(),
        count: row.events,
        sample: row.sample.clone(),
    };
    at.replies.iter().map(refusal).collect()
}

fn traffic(at: &AtReceiver, sessions: &[TlsSessionsRow]) -> Traffic {
    let days = &at.days;
    let sum = |of: fn(&OutcomesAt) -> u64| days.iter().map(of).sum();
    let sessions = sessions.iter().find(|row| row.provider == at.receiver.provider());
    Traffic {
        lately: sessions.map_or(0, |row| row.delivered),
        encrypted: sessions.map_or(0, |row| row.encrypted),
        sent: sum(|day| day.outcomes.sent()),
        delivered: sum(|day| day.outcomes.delivered),
        complained: sum(|day| day.outcomes.complained),
        busiest_day: days.iter().map(|day| day.outcomes.sent()).max().unwrap_or(0),
    }
}

fn volume(traffic: Traffic) -> String {
    if traffic.sent == 0 {
        return "no mail in this range".to_owned();
    }
    let rules = if is_bulk(traffic) {
        "the rules for bulk senders hold"
    } else {
        "below 5,000 a day: the rules for bulk senders may not hold yet"
    };
    format!(
        "{} messages, {} on the busiest day; {rules}",
        format::count(traffic.sent),
        format::count(traffic.busiest_day)
    )
}

/// All rules of all receivers at a glance; what a receiver does not ask for stays empty.
fn board_table(judged: &[(Receiver, Traffic, Vec<Rule>)]) -> Table {
    let mut names: Vec<&str> = Vec::new();
    for rule in judged.iter().flat_map(|(_, _, rules)| rules) {
        if !names.contains(&rule.name) {
            names.push(rule.name);
        }
    }
    let row = |name: &&str| {
        let of = |(_, _, rules): &(Receiver, Traffic, Vec<Rule>)| {
            rules.iter().find(|rule| rule.name == *name).map_or_else(|| Cell::word(""), kept_cell)
        };
        Row::new([Cell::text(*name)].into_iter().chain(judged.iter().map(of)).collect())
    };
    let receivers = judged.iter().map(|(receiver, ..)| Column::text(receiver.title()));
    let columns = [Column::text("Rule")].into_iter().chain(receivers).collect();
    Table::new("Rules by receiver", columns, names.iter().map(row).collect(), "")
}

fn kept_cell(rule: &Rule) -> Cell {
    match rule.kept {
        Kept::Pass => Cell::word("pass").tone("good"),
        Kept::Fail => Cell::word("fail").tone("bad"),
        Kept::Unknown => Cell::word("unknown"),
    }
}

fn rule_table(receiver: Receiver, rules: &[Rule]) -> Table {
    let row = |rule: &Rule| {
        let evidence = Cell::sentence(rule.evidence.clone());
        Row::new(vec![Cell::text(rule.name).sub(rule.asks), kept_cell(rule), evidence])
    };
    let columns = vec![Column::text("Rule"), Column::text("Kept"), Column::text("Evidence")];
    Table::new(format!("Rules of {}", receiver.title()), columns, rules.iter().map(row).collect(), "")
        .stacking()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(answers: &Answers) -> String {
        let params = Params::of_reports("", 1_785_585_270, &[]).unwrap();
        page(Layout::bare("Rules"), &params, answers).render().unwrap()
    }

    #[test]
    fn without_a_domain_the_page_says_so() {
        assert!(html(&Answers::default()).contains("No domain has sent mail"));
    }

    #[test]
    fn rules_are_told_with_their_evidence() {
        let finding = DnsFindingRow {
            subject: "shop.example".to_owned(),
            kind: "domain".to_owned(),
            check: "spf".to_owned(),
            state: "fail".to_owned(),
            told: "there is <no> record".to_owned(),
            ..DnsFindingRow::default()
        };
        let at = |receiver| AtReceiver { receiver, days: Vec::new(), replies: Vec::new() };
        let receivers = Receiver::ALL.map(at).into();
        let html = html(&Answers {
            domain: "shop.example".to_owned(),
            findings: vec![finding],
            receivers,
            ..Answers::default()
        });
        assert!(
            html.contains("there is &#60;no&#62; record") && html.contains("Gmail") && html.contains("Apple"),
            "{html}"
        );
        assert!(
            html.contains("Postmaster Tools"),
            "what only the receiver sees is unknown, and says where to look"
        );
    }
}
