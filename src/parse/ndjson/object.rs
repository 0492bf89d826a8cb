//! Walks the pairs of one JSON object without building a tree.
//!
//! Way: plain strings and numbers, which nearly all values of an event are, are found here; `serde_json` reads what is
//! not plain (escapes, arrays, inner objects), so that its limits and its strictness hold. For a line of 25 fields
//! that takes half the time of `serde_json` alone; `tests` holds the two against each other on any text.
//! Not here: what the pairs mean (`fields`).

use crate::model::RejectReason;
use crate::parse::Reject;
use crate::parse::ndjson::value::Value;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Hands each pair of the object in `json`, and nothing else may be in it, to `take`.
///
/// # Errors
///
/// [`RejectReason::Syntax`] where `json` is not JSON, [`RejectReason::BadValue`] where it is no object, and what `take`
/// says. Pairs before the fault were handed out by then.
pub(super) fn for_each_pair<'a>(
    json: &'a str,
    mut take: impl FnMut(&str, &Value<'a>) -> Result<(), Reject>,
) -> Result<(), Reject> {
    let mut walk = Walk { json, at: 0 };
    walk.open()?;
    let mut next = walk.mark();
    if next == Some(b'}') {
        walk.at += 1;
        return walk.end();
    }
    loop {
        if next != Some(b'"') {
            return Err(walk.fault());
        }
        let name = walk.string()?;
        if walk.mark() != Some(b':') {
            return Err(walk.fault());
        }
        walk.at += 1;
        let value = walk.value()?;
        take(&name, &value)?;
        next = walk.mark();
        match next {
            Some(b',') => walk.at += 1,
            Some(b'}') => {
                walk.at += 1;
                return walk.end();
            }
            _ => return Err(walk.fault()),
        }
        next = walk.mark();
    }
}

struct Walk<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    /// Steps over the opening brace.
    fn open(&mut self) -> Result<(), Reject> {
        match self.mark() {
            Some(b'{') => {
                self.at += 1;
                Ok(())
            }
            _ if serde_json::from_str::<IgnoredAny>(self.json).is_ok() => {
                Err(Reject::new(RejectReason::BadValue, "the JSON is no object; send {\"event_type\":…}"))
            }
            _ => Err(self.fault()),
        }
    }

    /// Checks that nothing follows.
    fn end(&mut self) -> Result<(), Reject> {
        if self.mark().is_none() { Ok(()) } else { Err(self.fault()) }
    }

    /// Steps over blanks; returns the byte that comes next.
    fn mark(&mut self) -> Option<u8> {
        let bytes = self.json.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Reads the string that begins here.
    fn string(&mut self) -> Result<Cow<'a, str>, Reject> {
        let start = self.at + 1;
        let end = start + plain_len(&self.json.as_bytes()[start..]);
        if self.json.as_bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Cow::Borrowed(&self.json[start..end]));
        }
        self.by_serde::<String>().map(Cow::Owned)
    }

    /// Reads the value that begins here.
    fn value(&mut self) -> Result<Value<'a>, Reject> {
        match self.mark() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'{' | b'[') => self.by_serde::<&RawValue>().map(|raw| Value::Nested(raw.get())),
            Some(_) => self.bare(),
            None => Err(self.cut_short()),
        }
    }

    /// Reads a number, `true`, `false` or `null`.
    fn bare(&mut self) -> Result<Value<'a>, Reject> {
        let rest = &self.json[self.at..];
        let is_end = |byte: u8| matches!(byte, b',' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
        let end = rest.bytes().position(is_end).unwrap_or(rest.len());
        let word = &rest[..end];
        let is_plain_number =
            matches!(word.as_bytes(), [b'1'..=b'9', more @ ..] if more.iter().all(u8::is_ascii_digit));
        if !is_plain_number && serde_json::from_str::<IgnoredAny>(word).is_err() {
            return Err(if end == rest.len() { self.cut_short() } else { self.fault() });
        }
        self.at += end;
        Ok(if word == "null" { Value::Null } else { Value::Bare(word) })
    }

    /// Has `serde_json` read the one value that begins here.
    fn by_serde<T: Deserialize<'a>>(&mut self) -> Result<T, Reject> {
        let mut values = serde_json::Deserializer::from_str(&self.json[self.at..]).into_iter::<T>();
        match values.next() {
            Some(Ok(value)) => {
                self.at += values.byte_offset();
                Ok(value)
            }
            Some(Err(error)) if !error.is_eof() => {
                self.at += error.column().saturating_sub(1);
                Err(self.fault())
            }
            _ => Err(self.cut_short()),
        }
    }

    fn fault(&self) -> Reject {
        if self.at >= self.json.len() {
            return self.cut_short();
        }
        Reject::new(RejectReason::Syntax, format!("no JSON from byte {} on", self.at + 1))
    }

    fn cut_short(&self) -> Reject {
        let message =
            format!("the JSON ends too early, after {} bytes; send one whole object a line", self.json.len());
        Reject::new(RejectReason::Syntax, message)
    }
}

/// The number of bytes before the first quote, backslash or control character.
///
/// Eight bytes at a time, as strings of events are short: a call of `memchr` would cost more than the search. In each
/// word the high bit of a byte is set where that byte is one of the three; bits above the lowest may be wrong, because
/// a subtraction borrows upwards.
fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;

    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let (words, _) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = (below(word, b' ') | equal(word, b'"') | equal(word, b'\\')) & HIGHS;
        if found != 0 {
            return at * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let rest = words.len() * 8;
    let is_end = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
    rest + bytes[rest..].iter().position(is_end).unwrap_or(bytes.len() - rest)
}
