//! The bytes of a report as UTF-8 text, whatever encoding they are in.
//!
//! Way: `scan` takes text from here, window by window.
//! Source: XML 1.0 section 4.3.3 and appendix F; the labels are those of the WHATWG Encoding Standard.
//!
//! What the bytes are counts, not only what they are called: reporters declare UTF-16 and send UTF-8 (a .NET
//! `StringWriter` does), and declare UTF-8 and send Latin-1. Text that is UTF-8 is read as that; single bytes in it
//! that are not are read in the declared encoding, and as windows-1252 when that is UTF-8 or none.

use encoding_rs::{Decoder, Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::io::Read;

/// Bytes taken from the source at once.
const CHUNK_BYTES: usize = 32 * 1024;

/// Where an XML declaration must end to be looked at, in bytes.
const DECLARATION_BYTES_MAX: usize = 1024;

/// Reads a source as UTF-8.
pub(super) struct TextReader<'a> {
    source: &'a mut dyn Read,
    /// What was read and is not decoded yet stands at the front: a character of which the rest is to come.
    chunk: Box<[u8]>,
    filled: usize,
    /// `None` until the first bytes are seen.
    decoding: Option<Decoding>,
    has_ended: bool,
    /// Whether bytes were read in an encoding that nobody declared.
    pub(super) is_guessed: bool,
}

enum Decoding {
    /// UTF-8; a byte from 0x80 that is not is a character of the single-byte encoding.
    Utf8 {
        others: Others,
        is_declared: bool,
    },
    Other(Decoder),
}

/// The characters of the bytes from 0x80 in a single-byte encoding; looked up when the first one is needed.
struct Others {
    encoding: &'static Encoding,
    characters: Option<Box<[char; 128]>>,
}

impl Others {
    fn characters(&mut self) -> &[char; 128] {
        self.characters.get_or_insert_with(|| {
            Box::new(std::array::from_fn(|index| {
                let byte = [0x80 | u8::try_from(index).unwrap_or_default()];
                let (decoded, _) = self.encoding.decode_without_bom_handling(&byte);
                decoded.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
            }))
        })
    }
}

impl<'a> TextReader<'a> {
    pub(super) fn new(source: &'a mut dyn Read) -> Self {
        Self {
            source,
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            filled: 0,
            decoding: None,
            has_ended: false,
            is_guessed: false,
        }
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Appends text until `text` has at least `bytes` or the source ends.
    ///
    /// # Errors
    ///
    /// What the source says; the text before that was appended.
    pub(super) fn fill(&mut self, text: &mut String, bytes: usize) -> std::io::Result<()> {
        while text.len() < bytes && !self.has_ended {
            let read = self.read_chunk();
            self.has_ended = !matches!(read, Ok(1..));
            self.decode(text);
            read?;
        }
        Ok(())
    }

    /// Fills the chunk as far as the source gives, so that the first one is enough to tell the encoding.
    fn read_chunk(&mut self) -> std::io::Result<usize> {
        let before = self.filled;
        while self.filled < self.chunk.len() {
            match self.source.read(&mut self.chunk[self.filled..]) {
                Ok(0) => break,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.filled - before)
    }

    fn decode(&mut self, text: &mut String) {
        let bytes = &self.chunk[..self.filled];
        let (skipped, decoding) = match &mut self.decoding {
            Some(decoding) => (0, decoding),
            none => {
                let (skipped, decoding) = Decoding::of(bytes);
                (skipped, none.insert(decoding))
            }
        };
        let bytes = &bytes[skipped..];
        let decoded = match decoding {
            Decoding::Utf8 { others, is_declared } => {
                let (decoded, has_others) = decode_utf8(bytes, others, self.has_ended, text);
                self.is_guessed |= has_others && !*is_declared;
                decoded
            }
            Decoding::Other(decoder) => {
                let room = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len());
                text.reserve(room);
                decoder.decode_to_string(bytes, text, self.has_ended).1
            }
        };
        let rest = skipped + decoded..self.filled;
        self.filled = rest.len();
        self.chunk.copy_within(rest, 0);
    }
}

impl Decoding {
    /// The encoding that the first bytes tell, and how many of them are a byte order mark.
    fn of(bytes: &[u8]) -> (usize, Self) {
        match bytes {
            [0xef, 0xbb, 0xbf, ..] => (3, Self::utf8(None)),
            [0xff, 0xfe, ..] => (2, Self::other(UTF_16LE)),
            [0xfe, 0xff, ..] => (2, Self::other(UTF_16BE)),
            [1..=0x7f, 0, ..] => (0, Self::other(UTF_16LE)),
            [0, 1..=0x7f, ..] => (0, Self::other(UTF_16BE)),
            _ => (0, Self::declared(bytes)),
        }
    }

    fn declared(bytes: &[u8]) -> Self {
        match declared_encoding(bytes) {
            Some(encoding) if encoding.is_single_byte() => Self::utf8(Some(encoding)),
            // The bytes are no UTF-16, whatever they are called.
            Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => Self::utf8(None),
            Some(encoding) if encoding != encoding_rs::UTF_8 => Self::other(encoding),
            _ => Self::utf8(None),
        }
    }

    fn utf8(declared: Option<&'static Encoding>) -> Self {
        let others = Others { encoding: declared.unwrap_or(WINDOWS_1252), characters: None };
        Self::Utf8 { others, is_declared: declared.is_some() }
    }

    fn other(encoding: &'static Encoding) -> Self {
        Self::Other(encoding.new_decoder_without_bom_handling())
    }
}

/// The encoding that an XML declaration at the start names, if it is one that we know.
fn declared_encoding(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(DECLARATION_BYTES_MAX)];
    let start = start.trim_ascii_start().strip_prefix(b"<?xml")?;
    let declaration = &start[..memchr::memmem::find(start, b"?>")?];
    let value = &declaration[memchr::memmem::find(declaration, b"encoding")? + "encoding".len()..];
    let value = value.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first()?;
    Encoding::for_label(&value[..memchr::memchr(*quote, value)?])
}

/// Appends `bytes` to `text` and tells how many of them are done, and whether some were no UTF-8. The start of a character
/// at the end is left to the next call, unless this is the last one.
fn decode_utf8(bytes: &[u8], others: &mut Others, is_last: bool, text: &mut String) -> (usize, bool) {
    let (mut done, mut has_others) = (0, false);
    loop {
        let rest = &bytes[done..];
        let error = match str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return (bytes.len(), has_others);
            }
            Err(error) => error,
        };
        let (valid, odd) = rest.split_at(error.valid_up_to());
        text.push_str(str::from_utf8(valid).unwrap_or_default());
        done += valid.len();
        let odd = match error.error_len() {
            Some(length) => &odd[..length],
            None if is_last => odd,
            None => return (done, has_others),
        };
        let characters = others.characters();
        text.extend(odd.iter().map(|byte| characters[usize::from(byte & 0x7f)]));
        done += odd.len();
        has_others = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that gives one byte at a time, so that every character is cut once.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
            let (Some((first, rest)), Some(place)) = (self.0.split_first(), room.first_mut()) else {
                return Ok(0);
            };
            *place = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn text_of(bytes: &[u8]) -> (String, bool) {
        let (mut text, mut source) = (String::new(), Drops(bytes));
        let mut reader = TextReader::new(&mut source);
        reader.fill(&mut text, usize::MAX).unwrap();
        (text, reader.is_guessed)
    }

    #[track_caller]
    fn check(bytes: &[u8], expect: &str, is_guessed: bool) {
        assert_eq!(text_of(bytes), (expect.to_owned(), is_guessed), "bytes were {bytes:x?}");
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn byte_order_marks_are_passed_over() {
        check(b"\xef\xbb\xbf<a/>", "<a/>", false);
        check(&utf16("\u{feff}<a>ü</a>", u16::to_le_bytes), "<a>ü</a>", false);
        check(&utf16("\u{feff}<a>ü</a>", u16::to_be_bytes), "<a>ü</a>", false);
    }

    #[test]
    fn utf16_without_a_mark_is_known_by_its_zeros() {
        check(&utf16("<a>ü€</a>", u16::to_le_bytes), "<a>ü€</a>", false);
        check(&utf16("<a>ü€</a>", u16::to_be_bytes), "<a>ü€</a>", false);
    }

    #[test]
    fn letters_of_latin1_and_windows_1252_are_kept() {
        check(b"M\xfcller", "Müller", true);
        check(b"M\xfcller \x80", "Müller €", true);
        let head = "<?xml version='1.0' encoding=\"ISO-8859-1\"?>";
        check(&[head.as_bytes(), b"M\xfcller"].concat(), &format!("{head}Müller"), false);
        let head = "<?xml version='1.0' encoding='iso-8859-2' ?>";
        check(&[head.as_bytes(), b"\xb9"].concat(), &format!("{head}š"), false);
    }

    #[test]
    fn utf8_is_read_as_such_whatever_it_is_called() {
        for label in ["utf-16", "iso-8859-1", "no-such-thing"] {
            let text = format!("<?xml version=\"1.0\" encoding=\"{label}\"?>Müller");
            check(text.as_bytes(), &text, false);
        }
    }

    #[test]
    fn encodings_of_several_bytes_are_read_as_declared() {
        let head = "<?xml version='1.0' encoding='gb18030'?>";
        check(&[head.as_bytes(), b"\xd6\xd0"].concat(), &format!("{head}中"), false);
    }

    #[test]
    fn a_character_that_is_cut_off_at_the_end_is_not_lost() {
        check(b"a\xc3", "aÃ", true);
    }

    #[test]
    fn a_chunk_may_end_within_a_character() {
        let text = "ü".repeat(CHUNK_BYTES);
        let bytes = format!("a{text}");
        let (mut read, mut source) = (String::new(), bytes.as_bytes());
        TextReader::new(&mut source).fill(&mut read, usize::MAX).unwrap();
        assert_eq!(read, bytes);
    }
}
