//! The records that an SPF check reads, as a tree, and what it costs.
//!
//! Source: RFC 7208 sections 4.6.4 (at most ten terms that ask, at most two that find nothing) and 5.

use crate::model::{PostureCheck, PostureState};
use crate::reputation::posture::finding::{Faults, Finding};
use crate::reputation::posture::spf::{Mechanism, SpfRecord, is_spf, parse};
use crate::reputation::{Answer, Dns};
use serde::{Deserialize, Serialize};
use std::pin::Pin;

/// Terms that ask, and questions that find nothing, that a receiver goes along with.
pub(super) const LOOKUPS_MAX: u32 = 10;
pub(super) const VOIDS_MAX: u32 = 2;

/// Names that `mx` may come to (section 4.6.4).
const MX_NAMES_MAX: usize = 10;

/// Records read of one tree: a tree of twice the allowed size is shown, a hostile one does not keep us busy.
const NODES_MAX: usize = 24;

/// Records below each other.
const DEPTH_MAX: usize = 12;

/// A record and those that it leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpfNode {
    pub domain: String,
    /// The term that led here; empty for the first.
    pub via: String,
    pub record: String,
    /// What is wrong with this record; empty when nothing is.
    pub fault: String,
    /// Terms of this record alone that ask.
    pub lookups: u32,
    /// Of these, those that found nothing.
    pub voids: u32,
    pub children: Vec<SpfNode>,
}

/// A tree with its sums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpfTree {
    pub root: SpfNode,
    pub lookups: u32,
    pub voids: u32,
    /// Whether a question was not answered: then the sums may be too low.
    pub is_partial: bool,
    /// Whether the first record, or what it redirects to, lets everyone send.
    #[serde(skip)]
    all: Option<char>,
    #[serde(skip)]
    has_ptr: bool,
    #[serde(skip)]
    includes: Vec<String>,
}

struct Walk<'a> {
    dns: &'a Dns,
    nodes: usize,
    is_partial: bool,
    all: Option<char>,
    has_ptr: bool,
    includes: Vec<String>,
}

/// What stands at a name.
enum Standing {
    Record(String),
    Several,
    Nothing,
    Unknown(String),
}

impl SpfTree {
    /// Reads the record of a domain and all that it leads to.
    pub async fn walk(dns: &Dns, domain: &str) -> Self {
        let (is_partial, all, has_ptr) = (false, None, false);
        let mut walk = Walk { dns, nodes: 0, is_partial, all, has_ptr, includes: Vec::new() };
        let root = walk.node(domain.to_owned(), String::new(), Vec::new(), true).await;
        let (lookups, voids) = sums(&root);
        let Walk { is_partial, all, has_ptr, includes, .. } = walk;
        Self { root, lookups, voids, is_partial, all, has_ptr, includes }
    }

    /// Whether the record lets the senders of a domain send, itself or by another.
    pub fn includes(&self, domain: &str) -> bool {
        self.includes.iter().any(|included| included.eq_ignore_ascii_case(domain))
    }

    pub(super) const fn is_known(&self) -> bool {
        !self.is_partial
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        let tree = serde_json::to_string(self).unwrap_or_default();
        let record = Finding { detail: tree, ..self.record().value(self.root.record.clone()) };
        if self.root.record.is_empty() { vec![record] } else { vec![record, self.cost()] }
    }

    fn record(&self) -> Finding {
        if self.root.record.is_empty() {
            if self.is_partial {
                return Finding::unknown(PostureCheck::Spf, &self.root.fault);
            }
            return Finding::new(PostureCheck::Spf, PostureState::Fail, self.root.fault.clone());
        }
        let mut faults = Faults::default();
        each(&self.root, &mut |node| {
            if !node.fault.is_empty() {
                faults.fail(format!("{}: {}", node.domain, node.fault));
            }
        });
        match self.all {
            Some('+') => faults.fail("`+all` lets everyone send in your name: write `-all` or `~all`"),
            Some('?') => faults.warn("`?all` says nothing of other senders: write `-all` or `~all`"),
            None => faults.warn("there is no `all` at the end: other senders are neutral"),
            Some(_) => {}
        }
        if self.has_ptr {
            faults.warn("`ptr` is not to be used (RFC 7208 section 5.5), and some receivers pass over it");
        }
        let faults_told = faults.finding(PostureCheck::Spf, "one record, without faults");
        if self.is_partial && faults_told.state != PostureState::Fail {
            return Finding::unknown(PostureCheck::Spf, "a part of the tree was not answered");
        }
        faults_told
    }

    fn cost(&self) -> Finding {
        let (check, told) = (
            PostureCheck::SpfLookups,
            format!(
                "{} of {LOOKUPS_MAX} questions, {} of {VOIDS_MAX} without an answer",
                self.lookups, self.voids
            ),
        );
        let value = format!("{}/{}", self.lookups, self.voids);
        let mut faults = Faults::default();
        if self.lookups > LOOKUPS_MAX {
            faults.fail(format!("{told}: receivers give up with a permanent error; take includes out"));
        } else if self.voids > VOIDS_MAX {
            faults.fail(format!(
                "{told}: receivers give up with a permanent error; take names out that do not exist"
            ));
        } else if self.lookups == LOOKUPS_MAX {
            faults.warn(format!("{told}: one more is too many"));
        }
        let finding = faults.finding(check, told);
        if self.is_partial && finding.state != PostureState::Fail {
            return Finding::unknown(check, "a part of the tree was not answered").value(value);
        }
        finding.value(value)
    }
}

fn sums(node: &SpfNode) -> (u32, u32) {
    node.children
        .iter()
        .map(sums)
        .fold((node.lookups, node.voids), |sum, more| (sum.0 + more.0, sum.1 + more.1))
}

fn each(node: &SpfNode, act: &mut impl FnMut(&SpfNode)) {
    act(node);
    for child in &node.children {
        each(child, act);
    }
}

type NodeWork<'w> = Pin<Box<dyn Future<Output = SpfNode> + Send + 'w>>;

impl Walk<'_> {
    /// `is_first` holds for the first record and those it redirects to: their `all` is the last word.
    fn node(&mut self, domain: String, via: String, above: Vec<String>, is_first: bool) -> NodeWork<'_> {
        Box::pin(async move {
            let mut node = SpfNode {
                domain,
                via,
                record: String::new(),
                fault: String::new(),
                lookups: 0,
                voids: 0,
                children: Vec::new(),
            };
            if above.contains(&node.domain) {
                node.fault = String::from("leads back to itself");
                return node;
            }
            self.nodes += 1;
            if self.nodes > NODES_MAX || above.len() >= DEPTH_MAX {
                node.fault = String::from("is not read: the tree is far too large");
                return node;
            }
            let text = match standing(self.dns, &node.domain).await {
                Standing::Record(text) => text,
                Standing::Several => {
                    node.fault =
                        String::from("has more than one SPF record: receivers give up; make one of them");
                    return node;
                }
                Standing::Nothing => {
                    node.voids = u32::from(!above.is_empty());
                    node.fault = String::from(if above.is_empty() {
                        "there is no SPF record"
                    } else {
                        "is included, and has no SPF record: receivers give up"
                    });
                    return node;
                }
                Standing::Unknown(why) => {
                    self.is_partial = true;
                    // Not a fault of the record: the sums say that they are partial.
                    node.fault = if above.is_empty() { why } else { String::new() };
                    return node;
                }
            };
            let record = parse(&text);
            (node.record, node.fault) = (text, record.errors.join(", "));
            self.terms(&mut node, &record, &above, is_first).await;
            node
        })
    }

    async fn terms(&mut self, node: &mut SpfNode, record: &SpfRecord, above: &[String], is_first: bool) {
        let below = || above.iter().cloned().chain([node.domain.clone()]).collect::<Vec<_>>();
        let (path, mut children) = (below(), Vec::new());
        for term in &record.terms {
            node.lookups += u32::from(term.mechanism.asks());
            let own = |domain: &Option<String>| domain.clone().unwrap_or_else(|| node.domain.clone());
            let found = match &term.mechanism {
                Mechanism::All if is_first => {
                    self.all = Some(term.qualifier);
                    break;
                }
                Mechanism::All => break,
                Mechanism::Include(domain) if !has_macro(domain) => {
                    // What another qualifier includes does not pass.
                    if term.qualifier == '+' {
                        self.includes.push(domain.clone());
                    }
                    children.push(self.node(domain.clone(), term.text.clone(), path.clone(), false).await);
                    continue;
                }
                Mechanism::A(domain) if !has_macro(&own(domain)) => {
                    self.dns.addresses(&own(domain)).await.map(drop)
                }
                Mechanism::Mx(domain) if !has_macro(&own(domain)) => match self.dns.mx(&own(domain)).await {
                    Answer::Found(servers) if servers.len() > MX_NAMES_MAX => {
                        node.fault = format!(
                            "`{}` has more than {MX_NAMES_MAX} servers: receivers give up",
                            term.text
                        );
                        continue;
                    }
                    answer => answer.map(drop),
                },
                Mechanism::Exists(domain) if !has_macro(domain) => self.dns.a(domain).await.map(drop),
                Mechanism::Ptr => {
                    self.has_ptr = true;
                    continue;
                }
                _ => continue,
            };
            match found {
                Answer::Found(()) => {}
                Answer::Nothing => node.voids += 1,
                Answer::Unknown(_) => self.is_partial = true,
            }
        }
        if let Some(domain) = record.redirect.as_ref().filter(|domain| !has_macro(domain)) {
            node.lookups += 1;
            let via = format!("redirect={domain}");
            children.push(self.node(domain.clone(), via, path, is_first).await);
        }
        node.children = children;
    }
}

fn has_macro(domain: &str) -> bool {
    domain.contains('%')
}

async fn standing(dns: &Dns, domain: &str) -> Standing {
    match dns.txt(domain).await {
        Answer::Unknown(why) => Standing::Unknown(why),
        Answer::Nothing => Standing::Nothing,
        Answer::Found(texts) => {
            let mut records = texts.into_iter().filter(|text| is_spf(text));
            match (records.next(), records.next()) {
                (Some(one), None) => Standing::Record(one),
                (None, _) => Standing::Nothing,
                _ => Standing::Several,
            }
        }
    }
}
