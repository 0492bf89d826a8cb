//! What the large receivers ask of a sender, rule by rule, and whether a domain does it. Pure.
//!
//! Source: Gmail, support.google.com 81126 and 14229414 (copies of 2026); Yahoo, senders.yahooinc.com/best-practices;
//! Microsoft, techcommunity.microsoft.com, "Outlook's new requirements for high-volume senders", in force since 5 May 2025;
//! Apple, support.apple.com 102322, "Postmaster information for iCloud Mail".
//! Way: [`judge`] has each rule judged (`rules`) by the DNS, by DMARC reports, by the mail itself, and by what the receiver
//! answered: its own codes name the rule that a message broke. What only the receiver can see is unknown, and says where
//! to look: an answer that is guessed helps nobody.

mod rules;

use crate::model::{PostureCheck, PostureState};

/// Messages to one receiver in a day from which on it counts a sender as a bulk sender.
const BULK_PER_DAY: u64 = 5_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receiver {
    Gmail,
    Yahoo,
    Microsoft,
    Apple,
}

impl Receiver {
    pub const ALL: [Self; 4] = [Self::Gmail, Self::Yahoo, Self::Microsoft, Self::Apple];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Gmail => "Gmail",
            Self::Yahoo => "Yahoo",
            Self::Microsoft => "Microsoft (Outlook.com)",
            Self::Apple => "Apple (iCloud)",
        }
    }

    /// The name among the mailbox providers.
    pub const fn provider(self) -> &'static str {
        match self {
            Self::Gmail => "google",
            Self::Yahoo => "yahoo",
            Self::Microsoft => "microsoft_consumer",
            Self::Apple => "apple",
        }
    }
}

/// A check as it came out, of the domain or of one of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub subject: String,
    pub check: PostureCheck,
    pub about: String,
    pub state: PostureState,
    pub value: String,
    pub told: String,
}

/// Mail to one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    pub sent: u64,
    pub delivered: u64,
    pub complained: u64,
    /// Of the day with most.
    pub busiest_day: u64,
    /// Delivered in the last day, and those of them with a TLS session in the relay's events.
    pub lately: u64,
    pub encrypted: u64,
}

/// A kind of reply by which a receiver did not take mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    /// Such as `5.7.26`, as the receiver gave it.
    pub enhanced_code: String,
    pub count: u64,
    pub sample: String,
}

/// How fast recipients who want to leave are on the suppression list, of all domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Honour {
    pub unsubscribes: u64,
    pub p95_s: u64,
    pub max_s: u64,
}

/// What is known of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    pub domain: Vec<Seen>,
    /// PTR checks of the addresses that send its mail.
    pub ips: Vec<Seen>,
    /// Messages in DMARC reports, and those of them that were aligned.
    pub reported: u64,
    pub aligned: u64,
    /// Streams of the domain whose recipients left by one click (RFC 8058), and how many did.
    pub one_clicks: Vec<(String, u64)>,
    pub honour: Honour,
}

/// How a rule is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    Pass,
    Fail,
    Unknown,
}

/// A rule of a receiver, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub name: &'static str,
    pub asks: &'static str,
    pub kept: Kept,
    pub evidence: String,
}

/// Judges the rules of a receiver, by what is known of a domain, of its mail there, and of the receiver's replies to it.
pub fn judge(receiver: Receiver, evidence: &Evidence, traffic: Traffic, refusals: &[Refusal]) -> Vec<Rule> {
    let codes = Codes { receiver, refusals };
    let mut judged = vec![
        codes.weigh(rules::spf(evidence), &["7.24", "7.27"]),
        codes.weigh(rules::dkim(evidence, receiver), &["7.30"]),
        codes.weigh(rules::dmarc(evidence), &["7.31", "7.40"]),
        codes.weigh(rules::alignment(evidence), &["7.26", "7.32", "7.515"]),
        codes.weigh(rules::names(evidence), &["7.23", "7.25"]),
    ];
    match receiver {
        Receiver::Gmail => judged.extend([
            rules::spam_rate(),
            codes.weigh(rules::tls(traffic), &["7.29"]),
            rules::one_click(evidence),
            rules::honour(evidence.honour),
        ]),
        Receiver::Yahoo => judged.extend([
            rules::complaints(traffic),
            rules::one_click(evidence),
            rules::honour(evidence.honour),
        ]),
        Receiver::Microsoft => judged.push(rules::complaints(traffic)),
        Receiver::Apple => judged.push(rules::one_click(evidence)),
    }
    judged
}

/// Receivers whose codes name a rule: Gmail's (support.google.com 3726730, copy of 2026) and Microsoft's 5.7.515.
struct Codes<'a> {
    receiver: Receiver,
    refusals: &'a [Refusal],
}

impl Codes<'_> {
    /// A reply that names the rule is stronger than anything that was looked up.
    fn weigh(&self, rule: Rule, endings: &[&str]) -> Rule {
        if !matches!(self.receiver, Receiver::Gmail | Receiver::Microsoft) {
            return rule;
        }
        let names = |code: &str| code.split_once('.').is_some_and(|(_, rest)| endings.contains(&rest));
        let mut told: Vec<&Refusal> =
            self.refusals.iter().filter(|refusal| names(&refusal.enhanced_code)).collect();
        told.sort_by_key(|refusal| std::cmp::Reverse(refusal.count));
        let Some(first) = told.first() else { return rule };
        let count: u64 = told.iter().map(|refusal| refusal.count).sum();
        let evidence = format!(
            "{} did not take {count} messages or attempts for this, such as with {}: {}",
            self.receiver.title(),
            first.enhanced_code,
            first.sample
        );
        Rule { kept: Kept::Fail, evidence, ..rule }
    }
}

/// Whether the rules for bulk senders hold here, by the busiest day.
pub fn is_bulk(traffic: Traffic) -> bool {
    traffic.busiest_day >= BULK_PER_DAY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(check: PostureCheck, about: &str, state: PostureState) -> Seen {
        Seen {
            subject: String::new(),
            check,
            about: about.to_owned(),
            state,
            value: String::new(),
            told: "told".to_owned(),
        }
    }

    #[track_caller]
    fn check(receiver: Receiver, evidence: &Evidence, traffic: Traffic, name: &str, kept: Kept) {
        let rules = judge(receiver, evidence, traffic, &[]);
        let rule = rules.iter().find(|rule| rule.name == name).unwrap();
        assert_eq!(rule.kept, kept, "{rule:?}");
        assert!(!rule.evidence.is_empty());
    }

    #[test]
    fn without_evidence_every_rule_is_unknown() {
        for receiver in Receiver::ALL {
            let rules = judge(receiver, &Evidence::default(), Traffic::default(), &[]);
            assert!(rules.iter().all(|rule| rule.kept == Kept::Unknown), "{rules:?}");
        }
    }

    #[test]
    fn advice_passes_and_faults_fail() {
        let domain = vec![
            seen(PostureCheck::Spf, "", PostureState::Warn),
            seen(PostureCheck::SpfLookups, "", PostureState::Fail),
            seen(PostureCheck::Dmarc, "", PostureState::Warn),
            seen(PostureCheck::Dkim, "old", PostureState::Fail),
            seen(PostureCheck::Dkim, "s1", PostureState::Pass),
        ];
        let evidence = Evidence { domain, ..Evidence::default() };
        let traffic = Traffic::default();
        check(Receiver::Gmail, &evidence, traffic, "SPF", Kept::Fail);
        check(Receiver::Gmail, &evidence, traffic, "DKIM", Kept::Pass);
        check(Receiver::Apple, &evidence, traffic, "DMARC", Kept::Pass);
    }

    #[test]
    fn shares_of_little_mail_say_nothing() {
        let evidence = |reported, aligned| Evidence { reported, aligned, ..Evidence::default() };
        check(Receiver::Gmail, &evidence(100, 0), Traffic::default(), "Alignment", Kept::Unknown);
        check(Receiver::Gmail, &evidence(1_000, 979), Traffic::default(), "Alignment", Kept::Fail);
        check(Receiver::Gmail, &evidence(1_000, 980), Traffic::default(), "Alignment", Kept::Pass);
    }

    #[test]
    fn silence_of_a_feedback_loop_is_no_good_rate() {
        let traffic =
            |complained| Traffic { sent: 1_000, delivered: 1_000, complained, ..Traffic::default() };
        check(Receiver::Yahoo, &Evidence::default(), traffic(0), "Complaints", Kept::Unknown);
        check(Receiver::Yahoo, &Evidence::default(), traffic(2), "Complaints", Kept::Pass);
        check(Receiver::Yahoo, &Evidence::default(), traffic(3), "Complaints", Kept::Fail);
    }

    #[test]
    fn one_address_without_a_name_fails_all() {
        let ips = vec![
            seen(PostureCheck::Ptr, "", PostureState::Pass),
            seen(PostureCheck::Ptr, "", PostureState::Fail),
        ];
        let evidence = Evidence { ips, ..Evidence::default() };
        check(Receiver::Microsoft, &evidence, Traffic::default(), "Names of addresses", Kept::Fail);
    }

    #[test]
    fn the_receivers_own_word_is_stronger_than_what_was_looked_up() {
        let domain = vec![seen(PostureCheck::Spf, "", PostureState::Pass)];
        let evidence = Evidence { domain, ..Evidence::default() };
        let refusal = |code: &str| Refusal {
            enhanced_code: code.to_owned(),
            count: 3,
            sample: "unauthenticated".to_owned(),
        };
        let kept = |receiver, name: &str, code: &str| {
            let rules = judge(receiver, &evidence, Traffic::default(), &[refusal(code)]);
            rules.into_iter().find(|rule| rule.name == name).unwrap().kept
        };
        assert_eq!(kept(Receiver::Gmail, "SPF", "5.7.27"), Kept::Fail);
        assert_eq!(kept(Receiver::Gmail, "SPF", "5.1.1"), Kept::Pass);
        assert_eq!(kept(Receiver::Gmail, "TLS", "4.7.29"), Kept::Fail);
        assert_eq!(kept(Receiver::Microsoft, "Alignment", "5.7.515"), Kept::Fail);
        assert_eq!(kept(Receiver::Yahoo, "SPF", "5.7.27"), Kept::Pass, "Yahoo's codes mean other things");
    }

    #[test]
    fn an_address_that_spf_refuses_fails_a_good_record() {
        let senders = [("192.0.2.1", PostureState::Pass), ("192.0.2.2", PostureState::Fail)];
        let mut domain = vec![seen(PostureCheck::Spf, "", PostureState::Pass)];
        domain.extend(senders.map(|(ip, state)| seen(PostureCheck::SpfSender, ip, state)));
        let rules =
            judge(Receiver::Gmail, &Evidence { domain, ..Evidence::default() }, Traffic::default(), &[]);
        assert_eq!(rules[0].kept, Kept::Fail);
        assert!(rules[0].evidence.contains("1 of 2 sending addresses: 192.0.2.2"), "{rules:?}");
    }

    #[test]
    fn what_a_log_leaves_out_is_no_plain_text() {
        let traffic = |lately, encrypted| Traffic { lately, encrypted, ..Traffic::default() };
        for (traffic, kept) in [
            (traffic(0, 0), Kept::Unknown),
            (traffic(1_000, 0), Kept::Unknown),
            (traffic(1_000, 700), Kept::Unknown),
            (traffic(1_000, 985), Kept::Pass),
        ] {
            check(Receiver::Gmail, &Evidence::default(), traffic, "TLS", kept);
        }
    }

    #[test]
    fn unsubscribes_are_judged_by_clicks_and_by_the_list() {
        let honour = |max_s| Evidence {
            one_clicks: vec![("news".to_owned(), 3)],
            honour: Honour { unsubscribes: 10, p95_s: 5, max_s },
            ..Evidence::default()
        };
        check(Receiver::Apple, &honour(6), Traffic::default(), "One-click unsubscribe", Kept::Pass);
        check(Receiver::Yahoo, &honour(172_800), Traffic::default(), "Unsubscribes honoured", Kept::Pass);
        check(Receiver::Gmail, &honour(172_801), Traffic::default(), "Unsubscribes honoured", Kept::Fail);
    }
}
