//! Which mailbox providers tell senders of complaints, and how.
//!
//! Source: senders.yahooinc.com/complaint-feedback-loop; Microsoft's Smart Network Data Services (JMRP); Validity Universal
//! Feedback Loop, participating providers; support.google.com/mail/answer/6254652 (Gmail: rates alone).

/// How complaints of a provider's users come to a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FeedbackLoop {
    /// One report for each complaint, to whoever enrolled here.
    Reports(&'static str),
    /// The provider tells nobody of single complaints.
    Never(&'static str),
    /// We know of none.
    Unknown,
}

const YAHOO: FeedbackLoop = FeedbackLoop::Reports("Complaint Feedback Loop, by DKIM domain");
const JMRP: FeedbackLoop = FeedbackLoop::Reports("JMRP, by IP, in Microsoft's SNDS");
const VALIDITY: FeedbackLoop = FeedbackLoop::Reports("Validity Universal Feedback Loop");
const OWN: FeedbackLoop = FeedbackLoop::Reports("the provider's own loop");

/// Provider, loop. By the names of the provider table.
const LOOPS: [(&str, FeedbackLoop); 20] = [
    ("yahoo", YAHOO),
    ("microsoft_consumer", JMRP),
    ("google", FeedbackLoop::Never("Postmaster Tools show a rate alone")),
    ("apple", FeedbackLoop::Never("iCloud runs no loop")),
    ("microsoft_365", FeedbackLoop::Never("reports stay with the tenant's administrator")),
    ("comcast", VALIDITY),
    ("cox", VALIDITY),
    ("fastmail", VALIDITY),
    ("gandi", VALIDITY),
    ("libero", VALIDITY),
    ("virgilio", VALIDITY),
    ("rackspace", VALIDITY),
    ("bigpond", VALIDITY),
    ("virgin_media", VALIDITY),
    ("telenet", VALIDITY),
    ("ziggo", VALIDITY),
    ("yandex", VALIDITY),
    ("mailru", OWN),
    ("seznam", OWN),
    ("zoho", OWN),
];

pub(crate) fn feedback_loop(provider: &str) -> FeedbackLoop {
    LOOPS.iter().find(|(name, _)| *name == provider).map_or(FeedbackLoop::Unknown, |(_, found)| *found)
}

/// The providers that send reports.
pub(crate) fn reporting_providers() -> impl Iterator<Item = &'static str> {
    LOOPS.iter().filter(|(_, found)| matches!(found, FeedbackLoop::Reports(_))).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gmail_never_reports_and_an_unlisted_provider_is_unknown() {
        assert!(matches!(feedback_loop("google"), FeedbackLoop::Never(_)));
        assert_eq!(feedback_loop("example"), FeedbackLoop::Unknown);
        assert!(reporting_providers().all(|name| name != "google") && reporting_providers().count() == 17);
    }
}
