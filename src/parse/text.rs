//! Bytes as text, its lines, and text of a limited length.

use std::borrow::Cow;

/// The longest beginning of `text` that fits into `bytes_max`.
pub(in crate::parse) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// The bytes as text, with a mark for each that is none.
pub(in crate::parse) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    // Checking first is several times faster than `from_utf8_lossy` alone.
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The lines of a text with their ends, as [`str::split_inclusive`] has them, in a fraction of its time.
pub(in crate::parse) fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut begin = 0;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
    // What stands behind the last line end is a line, too.
    let rest = std::iter::once(text.len()).filter(|_| !text.is_empty() && !text.ends_with('\n'));
    ends.chain(rest).map(move |end| {
        let line = &text[begin..end];
        begin = end;
        line
    })
}

/// The lines of a text, as [`str::lines`] has them.
pub(in crate::parse) fn lines(text: &str) -> impl Iterator<Item = &str> {
    whole_lines(text)
        .map(|line| line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line)))
}

/// A text in front of the first colon, and behind it.
pub(in crate::parse) fn at_colon(line: &str) -> Option<(&str, &str)> {
    let at = memchr::memchr(b':', line.as_bytes())?;
    Some((&line[..at], &line[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_are_those_of_the_standard_library(text in "[a\r\né]{0,20}") {
            prop_assert_eq!(lines(&text).collect::<Vec<_>>(), text.lines().collect::<Vec<_>>());
            let whole: Vec<_> = text.split_inclusive('\n').collect();
            prop_assert_eq!(whole_lines(&text).collect::<Vec<_>>(), whole);
        }
    }
}
