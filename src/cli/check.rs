//! `relaylens check`.

use crate::app::{Reputable, reputable};
use crate::cli::{Common, say};
use crate::model::{ListKind, ListState, ListTest, PostureState, list_kind, subject_name};
use crate::reputation::blocklist::{BlockList, Budget, ListRound, Round};
use crate::reputation::posture::{
    DomainQuestion, Finding, PathNeeds, SpfSender, look_at_domain, look_at_ip, worst,
};
use anyhow::Context;
use clap::{Args, Subcommand};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

const AFTER_HELP: &str = "\
Exit status: 0 when nothing is wrong, 1 when something is wrong (a check fails, or a list of tier 1 lists it), 3 when
nothing is wrong but something could not be said.";

/// Lists that are asked at once.
const LISTS_AT_ONCE: usize = 8;

#[derive(Debug, Subcommand)]
pub(super) enum Check {
    /// Look at the DNS of a sending domain, and ask the domain blocklists
    #[command(after_help = AFTER_HELP)]
    Domain(DomainArgs),
    /// Look at the DNS of a sending address, and ask the blocklists
    #[command(after_help = AFTER_HELP)]
    Ip(IpArgs),
}

#[derive(Debug, Args)]
pub(super) struct DomainArgs {
    #[command(flatten)]
    how: How,
    /// The domain in From or in the return path
    name: String,
    /// A DKIM selector that its mail is signed with; may be given often. Those of [[reputation.paths]] are looked at, too
    #[arg(long = "selector", value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// An address that sends its mail, to be checked by SPF; may be given often
    #[arg(long = "ip", value_name = "ADDRESS")]
    ips: Vec<IpAddr>,
}

#[derive(Debug, Args)]
pub(super) struct IpArgs {
    #[command(flatten)]
    how: How,
    address: IpAddr,
    /// The name by which the address greets; else `reputation.ehlo`
    #[arg(long, value_name = "NAME")]
    ehlo: Option<String>,
}

#[derive(Debug, Args)]
struct How {
    #[command(flatten)]
    common: Common,
    /// DNS server to ask, such as 127.0.0.1:53
    #[arg(long, value_name = "ADDRESS")]
    resolver: Option<SocketAddr>,
    /// Ask no blocklist
    #[arg(long)]
    no_lists: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Told {
    subject: String,
    findings: Vec<Finding>,
    lists: Vec<ListTold>,
    /// Questions that were asked.
    questions: u64,
}

#[derive(Debug, Serialize)]
struct ListTold {
    list: String,
    tier: u8,
    state: ListState,
    test: ListTest,
    codes: Vec<String>,
    text: String,
    /// Why nothing can be said.
    reason: String,
    delist: String,
}

pub(super) async fn run(check: &Check) -> anyhow::Result<ExitCode> {
    let how = match check {
        Check::Domain(args) => &args.how,
        Check::Ip(args) => &args.how,
    };
    let config = how.common.settings_with(|config| {
        config.reputation.resolver = how.resolver.or(config.reputation.resolver);
    })?;
    let parts = reputable(&config)?;
    let (subject, findings) = match check {
        Check::Domain(args) => {
            let domain = subject_name(&args.name);
            anyhow::ensure!(
                list_kind(&domain) == ListKind::Domain,
                "{domain} is an address: use `relaylens check ip`"
            );
            anyhow::ensure!(is_domain(&domain), "`{}` is no domain name", args.name);
            let paths = config.reputation.paths.iter().map(PathNeeds::from);
            let paths: Vec<PathNeeds> = paths.filter(|path| path.domain == domain).collect();
            let of_paths = paths
                .iter()
                .filter(|path| path.dkim_domain == domain)
                .flat_map(|path| path.dkim_selectors.clone());
            let selectors = args.selectors.iter().cloned().chain(of_paths).collect();
            let sender = |ip: &IpAddr| SpfSender {
                ip: ip.to_canonical(),
                ehlo: config.reputation.ehlo.get(&ip.to_canonical()).cloned(),
                messages: 0,
            };
            let senders = args.ips.iter().map(sender).collect();
            let question = DomainQuestion { domain: domain.clone(), selectors, paths, senders };
            let findings = look_at_domain(&parts.dns, Some(&parts.policies), &question).await;
            (domain, findings)
        }
        Check::Ip(args) => {
            let ip = args.address.to_canonical();
            let ehlo = args.ehlo.as_ref().or_else(|| config.reputation.ehlo.get(&ip));
            (ip.to_string(), look_at_ip(&parts.dns, ip, ehlo.map(String::as_str)).await)
        }
    };
    let lists = if how.no_lists { Vec::new() } else { ask_lists(&parts, &subject).await };
    let told = Told { subject, findings, lists, questions: parts.dns.asked() };
    if how.json {
        say(&serde_json::to_string_pretty(&told).context("the answer cannot be written")?);
    } else {
        print(&told);
    }
    Ok(told.status())
}

/// Whether a text can be a domain: labels of 1 to 63 letters, digits, `-` and `_` (RFC 1035 section 2.3.4).
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

async fn ask_lists(parts: &Reputable, subject: &str) -> Vec<ListTold> {
    let kind = list_kind(subject);
    let lists = parts.lists.iter().filter(|list| list.asks.contains(&kind));
    let asked = stream::iter(lists).map(|list| async move {
        // A test, the question, the text of a listing: no budget is near.
        let mut budget = Budget::new(4, 0, 0);
        let round = Round { dns: &parts.dns, list, kind, day: 0 };
        list_told(list, round.ask(&[subject.to_owned()], &mut budget).await)
    });
    asked.buffered(LISTS_AT_ONCE).collect().await
}

fn list_told(list: &BlockList, round: ListRound) -> ListTold {
    let (state, codes, reason, text) = match round.answers.into_iter().next() {
        Some((_, heard)) => (heard.verdict.state, heard.verdict.codes, heard.verdict.reason, heard.text),
        None => (ListState::Unknown, Vec::new(), String::new(), String::new()),
    };
    let (list_name, delist) = (list.name.clone(), list.delist.clone());
    ListTold { list: list_name, tier: list.tier, state, test: round.test, codes, text, reason, delist }
}

impl Told {
    fn status(&self) -> ExitCode {
        let worst = worst(&self.findings);
        let is_listed = self.lists.iter().any(|list| list.tier == 1 && list.state == ListState::Listed);
        let is_unsaid = self.findings.iter().any(|finding| finding.state == PostureState::Unknown)
            || self.lists.iter().any(|list| list.state == ListState::Unknown);
        match (worst == PostureState::Fail || is_listed, is_unsaid) {
            (true, _) => ExitCode::from(1),
            (false, true) => ExitCode::from(3),
            (false, false) => ExitCode::SUCCESS,
        }
    }
}

fn print(told: &Told) {
    for finding in &told.findings {
        let name = [finding.check.name(), finding.about.as_str()].join(" ");
        say(&format!("{:<8}{:<28}{}", finding.state.name(), name.trim_end(), finding.told));
    }
    for list in &told.lists {
        let about = match list.state {
            ListState::Listed => format!("{} {} {}", list.codes.join(", "), list.text, list.delist),
            ListState::Unknown => list.reason.clone(),
            ListState::Clean => String::new(),
        };
        let name = format!("{} (tier {})", list.list, list.tier);
        say(format!("{:<8}{name:<28}{about}", list.state.name()).trim_end());
    }
    say(&format!("{} questions to the DNS", told.questions));
}
