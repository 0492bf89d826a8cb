//! The head of the returned message: what leads from a notice to the message that was sent.
//!
//! Way: `page` hands over the part, or the text behind the boundary.
//! Source: RFC 5322 section 3.6; `Received: … id QUEUEID` is
//! RFC 5321 section 4.4; `X-Postfix-Queue-ID` is written by Postfix into its notices.

use crate::model::{QUEUE_IDS_MAX, RETURNED_TO_MAX, ReturnedMessage, Text, Timestamp, normalize_address};
use crate::parse::mail::reader;
use mail_parser::{Address, DateTime, HeaderName, HeaderValue, Message};

/// Largest head read from text, in bytes. Larger heads are not known; what a relay wrote last stands first.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Longest value kept of one field, in bytes: RFC 5322 section 2.1.1 has 998 in a line.
const VALUE_BYTES_MAX: usize = 998;

/// Reads a head that stands in text.
pub(in crate::parse) fn read_text(text: &str) -> ReturnedMessage {
    let text = text.trim_start();
    if text.is_empty() {
        return ReturnedMessage::default();
    }
    let head = &text.as_bytes()[..text.floor_char_boundary(HEAD_BYTES_MAX)];
    reader::HEAD.parse_headers(head).map(|message| read(&message)).unwrap_or_default()
}

/// Reads the head of a message that is a part of the notice.
pub(in crate::parse) fn read(message: &Message<'_>) -> ReturnedMessage {
    let mut found = ReturnedMessage::default();
    let Some(root) = message.parts.first() else { return found };
    for header in &root.headers {
        match (&header.name, &header.value) {
            (HeaderName::MessageId, value) => set(&mut found.message_id, first_text(value)),
            (HeaderName::From, HeaderValue::Address(from)) => set(&mut found.from, address(from)),
            (HeaderName::ReturnPath, value) => set(&mut found.return_path, normalize(first_text(value))),
            (HeaderName::To, HeaderValue::Address(to)) => add_recipients(&mut found.to, to),
            (HeaderName::Subject, value) => set(&mut found.subject, first_text(value)),
            (HeaderName::Date, HeaderValue::DateTime(at)) => {
                found.date = found.date.or_else(|| timestamp(at));
            }
            (HeaderName::ListId, HeaderValue::Address(list)) => set(&mut found.list_id, address(list)),
            (HeaderName::Received, HeaderValue::Text(hop)) => {
                add_queue_id(&mut found.queue_ids, queue_id(hop));
            }
            (name, value) => read_by_name(&mut found, name.as_str(), value),
        }
    }
    found
}

fn read_by_name(found: &mut ReturnedMessage, name: &str, value: &HeaderValue<'_>) {
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
    if is("Feedback-ID") {
        set(&mut found.feedback_id, first_text(value));
    } else if is("CFBL-Feedback-ID") {
        set(&mut found.cfbl_feedback_id, first_text(value));
    } else if is("X-Relaylens-Ref") {
        set(&mut found.relaylens_ref, first_text(value));
    } else if is("X-Postfix-Queue-ID") {
        add_queue_id(&mut found.queue_ids, first_text(value).as_deref());
    }
}

/// Keeps the first value of a field: what stands higher was written later, by servers nearer to the notice.
fn set(field: &mut Text, value: Option<Text>) {
    if field.is_empty() {
        *field = value.unwrap_or_default();
    }
}

fn add_recipients(to: &mut Vec<Text>, value: &Address<'_>) {
    for one in value.iter().filter_map(mail_parser::Addr::address) {
        if to.len() < RETURNED_TO_MAX && one.contains('@') {
            to.push(normalize_address(one));
        }
    }
}

fn add_queue_id(ids: &mut Vec<Text>, id: Option<&str>) {
    let id = Text::from(id.unwrap_or_default().trim_matches(['<', '>', ';', ' ']));
    if !id.is_empty() && id.len() <= VALUE_BYTES_MAX && ids.len() < QUEUE_IDS_MAX && !ids.contains(&id) {
        ids.push(id);
    }
}

/// The id in `Received: from … by … with ESMTP id 4ABCD; …`.
fn queue_id(hop: &str) -> Option<&str> {
    let mut words = hop.split_ascii_whitespace();
    words.find(|word| word.eq_ignore_ascii_case("id"))?;
    words.next()
}

/// The first address of a field.
pub(in crate::parse) fn address(value: &Address<'_>) -> Option<Text> {
    value.first().and_then(|one| one.address()).map(normalize_address)
}

fn normalize(address: Option<Text>) -> Option<Text> {
    address.map(|address| normalize_address(&address))
}

/// The first text of a field on one line, without brackets around it.
pub(in crate::parse) fn first_text(value: &HeaderValue<'_>) -> Option<Text> {
    let text = match value {
        HeaderValue::Text(text) => text,
        HeaderValue::TextList(texts) => texts.first()?,
        _ => return None,
    };
    let text = text.trim().trim_start_matches('<').trim_end_matches('>');
    let text = &text[..text.floor_char_boundary(VALUE_BYTES_MAX)];
    let is_plain = !text.bytes().any(|byte| byte.is_ascii_control()) && !text.contains("  ");
    Some(if is_plain {
        text.into()
    } else {
        text.split_ascii_whitespace().collect::<Vec<_>>().join(" ").into()
    })
}

/// The time, or `None` for one that is none. The week day is not looked at.
pub(in crate::parse) fn timestamp(at: &DateTime) -> Option<Timestamp> {
    let is_time = (1970..=2999).contains(&at.year)
        && (1..=12).contains(&at.month)
        && (1..=31).contains(&at.day)
        && at.hour < 24
        && at.minute < 60
        && at.second <= 60
        && at.tz_hour < 24;
    is_time.then(|| Timestamp::from_seconds(at.to_timestamp()))
}

/// Reads a date of RFC 5322, loosely: comments, old zone names and wrong week days are fine.
pub(in crate::parse) fn read_date(text: &str) -> Option<Timestamp> {
    DateTime::parse_rfc822(text).as_ref().and_then(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_the_message_is_read() {
        let found = read_text(
            "\nReceived: from a.example by b.example (Postfix) with ESMTP id 4ABC; Thu, 29 Apr 2010 23:34:45 +0900\n\
             Return-Path: <News@example.com>\nMessage-ID: <1@example.com>\nFrom: News <news@example.com>\n\
             To: Bob <Bob@example.net>, ann@example.net\nSubject: Hi\n there\nDate: Mon, 29 Apr 2010 23:34:45 +0900\n\
             List-Id: <news.example.com>\nFeedback-ID: 1:2:x\nX-Relaylens-Ref: abc\n\nTo: no@example.org\n",
        );
        assert_eq!(found.message_id, "1@example.com");
        assert_eq!(found.return_path, "news@example.com");
        assert_eq!(found.from, "news@example.com");
        assert_eq!(found.to, ["bob@example.net", "ann@example.net"]);
        assert_eq!(found.subject, "Hi there");
        assert_eq!(found.queue_ids, ["4ABC"]);
        assert_eq!(found.list_id, "news.example.com");
        assert_eq!((found.feedback_id.as_str(), found.relaylens_ref.as_str()), ("1:2:x", "abc"));
        assert_eq!(found.date, Some(Timestamp::from_seconds(1_272_551_685)));
    }

    #[test]
    fn a_date_is_read_in_spite_of_its_week_day() {
        assert_eq!(
            read_date("Thu, 29 Apr 2010 23:34:45 +0900 (JST)"),
            Some(Timestamp::from_seconds(1_272_551_685))
        );
        assert_eq!(read_date("Sun, 29 Apr 2010 14:34:45 GMT"), Some(Timestamp::from_seconds(1_272_551_685)));
        assert_eq!(read_date("yesterday"), None);
    }

    #[test]
    fn no_head_is_an_empty_message() {
        assert!(read_text("").is_empty());
        assert!(read_text("just words").is_empty());
    }
}
