//! What made-up mail is made of: who sends, who receives, and what receivers answer.
//!
//! Way: `mail` draws from these tables; receivers and their replies stand in `mix.toml`, with their sources.

use crate::model::EnhancedCode;
use serde::Deserialize;
use std::sync::LazyLock;

/// The receivers of `mix.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Receivers {
    #[serde(rename = "provider")]
    pub(super) providers: Vec<Provider>,
    #[serde(rename = "refusal")]
    pub(super) refusals: Vec<Refusal>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    pub(super) name: String,
    pub(super) share: f64,
    pub(super) mx: Vec<String>,
    pub(super) latency_ms: f64,
    pub(super) taken: String,
}

/// What a receiver says when it does not take a message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refusal {
    provider: String,
    pub(super) share: f64,
    pub(super) code: u16,
    enhanced: Option<String>,
    pub(super) text: String,
}

impl Refusal {
    pub(super) const fn is_temporary(&self) -> bool {
        self.code < 500
    }

    pub(super) fn is_said_by(&self, provider: &Provider) -> bool {
        self.provider == "*" || self.provider == provider.name
    }

    pub(super) fn enhanced(&self) -> Option<EnhancedCode> {
        EnhancedCode::parse_prefix(self.enhanced.as_ref()?).map(|(code, _)| code)
    }
}

/// Read once.
pub(super) static RECEIVERS: LazyLock<Receivers> = LazyLock::new(|| {
    toml::from_str(include_str!("mix.toml")).expect("a test reads the file that is compiled in")
});

/// Tenants with their part of the mail and their domains (indexes into [`DOMAINS`]).
pub(super) const TENANTS: &[(&str, f64, &[usize])] = &[
    ("acme", 40.0, &[0, 1]),
    ("beta", 22.0, &[2, 3]),
    ("corvid", 14.0, &[4]),
    ("delta", 9.0, &[5]),
    ("ember", 6.0, &[6]),
    ("fjord", 4.0, &[7]),
    ("glade", 3.0, &[8]),
    ("heron", 2.0, &[9]),
];

pub(super) const DOMAINS: &[&str] = &[
    "news.acme.example",
    "acme.example",
    "mail.beta.example",
    "beta.example",
    "corvid.example",
    "delta.example",
    "ember.example",
    "fjord.example",
    "glade.example",
    "heron.example",
];

/// A stream, its part of the mail, its pool, and the last bytes of the pool's addresses.
pub(super) struct Stream {
    pub(super) name: &'static str,
    pub(super) share: f64,
    pub(super) pool: &'static str,
    pub(super) ips: &'static [u8],
    /// Whether its messages belong to campaigns.
    pub(super) has_campaigns: bool,
}

pub(super) const STREAMS: &[Stream] = &[
    Stream { name: "marketing", share: 60.0, pool: "bulk", ips: &[10, 11, 12, 13], has_campaigns: true },
    Stream { name: "notifications", share: 25.0, pool: "shared", ips: &[20, 21], has_campaigns: true },
    Stream { name: "transactional", share: 15.0, pool: "fast", ips: &[30, 31], has_campaigns: false },
];

/// Campaigns that begin each day, over all tenants.
pub(super) const CAMPAIGNS_A_DAY: u64 = 50;

/// Parts of all messages that end their first attempt deferred or refused; the rest is delivered by it.
pub(super) const DEFERRED: f64 = 0.055;
pub(super) const REFUSED: f64 = 0.052;

/// Part of the deferred messages that each further attempt delivers.
pub(super) const RECOVERED_EACH: f64 = 0.45;

/// Attempts after which a message expires: with pauses that double from five minutes, after about ten hours.
pub(super) const ATTEMPTS_MAX: u16 = 8;

/// Part of the delivered messages that their recipients call spam.
pub(super) const COMPLAINED: f64 = 0.000_4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_receiver_has_hosts_and_both_kinds_of_refusals() {
        for provider in &RECEIVERS.providers {
            assert!(!provider.mx.is_empty(), "{}", provider.name);
            for is_temporary in [false, true] {
                let said = |refusal: &Refusal| {
                    refusal.is_said_by(provider) && refusal.is_temporary() == is_temporary
                };
                assert!(RECEIVERS.refusals.iter().any(said), "{}", provider.name);
            }
        }
        let sum: f64 = RECEIVERS.providers.iter().map(|provider| provider.share).sum();
        assert!((sum - 1_000.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn every_refusal_belongs_to_a_receiver_and_its_codes_can_be_read() {
        for refusal in &RECEIVERS.refusals {
            assert!(RECEIVERS.providers.iter().any(|provider| refusal.is_said_by(provider)), "{refusal:?}");
            assert_eq!(refusal.enhanced.is_some(), refusal.enhanced().is_some(), "{refusal:?}");
        }
    }
}
