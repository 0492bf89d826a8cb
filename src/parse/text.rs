//! Bytes as text, and text of a limited length.

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
