//! JSON values as the readers of JSON records take them: lenient in form, exact in the message when one cannot be.
//!
//! Way: serde finds where a value begins and ends, this module reads it; `ndjson` and `relay::kumomta` say what it
//! means. A number may stand in quotes and a text without them, because half of all senders build their JSON so.
//! Not here: field names, which belong to the two formats.

use crate::model::{ADDRESS_BYTES_MAX, REPLY_BYTES_MAX, RejectReason, Text, Timestamp, normalize_address};
use crate::parse::Reject;
use crate::parse::text::cut;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::net::IpAddr;
use std::str::FromStr;

/// How far a time may lie ahead of its arrival, in seconds: one day. Clocks drift and zones get mixed up (14 hours at
/// most); what is further off would stand in every "last hour" chart for days.
pub const TIME_AHEAD_SECONDS_MAX: i64 = 86_400;

/// How far a time may lie behind its arrival, in seconds: 400 days, a year and its month for comparison. A sender whose
/// clock starts in 1970 must not open a partition for every month since.
pub const TIME_BEHIND_SECONDS_MAX: i64 = 400 * 86_400;

/// Longest text kept in one field, in bytes: twice the longest URL that browsers agree on.
pub const FIELD_BYTES_MAX: usize = 4096;

/// Most pairs kept in `tags` and in `meta`, each.
pub const PAIRS_MAX: usize = 64;

/// Longest name of a pair, in bytes.
pub const PAIR_NAME_BYTES_MAX: usize = 128;

/// Characters of a bad value that a reject message shows: enough to recognise it in the sender's code.
const SHOWN_CHARS_MAX: usize = 40;

/// One JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::parse) enum Value<'a> {
    /// `null`, and what a missing field has.
    #[default]
    Null,
    /// A string, without quotes and escapes.
    Text(Cow<'a, str>),
    /// A number, `true` or `false`, as written.
    Bare(&'a str),
    /// An array or object, as written.
    Nested(&'a str),
}

impl<'a> Value<'a> {
    /// Reads a value from its JSON text.
    ///
    /// # Errors
    ///
    /// When a string holds an escape that is no character (half of a surrogate pair).
    pub(in crate::parse) fn of(json: &'a RawValue) -> Result<Self, serde_json::Error> {
        let json = json.get();
        Ok(match json.as_bytes() {
            [b'"', inner @ .., b'"'] if memchr::memchr(b'\\', inner).is_none() => {
                Self::Text(Cow::Borrowed(&json[1..json.len() - 1]))
            }
            [b'"', ..] => Self::Text(Cow::Owned(serde_json::from_str(json)?)),
            [b'[' | b'{', ..] => Self::Nested(json),
            [b'n', ..] => Self::Null,
            _ => Self::Bare(json),
        })
    }

    /// The value as text, or `None` for an array or object. Nothing said is the empty text.
    pub(in crate::parse) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Null => Some(""),
            Self::Text(text) => Some(text),
            Self::Bare(text) => Some(text),
            Self::Nested(_) => None,
        }
    }

    /// The value as text; arrays and objects as their JSON.
    pub(in crate::parse) fn as_json_or_text(&self) -> &str {
        match self {
            Self::Nested(json) => json,
            _ => self.as_text().unwrap_or_default(),
        }
    }

    pub(in crate::parse) fn is_said(&self) -> bool {
        self.as_text() != Some("")
    }

    /// The text of a field.
    pub(in crate::parse) fn text(&self, field: &str) -> Result<&str, Reject> {
        let text = self.as_text().ok_or_else(|| self.bad(field, "text"))?;
        if text.len() > FIELD_BYTES_MAX {
            return Err(too_long(field, text.len(), FIELD_BYTES_MAX));
        }
        Ok(text)
    }

    /// A mail address, as it is stored; empty when nothing is said or for the null sender `<>`.
    pub(in crate::parse) fn address(&self, field: &str) -> Result<Text, Reject> {
        let text = self.as_text().ok_or_else(|| self.bad(field, "a mail address"))?;
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(too_long(field, text.len(), ADDRESS_BYTES_MAX));
        }
        Ok(normalize_address(text))
    }

    /// What `T` reads from text, or `None` when nothing is said. `allowed` says what may stand there.
    pub(in crate::parse) fn parse<T: FromStr>(
        &self,
        field: &str,
        allowed: &str,
    ) -> Result<Option<T>, Reject> {
        self.parse_with(field, allowed, |text| text.parse().ok())
    }

    /// What `read` makes of the text, or `None` when nothing is said.
    pub(in crate::parse) fn parse_with<T>(
        &self,
        field: &str,
        allowed: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Reject> {
        match self.as_text() {
            Some("") => Ok(None),
            Some(text) => read(text).map(Some).ok_or_else(|| self.bad(field, allowed)),
            None => Err(self.bad(field, allowed)),
        }
    }

    /// An IP address; an IPv4 address in IPv6 clothes (`::ffff:192.0.2.1`) is taken for what it is.
    pub(in crate::parse) fn ip(&self, field: &str) -> Result<Option<IpAddr>, Reject> {
        let ip = self.parse::<IpAddr>(field, "an IPv4 or IPv6 address")?;
        Ok(ip.map(|ip| ip.to_canonical()))
    }

    /// A point in time near `received`: RFC 3339, or a number of seconds or milliseconds since 1970, with or without
    /// a fraction.
    ///
    /// # Errors
    ///
    /// [`RejectReason::BadTime`] when it is no time, or outside of [`TIME_AHEAD_SECONDS_MAX`] and
    /// [`TIME_BEHIND_SECONDS_MAX`].
    pub(in crate::parse) fn time(
        &self,
        field: &str,
        received: Timestamp,
    ) -> Result<Option<Timestamp>, Reject> {
        const ALLOWED: &str = "an RFC 3339 time with offset (2026-01-31T12:00:00Z), or seconds or milliseconds \
                               since 1970";
        let read = |text: &str| match text.as_bytes().get(4) {
            Some(b'-') => Timestamp::parse_rfc3339(text).ok(),
            _ => unix_time(text),
        };
        let at = self
            .parse_with(field, ALLOWED, read)
            .map_err(|reject| Reject { reason: RejectReason::BadTime, ..reject })?;
        at.map(|at| near(field, at, received)).transpose()
    }

    /// The reject for a value that cannot be. An address is not shown: it is personal data.
    pub(in crate::parse) fn bad(&self, field: &str, allowed: &str) -> Reject {
        let shown = match self {
            Self::Nested(json) if json.starts_with('[') => Cow::Borrowed("an array"),
            Self::Nested(_) => Cow::Borrowed("an object"),
            _ => shown(self.as_text().unwrap_or_default()),
        };
        Reject::new(RejectReason::BadValue, format!("`{field}` is {shown}; allowed: {allowed}"))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        Self::of(<&'a RawValue>::deserialize(source)?).map_err(D::Error::custom)
    }
}

/// The text of a record: UTF-8, at most `bytes_max`, without a byte order mark.
pub(in crate::parse) fn record_text(bytes: &[u8], bytes_max: usize) -> Result<&str, Reject> {
    if bytes.len() > bytes_max {
        let message = format!("the record is {} bytes, the limit is {bytes_max}", bytes.len());
        return Err(Reject::new(RejectReason::TooLarge, message));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let message = format!("byte {} is not UTF-8; encode records as UTF-8", error.valid_up_to());
        Reject::new(RejectReason::Encoding, message)
    })?;
    Ok(text.trim_start_matches('\u{feff}'))
}

/// The reject for what serde says of a record. Its text may quote the record, so only the place is passed on.
pub(in crate::parse) fn json_reject(error: &serde_json::Error) -> Reject {
    let column = error.column();
    match error.classify() {
        serde_json::error::Category::Eof => {
            Reject::new(RejectReason::Syntax, "the JSON ends too early; send one whole object a line")
        }
        serde_json::error::Category::Data => {
            let message =
                format!("the value that ends at column {column} is not of the type that belongs there");
            Reject::new(RejectReason::BadValue, message)
        }
        _ => Reject::new(RejectReason::Syntax, format!("no JSON from column {column} on")),
    }
}

/// A reply text on one line, at most [`REPLY_BYTES_MAX`]: line ends and other control characters become one blank.
pub(in crate::parse) fn one_line(text: &str) -> Text {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Text::from(cut(text, REPLY_BYTES_MAX));
    }
    let mut line = Text::with_capacity(text.len().min(REPLY_BYTES_MAX));
    for part in text.split(|c: char| c.is_control()).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(cut(part, REPLY_BYTES_MAX.saturating_sub(line.len())));
        if line.len() >= REPLY_BYTES_MAX {
            break;
        }
    }
    line
}

/// A host name as it is stored: lower case, without the root's dot.
pub(in crate::parse) fn host(name: &str) -> Text {
    let mut host = Text::from(cut(name.trim_end_matches('.'), FIELD_BYTES_MAX));
    host.make_ascii_lowercase();
    host
}

/// A message id without blanks and angle brackets.
pub(in crate::parse) fn bare_message_id(id: &str) -> Text {
    Text::from(cut(id.trim().trim_start_matches('<').trim_end_matches('>'), FIELD_BYTES_MAX))
}

/// Reads a number of seconds or milliseconds since 1970, whole or with a fraction.
fn unix_time(text: &str) -> Option<Timestamp> {
    /// From here on a number is milliseconds: as seconds it would be the year 5138, as milliseconds it is 1973.
    const MILLIS_FROM: i64 = 100_000_000_000;

    if let Ok(whole) = text.parse::<i64>() {
        let millis = whole.unsigned_abs() >= MILLIS_FROM.unsigned_abs();
        return Some(if millis { Timestamp::from_millis(whole) } else { Timestamp::from_seconds(whole) });
    }
    // `f64` reads "inf" and "nan" too
    let number: f64 = text.parse().ok().filter(|_| text.starts_with(|c: char| c.is_ascii_digit()))?;
    #[expect(clippy::cast_precision_loss, reason = "1e11 is exact in an f64")]
    let micros_each = if number >= MILLIS_FROM as f64 { 1e3 } else { 1e6 };
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and the window check refuses the ends")]
    Some(Timestamp((number * micros_each).round() as i64))
}

/// Passes a time on that lies near its arrival.
fn near(field: &str, at: Timestamp, received: Timestamp) -> Result<Timestamp, Reject> {
    let (behind, ahead) = (
        received.seconds().saturating_sub(TIME_BEHIND_SECONDS_MAX),
        received.seconds().saturating_add(TIME_AHEAD_SECONDS_MAX),
    );
    let fault = match at.seconds() {
        second if second > ahead => "more than 1 day after",
        second if second < behind => "more than 400 days before",
        _ => return Ok(at),
    };
    let message = format!(
        "`{field}` is {at}, {fault} its arrival at {received}; check the sender's clock, time zone and unit"
    );
    Err(Reject::new(RejectReason::BadTime, message))
}

fn too_long(field: &str, bytes: usize, bytes_max: usize) -> Reject {
    Reject::new(RejectReason::TooLarge, format!("`{field}` is {bytes} bytes, the limit is {bytes_max}"))
}

/// A bad value as a message may show it.
fn shown(text: &str) -> Cow<'_, str> {
    if text.is_empty() {
        return Cow::Borrowed("empty");
    }
    if text.contains('@') {
        return Cow::Borrowed("an address");
    }
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(SHOWN_CHARS_MAX).filter(|c| !c.is_control()).collect();
    Cow::Owned(if chars.next().is_some() { format!("`{head}…`") } else { format!("`{head}`") })
}
