//! Zip: the entries that its directory names, each as a checked stream.
//!
//! Source: PKWARE's APPNOTE.TXT 6.3.10, section 4.3.7 (local header), 4.3.12 (directory), 4.3.16 (its end).
//! Not here: zip64, encryption, split archives and other methods than deflate: no reporter was seen to use them, and each
//! is refused in words.
//!
//! Overlapping entries are refused too: they are how a zip of 10 MB holds 281 TB without nesting (D. Fifield, "A better
//! zip bomb", 2019), and no packer writes them.

use crate::model::{RejectReason, Text};
use crate::parse::Reject;
use crate::parse::archive::budget::Budget;
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use std::io::{self, Read};

/// Longest path shown, in bytes. Reporters write the file name of RFC 9990 section 3.2, which stays below it.
const PATH_BYTES_MAX: usize = 255;

/// Bytes of the parts that each record begins with, before names and comments.
const LOCAL_BYTES: usize = 30;
const DIRECTORY_BYTES: usize = 46;
const END_BYTES: usize = 22;

/// The end record may be followed by a comment of 65,535 bytes.
const COMMENT_BYTES_MAX: usize = 0xffff;

/// In a size or an offset: the value stands in a zip64 record.
const IN_ZIP64: u32 = u32::MAX;

const FLAG_ENCRYPTED: u16 = 1;
/// The sizes stand behind the data, and in the directory.
const FLAG_SIZES_BEHIND: u16 = 1 << 3;

const METHOD_STORED: u16 = 0;
const METHOD_DEFLATE: u16 = 8;

/// A file of the archive, found but not yet read.
#[derive(Debug)]
pub(super) struct Entry<'z> {
    path: Text,
    content: Result<Content<'z>, Reject>,
}

#[derive(Debug)]
struct Content<'z> {
    is_deflated: bool,
    data: &'z [u8],
    /// What must come out; `None` for an entry of an archive that was cut off before it said so.
    expected: Option<Expected>,
}

#[derive(Debug, Clone, Copy)]
struct Expected {
    bytes: u64,
    crc: u32,
}

impl<'z> Entry<'z> {
    /// Its path, behind that of the archive that holds its archive.
    pub(super) fn path_in(&self, around: &str) -> Text {
        if around.is_empty() { self.path.clone() } else { format!("{around}/{}", self.path).into() }
    }

    pub(super) fn open(self) -> Result<EntryReader<'z>, Reject> {
        let Content { is_deflated, data, expected } = self.content?;
        let source = if is_deflated {
            Source::Deflated(Box::new(DeflateDecoder::new(data)))
        } else {
            Source::Stored(data)
        };
        Ok(EntryReader { source, expected, crc: Crc::new(), bytes: 0 })
    }
}

/// Finds the files of an archive; folders and what macOS adds are passed over.
///
/// Gives a reject beside them when there are more than may be looked at.
///
/// # Errors
///
/// When the archive as a whole cannot be read or believed.
pub(super) fn entries<'z>(
    bytes: &'z [u8],
    budget: &Budget,
) -> Result<(Vec<Entry<'z>>, Option<Reject>), Reject> {
    let Some(directory) = Directory::find(bytes)? else {
        return Ok((vec![cut_off(bytes)?], None));
    };
    let (mut entries, mut spans, mut limit) = (Vec::new(), Vec::new(), None);
    let mut rest = directory.records;
    while let Some((record, behind)) = split_record(rest) {
        rest = behind;
        if let Err(reject) = budget.member() {
            limit = Some(reject);
            break;
        }
        let content = record.content(directory.data);
        if let Ok((_, span)) = &content {
            spans.push(*span);
        }
        if !record.is_passed_over() {
            entries.push(Entry { path: record.path(), content: content.map(|(content, _)| content) });
        }
    }
    spans.sort_unstable();
    if spans.windows(2).any(|two| two[1].0 < two[0].1) {
        return Err(bad("entries of the zip archive overlap: no packer writes that, a zip bomb does"));
    }
    Ok((entries, limit))
}

struct Directory<'z> {
    /// The file up to the directory.
    data: &'z [u8],
    records: &'z [u8],
}

impl<'z> Directory<'z> {
    /// `None` when the archive has no end record.
    fn find(bytes: &'z [u8]) -> Result<Option<Self>, Reject> {
        let floor = bytes.len().saturating_sub(END_BYTES + COMMENT_BYTES_MAX);
        let Some(at) = memchr::memmem::rfind(&bytes[floor..], b"PK\x05\x06").map(|at| floor + at) else {
            return Ok(None);
        };
        let end = Fields(&bytes[at..]);
        let (Some(disk), Some(size), Some(offset)) = (end.u32(4), end.u32(12), end.u32(16)) else {
            return Ok(None);
        };
        if size == IN_ZIP64 || offset == IN_ZIP64 {
            return Err(bad("the archive is a zip64; pack it as a plain zip or as gzip"));
        }
        if disk != 0 {
            return Err(bad("the zip archive is split over several files; send it in one"));
        }
        let (size, offset) = (size as usize, offset as usize);
        let records = offset.checked_add(size).filter(|end| *end <= at).map(|end| &bytes[offset..end]);
        let records = records.ok_or_else(|| bad("the directory of the zip archive lies outside of it"))?;
        Ok(Some(Self { data: &bytes[..offset], records }))
    }
}

/// A record of the directory.
struct Record<'z> {
    fields: Fields<'z>,
    name: &'z [u8],
}

/// Where in the file an entry begins and ends.
type Span = (usize, usize);

fn split_record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let fields = Fields(bytes);
    if !bytes.starts_with(b"PK\x01\x02") {
        return None;
    }
    let name_bytes = usize::from(fields.u16(28)?);
    let more_bytes = usize::from(fields.u16(30)?) + usize::from(fields.u16(32)?);
    let name = bytes.get(DIRECTORY_BYTES..DIRECTORY_BYTES + name_bytes)?;
    let behind = bytes.get(DIRECTORY_BYTES + name_bytes + more_bytes..)?;
    Some((Record { fields, name }, behind))
}

impl Record<'_> {
    fn is_passed_over(&self) -> bool {
        self.name.ends_with(b"/") || self.name.starts_with(b"__MACOSX/")
    }

    fn path(&self) -> Text {
        let shown = &self.name[..self.name.len().min(PATH_BYTES_MAX)];
        String::from_utf8_lossy(shown).into()
    }

    /// The entry's bytes, and where it lies in `data`.
    fn content<'z>(&self, data: &'z [u8]) -> Result<(Content<'z>, Span), Reject> {
        let short = || bad("the directory of the zip archive is too short");
        let field = |at| self.fields.u32(at).ok_or_else(short);
        let (crc, packed, bytes, offset) = (field(16)?, field(20)?, field(24)?, field(42)?);
        if [packed, bytes, offset].contains(&IN_ZIP64) {
            return Err(bad("the entry is a zip64 entry; pack it as a plain zip or as gzip"));
        }
        let is_deflated =
            readable(self.fields.u16(8).ok_or_else(short)?, self.fields.u16(10).ok_or_else(short)?)?;
        let begin = offset as usize;
        let from = local_data(data, begin).ok_or_else(|| bad("the entry lies outside of the zip archive"))?;
        let end = from.checked_add(packed as usize).filter(|end| *end <= data.len());
        let end = end.ok_or_else(|| bad("the entry is larger than the zip archive"))?;
        let expected = Some(Expected { bytes: bytes.into(), crc });
        Ok((Content { is_deflated, data: &data[from..end], expected }, (begin, end)))
    }
}

/// The first entry of an archive without a directory: it was cut off, and what is there is read all the same.
fn cut_off(bytes: &[u8]) -> Result<Entry<'_>, Reject> {
    let cut = || bad("the zip archive has no directory: it was cut off");
    let (local, from) = (Fields(bytes), local_data(bytes, 0).ok_or_else(cut)?);
    let (Some(flags), Some(method), Some(packed)) = (local.u16(6), local.u16(8), local.u32(18)) else {
        return Err(cut());
    };
    let is_deflated = readable(flags, method)?;
    let to = if flags & FLAG_SIZES_BEHIND == 0 { from.saturating_add(packed as usize) } else { usize::MAX };
    let data = &bytes[from..to.min(bytes.len())];
    Ok(Entry { path: Text::default(), content: Ok(Content { is_deflated, data, expected: None }) })
}

/// Whether entries of this kind are deflated (or stored).
fn readable(flags: u16, method: u16) -> Result<bool, Reject> {
    if flags & FLAG_ENCRYPTED != 0 {
        return Err(bad("the entry is encrypted; send it without a password"));
    }
    match method {
        METHOD_STORED => Ok(false),
        METHOD_DEFLATE => Ok(true),
        _ => Err(bad(&format!("the entry is packed by method {method}; use deflate"))),
    }
}

/// Where the data begins behind the local header at `begin`.
fn local_data(bytes: &[u8], begin: usize) -> Option<usize> {
    let local = bytes.get(begin..).filter(|local| local.starts_with(b"PK\x03\x04"))?;
    let fields = Fields(local);
    let header = LOCAL_BYTES + usize::from(fields.u16(26)?) + usize::from(fields.u16(28)?);
    (header <= local.len()).then_some(begin + header)
}

/// Numbers at fixed places, the low byte first.
struct Fields<'z>(&'z [u8]);

impl Fields<'_> {
    fn u16(&self, at: usize) -> Option<u16> {
        self.0.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.0.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }
}

fn bad(message: &str) -> Reject {
    Reject::new(RejectReason::Syntax, message)
}

/// The bytes of an entry; whether they are what the directory promised is told at the end.
pub(super) struct EntryReader<'z> {
    source: Source<'z>,
    expected: Option<Expected>,
    crc: Crc,
    bytes: u64,
}

enum Source<'z> {
    Stored(&'z [u8]),
    Deflated(Box<DeflateDecoder<&'z [u8]>>),
}

impl EntryReader<'_> {
    fn take(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.source {
            Source::Stored(data) => data.read(out),
            Source::Deflated(decoder) => decoder.read(out),
        }
    }

    /// Called where all bytes have come that should.
    fn end(&mut self, expected: Expected) -> io::Result<usize> {
        let is_more = self.take(&mut [0])? > 0;
        let message = match (is_more, self.crc.sum() == expected.crc) {
            (true, _) => format!("the zip directory promises {} bytes, there are more", expected.bytes),
            (false, false) => "the checksum of the zip entry is wrong".to_owned(),
            (false, true) => return Ok(0),
        };
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }
}

impl Read for EntryReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let left = self.expected.map_or(u64::MAX, |expected| expected.bytes - self.bytes);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        if let Some(expected) = self.expected.filter(|_| most == 0) {
            return self.end(expected);
        }
        let bytes = self.take(&mut out[..most])?;
        if bytes == 0 {
            let message = match self.expected {
                Some(Expected { bytes, .. }) => {
                    format!("the zip directory promises {bytes} bytes, there are {}", self.bytes)
                }
                None => "the zip archive was cut off".to_owned(),
            };
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.crc.update(&out[..bytes]);
        self.bytes += bytes as u64;
        Ok(bytes)
    }
}
