//! DMARC: finding the record that holds for a domain, and judging it.
//!
//! Source: RFC 9989 (records section 4.7, tree walk section 4.10), which makes RFC 7489 obsolete: `pct`, `rf` and `ri` are
//! gone, `np`, `psd` and `t` are new, a missing `p` means none. RFC 9990 section 4 for report destinations elsewhere.

use crate::model::{PostureCheck, PostureState};
use crate::reputation::posture::finding::{Faults, Finding};
use crate::reputation::posture::tags::{of_version, tag, tags};
use crate::reputation::{Answer, Dns};

/// Labels to which a longer name is cut after its first question, so that a walk has at most eight.
const WALK_LABELS_MAX: usize = 7;

/// Report destinations that are looked at; receivers need to serve two at least (RFC 9990 section 3.5.2).
const DESTINATIONS_MAX: usize = 10;

/// The record that holds for a domain, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) at: String,
    pub(super) record: String,
}

/// What the walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Policy(Policy),
    Nothing,
    /// The domain itself has more than one record: none counts.
    Several(String),
    Unknown(String),
}

/// Looks for the record of a domain, from itself up.
pub(super) async fn find(dns: &Dns, domain: &str) -> Found {
    let mut last = None;
    for name in walk_names(domain) {
        let texts = match dns.txt(&format!("_dmarc.{name}")).await {
            Answer::Found(texts) => texts,
            Answer::Nothing => continue,
            Answer::Unknown(why) => return Found::Unknown(why),
        };
        match of_version(&texts, "DMARC1")[..] {
            [] => {}
            [record] => {
                let policy = Policy { at: name.clone(), record: record.to_owned() };
                let is_end = tag(&tags(record), "psd").is_some_and(|psd| psd.eq_ignore_ascii_case("n"));
                if name == domain || is_end {
                    return Found::Policy(policy);
                }
                // The one nearest the root is that of the organizational domain.
                last = Some(policy);
            }
            [..] if name == domain => return Found::Several(texts.join(" | ")),
            [..] => {}
        }
    }
    last.map_or(Found::Nothing, Found::Policy)
}

/// The names of the tree walk: at most eight.
fn walk_names(domain: &str) -> Vec<String> {
    let labels: Vec<&str> = domain.split('.').collect();
    let mut names = vec![domain.to_owned()];
    let next = if labels.len() > WALK_LABELS_MAX { labels.len() - WALK_LABELS_MAX } else { 1 };
    names.extend((next..labels.len()).map(|at| labels[at..].join(".")));
    names
}

/// What a record asks for mail of a domain: `none`, `quarantine` or `reject`.
pub(super) fn asked_policy<'a>(policy: &'a Policy, domain: &str) -> &'a str {
    let tags = tags(&policy.record);
    let is_own = policy.at == domain;
    let asked = if is_own { None } else { tag(&tags, "sp") };
    let asked = asked.or_else(|| tag(&tags, "p")).unwrap_or("none");
    if ["none", "quarantine", "reject"].contains(&asked) { asked } else { "none" }
}

pub(super) fn judge(domain: &str, found: &Found) -> Finding {
    let check = PostureCheck::Dmarc;
    let policy = match found {
        Found::Policy(policy) => policy,
        Found::Nothing => {
            return Finding::new(
                check,
                PostureState::Fail,
                "there is no DMARC record: publish `v=DMARC1; p=none; rua=…` at least",
            );
        }
        Found::Several(records) => {
            return Finding::new(check, PostureState::Fail, "several records stand here: none counts")
                .value(records.clone());
        }
        Found::Unknown(why) => return Finding::unknown(check, why),
    };
    let (tags, mut faults) = (tags(&policy.record), Faults::default());
    for name in ["p", "sp", "np"] {
        if let Some(value) =
            tag(&tags, name).filter(|value| !["none", "quarantine", "reject"].contains(value))
        {
            faults.fail(format!("`{name}={value}` is no policy: receivers take it for none"));
        }
    }
    if tag(&tags, "p").is_none() {
        faults.warn("`p` is missing, which means none");
    }
    for (name, values) in [("adkim", ["r", "s"]), ("aspf", ["r", "s"]), ("t", ["y", "n"])] {
        if let Some(value) =
            tag(&tags, name).filter(|value| !values.contains(&value.to_ascii_lowercase().as_str()))
        {
            faults.warn(format!("`{name}={value}` is not known, and passed over"));
        }
    }
    if let Some(share) = tag(&tags, "pct").filter(|share| *share != "100") {
        faults.warn(format!(
            "`pct={share}` was taken out of DMARC: receivers of today apply the policy to all; `t=y` tests it"
        ));
    }
    if tag(&tags, "t").is_some_and(|value| value.eq_ignore_ascii_case("y")) {
        faults.warn("`t=y`: the policy is tested, and applied one step milder");
    }
    if tag(&tags, "rua").is_none() {
        faults.warn("`rua` is missing: nobody reports to you");
    }
    let asked = asked_policy(policy, domain);
    if asked == "none" && tag(&tags, "p").is_some() {
        faults.warn("the policy is none: it only watches, and forged mail goes through");
    }
    let place = if policy.at == domain { String::new() } else { format!(", from {}", policy.at) };
    faults.finding(check, format!("policy {asked}{place}")).value(policy.record.clone())
}

/// Where aggregate reports go, and whether these places want them.
pub(super) async fn judge_destinations(dns: &Dns, policy: &Policy) -> Vec<Finding> {
    let tags = tags(&policy.record);
    let mut findings = Vec::new();
    let all = tag(&tags, "rua").into_iter().chain(tag(&tags, "ruf")).flat_map(|list| list.split(','));
    for uri in all.map(str::trim).filter(|uri| !uri.is_empty()).take(DESTINATIONS_MAX) {
        let finding = destination(dns, &policy.at, uri).await;
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

async fn destination(dns: &Dns, domain: &str, uri: &str) -> Finding {
    let check = PostureCheck::DmarcReports;
    let (bare, size) = uri.split_once('!').map_or((uri, None), |(bare, size)| (bare, Some(size)));
    let address = bare.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:")).map(|_| &bare[7..]);
    let Some(host) =
        address.and_then(|address| address.rsplit_once('@')).map(|(_, host)| host.to_ascii_lowercase())
    else {
        let told = format!("`{uri}` is no mail address: write `mailto:reports@…`");
        return Finding::new(check, PostureState::Fail, told).about(uri);
    };
    let sized = size.map(|size| format!("`!{size}` is not part of DMARC any more")).unwrap_or_default();
    let finding = if is_same_organization(domain, &host) {
        Finding::new(check, PostureState::Pass, "your own domain takes the reports")
    } else {
        let name = format!("{domain}._report._dmarc.{host}");
        match dns.txt(&name).await {
            Answer::Unknown(why) => Finding::unknown(check, &why),
            Answer::Found(texts) if !of_version(&texts, "DMARC1").is_empty() => {
                Finding::new(check, PostureState::Pass, format!("{host} takes the reports"))
                    .value(texts.join(" | "))
            }
            _ => Finding::new(
                check,
                PostureState::Fail,
                format!(
                    "{host} does not say that it takes the reports, so they are not sent: it needs a TXT record `v=DMARC1` at {name}"
                ),
            ),
        }
    };
    let finding = finding.about(bare.to_owned());
    match (sized.is_empty(), finding.state) {
        (false, PostureState::Pass) => Finding { state: PostureState::Warn, told: sized, ..finding },
        _ => finding,
    }
}

/// How the domains of SPF and DKIM must stand to that in From.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alignment {
    pub(super) spf: AlignmentMode,
    pub(super) dkim: AlignmentMode,
}

/// `r` or `s` of `aspf` and `adkim`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AlignmentMode {
    Relaxed,
    Strict,
}

impl AlignmentMode {
    pub(super) fn holds(self, from: &str, other: &str) -> bool {
        match self {
            Self::Relaxed => is_same_organization(from, other),
            Self::Strict => from.eq_ignore_ascii_case(other),
        }
    }
}

impl Found {
    /// What the record asks for; relaxed where there is none.
    pub(super) fn alignment(&self) -> Alignment {
        let tags = match self {
            Self::Policy(policy) => tags(&policy.record),
            _ => Vec::new(),
        };
        let mode = |name| match tag(&tags, name) {
            Some(value) if value.eq_ignore_ascii_case("s") => AlignmentMode::Strict,
            _ => AlignmentMode::Relaxed,
        };
        Alignment { spf: mode("aspf"), dkim: mode("adkim") }
    }
}

/// Whether two domains are of one organization. The walk of section 4.10 asks up to sixteen questions for that; the list of
/// public suffixes says the same of nearly all.
pub(super) fn is_same_organization(one: &str, other: &str) -> bool {
    let base = |domain: &str| psl::domain_str(domain).unwrap_or(domain).to_ascii_lowercase();
    base(one) == base(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(at: &str, record: &str) -> Found {
        Found::Policy(Policy { at: at.to_owned(), record: record.to_owned() })
    }

    #[test]
    fn a_strict_record_wants_the_very_domain() {
        let alignment = policy("shop.example", "v=DMARC1; p=none; aspf=S").alignment();
        assert!(!alignment.spf.holds("shop.example", "bounce.shop.example"));
        assert!(alignment.dkim.holds("shop.example", "mail.shop.example"));
        assert!(!Found::Nothing.alignment().dkim.holds("shop.example", "esp.example"));
    }

    #[track_caller]
    fn check(record: &str, state: PostureState, told: &str) {
        let finding = judge("shop.example", &policy("shop.example", record));
        assert_eq!(finding.state, state, "{finding:?}");
        assert!(finding.told.contains(told), "{finding:?}");
    }

    #[test]
    fn records_are_judged_by_what_receivers_make_of_them() {
        check("v=DMARC1; p=reject; rua=mailto:d@shop.example", PostureState::Pass, "policy reject");
        check("v=DMARC1; p=none; rua=mailto:d@shop.example", PostureState::Warn, "only watches");
        check("v=DMARC1; p=reject", PostureState::Warn, "nobody reports");
        check("v=DMARC1; rua=mailto:d@shop.example", PostureState::Warn, "means none");
        check("v=DMARC1; p=rejct; rua=mailto:d@shop.example", PostureState::Fail, "no policy");
        check("v=DMARC1; p=reject; pct=50; rua=mailto:d@shop.example", PostureState::Warn, "pct=50");
        check("v=DMARC1; p=reject; t=y; rua=mailto:d@shop.example", PostureState::Warn, "tested");
        check("v=DMARC1; p=reject; x-own=1; rua=mailto:d@shop.example", PostureState::Pass, "reject");
    }

    #[test]
    fn a_subdomain_takes_the_subdomain_policy_from_above() {
        let Found::Policy(above) =
            policy("shop.example", "v=DMARC1; p=none; sp=reject; rua=mailto:d@shop.example")
        else {
            unreachable!()
        };
        assert_eq!(asked_policy(&above, "news.shop.example"), "reject");
        assert_eq!(asked_policy(&above, "shop.example"), "none");
    }

    #[test]
    fn a_walk_asks_eight_names_at_most() {
        assert_eq!(walk_names("a.shop.example"), ["a.shop.example", "shop.example", "example"]);
        let names = walk_names("a.b.c.d.e.f.g.h.i.example");
        assert_eq!((names.len(), names[1].as_str()), (8, "d.e.f.g.h.i.example"));
    }
}
