//! The small rule file: whose service sends from which domain.

use crate::model::Text;
use serde::Deserialize;
use std::collections::HashMap;

const SHIPPED: &str = include_str!("sources.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    source: Vec<Source>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    name: Text,
    class: Text,
    domains: Vec<String>,
}

/// What a rule says of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Known {
    pub(super) name: Text,
    pub(super) class: Text,
}

pub(super) struct SourceRules(HashMap<String, Known>);

impl SourceRules {
    pub(super) fn shipped() -> Self {
        let file: File = toml::from_str(SHIPPED).expect("the shipped rules are read by a test");
        let mut rules = HashMap::new();
        for source in file.source {
            let known = Known { name: source.name, class: source.class };
            rules.extend(source.domains.into_iter().map(|domain| (domain, known.clone())));
        }
        Self(rules)
    }

    /// Empty when no rule knows the domain.
    pub(super) fn of(&self, base_domain: &str) -> Known {
        self.0.get(base_domain).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [&str; 6] = ["mailbox", "esp", "app", "gateway", "forwarder", "list"];

    #[test]
    fn the_shipped_rules_are_read_and_know_a_domain_once() {
        let file: File = toml::from_str(SHIPPED).unwrap();
        let domains: usize = file.source.iter().map(|source| source.domains.len()).sum();
        assert_eq!(domains, SourceRules::shipped().0.len(), "a domain stands twice");
        for source in &file.source {
            assert!(CLASSES.contains(&source.class.as_str()), "{}: {}", source.name, source.class);
        }
    }

    #[test]
    fn each_domain_is_a_registered_one_as_hosts_are_looked_up_by_it() {
        let is_looked_up_by =
            |domain: &&String| psl::domain_str(&format!("mx1.{domain}")) == Some(domain.as_str());
        let rules = SourceRules::shipped();
        let others: Vec<_> = rules.0.keys().filter(|domain| !is_looked_up_by(domain)).collect();
        assert!(others.is_empty(), "{others:?}");
    }

    #[test]
    fn a_domain_without_a_rule_is_not_known() {
        assert_eq!(SourceRules::shipped().of("shop.example"), Known::default());
        assert_eq!(SourceRules::shipped().of("sendgrid.net").class, "esp");
    }
}
