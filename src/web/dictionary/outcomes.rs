//! What a message can come to, and the colours and words for it.

use crate::model::BounceGroup;
use crate::store::query::Outcomes;
use crate::web::dictionary::metrics::{BLOCK, DELIVERY, EXPIRED, HARD, SOFT};

/// One end that a message can come to; together they make up `sent`.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Also the name of its colour.
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    pub(crate) of: fn(&Outcomes) -> u64,
    /// The search on `/messages` that finds them.
    pub(crate) search: &'static [(&'static str, &'static str)],
}

/// In the order in which charts stack them, from the ground up.
pub(crate) static OUTCOMES: [Outcome; 6] = [
    Outcome { key: DELIVERY.key, name: DELIVERY.short, of: |o| o.delivered, search: DELIVERY.search },
    Outcome { key: HARD.key, name: HARD.short, of: |o| o.hard, search: HARD.search },
    Outcome { key: BLOCK.key, name: BLOCK.short, of: |o| o.block, search: BLOCK.search },
    Outcome { key: SOFT.key, name: SOFT.short, of: |o| o.soft, search: SOFT.search },
    Outcome { key: EXPIRED.key, name: EXPIRED.short, of: |o| o.expired, search: EXPIRED.search },
    Outcome {
        key: "other",
        name: "Other",
        of: |o| o.other,
        search: &[("type", "bounced"), ("bounce_type", "undetermined"), ("bounce_type", "admin")],
    },
];

/// What a group of bounce reasons means, in a few words.
pub(crate) const fn group_meaning(group: BounceGroup) -> &'static str {
    match group {
        BounceGroup::Recipient => "the address does not exist or is filtered",
        BounceGroup::Inactive => "the address is suspended or has moved",
        BounceGroup::Domain => "the domain does not exist or takes no mail",
        BounceGroup::Quota => "mailbox or system full, message too large",
        BounceGroup::Content => "the message looks like spam or malware",
        BounceGroup::Block => "the sender's address or name has a bad reputation",
        BounceGroup::Rate => "too much mail in too short a time",
        BounceGroup::Policy => "a rule of the receiver forbids it",
        BounceGroup::Auth => "SPF, DKIM or DMARC failed",
        BounceGroup::Transient => "network or receiver out of order, retries over",
        BounceGroup::Protocol => "the SMTP conversation went wrong",
        BounceGroup::Unknown => "no rule knows the reply",
    }
}

/// The colour of an event: that of the outcome it stands for.
pub(crate) fn reply_key(event_type: &str, bounce_type: &str) -> &'static str {
    match (event_type, bounce_type) {
        ("delivered" | "delivered_local" | "delivered_notice", _) => "delivered",
        ("deferred" | "delayed_notice", _) => "deferred",
        ("expired", _) => "expired",
        ("complained", _) => "complaint",
        ("suppressed" | "dropped", _) => "suppressed",
        ("bounced", "hard") => "hard",
        ("bounced", "soft") => "soft",
        ("bounced", "block") => "block",
        _ => "other",
    }
}
