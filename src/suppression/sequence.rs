//! Places in the log: how a writer gives them, how a reader says how far it has read.
//!
//! Several processes write to one log without asking each other. A writer's own places always grow, so a reader that
//! knows the last place of each writer misses nothing, however late a writer's insert arrives.

use crate::model::Timestamp;
use crate::model::suppression::Seq;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Most writers that a cursor names: it travels in URLs.
pub const CURSOR_WRITERS_MAX: usize = 64;

/// Gives places to the records of one writer. A hybrid clock: it follows the time of day, never stands or goes back,
/// and never stays behind a record that was read, so that what answers a record stands after it on any machine.
#[derive(Debug)]
pub struct SeqClock {
    writer: u16,
    last: Timestamp,
}

impl SeqClock {
    /// `writer` is below [`Seq::WRITERS`] and no other process' that shares the log.
    pub const fn new(writer: u16) -> Self {
        Self { writer, last: Timestamp(0) }
    }

    pub const fn writer(&self) -> u16 {
        self.writer
    }

    pub fn next(&mut self, now: Timestamp) -> Seq {
        self.last = Timestamp(now.0.max(self.last.0 + 1));
        Seq::new(self.last, self.writer)
    }

    /// Takes note of a record of any writer.
    pub fn saw(&mut self, seq: Seq) {
        self.last = self.last.max(seq.time());
    }
}

/// How far a reader has read: the last place of each writer. Its text is opaque to callers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursor(BTreeMap<u16, Seq>);

/// A text that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no cursor of this feed; send the last `cursor` that you got, or none to begin anew")]
pub struct CursorError(String);

impl Cursor {
    /// Moves past `seq`; whether it was not passed before.
    pub fn pass(&mut self, seq: Seq) -> bool {
        let last = self.0.entry(seq.writer()).or_default();
        let is_new = seq > *last;
        *last = (*last).max(seq);
        is_new
    }

    pub fn has_passed(&self, seq: Seq) -> bool {
        self.0.get(&seq.writer()).is_some_and(|last| seq <= *last)
    }

    /// The last place of each writer, for the query.
    pub fn places(&self) -> impl Iterator<Item = Seq> {
        self.0.values().copied()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, seq) in self.places().enumerate() {
            write!(out, "{}{:x}", if at == 0 { "" } else { "-" }, seq.0)?;
        }
        Ok(())
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let mut cursor = Self::default();
        for part in text.split('-').filter(|_| !text.is_empty()) {
            let seq = u64::from_str_radix(part, 16).map_err(|_| CursorError(shortened(text)))?;
            cursor.pass(Seq(seq));
        }
        if cursor.0.len() > CURSOR_WRITERS_MAX {
            return Err(CursorError(shortened(text)));
        }
        Ok(cursor)
    }
}

/// What a person needs to see of a text that may be of any length.
fn shortened(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 40;
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_goes_back_gives_growing_places() {
        let mut clock = SeqClock::new(3);
        let first = clock.next(Timestamp(1_000));
        let second = clock.next(Timestamp(10));
        assert!(second > first);
        assert_eq!(second.time(), Timestamp(1_001));
        clock.saw(Seq::new(Timestamp(5_000), 9));
        assert!(clock.next(Timestamp(1_002)) > Seq::new(Timestamp(5_000), 9));
    }

    #[test]
    fn a_cursor_knows_each_writer() {
        let mut cursor = Cursor::default();
        assert!(cursor.pass(Seq::new(Timestamp(100), 1)));
        assert!(cursor.pass(Seq::new(Timestamp(50), 2)), "another writer's insert may come late");
        assert!(!cursor.pass(Seq::new(Timestamp(99), 1)));
        let again: Cursor = cursor.to_string().parse().unwrap();
        assert_eq!(again, cursor);
        assert_eq!("".parse(), Ok(Cursor::default()));
    }

    #[test]
    fn a_text_that_is_no_cursor_is_shown_shortened() {
        let error = format!("12-{}", "x".repeat(1_000)).parse::<Cursor>().unwrap_err();
        assert!(error.to_string().len() < 200);
    }
}
