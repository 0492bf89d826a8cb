//! Snapshots of the DNS of all subjects, and how they differ.

use crate::model::{PostureCheck, PostureState, Timestamp, subject_name};
use crate::reputation::posture::{
    Change, DomainQuestion, Finding, Known, SpfSender, changes, look_at_domain, look_at_ip,
};
use crate::reputation::watch::Parts;
use crate::reputation::watch::subjects::{Subject, Subjects, is_public, seen};
use crate::store::{DnsChangeEntry, DnsFindingEntry, StoreError};
use futures_util::{StreamExt, stream};
use std::collections::HashMap;

/// Subjects that are looked at at once; a domain asks about thirty questions, one after another for the most part.
const SUBJECTS_AT_ONCE: usize = 8;

/// Addresses of one domain whose SPF is looked at, those with most mail first.
const SENDERS_MAX: u32 = 100;

/// How far back is looked for what was known, in seconds: what nobody could say for a month is new when it comes back.
const KNOWN_S: i64 = 35 * 86_400;

/// Seconds between two looks for subjects that are new: whoever sets up a domain wants to see it.
const NEW_S: i64 = 600;

/// When what was looked at.
#[derive(Default)]
pub(super) struct LookDesk {
    /// When each subject was last looked at; `None` until the store was asked.
    looked: Option<HashMap<String, Timestamp>>,
    /// When new subjects were last sought.
    sought: Option<Timestamp>,
}

impl LookDesk {
    /// Whether it is time to see which subjects there are.
    pub(super) async fn is_due(&mut self, parts: &Parts, now: Timestamp) -> Result<bool, StoreError> {
        if self.looked.is_none() {
            let rows = parts.store.dns_findings(now.seconds() - KNOWN_S, None).await?;
            let looked = rows.into_iter().map(|row| (row.subject, Timestamp::from_seconds(row.taken_unix)));
            // What a crash left without its mark.
            parts.store.annotate_dns_changes(now.seconds() - KNOWN_S).await?;
            self.looked = Some(looked.collect());
        }
        Ok(self.sought.is_none_or(|sought| now.seconds() - sought.seconds() >= NEW_S))
    }

    /// Looks at the subjects whose last look is too old, and at new ones.
    pub(super) async fn work(
        &mut self,
        parts: &Parts,
        subjects: &Subjects,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let wait_s = i64::from(parts.settings.dns_hours) * 3_600;
        let looked = self.looked.get_or_insert_default();
        let is_due = |subject: &&Subject| {
            looked.get(&subject.name).is_none_or(|at| now.seconds() - at.seconds() >= wait_s)
        };
        let due: Vec<&Subject> = subjects.all.iter().filter(is_due).collect();
        if !due.is_empty() {
            take(parts, subjects, &due, now).await?;
            looked.extend(due.into_iter().map(|subject| (subject.name.clone(), now)));
        }
        self.sought = Some(now);
        Ok(())
    }
}

/// Looks at subjects, and writes what was found and what changed.
async fn take(
    parts: &Parts,
    subjects: &Subjects,
    due: &[&Subject],
    now: Timestamp,
) -> Result<(), StoreError> {
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
    let senders = &senders(parts, now).await?;
    let looks = due.iter().copied().map(|subject| async move {
        (
            subject,
            look(parts, subjects, senders.get(&subject.name).cloned().unwrap_or_default(), subject).await,
        )
    });
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
    if !differences.is_empty() {
        parts.store.annotate_dns_changes(now.seconds()).await?;
    }
    for change in &differences {
        tracing::info!(subject = change.subject, check = %change.check, state = %change.state, "the DNS changed");
    }
    Ok(())
}

/// The addresses that sent mail for each domain. Those of private networks are left out: a smarthost, or a translation,
/// stands between them and the receivers.
async fn senders(parts: &Parts, now: Timestamp) -> Result<HashMap<String, Vec<SpfSender>>, StoreError> {
    let mut senders: HashMap<String, Vec<SpfSender>> = HashMap::new();
    if !parts.settings.discover {
        return Ok(senders);
    }
    for row in parts.store.senders(&seen(now), SENDERS_MAX).await? {
        let name = subject_name(&row.ip);
        if let Some(ip) = name.parse().ok().filter(|_| is_public(&name)) {
            let ehlo = parts.settings.ehlo.get(&ip).cloned();
            let sender = SpfSender { ip, ehlo, messages: row.sent };
            senders.entry(subject_name(&row.domain)).or_default().push(sender);
        }
    }
    Ok(senders)
}

async fn look(
    parts: &Parts,
    subjects: &Subjects,
    senders: Vec<SpfSender>,
    subject: &Subject,
) -> Vec<Finding> {
    if let Ok(ip) = subject.name.parse() {
        let ehlo = parts.settings.ehlo.get(&ip).map(String::as_str);
        return look_at_ip(&parts.dns, ip, ehlo).await;
    }
    let question = DomainQuestion { senders, ..subjects.question(parts, &subject.name) };
    look_at_domain(&parts.dns, Some(&parts.policies), &question).await
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
