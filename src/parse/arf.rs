//! Feedback reports: complaints by the feedback loops of mailbox providers, and authentication failures of single messages.
//!
//! Way: `mail` asks whether a mail is one, and hands its content on to `pipeline`.
//! Source: RFC 5965 (the Abuse Reporting Format), RFC 6591 and RFC 9991 (authentication failures), RFC 6650; Microsoft's
//! form until June 2026 in `jmrp`, Exim's failure reports in words in `prose`.
//! Not here: whether the report is genuine, and whom it suppresses.

mod fields;
mod jmrp;
mod prose;
mod recipient;
#[cfg(test)]
mod tests;

use crate::model::{Complaint, ComplaintFormat, Parsed, RejectReason, ReturnedMessage, Text};
use crate::parse::Reject;
use crate::parse::dmarc::oddity::warn;
use crate::parse::dsn::returned;
use crate::parse::text::{cut, lossy};
use fields::Draft;
use mail_parser::{Message, MessagePart, MimeHeaders, PartType};
use std::borrow::Cow;

/// Largest report part read, in bytes. The fields take 2 KB; a failure report may quote the message's body in one
/// (`DKIM-Canonicalized-Body`), and what stands behind that is still wanted.
const REPORT_BYTES_MAX: usize = 1 << 20;

/// Mails within mails that are followed: people forward reports, and servers wrap what people forward.
const FORWARD_DEPTH_MAX: u8 = 3;

/// Parts looked at. A report has three.
const PARTS_MAX: usize = 64;

/// Reads a mail as a feedback report; `None` when it is none.
///
/// # Errors
///
/// `MissingField` when the mail says that it is a report, and has nothing of one.
pub(crate) fn read(message: &Message<'_>) -> Option<Result<Parsed<Complaint>, Reject>> {
    read_within(message, FORWARD_DEPTH_MAX)
}

fn read_within(message: &Message<'_>, depth_left: u8) -> Option<Result<Parsed<Complaint>, Reject>> {
    let is_report = message.is_content_type("multipart", "report");
    if let Some((at, text)) = find_report(message) {
        return Some(read_arf(message, at, &text));
    }
    if is_report && report_type(message).eq_ignore_ascii_case("feedback-report") {
        let text = Text::const_new(
            "the mail says `report-type=feedback-report`, but no part of it has feedback fields",
        );
        return Some(Err(Reject::new(RejectReason::MissingField, text)));
    }
    if let Some(complaint) = prose::read(message) {
        return Some(Ok(complaint));
    }
    // Within another report stands a message that it is about: what it quotes is no report to us.
    if is_report {
        return None;
    }
    let mut inner = parts(message).filter_map(|(_, part)| part.message());
    if let Some(complaint) = inner.clone().find_map(|inner| jmrp::read(message, inner)) {
        return Some(Ok(complaint));
    }
    let depth_left = depth_left.checked_sub(1)?;
    inner.find_map(|inner| read_within(inner, depth_left))
}

fn report_type<'m>(message: &'m Message<'_>) -> &'m str {
    message.content_type().and_then(|kind| kind.attribute("report-type")).unwrap_or_default()
}

fn parts<'m, 'x>(message: &'m Message<'x>) -> impl Iterator<Item = (usize, &'m MessagePart<'x>)> + Clone {
    message.parts.iter().enumerate().take(PARTS_MAX)
}

/// The part that holds the fields, and its text.
///
/// Its type should be `message/feedback-report`. Gateways that know no such type make text of it: a text with the fields
/// that every report must have counts too, beside the message that it is about.
fn find_report<'m>(message: &'m Message<'_>) -> Option<(usize, Cow<'m, str>)> {
    let typed = parts(message).find(|(_, part)| part.is_content_type("message", "feedback-report"));
    if let Some((at, part)) = typed {
        let body = text_of(part);
        // Without a blank line in front, the fields stand among those of the part.
        let text = if fields::is_report(&body) { body } else { with_head(message, part, &body).into() };
        return Some((at, text));
    }
    let has_message = parts(message).any(|(_, part)| part.message().is_some() || is_headers(part));
    parts(message)
        .filter(|(_, part)| has_message && matches!(part.body, PartType::Text(_) | PartType::Binary(_)))
        .filter(|(_, part)| fields::may_be_report(look(part)))
        .find(|(_, part)| fields::is_report(&text_up_to(part, fields::LOOK_BYTES_MAX)))
        .map(|(at, part)| (at, text_of(part)))
}

fn with_head(message: &Message<'_>, part: &MessagePart<'_>, body: &str) -> String {
    let head = message.raw_message.get(part.offset_header as usize..part.offset_body as usize);
    let head = lossy(head.unwrap_or_default());
    [cut(head.trim_end(), REPORT_BYTES_MAX), "\n", body].concat()
}

fn read_arf(message: &Message<'_>, at: usize, text: &str) -> Result<Parsed<Complaint>, Reject> {
    let mut draft = Draft::read(text);
    if draft.is_empty {
        let text = Text::const_new("the feedback report has no field that RFC 5965 knows");
        return Err(Reject::new(RejectReason::MissingField, text));
    }
    if parts(message).any(|(other, part)| other > at && part.is_content_type("message", "feedback-report")) {
        warn(&mut draft.warnings, "the mail holds more than one feedback report: the first one was read");
    }
    let returned =
        parts(message).skip(at + 1).map(|(_, part)| returned_in(part)).find(|found| !found.is_empty());
    let header = parts(message).filter_map(|(_, part)| part.message()).find_map(jmrp::recipient_header);
    Ok(draft.finish(ComplaintFormat::Arf, returned.unwrap_or_default(), header))
}

/// The message that the report is about, as far as this part tells of it.
fn returned_in(part: &MessagePart<'_>) -> ReturnedMessage {
    match (&part.body, is_headers(part)) {
        (PartType::Message(message), _) => returned::read(message),
        (PartType::Text(_), _) | (PartType::Binary(_), true) => returned::read_text(&text_of(part)),
        _ => ReturnedMessage::default(),
    }
}

/// `text/rfc822-headers` (RFC 6522 section 4), its UTF-8 kin (RFC 6533), and what is called so wrongly.
fn is_headers(part: &MessagePart<'_>) -> bool {
    let subtype = part.content_type().and_then(|kind| kind.subtype()).unwrap_or_default();
    ["rfc822-headers", "global-headers", "rfc822"].iter().any(|name| subtype.eq_ignore_ascii_case(name))
}

/// The beginning of a part, where the fields of a report stand.
fn look<'m>(part: &'m MessagePart<'_>) -> &'m [u8] {
    let bytes = part.contents();
    &bytes[..bytes.len().min(fields::LOOK_BYTES_MAX)]
}

fn text_of<'m>(part: &'m MessagePart<'_>) -> Cow<'m, str> {
    text_up_to(part, REPORT_BYTES_MAX)
}

fn text_up_to<'m>(part: &'m MessagePart<'_>, bytes_max: usize) -> Cow<'m, str> {
    match &part.body {
        PartType::Text(text) | PartType::Html(text) => cut(text, bytes_max).into(),
        _ => {
            let bytes = part.contents();
            lossy(&bytes[..bytes.len().min(bytes_max)])
        }
    }
}
