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
            | Self::RejectRate => Measure::Share,
            Self::Volume | Self::NewResponse | Self::NewDmarcSource => Measure::Count,
            Self::LatencyP95 | Self::SourceSilence | Self::IngestLag => Measure::Seconds,
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
}
