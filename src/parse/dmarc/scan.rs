//! Tags and text of a document that never stands in memory: windows of text, each read by `quick-xml` save for the tags
//! that are nothing but a name.
//!
//! Way: `text` gives the text, this finds the markup in it, `assemble` makes records of it.
//! Source: XML 1.0 (fifth edition) for what markup is; what is not well-formed is passed over and counted.
//!
//! A window ends before its last `<`, so that no tag is cut. What is longer than a whole window (a comment, an attribute)
//! is thrown away up to its end. A DOCTYPE is passed over, so that no entity is known but the five of XML itself.

use super::assemble::Assembler;
use super::text::TextReader;
use quick_xml::Reader;
use quick_xml::errors::{Error, SyntaxError};
use quick_xml::events::{BytesRef, BytesStart, Event};

/// Text that stands in memory at once, in bytes, and the longest tag, comment or DOCTYPE that is read: those of honest
/// reports stay below a kilobyte, and the processor's second cache holds a window.
const WINDOW_BYTES: usize = 256 * 1024;

/// Where the root element must begin, in bytes of text: what has none up to there is no report, however long it goes on.
const ROOT_BYTES_MAX: usize = 8 << 20;

/// Most faults of syntax that are passed over in one document. Each may cost a look at a whole window.
const FAULTS_MAX: u32 = 1000;

/// Longest reference to a character, `&#1114111;` with some zeros: a window does not end within one.
const REFERENCE_BYTES_MAX: usize = 64;

/// Reads a document to its end into `assembler`.
///
/// # Errors
///
/// What the source says; what it gave before that was read.
pub(super) fn scan(source: &mut TextReader<'_>, assembler: &mut Assembler<'_>) -> std::io::Result<()> {
    // Grows with the document: most are far smaller than a window.
    let mut text = String::new();
    let (mut faults, mut before_root, mut ended) = (0, 0, Ok(()));
    loop {
        if ended.is_ok() {
            ended = source.fill(&mut text, WINDOW_BYTES);
        }
        if source.is_guessed {
            assembler.note("bytes that are no UTF-8 were read as windows-1252");
        }
        let is_last = source.has_ended();
        let window = if is_last { &text[..] } else { &text[..whole_tokens(&text)] };
        let (mut done, end) = read_window(window, assembler);
        match end {
            WindowEnd::Read if is_last => return ended,
            WindowEnd::Read => {}
            WindowEnd::Unclosed if !is_last && done > 0 => {}
            WindowEnd::Unclosed if !is_last => {
                Oversized::of(&text, assembler).pass_over(source, &mut text, assembler)?;
            }
            // Past the `<`, so that what follows is read all the same.
            WindowEnd::Unclosed | WindowEnd::Faulty => {
                assembler.note("markup that is none, or never ends, was passed over");
                faults += 1;
                done += 1;
            }
        }
        if faults > FAULTS_MAX {
            assembler.cut_off("too many faults of syntax: the rest was not read");
            return ended;
        }
        before_root += if assembler.has_root() { 0 } else { done };
        if before_root > ROOT_BYTES_MAX {
            return ended;
        }
        text.drain(..done);
    }
}

/// How much of a window can be read while more is to come.
fn whole_tokens(text: &str) -> usize {
    if let Some(last @ 1..) = text.rfind('<') {
        return last;
    }
    let tail = text.floor_char_boundary(text.len().saturating_sub(REFERENCE_BYTES_MAX));
    let reference = text[tail..].rfind('&').map(|at| tail + at);
    reference.filter(|at| *at > 0 && !text[*at..].contains(';')).unwrap_or(text.len())
}

/// Nothing to see; where files are joined it stands in the middle.
const BYTE_ORDER_MARK: char = '\u{feff}';

enum WindowEnd {
    Read,
    /// What begins at the place has no end in the window.
    Unclosed,
    /// What begins at the place is no markup.
    Faulty,
}

/// Reads a window and tells how far, in bytes, and why not further.
fn read_window(window: &str, assembler: &mut Assembler<'_>) -> (usize, WindowEnd) {
    let mut at = 0;
    loop {
        at = read_plain(window, at, assembler);
        // The reader would take it for the beginning of a file, and not count it.
        if window[at..].starts_with(BYTE_ORDER_MARK) {
            at += BYTE_ORDER_MARK.len_utf8();
            continue;
        }
        let mut reader = Reader::from_str(&window[at..]);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        match reader.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) if is_broken(&tag) => return (at, WindowEnd::Faulty),
            Ok(Event::Start(tag)) => start(&tag, assembler),
            Ok(Event::Text(text)) => assembler.text(&text),
            Ok(Event::End(tag)) => assembler.end(tag.name().into_inner()),
            Ok(Event::Empty(tag)) => {
                start(&tag, assembler);
                assembler.end(tag.name().into_inner());
            }
            Ok(Event::CData(text)) => assembler.text(&text),
            Ok(Event::GeneralRef(reference)) => refer(&reference, assembler),
            Ok(Event::DocType(_)) => assembler.note("a DOCTYPE was passed over"),
            Ok(Event::Comment(_) | Event::PI(_) | Event::Decl(_)) => {}
            Ok(Event::Eof) => return (window.len(), WindowEnd::Read),
            Err(Error::Syntax(SyntaxError::InvalidBangMarkup)) if window.len() - at > 2 => {
                return (at, WindowEnd::Faulty);
            }
            Err(Error::Syntax(_)) => return (at, WindowEnd::Unclosed),
            Err(_) => return (at, WindowEnd::Faulty),
        }
        at += usize::try_from(reader.buffer_position()).unwrap_or(window.len());
    }
}

/// Reads on from `at` as long as tags have nothing but a name and texts no reference: nearly all of a report, read three
/// times as fast as event by event. Returns where something else begins.
fn read_plain(window: &str, mut at: usize, assembler: &mut Assembler<'_>) -> usize {
    let bytes = window.as_bytes();
    loop {
        match bytes.get(at..) {
            Some([b'<', b'/', rest @ ..]) => {
                let Some(length) = plain_name(rest) else { return at };
                assembler.end(&window[at + 2..at + 2 + length]);
                at += length + 3;
            }
            Some([b'<', rest @ ..]) => {
                let Some(length) = plain_name(rest) else { return at };
                assembler.start(&window[at + 1..at + 1 + length], "");
                at += length + 2;
            }
            Some(rest) => match memchr::memchr2(b'<', b'&', rest) {
                Some(length) if rest[length] == b'<' => {
                    assembler.text(&window[at..at + length]);
                    at += length;
                }
                _ => return at,
            },
            None => return at,
        }
    }
}

/// The length of a name that a `>` follows at once.
fn plain_name(rest: &[u8]) -> Option<usize> {
    let length = rest.iter().position(|byte| !matches!(byte, b'a'..=b'z' | b'_'))?;
    (length > 0 && rest[length] == b'>').then_some(length)
}

fn start(tag: &BytesStart<'_>, assembler: &mut Assembler<'_>) {
    assembler.start(tag.name().into_inner(), tag.attributes_raw());
}

/// Whether another tag begins before this one ends: its `<` is text that nobody escaped.
fn is_broken(tag: &BytesStart<'_>) -> bool {
    let (name, mut attributes) =
        (tag.name().into_inner(), tag.attributes_raw().split(['"', '\'']).step_by(2));
    name.is_empty() || name.contains('<') || attributes.any(|unquoted| unquoted.contains('<'))
}

/// The five entities of XML itself and characters by number; any other reference stays as it is written.
fn refer(reference: &BytesRef<'_>, assembler: &mut Assembler<'_>) {
    if let Some(text) = quick_xml::escape::resolve_xml_entity(reference) {
        return assembler.text(text);
    }
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return assembler.text(character.encode_utf8(&mut [0; 4]));
    }
    for text in ["&", reference, ";"] {
        assembler.text(text);
    }
}

/// Markup that is longer than a window, from its first byte on.
struct Oversized {
    /// What ends it.
    terminator: &'static str,
    /// The element that it opens.
    opens: Option<String>,
}

impl Oversized {
    /// The start of the element is told at once, without its attributes.
    fn of(text: &str, assembler: &mut Assembler<'_>) -> Self {
        assembler.note("a tag, comment or the like of over 256 KiB was passed over");
        let passed_over = |terminator| Self { terminator, opens: None };
        match text.as_bytes() {
            [b'<', b'!', b'-', b'-', ..] => passed_over("-->"),
            [b'<', b'!', b'[', ..] => passed_over("]]>"),
            [b'<', b'?', ..] => passed_over("?>"),
            // The end of the inner part, when there is one.
            [b'<', b'!', rest @ ..]
                if memchr::memchr2(b'[', b'>', rest).is_some_and(|at| rest[at] == b'[') =>
            {
                passed_over("]>")
            }
            [b'<', b'!' | b'/', ..] => passed_over(">"),
            _ => {
                let name = text[1..].split(|c: char| c.is_ascii_whitespace() || c == '>').next();
                let name = name.unwrap_or_default();
                assembler.start(name, "");
                Self { terminator: ">", opens: Some(name.to_owned()) }
            }
        }
    }

    fn pass_over(
        &self,
        source: &mut TextReader<'_>,
        text: &mut String,
        assembler: &mut Assembler<'_>,
    ) -> std::io::Result<()> {
        loop {
            if let Some(at) = text.find(self.terminator) {
                if let Some(name) = self.opens.as_deref().filter(|_| text[..at].ends_with('/')) {
                    assembler.end(name);
                }
                text.drain(..at + self.terminator.len());
                return Ok(());
            }
            if source.has_ended() {
                text.clear();
                return Ok(());
            }
            // The terminator may begin in this window and end in the next.
            let kept = text.floor_char_boundary(text.len().saturating_sub(self.terminator.len()));
            text.drain(..kept);
            source.fill(text, WINDOW_BYTES)?;
        }
    }
}
