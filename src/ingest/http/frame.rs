//! Where the lines of a JSON body are: it may hold lines, an array, or records that are spread over lines.
//!
//! Way: `body` unpacked it; what comes out has one record a line, as [`items`] counts them.
//! An element of an array keeps its bytes, except that the line ends within become blanks: in JSON they stand only
//! between tokens, never in a string (RFC 8259 section 7).

use crate::ingest::http::answer::Refusal;
use crate::ingest::http::body::Room;
use crate::model::{Framing, RejectReason};
use crate::parse::Reject;
use crate::parse::items::items;
use bytes::Bytes;
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A body with its records found.
#[derive(Debug)]
pub(super) enum Framed {
    /// An array, or records spread over lines: now a line each.
    Split(Bytes),
    /// Lines as they came.
    Lines(Bytes),
    /// An array that breaks at this element, counted from 1.
    Broken { body: Bytes, element: u64, reject: Reject },
}

/// Finds the records of a body.
pub(super) fn frame(body: Bytes, room: &mut Room) -> Result<Framed, Refusal> {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body).trim_ascii_start();
    let is_array = text.starts_with(b"[");
    let first_is_whole = items(Framing::Lines, text).next().is_none_or(|(_, line)| looks_whole(line));
    if !is_array && first_is_whole {
        return Ok(Framed::Lines(body));
    }
    room.grow(text.len())?;
    let split = std::str::from_utf8(text).map_err(|fault| (1, not_utf8(fault)));
    let split = split.and_then(|text| if is_array { split_array(text) } else { split_values(text) });
    Ok(match split {
        Ok(lines) => Framed::Split(lines.into()),
        Err((element, reject)) if is_array => Framed::Broken { body, element, reject },
        Err(_) => Framed::Lines(body),
    })
}

/// The records of a relay, of which none may be turned away: what is no JSON is one item.
pub(super) fn records(body: Bytes, room: &mut Room) -> Result<Bytes, Refusal> {
    match frame(body, room)? {
        Framed::Split(lines) => Ok(lines),
        Framed::Lines(lines) if items(Framing::Lines, &lines).any(|(_, line)| looks_whole(line)) => Ok(lines),
        Framed::Lines(body) | Framed::Broken { body, .. } => {
            room.grow(body.len())?;
            Ok(body.iter().map(|byte| without_line_end(*byte)).collect())
        }
    }
}

/// Whether a line looks like a JSON object of its own.
fn looks_whole(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.starts_with(b"{") && line.ends_with(b"}")
}

fn split_array(text: &str) -> Result<Vec<u8>, (u64, Reject)> {
    let mut elements = Elements { lines: Vec::with_capacity(text.len()), count: 0 };
    let mut parser = serde_json::Deserializer::from_str(text);
    match parser.deserialize_seq(&mut elements).and_then(|()| parser.end()) {
        Ok(()) => Ok(elements.lines),
        Err(fault) => {
            let element = elements.count + 1;
            let (line, column) = (fault.line(), fault.column());
            let message = format!(
                "the JSON array breaks in or behind element {element}, at line {line} column {column}: nothing of it \
                 was taken"
            );
            Err((element, Reject::new(RejectReason::Syntax, message)))
        }
    }
}

/// Splits JSON values that follow each other, each spread over lines or not.
fn split_values(text: &str) -> Result<Vec<u8>, (u64, Reject)> {
    let mut lines = Vec::with_capacity(text.len());
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let value = value.map_err(|_| (1, Reject::new(RejectReason::Syntax, "no JSON")))?;
        put_line(&mut lines, value);
    }
    Ok(lines)
}

struct Elements {
    lines: Vec<u8>,
    count: u64,
}

impl<'de> Visitor<'de> for &mut Elements {
    type Value = ();

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&'de RawValue>()? {
            put_line(&mut self.lines, element);
            self.count += 1;
        }
        Ok(())
    }
}

fn put_line(lines: &mut Vec<u8>, value: &RawValue) {
    let begin = lines.len();
    lines.extend_from_slice(value.get().as_bytes());
    // most records stand on one line, and a search is faster than a loop over bytes
    if memchr::memchr2(b'\n', b'\r', &lines[begin..]).is_some() {
        lines[begin..].iter_mut().for_each(|byte| *byte = without_line_end(*byte));
    }
    lines.push(b'\n');
}

const fn without_line_end(byte: u8) -> u8 {
    if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }
}

fn not_utf8(fault: std::str::Utf8Error) -> Reject {
    let message = format!("byte {} of the body is not UTF-8; encode records as UTF-8", fault.valid_up_to());
    Reject::new(RejectReason::Encoding, message)
}
