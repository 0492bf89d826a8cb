//! What alerts speak of: metrics, severities, states.

use crate::model::named::named;

named! {
    /// What a rule watches.
    Metric {
        HardBounce = "hard_bounce",
        Block = "block",
        Deferral = "deferral",
        /// Complaints over all delivered mail.
        Complaint = "complaint",
        /// Complaints over mail delivered at providers from which complaints come.
        ComplaintLoops = "complaint_loops",
        Delivery = "delivery",
        /// Seconds from injection to delivery that 95 of 100 messages do not exceed.
        LatencyP95 = "latency_p95",
        /// Messages tried for the first time: retries of deferred mail do not swell it, and a receiver that defers all does
        /// not lower it.
        Volume = "volume",
        /// Replies of a kind that was not seen before.
        NewResponse = "new_response",
        /// Share of mail in DMARC reports that passes.
        DmarcPass = "dmarc_pass",
        /// Messages of a sender that a domain had not before, by DMARC reports.
        NewDmarcSource = "new_dmarc_source",
        TlsFailure = "tls_failure",
        /// Seconds since a source was heard of.
        SourceSilence = "source_silence",
        /// Age in seconds of the oldest item that is not stored.
        IngestLag = "ingest_lag",
        /// Share of items that could not be read.
        RejectRate = "reject_rate",
        /// Share of all mail that goes out by what a blocklist of the first tier lists. A listing is believed when it was
        /// seen twice, and until it is seen twice that it is gone: a list that says nothing ends none. What was listed at
        /// its first check is no news.
        Listing = "listing",
        /// How bad a record in the DNS is since it changed: 3 broken, 2 doubtful, 1 another than before.
        DnsChange = "dns_change",
        /// Addresses that came onto the suppression list, imports left out.
        SuppressionGrowth = "suppression_growth",
        /// Messages that wait to be tried again, as far as events of the rule's window tell.
        QueueDepth = "queue_depth",
        /// Age in seconds of the oldest of them, one in twenty left out: some mailboxes are always full for days.
        OldestMessage = "oldest_message",
        /// Messages from an address that has sent as much for less than 14 of the 30 windows before, and has no warm-up
        /// plan.
        ColdVolume = "cold_volume",
    }

    /// How urgent an incident is, least first.
    Severity { Info = "info", Warning = "warning", Critical = "critical" }

    /// Where an incident stands.
    IncidentState {
        /// The condition holds, but not for long enough yet.
        Pending = "pending",
        Firing = "firing",
        Resolved = "resolved",
        /// It was pending, and cleared before it fired.
        Dropped = "dropped",
    }

    /// What happened to an incident.
    IncidentStep {
        Pending = "pending",
        Firing = "firing",
        /// Firing again soon after it was resolved.
        Reopened = "reopened",
        /// A silence or an inhibition ended while it fires: told now.
        Unmuted = "unmuted",
        Reminder = "reminder",
        Acknowledged = "acknowledged",
        Resolved = "resolved",
        Dropped = "dropped",
    }

    /// How an attempt to tell somebody ended.
    DeliveryState {
        Sent = "sent",
        /// It will be tried again.
        Failed = "failed",
        /// It was tried for too long.
        GivenUp = "given_up",
        /// A newer message about the incident went out instead.
        Superseded = "superseded",
    }
}

impl Metric {
    /// Whether it is the state of something and no count of mail: it is as it is, however much mail there was.
    pub const fn is_state(self) -> bool {
        matches!(self, Self::Listing | Self::DnsChange)
    }

    /// What the figure is, for judging and for showing it.
    pub const fn measure(self) -> Measure {
        match self {
            Self::HardBounce
            | Self::Block
            | Self::Deferral
            | Self::Complaint
            | Self::ComplaintLoops
            | Self::Delivery
            | Self::DmarcPass
            | Self::TlsFailure
            | Self::RejectRate
            | Self::Listing => Measure::Share,
            Self::Volume
            | Self::NewResponse
            | Self::NewDmarcSource
            | Self::SuppressionGrowth
            | Self::QueueDepth
            | Self::ColdVolume => Measure::Count,
            Self::LatencyP95 | Self::SourceSilence | Self::IngestLag | Self::OldestMessage => {
                Measure::Seconds
            }
            Self::DnsChange => Measure::Grade,
        }
    }

    /// The metric in words, as a message says it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::HardBounce => "hard bounce rate",
            Self::Block => "block rate",
            Self::Deferral => "deferral rate",
            Self::Complaint => "complaint rate",
            Self::ComplaintLoops => "complaint rate at providers with a feedback loop",
            Self::Delivery => "delivery rate",
            Self::LatencyP95 => "time to delivery, 95th percentile",
            Self::Volume => "messages",
            Self::NewResponse => "replies of a new kind",
            Self::DmarcPass => "DMARC pass rate",
            Self::NewDmarcSource => "messages from a new source",
            Self::TlsFailure => "TLS failure rate",
            Self::SourceSilence => "silence of a source",
            Self::IngestLag => "age of the oldest item not stored",
            Self::RejectRate => "share of unreadable items",
            Self::Listing => "share of mail by what is listed",
            Self::DnsChange => "record in the DNS",
            Self::SuppressionGrowth => "new suppressions",
            Self::QueueDepth => "messages waiting to be tried again",
            Self::OldestMessage => "age of the oldest waiting messages",
            Self::ColdVolume => "messages of an address without a past",
        }
    }
}

/// What kind of figure a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// A part of a whole, such as bounces of sent messages: small wholes say little.
    Share,
    /// How many, which is never steadier than chance lets it be.
    Count,
    /// A time.
    Seconds,
    /// A state, as a number that rises with how bad it is.
    Grade,
}
