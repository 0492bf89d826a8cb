//! Whether the DNS has what a way out needs: the smarthost's include, its selectors, alignment. Pure.
//!
//! Source: RFC 9989 section 4.4 for alignment in the relaxed mode.

use crate::config::EgressPath;
use crate::model::{PostureCheck, PostureState};
use crate::reputation::posture::dmarc::is_same_organization;
use crate::reputation::posture::finding::Finding;
use crate::reputation::posture::spf_tree::SpfTree;

/// What a path needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathNeeds {
    pub name: String,
    pub domain: String,
    pub return_path: String,
    pub spf_include: Option<String>,
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
            dkim_domain: path.dkim_domain.as_ref().unwrap_or(&domain).to_ascii_lowercase(),
            dkim_selectors: path.dkim_selectors.clone(),
            domain,
        }
    }
}

/// Judges a path by the SPF of its return path and the keys of its selectors.
pub fn judge_path(needs: &PathNeeds, spf: Option<&SpfTree>, keys: &[Finding]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let (Some(include), Some(tree)) = (&needs.spf_include, spf) {
        findings.push(judge_spf(needs, include, tree));
    }
    findings.extend(keys.iter().map(|key| judge_key(needs, key)));
    findings
}

fn judge_spf(needs: &PathNeeds, include: &str, tree: &SpfTree) -> Finding {
    let check = PostureCheck::PathSpf;
    let finding = if tree.includes(include) {
        if is_same_organization(&needs.domain, &needs.return_path) {
            Finding::new(
                check,
                PostureState::Pass,
                format!("{} includes {include}, and aligns", needs.return_path),
            )
        } else {
            let told = format!(
                "{} includes {include}, but does not align with {}: DMARC rests on DKIM alone",
                needs.return_path, needs.domain
            );
            Finding::new(check, PostureState::Warn, told)
        }
    } else if tree.is_known() {
        let told = format!(
            "the SPF record of {} does not include {include}: mail of this path fails SPF",
            needs.return_path
        );
        Finding::new(check, PostureState::Fail, told)
    } else {
        Finding::unknown(check, "a part of the SPF record was not answered")
    };
    finding.about(&needs.name).value(tree.root.record.clone())
}

fn judge_key(needs: &PathNeeds, key: &Finding) -> Finding {
    let is_aligned = is_same_organization(&needs.domain, &needs.dkim_domain);
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
