//! A notice about the fate of a message that was sent: failed, delayed, delivered.
//!
//! Way: `parse::dsn` reads it out of a mail, `classify` says why each recipient failed, `pipeline` finds the message
//! that it is about.
//! Source: field names are those of RFC 3464 (per message: section 2.2, per recipient: section 2.3).
//! Not here: whether the notice is genuine (`pipeline`).

use crate::model::{EnhancedCode, SmtpReply, Text, Timestamp};

/// What became of the message for one recipient, RFC 3464 section 2.3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeAction {
    /// Given up.
    Failed,
    /// Not yet delivered; the reporting server goes on trying.
    Delayed,
    Delivered,
    /// Handed on to a system that gives no notices.
    Relayed,
    /// Sent on to the members of a list or group.
    Expanded,
}

impl NoticeAction {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }

    /// Whether the message did reach the recipient, or the end of what notices can tell.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Delivered | Self::Relayed | Self::Expanded)
    }
}

/// A notice, whatever its format was. Empty text, zero and `None` mean that it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notice {
    /// Which reader read the recipients, such as `rfc3464`, `qmail`, `exim` or `prose`.
    pub format: &'static str,
    pub reporting_mta: Text,
    /// The server that handed the message to the reporting one.
    pub received_from_mta: Text,
    /// When the message came to the reporting server.
    pub arrival: Option<Timestamp>,
    /// The envelope id that the sender gave (`ENVID` of RFC 3461), as the notice repeats it.
    pub envid: Text,
    /// Never empty.
    pub recipients: Vec<NoticeRecipient>,
    pub returned: ReturnedMessage,
}

/// What a notice says of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRecipient {
    /// The address that failed in the end, as [`crate::model::normalize_address`] gives it. Where the notice names a
    /// pipe, a file or a bare user, this is that.
    pub final_recipient: Text,
    /// The address as it was sent to, when the notice tells it apart from the final one.
    pub original_recipient: Text,
    pub action: NoticeAction,
    /// The `Status` field: what the reporting server makes of it.
    pub status_field: Option<EnhancedCode>,
    /// What the remote server said, or the reporting one where it failed by itself. The text keeps its codes.
    pub reply: SmtpReply,
    pub remote_mta: Text,
    pub last_attempt: Option<Timestamp>,
    pub will_retry_until: Option<Timestamp>,
}

impl NoticeRecipient {
    /// A recipient of which nothing else is known yet.
    pub fn new(final_recipient: Text, action: NoticeAction) -> Self {
        Self {
            final_recipient,
            original_recipient: Text::default(),
            action,
            status_field: None,
            reply: SmtpReply::default(),
            remote_mta: Text::default(),
            last_attempt: None,
            will_retry_until: None,
        }
    }

    /// The status to go by: that of the reply, unless the field says more.
    ///
    /// The field is the reporting server's guess: Sendmail writes `5.1.1` for whatever was refused after `RCPT TO`,
    /// `4.4.7` for whatever it gave up, and many write `5.0.0`, while the reply in the same notice says `5.7.1`. A
    /// status with subject or detail 0 says less (RFC 3463 section 3).
    pub fn status(&self) -> Option<EnhancedCode> {
        match (self.status_field, self.reply.enhanced) {
            (Some(field), Some(reply)) if roughness(reply) > roughness(field) => Some(field),
            (field, reply) => reply.or(field),
        }
    }

    /// Whether the failure is for good: by the status' class, else by the reply code's first digit. A recipient that
    /// is still tried has not failed for good, whatever the reply was.
    pub fn is_permanent(&self) -> Option<bool> {
        match (self.action, self.status(), self.reply.code / 100) {
            (NoticeAction::Failed, Some(status), _) => Some(status.class == 5),
            (NoticeAction::Failed, None, 4) | (NoticeAction::Delayed, ..) => Some(false),
            (NoticeAction::Failed, None, 5) => Some(true),
            _ => None,
        }
    }

    /// The address that the sender knows: the original one where it is told.
    pub fn sent_to(&self) -> &Text {
        if self.original_recipient.is_empty() { &self.final_recipient } else { &self.original_recipient }
    }
}

/// How little a status says: 0 for `5.1.1`, 1 for `5.1.0`, 2 for `5.0.0`.
fn roughness(status: EnhancedCode) -> u8 {
    match (status.subject, status.detail) {
        (0, _) => 2,
        (_, 0) => 1,
        _ => 0,
    }
}

/// What a notice brings back of the message that it is about: its header, as far as it leads to the message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReturnedMessage {
    /// Without angle brackets.
    pub message_id: Text,
    /// The address of the `From` field.
    pub from: Text,
    /// Where the message's `Return-Path` or envelope sender pointed.
    pub return_path: Text,
    /// Addresses of the `To` field, at most [`RETURNED_TO_MAX`].
    pub to: Vec<Text>,
    pub subject: Text,
    pub date: Option<Timestamp>,
    /// Queue ids under which servers had it, newest first, at most [`QUEUE_IDS_MAX`].
    pub queue_ids: Vec<Text>,
    pub list_id: Text,
    pub feedback_id: Text,
    /// `CFBL-Feedback-ID` of RFC 9477.
    pub cfbl_feedback_id: Text,
    /// Our own signed reference, the `X-Relaylens-Ref` field.
    pub relaylens_ref: Text,
}

/// Recipients of the returned message's `To` field that are kept. It names a message; it is no mailing list.
pub const RETURNED_TO_MAX: usize = 16;

/// Queue ids of a returned message that are kept: one for each hop, and few mails have more than ten.
pub const QUEUE_IDS_MAX: usize = 16;

impl ReturnedMessage {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<EnhancedCode> {
        EnhancedCode::parse_prefix(text).map(|(code, _)| code)
    }

    #[track_caller]
    fn check(field: &str, reply: &str, want: &str) {
        let mut recipient = NoticeRecipient::new(Text::from("bob@example.com"), NoticeAction::Failed);
        recipient.status_field = code(field);
        recipient.reply.enhanced = code(reply);
        assert_eq!(recipient.status(), code(want), "field {field:?}, reply {reply:?}");
    }

    #[test]
    fn the_more_telling_status_counts() {
        check("5.0.0", "5.1.1", "5.1.1");
        check("5.1.0", "5.1.1", "5.1.1");
        check("5.1.1", "5.0.0", "5.1.1");
        check("4.4.7", "4.7.1", "4.7.1");
        check("5.1.1", "5.7.1", "5.7.1");
        check("", "4.2.2", "4.2.2");
        check("5.0.0", "", "5.0.0");
        check("", "", "");
    }

    #[test]
    fn permanence_follows_the_status_before_the_code() {
        let mut recipient = NoticeRecipient::new(Text::from("bob@example.com"), NoticeAction::Failed);
        assert_eq!(recipient.is_permanent(), None);
        recipient.reply.code = 550;
        assert_eq!(recipient.is_permanent(), Some(true));
        recipient.status_field = code("4.2.2");
        assert_eq!(recipient.is_permanent(), Some(false));
    }
}
