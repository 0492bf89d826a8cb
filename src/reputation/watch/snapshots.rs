//! Snapshots of the DNS of all subjects, and how they differ.

use crate::model::{ListKind, PostureCheck, PostureState, Timestamp};
use crate::reputation::posture::{Change, Finding, Known, changes, look_at_domain, look_at_ip};
use crate::reputation::watch::Parts;
use crate::reputation::watch::subjects::{Subject, Subjects};
use crate::store::{DnsChangeEntry, DnsFindingEntry, Store, StoreError};
use futures_util::{StreamExt, stream};
use std::collections::HashMap;

/// Subjects that are looked at at once; a domain asks about thirty questions, one after another for the most part.
const SUBJECTS_AT_ONCE: usize = 8;

/// How far back is looked for what was known, in seconds: what nobody could say for a month is new when it comes back.
const KNOWN_S: i64 = 35 * 86_400;

/// When the last snapshot was taken.
pub(super) async fn last(store: &Store, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let rows = store.dns_findings(now.seconds() - KNOWN_S, None).await?;
    Ok(rows.iter().map(|row| row.taken_unix).max().map(Timestamp::from_seconds))
}

/// Looks at all subjects, and writes what was found and what changed.
pub(super) async fn take(parts: &Parts, subjects: &Subjects, now: Timestamp) -> Result<(), StoreError> {
    let mut known: HashMap<String, Vec<Known>> = HashMap::new();
    for row in parts.store.dns_known(now.seconds() - KNOWN_S).await? {
        let (Some(check), Some(state)) =
            (PostureCheck::from_name(&row.check), PostureState::from_name(&row.state))
        else {
            // Written by a newer version.
            continue;
        };
        known.entry(row.subject).or_default().push(Known {
            check,
            about: row.about,
            state,
            value: row.value,
        });
    }
    let looks =
        subjects.all.iter().map(|subject| async move { (subject, look(parts, subjects, subject).await) });
    let looks: Vec<_> = looks.collect();
    let looks: Vec<_> = stream::iter(looks).buffer_unordered(SUBJECTS_AT_ONCE).collect().await;
    let (mut findings, mut differences) = (Vec::new(), Vec::new());
    for (subject, found) in looks {
        let before = known.get(&subject.name).map(Vec::as_slice).unwrap_or_default();
        let changed = changes(before, &found);
        differences.extend(changed.into_iter().map(|change| difference(subject, change, now)));
        findings.extend(found.into_iter().map(|finding| entry(subject, finding, now)));
    }
    parts.store.insert_dns_snapshot(&findings, &differences).await?;
    for change in &differences {
        tracing::info!(subject = change.subject, check = %change.check, state = %change.state, "the DNS changed");
    }
    Ok(())
}

async fn look(parts: &Parts, subjects: &Subjects, subject: &Subject) -> Vec<Finding> {
    match (subject.kind, subject.name.parse()) {
        (ListKind::Ip4 | ListKind::Ip6, Ok(ip)) => {
            look_at_ip(&parts.dns, ip, parts.settings.ehlo.get(&ip).map(String::as_str)).await
        }
        _ => {
            let question = subjects.question(parts, &subject.name);
            look_at_domain(&parts.dns, Some(&parts.policies), &question).await
        }
    }
}

fn entry(subject: &Subject, finding: Finding, now: Timestamp) -> DnsFindingEntry {
    DnsFindingEntry {
        taken: now,
        subject: subject.name.clone(),
        kind: subject.kind,
        check: finding.check,
        about: finding.about,
        state: finding.state,
        value: finding.value,
        told: finding.told,
        detail: finding.detail,
    }
}

fn difference(subject: &Subject, change: Change, now: Timestamp) -> DnsChangeEntry {
    DnsChangeEntry {
        at: now,
        subject: subject.name.clone(),
        kind: subject.kind,
        check: change.check,
        about: change.about,
        state_before: change.state_before,
        state: change.state,
        value_before: change.value_before,
        value: change.value,
        told: change.told,
    }
}
