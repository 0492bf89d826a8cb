//! The front of a line: when, which process, which message; and the text behind it.
//!
//! Way: the reader hands a line or a journal entry in, `line` reads the text that is left.
//! Source: Exim's specification, sections "Format of the main log" and "Logging to syslog": a file has
//! `2026-11-21 04:44:39.670 +0100 [13930] 1xUcxr-0003cf-25 text`, where all but day, time and text depend on
//! `log_selector` and `log_timezone`. By syslog the same stands behind a syslog head, without day and time when
//! `syslog_timestamp` is off.

use super::message_id;
use crate::model::{RejectReason, Timestamp};
use crate::parse::relay::cut::at_byte;
use crate::parse::relay::header::{self, Header};
use crate::parse::relay::stamp::StampReader;
use crate::parse::{Item, Reject};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

/// Bytes of `2026-11-21 04:44:39`.
const STAMP_BYTES: usize = 19;

/// The front of a line, read.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    /// Its text is what stands behind the message id.
    pub(crate) header: Header<'a>,
    /// Empty on a line about no message.
    pub(crate) message_id: &'a str,
}

/// Reads heads, and keeps the last second: a busy relay writes hundreds of lines in one.
#[derive(Debug)]
pub(crate) struct HeadReader {
    stamps: StampReader,
    last: Option<([u8; STAMP_BYTES], Timestamp)>,
}

impl HeadReader {
    /// Takes stamps without a zone to be in `zone`.
    pub(crate) const fn new(zone: TimeZone) -> Self {
        Self { stamps: StampReader::new(zone), last: None }
    }

    /// Reads the head of a line; `None` for one of another program.
    ///
    /// # Errors
    ///
    /// [`RejectReason::Syntax`] when the line begins with no time, [`RejectReason::BadTime`] when that names no
    /// moment.
    pub(crate) fn read<'a>(&mut self, line: &'a str, item: &Item<'a>) -> Result<Option<Head<'a>>, Reject> {
        if let Some((time, text)) = self.read_stamp(line, item.received)? {
            let header = Header::new(time, item.source.name.as_str(), "exim", "", text);
            return Ok(Some(with_message_id(header)));
        }
        let header = header::read(line, &mut self.stamps, item.received)?;
        Ok(header.and_then(|header| self.of_syslog(header, item.received)))
    }

    /// Reads what stands behind a syslog head; `None` for another program, and for all but the first part of a line
    /// that was split.
    pub(crate) fn of_syslog<'a>(&mut self, header: Header<'a>, received: Timestamp) -> Option<Head<'a>> {
        // `syslog_processname` may say what it likes; the usual ones begin like this
        if !header.daemon.starts_with("exim") {
            return None;
        }
        let text = first_part(header.text)?;
        // its own stamp may have a fraction, syslog's short one has none; a wrong one is no reason to lose the line
        let header = match self.read_stamp(text, received) {
            Ok(Some((time, text))) => Header { time, text, ..header },
            _ => Header { text, ..header },
        };
        Some(with_message_id(header))
    }

    /// Reads day, time and zone; `None` when the text does not begin with them.
    fn read_stamp<'a>(
        &mut self,
        text: &'a str,
        received: Timestamp,
    ) -> Result<Option<(Timestamp, &'a str)>, Reject> {
        let Some(stamp) = text.as_bytes().first_chunk::<STAMP_BYTES>().filter(|stamp| has_shape(stamp))
        else {
            return Ok(None);
        };
        let (micros, rest) = split_fraction(&text[STAMP_BYTES..]);
        let (offset, rest) = split_offset(rest.strip_prefix(' ').unwrap_or(rest));
        let second = match offset {
            Some(offset) => {
                civil(stamp).and_then(|civil| offset.to_timestamp(civil).ok()).map(Timestamp::from)
            }
            None => self.in_own_zone(stamp, received),
        };
        let second = second.ok_or_else(|| {
            let shown = &text[..STAMP_BYTES];
            Reject::new(
                RejectReason::BadTime,
                format!("the time `{shown}` at the head of the line names no moment"),
            )
        })?;
        Ok(Some((Timestamp(second.0 + micros), rest)))
    }

    fn in_own_zone(&mut self, stamp: &[u8; STAMP_BYTES], received: Timestamp) -> Option<Timestamp> {
        if let Some((last, time)) = self.last
            && last == *stamp
        {
            return Some(time);
        }
        let (time, is_certain) = self.stamps.in_zone(civil(stamp)?, received)?;
        self.last = is_certain.then_some((*stamp, time));
        Some(time)
    }
}

/// Splits process and message id off the text.
fn with_message_id(header: Header<'_>) -> Head<'_> {
    let (pid, text) = split_pid(header.text);
    let (message_id, text) = message_id::split(text).unwrap_or(("", text));
    let pid = if pid.is_empty() { header.pid } else { pid };
    Head { header: Header { pid, text, ..header }, message_id }
}

/// Cuts `[1/3] ` off: syslog takes 870 bytes, so Exim splits longer lines, and the first part says what happened.
fn first_part(text: &str) -> Option<&str> {
    let Some((mark, rest)) = text.strip_prefix('[').and_then(|text| text.split_once("] ")) else {
        return Some(text);
    };
    let Some((part, total)) = mark.split_once(['/', '\\']) else { return Some(text) };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (is_number(part) && is_number(total), part) {
        (false, _) => Some(text),
        (true, "1") => Some(rest),
        (true, _) => None,
    }
}

fn split_pid(text: &str) -> (&str, &str) {
    let split = text.strip_prefix('[').and_then(|text| at_byte(text, b']'));
    match split {
        Some((pid, rest)) if !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()) => {
            (pid, rest.strip_prefix(' ').unwrap_or(rest))
        }
        _ => ("", text),
    }
}

fn has_shape(stamp: &[u8; STAMP_BYTES]) -> bool {
    stamp.iter().enumerate().all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        10 => *byte == b' ',
        13 | 16 => *byte == b':',
        _ => byte.is_ascii_digit(),
    })
}

/// Makes the fields of a stamp that has the shape a wall time.
fn civil(stamp: &[u8; STAMP_BYTES]) -> Option<DateTime> {
    let digit = |at: usize| stamp[at].wrapping_sub(b'0').cast_signed();
    let number = |at: usize| digit(at) * 10 + digit(at + 1);
    let year = i16::from(number(0)) * 100 + i16::from(number(2));
    // a leap second has no place in a day of 86 400 seconds
    let second = number(17).min(59);
    DateTime::new(year, number(5), number(8), number(11), number(14), second, 0).ok()
}

/// Splits `.670` off, as microseconds.
fn split_fraction(text: &str) -> (i64, &str) {
    let Some(digits) = text.strip_prefix('.') else { return (0, text) };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let micros = digits
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(6)
        .enumerate()
        .fold(0, |micros, (at, byte)| micros * 10 + if at < length { i64::from(byte - b'0') } else { 0 });
    (micros, &digits[length..])
}

/// Splits `+0100 ` off (`log_timezone`).
fn split_offset(text: &str) -> (Option<Offset>, &str) {
    let read = || {
        let [sign @ (b'+' | b'-'), digits @ ..] = text.as_bytes().first_chunk::<5>()? else { return None };
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |at: usize| i32::from(digits[at] - b'0') * 10 + i32::from(digits[at + 1] - b'0');
        let seconds = number(0) * 3600 + number(2) * 60;
        let offset = Offset::from_seconds(if *sign == b'-' { -seconds } else { seconds }).ok()?;
        Some((offset, text[5..].strip_prefix(' ').unwrap_or(&text[5..])))
    };
    read().map_or((None, text), |(offset, rest)| (Some(offset), rest))
}

#[cfg(test)]
mod tests {
    use super::HeadReader;
    use crate::model::{RejectReason, SourceKind, SourceRef, Timestamp};
    use crate::parse::Item;
    use jiff::tz::TimeZone;

    const ID: &str = "1xUcxr-0003cf-25";

    #[track_caller]
    fn check(line: &str, expect: Result<Option<(&str, &str, &str, &str)>, RejectReason>) {
        let source = SourceRef { kind: SourceKind::default(), name: "relay1".into() };
        let received = Timestamp::parse_rfc3339("2026-11-21T12:00:00Z").unwrap();
        let item = Item { source: &source, bytes: line.as_bytes(), offset: 0, received };
        let mut reader = HeadReader::new(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
        for _ in ["first", "from the last second kept"] {
            let got = reader.read(line, &item);
            let got = got.as_ref().map(|head| {
                head.as_ref().map(|head| {
                    (head.header.time.to_string(), head.header.host, head.message_id, head.header.text)
                })
            });
            let got = got.map_err(|reject| reject.reason);
            let expect =
                expect.map(|head| head.map(|(time, host, id, text)| (time.to_owned(), host, id, text)));
            assert_eq!(got, expect, "{line}");
        }
    }

    #[test]
    fn every_form_of_a_files_line_is_read() {
        let (time, text) = ("2026-11-21T03:44:39Z", "=> a");
        check("2026-11-21 04:44:39 1xUcxr-0003cf-25 => a", Ok(Some((time, "relay1", ID, text))));
        check("2026-11-21 03:44:39 +0000 1xUcxr-0003cf-25 => a", Ok(Some((time, "relay1", ID, text))));
        check("2026-11-20 22:14:39 -0530 [17] 1xUcxr-0003cf-25 => a", Ok(Some((time, "relay1", ID, text))));
        let millis = "2026-11-21T03:44:39.67Z";
        check("2026-11-21 04:44:39.670 [17] 1xUcxr-0003cf-25 => a", Ok(Some((millis, "relay1", ID, text))));
        check(
            "2026-11-21 04:44:39 Start queue run: pid=17",
            Ok(Some((time, "relay1", "", "Start queue run: pid=17"))),
        );
    }

    #[test]
    fn a_syslog_head_may_stand_before_the_own_one_or_alone() {
        let time = "2026-11-21T03:44:39Z";
        check("Nov 21 04:44:39 mx1 exim[17]: 1xUcxr-0003cf-25 => a", Ok(Some((time, "mx1", ID, "=> a"))));
        check(
            "<22>Nov 21 04:44:40 mx1 exim4[17]: 2026-11-21 04:44:39 1xUcxr-0003cf-25 => a",
            Ok(Some((time, "mx1", ID, "=> a"))),
        );
        check(
            "2026-11-21T03:44:40+00:00 mx1 exim[17]: [1/2] 2026-11-21 04:44:39 1xUcxr-0003cf-25 => a",
            Ok(Some((time, "mx1", ID, "=> a"))),
        );
        check("Nov 21 04:44:40 mx1 exim[17]: [2\\2] the rest", Ok(None));
        check("Nov 21 04:44:40 mx1 dovecot: 1xUcxr-0003cf-25 => a", Ok(None));
    }

    #[test]
    fn text_without_a_time_is_no_log_line() {
        check("hello", Err(RejectReason::Syntax));
        check("  Envelope-from: <a@b.example>", Err(RejectReason::Syntax));
        check("2026-02-30 04:44:39 1xUcxr-0003cf-25 => a", Err(RejectReason::BadTime));
        check(
            "2026-02-20 04:44:39 +9900 1xUcxr-0003cf-25 => a",
            Ok(Some(("2026-02-20T03:44:39Z", "relay1", "", "+9900 1xUcxr-0003cf-25 => a"))),
        );
    }
}
