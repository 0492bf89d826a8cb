//! Lines of comma-separated values.
//!
//! Way: a reader of exports hands in a line, and finds its fields by the header that it read before.
//! Source: RFC 4180 section 2; files with semicolons or tabs are told by their header.
//! Not here: values with line ends within, since an item is a line: such a line has an open quote, which the reader
//! rejects.

use std::borrow::Cow;

/// Most fields read of a line: five times what the widest export known has.
const FIELDS_MAX: usize = 512;

/// What separates the fields of a file, told by its header: whichever of comma, semicolon and tab it has most of.
pub(in crate::parse) fn separator_of(header: &str) -> u8 {
    let count = |separator: &u8| memchr::memchr_iter(*separator, header.as_bytes()).count();
    // of equals the last one counts for `max_by_key`
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

/// The fields of a line, without quotes and the blanks around them; `None` when a quote is never closed.
pub(in crate::parse) fn fields(line: &str, separator: u8) -> Option<Vec<Cow<'_, str>>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, behind) = if let Some(quoted) = rest.trim_start_matches(' ').strip_prefix('"') {
            quoted_field(quoted)?
        } else {
            let end = memchr::memchr(separator, rest.as_bytes()).unwrap_or(rest.len());
            (Cow::Borrowed(rest[..end].trim()), &rest[end..])
        };
        fields.push(field);
        // between a closing quote and the separator nothing can stand
        let end = memchr::memchr(separator, behind.as_bytes());
        match end {
            Some(end) if fields.len() < FIELDS_MAX => rest = &behind[end + 1..],
            _ => return Some(fields),
        }
    }
}

/// A field up to its closing quote, and what follows that.
fn quoted_field(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut field = Cow::Borrowed("");
    let mut from = 0;
    loop {
        let quote = from + memchr::memchr(b'"', &text.as_bytes()[from..])?;
        let piece = &text[from..quote];
        let doubled = text.as_bytes().get(quote + 1) == Some(&b'"');
        if field.is_empty() && !doubled {
            return Some((Cow::Borrowed(piece), &text[quote + 1..]));
        }
        field.to_mut().push_str(piece);
        if !doubled {
            return Some((field, &text[quote + 1..]));
        }
        field.to_mut().push('"');
        from = quote + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(line: &str, expect: Option<&[&str]>) {
        let got = fields(line, b',');
        let got: Option<Vec<&str>> = got.as_ref().map(|fields| fields.iter().map(|field| &**field).collect());
        assert_eq!(got.as_deref(), expect, "line was {line:?}");
    }

    #[test]
    fn fields_are_cut_at_commas_outside_of_quotes() {
        check("a, b ,c", Some(&["a", "b", "c"]));
        check("", Some(&[""]));
        check(",", Some(&["", ""]));
        check("\"a,b\",\"say \"\"hi\"\"\",\"\"", Some(&["a,b", "say \"hi\"", ""]));
        check("\"\"\"x\"\"\"", Some(&["\"x\""]));
    }

    #[test]
    fn an_open_quote_is_no_line() {
        check("a,\"b", None);
        check("\"a\"\"", None);
    }

    #[test]
    fn the_header_tells_the_separator() {
        assert_eq!(separator_of("a,b;c,d"), b',');
        assert_eq!(separator_of("a;b;c,d"), b';');
        assert_eq!(separator_of("a\tb"), b'\t');
        assert_eq!(separator_of("a"), b',');
    }

    proptest! {
        #[test]
        fn what_is_written_by_the_rules_is_read_back(values in prop::collection::vec("[^\\r\\n]{0,9}", 1..6)) {
            let quoted: Vec<_> = values.iter().map(|value| format!("\"{}\"", value.replace('"', "\"\""))).collect();
            let line = quoted.join(",");
            prop_assert_eq!(fields(&line, b',').unwrap(), values);
        }

        #[test]
        fn any_line_ends(line in ".{0,80}") {
            fields(&line, b',');
        }
    }
}
