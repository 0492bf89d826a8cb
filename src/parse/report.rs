//! DMARC and TLS reports wherever they stand: in the parts of a mail, in archives, as bare files.
//!
//! Way: `mail` asks which parts of a mail hold reports; the caller has each of them visited, and `dmarc` and `tlsrpt` read
//! the members that `archive` unpacks.
//! Source: RFC 9990 section 3.2 and RFC 8460 section 5 on how reports are mailed; real mails keep to neither.
//! Not here: the formats themselves; whether the report is genuine (`pipeline`).
//!
//! What a part is, its bytes tell. Types and names are wrong too often (gzip as `text/xml`, zip as `.gz`, reports in a body
//! or in a forwarded mail), so they count only for an archive that cannot be opened: to say that a report is lost.

mod content;
#[cfg(test)]
mod tests;

use crate::model::{DmarcReport, Parsed, RejectReason, Text, TlsReport};
use crate::parse::archive::{self, Limits};
use crate::parse::dmarc::RecordSink;
use crate::parse::text::cut;
use crate::parse::{Reject, dmarc, tlsrpt};
use content::LOOK_BYTES_MAX;
use mail_parser::{Encoding, Message, MessagePart, MimeHeaders, PartType};
use std::borrow::Cow;
use std::io::BufRead;

/// Most reports taken from one mail: a digest of a day's mail has some hundreds.
pub const PARTS_MAX: usize = 1000;

/// How deep forwarded mails are followed. A report that a mailbox forwards to another and a list to a third is three deep.
const FORWARDED_DEPTH_MAX: u32 = 8;

/// Longest file name of a part that is kept, in bytes; those of reports have four names and numbers in it.
const NAME_BYTES_MAX: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    Dmarc,
    Tls,
}

/// A part of a mail that holds a report, or an archive of reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportPart {
    /// Of the first report in it.
    pub format: ReportFormat,
    /// The file name that the part has, or nothing.
    pub name: Text,
    /// Without its transfer encoding, still packed.
    pub bytes: Vec<u8>,
}

/// A report that was read to its end.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one for each report, and thousands of records go by before the next"
)]
pub enum ReportEnd {
    Dmarc(Parsed<DmarcReport>),
    Tls(Parsed<TlsReport>),
}

/// The parts of a mail that hold reports, in order; those of forwarded mails are among them.
///
/// Cheap: an archive is looked at, not unpacked. A mail that a notice brings back is none of them.
pub fn parts(message: &Message<'_>) -> Vec<ReportPart> {
    let mut found = Vec::new();
    find_parts(message, FORWARDED_DEPTH_MAX, &mut found);
    found
}

fn find_parts(message: &Message<'_>, depth_left: u32, found: &mut Vec<ReportPart>) {
    let is_notice = message.parts.iter().any(brings_mail_back);
    for part in &message.parts {
        if found.len() >= PARTS_MAX {
            return;
        }
        match &part.body {
            PartType::Message(forwarded) if depth_left > 0 && !is_notice => {
                find_parts(forwarded, depth_left - 1, found);
            }
            PartType::Message(_) | PartType::Multipart(_) => {}
            _ => found.extend(report_part(message, part)),
        }
    }
}

/// `message/delivery-status` and `message/feedback-report`: what they are about stands beside them.
fn brings_mail_back(part: &MessagePart<'_>) -> bool {
    let subtype = part
        .content_type()
        .filter(|is| is.c_type.eq_ignore_ascii_case("message"))
        .and_then(|is| is.subtype());
    subtype.is_some_and(|subtype| {
        let subtype = subtype.to_ascii_lowercase();
        subtype.ends_with("delivery-status") || subtype == "feedback-report"
    })
}

fn report_part(message: &Message<'_>, part: &MessagePart<'_>) -> Option<ReportPart> {
    // Most parts are none: the beginning of a text tells, before all of it is decoded.
    let start = start(message, part);
    if content::Kind::of(&start) == content::Kind::Other && content::without_base64(&start).is_none() {
        return None;
    }
    let bytes = decoded(message, part, usize::MAX);
    let bytes = content::without_base64(&bytes).map_or(bytes, Cow::Owned);
    let name = part.attachment_name().unwrap_or_default();
    let format = match content::Kind::of(&bytes) {
        content::Kind::Archive => format_within(&bytes).or_else(|| format_by_name(part, name))?,
        content::Kind::Report(format) => format,
        content::Kind::Other => return None,
    };
    let name = Text::new(&name[..name.floor_char_boundary(NAME_BYTES_MAX)]);
    Some(ReportPart { format, name, bytes: bytes.into_owned() })
}

/// The beginning of a part, without its transfer encoding.
fn start<'a>(message: &'a Message<'_>, part: &'a MessagePart<'_>) -> Cow<'a, [u8]> {
    if let PartType::Text(text) | PartType::Html(text) = &part.body {
        let start = cut(text, LOOK_BYTES_MAX).as_bytes();
        // No charset has changed what is ASCII, so that it need not be decoded again.
        if start.is_ascii() {
            return Cow::Borrowed(start);
        }
    }
    decoded(message, part, LOOK_BYTES_MAX)
}

/// The bytes of a part without their transfer encoding, of a text at least as many as are wanted. Texts are decoded again
/// from the mail: mail-parser has changed their charset, and a report says its own.
fn decoded<'a>(message: &'a Message<'_>, part: &'a MessagePart<'_>, wanted: usize) -> Cow<'a, [u8]> {
    let (PartType::Text(text) | PartType::Html(text)) = &part.body else {
        return Cow::Borrowed(part.contents());
    };
    let place = part.offset_body as usize..part.offset_end as usize;
    let again = message.raw_message.get(place).and_then(|raw| match part.encoding {
        Encoding::None => Some(Cow::Borrowed(raw)),
        Encoding::QuotedPrintable => {
            // A byte takes three at most.
            let raw = whole_lines(raw, wanted.saturating_mul(3));
            mail_parser::decoders::quoted_printable::quoted_printable_decode(raw).map(Cow::Owned)
        }
        Encoding::Base64 => mail_parser::decoders::base64::base64_decode(raw).map(Cow::Owned),
    });
    again.unwrap_or(Cow::Borrowed(text.as_bytes()))
}

/// The lines that begin within the first `bytes`.
fn whole_lines(text: &[u8], bytes: usize) -> &[u8] {
    let end = text.get(bytes..).and_then(|rest| memchr::memchr(b'\n', rest)).map(|at| bytes + at + 1);
    &text[..end.unwrap_or(text.len())]
}

/// The format of the first report in an archive, from the first bytes of its members.
fn format_within(bytes: &[u8]) -> Option<ReportFormat> {
    let mut format = None;
    archive::unpack(bytes, &Limits::default(), &mut |_, member| {
        if format.is_none() {
            format = member.fill_buf().ok().and_then(|start| content::Kind::of(start).report());
        }
    });
    format
}

/// What an archive that cannot be opened would have held: RFC 9990 section 3.2 and RFC 8460 section 5.1 on names and types.
fn format_by_name(part: &MessagePart<'_>, name: &str) -> Option<ReportFormat> {
    let is_tls = part.content_type().and_then(|is| is.subtype()).is_some_and(|is| is.starts_with("tlsrpt"));
    let mut name = name.split('!');
    let is_named = name.by_ref().take(2).filter(|domain| domain.contains('.')).count() == 2
        && name.take(2).filter(|time| time.starts_with(|c: char| c.is_ascii_digit())).count() == 2;
    match (is_tls, is_named) {
        (true, _) => Some(ReportFormat::Tls),
        (false, true) => Some(ReportFormat::Dmarc),
        (false, false) => None,
    }
}

/// Whether the bytes of a file are an archive, or begin as a report does. A mail is neither, whatever stands in it.
pub fn is_bare(bytes: &[u8]) -> bool {
    match content::Kind::of(bytes) {
        content::Kind::Archive => true,
        content::Kind::Report(_) => content::begins_as_report(bytes),
        content::Kind::Other => false,
    }
}

/// Reads all reports in `bytes`, each member of an archive by itself: one that cannot be read is a reject and stops no other.
/// Members that are no reports are passed over as long as there is one that is.
pub fn visit(bytes: &[u8], limits: &Limits, sink: &mut dyn RecordSink) -> Vec<Result<ReportEnd, Reject>> {
    let (mut read, mut others) = (Vec::new(), Vec::new());
    let lost = archive::unpack(bytes, limits, &mut |_, member| match read_member(member, sink) {
        Ok(reports) => read.extend(reports.into_iter().map(Ok)),
        Err(reject) if reject.reason == RejectReason::UnknownType => others.push(reject),
        Err(reject) => read.push(Err(reject)),
    });
    read.extend(lost.into_iter().map(Err));
    if read.is_empty() {
        let none = || Reject::new(RejectReason::UnknownType, "the archive is empty");
        read.push(Err(others.into_iter().next().unwrap_or_else(none)));
    }
    read
}

/// The reports of one member.
fn read_member(member: &mut dyn BufRead, sink: &mut dyn RecordSink) -> Result<Vec<ReportEnd>, Reject> {
    // An error here is an error of the first read, too.
    let start = member.fill_buf().unwrap_or_default();
    if content::is_json(start) {
        return tlsrpt::read(member).map(|report| vec![ReportEnd::Tls(report)]);
    }
    dmarc::read(member, sink).map(|reports| reports.into_iter().map(ReportEnd::Dmarc).collect())
}
