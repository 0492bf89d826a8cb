//! The figures themselves: definitions, formulas, published limits.

use crate::web::dictionary::{Level, Limit, Metric, Ratio};

const SES: &str = "Amazon SES developer guide, bounce and complaint rates of the sending review";
const GMAIL: &str = "Gmail sender guidelines, support.google.com/mail/answer/81126";

pub(crate) static VOLUME: Metric = Metric {
    key: "sent",
    name: "Sent",
    short: "Sent",
    unit: "messages",
    definition: "Messages, one for each recipient, whose way has ended in the range: delivered, bounced or expired. \
                 Notices that the relay wrote itself are left out.",
    formula: "delivered + hard + soft + block + other + expired",
    decimals: 0,
    higher_is_better: true,
    limits: &[],
    search: &[],
    ratio: None,
};

pub(crate) static DELIVERY: Metric = Metric {
    key: "delivered",
    name: "Delivery rate",
    short: "Delivered",
    unit: "%",
    definition: "Share of sent messages that the receiver's server took. It does not tell the inbox from the spam \
                 folder: no SMTP reply does.",
    formula: "delivered ÷ sent",
    decimals: 2,
    higher_is_better: true,
    limits: &[
        Limit {
            value: 0.98,
            level: Level::Advised,
            source: "common practice of sending services (mailingapi)",
        },
        Limit {
            value: 0.95,
            level: Level::Review,
            source: "common practice of sending services (mailingapi)",
        },
    ],
    search: &[("type", "delivered")],
    ratio: Some(|outcomes| Ratio { part: outcomes.delivered, whole: outcomes.sent() }),
};

pub(crate) static HARD: Metric = Metric {
    key: "hard",
    name: "Hard bounce rate",
    short: "Hard",
    unit: "%",
    definition: "Share of sent messages that failed for good because the address or its domain does not exist. \
                 Speaks of the list.",
    formula: "hard bounces ÷ sent",
    decimals: 2,
    higher_is_better: false,
    limits: &[
        Limit { value: 0.02, level: Level::Advised, source: SES },
        Limit { value: 0.05, level: Level::Review, source: SES },
    ],
    search: &[("type", "bounced"), ("bounce_type", "hard")],
    ratio: Some(|outcomes| Ratio { part: outcomes.hard, whole: outcomes.sent() }),
};

pub(crate) static SOFT: Metric = Metric {
    key: "soft",
    name: "Soft bounce rate",
    short: "Soft",
    unit: "%",
    definition: "Share of sent messages that failed for good, but may work another time: mailbox full, message too \
                 large, receiver broken. Retries still running are deferrals, not soft bounces.",
    formula: "soft bounces ÷ sent",
    decimals: 2,
    higher_is_better: false,
    limits: &[],
    search: &[("type", "bounced"), ("bounce_type", "soft")],
    ratio: Some(|outcomes| Ratio { part: outcomes.soft, whole: outcomes.sent() }),
};

pub(crate) static BLOCK: Metric = Metric {
    key: "block",
    name: "Block rate",
    short: "Block",
    unit: "%",
    definition: "Share of sent messages that the receiver refused because of the sender: reputation, policy, content \
                 or authentication. The recipient may well exist.",
    formula: "blocks ÷ sent",
    decimals: 2,
    higher_is_better: false,
    limits: &[Limit { value: 0.10, level: Level::Review, source: "SparkPost, alert on block bounce rate" }],
    search: &[("type", "bounced"), ("bounce_type", "block")],
    ratio: Some(|outcomes| Ratio { part: outcomes.block, whole: outcomes.sent() }),
};

pub(crate) static EXPIRED: Metric = Metric {
    key: "expired",
    name: "Expiry rate",
    short: "Expired",
    unit: "%",
    definition: "Share of sent messages that the relay gave up on because its retries ran out.",
    formula: "expired ÷ sent",
    decimals: 2,
    higher_is_better: false,
    limits: &[],
    search: &[("type", "expired")],
    ratio: Some(|outcomes| Ratio { part: outcomes.expired, whole: outcomes.sent() }),
};

pub(crate) static DEFERRAL: Metric = Metric {
    key: "deferred",
    name: "Deferral rate",
    short: "Deferred",
    unit: "%",
    definition: "Share of delivery attempts that the receiver put off with a temporary reply (4xx), or that found no \
                 server. One message counts once for every attempt. The first sign of throttling.",
    formula: "deferred attempts ÷ (deferred attempts + delivered + hard + soft + block + other)",
    decimals: 2,
    higher_is_better: false,
    limits: &[
        Limit {
            value: 0.15,
            level: Level::Advised,
            source: "LimeSpot, deferrals by provider; PowerMTA operators warn there too",
        },
        Limit {
            value: 0.30,
            level: Level::Review,
            source: "PowerMTA operators' practice, critical after 30 minutes",
        },
    ],
    search: &[("type", "deferred")],
    ratio: Some(|outcomes| Ratio {
        part: outcomes.deferred,
        // an expiry is the end of waiting, not an attempt
        whole: outcomes.deferred + outcomes.sent() - outcomes.expired,
    }),
};

pub(crate) static COMPLAINT: Metric = Metric {
    key: "complaint",
    name: "Complaint rate",
    short: "Complaints",
    unit: "%",
    definition: "Spam complaints that feedback loops reported, as a share of delivered messages. Gmail and Apple run no \
                 such loop, so their recipients' complaints are not in it.",
    formula: "complaints ÷ delivered",
    decimals: 3,
    higher_is_better: false,
    limits: &[
        Limit { value: 0.001, level: Level::Advised, source: GMAIL },
        Limit {
            value: 0.003,
            level: Level::Review,
            source: "Gmail sender guidelines; Yahoo Sender Hub, best practices",
        },
    ],
    search: &[("type", "complained")],
    ratio: Some(|outcomes| Ratio { part: outcomes.complained, whole: outcomes.delivered }),
};

pub(crate) static COVERED_COMPLAINT: Metric = Metric {
    key: "covered_complaint",
    name: "Complaint rate where a loop reports",
    short: "Where a loop reports",
    unit: "%",
    definition: "Spam complaints as a share of the messages delivered at providers that run a feedback loop. The other \
                 rate is lower by as much as goes to providers that never report.",
    formula: "complaints ÷ delivered, at providers with a feedback loop",
    decimals: 3,
    higher_is_better: false,
    limits: COMPLAINT.limits,
    search: &[("type", "complained")],
    ratio: COMPLAINT.ratio,
};

pub(crate) static RECOVERY: Metric = Metric {
    key: "recovered",
    name: "Recovery rate",
    short: "Recovered",
    unit: "%",
    definition: "Share of the messages deferred in the range that a later attempt has delivered.",
    formula: "recovered ÷ messages deferred at least once",
    decimals: 1,
    higher_is_better: true,
    limits: &[],
    search: &[("type", "delivered")],
    ratio: None,
};

pub(crate) static LATENCY_P50: Metric = Metric {
    key: "p50",
    name: "Latency p50",
    short: "p50",
    unit: "time",
    definition: "Half of the delivered messages took at most this long from the relay's taking them in to the \
                 receiver's taking them over.",
    formula: "median of (delivered − injected), from a histogram whose buckets are 19 % wide",
    decimals: 1,
    higher_is_better: false,
    limits: &[],
    search: &[("type", "delivered")],
    ratio: None,
};

pub(crate) static LATENCY_P95: Metric = Metric {
    key: "p95",
    name: "Latency p95",
    short: "p95",
    unit: "time",
    definition: "95 of 100 delivered messages took at most this long, retries included.",
    formula: "95th percentile of (delivered − injected), from a histogram whose buckets are 19 % wide",
    decimals: 1,
    higher_is_better: false,
    limits: &[Limit {
        value: 10_000.0,
        level: Level::Advised,
        source: "common practice for transactional mail (mailingapi)",
    }],
    search: &[("type", "delivered")],
    ratio: None,
};

/// All of them, in the order of the help page.
pub(crate) static METRICS: [&Metric; 12] = [
    &VOLUME,
    &DELIVERY,
    &HARD,
    &BLOCK,
    &SOFT,
    &EXPIRED,
    &DEFERRAL,
    &RECOVERY,
    &COMPLAINT,
    &COVERED_COMPLAINT,
    &LATENCY_P50,
    &LATENCY_P95,
];
