//! The text of a Postfix line: about which message it speaks, and what it says.
//!
//! Way: `header` leaves the text, this module reads it, `apply` acts on it.
//! Source: Postfix, the `msg_info` calls of `smtpd`, `cleanup`, `pickup`, `qmgr`, `bounce` and `postsuper`.
//! Not here: delivery lines (`delivery`), refusals (`refusal`), what the lines mean together (`apply`).

use super::queue_id::is_queue_id;
use super::refusal::{self, Refusal};
use super::tls::TlsLine;
use crate::parse::relay::cut::{at_byte, at_last_byte, at_pair};
use std::net::IpAddr;

/// A line that tells something of mail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// About one message.
    Message { queue_id: &'a str, fact: Fact<'a> },
    /// Refused before there was a queue id.
    RefusedAtDoor(Box<Refusal<'a>>),
    /// A connection of one process; it names no message.
    Tls(TlsLine<'a>),
}

/// What a line says of its message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fact<'a> {
    /// Came in over SMTP: the first line of a message.
    Client {
        ip: Option<IpAddr>,
        sasl_username: &'a str,
    },
    /// Came in through the `sendmail` command, or was put back into the queue.
    Pickup,
    MessageId(&'a str),
    /// The queue manager took the message up: once for every round of attempts.
    Active {
        sender: &'a str,
        size_bytes: u32,
        recipients: u16,
    },
    /// Behind `to=<`, for [`super::delivery::read`].
    Delivery(&'a str),
    Refusal(Box<Refusal<'a>>),
    /// The relay wrote a notice about this message.
    Notice {
        queue_id: &'a str,
    },
    /// Retries are over, or an administrator says so. Names no recipient.
    Expired {
        by_admin: bool,
    },
    /// Gone from the queue.
    Removed,
    /// The client left in the middle, or an administrator stopped it.
    Canceled,
}

/// Reads the text of a line; `None` when it tells nothing of mail.
pub(crate) fn read(text: &str) -> Option<Line<'_>> {
    let (first, rest) = at_pair(text, *b": ")?;
    if is_queue_id(first) {
        return read_fact(rest).map(|fact| Line::Message { queue_id: first, fact });
    }
    if first == "NOQUEUE" {
        return refusal::read(rest).map(|refusal| Line::RefusedAtDoor(Box::new(refusal)));
    }
    TlsLine::read(text).map(Line::Tls)
}

fn read_fact(text: &str) -> Option<Fact<'_>> {
    if let Some(rest) = text.strip_prefix("to=<") {
        return Some(Fact::Delivery(rest));
    }
    if let Some(rest) = text.strip_prefix("from=<") {
        return read_queue_manager(rest);
    }
    if let Some(rest) = text.strip_prefix("message-id=") {
        return Some(Fact::MessageId(rest.trim_start_matches('<').trim_end_matches('>')));
    }
    if let Some(rest) = text.strip_prefix("client=") {
        let (ip, sasl_username) = (refusal::client_ip(rest), refusal::sasl_username(rest));
        return Some(Fact::Client { ip, sasl_username });
    }
    match text {
        "removed" => Some(Fact::Removed),
        "canceled" | "removed (canceled)" => Some(Fact::Canceled),
        _ if text.starts_with("uid=") => Some(Fact::Pickup),
        _ => match at_last_byte(text, b' ') {
            Some((front, queue_id)) if front.ends_with(" notification:") && is_queue_id(queue_id) => {
                Some(Fact::Notice { queue_id })
            }
            _ => refusal::read(text).map(|refusal| Fact::Refusal(Box::new(refusal))),
        },
    }
}

/// Reads the text behind `from=<`. A sender may hold anything, so the fields are found from the end.
fn read_queue_manager(text: &str) -> Option<Fact<'_>> {
    if let Some(text) = text.strip_suffix(" (queue active)") {
        let (text, recipients) = at_last_byte(text, b',')?;
        let (sender, size_bytes) = at_last_byte(text, b',')?;
        return Some(Fact::Active {
            sender: sender.strip_suffix('>')?,
            size_bytes: size_bytes.strip_prefix(" size=")?.parse().unwrap_or(u32::MAX),
            recipients: recipients.strip_prefix(" nrcpt=")?.parse().unwrap_or(u16::MAX),
        });
    }
    let (_, status) = text.rsplit_once(">, status=")?;
    match at_byte(status, b',').map_or(status, |(word, _)| word) {
        "expired" => Some(Fact::Expired { by_admin: false }),
        "force-expired" => Some(Fact::Expired { by_admin: true }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Fact, Line, read};

    const ID: &str = "4jWWbg1x0Bz1T1C5";

    #[track_caller]
    fn check(text: &str, expect: Option<&Fact<'_>>) {
        let text = format!("{ID}: {text}");
        match read(&text) {
            Some(Line::Message { queue_id, fact }) => {
                assert_eq!((queue_id, Some(&fact)), (ID, expect), "{text}");
            }
            other => assert_eq!((other, expect), (None, None), "{text}"),
        }
    }

    #[test]
    fn the_way_of_a_message_is_read() {
        let ip = Some("192.0.2.1".parse().unwrap());
        check("client=app[192.0.2.1]", Some(&Fact::Client { ip, sasl_username: "" }));
        check(
            "client=app[192.0.2.1], sasl_method=PLAIN, sasl_username=shop",
            Some(&Fact::Client { ip, sasl_username: "shop" }),
        );
        check("uid=0 from=<root>", Some(&Fact::Pickup));
        check("message-id=<a.b@c.example>", Some(&Fact::MessageId("a.b@c.example")));
        check(
            "from=<\"a>, size=1\"@b.example>, size=70000, nrcpt=2 (queue active)",
            Some(&Fact::Active { sender: "\"a>, size=1\"@b.example", size_bytes: 70_000, recipients: 2 }),
        );
        check("removed", Some(&Fact::Removed));
    }

    #[test]
    fn every_kind_of_end_and_notice_is_read() {
        check(
            "from=<a@b.example>, status=expired, returned to sender",
            Some(&Fact::Expired { by_admin: false }),
        );
        check("from=<>, status=force-expired, returned to sender", Some(&Fact::Expired { by_admin: true }));
        check("canceled", Some(&Fact::Canceled));
        check("removed (canceled)", Some(&Fact::Canceled));
        for notice in
            ["sender non-delivery", "sender delay", "sender delivery status", "postmaster non-delivery"]
        {
            let text = format!("{notice} notification: 4jWWbg2stZz1T1CS");
            check(&text, Some(&Fact::Notice { queue_id: "4jWWbg2stZz1T1CS" }));
        }
    }

    #[test]
    fn other_lines_tell_nothing() {
        check("sender notification failed to <a@b.example>: no", None);
        check("host mx.example[192.0.2.1] said: 421 later (in reply to MAIL FROM command)", None);
        check("from=<a@b.example>, size=1, nrcpt=1 (queue incoming)", None);
        check("resent-message-id=<a@b.example>", None);
        for text in
            ["connect from app[192.0.2.1]", "warning: to=<a>, x", "NOQUEUE: warn: x", "statistics: x", ""]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
