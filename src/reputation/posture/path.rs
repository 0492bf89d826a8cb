//! Whether the DNS has what a way out needs: the smarthost's include, its selectors, alignment, so that its mail passes
//! DMARC. Pure.
//!
//! Source: RFC 9989 section 4.4 for alignment, relaxed and strict.

use crate::config::EgressPath;
use crate::model::{PostureCheck, PostureState};
use crate::reputation::posture::dmarc::Alignment;
use crate::reputation::posture::finding::Finding;
use crate::reputation::posture::spf_tree::SpfTree;
use std::net::IpAddr;

/// What a path needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathNeeds {
    pub name: String,
    pub domain: String,
    pub return_path: String,
    pub spf_include: Option<String>,
    pub ips: Vec<IpAddr>,
    pub dkim_domain: String,
    pub dkim_selectors: Vec<String>,
}

impl From<&EgressPath> for PathNeeds {
    fn from(path: &EgressPath) -> Self {
        let domain = path.domain.to_ascii_lowercase();
        Self {
            name: path.name.clone(),
            return_path: path.return_path.as_ref().unwrap_or(&domain).to_ascii_lowercase(),
            spf_include: path.spf_include.clone(),
            ips: path.ips.clone(),
            dkim_domain: path.dkim_domain.as_ref().unwrap_or(&domain).to_ascii_lowercase(),
            dkim_selectors: path.dkim_selectors.clone(),
            domain,
        }
    }
}

/// What was found for a path.
pub(super) struct PathFound<'a> {
    /// The record of the return path.
    pub(super) spf: &'a SpfTree,
    /// Each address of the path by SPF of the return path.
    pub(super) senders: Vec<Finding>,
    /// The keys of its selectors.
    pub(super) keys: Vec<Finding>,
    /// How the domain wants its mail aligned.
    pub(super) alignment: Alignment,
}

/// Judges a path.
pub(super) fn judge_path(needs: &PathNeeds, found: &PathFound<'_>) -> Vec<Finding> {
    let is_spf_aligned = found.alignment.spf.holds(&needs.domain, &needs.return_path);
    let is_dkim_aligned = found.alignment.dkim.holds(&needs.domain, &needs.dkim_domain);
    let mut findings = Vec::new();
    if let Some(include) = &needs.spf_include {
        findings.push(judge_include(needs, include, found.spf, is_spf_aligned));
    }
    findings.extend(found.senders.iter().map(|sender| judge_sender(needs, sender, is_spf_aligned)));
    let spf = passes(&findings, is_spf_aligned);
    let dkim = passes_any(&found.keys, is_dkim_aligned);
    findings.extend(found.keys.iter().map(|key| judge_key(needs, key, is_dkim_aligned)));
    findings.push(judge_dmarc(needs, spf, dkim));
    findings
}

fn judge_include(needs: &PathNeeds, include: &str, tree: &SpfTree, is_aligned: bool) -> Finding {
    let (check, at) = (PostureCheck::PathSpf, &needs.return_path);
    let broken = tree.findings().into_iter().find(|finding| finding.state == PostureState::Fail);
    let finding = if let Some(broken) = broken {
        let told = format!("the SPF record of {at} has a fault: {}", broken.told);
        Finding::new(check, PostureState::Fail, told)
    } else if tree.includes(include) && is_aligned {
        Finding::new(check, PostureState::Pass, format!("{at} includes {include}, and aligns"))
    } else if tree.includes(include) {
        let told = format!(
            "{at} includes {include}, but does not align with {}: DMARC rests on DKIM alone",
            needs.domain
        );
        Finding::new(check, PostureState::Warn, told)
    } else if tree.is_known() {
        let told = format!("the SPF record of {at} does not include {include}: mail of this path fails SPF");
        Finding::new(check, PostureState::Fail, told)
    } else {
        Finding::unknown(check, "a part of the SPF record was not answered")
    };
    finding.about(&needs.name).value(tree.root.record.clone())
}

fn judge_sender(needs: &PathNeeds, sender: &Finding, is_aligned: bool) -> Finding {
    let (state, told) = match sender.state {
        PostureState::Pass if !is_aligned => {
            let told = format!("{}, which does not align with {}", sender.told, needs.domain);
            (PostureState::Warn, told)
        }
        state => (state, sender.told.clone()),
    };
    Finding::new(PostureCheck::PathSpf, state, told)
        .about(format!("{} {}", needs.name, sender.about))
        .value(sender.value.clone())
}

fn judge_key(needs: &PathNeeds, key: &Finding, is_aligned: bool) -> Finding {
    let (state, told) = match key.state {
        PostureState::Pass | PostureState::Warn if !is_aligned => (
            PostureState::Warn,
            format!("the key of {} does not align with {}", needs.dkim_domain, needs.domain),
        ),
        PostureState::Fail => (PostureState::Fail, format!("mail of this path fails DKIM: {}", key.told)),
        state => (state, key.told.clone()),
    };
    Finding::new(PostureCheck::PathDkim, state, told)
        .about(format!("{} {}", needs.name, key.about))
        .value(key.value.clone())
}

/// Whether all of what was found passes and aligns; `None` when that is not known, or nothing was asked.
fn passes(findings: &[Finding], is_aligned: bool) -> Option<bool> {
    if findings.is_empty() {
        return None;
    }
    let is = |state| findings.iter().any(|finding| finding.state == state);
    if is(PostureState::Fail) || !is_aligned {
        return Some(false);
    }
    if is(PostureState::Unknown) { None } else { Some(true) }
}

/// The same, where one that works is enough: a relay signs with one of its keys.
fn passes_any(keys: &[Finding], is_aligned: bool) -> Option<bool> {
    let works = |key: &Finding| matches!(key.state, PostureState::Pass | PostureState::Warn);
    let is_open = keys.is_empty() || keys.iter().any(|key| key.state == PostureState::Unknown);
    match (is_aligned, keys.iter().any(works)) {
        (true, true) => Some(true),
        (true, false) if is_open => None,
        (false, _) if keys.is_empty() => None,
        _ => Some(false),
    }
}

fn judge_dmarc(needs: &PathNeeds, spf: Option<bool>, dkim: Option<bool>) -> Finding {
    let (state, told) = match (spf, dkim) {
        (Some(true), Some(true)) => (PostureState::Pass, "SPF and DKIM both align".to_owned()),
        (_, Some(true)) => (PostureState::Pass, "DKIM aligns, which is enough".to_owned()),
        (Some(true), Some(false)) => {
            (PostureState::Warn, "SPF alone aligns: mail that somebody forwards fails DMARC".to_owned())
        }
        (Some(true), None) => {
            (PostureState::Pass, "SPF aligns, which is enough until somebody forwards the mail".to_owned())
        }
        (Some(false), Some(false)) => {
            let told =
                format!("neither SPF nor DKIM passes and aligns with {}: mail fails DMARC", needs.domain);
            (PostureState::Fail, told)
        }
        _ => {
            let told = "not known: the DNS did not tell all, or the path's `spf_include`, `ips` and \
                        `dkim_selectors` are not in the settings";
            (PostureState::Unknown, told.to_owned())
        }
    };
    Finding::new(PostureCheck::PathDmarc, state, told).about(&needs.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_passes_dmarc_by_one_of_two() {
        let path = EgressPath {
            name: "own".to_owned(),
            domain: "shop.example".to_owned(),
            return_path: None,
            spf_include: None,
            ips: Vec::new(),
            dkim_selectors: Vec::new(),
            dkim_domain: None,
        };
        let state = |spf, dkim| judge_dmarc(&PathNeeds::from(&path), spf, dkim).state;
        assert_eq!(state(None, Some(true)), PostureState::Pass);
        assert_eq!(state(Some(true), Some(false)), PostureState::Warn);
        assert_eq!(state(Some(false), Some(false)), PostureState::Fail);
        assert_eq!(state(Some(false), None), PostureState::Unknown);
        assert_eq!(state(None, None), PostureState::Unknown);
    }

    #[test]
    fn one_key_that_works_is_enough_and_silence_is_open() {
        let key = |state| Finding::new(PostureCheck::Dkim, state, "");
        let (good, bad, open) =
            (key(PostureState::Warn), key(PostureState::Fail), key(PostureState::Unknown));
        assert_eq!(passes_any(&[bad.clone(), good.clone()], true), Some(true));
        assert_eq!(passes_any(&[bad.clone(), open], true), None);
        assert_eq!(passes_any(&[bad], true), Some(false));
        assert_eq!(passes_any(&[good], false), Some(false));
        assert_eq!(passes_any(&[], true), None);
    }
}
