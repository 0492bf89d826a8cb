//! Splitting a text at its first separator.
//!
//! The standard library builds a searcher for every call, which costs more than the search in a field of ten
//! bytes.

/// Splits at the first `byte`, which must be ASCII.
pub(crate) fn at_byte(text: &str, byte: u8) -> Option<(&str, &str)> {
    debug_assert!(byte.is_ascii());
    let at = memchr::memchr(byte, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

/// Splits at the first place where the two bytes of `pair` follow each other, both ASCII.
pub(crate) fn at_pair(text: &str, pair: [u8; 2]) -> Option<(&str, &str)> {
    debug_assert!(pair.is_ascii());
    let bytes = text.as_bytes();
    let at = memchr::memchr_iter(pair[0], bytes).find(|at| bytes.get(at + 1) == Some(&pair[1]))?;
    Some((&text[..at], &text[at + 2..]))
}

/// Splits at the last `byte`, which must be ASCII.
pub(crate) fn at_last_byte(text: &str, byte: u8) -> Option<(&str, &str)> {
    debug_assert!(byte.is_ascii());
    let at = memchr::memrchr(byte, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::{at_byte, at_last_byte, at_pair};

    #[test]
    fn texts_are_split_as_the_standard_library_does() {
        for text in ["", ",", ", ", "a,b, c, d", "é, è", "a,", ",,, b", "ab"] {
            assert_eq!(at_byte(text, b','), text.split_once(','));
            assert_eq!(at_last_byte(text, b','), text.rsplit_once(','));
            assert_eq!(at_pair(text, *b", "), text.split_once(", "));
        }
    }
}
