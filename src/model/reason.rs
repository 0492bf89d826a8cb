//! Why a message was not delivered: 34 reasons, rolled up to 12 groups.
//!
//! Source: the reason names are Sisimai's (version 5.6, libsisimai.org/en/reason), the only taxonomy with public
//! labelled data; the groups are ours. `delivered`, `feedback`, `vacation` and `suppressed` are no failures.

use crate::model::named::named;

named! {
    /// The fine reason.
    BounceReason {
        AuthFailure = "authfailure", BadReputation = "badreputation", Blocked = "blocked",
        ContentError = "contenterror", Delivered = "delivered", EmailTooLarge = "emailtoolarge",
        Expired = "expired", FailedStartTls = "failedstarttls", Feedback = "feedback", Filtered = "filtered",
        HasMoved = "hasmoved", HostUnknown = "hostunknown", MailboxFull = "mailboxfull",
        MailerError = "mailererror", NetworkError = "networkerror", NoRelaying = "norelaying",
        NotAccept = "notaccept", NotCompliantRfc = "notcompliantrfc", OnHold = "onhold",
        PolicyViolation = "policyviolation", RateLimited = "ratelimited", Rejected = "rejected",
        RequirePtr = "requireptr", SecurityError = "securityerror", SpamDetected = "spamdetected",
        Suppressed = "suppressed", Suspend = "suspend", SyntaxError = "syntaxerror",
        SystemError = "systemerror", SystemFull = "systemfull", Undefined = "undefined",
        UserUnknown = "userunknown", Vacation = "vacation", VirusDetected = "virusdetected",
    }
}

named! {
    /// The coarse reason, what a person reads first.
    BounceGroup {
        Recipient = "recipient", Inactive = "inactive", Domain = "domain", Quota = "quota",
        Content = "content", Block = "block", Rate = "rate", Policy = "policy", Auth = "auth",
        Transient = "transient", Protocol = "protocol", Unknown = "unknown",
    }
}

impl BounceReason {
    /// The group of the reason; `Unknown` for the four that are no failures.
    pub const fn group(self) -> BounceGroup {
        match self {
            Self::UserUnknown | Self::Filtered => BounceGroup::Recipient,
            Self::HasMoved | Self::Suspend => BounceGroup::Inactive,
            Self::HostUnknown | Self::NotAccept => BounceGroup::Domain,
            Self::MailboxFull | Self::SystemFull | Self::EmailTooLarge => BounceGroup::Quota,
            Self::SpamDetected | Self::VirusDetected | Self::ContentError => BounceGroup::Content,
            Self::Blocked | Self::BadReputation | Self::RequirePtr => BounceGroup::Block,
            Self::RateLimited => BounceGroup::Rate,
            Self::PolicyViolation
            | Self::Rejected
            | Self::NoRelaying
            | Self::SecurityError
            | Self::NotCompliantRfc => BounceGroup::Policy,
            Self::AuthFailure => BounceGroup::Auth,
            Self::NetworkError
            | Self::Expired
            | Self::SystemError
            | Self::MailerError
            | Self::FailedStartTls => BounceGroup::Transient,
            Self::SyntaxError => BounceGroup::Protocol,
            Self::OnHold
            | Self::Undefined
            | Self::Delivered
            | Self::Feedback
            | Self::Vacation
            | Self::Suppressed => BounceGroup::Unknown,
        }
    }
}
