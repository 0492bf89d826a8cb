//! Complaints by Microsoft's Junk Mail Reporting Program, as it wrote them until June 2026: no feedback report, but the
//! message in full, and its recipient in a header field put on top.
//!
//! Source: seen in mail of 2016 to 2025 from `staff@hotmail.com`; since June 2026 the program sends ARF with the header
//! alone and the recipient taken out.

use crate::model::{Complaint, ComplaintFormat, FeedbackType, Parsed};
use crate::parse::arf::fields::{self, Draft};
use crate::parse::dsn::returned;
use mail_parser::Message;

/// What Microsoft writes on top of the message.
const RECIPIENT_FIELD: &str = "X-HmXmrOriginalRecipient";

/// How the subject begins; the address that sent the message comes next.
const SUBJECT: &str = "complaint about message from";

/// The recipient that Microsoft wrote on top of the message.
pub(super) fn recipient_header<'m>(inner: &'m Message<'_>) -> Option<&'m str> {
    inner.header_raw(RECIPIENT_FIELD).map(str::trim).filter(|value| !value.is_empty())
}

/// Reads a mail with a message in it.
pub(super) fn read(message: &Message<'_>, inner: &Message<'_>) -> Option<Parsed<Complaint>> {
    let subject = message.subject().unwrap_or_default().trim();
    let from = message.from().and_then(returned::address).unwrap_or_default();
    let source = subject
        .split_at_checked(SUBJECT.len())
        .filter(|(words, _)| words.eq_ignore_ascii_case(SUBJECT))
        .map(|(_, source)| source.trim());
    let recipient = recipient_header(inner);
    if recipient.is_none() && !(source.is_some() && from == "staff@hotmail.com") {
        return None;
    }
    let mut draft = Draft::default();
    draft.complaint.feedback_type = FeedbackType::Abuse;
    draft.complaint.feedback_word = FeedbackType::Abuse.name().into();
    draft.complaint.source_ip = source.and_then(|source| fields::ip(&mut draft.warnings, "subject", source));
    Some(draft.finish(ComplaintFormat::Jmrp, returned::read(inner), recipient))
}
