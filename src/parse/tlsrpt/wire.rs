//! JSON objects of TLS reports, read by name and leniently; what is odd becomes a warning.
//!
//! Way: `tlsrpt` asks an object for its fields, one by one.
//! Not here: what the fields mean.
//!
//! An inner object is only looked into when it is asked for, and arrays and objects that nobody asks for are passed over
//! without recursion: no depth of nesting does harm.

use crate::model::{RejectReason, Text, Timestamp, Warning};
use crate::parse::Reject;
use crate::parse::dmarc::oddity::{warn, warn_value};
use crate::parse::dmarc::value::{self, Value as Read};
use crate::parse::json::{MANY_MAX, OneOrMany, Pairs};
use crate::parse::ndjson::value::{Value, host, json_reject};
use crate::parse::text::cut;
use serde::Deserialize;
use std::borrow::Cow;
use std::cell::RefCell;
use std::net::IpAddr;

/// Longest text kept of a field, in bytes: names and URIs; a report that tells more is cut.
const TEXT_BYTES_MAX: usize = 1024;

/// Which end of its period a time is: a date without time means the first second of the day, or its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Begin,
    End,
}

/// See the module.
pub(super) struct Object<'a, 'w> {
    pairs: Vec<(Cow<'a, str>, Value<'a>)>,
    warnings: &'w RefCell<Vec<Warning>>,
}

impl<'a, 'w> Object<'a, 'w> {
    /// The object that a document is.
    pub(super) fn root(text: &'a str, warnings: &'w RefCell<Vec<Warning>>) -> Result<Self, Reject> {
        if !text.starts_with('{') {
            let message = Text::const_new("no JSON object: not a TLS report");
            return Err(Reject::new(RejectReason::UnknownType, message));
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let Pairs(pairs) = Pairs::deserialize(&mut json).map_err(|error| json_reject(&error))?;
        if json.end().is_err() {
            warn(&mut warnings.borrow_mut(), "something stands behind the report");
        }
        Ok(Self { pairs, warnings })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(other, _)| is_same(other, name))
    }

    pub(super) fn warn(&self, text: &'static str) {
        warn(&mut self.warnings.borrow_mut(), text);
    }

    /// Warns that a field is missing, unless it is there.
    pub(super) fn expect(&self, name: &str, is_there: bool) {
        if !is_there {
            warn(&mut self.warnings.borrow_mut(), format!("`{name}` is missing"));
        }
    }

    /// The field's value; of several the last, as JavaScript and most libraries have it.
    fn value(&self, name: &str) -> &Value<'a> {
        let mut found = self.pairs.iter().rev().filter(|(other, _)| is_same(other, name));
        let Some((_, value)) = found.next() else { return &Value::Null };
        if found.next().is_some() {
            warn(
                &mut self.warnings.borrow_mut(),
                format!("`{name}` is there more than once: the last one counts"),
            );
        }
        value
    }

    /// The field as text without blanks around it; empty when it is missing, `null`, an array or an object.
    fn plain(&self, name: &str) -> &str {
        let value = self.value(name);
        let Some(text) = value.as_text() else {
            self.odd(name, value.as_json_or_text(), "is no single value");
            return "";
        };
        text.trim()
    }

    fn odd(&self, name: &str, value: &str, what: &str) {
        warn_value(&mut self.warnings.borrow_mut(), name, value, what);
    }

    pub(super) fn text(&self, name: &str) -> Text {
        let text = self.plain(name);
        if text.len() > TEXT_BYTES_MAX {
            self.odd(name, text, "is too long and was cut");
        }
        cut(text, TEXT_BYTES_MAX).into()
    }

    /// A word of a registry, in lower case.
    pub(super) fn word(&self, name: &str) -> Text {
        let word = self.text(name).to_ascii_lowercase();
        self.expect(name, !word.is_empty());
        word
    }

    pub(super) fn host(&self, name: &str) -> Text {
        host(&self.text(name))
    }

    /// A list of texts; a single one is a list of one.
    pub(super) fn texts(&self, name: &str, max: usize) -> Vec<Text> {
        self.list(name, max)
            .iter()
            .filter_map(Value::as_text)
            .map(|text| cut(text, TEXT_BYTES_MAX).into())
            .collect()
    }

    /// A number of sessions.
    pub(super) fn count(&self, name: &str) -> Option<u64> {
        let text = self.plain(name);
        if text.is_empty() {
            self.expect(name, false);
            return None;
        }
        self.read(name, text, value::count(text))
    }

    /// An address. An empty one is none: reporters write that for sessions that never came to be.
    pub(super) fn address(&self, name: &str) -> Option<IpAddr> {
        let text = self.plain(name);
        if text.is_empty() { None } else { self.read(name, text, value::address(text)) }
    }

    /// A point in time: RFC 3339, or what else tells one.
    pub(super) fn time(&self, name: &str, edge: Edge) -> Option<Timestamp> {
        let text = self.plain(name);
        if text.is_empty() {
            self.expect(name, false);
            return None;
        }
        match (Timestamp::parse_rfc3339(text), text.parse::<jiff::civil::Date>()) {
            // .NET writes a time that nobody set as the year 1.
            (Ok(at), _) if at.0 > 0 => Some(at),
            (Ok(_), _) => self.read(name, text, Read::Bad("is before any report")),
            (Err(_), Ok(day)) if text.len() == DATE_BYTES => {
                let time = match edge {
                    Edge::Begin => jiff::civil::Time::midnight(),
                    Edge::End => jiff::civil::time(23, 59, 59, 0),
                };
                self.odd(name, text, "is a date without time");
                let at = day.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
                Some(at.timestamp().into())
            }
            _ => match value::time(text) {
                Read::Plain(at) | Read::Odd(at, _) => {
                    self.read(name, text, Read::Odd(at, "is no RFC 3339 time with an offset"))
                }
                bad @ Read::Bad(_) => self.read(name, text, bad),
            },
        }
    }

    fn read<T>(&self, name: &str, text: &str, value: Read<T>) -> Option<T> {
        match value {
            Read::Plain(value) => Some(value),
            Read::Odd(value, what) => {
                self.odd(name, text, what);
                Some(value)
            }
            Read::Bad(what) => {
                self.odd(name, text, what);
                None
            }
        }
    }

    /// The object within. It is expected.
    pub(super) fn object(&self, name: &str) -> Option<Self> {
        let inner = self.inner(name, self.value(name));
        self.expect(name, inner.is_some() || self.has(name));
        inner
    }

    /// The objects of a list; a single one is a list of one.
    pub(super) fn objects(&self, name: &str, max: usize) -> Vec<Self> {
        self.list(name, max).iter().filter_map(|value| self.inner(name, value)).collect()
    }

    fn inner(&self, name: &str, value: &Value<'a>) -> Option<Self> {
        let pairs = match value {
            Value::Null => return None,
            Value::Nested(json) => serde_json::from_str::<Pairs<'a>>(json).ok(),
            _ => None,
        };
        if pairs.is_none() {
            self.odd(name, value.as_json_or_text(), "is no object");
        }
        pairs.map(|Pairs(pairs)| Self { pairs, warnings: self.warnings })
    }

    /// The values of a list; a single one is a list of one, `null` and an empty text are none.
    fn list(&self, name: &str, max: usize) -> Vec<Value<'a>> {
        // One more than is kept is read, so that it is seen that there are more.
        let max = max.min(MANY_MAX - 1);
        let mut values = match self.value(name) {
            Value::Nested(json) => {
                serde_json::from_str::<OneOrMany<'a>>(json).map_or_else(|_| Vec::new(), |many| many.0)
            }
            value if value.is_said() => vec![value.clone()],
            _ => Vec::new(),
        };
        if values.len() > max {
            warn(
                &mut self.warnings.borrow_mut(),
                format!("`{name}` has more than {max} entries: these were kept"),
            );
            values.truncate(max);
        }
        values
    }
}

/// Length of `2026-01-31`.
const DATE_BYTES: usize = 10;

/// Whether a field has the name, in any case, with hyphens or underscores.
fn is_same(name: &str, wanted: &str) -> bool {
    name.len() == wanted.len()
        && name
            .bytes()
            .zip(wanted.bytes())
            .all(|(one, other)| one.eq_ignore_ascii_case(&other) || one == b'_' && other == b'-')
}
