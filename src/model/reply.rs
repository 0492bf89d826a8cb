//! An SMTP reply, as a receiver gave it or a relay reports it.

use crate::model::Text;
use serde::{Deserialize, Serialize};

/// Longest reply text kept, in bytes. Microsoft's longest known replies stay under 700.
pub const REPLY_BYTES_MAX: usize = 1024;

/// An enhanced status code, RFC 3463: class 2, 4 or 5, then subject and detail.
///
/// The detail may have four digits (Microsoft's `4.7.650`, `5.7.5151`), so it is a `u16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct EnhancedCode {
    pub class: u8,
    pub subject: u16,
    pub detail: u16,
}

impl EnhancedCode {
    /// Reads `5.1.1` from the start of `text`; returns it with the number of bytes read.
    ///
    /// The code must end at the end of the text or before a character that is no letter, digit or point.
    pub fn parse_prefix(text: &str) -> Option<(Self, usize)> {
        let bytes = text.as_bytes();
        let class = match bytes.first()? {
            class @ (b'2' | b'4' | b'5') => class - b'0',
            _ => return None,
        };
        let mut at = 1;
        let mut number = || -> Option<u16> {
            if bytes.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
            let start = at;
            while at < bytes.len() && at - start < 4 && bytes[at].is_ascii_digit() {
                at += 1;
            }
            text[start..at].parse().ok()
        };
        let (subject, detail) = (number()?, number()?);
        let ended = bytes.get(at).is_none_or(|next| !next.is_ascii_alphanumeric() && *next != b'.')
            // a full stop after the code ends a sentence, it does not begin a fourth number
            || bytes[at] == b'.' && bytes.get(at + 1).is_none_or(|next| !next.is_ascii_digit());
        ended.then_some((Self { class, subject, detail }, at))
    }
}

impl std::fmt::Display for EnhancedCode {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// Where in the SMTP conversation a reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(i8)]
pub enum SmtpStage {
    #[default]
    Unknown = 0,
    Connect = 1,
    Banner = 2,
    Ehlo = 3,
    Tls = 4,
    Auth = 5,
    Mail = 6,
    Rcpt = 7,
    Data = 8,
    /// After the final dot: the reply to the message itself.
    Dot = 9,
}

/// One reply: codes and text, unfolded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SmtpReply {
    /// Three-digit code, or 0 when the relay gives none (a DNS or connection fault).
    pub code: u16,
    /// The code that stands in the reply text.
    pub enhanced: Option<EnhancedCode>,
    /// The text on one line, without codes, at most [`REPLY_BYTES_MAX`] bytes.
    pub text: Text,
    pub stage: SmtpStage,
}
