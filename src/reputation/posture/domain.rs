//! All that receivers find in the DNS of a domain: asks, and has each answer judged.

use crate::model::{PostureCheck, PostureState};
use crate::reputation::posture::finding::{Faults, Finding};
use crate::reputation::posture::path::{PathFound, PathNeeds, judge_path};
use crate::reputation::posture::policy_fetch::PolicyFetch;
use crate::reputation::posture::spf_sender::{SpfSender, look_at_senders};
use crate::reputation::posture::spf_tree::SpfTree;
use crate::reputation::posture::{bimi, dane, dkim, dmarc, mta_sts, tls_rpt};
use crate::reputation::{Answer, Dns};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Mail servers of a domain that are looked at; more than ten make SPF's `mx` fail, and nobody needs them.
const SERVERS_MAX: usize = 10;

/// Selectors of a domain that are looked at: several paths with two or three each.
const SELECTORS_MAX: usize = 40;

/// What is asked about a domain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DomainQuestion {
    pub domain: String,
    /// Selectors that its mail is signed with: nobody can list them, they must be known.
    pub selectors: BTreeSet<String>,
    /// Ways out for mail of this domain.
    pub paths: Vec<PathNeeds>,
    /// Addresses that send its mail, those with most first.
    pub senders: Vec<SpfSender>,
}

/// Asks and judges. Without `policies` the policy behind an MTA-STS record is not fetched.
pub async fn look_at_domain(
    dns: &Dns,
    policies: Option<&PolicyFetch>,
    question: &DomainQuestion,
) -> Vec<Finding> {
    let domain = &question.domain;
    let name = |prefix: &str| format!("{prefix}.{domain}");
    let names = [name("_mta-sts"), name("_smtp._tls"), name("default._bimi")];
    let (tree, dmarc_found, servers, sts, tls, picture) = tokio::join!(
        SpfTree::walk(dns, domain),
        dmarc::find(dns, domain),
        dns.mx(domain),
        dns.txt(&names[0]),
        dns.txt(&names[1]),
        dns.txt(&names[2]),
    );
    let mut findings = tree.findings();
    if !tree.root.record.is_empty() {
        findings.extend(look_at_senders(dns, domain, &question.senders).await);
    }
    let keys = keys(dns, domain, &question.selectors).await;
    if question.selectors.is_empty() {
        let told = "no selector is known: none was seen in reports, and none is in the settings";
        findings.push(Finding::new(PostureCheck::Dkim, PostureState::Unknown, told));
    }
    findings.extend(keys.iter().cloned());
    findings.push(dmarc::judge(domain, &dmarc_found));
    if let dmarc::Found::Policy(policy) = &dmarc_found {
        findings.extend(dmarc::judge_destinations(dns, policy).await);
    }
    let asked_policy = match &dmarc_found {
        dmarc::Found::Policy(policy) => Some(dmarc::asked_policy(policy, domain)),
        dmarc::Found::Nothing | dmarc::Found::Several(_) => Some("none"),
        dmarc::Found::Unknown(_) => None,
    };
    findings.extend(judge_servers(dns, domain, &servers).await);
    let hosts = hosts(&servers);
    let policy = match policies {
        Some(policies) if mta_sts::has_record(&sts) => Some(policies.policy(domain).await),
        _ => None,
    };
    findings.push(mta_sts::judge(&sts, policy.as_ref(), &hosts));
    findings.push(tls_rpt::judge(&tls));
    findings.push(bimi::judge(&picture, asked_policy));
    let own = Own { domain, tree: &tree, keys: &keys, alignment: dmarc_found.alignment() };
    for path in &question.paths {
        findings.extend(look_at_path(dns, path, &own).await);
    }
    findings
}

async fn keys(dns: &Dns, domain: &str, selectors: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for selector in selectors.iter().take(SELECTORS_MAX) {
        let texts = dns.txt(&dkim::key_name(selector, domain)).await;
        findings.push(dkim::judge(selector, &texts));
    }
    findings
}

fn hosts(servers: &Answer<Vec<(u16, String)>>) -> Vec<String> {
    match servers {
        Answer::Found(servers) => servers
            .iter()
            .map(|(_, host)| host.clone())
            .filter(|host| !host.is_empty())
            .take(SERVERS_MAX)
            .collect(),
        _ => Vec::new(),
    }
}

async fn judge_servers(dns: &Dns, domain: &str, servers: &Answer<Vec<(u16, String)>>) -> Vec<Finding> {
    let check = PostureCheck::Mx;
    let list = match servers {
        Answer::Unknown(why) => return vec![Finding::unknown(check, why)],
        Answer::Nothing => {
            let told = "no MX record: bounces and answers to this domain may not come back";
            return vec![Finding::new(check, PostureState::Warn, told)];
        }
        Answer::Found(list) => list,
    };
    let value =
        list.iter().map(|(preference, host)| format!("{preference} {host}")).collect::<Vec<_>>().join(", ");
    // RFC 7505: `0 .` says that the domain takes no mail.
    if list.iter().all(|(_, host)| host.is_empty()) {
        let told = "a null MX: the domain takes no mail, and some receivers take none from it";
        return vec![Finding::new(check, PostureState::Warn, told).value(value)];
    }
    let (mut faults, mut findings, mut unknown) = (Faults::default(), Vec::new(), None);
    for host in hosts(servers) {
        match dns.addresses(&host).await {
            Answer::Found(_) => {}
            Answer::Nothing if host.parse::<IpAddr>().is_ok() => {
                faults.fail(format!("{host} is an address: an MX must be a name"));
            }
            Answer::Nothing => faults.fail(format!("{host} has no address")),
            Answer::Unknown(why) => unknown = Some(why),
        }
        findings.push(look_at_dane(dns, domain, &host).await);
    }
    let mut finding = faults.finding(check, "all servers have addresses");
    if let Some(why) = unknown.filter(|_| finding.state == PostureState::Pass) {
        finding = Finding::unknown(check, &why);
    }
    findings.insert(0, finding.value(value));
    findings
}

/// Most servers have no TLSA record, and then nobody follows signatures.
async fn look_at_dane(dns: &Dns, domain: &str, host: &str) -> Finding {
    let name = format!("_25._tcp.{host}");
    let answer = dns.tlsa(&name).await;
    let vouched = match &answer {
        Answer::Found(_) => {
            Some(dane::Vouched { tlsa: dns.is_tlsa_signed(&name).await, mx: dns.is_mx_signed(domain).await })
        }
        _ => None,
    };
    dane::judge(host, &answer, vouched.as_ref())
}

/// What the domain's own check has asked already.
struct Own<'a> {
    domain: &'a str,
    tree: &'a SpfTree,
    keys: &'a [Finding],
    alignment: dmarc::Alignment,
}

/// Asks what a path needs beyond what the domain's own check has asked.
async fn look_at_path(dns: &Dns, path: &PathNeeds, own: &Own<'_>) -> Vec<Finding> {
    let other = if path.return_path == own.domain || path.spf_include.is_none() {
        None
    } else {
        Some(SpfTree::walk(dns, &path.return_path).await)
    };
    let senders: Vec<SpfSender> =
        path.ips.iter().map(|ip| SpfSender { ip: *ip, ehlo: None, messages: 0 }).collect();
    let senders = look_at_senders(dns, &path.return_path, &senders).await;
    let selectors: BTreeSet<String> = path.dkim_selectors.iter().cloned().collect();
    let keys = if path.dkim_domain == own.domain
        && selectors.iter().all(|selector| own.keys.iter().any(|key| key.about == *selector))
    {
        own.keys.iter().filter(|key| selectors.contains(&key.about)).cloned().collect()
    } else {
        keys(dns, &path.dkim_domain, &selectors).await
    };
    let spf = other.as_ref().unwrap_or(own.tree);
    judge_path(path, &PathFound { spf, senders, keys, alignment: own.alignment })
}
