//! Which fields of a mail's head are taken apart, and how: only those that lead somewhere.
//!
//! Way: `mail` reads whole mails with [`MAIL`], `dsn` and `arf` the heads of returned messages with [`HEAD`].
//! Source: RFC 5322 section 3.6; RFC 2919 (`List-Id`), RFC 9477 (`CFBL-Feedback-ID`).

use mail_parser::{HeaderName, MessageParser};
use std::sync::LazyLock;

/// What both read. Of `Received` only the id is wanted: taking it apart costs as much as the rest of a head.
fn shared() -> MessageParser {
    MessageParser::new()
        .header_id(HeaderName::MessageId)
        .header_id(HeaderName::ReturnPath)
        .header_address(HeaderName::From)
        .header_address(HeaderName::To)
        .header_address(HeaderName::ListId)
        .header_text(HeaderName::Subject)
        .header_date(HeaderName::Date)
        .header_raw(HeaderName::Received)
}

/// Reads a mail with its parts. Signatures are the longest fields of a head, and nobody asks for them here.
pub(in crate::parse) static MAIL: LazyLock<MessageParser> = LazyLock::new(|| {
    shared()
        .with_mime_headers()
        .header_id(HeaderName::InReplyTo)
        .ignore_header(HeaderName::DkimSignature)
        .ignore_header(HeaderName::ArcMessageSignature)
        .ignore_header(HeaderName::ArcSeal)
        .ignore_header(HeaderName::ArcAuthenticationResults)
        .default_header_raw()
});

/// Reads the fields that lead to a message, and passes over the others: half of a head are signatures and hops.
pub(in crate::parse) static HEAD: LazyLock<MessageParser> = LazyLock::new(|| {
    let by_name = ["Feedback-ID", "CFBL-Feedback-ID", "X-Relaylens-Ref", "X-Postfix-Queue-ID"];
    let parser = shared().default_header_ignore();
    by_name.into_iter().filter_map(HeaderName::parse).fold(parser, MessageParser::header_raw)
});
