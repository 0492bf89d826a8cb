//! Which lines of a request are events: the bad ones are for its sender, the good ones for the spool.
//!
//! Way: between `frame` and the spool, with the same check that the reader in `pipeline` makes.

use crate::ingest::http::LineError;
use crate::ingest::http::answer::{ERRORS_MAX, Refusal};
use crate::ingest::http::body::Room;
use crate::ingest::http::frame::{Framed, frame};
use crate::model::{Framing, Timestamp};
use crate::parse::items::items;
use crate::parse::ndjson;
use bytes::Bytes;

/// The good lines of a request, and what is wrong with the others.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) payload: Bytes,
    pub(super) rejected: u64,
    /// The first [`ERRORS_MAX`].
    pub(super) errors: Vec<LineError>,
}

/// Checks the events of a body.
pub(super) fn events(body: Bytes, received: Timestamp, room: &mut Room) -> Result<Checked, Refusal> {
    match frame(body, room)? {
        Framed::Split(lines) | Framed::Lines(lines) => check(lines, received, room),
        Framed::Broken { element, reject, .. } => {
            let errors = vec![LineError::new(element, reject)];
            Ok(Checked { payload: Bytes::new(), rejected: 1, errors })
        }
    }
}

/// Checks each line. When all are good, the payload is passed on as it is.
fn check(payload: Bytes, received: Timestamp, room: &mut Room) -> Result<Checked, Refusal> {
    let mut rejected = 0;
    let mut errors = Vec::new();
    let mut good = None;
    let mut counted = LineCount::default();
    for (at, line) in items(Framing::Lines, &payload) {
        match (ndjson::check(line, received), &mut good) {
            (Ok(()), None) => {}
            (Ok(()), Some(good)) => put_line(good, line),
            (Err(reject), _) => {
                rejected += 1;
                if errors.len() < ERRORS_MAX {
                    errors.push(LineError::new(counted.line_at(&payload, at), reject));
                }
                if good.is_none() {
                    room.grow(payload.len())?;
                    good = Some(payload[..at].to_vec());
                }
            }
        }
    }
    Ok(Checked { payload: good.map_or(payload, Bytes::from), rejected, errors })
}

fn put_line(lines: &mut Vec<u8>, line: &[u8]) {
    lines.extend_from_slice(line);
    lines.push(b'\n');
}

/// Numbers lines as an editor does, empty ones included. Only bad lines need a number, so they are counted late.
#[derive(Default)]
struct LineCount {
    ends: u64,
    counted_to: usize,
}

impl LineCount {
    fn line_at(&mut self, payload: &[u8], at: usize) -> u64 {
        self.ends += memchr::memchr_iter(b'\n', &payload[self.counted_to..at]).count() as u64;
        self.counted_to = at;
        self.ends + 1
    }
}
