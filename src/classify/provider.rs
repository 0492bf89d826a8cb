//! Whose mailbox: MX host or recipient domain → mailbox provider.
//!
//! The operator of the MX decides, because it is the one who answers: `corp.example` whose MX is
//! `aspmx.l.google.com` is Google's. Only where the MX is unknown, or nobody's we know, the recipient's domain counts.
//!
//! Way: [`crate::classify::Classifier`] names the provider of each event; pages list [`ProviderTable::all`].
//! Source: `providers.toml` beside this file.
//! Not here: DNS. The MX host comes from the relay's log.

use crate::model::Text;
use serde::Deserialize;
use std::collections::HashMap;

/// Name for hosts and domains that no entry knows.
pub const OTHER: &str = "other";
/// Name for mailboxes on the relay host itself.
pub const LOCAL: &str = "local";

const SHIPPED: &str = include_str!("providers.toml");

/// Longest host name looked at, in bytes (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 255;

/// Who uses the mailboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// People, by free or access accounts.
    Consumer,
    /// Firms with domains of their own.
    Business,
    /// A filter that stands before someone else's mailboxes.
    Filter,
}

/// One mailbox provider.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// In columns, rules and URLs: lower case, digits and `_`.
    pub name: Text,
    /// For people.
    pub display: Text,
    pub kind: ProviderKind,
    /// MX host suffixes, whole labels.
    pub mx: Vec<Text>,
    /// Domains of its own, where no MX is known; subdomains count.
    #[serde(default)]
    pub domains: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    provider: Vec<Provider>,
}

/// All providers, found by suffix in as many look-ups as the host has labels.
#[derive(Debug, Clone)]
pub struct ProviderTable {
    providers: Vec<Provider>,
    by_mx: HashMap<Text, usize>,
    by_domain: HashMap<Text, usize>,
}

impl ProviderTable {
    /// The providers that come with the program.
    ///
    /// # Panics
    ///
    /// Never: a test reads the same file.
    pub fn shipped() -> Self {
        let raw: RawTable = toml::from_str(SHIPPED).expect("providers.toml is checked by a test");
        let index = |names: fn(&Provider) -> &[Text]| {
            let entries = raw.provider.iter().enumerate();
            entries
                .flat_map(|(at, provider)| names(provider).iter().map(move |name| (name.clone(), at)))
                .collect()
        };
        let (by_mx, by_domain) = (index(|provider| &provider.mx), index(|provider| &provider.domains));
        Self { providers: raw.provider, by_mx, by_domain }
    }

    /// The name of the provider of `mx_host`, else of `recipient_domain`, else [`OTHER`]. Either may be empty; case
    /// and a final dot do not matter. The longest suffix wins.
    pub fn find(&self, mx_host: &str, recipient_domain: &str) -> &str {
        let found =
            find_suffix(&self.by_mx, mx_host).or_else(|| find_suffix(&self.by_domain, recipient_domain));
        found.map_or(OTHER, |at| &self.providers[at].name)
    }

    /// All providers, in the order of the data file.
    pub fn all(&self) -> &[Provider] {
        &self.providers
    }

    /// The name for people; the given name itself when it is none of these (`other`, `local`).
    pub fn display<'a>(&'a self, name: &'a str) -> &'a str {
        self.providers
            .iter()
            .find(|provider| provider.name == name)
            .map_or(name, |provider| &provider.display)
    }
}

/// Looks up `host`, then what follows its first dot, and so on.
fn find_suffix(table: &HashMap<Text, usize>, host: &str) -> Option<usize> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || host.len() > HOST_BYTES_MAX {
        return None;
    }
    let mut lowered = [0; HOST_BYTES_MAX];
    let lowered = &mut lowered[..host.len()];
    lowered.copy_from_slice(host.as_bytes());
    lowered.make_ascii_lowercase();
    let mut suffix = std::str::from_utf8(lowered).ok()?;
    loop {
        if let Some(at) = table.get(suffix) {
            return Some(*at);
        }
        suffix = suffix.split_once('.')?.1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mx_host: &str, recipient_domain: &str, want: &str) {
        assert_eq!(
            ProviderTable::shipped().find(mx_host, recipient_domain),
            want,
            "{mx_host} {recipient_domain}"
        );
    }

    #[test]
    fn the_mx_decides_before_the_domain() {
        check("aspmx.l.google.com", "corp.example", "google");
        check("mx1.corp.example", "gmail.com", "google");
        check("corp-example.mail.protection.outlook.com", "hotmail.com", "microsoft_365");
        check("mx.corp.example", "corp.example", OTHER);
        check("", "", OTHER);
    }

    #[test]
    fn the_longest_suffix_wins() {
        check("outlook-com.olc.protection.outlook.com", "", "microsoft_consumer");
        check("corp-example.mail.protection.outlook.com", "", "microsoft_365");
        check("corp-example.a-v1.mx.microsoft", "", "microsoft_365");
        check("mx1.mail.yahoo.co.jp", "", "yahoo_japan");
        check("mta5.am0.yahoodns.net", "", "yahoo");
    }

    #[test]
    fn only_whole_labels_match() {
        check("mx.notgoogle.com", "", OTHER);
        check("google.com.evil.example", "", OTHER);
    }

    #[test]
    fn case_and_final_dot_do_not_matter() {
        check("MX01.Mail.iCloud.COM.", "", "apple");
        check("", "GMX.de", "united_internet");
    }

    #[test]
    fn hostile_hosts_are_no_provider() {
        check(&"a.".repeat(400), "", OTHER);
        check("...", ".", OTHER);
        check("mx.exämple", "", OTHER);
    }

    #[test]
    fn names_and_suffixes_are_unique_and_lower_case() {
        let table = ProviderTable::shipped();
        let mut seen = std::collections::HashSet::new();
        for provider in table.all() {
            assert!(seen.insert(("name", provider.name.as_str())), "{}", provider.name);
            let suffixes = provider.mx.iter().map(|suffix| ("mx", suffix.as_str()));
            for (kind, suffix) in
                suffixes.chain(provider.domains.iter().map(|domain| ("domain", domain.as_str())))
            {
                assert!(
                    seen.insert((kind, suffix)),
                    "{kind} {suffix} of {} is another's, too",
                    provider.name
                );
                assert_eq!(suffix, suffix.to_lowercase());
            }
        }
        assert_eq!(table.display("google"), "Google (Gmail, Workspace)");
        assert_eq!(table.display(OTHER), OTHER);
    }
}
