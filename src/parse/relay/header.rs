//! The head of a log line: when, on which host, which program; and the text behind it.
//!
//! Way: `mod` hands a line in, `line` reads the text that is left.
//! Source: RFC 3164 section 4.1 (`<PRI>`, stamp, host, tag); rsyslog's file format with RFC 3339 times;
//! `maillog_file` of Postfix 3.4 and later.
//! Not here: journal entries (`journal`); how a stamp becomes a time (`stamp`).

use crate::model::{RejectReason, Timestamp};
use crate::parse::Reject;
use crate::parse::relay::cut::{at_byte, at_last_byte};
use crate::parse::relay::stamp::{SHORT_STAMP_BYTES, StampError, StampReader};

/// The head of a line, and its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header<'a> {
    pub(crate) time: Timestamp,
    pub(crate) host: &'a str,
    /// The `syslog_name` setting: the program without its last part; empty for a program without a slash.
    pub(crate) syslog_name: &'a str,
    /// The last part of the program: `smtpd`, `qmgr` …
    pub(crate) daemon: &'a str,
    pub(crate) pid: &'a str,
    pub(crate) text: &'a str,
}

impl<'a> Header<'a> {
    /// Splits a program such as `postfix/submission/smtpd` at its last slash.
    pub(crate) fn new(time: Timestamp, host: &'a str, program: &'a str, pid: &'a str, text: &'a str) -> Self {
        let (syslog_name, daemon) = at_last_byte(program, b'/').unwrap_or(("", program));
        Self { time, host, syslog_name, daemon, pid, text }
    }

    /// Whether a Postfix program wrote the line: all log as `syslog_name/daemon`, others in a mail log have
    /// no slash.
    pub(crate) const fn is_postfix(&self) -> bool {
        !self.syslog_name.is_empty()
    }

    /// What tells one delivering service from others: `out-3` of `postfix/out-3`, the whole of another
    /// `syslog_name`, nothing for the default.
    pub(crate) fn service(&self) -> &'a str {
        match self.syslog_name.strip_prefix("postfix") {
            Some("") => "",
            Some(rest) => rest.strip_prefix('/').unwrap_or(self.syslog_name),
            None => self.syslog_name,
        }
    }
}

/// Reads the head of a line; `None` for a line without a program (`last message repeated 2 times`).
///
/// # Errors
///
/// [`RejectReason::Syntax`] when the line begins with no stamp, [`RejectReason::BadTime`] when its stamp
/// names no moment.
pub(crate) fn read<'a>(
    line: &'a str,
    stamps: &mut StampReader,
    received: Timestamp,
) -> Result<Option<Header<'a>>, Reject> {
    let line = without_priority(line);
    let (time, rest) = read_stamp(line, stamps, received)?;
    Ok(read_tag(rest).map(|(host, program, pid, text)| Header::new(time, host, program, pid, text)))
}

/// Cuts a `<PRI>` of up to three digits off.
fn without_priority(line: &str) -> &str {
    line.strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .filter(|(digits, _)| {
            (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
        .map_or(line, |(_, rest)| rest)
}

fn read_stamp<'a>(
    line: &'a str,
    stamps: &mut StampReader,
    received: Timestamp,
) -> Result<(Timestamp, &'a str), Reject> {
    if let Some(&stamp) = line.as_bytes().first_chunk::<SHORT_STAMP_BYTES>() {
        match stamps.read_short(stamp, received) {
            // a stamp is ASCII, so it ends between two characters
            Ok(time) => return Ok((time, &line[SHORT_STAMP_BYTES..])),
            Err(StampError::NoSuchMoment) => return Err(bad_time(&line[..SHORT_STAMP_BYTES])),
            Err(StampError::NoStamp) => {}
        }
    }
    let (stamp, rest) = at_byte(line, b' ').unwrap_or((line, ""));
    if !has_long_shape(stamp) {
        return Err(Reject::new(
            RejectReason::Syntax,
            "not a mail log line: it begins with no time such as `Nov 20 23:23:11` or `2026-11-20T23:23:11Z`; \
             check the format of the source",
        ));
    }
    let time = stamps.read_long(stamp, received).ok_or_else(|| bad_time(stamp))?;
    Ok((time, rest))
}

/// Whether the text begins as an RFC 3339 time does.
fn has_long_shape(stamp: &str) -> bool {
    let bytes = stamp.as_bytes();
    bytes.len() >= "2026-11-20T23:23".len()
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && (bytes[4], bytes[7], bytes[10]) == (b'-', b'-', b'T')
}

fn bad_time(stamp: &str) -> Reject {
    const SHOWN_BYTES_MAX: usize = 40;
    let shown = &stamp[..stamp.floor_char_boundary(SHOWN_BYTES_MAX)];
    Reject::new(RejectReason::BadTime, format!("the time `{shown}` at the head of the line names no moment"))
}

/// Splits ` host program[pid]: text`.
fn read_tag(rest: &str) -> Option<(&str, &str, &str, &str)> {
    let (host, rest) = at_byte(rest.strip_prefix(' ').unwrap_or(rest), b' ')?;
    let (tag, text) = at_byte(rest, b':')?;
    if at_byte(tag, b' ').is_some() {
        return None;
    }
    let (program, pid) = at_byte(tag, b'[')
        .map_or((tag, ""), |(program, pid)| (program, pid.strip_suffix(']').unwrap_or(pid)));
    Some((host, program, pid, text.strip_prefix(' ').unwrap_or(text)))
}

#[cfg(test)]
mod tests {
    use super::{Header, StampReader, read};
    use crate::model::{RejectReason, Timestamp};
    use jiff::tz::TimeZone;

    const NOON: &str = "2026-11-21T12:00:00Z";

    fn read_at_noon(line: &str) -> Result<Option<Header<'_>>, RejectReason> {
        let received = Timestamp::parse_rfc3339(NOON).unwrap();
        read(line, &mut StampReader::new(TimeZone::UTC), received).map_err(|reject| reject.reason)
    }

    #[track_caller]
    fn check(line: &str, time: &str, program: (&str, &str), service: &str) {
        let header = read_at_noon(line).unwrap().unwrap();
        assert_eq!(header.time.to_string(), time, "{line}");
        assert_eq!((header.syslog_name, header.daemon), program, "{line}");
        assert_eq!((header.host, header.pid, header.text), ("mx1", "17", "text: more"), "{line}");
        assert_eq!(header.service(), service, "{line}");
        assert!(header.is_postfix(), "{line}");
    }

    #[test]
    fn both_kinds_of_stamp_are_read_with_and_without_priority() {
        let time = "2026-11-20T23:23:11Z";
        check("Nov 20 23:23:11 mx1 postfix/smtp[17]: text: more", time, ("postfix", "smtp"), "");
        check("<22>Nov 20 23:23:11 mx1 postfix/smtp[17]: text: more", time, ("postfix", "smtp"), "");
        check("2026-11-20T23:23:11+00:00 mx1 postfix/smtp[17]: text: more", time, ("postfix", "smtp"), "");
        check(
            "<22>2026-11-21T00:23:11+01:00 mx1 postfix/smtp[17]: text: more",
            time,
            ("postfix", "smtp"),
            "",
        );
    }

    #[test]
    fn the_daemon_is_behind_the_last_slash() {
        let (line, time) =
            (|tag: &str| format!("Nov 20 23:23:11 mx1 {tag}[17]: text: more"), "2026-11-20T23:23:11Z");
        check(&line("postfix/out-3/smtp"), time, ("postfix/out-3", "smtp"), "out-3");
        check(&line("postfix-out/smtp"), time, ("postfix-out", "smtp"), "postfix-out");
        check(&line("mta/bulk/smtp"), time, ("mta/bulk", "smtp"), "mta/bulk");
    }

    #[test]
    fn other_programs_are_not_of_postfix() {
        let header =
            read_at_noon("Nov 20 23:23:11 mx1 dovecot: lmtp(a): 3F1A22C0E5: saved").unwrap().unwrap();
        assert!(!header.is_postfix());
        assert_eq!(read_at_noon("Nov 20 23:23:11 mx1 last message repeated 2 times"), Ok(None));
        assert_eq!(read_at_noon("Nov 20 23:23:11"), Ok(None));
    }

    #[test]
    fn text_without_a_stamp_is_no_log_line() {
        for line in ["", " ", "hello", "Nov 20", "Mars attacks the mail hosts", "20 Nov 2026", "<22>", "<22"]
        {
            assert_eq!(read_at_noon(line), Err(RejectReason::Syntax), "{line}");
        }
    }

    #[test]
    fn a_stamp_that_names_no_moment_is_a_bad_time() {
        for line in ["Feb 30 23:23:11 mx1 a: b", "Nov 20 25:23:11 mx1 a: b", "2026-13-20T23:23:11Z mx1 a: b"]
        {
            assert_eq!(read_at_noon(line), Err(RejectReason::BadTime), "{line}");
        }
    }
}
