//! What counts as an item of a payload: a line that is not empty, an event of a body, or the payload as a whole.
//!
//! Way: the doors count items with this when they hand a payload to the spool, and `pipeline` reads them with it, so
//! that both ends of the ledger count the same.

use crate::model::Framing;
use crate::parse::webhook::batch;

/// The items of a payload in order, each with the offset of its first byte.
///
/// Lines end with `\n` or `\r\n`; the last one may lack its end. Empty lines are no items; a line of blanks is one. An
/// empty payload has no items.
pub fn items(framing: Framing, payload: &[u8]) -> Items<'_> {
    Items(match framing {
        Framing::Lines => Inner::Lines { payload, at: 0 },
        Framing::Whole => Inner::Whole(Some(payload).filter(|payload| !payload.is_empty())),
        Framing::Events => Inner::Events(batch::items(payload)),
    })
}

/// See [`items`].
#[derive(Debug, Clone)]
pub struct Items<'a>(Inner<'a>);

#[derive(Debug, Clone)]
enum Inner<'a> {
    Lines {
        payload: &'a [u8],
        /// Where the next line begins.
        at: usize,
    },
    Whole(Option<&'a [u8]>),
    Events(batch::Items<'a>),
}

impl<'a> Iterator for Items<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Inner::Lines { payload, at } => next_line(payload, at),
            Inner::Whole(payload) => payload.take().map(|payload| (0, payload)),
            Inner::Events(events) => events.next(),
        }
    }
}

fn next_line<'a>(payload: &'a [u8], at: &mut usize) -> Option<(usize, &'a [u8])> {
    while *at < payload.len() {
        let begin = *at;
        let rest = &payload[begin..];
        let line = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
        *at = begin + line.len() + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            return Some((begin, line));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &str, expect: &[(usize, &str)]) {
        let got: Vec<_> = items(Framing::Lines, payload.as_bytes()).collect();
        let expect: Vec<_> = expect.iter().map(|(at, line)| (*at, line.as_bytes())).collect();
        assert_eq!(got, expect, "payload was {payload:?}");
    }

    #[test]
    fn each_line_is_an_item_with_its_offset() {
        check("one\ntwo\n", &[(0, "one"), (4, "two")]);
    }

    #[test]
    fn the_last_line_may_lack_its_end() {
        check("one\r\ntwo", &[(0, "one"), (5, "two")]);
    }

    #[test]
    fn empty_lines_are_no_items() {
        check("", &[]);
        check("\n\r\n\n", &[]);
        check("\none\n\r\n\n \n", &[(1, "one"), (8, " ")]);
    }

    #[test]
    fn only_one_carriage_return_belongs_to_the_line_end() {
        check("one\r\r\n", &[(0, "one\r")]);
    }

    #[test]
    fn a_whole_payload_is_one_item() {
        let got: Vec<_> = items(Framing::Whole, b"one\n\ntwo\n").collect();
        assert_eq!(got, [(0, b"one\n\ntwo\n".as_slice())]);
        assert_eq!(items(Framing::Whole, b"").count(), 0);
    }

    #[test]
    fn the_events_of_a_body_are_items_where_they_stand() {
        let got: Vec<_> = items(Framing::Events, b"[{\"a\":1}, {}]").collect();
        assert_eq!(got, [(1, b"{\"a\":1}".as_slice()), (10, b"{}".as_slice())]);
    }
}
