//! The rules, one by one.

use crate::model::{PostureCheck, PostureState};
use crate::reputation::compliance::{Evidence, Honour, Kept, Receiver, Rule, Seen, Traffic};

/// From this share of aligned mail on, alignment counts as done: forwarders break the rest.
const ALIGNED_PPM_NEEDED: u64 = 980_000;

/// From this share of deliveries with a session on, TLS counts as done: of a few, a log tells it once for several.
const ENCRYPTED_PPM_NEEDED: u64 = 980_000;

/// Messages under which a share says nothing.
const MESSAGES_NEEDED: u64 = 200;

/// Complaints that Gmail and Yahoo go along with, in millionths of the mail.
const COMPLAINTS_PPM_MAX: u64 = 3_000;

/// Gmail asks for 48 hours, Yahoo for two days.
const HONOURED_S_MAX: u64 = 48 * 3_600;

fn unseen(name: &'static str, asks: &'static str, evidence: &str) -> Rule {
    Rule { name, asks, kept: Kept::Unknown, evidence: evidence.to_owned() }
}

pub(super) fn spam_rate() -> Rule {
    unseen(
        "Spam rate",
        "below 0.1 %, never 0.3 % or more",
        "Gmail reports no single complaint: Postmaster Tools shows the rate",
    )
}

/// That a delivery shows no session proves nothing: a log may leave it out, or tell it once for a connection that is used
/// again. So this fails by the receiver's word alone.
pub(super) fn tls(traffic: Traffic) -> Rule {
    let (name, asks) = ("TLS", "mail is sent encrypted");
    if traffic.lately == 0 {
        return unseen(name, asks, "nothing was delivered there in the last day");
    }
    let told = format!(
        "{} of {} deliveries of the last day show a TLS session ({})",
        traffic.encrypted,
        traffic.lately,
        percent(traffic.encrypted * 1_000_000 / traffic.lately)
    );
    if traffic.encrypted == 0 {
        let change = "the relay's events tell nothing of TLS: Postfix does with `smtp_tls_loglevel = 1`";
        return unseen(name, asks, change);
    }
    if traffic.encrypted * 1_000_000 / traffic.lately < ENCRYPTED_PPM_NEEDED {
        return unseen(name, asks, &format!("{told}; of the others the relay's events tell nothing"));
    }
    Rule { name, asks, kept: Kept::Pass, evidence: told }
}

pub(super) fn one_click(evidence: &Evidence) -> Rule {
    let name = "One-click unsubscribe";
    let asks = "List-Unsubscribe and List-Unsubscribe-Post in marketing mail (RFC 8058)";
    let Some((stream, clicks)) = evidence.one_clicks.iter().max_by_key(|(_, clicks)| *clicks) else {
        let told = "no recipient of this domain's streams left by one click, and headers of sent mail are not seen \
                    here: look at one of your messages, or have `relaylens unsubscribe-link` make the headers";
        return unseen(name, asks, told);
    };
    let who = if *clicks == 1 { "recipient" } else { "recipients" };
    let told = format!("{clicks} {who} of the stream {stream} left by one click: the headers work there");
    Rule { name, asks, kept: Kept::Pass, evidence: told }
}

pub(super) fn honour(honour: Honour) -> Rule {
    let (name, asks) = ("Unsubscribes honoured", "within 48 hours");
    if honour.unsubscribes == 0 {
        return unseen(
            name,
            asks,
            "nobody unsubscribed in this range, or the suppression list is kept elsewhere",
        );
    }
    let kept = if honour.max_s <= HONOURED_S_MAX { Kept::Pass } else { Kept::Fail };
    let evidence = format!(
        "unsubscribes of all domains ({}): 95 % were on the suppression list within {} s, the slowest after {} s",
        honour.unsubscribes, honour.p95_s, honour.max_s
    );
    Rule { name, asks, kept, evidence }
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

pub(super) fn spf(evidence: &Evidence) -> Rule {
    let (name, asks) = ("SPF", "the return path has a valid SPF record that each sending address passes");
    let Some(record) = of_check(evidence, PostureCheck::Spf) else { return unseen(name, asks, NOT_LOOKED) };
    let cost = of_check(evidence, PostureCheck::SpfLookups).filter(|cost| cost.state == PostureState::Fail);
    let judged = cost.unwrap_or(record);
    let senders = evidence.domain.iter().filter(|seen| seen.check == PostureCheck::SpfSender);
    let refused: Vec<&Seen> = senders.clone().filter(|seen| seen.state == PostureState::Fail).collect();
    let (kept, told) = match (kept(judged.state), refused.first()) {
        (Kept::Pass, Some(first)) => {
            let told = format!(
                "{} of {} sending addresses: {} {}",
                refused.len(),
                senders.count(),
                first.about,
                first.told
            );
            (Kept::Fail, told)
        }
        (kept, _) => (kept, judged.told.clone()),
    };
    Rule { name, asks, kept, evidence: told }
}

const NOT_LOOKED: &str = "the DNS of this domain was not looked at yet";

pub(super) fn dkim(evidence: &Evidence, receiver: Receiver) -> Rule {
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

pub(super) fn dmarc(evidence: &Evidence) -> Rule {
    let (name, asks) = ("DMARC", "a DMARC record with p=none or stricter");
    let Some(record) = of_check(evidence, PostureCheck::Dmarc) else { return unseen(name, asks, NOT_LOOKED) };
    let evidence = if record.value.is_empty() { record.told.clone() } else { record.value.clone() };
    Rule { name, asks, kept: kept(record.state), evidence }
}

pub(super) fn alignment(evidence: &Evidence) -> Rule {
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

pub(super) fn names(evidence: &Evidence) -> Rule {
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
pub(super) fn complaints(traffic: Traffic) -> Rule {
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
