//! What the large receivers ask of a sender, rule by rule, and whether a domain does it. Pure.
//!
//! Source: Gmail, support.google.com 81126 and 14229414 (copies of 2026); Yahoo, senders.yahooinc.com/best-practices;
//! Microsoft, techcommunity.microsoft.com, "Outlook's new requirements for high-volume senders", in force since 5 May 2025;
//! Apple, support.apple.com 102322, "Postmaster information for iCloud Mail".
//! What only the receiver can see is unknown, and says where to look: an answer that is guessed helps nobody.

use crate::model::{PostureCheck, PostureState};

/// From this share of aligned mail on, alignment counts as done: forwarders break the rest.
const ALIGNED_PPM_NEEDED: u64 = 980_000;

/// Messages under which a share says nothing.
const MESSAGES_NEEDED: u64 = 200;

/// Complaints that Gmail and Yahoo go along with, in millionths of the mail.
const COMPLAINTS_PPM_MAX: u64 = 3_000;

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

/// Judges the rules of a receiver.
pub fn judge(receiver: Receiver, evidence: &Evidence, traffic: Traffic) -> Vec<Rule> {
    let mut rules =
        vec![spf(evidence), dkim(evidence, receiver), dmarc(evidence), alignment(evidence), names(evidence)];
    match receiver {
        Receiver::Gmail => {
            rules.push(unseen(
                "Spam rate",
                "below 0.1 %, never 0.3 % or more",
                "Gmail reports no single complaint: look at Postmaster Tools",
            ));
            rules.extend([tls(), unsubscribe()]);
        }
        Receiver::Yahoo => rules.extend([complaints(traffic), unsubscribe()]),
        Receiver::Microsoft => rules.push(complaints(traffic)),
        Receiver::Apple => rules.push(unsubscribe()),
    }
    rules
}

/// Whether the rules for bulk senders hold here, by the busiest day.
pub fn is_bulk(traffic: Traffic) -> bool {
    traffic.busiest_day >= BULK_PER_DAY
}

fn unseen(name: &'static str, asks: &'static str, evidence: &str) -> Rule {
    Rule { name, asks, kept: Kept::Unknown, evidence: evidence.to_owned() }
}

fn tls() -> Rule {
    unseen(
        "TLS",
        "mail is sent encrypted",
        "the share of encrypted deliveries is not counted; a message's trace shows its own",
    )
}

fn unsubscribe() -> Rule {
    unseen(
        "One-click unsubscribe",
        "List-Unsubscribe and List-Unsubscribe-Post in marketing mail (RFC 8058)",
        "headers of sent mail are not seen here: look at one of your messages",
    )
}

/// A check stands when no fault makes receivers pass over it: advice is no fault.
const fn kept(state: PostureState) -> Kept {
    match state {
        PostureState::Pass | PostureState::Warn => Kept::Pass,
        PostureState::Fail => Kept::Fail,
        PostureState::Info | PostureState::Unknown => Kept::Unknown,
    }
}

fn of_check(evidence: &Evidence, check: PostureCheck) -> Option<&Seen> {
    evidence.domain.iter().find(|seen| seen.check == check)
}

fn spf(evidence: &Evidence) -> Rule {
    let (name, asks) = ("SPF", "the domain of the return path has a valid SPF record");
    let Some(record) = of_check(evidence, PostureCheck::Spf) else { return unseen(name, asks, NOT_LOOKED) };
    let cost = of_check(evidence, PostureCheck::SpfLookups).filter(|cost| cost.state == PostureState::Fail);
    let judged = cost.unwrap_or(record);
    Rule { name, asks, kept: kept(judged.state), evidence: judged.told.clone() }
}

const NOT_LOOKED: &str = "the DNS of this domain was not looked at yet";

fn dkim(evidence: &Evidence, receiver: Receiver) -> Rule {
    let name = "DKIM";
    let asks = match receiver {
        Receiver::Gmail | Receiver::Yahoo => "mail is signed with a key of 1024 bits or more",
        Receiver::Microsoft | Receiver::Apple => "mail is signed",
    };
    let keys: Vec<&Seen> = evidence.domain.iter().filter(|seen| seen.check == PostureCheck::Dkim).collect();
    if keys.is_empty() {
        return unseen(name, asks, NOT_LOOKED);
    }
    let told = |seen: &Seen| {
        if seen.about.is_empty() { seen.told.clone() } else { format!("{}: {}", seen.about, seen.told) }
    };
    // One key that works is enough to sign with; a selector that was retired fails for good reason.
    for wanted in [Kept::Pass, Kept::Unknown, Kept::Fail] {
        if let Some(key) = keys.iter().find(|key| kept(key.state) == wanted) {
            return Rule { name, asks, kept: wanted, evidence: told(key) };
        }
    }
    unseen(name, asks, NOT_LOOKED)
}

fn dmarc(evidence: &Evidence) -> Rule {
    let (name, asks) = ("DMARC", "a DMARC record with p=none or stricter");
    let Some(record) = of_check(evidence, PostureCheck::Dmarc) else { return unseen(name, asks, NOT_LOOKED) };
    let evidence = if record.value.is_empty() { record.told.clone() } else { record.value.clone() };
    Rule { name, asks, kept: kept(record.state), evidence }
}

fn alignment(evidence: &Evidence) -> Rule {
    let (name, asks) = ("Alignment", "the domain in From is that of SPF or DKIM");
    if evidence.reported < MESSAGES_NEEDED {
        return unseen(
            name,
            asks,
            &format!(
                "DMARC reports tell of {} messages: fewer than {MESSAGES_NEEDED} say nothing",
                evidence.reported
            ),
        );
    }
    let ppm = evidence.aligned * 1_000_000 / evidence.reported;
    let kept = if ppm >= ALIGNED_PPM_NEEDED { Kept::Pass } else { Kept::Fail };
    Rule {
        name,
        asks,
        kept,
        evidence: format!(
            "{} of {} reported messages are aligned ({})",
            evidence.aligned,
            evidence.reported,
            percent(ppm)
        ),
    }
}

fn names(evidence: &Evidence) -> Rule {
    let (name, asks) =
        ("Names of addresses", "each sending address has a name that leads back to it (FCrDNS)");
    let bad: Vec<&Seen> = evidence.ips.iter().filter(|seen| kept(seen.state) == Kept::Fail).collect();
    let unsaid = evidence.ips.iter().filter(|seen| kept(seen.state) == Kept::Unknown).count();
    let (kept, told) = match (bad.first(), unsaid, evidence.ips.len()) {
        (Some(first), _, count) => {
            (Kept::Fail, format!("{} of {count} addresses: {} {}", bad.len(), first.subject, first.told))
        }
        (None, _, 0) => (Kept::Unknown, "no address is known that sends for this domain".to_owned()),
        (None, 0, count) => (Kept::Pass, format!("{count} addresses lead back")),
        (None, unsaid, count) => {
            (Kept::Unknown, format!("nobody could say for {unsaid} of {count} addresses"))
        }
    };
    Rule { name, asks, kept, evidence: told }
}

/// Receivers count complaints over what reached the inbox, which is less than what was delivered: the rate that they see
/// is higher than this one.
fn complaints(traffic: Traffic) -> Rule {
    let (name, asks) = ("Complaints", "below 0.3 % of the mail in the inbox");
    if traffic.delivered < MESSAGES_NEEDED {
        return unseen(
            name,
            asks,
            &format!(
                "{} messages were delivered: fewer than {MESSAGES_NEEDED} say nothing",
                traffic.delivered
            ),
        );
    }
    if traffic.complained == 0 {
        return unseen(
            name,
            asks,
            "no complaint came in: either nobody complained, or you are not enrolled in the feedback loop",
        );
    }
    let ppm = traffic.complained * 1_000_000 / traffic.delivered;
    let kept = if ppm < COMPLAINTS_PPM_MAX { Kept::Pass } else { Kept::Fail };
    Rule {
        name,
        asks,
        kept,
        evidence: format!(
            "{} of {} delivered messages brought a complaint ({})",
            traffic.complained,
            traffic.delivered,
            percent(ppm)
        ),
    }
}

/// Millionths as percent with two digits.
fn percent(ppm: u64) -> String {
    format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100)
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
        let rules = judge(receiver, evidence, traffic);
        let rule = rules.iter().find(|rule| rule.name == name).unwrap();
        assert_eq!(rule.kept, kept, "{rule:?}");
        assert!(!rule.evidence.is_empty());
    }

    #[test]
    fn without_evidence_every_rule_is_unknown() {
        for receiver in Receiver::ALL {
            let rules = judge(receiver, &Evidence::default(), Traffic::default());
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
        let traffic = |complained| Traffic { sent: 1_000, delivered: 1_000, complained, busiest_day: 0 };
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
}
