//! Entries of the systemd journal, as `journalctl -o json` prints them: one JSON object a line.
//!
//! Way: `mod` hands a line that begins with `{` in, `line` reads the entry's message.
//! Source: systemd.journal-fields(7) for the names; "Journal JSON Format" of systemd for the values: a text,
//! an array of bytes when that is not UTF-8, an array of values when a field stands twice, null when it is
//! too large.

use crate::model::{RejectReason, Timestamp};
use crate::parse::Reject;
use crate::parse::relay::header::Header;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The fields of an entry that are read; about thirty others are passed over.
#[derive(Debug, Deserialize)]
pub(crate) struct Entry<'a> {
    #[serde(borrow, default, rename = "__CURSOR")]
    cursor: FieldText<'a>,
    #[serde(borrow, default, rename = "__REALTIME_TIMESTAMP")]
    micros: FieldText<'a>,
    #[serde(borrow, default, rename = "_HOSTNAME")]
    host: FieldText<'a>,
    #[serde(borrow, default, rename = "SYSLOG_IDENTIFIER")]
    program: FieldText<'a>,
    #[serde(borrow, default, rename = "SYSLOG_PID")]
    pid: FieldText<'a>,
    #[serde(borrow, default, rename = "MESSAGE")]
    message: FieldText<'a>,
}

/// One field as text; empty when it is absent or null.
#[derive(Debug, Default)]
struct FieldText<'a>(Cow<'a, str>);

impl<'a> Entry<'a> {
    /// Reads one entry.
    ///
    /// # Errors
    ///
    /// [`RejectReason::Syntax`] when the line is no JSON object.
    pub(crate) fn read(line: &'a str) -> Result<Self, Reject> {
        serde_json::from_str(line).map_err(|error| {
            Reject::new(
                RejectReason::Syntax,
                format!("not an entry of `journalctl -o json`: broken JSON at column {}", error.column()),
            )
        })
    }

    /// Names the entry for good: unique in all journals.
    pub(crate) fn cursor(&self) -> &str {
        &self.cursor.0
    }

    /// Returns the entry as the head of a line and its text.
    ///
    /// # Errors
    ///
    /// [`RejectReason::MissingField`] or [`RejectReason::BadTime`] for its time.
    pub(crate) fn header(&self) -> Result<Header<'_>, Reject> {
        if self.micros.0.is_empty() {
            return Err(Reject::new(
                RejectReason::MissingField,
                "the journal entry has no `__REALTIME_TIMESTAMP`; export with `journalctl -o json`",
            ));
        }
        let micros = self.micros.0.parse().map_err(|_| {
            Reject::new(RejectReason::BadTime, "`__REALTIME_TIMESTAMP` is no number of microseconds")
        })?;
        Ok(Header::new(Timestamp(micros), &self.host.0, &self.program.0, &self.pid.0, &self.message.0))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for FieldText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

/// What an array holds: the bytes of one value, or several values.
#[derive(Deserialize)]
#[serde(untagged)]
enum Element {
    Byte(u8),
    Value(String),
    Other(serde::de::IgnoredAny),
}

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = FieldText<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text, an array of bytes, or null")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(FieldText(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(FieldText(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(FieldText(Cow::Owned(number.to_string())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(FieldText::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut bytes = Vec::new();
        let mut first_value = None;
        while let Some(element) = elements.next_element()? {
            match element {
                Element::Byte(byte) => bytes.push(byte),
                Element::Value(value) => first_value = first_value.or(Some(value)),
                Element::Other(_) => {}
            }
        }
        let text = first_value.unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned());
        Ok(FieldText(Cow::Owned(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::Entry;
    use crate::model::RejectReason;

    #[track_caller]
    fn check(line: &str, expect: Result<(&str, &str, &str, &str), RejectReason>) {
        let entry = Entry::read(line);
        let got = match &entry {
            Ok(entry) => entry
                .header()
                .map(|header| (header.host, header.daemon, header.pid, header.text))
                .map_err(|reject| reject.reason),
            Err(reject) => Err(reject.reason),
        };
        assert_eq!(got, expect, "{line}");
    }

    #[test]
    fn an_entry_is_a_header_with_microseconds() {
        let line = r#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1795216991273114","_HOSTNAME":"mx1",
            "PRIORITY":"6","SYSLOG_IDENTIFIER":"postfix/smtp","SYSLOG_PID":"17","MESSAGE":"a \"b\""}"#;
        check(line, Ok(("mx1", "smtp", "17", r#"a "b""#)));
        let entry = Entry::read(line).unwrap();
        assert_eq!(entry.cursor(), "s=1;i=2");
        assert_eq!(entry.header().unwrap().time.to_string(), "2026-11-20T23:23:11.273114Z");
    }

    #[test]
    fn a_message_of_bytes_is_read_as_text() {
        check(
            r#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":[98,111,238,116,101]}"#,
            Ok(("", "", "", "bo\u{fffd}te")),
        );
        check(r#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":["one","two",[1]]}"#, Ok(("", "", "", "one")));
        check(r#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":null}"#, Ok(("", "", "", "")));
    }

    #[test]
    fn entries_without_a_time_are_rejected() {
        check(r#"{"MESSAGE":"a"}"#, Err(RejectReason::MissingField));
        check(r#"{"__REALTIME_TIMESTAMP":"soon"}"#, Err(RejectReason::BadTime));
        check(r#"{"__REALTIME_TIMESTAMP":"1""#, Err(RejectReason::Syntax));
        check("{}{}", Err(RejectReason::Syntax));
    }
}
