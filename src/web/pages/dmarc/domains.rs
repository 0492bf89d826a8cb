//! The policy domains: policy, alignment, readiness.

use crate::store::query::{Dimension, DmarcDomainRow, DmarcPolicyRow, DmarcSourceRow};
use crate::web::format;
use crate::web::pages::dmarc::readiness::Readiness;
use crate::web::pages::dmarc::{Answers, Fact, share_cell, share_text};
use crate::web::params::{NO_VALUE, Params};
use crate::web::parts::{Cell, Column, Row, Table};

/// One domain with all that is known of it.
struct Domain<'a> {
    row: &'a DmarcDomainRow,
    policy: Option<&'a DmarcPolicyRow>,
    readiness: Readiness,
}

fn domains(answers: &Answers) -> impl Iterator<Item = Domain<'_>> {
    answers.domains.iter().map(|row| {
        let policy = answers.policies.iter().find(|policy| policy.policy_domain == row.policy_domain);
        let is_own = |source: &&DmarcSourceRow| source.policy_domain == row.policy_domain;
        let sources: Vec<_> = answers.sources.iter().filter(is_own).collect();
        Domain { row, policy, readiness: Readiness::of(policy, &sources, row.counts.messages) }
    })
}

/// What is asked of receivers, as the record has it: `p=none`, and the rest beside it.
fn policy_words(policy: Option<&DmarcPolicyRow>) -> (String, String) {
    let Some(policy) = policy else { return ("not told".to_owned(), String::new()) };
    let pct = policy.pct.filter(|pct| *pct != 100).map(|pct| pct.to_string()).unwrap_or_default();
    let tags = [
        ("sp", policy.sp.as_str()),
        ("np", &policy.np),
        ("pct", &pct),
        ("adkim", &policy.adkim),
        ("aspf", &policy.aspf),
        ("t", &policy.testing),
    ];
    let told = tags.into_iter().filter(|(_, value)| !value.is_empty());
    let rest = told.map(|(tag, value)| format!("{tag}={value}")).collect::<Vec<_>>().join(" ");
    (if policy.p.is_empty() { "p not told".to_owned() } else { format!("p={}", policy.p) }, rest)
}

/// A tone for a table cell, where only what is not well is marked.
fn cell_tone(tone: &'static str) -> &'static str {
    if matches!(tone, "warn" | "bad") { tone } else { "" }
}

pub(super) fn table(params: &Params, answers: &Answers) -> Table {
    let largest = answers.domains.iter().map(|row| row.counts.messages).max().unwrap_or(0);
    let row = |domain: Domain<'_>| {
        let counts = &domain.row.counts;
        let name = &domain.row.policy_domain;
        let (p, rest) = policy_words(domain.policy);
        Row::new(vec![
            Cell::text(if name.is_empty() { NO_VALUE } else { name })
                .link(&params.link("/dmarc").only(Dimension::Domain, name)),
            Cell::word(p).sub(rest),
            Cell::count(counts.messages).bar(counts.messages, largest, "sent"),
            share_cell(counts.aligned, counts.messages),
            share_cell(counts.dkim_aligned, counts.messages),
            share_cell(counts.spf_aligned, counts.messages),
            Cell::count(domain.row.ips),
            Cell::count(domain.policy.map_or(0, |policy| policy.reporters)),
            Cell::text(domain.readiness.words)
                .tone(cell_tone(domain.readiness.tone))
                .sub(domain.readiness.detail),
        ])
    };
    let columns = vec![
        Column::text("Domain"),
        Column::text("Policy"),
        Column::number("Messages"),
        Column::number("Aligned"),
        Column::number("by DKIM"),
        Column::number("by SPF"),
        Column::number("Addresses"),
        Column::number("Reporters"),
        Column::text("Readiness"),
    ];
    let empty = "No report on any of these domains begins in this range.";
    Table::new("Policy domains by messages", columns, domains(answers).map(row).collect(), empty)
}

/// The figures of the chosen domain; none when nothing is reported of it.
pub(super) fn facts(answers: &Answers) -> Vec<Fact> {
    let Some(domain) = domains(answers).next() else { return Vec::new() };
    let counts = &domain.row.counts;
    let (p, rest) = policy_words(domain.policy);
    let seen = domain.policy.map_or_else(String::new, |policy| {
        format!("{rest} as of {}", format::day(i64::from(policy.seen_unix)))
    });
    let share = |name, part| Fact {
        name,
        value: share_text(part, counts.messages),
        detail: format!("{} messages", format::count(part)),
        tone: "",
    };
    vec![
        Fact { name: "Policy", value: p, detail: seen, tone: "" },
        Fact {
            name: "Messages",
            value: format::count(counts.messages),
            detail: format!(
                "{} quarantined, {} rejected",
                format::count(counts.quarantined),
                format::count(counts.rejected)
            ),
            tone: "",
        },
        share("Aligned", counts.aligned),
        share("Aligned by DKIM", counts.dkim_aligned),
        share("Aligned by SPF", counts.spf_aligned),
        Fact {
            name: "Readiness",
            value: domain.readiness.words,
            detail: domain.readiness.detail,
            tone: cell_tone(domain.readiness.tone),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_written_as_its_record_has_it() {
        let policy = DmarcPolicyRow {
            p: "quarantine".to_owned(),
            sp: "none".to_owned(),
            pct: Some(50),
            adkim: "s".to_owned(),
            testing: "y".to_owned(),
            ..DmarcPolicyRow::default()
        };
        let (p, rest) = policy_words(Some(&policy));
        assert_eq!((p.as_str(), rest.as_str()), ("p=quarantine", "sp=none pct=50 adkim=s t=y"));
        assert_eq!(policy_words(None).0, "not told");
    }
}
