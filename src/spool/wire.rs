//! The two building stones of the spool's own bytes: varints and length-prefixed text.
//!
//! Way: `entry` and `segment` write with `put_*` and read with a [`Cursor`].
//! Source: varints as in LEB128 (DWARF 5, section 7.6), unsigned: seven bits a byte, low bits first.
//! Not here: checksums; what is read here has passed one already.

use crate::model::{SourceKind, SourceRef, Text};

/// Longest varint, in bytes: 64 bits in groups of seven.
pub(super) const VARINT_BYTES_MAX: usize = 10;

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// The kind goes in by name, not by number, so that a file can be read without a table of numbers.
pub(super) fn put_source(out: &mut Vec<u8>, source: &SourceRef) {
    put_text(out, source.kind.name());
    put_text(out, &source.name);
}

/// Reads from the front of some bytes; each method gives `None` when they end too early or do not fit.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The number of bytes not read yet.
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*front)
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for group in 0..VARINT_BYTES_MAX {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * group;
            // the tenth group has room for one bit
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.varint()?).ok()?;
        let (front, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        std::str::from_utf8(front).ok()
    }

    pub(super) fn source(&mut self) -> Option<SourceRef> {
        let kind = SourceKind::from_name(self.text()?)?;
        Some(SourceRef { kind, name: Text::from(self.text()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_put_is_read(value in any::<u64>(), text in ".{0,40}") {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            put_text(&mut bytes, &text);
            let mut cursor = Cursor::new(&bytes);
            prop_assert_eq!(cursor.varint(), Some(value));
            prop_assert_eq!(cursor.text(), Some(text.as_str()));
            prop_assert_eq!(cursor.left(), 0);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Cursor::new(&bytes).varint();
            let _ = Cursor::new(&bytes).text();
            let _ = Cursor::new(&bytes).source();
        }
    }

    #[test]
    fn a_varint_of_more_than_64_bits_is_refused() {
        let mut bytes = [0xff; VARINT_BYTES_MAX];
        bytes[VARINT_BYTES_MAX - 1] = 0x02;
        assert_eq!(Cursor::new(&bytes).varint(), None);
        assert_eq!(Cursor::new(&[0x80; 11]).varint(), None);
    }
}
