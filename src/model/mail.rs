//! What a mail is, and the head of it that every kind shares.
//!
//! Way: `parse::mail` decides it in one pass; `pipeline` stores the mail under it.

use crate::model::named::named;
use crate::model::{Text, Timestamp};

named! {
    /// What kind of mail came back from the world.
    MailKind {
        /// At least one recipient failed for good.
        Bounce = "bounce",
        /// No recipient failed, and at least one is still tried.
        DelayNotice = "delay_notice",
        /// Every recipient was reached, or the message was handed on.
        DeliveryNotice = "delivery_notice",
        /// A feedback-loop report.
        Complaint = "complaint",
        DmarcAggregate = "dmarc_aggregate",
        /// A report of one message that failed authentication.
        DmarcFailure = "dmarc_failure",
        TlsReport = "tls_report",
        /// Vacation and out-of-office answers, and acknowledgements by machines.
        AutoReply = "auto_reply",
        /// Asks the sender to prove that he is a person.
        Challenge = "challenge",
        /// A request to be taken off the list, sent by a `List-Unsubscribe` address.
        Unsubscribe = "unsubscribe",
        /// Anything else: a person's answer, ordinary mail.
        Other = "other",
    }
}

/// The header fields of the mail itself (not of a message within it). Empty text means that the field is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailHead {
    /// The address of the `From` field.
    pub from: Text,
    pub from_name: Text,
    /// The address of the first recipient in `To`.
    pub to: Text,
    /// Where the server that took the mail in says it was addressed (`Delivered-To`, `X-Original-To`, `Envelope-To`).
    pub delivered_to: Text,
    /// Empty for the null sender too: see `is_null_sender`.
    pub return_path: Text,
    /// `Return-Path: <>`, as RFC 5321 section 4.5.5 asks of notices.
    pub is_null_sender: bool,
    pub subject: Text,
    /// Without angle brackets.
    pub message_id: Text,
    pub in_reply_to: Text,
    pub date: Option<Timestamp>,
    /// The key word of `Auto-Submitted` (RFC 3834 section 5), in lower case.
    pub auto_submitted: Text,
}
