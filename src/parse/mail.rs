//! What a mail that came back from the world is: bounce, complaint, report, auto-reply, or nothing of the kind.
//!
//! Way: `pipeline` and `relaylens parse` hand over the bytes of one mail; mail-parser goes over them once, and each
//! reader looks at what it made.
//! Source: RFC 5322, RFC 2045; beside each reader.
//! Not here: the readers (`dsn`, `arf`, `report`), mailboxes of many mails (`mbox`), whether the mail is genuine
//! (`pipeline`).

pub(in crate::parse) mod reader;
pub(in crate::parse) mod signs;
pub mod taken;

use crate::model::{Complaint, MailHead, MailKind, Notice, NoticeAction, RejectReason, Text, Warning};
use crate::parse::dsn::phrases::{self, Marks};
use crate::parse::dsn::returned::{address, first_text, timestamp};
use crate::parse::report::ReportPart;
use crate::parse::{Reject, arf, dsn, report};
use mail_parser::{Address, HeaderName, HeaderValue, Message};
use signs::Signs;

/// Largest mail read, in bytes. Providers take at most 25 to 50 MB, and a notice that brings a whole mail back is no
/// larger than that.
pub const MAIL_BYTES_MAX: usize = 50 << 20;

/// Lines of a mail. Base64 of the largest mail has 690,000; each line may be a header field of a part, of which
/// mail-parser keeps a record of some 150 bytes.
pub const LINES_MAX: usize = 1_000_000;

/// Messages within each other, counted by the types that declare them, so that a mail is refused before it is taken
/// apart: mail-parser goes down one level of the stack for each.
pub const MESSAGES_MAX: usize = 200;

/// One mail, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    pub head: MailHead,
    pub content: Content,
    pub warnings: Vec<Warning>,
}

/// What the mail brings.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Bounce, delay notice, delivery notice: the actions of its recipients tell, see [`Mail::kind`].
    Notice(Notice),
    /// A complaint of a feedback loop.
    Complaint(Complaint),
    /// A report of one message that failed authentication.
    DmarcFailure(Complaint),
    /// Aggregate reports of DMARC or TLS: each part is read by `report::visit`.
    Reports(Vec<ReportPart>),
    AutoReply,
    Challenge,
    Unsubscribe,
    Other,
    /// Clearly of this kind, but it cannot be read.
    Broken(MailKind, Reject),
}

impl Mail {
    pub fn kind(&self) -> MailKind {
        match &self.content {
            Content::Notice(notice) => notice_kind(notice),
            Content::Complaint(_) => MailKind::Complaint,
            Content::DmarcFailure(_) => MailKind::DmarcFailure,
            Content::Reports(parts) => match parts.first().map(|part| part.format) {
                Some(report::ReportFormat::Tls) => MailKind::TlsReport,
                _ => MailKind::DmarcAggregate,
            },
            Content::AutoReply => MailKind::AutoReply,
            Content::Challenge => MailKind::Challenge,
            Content::Unsubscribe => MailKind::Unsubscribe,
            Content::Other => MailKind::Other,
            Content::Broken(kind, _) => *kind,
        }
    }
}

/// One recipient that failed makes a bounce, else one that waits makes a delay notice.
fn notice_kind(notice: &Notice) -> MailKind {
    let any = |action| notice.recipients.iter().any(|recipient| recipient.action == action);
    if any(NoticeAction::Failed) {
        MailKind::Bounce
    } else if any(NoticeAction::Delayed) {
        MailKind::DelayNotice
    } else {
        MailKind::DeliveryNotice
    }
}

/// Reads one mail.
///
/// # Errors
///
/// [`RejectReason::TooLarge`] above [`MAIL_BYTES_MAX`], [`LINES_MAX`] or [`MESSAGES_MAX`]; [`RejectReason::Syntax`] for
/// bytes without any header field; what a door says of a mail that it could not take in whole ([`taken`]). A mail that
/// cannot be read as what it is comes as [`Content::Broken`].
pub fn read(bytes: &[u8]) -> Result<Mail, Reject> {
    taken::check(bytes)?;
    check_size(bytes)?;
    let message = reader::MAIL
        .parse(bytes)
        .ok_or_else(|| Reject::new(RejectReason::Syntax, "no mail: there is no header field in it"))?;
    let (content, warnings) = content(&message);
    Ok(Mail { head: head(&message), content, warnings })
}

fn check_size(bytes: &[u8]) -> Result<(), Reject> {
    let refuse = |message: String| Err(Reject::new(RejectReason::TooLarge, message));
    if bytes.len() > MAIL_BYTES_MAX {
        return refuse(format!("the mail has {} bytes, the most is {MAIL_BYTES_MAX}", bytes.len()));
    }
    if bytes.len() > LINES_MAX && memchr::memchr_iter(b'\n', bytes).count() > LINES_MAX {
        return refuse(format!("the mail has more than {LINES_MAX} lines"));
    }
    let is_message = |slash: &usize| {
        let starts = |word: &[u8]| {
            bytes.get(slash + 1..slash + 1 + word.len()).is_some_and(|end| end.eq_ignore_ascii_case(word))
        };
        starts(b"rfc822") || starts(b"global") || starts(b"digest")
    };
    if memchr::memchr_iter(b'/', bytes).filter(is_message).count() > MESSAGES_MAX {
        return refuse(format!("the mail declares more than {MESSAGES_MAX} messages within it"));
    }
    Ok(())
}

fn content(message: &Message<'_>) -> (Content, Vec<Warning>) {
    if let Some(complaint) = arf::read(message) {
        return match complaint {
            Ok(parsed) if parsed.record.is_auth_failure() => {
                (Content::DmarcFailure(parsed.record), parsed.warnings)
            }
            Ok(parsed) => (Content::Complaint(parsed.record), parsed.warnings),
            Err(reject) => (Content::Broken(MailKind::Complaint, reject), Vec::new()),
        };
    }
    let parts = report::parts(message);
    if !parts.is_empty() {
        return (Content::Reports(parts), Vec::new());
    }
    let signs = Signs::of(message);
    let content = match dsn::read(message, &signs) {
        Some(Ok(notice)) => Content::Notice(notice),
        Some(Err(reject)) => Content::Broken(MailKind::Bounce, reject),
        None if signs.is_challenge || signs.any() && asks_for_proof(message) => Content::Challenge,
        None if signs.is_auto_reply || signs.is_auto_replied || signs.is_receipt => Content::AutoReply,
        None if signs.is_unsubscribe => Content::Unsubscribe,
        None => Content::Other,
    };
    (content, Vec::new())
}

/// Whether a text asks its reader to prove that he is a person.
fn asks_for_proof(message: &Message<'_>) -> bool {
    let text = message.text_bodies().next().and_then(|part| part.text_contents());
    text.is_some_and(|text| phrases::marks(text).has(Marks::PROOF))
}

fn head(message: &Message<'_>) -> MailHead {
    let mut head = MailHead::default();
    let Some(root) = message.parts.first() else { return head };
    for header in &root.headers {
        match (&header.name, &header.value) {
            (HeaderName::From, HeaderValue::Address(from)) => read_from(&mut head, from),
            (HeaderName::To, HeaderValue::Address(to)) => set(&mut head.to, address(to)),
            (HeaderName::ReturnPath, value) => {
                let path = first_text(value).unwrap_or_default();
                head.is_null_sender |= path.is_empty() && head.return_path.is_empty();
                set(&mut head.return_path, Some(crate::model::normalize_address(&path)));
            }
            (HeaderName::Subject, value) => set(&mut head.subject, first_text(value)),
            (HeaderName::MessageId, value) => set(&mut head.message_id, first_text(value)),
            (HeaderName::InReplyTo, value) => set(&mut head.in_reply_to, first_text(value)),
            (HeaderName::Date, HeaderValue::DateTime(at)) => head.date = head.date.or_else(|| timestamp(at)),
            (name, value) => read_by_name(&mut head, name.as_str(), value),
        }
    }
    head
}

fn read_from(head: &mut MailHead, from: &Address<'_>) {
    set(&mut head.from, address(from));
    set(&mut head.from_name, from.first().and_then(|one| one.name()).map(Text::from));
}

fn read_by_name(head: &mut MailHead, name: &str, value: &HeaderValue<'_>) {
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
    if is("Delivered-To") || is("X-Original-To") || is("Envelope-To") || is("X-Envelope-To") {
        let address = first_text(value).map(|address| crate::model::normalize_address(&address));
        set(&mut head.delivered_to, address);
    } else if is("Auto-Submitted") {
        // Parameters follow a semicolon, comments stand in parentheses.
        let word = first_text(value).unwrap_or_default().to_lowercase();
        let word = word.split([';', ' ', '(']).next().unwrap_or_default();
        set(&mut head.auto_submitted, Some(word.into()));
    }
}

/// Keeps the first value: what stands higher was written by the server nearest to us.
fn set(field: &mut Text, value: Option<Text>) {
    if field.is_empty() {
        *field = value.unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
