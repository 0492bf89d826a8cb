//! What is watched: the addresses and domains that sent mail, and those of the settings.

use crate::model::{ListKind, Timestamp, list_kind, subject_name};
use crate::reputation::posture::{DomainQuestion, PathNeeds};
use crate::reputation::watch::Parts;
use crate::store::StoreError;
use crate::store::query::{ReportFilter, TimeRange};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// How far back is looked for mail, in seconds: an address that was silent for a month is cold anyway.
const SEEN_S: i64 = 30 * 86_400;

/// Selectors that are read from reports: of all domains together.
const SELECTORS_MAX: u32 = 5_000;

/// An address or domain, and how much it sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) kind: ListKind,
    pub(super) sent: u64,
    /// Its share of all mail, in millionths.
    pub(super) share_ppm: u32,
}

/// All that is watched, those with most mail first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Subjects {
    pub(super) all: Vec<Subject>,
    /// Selectors by domain.
    selectors: BTreeMap<String, BTreeSet<String>>,
}

impl Subjects {
    /// Asks the store what sent, and adds what the settings name.
    pub(super) async fn find(parts: &Parts, now: Timestamp) -> Result<Self, StoreError> {
        let settings = &parts.settings;
        let range = seen(now);
        let mut sent: BTreeMap<String, u64> = BTreeMap::new();
        let mut whole = [0_u64; 2];
        let mut selectors: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        if settings.discover {
            for row in parts.store.dimension_values(&range, settings.subjects_max).await? {
                let is_ip = row.dimension == "ip";
                if !is_ip && row.dimension != "domain" {
                    continue;
                }
                whole[usize::from(is_ip)] += row.sent;
                *sent.entry(subject_name(&row.value)).or_default() += row.sent;
            }
            let reports = ReportFilter { range, domains: Vec::new() };
            for row in parts.store.dmarc_domains(&reports, settings.subjects_max).await? {
                sent.entry(subject_name(&row.policy_domain)).or_default();
            }
            for row in parts.store.dkim_selectors(range, SELECTORS_MAX).await? {
                selectors.entry(row.domain).or_default().insert(row.selector);
            }
        }
        let named = settings.ips.iter().map(ToString::to_string).chain(settings.domains.iter().cloned());
        let named: BTreeSet<String> = named
            .chain(settings.paths.iter().map(|path| path.domain.clone()))
            .map(|name| subject_name(&name))
            .collect();
        for path in &settings.paths {
            let domain = subject_name(path.dkim_domain.as_ref().unwrap_or(&path.domain));
            selectors.entry(domain).or_default().extend(path.dkim_selectors.iter().cloned());
        }
        for name in &named {
            sent.entry(name.clone()).or_default();
        }
        let all = sent.into_iter().filter(|(name, _)| named.contains(name) || is_public(name));
        let all = all.map(|(name, sent)| {
            let kind = list_kind(&name);
            let whole = whole[usize::from(kind != ListKind::Domain)];
            let share = (u128::from(sent) * 1_000_000).checked_div(u128::from(whole)).unwrap_or(0);
            Subject { name, kind, sent, share_ppm: u32::try_from(share).unwrap_or(1_000_000) }
        });
        let mut all: Vec<Subject> = all.collect();
        // What a person named comes before what was found, as its number is small.
        all.sort_by_key(|subject| (!named.contains(&subject.name), std::cmp::Reverse(subject.sent)));
        Ok(Self { all: cut(all, settings.subjects_max as usize), selectors })
    }

    pub(super) fn of_kind(&self, kind: ListKind) -> impl Iterator<Item = &Subject> {
        self.all.iter().filter(move |subject| subject.kind == kind)
    }

    /// What is asked about a domain.
    pub(super) fn question(&self, parts: &Parts, domain: &str) -> DomainQuestion {
        let paths = parts.settings.paths.iter().map(PathNeeds::from);
        DomainQuestion {
            domain: domain.to_owned(),
            selectors: self.selectors.get(domain).cloned().unwrap_or_default(),
            paths: paths.filter(|path| path.domain == domain).collect(),
            senders: Vec::new(),
        }
    }
}

/// The days in which mail makes a subject.
pub(super) const fn seen(now: Timestamp) -> TimeRange {
    TimeRange { from_unix: now.seconds() - SEEN_S, to_unix: now.seconds() + 1 }
}

/// The first `most` addresses, and the first `most` domains.
fn cut(all: Vec<Subject>, most: usize) -> Vec<Subject> {
    let mut counts = [0_usize; 2];
    let is_kept = |subject: &Subject| {
        let count = &mut counts[usize::from(subject.kind == ListKind::Domain)];
        *count += 1;
        *count <= most
    };
    let mut is_kept = is_kept;
    all.into_iter().filter(|subject| is_kept(subject)).collect()
}

/// Whether others can know a subject: no list has an address of a private network, and no receiver asks for a name
/// without a dot.
pub(super) fn is_public(name: &str) -> bool {
    match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            let [first, second, ..] = ip.octets();
            // RFC 6598: addresses behind a carrier's translation.
            let is_shared = first == 100 && (64..128).contains(&second);
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || is_shared)
        }
        Ok(IpAddr::V6(ip)) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
        Err(_) => name.contains('.'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_can_know_is_asked_about() {
        for private in
            ["10.0.0.1", "127.0.0.1", "100.64.0.1", "169.254.0.1", "fd00::1", "fe80::1", "::1", "localhost"]
        {
            assert!(!is_public(private), "{private}");
        }
        for public in ["192.0.2.1", "2001:db8::1", "shop.example"] {
            assert!(is_public(public), "{public}");
        }
    }

    #[test]
    fn addresses_and_domains_are_cut_apart() {
        let subject =
            |name: &str| Subject { name: name.to_owned(), kind: list_kind(name), sent: 1, share_ppm: 0 };
        let all = ["192.0.2.1", "192.0.2.2", "a.example", "b.example"].map(subject);
        let names: Vec<_> = cut(all.to_vec(), 1).into_iter().map(|subject| subject.name).collect();
        assert_eq!(names, ["192.0.2.1", "a.example"]);
    }
}
