//! Settings of what is asked about your sending addresses and domains: blocklists and the DNS.

use crate::config::ConfigError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Addresses and domains that are watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reputation {
    /// DNS server to ask, such as `127.0.0.1:53`: best your own recursing one. Default those of the system. Signatures
    /// (DNSSEC) are followed from the root's key by relaylens itself, so that the server need not be trusted with them; it
    /// must pass them on.
    pub resolver: Option<SocketAddr>,
    /// Sending addresses besides those found in the events. Default none.
    pub ips: Vec<IpAddr>,
    /// Sending domains besides those found in the events and in DMARC reports. Default none.
    pub domains: Vec<String>,
    /// Whether addresses and domains that sent in the last 30 days are watched by themselves. Default true.
    pub discover: bool,
    /// Most addresses, and most domains, that are watched, those with most mail first. Default 1000; 1 to 2000.
    pub subjects_max: u32,
    /// Hours between two looks at the DNS. Default 24; 1 to 168. 0 switches it off.
    pub dns_hours: u32,
    /// The name by which each address greets (EHLO), such as `"192.0.2.1" = "mx1.example.com"`. Default none: the
    /// greeting is not checked.
    pub ehlo: BTreeMap<IpAddr, String>,
    /// What each way out needs in the DNS of its domain. Default none.
    pub paths: Vec<EgressPath>,
    pub blocklists: Blocklists,
    /// Addresses and domains that are being brought to volume. Default none.
    pub warmups: Vec<Warmup>,
}

/// A plan by which an address or domain is brought to volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warmup {
    /// Address, or domain of the envelope sender.
    pub subject: String,
    /// Mailbox provider by its name, such as `google`: each builds a reputation of its own. Default all together.
    #[serde(default)]
    pub provider: Option<String>,
    /// First day, UTC, such as `2026-11-02`.
    pub begin: String,
    /// `sparkpost` (29 stages to 10 million a day) or `sendgrid` (times 1.4 each day). Default `sparkpost`; `volumes`
    /// takes its place.
    #[serde(default)]
    pub schedule: Option<String>,
    /// Messages a day, stage by stage, instead of a schedule. At most 100 stages.
    #[serde(default)]
    pub volumes: Vec<u64>,
    /// Messages a day at which the plan has reached its end. Default the last stage of the schedule.
    #[serde(default)]
    pub goal: Option<u64>,
}

/// A way out: your own relay, or a smarthost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressPath {
    /// Your name for it; unique.
    pub name: String,
    /// The domain in From.
    pub domain: String,
    /// The domain of the return path, whose SPF counts. Default `domain`.
    #[serde(default)]
    pub return_path: Option<String>,
    /// What the SPF record must include, such as `_spf.smarthost.example`. Default none: not checked.
    #[serde(default)]
    pub spf_include: Option<String>,
    /// Addresses that it sends from: each must pass SPF of the return path. Default none: not checked.
    #[serde(default)]
    pub ips: Vec<IpAddr>,
    /// Selectors that the path signs with. Default none: not checked.
    #[serde(default)]
    pub dkim_selectors: Vec<String>,
    /// Domain of the signatures, where it is another than `domain`.
    #[serde(default)]
    pub dkim_domain: Option<String>,
}

/// Questions to DNS blocklists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blocklists {
    /// Whether lists are asked at all. Default true.
    pub enabled: bool,
    /// Minutes between two rounds. Default 60; 15 to 1440: lists change slowly, and each is somebody's server.
    pub every_minutes: u32,
    /// Minutes until a first sign of a change is asked about again. Default 10; 5 to 60.
    pub confirm_minutes: u32,
    /// Most questions to one list on one day (UTC), where the registry has no lower number. Default 100 000; Spamhaus
    /// allows 300 000 for free use.
    pub queries_per_day_max: u32,
    /// Say true when `reputation.resolver`, or the system's, is your own recursing resolver and no public one: lists that
    /// answer public resolvers with an error are then asked without a key. Default false.
    pub own_resolver: bool,
    /// Lists to ask besides those that are on by default, by their names in the registry, such as `barracuda`.
    pub on: Vec<String>,
    /// Lists not to ask.
    pub off: Vec<String>,
    /// Files with the keys of lists that want one, by the key's name in the registry: `spamhaus = "dqs.key"`.
    pub key_files: BTreeMap<String, PathBuf>,
    /// TOML file of your own lists, in the form of the shipped registry; one of the same name replaces the shipped one.
    pub registry_file: Option<PathBuf>,
}

impl Default for Reputation {
    fn default() -> Self {
        Self {
            resolver: None,
            ips: Vec::new(),
            domains: Vec::new(),
            discover: true,
            subjects_max: 1000,
            dns_hours: 24,
            ehlo: BTreeMap::new(),
            paths: Vec::new(),
            blocklists: Blocklists::default(),
            warmups: Vec::new(),
        }
    }
}

impl Default for Blocklists {
    fn default() -> Self {
        Self {
            enabled: true,
            every_minutes: 60,
            confirm_minutes: 10,
            queries_per_day_max: 100_000,
            own_resolver: false,
            on: Vec::new(),
            off: Vec::new(),
            key_files: BTreeMap::new(),
            registry_file: None,
        }
    }
}

impl Reputation {
    /// Checks what the types cannot say.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |setting, message: &str| Err(ConfigError::Wrong { setting, message: message.to_owned() });
        if !(15..=1440).contains(&self.blocklists.every_minutes) {
            return wrong(
                "reputation.blocklists.every_minutes",
                "15 to 1440: each list is somebody's server",
            );
        }
        if !(5..=60).contains(&self.blocklists.confirm_minutes) {
            return wrong("reputation.blocklists.confirm_minutes", "5 to 60");
        }
        if !(1..=2_000).contains(&self.subjects_max) {
            return wrong("reputation.subjects_max", "1 to 2000: each is asked about on every list");
        }
        if self.dns_hours > 168 {
            return wrong("reputation.dns_hours", "0 (off), or 1 to 168, a week");
        }
        for (at, path) in self.paths.iter().enumerate() {
            if path.name.is_empty() || self.paths[..at].iter().any(|other| other.name == path.name) {
                let message = format!("path `{}` needs a name that no other has", path.name);
                return wrong("reputation.paths", &message);
            }
        }
        Ok(())
    }
}
