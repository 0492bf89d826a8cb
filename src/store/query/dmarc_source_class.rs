//! What kind of source a sender of mail is, judged by what receivers say of its mail.

use crate::store::query::DmarcSourceRow;
use serde::{Deserialize, Serialize};

/// A class of source. The classes are those that DMARC services tell apart; the limits are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceClass {
    /// Most of its mail is aligned: it sends with our leave.
    Authorised,
    /// A known sender, or one whose mail passes for its own domain, and not for ours: ours, but not set up yet; or
    /// somebody's copy.
    Unaligned,
    /// Passes on mail that we sent.
    Forwarder,
    /// Neither aligned nor known.
    Unknown,
    /// Nothing authenticates, and the address has no host name.
    SuspectedAbuse,
}

/// An unannounced forwarder has at most this part of a domain's mail. A sender with more whose SPF fails is one of ours
/// that stands not in the SPF record.
const FORWARDER_SHARE_MAX: f64 = 0.02;

impl SourceClass {
    pub const ALL: [Self; 5] =
        [Self::Authorised, Self::Unaligned, Self::Forwarder, Self::Unknown, Self::SuspectedAbuse];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorised => "authorised",
            Self::Unaligned => "unaligned",
            Self::Forwarder => "forwarder",
            Self::Unknown => "unknown",
            Self::SuspectedAbuse => "suspected_abuse",
        }
    }
}

impl DmarcSourceRow {
    /// Judges the source; `domain_messages` is all mail of its policy domain in the range.
    pub fn class(&self, domain_messages: u64) -> SourceClass {
        let is_most = |part: u64| part > 0 && part >= self.counts.messages.div_ceil(2);
        let is_small = ratio(self.counts.messages, domain_messages) <= FORWARDER_SHARE_MAX;
        if matches!(self.kind.as_str(), "forwarder" | "list")
            || is_most(self.forwarded)
            || (is_small && is_most(self.spf_broken))
        {
            SourceClass::Forwarder
        } else if is_most(self.counts.aligned) {
            SourceClass::Authorised
        } else if !self.name.is_empty() || is_most(self.passed_elsewhere) {
            SourceClass::Unaligned
        } else if self.counts.aligned == 0
            && self.passed_elsewhere == 0
            && self.looked_up == self.ips
            && self.hosts == 0
        {
            SourceClass::SuspectedAbuse
        } else {
            SourceClass::Unknown
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "compared with a limit of two digits")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::query::DmarcCounts;

    fn row(messages: u64, aligned: u64) -> DmarcSourceRow {
        let counts = DmarcCounts { messages, aligned, dkim_aligned: aligned, ..DmarcCounts::default() };
        DmarcSourceRow { ips: 1, counts, ..DmarcSourceRow::default() }
    }

    #[test]
    fn mail_that_is_mostly_aligned_is_authorised() {
        assert_eq!(row(100, 95).class(1_000), SourceClass::Authorised);
        assert_eq!(row(100, 20).class(1_000), SourceClass::Unknown);
    }

    #[test]
    fn a_large_sender_outside_the_spf_record_is_no_forwarder() {
        let broken = |messages| DmarcSourceRow { spf_broken: messages, ..row(messages, messages) };
        assert_eq!(broken(5).class(1_000), SourceClass::Forwarder);
        assert_eq!(broken(500).class(1_000), SourceClass::Authorised);
    }

    #[test]
    fn what_receivers_or_rules_call_forwarded_is() {
        let said = DmarcSourceRow { forwarded: 300, ..row(500, 0) };
        assert_eq!(said.class(1_000), SourceClass::Forwarder);
        let known = DmarcSourceRow { kind: "forwarder".to_owned(), ..row(500, 0) };
        assert_eq!(known.class(1_000), SourceClass::Forwarder);
    }

    #[test]
    fn a_known_service_that_signs_for_itself_is_unaligned() {
        let known = DmarcSourceRow { name: "Mailer".to_owned(), ..row(50, 0) };
        assert_eq!(known.class(1_000), SourceClass::Unaligned);
        let passing = DmarcSourceRow { passed_elsewhere: 50, ..row(50, 0) };
        assert_eq!(passing.class(1_000), SourceClass::Unaligned);
    }

    #[test]
    fn abuse_is_suspected_only_of_addresses_that_were_looked_up() {
        assert_eq!(row(50, 0).class(1_000), SourceClass::Unknown);
        let nameless = DmarcSourceRow { looked_up: 1, ..row(50, 0) };
        assert_eq!(nameless.class(1_000), SourceClass::SuspectedAbuse);
        let named = DmarcSourceRow { looked_up: 1, hosts: 1, ..row(50, 0) };
        assert_eq!(named.class(1_000), SourceClass::Unknown);
    }

    #[test]
    fn an_empty_source_divides_by_nothing() {
        assert_eq!(row(0, 0).class(0), SourceClass::Unknown);
    }

    #[test]
    fn classes_are_named_as_they_are_serialized() {
        for class in SourceClass::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
    }
}
