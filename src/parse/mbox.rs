//! Folders of mail in one file: gives out the messages of an mbox one by one, and tells an mbox from one mail and
//! from a bare report.
//!
//! A message begins with a line `From address weekday month day time year`, at the file's beginning or behind an
//! empty line. A line of a body that begins with `From ` and has no such date is no border; one that has is quoted by
//! the writer, as `>From `, and is given out without the `>`. One message is in memory at a time.
//!
//! Way: `cli` opens the file and asks [`FileKind::of`] for its first bytes; of an mbox it takes the messages from
//! [`MboxReader`] and hands each to `parse::mail`.
//! Source: RFC 4155 appendix A; mbox(5) of qmail for `mboxo` and `mboxrd`, which differ in how `>From ` is quoted: a
//! line `>From ` that an mboxo's author wrote himself loses its `>` here, because nothing tells the two apart.
//! Not here: `mboxcl2`, which counts the bytes of a message instead of quoting its lines: its counts are not trusted, it
//! is read like the others; what a message says (`parse::mail`).

#[cfg(test)]
mod tests;

use crate::model::{RejectReason, Text};
use crate::parse::Reject;
use std::io::{self, BufRead};

/// Longest first line of a message that is looked at, in bytes: an address of 512, a date, and a remark.
const BORDER_BYTES_MAX: usize = 1024;

/// How many bytes of a file [`FileKind::of`] is to be given: declarations and comments of a report come before its
/// first element.
pub const HEAD_BYTES: usize = 4 * 1024;

/// What a file holds, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Messages one behind the other.
    Mbox,
    /// One message.
    Mail,
    /// A report without a mail around it: XML, JSON, or an archive.
    Report,
}

impl FileKind {
    /// Tells by the first bytes of a file, of which [`HEAD_BYTES`] are enough. What cannot be told is a mail: its
    /// reader says what is wrong with it.
    pub fn of(head: &[u8]) -> Self {
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        const ZIP: &[u8] = b"PK\x03\x04";
        const GZIP: &[u8] = b"\x1f\x8b";
        // XML and JSON in UTF-16 begin with a mark that no mail begins with
        const UTF_16: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
        let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head).trim_ascii_start();
        if is_first_border(text) {
            return Self::Mbox;
        }
        let is_packed = head.starts_with(ZIP) || head.starts_with(GZIP);
        let is_text = matches!(text.first(), Some(b'<' | b'{' | b'['));
        let is_wide = UTF_16.iter().any(|mark| head.starts_with(mark));
        if is_packed || is_text || is_wide { Self::Report } else { Self::Mail }
    }
}

/// One message of an mbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MboxMessage {
    /// Where its `From ` line begins in the file, in bytes before any compression.
    pub offset: u64,
    /// The sender that the `From ` line names: the envelope's, where the writer knew it.
    pub sender: Text,
    /// The message without its `From ` line, unquoted; or why it was passed over.
    pub bytes: Result<Vec<u8>, Reject>,
}

/// Reads an mbox message by message. Bytes in memory are a source, too: `MboxReader::new(&bytes[..], limit)`.
#[derive(Debug)]
pub struct MboxReader<R> {
    source: R,
    /// Longest message given out, in bytes.
    bytes_max: usize,
    /// Where the next line begins.
    offset: u64,
    /// The `From ` line of the next message: its place and its sender.
    next: Option<(u64, Text)>,
    /// Whether a `From ` line was seen: without one the source is one mail, of which nothing is dropped.
    is_mbox: bool,
    line: Vec<u8>,
}

impl<R: BufRead> MboxReader<R> {
    /// Messages of more than `bytes_max` bytes are passed over and told as such.
    pub fn new(source: R, bytes_max: usize) -> Self {
        Self { source, bytes_max, offset: 0, next: None, is_mbox: false, line: Vec::new() }
    }

    /// Reads the next message; `None` at the end of the source.
    ///
    /// What stands in front of the first `From ` line is one message, too, unless it is empty.
    ///
    /// # Errors
    ///
    /// When the source cannot be read on.
    pub fn next_message(&mut self) -> io::Result<Option<MboxMessage>> {
        let named = self.next.take();
        let is_first = named.is_none() && self.offset == 0;
        if named.is_none() && !is_first {
            return Ok(None);
        }
        let (offset, sender) = named.unwrap_or_default();
        let mut message = Growing { bytes: Vec::new(), bytes_max: self.bytes_max, size: 0 };
        let mut after_blank = is_first;
        let mut begins_line = true;
        loop {
            let begin = self.offset;
            let read = self.read_piece()?;
            if read == 0 {
                if self.is_mbox {
                    message.drop_last_blank_line();
                }
                break;
            }
            let border = begins_line && after_blank && is_border(&self.line, is_first && message.is_blank());
            if border {
                let next = (begin, sender_of(&self.line));
                self.pass_line()?;
                self.next = Some(next);
                self.is_mbox = true;
                if is_first && message.is_blank() {
                    return self.next_message();
                }
                message.drop_last_blank_line();
                break;
            }
            let quoted = begins_line && self.is_mbox && is_quoted_from(&self.line);
            message.push(&self.line[usize::from(quoted)..]);
            after_blank = begins_line && matches!(&self.line[..], b"\n" | b"\r\n");
            begins_line = self.line.ends_with(b"\n");
        }
        if is_first && self.next.is_none() && message.is_blank() {
            return Ok(None);
        }
        Ok(Some(MboxMessage { offset, sender, bytes: message.finish() }))
    }

    /// Reads a line, or the part of a long one that fits, into `line`; returns its length.
    fn read_piece(&mut self) -> io::Result<usize> {
        self.line.clear();
        let mut limited = io::Read::take(&mut self.source, BORDER_BYTES_MAX as u64);
        let read = limited.read_until(b'\n', &mut self.line)?;
        self.offset += read as u64;
        Ok(read)
    }

    /// Passes what is left of the line of which `line` holds the beginning.
    fn pass_line(&mut self) -> io::Result<()> {
        while !self.line.is_empty() && !self.line.ends_with(b"\n") {
            self.read_piece()?;
        }
        Ok(())
    }
}

/// A message while it is read. Once it is too large its bytes are let go and only counted.
struct Growing {
    bytes: Vec<u8>,
    bytes_max: usize,
    size: u64,
}

impl Growing {
    fn push(&mut self, piece: &[u8]) {
        self.size += piece.len() as u64;
        if self.size > self.bytes_max as u64 {
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }

    fn is_blank(&self) -> bool {
        self.size == self.bytes.len() as u64 && self.bytes.trim_ascii().is_empty()
    }

    /// The empty line behind a message is the writer's.
    fn drop_last_blank_line(&mut self) {
        for end in [&b"\r\n\r\n"[..], b"\n\n"] {
            if self.bytes.ends_with(end) {
                self.bytes.truncate(self.bytes.len() - end.len() / 2);
                return;
            }
        }
    }

    fn finish(self) -> Result<Vec<u8>, Reject> {
        if self.size > self.bytes_max as u64 {
            let message = format!("a message of {} bytes, limit is {}", self.size, self.bytes_max);
            return Err(Reject::new(RejectReason::TooLarge, message));
        }
        Ok(self.bytes)
    }
}

/// `>From `, `>>From ` and so on: what the writer put in front of a body's `From `.
fn is_quoted_from(line: &[u8]) -> bool {
    let quotes = line.iter().take_while(|byte| **byte == b'>').count();
    quotes > 0 && line[quotes..].starts_with(b"From ")
}

/// At the beginning of a file `From ` cannot be anything else: a header field has a colon behind its name.
fn is_first_border(line: &[u8]) -> bool {
    line.strip_prefix(b"From ").is_some_and(|rest| !rest.trim_ascii_start().starts_with(b":"))
}

fn is_border(line: &[u8], at_beginning: bool) -> bool {
    if at_beginning {
        return is_first_border(line);
    }
    line.strip_prefix(b"From ").is_some_and(has_date)
}

/// Whether the line has a date of asctime(3) in it: `Thu Jan  1 00:00:00 1970`, with a zone before or behind the year.
fn has_date(line: &[u8]) -> bool {
    const WEEKDAYS: [&[u8]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
    const MONTHS: [&[u8]; 12] =
        [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    let named = |word: &[u8], names: &[&[u8]]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    let is_day = |word: &[u8]| word.len() <= 2 && word.iter().all(u8::is_ascii_digit);
    let is_time = |word: &[u8]| {
        matches!(word.len(), 4..=8)
            && word.contains(&b':')
            && word.iter().all(|byte| byte.is_ascii_digit() || *byte == b':')
    };
    let words: Vec<&[u8]> =
        line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).take(32).collect();
    words.windows(4).enumerate().any(|(at, window)| {
        named(window[0], &WEEKDAYS)
            && named(window[1], &MONTHS)
            && is_day(window[2])
            && is_time(window[3])
            // the year, behind at most one name of a zone
            && words[at + 4..].iter().take(2).any(|word| word.len() == 4 && word.iter().all(u8::is_ascii_digit))
    })
}

/// The first word behind `From `.
fn sender_of(line: &[u8]) -> Text {
    let rest = line.get(b"From ".len()..).unwrap_or_default().trim_ascii_start();
    let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
    Text::from_utf8_lossy(&rest[..end])
}
