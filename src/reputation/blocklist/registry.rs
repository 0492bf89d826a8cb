//! The lists that are known: zones, codes, tests, terms of use. Data, in `registry.toml`, with the source of each fact.

use crate::config::Blocklists;
use crate::model::ListKind;
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

const SHIPPED: &str = include_str!("registry.toml");

/// A registry, read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    #[serde(rename = "list", default)]
    pub lists: Vec<BlockList>,
    /// Zones that are never asked.
    #[serde(default)]
    pub retired: Vec<Retired>,
}

/// A list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockList {
    /// Lower case and unique; it stands in settings and tables.
    pub name: String,
    pub title: String,
    pub zone: String,
    /// The zone with a key, `{key}` in its place.
    #[serde(default)]
    pub key_zone: Option<String>,
    /// Name of the key in `reputation.blocklists.key_files`.
    #[serde(default)]
    pub key: Option<String>,
    pub asks: Vec<ListKind>,
    /// 1: its listings cost mail, and are alerted on; 2: few receivers use it; 3: told, never alerted on.
    pub tier: u8,
    /// When it is asked.
    pub asked: Asked,
    #[serde(default)]
    pub queries_per_day_max: Option<u32>,
    /// Other test entries than those of RFC 5782.
    #[serde(default)]
    pub test: Option<TestNames>,
    /// Where to ask to be taken off, and how long a listing lasts by itself.
    #[serde(default)]
    pub delist: String,
    #[serde(default)]
    pub expires: String,
    /// Where the facts are from.
    pub source: String,
    pub codes: Vec<Code>,
}

/// When a list is asked without a word in `on` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    Always,
    /// With a key, or by one's own resolver.
    WithKeyOrOwnResolver,
    WithKey,
    /// When `on` names it: the list wants its users registered, or few use it.
    WhenNamed,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestNames {
    pub listed: String,
    pub clean: String,
}

/// A code of a list's answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// `127.0.0.2`, `127.0.0.4-127.0.0.7`, `bit 8` of the last octet, or `any`.
    pub r#match: Match,
    pub name: String,
    #[serde(default)]
    pub meaning: Meaning,
}

/// What a code takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    Range(Ipv4Addr, Ipv4Addr),
    Bit(u8),
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    #[default]
    Listed,
    /// In the zone, and no bad sign.
    Good,
    /// No answer to the question.
    Refused,
}

/// A zone that is never asked: it was shut, or answers for everything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retired {
    /// The zone; its subzones are meant, too.
    pub zone: String,
    pub why: String,
}

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("the list registry cannot be read: {0}")]
    Syntax(#[from] Box<toml::de::Error>),
    #[error("list `{list}` must not be asked: {zone} {why}; take it out")]
    Retired { list: String, zone: String, why: String },
    #[error("list `{list}`: {message}")]
    Wrong { list: String, message: String },
    #[error("`{setting}` names list `{list}`, which the registry does not have; it has {known}")]
    NoList { setting: &'static str, list: String, known: String },
    #[error("`reputation.blocklists.key_files` has a key `{key}` that no list wants; known are {known}")]
    NoKey { key: String, known: String },
}

impl<'de> Deserialize<'de> for Match {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || {
            serde::de::Error::custom(format!(
                "`{text}` is no code: write an address in 127.0.0.0/8, two with `-` between, `bit 8`, or `any`"
            ))
        };
        if text == "any" {
            return Ok(Self::Any);
        }
        if let Some(bit) = text.strip_prefix("bit ") {
            let bit: u8 = bit.parse().map_err(|_| wrong())?;
            return if bit.is_power_of_two() { Ok(Self::Bit(bit)) } else { Err(wrong()) };
        }
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        let address = |text: &str| text.parse::<Ipv4Addr>().ok().filter(Ipv4Addr::is_loopback);
        let range = address(first).zip(address(last)).filter(|(first, last)| first <= last);
        range.map(|(first, last)| Self::Range(first, last)).ok_or_else(wrong)
    }
}

impl Registry {
    /// The lists that come with the program.
    ///
    /// # Panics
    ///
    /// Never: a test reads the file that was compiled in.
    pub fn shipped() -> Self {
        Self::read(SHIPPED).expect("the shipped registry is read by a test")
    }

    /// Reads a registry; its own retired zones alone are refused.
    fn read(text: &str) -> Result<Self, RegistryError> {
        let registry: Self = toml::from_str(text).map_err(Box::new)?;
        registry.check()?;
        Ok(registry)
    }

    /// The shipped lists, and those of a file: one of the same name takes the shipped one's place.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] with the list, and what to change.
    pub fn with_overlay(text: &str) -> Result<Self, RegistryError> {
        let mut own: Self = toml::from_str(text).map_err(Box::new)?;
        let shipped = Self::shipped();
        let names: BTreeSet<String> = own.lists.iter().map(|list| list.name.clone()).collect();
        own.lists.extend(shipped.lists.into_iter().filter(|list| !names.contains(&list.name)));
        own.retired.extend(shipped.retired);
        own.check()?;
        Ok(own)
    }

    fn check(&self) -> Result<(), RegistryError> {
        let mut names = BTreeSet::new();
        for list in &self.lists {
            let wrong = |message: &str| {
                Err(RegistryError::Wrong { list: list.name.clone(), message: message.to_owned() })
            };
            if let Some(retired) = self.retired_zone(&list.zone) {
                let (list, zone, why) = (list.name.clone(), list.zone.clone(), retired.why.clone());
                return Err(RegistryError::Retired { list, zone, why });
            }
            if !names.insert(&list.name) {
                return wrong("stands twice");
            }
            if list.asks.is_empty() || list.codes.is_empty() {
                return wrong("needs `asks` and at least one code");
            }
            if list.test.is_some() && list.asks.len() > 1 {
                return wrong("own test entries are of one kind: make two lists of it");
            }
            if !(1..=3).contains(&list.tier) {
                return wrong("`tier` is 1, 2 or 3");
            }
            if list.key_zone.is_some() != list.key.is_some() {
                return wrong("`key` and `key_zone` go together");
            }
        }
        Ok(())
    }

    /// Why a zone must not be asked.
    pub fn retired_zone(&self, zone: &str) -> Option<&Retired> {
        let zone = zone.trim_end_matches('.').to_ascii_lowercase();
        self.retired.iter().find(|retired| {
            zone.strip_suffix(retired.zone.as_str())
                .is_some_and(|head| head.is_empty() || head.ends_with('.'))
        })
    }

    /// The lists to ask by the settings, with the zones to ask. `keys` are the keys that were read, by their names.
    ///
    /// # Errors
    ///
    /// When the settings name a list or key that is not known.
    pub fn chosen(
        &self,
        settings: &Blocklists,
        keys: &BTreeMap<String, String>,
    ) -> Result<Vec<BlockList>, RegistryError> {
        self.check_names("reputation.blocklists.on", &settings.on)?;
        self.check_names("reputation.blocklists.off", &settings.off)?;
        let known: BTreeSet<&str> = self.lists.iter().filter_map(|list| list.key.as_deref()).collect();
        if let Some(key) = keys.keys().find(|key| !known.contains(key.as_str())) {
            let known = Vec::from_iter(known).join(", ");
            return Err(RegistryError::NoKey { key: key.clone(), known });
        }
        let chosen = self.lists.iter().filter(|list| !settings.off.contains(&list.name)).filter_map(|list| {
            let key = list.key.as_ref().and_then(|key| keys.get(key));
            let is_named = settings.on.contains(&list.name);
            let is_asked = is_named
                || match list.asked {
                    Asked::Always => true,
                    Asked::WithKeyOrOwnResolver => key.is_some() || settings.own_resolver,
                    Asked::WithKey => key.is_some(),
                    Asked::WhenNamed => false,
                };
            let zone = match (&list.key_zone, key) {
                (Some(zone), Some(key)) => zone.replace("{key}", key),
                _ => list.zone.clone(),
            };
            is_asked.then(|| BlockList { zone, ..list.clone() })
        });
        Ok(chosen.collect())
    }

    fn check_names(&self, setting: &'static str, names: &[String]) -> Result<(), RegistryError> {
        match names.iter().find(|name| self.lists.iter().all(|list| list.name != **name)) {
            None => Ok(()),
            Some(name) => {
                let known = self.lists.iter().map(|list| list.name.as_str()).collect::<Vec<_>>().join(", ");
                Err(RegistryError::NoList { setting, list: name.clone(), known })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "[[list]]\nname = \"own\"\ntitle = \"Own\"\nzone = \"bl.example\"\nasks = [\"ip4\"]\ntier = 1\nasked = \"always\"\nsource = \"ours\"\ncodes = [{ match = \"127.0.0.2\", name = \"listed\" }]\n";

    fn chosen(settings: &Blocklists, keys: &[(&str, &str)]) -> Vec<(String, String)> {
        let keys = keys.iter().map(|(name, key)| ((*name).to_owned(), (*key).to_owned())).collect();
        let lists = Registry::shipped().chosen(settings, &keys).unwrap();
        lists.into_iter().map(|list| (list.name, list.zone)).collect()
    }

    fn zone(lists: &[(String, String)], name: &str) -> Option<String> {
        lists.iter().find(|list| list.0 == name).map(|list| list.1.clone())
    }

    #[test]
    fn the_shipped_registry_is_read_and_every_list_has_a_source() {
        for list in Registry::shipped().lists {
            assert!(!list.source.is_empty(), "{}", list.name);
        }
    }

    #[test]
    fn spamhaus_is_off_until_there_is_an_own_resolver_or_a_key() {
        assert_eq!(zone(&chosen(&Blocklists::default(), &[]), "spamhaus-zen"), None);
        let own = Blocklists { own_resolver: true, ..Blocklists::default() };
        assert_eq!(zone(&chosen(&own, &[]), "spamhaus-zen").unwrap(), "zen.spamhaus.org");
        let keyed = chosen(&Blocklists::default(), &[("spamhaus", "abc123")]);
        assert_eq!(zone(&keyed, "spamhaus-zen").unwrap(), "abc123.zen.dq.spamhaus.net");
    }

    #[test]
    fn the_settings_turn_lists_on_and_off() {
        let settings = Blocklists {
            on: vec!["barracuda".to_owned()],
            off: vec!["spamcop".to_owned()],
            ..Blocklists::default()
        };
        let lists = chosen(&settings, &[]);
        assert!(zone(&lists, "barracuda").is_some() && zone(&lists, "spamcop").is_none());
        let settings = Blocklists { on: vec!["barracude".to_owned()], ..Blocklists::default() };
        let error = Registry::shipped().chosen(&settings, &BTreeMap::new()).unwrap_err().to_string();
        assert!(error.contains("barracude") && error.contains("barracuda"), "{error}");
    }

    #[test]
    fn a_dead_list_is_refused_by_name() {
        let dead = OWN.replace("bl.example", "dnsbl.sorbs.net");
        let error = Registry::with_overlay(&dead).unwrap_err().to_string();
        assert!(error.contains("dnsbl.sorbs.net") && error.contains("2024"), "{error}");
        assert!(Registry::shipped().retired_zone("ix.dnsbl.manitu.net.").is_some());
        assert!(Registry::shipped().retired_zone("notsorbs.net").is_none());
    }

    #[test]
    fn own_lists_are_added_and_replace() {
        assert!(Registry::with_overlay(OWN).unwrap().lists.len() > Registry::shipped().lists.len());
        let replaced = Registry::with_overlay(&OWN.replace("\"own\"", "\"spamcop\"")).unwrap();
        assert_eq!(replaced.lists.len(), Registry::shipped().lists.len());
    }

    #[test]
    fn a_bad_code_says_how_to_write_one() {
        for bad in ["192.0.2.1", "bit 3", "127.0.0.9-127.0.0.2", ""] {
            let text = OWN.replace("127.0.0.2", bad);
            let error = Registry::with_overlay(&text).unwrap_err().to_string();
            assert!(error.contains("is no code"), "{bad}: {error}");
        }
    }
}
