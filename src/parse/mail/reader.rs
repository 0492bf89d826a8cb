//! Which fields of a mail's head are taken apart, and how: only those that lead somewhere.
//!
//! Way: `mail` reads whole mails with [`MAIL`], `dsn` and `arf` the heads of returned messages with [`HEAD`].
//! Source: RFC 5322 section 3.6; RFC 2919 (`List-Id`), RFC 9477 (`CFBL-Feedback-ID`).

use mail_parser::{HeaderName, MessageParser};
use std::sync::LazyLock;

/// What leads from a returned message to the one that was sent.
const OF_RETURNED: [&str; 5] =
    ["Feedback-ID", "CFBL-Feedback-ID", "X-Relaylens-Ref", "X-Postfix-Queue-ID", "X-HmXmrOriginalRecipient"];

/// What tells what a mail is, and for whom it came.
const OF_MAIL: [&str; 6] = [
    "Auto-Submitted",
    "X-Failed-Recipients",
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
];

/// What both read; other fields keep their names alone: half of a head are signatures and hops. Of `Received` only the id
/// is wanted: taking it apart costs as much as the rest of a head.
fn shared() -> MessageParser {
    let parser = MessageParser::new()
        .header_id(HeaderName::MessageId)
        .header_id(HeaderName::ReturnPath)
        .header_address(HeaderName::From)
        .header_address(HeaderName::To)
        .header_address(HeaderName::ListId)
        .header_text(HeaderName::Subject)
        .header_date(HeaderName::Date)
        .header_raw(HeaderName::Received)
        .default_header_ignore();
    with_raw(parser, &OF_RETURNED)
}

fn with_raw(parser: MessageParser, names: &[&'static str]) -> MessageParser {
    names.iter().copied().filter_map(HeaderName::parse).fold(parser, MessageParser::header_raw)
}

/// Reads a mail with its parts.
pub(in crate::parse) static MAIL: LazyLock<MessageParser> =
    LazyLock::new(|| with_raw(shared().with_mime_headers().header_id(HeaderName::InReplyTo), &OF_MAIL));

/// Reads the fields that lead to a message.
pub(in crate::parse) static HEAD: LazyLock<MessageParser> = LazyLock::new(shared);
