//! Delivery lines: `to=<…>, relay=…, delay=…, delays=a/b/c/d, dsn=…, status=… (…)`.
//!
//! Way: `line` recognises one, `apply` makes an event of it.
//! Source: Postfix `src/global/log_adhoc.c`; the `tls` field is in its release notes of 3.11.
//! Not here: the text behind the status (`reply`).

use crate::model::{EnhancedCode, RejectReason};
use crate::parse::Reject;
use crate::parse::relay::cut::{at_byte, at_pair};
use std::net::IpAddr;

/// What one delivery agent says of one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Delivery<'a> {
    pub(crate) recipient: &'a str,
    /// As the sender gave it, when the relay rewrote it.
    pub(crate) orig_recipient: &'a str,
    pub(crate) peer: Peer<'a>,
    /// The connection was used for another message before, maybe by another process.
    pub(crate) reuses_connection: bool,
    pub(crate) delay_ms: Option<u32>,
    pub(crate) conn_ms: Option<u32>,
    pub(crate) xfer_ms: Option<u32>,
    pub(crate) tls_policy: &'a str,
    pub(crate) dsn: Option<EnhancedCode>,
    pub(crate) status: &'a str,
    /// Without the parentheses.
    pub(crate) text: &'a str,
}

/// The host that a delivery spoke to; all empty for `none`, `local`, `virtual` and the like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Peer<'a> {
    /// `host[ip]:port`, as TLS lines give it too.
    pub(crate) name: &'a str,
    pub(crate) host: &'a str,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: u16,
    /// `host[path]`: a socket of the relay host itself.
    pub(crate) is_local_socket: bool,
}

/// Reads the text behind `to=<`.
///
/// # Errors
///
/// [`RejectReason::Syntax`] when the recipient has no end, [`RejectReason::MissingField`] without a status:
/// Postfix cuts lines at 2000 characters, and a line cut before its status does not say what happened.
pub(crate) fn read(text: &str) -> Result<Delivery<'_>, Reject> {
    let mut delivery = Delivery::default();
    let mut rest;
    (delivery.recipient, rest) = read_address(text)?;
    if let Some(original) = rest.strip_prefix("orig_to=<") {
        (delivery.orig_recipient, rest) = read_address(original)?;
    }
    loop {
        if let Some(status) = rest.strip_prefix("status=") {
            (delivery.status, delivery.text) = split_status(status);
            return Ok(delivery);
        }
        let Some((field, behind)) = at_pair(rest, *b", ") else {
            return Err(Reject::new(
                RejectReason::MissingField,
                "delivery line without `status=`; it was cut before it said what happened",
            ));
        };
        delivery.take_field(field);
        rest = behind;
    }
}

impl<'a> Delivery<'a> {
    fn take_field(&mut self, field: &'a str) {
        let Some((name, value)) = at_byte(field, b'=') else { return };
        match name {
            "relay" => self.peer = Peer::read(value),
            "conn_use" => self.reuses_connection = true,
            "delay" => self.delay_ms = milliseconds(value),
            "delays" => (self.conn_ms, self.xfer_ms) = last_delays(value),
            "tls" => self.tls_policy = value,
            "dsn" => self.dsn = EnhancedCode::parse_prefix(value).map(|(code, _)| code),
            _ => {}
        }
    }
}

impl<'a> Peer<'a> {
    fn read(name: &'a str) -> Self {
        let Some((host, rest)) = at_byte(name, b'[') else { return Self::default() };
        let (inside, port) = at_byte(rest, b']').unwrap_or((rest, ""));
        let port = port.strip_prefix(':').and_then(|port| port.parse().ok()).unwrap_or(0);
        let ip = inside.parse().ok();
        Self { name, host, ip, port, is_local_socket: ip.is_none() && at_byte(inside, b'/').is_some() }
    }
}

/// Reads an address up to `>, ` and a field that may follow one; returns it with what stands behind.
///
/// A quoted local part may hold all of that (`"odd, x=1>"@example.com`), so its end is found first.
fn read_address(text: &str) -> Result<(&str, &str), Reject> {
    const FOLLOWING: [&str; 2] = ["relay=", "orig_to=<"];
    let quoted = if text.starts_with('"') { quoted_length(text) } else { 0 };
    memchr::memchr_iter(b'>', &text.as_bytes()[quoted..])
        .map(|at| (&text[..quoted + at], &text[quoted + at + 1..]))
        .filter_map(|(address, rest)| Some((address, rest.strip_prefix(", ")?)))
        .find(|(_, rest)| FOLLOWING.iter().any(|field| rest.starts_with(field)))
        .ok_or_else(|| {
            Reject::new(RejectReason::Syntax, "delivery line whose recipient has no end; was the line cut?")
        })
}

/// Returns the length of a quoted string at the start, RFC 5321 section 4.1.2; 0 when it has no end.
fn quoted_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    0
}

/// Splits `sent (250 ok)`; the closing parenthesis is missing from a line that was cut.
fn split_status(status: &str) -> (&str, &str) {
    let (word, text) = at_pair(status, *b" (").unwrap_or((status, ""));
    (word.trim_ascii_end(), text.strip_suffix(')').unwrap_or(text))
}

/// Reads the third and fourth of `a/b/c/d`: the time before the queue manager, in it, for the connection, for
/// the transmission.
fn last_delays(delays: &str) -> (Option<u32>, Option<u32>) {
    let Some((_, rest)) = at_byte(delays, b'/') else { return (None, None) };
    let Some((_, rest)) = at_byte(rest, b'/') else { return (None, None) };
    let (connection, transmission) = at_byte(rest, b'/').unwrap_or((rest, ""));
    (milliseconds(connection), milliseconds(transmission))
}

/// Reads seconds with a fraction, as `0.07` or `26`, rounded down to milliseconds.
fn milliseconds(seconds: &str) -> Option<u32> {
    let (whole, fraction) = at_byte(seconds, b'.').unwrap_or((seconds, ""));
    let digits = fraction.bytes().chain(*b"000").take(3);
    let fraction = digits.into_iter().try_fold(0_u32, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
    })?;
    whole.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::{Peer, milliseconds, read};
    use crate::model::RejectReason;

    const REST: &str =
        "relay=mx.example[192.0.2.1]:25, delay=0.07, delays=0/0.02/0.02/0, dsn=2.0.0, status=sent (250 ok)";

    #[test]
    fn every_field_is_read() {
        let text = "a@b.example>, orig_to=<c@d.example>, relay=mx.example[2001:db8::1]:25, conn_use=2, delay=1234, \
                    delays=1200/0.5/30/3.51, tls=encrypt:downgrade?, dsn=4.7.650, status=deferred (later (or not))";
        let delivery = read(text).unwrap();
        assert_eq!((delivery.recipient, delivery.orig_recipient), ("a@b.example", "c@d.example"));
        assert_eq!((delivery.peer.host, delivery.peer.port), ("mx.example", 25));
        assert_eq!(delivery.peer.ip, Some("2001:db8::1".parse().unwrap()));
        assert!(delivery.reuses_connection && !delivery.peer.is_local_socket);
        assert_eq!((delivery.delay_ms, delivery.conn_ms), (Some(1_234_000), Some(30_000)));
        assert_eq!((delivery.xfer_ms, delivery.tls_policy), (Some(3510), "encrypt:downgrade?"));
        assert_eq!(delivery.dsn.unwrap().to_string(), "4.7.650");
        assert_eq!((delivery.status, delivery.text), ("deferred", "later (or not)"));
    }

    #[test]
    fn recipients_may_hold_what_ends_one() {
        for recipient in [
            r#""odd name, x=1>"@ok.example"#,
            r#""x>, relay=none, status=sent (y)"@ok.example"#,
            r#""a\">, relay=none"@ok.example"#,
            "a>, b@ok.example",
            "\"a@ok.example",
            "",
        ] {
            let text = format!("{recipient}>, {REST}");
            let delivery = read(&text).unwrap();
            assert_eq!((delivery.recipient, delivery.status), (recipient, "sent"));
        }
    }

    #[test]
    fn agents_without_a_server_have_no_peer() {
        for name in ["none", "virtual", "local", "maildrop"] {
            assert_eq!(Peer::read(name), Peer::default());
        }
        let socket = Peer::read("mx.example[private/lmtp]");
        assert!(socket.is_local_socket && socket.ip.is_none());
    }

    #[test]
    fn a_line_cut_before_its_status_is_rejected_and_one_cut_behind_it_is_read() {
        let text = format!("a@b.example>, {REST}");
        let status_at = text.find("status=").unwrap();
        for end in 0..text.len() {
            match read(&text[..end]) {
                Ok(_) => assert!(end >= status_at + "status=".len(), "{}", &text[..end]),
                Err(reject) => {
                    assert!(end < status_at + "status=".len());
                    assert!(matches!(reject.reason, RejectReason::Syntax | RejectReason::MissingField));
                }
            }
        }
    }

    #[test]
    fn seconds_become_milliseconds() {
        for (seconds, expect) in [
            ("0", Some(0)),
            ("0.07", Some(70)),
            ("26", Some(26_000)),
            ("1.2345", Some(1_234)),
            ("4294967296", None),
            ("4294968", None),
            ("1.x", None),
            ("", None),
        ] {
            assert_eq!(milliseconds(seconds), expect, "{seconds}");
        }
    }
}
