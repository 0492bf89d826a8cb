//! What a mailbox provider reports of one message: a complaint of its recipient, or that it failed authentication.
//!
//! Way: `parse::arf` reads it out of a mail, `pipeline` finds the sent message and decides whether the report is genuine.
//! Source: RFC 5965 (the format), RFC 6591 and RFC 9991 (authentication failures), RFC 6650 (opt-out types), IANA's
//! registry of MARF parameters; field names are theirs.
//! Not here: what a complaint leads to (`suppression`), sums over messages (`dmarc`).

use crate::model::{ReturnedMessage, Text, Timestamp};
use std::net::IpAddr;

macro_rules! feedback_types {
    ($($(#[$meta:meta])* $variant:ident = $name:literal;)+) => {
        /// What the report says of the message (`Feedback-Type`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub enum FeedbackType { $($(#[$meta])* $variant),+ }

        impl FeedbackType {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word in reports, columns and output.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Reads a word in any case.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.name().eq_ignore_ascii_case(name))
            }
        }
    };
}

feedback_types! {
    /// The recipient called it spam.
    Abuse = "abuse";
    /// Phishing, or fraud of another kind.
    Fraud = "fraud";
    /// Malware.
    Virus = "virus";
    /// A complaint of no registered kind; `feedback_word` has it. RFC 5965 section 3.1 has unknown types read so.
    #[default]
    Other = "other";
    /// The recipient took the message out of the spam folder.
    NotSpam = "not-spam";
    /// The recipient wants no more of it (obsolete, still sent).
    OptOut = "opt-out";
    /// The recipient wants no more of this list (obsolete, still sent).
    OptOutList = "opt-out-list";
    /// The message failed DKIM, SPF or DMARC: RFC 6591, RFC 9991. Says nothing of its recipient.
    AuthFailure = "auth-failure";
}

impl FeedbackType {
    /// Whether the recipient turned against the mail. `not-spam` says the opposite, `auth-failure` nothing: neither
    /// counts as a complaint, and neither may ever suppress.
    pub const fn is_complaint(self) -> bool {
        !matches!(self, Self::NotSpam | Self::AuthFailure)
    }
}

/// Which form a report came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ComplaintFormat {
    /// With a `message/feedback-report` part.
    #[default]
    Arf,
    /// Microsoft's Junk Mail Reporting Program until June 2026: the message alone, with a header field for its recipient.
    Jmrp,
    /// An authentication failure told in words, with the header of the message behind it.
    Prose,
}

impl ComplaintFormat {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arf => "arf",
            Self::Jmrp => "jmrp",
            Self::Prose => "prose",
        }
    }
}

/// How much of a recipient a report shows. The order is from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clarity {
    /// An address as it was sent to.
    Clear,
    /// The local part is a hash: to be found again only by hashing one's own list.
    Hashed,
    /// The local part was blacked out.
    Redacted,
}

impl Clarity {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Hashed => "hashed",
            Self::Redacted => "redacted",
        }
    }
}

/// Where a report names a recipient. The order is from most to least telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamedBy {
    /// `Original-Rcpt-To`: the envelope.
    OriginalRcptTo,
    /// `Removal-Recipient`: whom to take off the list.
    RemovalRecipient,
    /// `X-HmXmrOriginalRecipient` in the returned message, by Microsoft until June 2026.
    OriginalRecipientHeader,
    /// `To` of the returned message: it may name a list, or anyone.
    ReturnedTo,
}

impl NamedBy {
    pub const fn name(self) -> &'static str {
        match self {
            Self::OriginalRcptTo => "original_rcpt_to",
            Self::RemovalRecipient => "removal_recipient",
            Self::OriginalRecipientHeader => "original_recipient_header",
            Self::ReturnedTo => "returned_to",
        }
    }
}

/// A recipient as a report names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComplaintRecipient {
    /// As [`crate::model::normalize_address`] gives it.
    pub address: Text,
    pub named_by: NamedBy,
    pub clarity: Clarity,
}

/// A report on one message. Empty text and `None` mean that it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Complaint {
    pub format: ComplaintFormat,
    pub feedback_type: FeedbackType,
    /// The type in the report's own word, lower case.
    pub feedback_word: Text,
    /// The software that wrote the report.
    pub user_agent: Text,
    pub version: Text,
    /// How many such messages the report stands for, at least 1.
    pub incidents: u32,
    /// The recipients by the field that tells most of them; fields that tell less are not read then.
    pub recipients: Vec<ComplaintRecipient>,
    /// `Redacted-Address`: what was blacked out, as it stands now.
    pub redacted_addresses: Vec<Text>,
    /// Address of the envelope sender; empty for the null sender too.
    pub original_mail_from: Text,
    /// The envelope id that the sender gave (`ENVID` of RFC 3461).
    pub original_envelope_id: Text,
    /// The server that the message came from.
    pub source_ip: Option<IpAddr>,
    pub source_port: Option<u16>,
    /// When the message came to the reporter (`Arrival-Date`, `Received-Date`).
    pub arrival: Option<Timestamp>,
    pub reporting_mta: Text,
    /// Lower case.
    pub reported_domains: Vec<Text>,
    pub reported_uris: Vec<Text>,
    pub authentication_results: Vec<Text>,
    pub failure: AuthFailure,
    pub returned: ReturnedMessage,
}

impl Complaint {
    /// Whether it reports an authentication failure (RFC 6591) instead of a complaint.
    pub fn is_auth_failure(&self) -> bool {
        self.feedback_type == FeedbackType::AuthFailure
    }

    /// How clear its clearest recipient is; `None` when it names none.
    pub fn clarity(&self) -> Option<Clarity> {
        self.recipients.iter().map(|recipient| recipient.clarity).min()
    }
}

/// What an authentication failure report adds (RFC 6591 section 3, RFC 9991 section 4). Words are in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthFailure {
    /// `Auth-Failure`: `adsp`, `bodyhash`, `dmarc`, `revoked`, `signature`, `spf`.
    pub kind: Text,
    /// `Delivery-Result`: `delivered`, `spam`, `policy`, `reject`, `other`.
    pub delivery_result: Text,
    /// `Identity-Alignment`: which of `dkim` and `spf` aligned. `none` gives none; `None` when the field is missing.
    pub aligned: Option<Vec<Text>>,
    pub dkim_domain: Text,
    pub dkim_identity: Text,
    pub dkim_selector: Text,
    /// `DKIM-Selector-DNS`: the key record.
    pub dkim_dns: Text,
    /// `DKIM-ADSP-DNS`: the ADSP record.
    pub adsp_dns: Text,
    /// `SPF-DNS`: the SPF records, one for each field.
    pub spf_dns: Vec<Text>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reports_against_the_mail_are_complaints() {
        let not: Vec<_> = FeedbackType::ALL.iter().filter(|kind| !kind.is_complaint()).collect();
        assert_eq!(not, [&FeedbackType::NotSpam, &FeedbackType::AuthFailure]);
    }

    #[test]
    fn names_are_read_back_in_any_case() {
        for kind in FeedbackType::ALL {
            assert_eq!(FeedbackType::from_name(&kind.name().to_ascii_uppercase()), Some(*kind));
        }
        assert_eq!(FeedbackType::from_name("xarf"), None);
    }
}
