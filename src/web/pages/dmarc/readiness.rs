//! May the policy of a domain be made stricter? Judged over its own senders, in words.
//!
//! No specification names a number for it. The limits are ours: one in 50 messages lost in a spam folder, or one in 200
//! refused, is noticed by those who wait for them.

use crate::store::query::{DmarcPolicyRow, DmarcSourceRow, SourceClass};
use crate::web::format;
use crate::web::pages::dmarc::share_text;

/// Least aligned share of the own senders' mail.
const QUARANTINE_FROM: f64 = 0.98;
const REJECT_FROM: f64 = 0.995;

/// Under so many messages of own senders nothing is said.
const JUDGED_FROM: u64 = 100;

/// What a domain's reports amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Readiness {
    pub(super) words: String,
    /// Where the mail of the domain stands, in figures.
    pub(super) detail: String,
    pub(super) tone: &'static str,
}

impl Readiness {
    /// `sources` are those of the one domain, `messages` all its mail.
    pub(super) fn of(policy: Option<&DmarcPolicyRow>, sources: &[&DmarcSourceRow], messages: u64) -> Self {
        let of_class = |class: SourceClass| sources.iter().filter(move |row| row.class(messages) == class);
        let own = || of_class(SourceClass::Authorised).chain(of_class(SourceClass::Unaligned));
        let own_messages: u64 = own().map(|row| row.counts.messages).sum();
        let own_aligned: u64 = own().map(|row| row.counts.aligned).sum();
        let unaligned = of_class(SourceClass::Unaligned).count();
        let strangers = of_class(SourceClass::Unknown).chain(of_class(SourceClass::SuspectedAbuse));
        let (unknown, strange) =
            strangers.fold((0_u64, 0_u64), |(n, sum), row| (n + 1, sum + row.counts.messages));
        let detail = format!(
            "{} of the mail of known senders is aligned; {unaligned} of them not set up; {} unknown sources, {} of all mail",
            share_text(own_aligned, own_messages),
            format::count(unknown),
            share_text(strange, messages),
        );
        if own_messages < JUDGED_FROM {
            let words = format!("under {JUDGED_FROM} messages of known senders: not judged");
            return Self { words, detail, tone: "none" };
        }
        let share = format::float(own_aligned) / format::float(own_messages);
        let (words, tone) = words(policy.map_or("", |policy| policy.p.as_str()), share);
        Self { words: words.to_owned(), detail, tone }
    }
}

fn words(p: &str, share: f64) -> (&'static str, &'static str) {
    match (p, share) {
        ("reject", share) if share < QUARANTINE_FROM => ("at p=reject, and own mail is refused", "bad"),
        ("reject", share) if share < REJECT_FROM => ("at p=reject; some own mail is refused", "warn"),
        ("reject", _) => ("at p=reject, and own mail passes", "good"),
        ("quarantine", share) if share < QUARANTINE_FROM => {
            ("at p=quarantine, and own mail goes to spam folders", "bad")
        }
        ("quarantine", share) if share < REJECT_FROM => ("at p=quarantine; not ready for p=reject", "warn"),
        ("quarantine", _) => ("ready for p=reject", "good"),
        (_, share) if share < QUARANTINE_FROM => ("not ready for p=quarantine", "warn"),
        (_, share) if share < REJECT_FROM => ("ready for p=quarantine, not for p=reject", "good"),
        _ => ("ready for p=quarantine, then p=reject", "good"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::query::DmarcCounts;

    fn source(messages: u64, aligned: u64) -> DmarcSourceRow {
        let counts = DmarcCounts { messages, aligned, ..DmarcCounts::default() };
        DmarcSourceRow { ips: 1, counts, ..DmarcSourceRow::default() }
    }

    #[track_caller]
    fn check(p: &str, sources: &[DmarcSourceRow], words: &str, tone: &str) {
        let policy = DmarcPolicyRow { p: p.to_owned(), ..DmarcPolicyRow::default() };
        let messages = sources.iter().map(|row| row.counts.messages).sum();
        let readiness = Readiness::of(Some(&policy), &sources.iter().collect::<Vec<_>>(), messages);
        assert_eq!((readiness.words.as_str(), readiness.tone), (words, tone), "{readiness:?}");
    }

    #[test]
    fn own_mail_decides_and_strangers_do_not() {
        check(
            "none",
            &[source(1_000, 999), source(5_000, 0)],
            "ready for p=quarantine, then p=reject",
            "good",
        );
        check("none", &[source(1_000, 950)], "not ready for p=quarantine", "warn");
        check("none", &[source(1_000, 985)], "ready for p=quarantine, not for p=reject", "good");
    }

    #[test]
    fn a_strict_policy_that_costs_own_mail_is_marked() {
        check("reject", &[source(1_000, 900)], "at p=reject, and own mail is refused", "bad");
        check("quarantine", &[source(1_000, 999)], "ready for p=reject", "good");
    }

    #[test]
    fn an_own_sender_that_is_not_set_up_counts() {
        let other = DmarcSourceRow { name: "Mailer".to_owned(), ..source(500, 0) };
        check("none", &[source(1_000, 1_000), other], "not ready for p=quarantine", "warn");
    }

    #[test]
    fn little_mail_is_not_judged() {
        check("none", &[source(99, 99)], "under 100 messages of known senders: not judged", "none");
        check("none", &[], "under 100 messages of known senders: not judged", "none");
    }
}
