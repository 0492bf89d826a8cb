//! What counts as an item of a webhook's body: each event on its own, so that one that cannot be read takes no other
//! with it.
//!
//! Way: the door counts items with this, and `pipeline` reads them with it. A body stays in the spool as it came; an
//! item is a range of its bytes.
//!
//! | body | items |
//! | --- | --- |
//! | `[{…}, {…}]` | the elements |
//! | `{…, "events": [{…}, {…}], …}` | the elements of `events` (Stalwart, pages of the API of `HubSpot`) |
//! | `{…}{…}`, one a line or not | each object (Firehose) |
//! | a line that begins with anything else | the line |
//!
//! Only where things begin and end is looked at: what stands in between is for the reader. Where the JSON breaks off,
//! the rest is one item, so that no byte gets lost without a word.

/// The items of a body in order, each with the offset of its first byte.
pub fn items(body: &[u8]) -> Items<'_> {
    // some senders put a byte order mark before their JSON
    let at = if body.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    Items { body, at, place: Place::Top }
}

/// See [`items`].
#[derive(Debug, Clone)]
pub struct Items<'a> {
    body: &'a [u8],
    at: usize,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between values.
    Top,
    /// In an array that is the body.
    Array,
    /// In the array `events` of an object.
    Events,
}

/// How the object at some place goes on.
enum Object {
    /// It ends before this offset.
    Ends(usize),
    /// Its array `events` begins behind this offset.
    HasEvents(usize),
}

impl<'a> Iterator for Items<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.skip(if self.place == Place::Top { is_blank } else { is_blank_or_comma });
            let first = *self.body.get(self.at)?;
            match (self.place, first) {
                (Place::Top, b'[') => {
                    self.at += 1;
                    self.place = Place::Array;
                }
                (Place::Top, b'{') => match self.object() {
                    Object::Ends(end) => return Some(self.item(end)),
                    Object::HasEvents(begin) => {
                        self.at = begin;
                        self.place = Place::Events;
                    }
                },
                (Place::Top, _) => return Some(self.item(self.line_end())),
                (Place::Array, b']') => {
                    self.at += 1;
                    self.place = Place::Top;
                }
                (Place::Events, b']') => {
                    // what stands behind `events` is no event: a page's offset
                    self.at = self.value_end(self.at + 1, 1);
                    self.place = Place::Top;
                }
                _ => return Some(self.item(self.element_end())),
            }
        }
    }
}

impl<'a> Items<'a> {
    fn item(&mut self, end: usize) -> (usize, &'a [u8]) {
        let begin = self.at;
        self.at = end;
        (begin, self.body[begin..end].trim_ascii_end())
    }

    fn skip(&mut self, over: fn(u8) -> bool) {
        while self.body.get(self.at).is_some_and(|byte| over(*byte)) {
            self.at += 1;
        }
    }

    fn line_end(&self) -> usize {
        let rest = &self.body[self.at..];
        self.at + memchr::memchr(b'\n', rest).unwrap_or(rest.len())
    }

    /// Where the element of an array that begins here ends: before its comma or the array's bracket.
    fn element_end(&self) -> usize {
        let mut depth = 0_usize;
        let mut at = self.at;
        while let Some(byte) = self.body.get(at) {
            match byte {
                b'"' => at = self.string_end(at),
                b',' | b']' if depth == 0 => return at,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            at += 1;
        }
        self.body.len()
    }

    /// Where the value ends within which `at` lies, so many brackets deep.
    fn value_end(&self, mut at: usize, mut depth: usize) -> usize {
        while let Some(byte) = self.body.get(at) {
            match byte {
                b'"' => at = self.string_end(at),
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            at += 1;
            if depth == 0 {
                return at;
            }
        }
        self.body.len()
    }

    /// Looks through the object that begins here.
    fn object(&self) -> Object {
        let mut depth = 0_usize;
        let mut at = self.at;
        while let Some(byte) = self.body.get(at) {
            match byte {
                b'"' => {
                    let end = self.string_end(at);
                    if depth == 1
                        && self.body.get(at..=end) == Some(b"\"events\"")
                        && let Some(begin) = self.array_behind(end + 1)
                    {
                        return Object::HasEvents(begin);
                    }
                    at = end;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                return Object::Ends(at);
            }
        }
        Object::Ends(self.body.len())
    }

    /// Where the array behind a name and its colon begins.
    fn array_behind(&self, at: usize) -> Option<usize> {
        let rest = self.body.get(at..)?.trim_ascii_start().strip_prefix(b":")?;
        let rest = rest.trim_ascii_start().strip_prefix(b"[")?;
        Some(self.body.len() - rest.len())
    }

    /// The offset of the quote that ends the string beginning at `at`, or that of the last byte.
    fn string_end(&self, at: usize) -> usize {
        let mut at = at + 1;
        while let Some(found) = self.body.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
            at += found;
            if self.body[at] == b'"' {
                return at;
            }
            at += 2;
        }
        self.body.len() - 1
    }
}

const fn is_blank(byte: u8) -> bool {
    // As `trim_ascii` has it, so that what is trimmed away is no item.
    byte.is_ascii_whitespace()
}

const fn is_blank_or_comma(byte: u8) -> bool {
    is_blank(byte) || byte == b','
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(body: &str, expect: &[&str]) {
        let got: Vec<_> = items(body.as_bytes())
            .map(|(at, item)| {
                assert!(body.as_bytes()[at..].starts_with(item), "the offset is that of the first byte");
                String::from_utf8_lossy(item).into_owned()
            })
            .collect();
        assert_eq!(got, expect, "body was {body:?}");
    }

    #[test]
    fn an_object_is_one_item() {
        check(" {\"a\":[1,{\"b\":\"}]\\\"\"}]}\r\n", &["{\"a\":[1,{\"b\":\"}]\\\"\"}]}"]);
    }

    #[test]
    fn the_elements_of_an_array_are_items() {
        check("[{\"a\":1} ,\n {\"b\":[1,2]}]\r\n", &["{\"a\":1}", "{\"b\":[1,2]}"]);
        check("[]", &[]);
        check("[1,\"a,]\"]", &["1", "\"a,]\""]);
    }

    #[test]
    fn the_elements_of_events_are_items_wherever_they_stand() {
        check("{\"events\":[{\"a\":1},{\"b\":2}]}", &["{\"a\":1}", "{\"b\":2}"]);
        check("{\"more\":{\"events\":[0]},\"events\" : [ {\"a\":1} ],\"offset\":\"]}\"}", &["{\"a\":1}"]);
        check("{\"events\":[]}{\"a\":1}", &["{\"a\":1}"]);
    }

    #[test]
    fn an_object_with_other_events_stays_whole() {
        for body in ["{\"events\":1}", "{\"a\":\"events\"}", "{\"a\":{\"events\":[1]}}"] {
            check(body, &[body]);
        }
    }

    #[test]
    fn objects_may_follow_each_other() {
        check("{\"a\":1}\n{\"b\":2}{\"c\":3}", &["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
    }

    #[test]
    fn what_is_no_json_is_taken_by_lines() {
        check("a,b\r\n1,2\n\n3,{", &["a,b", "1,2", "3,{"]);
        check("", &[]);
        check("\u{feff}{\"a\":1}", &["{\"a\":1}"]);
        check("\u{feff}\u{feff}a", &["\u{feff}a"]);
        check("[ \u{c}", &[]);
    }

    #[test]
    fn where_the_json_breaks_off_the_rest_is_one_item() {
        check("[{\"a\":1},{\"b\":\"", &["{\"a\":1}", "{\"b\":\""]);
        check("{\"a\":[1,2", &["{\"a\":[1,2"]);
        check("[{\"a\":1}, bro ken, {\"c\":3}]", &["{\"a\":1}", "bro ken", "{\"c\":3}"]);
        check("{\"a\":\"\\", &["{\"a\":\"\\"]);
    }

    proptest! {
        #[test]
        fn any_bytes_end_and_items_do_not_overlap(body in prop::collection::vec(
            prop_oneof![prop::sample::select(b"[]{}\",:\\ \nevents".to_vec()), any::<u8>()], 0..200)
        ) {
            let mut end = 0;
            for (at, item) in items(&body) {
                prop_assert!(at >= end && !item.is_empty());
                end = at + item.len();
            }
            prop_assert!(end <= body.len());
        }

        #[test]
        fn each_element_is_found_as_it_was_written(texts in prop::collection::vec(".{0,12}", 0..8)) {
            let elements: Vec<_> = texts.iter().map(|text| serde_json::json!({ "events": text }).to_string()).collect();
            let body = format!("[{}]", elements.join(" , "));
            let got: Vec<_> = items(body.as_bytes()).map(|(_, item)| item.to_vec()).collect();
            prop_assert_eq!(got, elements.iter().map(|element| element.clone().into_bytes()).collect::<Vec<_>>());
        }
    }
}
