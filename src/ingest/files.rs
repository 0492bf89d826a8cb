//! Files of log lines, plain or compressed, and how a file is known again.
//!
//! Way: `tail` and `import` open files here and read them through `lines`.
//! Source: the magic bytes are those of RFC 1952 section 2.3.1 (gzip) and RFC 8878 section 3.1 (zstd).

use crate::model::Text;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use zstd::stream::raw::{Decoder, InBuffer, Operation as _, OutBuffer};

/// How many bytes of its first line a file is known by. Longer than any line that says when and where it was written.
const FIRST_LINE_BYTES_MAX: usize = 64 * 1024;

/// The largest window of zstd files: 128 MiB, what `zstd --long` makes and unpacks by default.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// How much is read from a file at once, in bytes.
const READ_BYTES: usize = 128 * 1024;

/// How many bytes tell how a file is packed.
const MAGIC_BYTES: usize = 4;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing} {}: {source}", path.display())]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// Makes the closure for `map_err` that says what was being done, and to which file.
    pub(in crate::ingest) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { doing, path: path.to_owned(), source }
    }

    /// Whether the packed bytes are damaged, which trying again does not mend. A fault of the disk has a number.
    pub(in crate::ingest) fn is_damage(&self) -> bool {
        self.source.raw_os_error().is_none()
    }

    /// Whether the file is merely not there.
    pub(in crate::ingest) fn is_absence(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // a frame, or one to be passed over
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// The unpacked bytes of a file. At the end of what is there it returns 0, and goes on when the file has grown; a
/// gzip file does not grow.
pub(in crate::ingest) struct Unpacked {
    reader: Reader,
    /// Set when a gzip file ended before its end.
    broke_off: bool,
    /// Whether there were enough bytes to tell how they are packed.
    is_known: bool,
}

enum Reader {
    Plain(Counted),
    Gzip(Box<MultiGzDecoder<BufReader<Counted>>>),
    Zstd(Box<ZstdReader<Counted>>),
}

impl Unpacked {
    /// Opens a file at `offset` unpacked bytes; behind its end when it has fewer.
    pub(in crate::ingest) fn open(path: &Path, offset: u64) -> Result<Self, FileError> {
        let file = File::open(path).map_err(FileError::io("open", path))?;
        Self::new(file, offset).map_err(FileError::io("read", path))
    }

    fn new(mut file: File, offset: u64) -> io::Result<Self> {
        let mut head = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.by_ref().take(MAGIC_BYTES as u64).read_to_end(&mut head)?;
        let packing = Packing::of(&head);
        file.seek(SeekFrom::Start(if packing == Packing::Plain { offset } else { 0 }))?;
        let bytes = file.stream_position()?;
        let counted = Counted { file, bytes };
        let reader = match packing {
            Packing::Plain => Reader::Plain(counted),
            Packing::Gzip => {
                let packed = BufReader::with_capacity(READ_BYTES, counted);
                Reader::Gzip(Box::new(MultiGzDecoder::new(packed)))
            }
            Packing::Zstd => Reader::Zstd(Box::new(ZstdReader::new(counted, ZSTD_WINDOW_LOG_MAX)?)),
        };
        let mut unpacked = Self { reader, broke_off: false, is_known: head.len() == MAGIC_BYTES };
        if packing != Packing::Plain {
            io::copy(&mut unpacked.by_ref().take(offset), &mut io::sink())?;
        }
        Ok(unpacked)
    }

    fn file(&self) -> &Counted {
        match &self.reader {
            Reader::Plain(file) => file,
            Reader::Gzip(unpacker) => unpacker.get_ref().get_ref(),
            Reader::Zstd(unpacker) => &unpacker.source,
        }
    }

    /// Bytes read from the file, before unpacking.
    pub(in crate::ingest) fn packed_bytes(&self) -> u64 {
        self.file().bytes
    }

    pub(in crate::ingest) fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.file().file.metadata()
    }

    /// Whether the file had enough bytes, when it was opened, to tell how they are packed.
    pub(in crate::ingest) const fn is_known(&self) -> bool {
        self.is_known
    }

    pub(in crate::ingest) const fn is_plain(&self) -> bool {
        matches!(self.reader, Reader::Plain(_))
    }

    /// What a plain file is known by now, read anew; `None` when it has no line.
    pub(in crate::ingest) fn plain_id(&self) -> io::Result<Option<Text>> {
        let file = &self.file().file;
        let mut head = vec![0; FIRST_LINE_BYTES_MAX];
        let mut have = 0;
        while have < head.len() && !head[..have].contains(&b'\n') {
            match file.read_at(&mut head[have..], have as u64)? {
                0 => break,
                read => have += read,
            }
        }
        file_id(&mut BufReader::new(&head[..have]), false)
    }

    /// Whether a compressed file has ended within a frame or member: it is still being written, or was cut off.
    pub(in crate::ingest) fn is_cut_short(&self) -> bool {
        match &self.reader {
            Reader::Plain(_) => false,
            Reader::Gzip(_) => self.broke_off,
            Reader::Zstd(unpacker) => unpacker.is_within_frame(),
        }
    }
}

impl Read for Unpacked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.reader {
            Reader::Plain(file) => file.read(out),
            Reader::Zstd(unpacker) => unpacker.read(out),
            Reader::Gzip(_) if self.broke_off => Ok(0),
            Reader::Gzip(unpacker) => match unpacker.read(out) {
                Err(fault) if fault.kind() == io::ErrorKind::UnexpectedEof => {
                    self.broke_off = true;
                    Ok(0)
                }
                read => read,
            },
        }
    }
}

/// A file that counts what was read from it.
struct Counted {
    file: File,
    bytes: u64,
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(out)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Unpacks zstd frames, one behind the other. At the end of the source it returns 0, and goes on where it was when
/// the source has grown, within a frame too; the reader of the `zstd` crate ends there for good.
pub(in crate::ingest) struct ZstdReader<R> {
    source: R,
    unpacker: Decoder<'static>,
    packed: Vec<u8>,
    /// What of `packed` is still to be unpacked.
    left: std::ops::Range<usize>,
    within_frame: bool,
}

impl<R: Read> ZstdReader<R> {
    pub(in crate::ingest) fn new(source: R, window_log_max: u32) -> io::Result<Self> {
        let mut unpacker = Decoder::new()?;
        unpacker.set_parameter(zstd::stream::raw::DParameter::WindowLogMax(window_log_max))?;
        Ok(Self { source, unpacker, packed: vec![0; READ_BYTES], left: 0..0, within_frame: false })
    }

    pub(in crate::ingest) const fn is_within_frame(&self) -> bool {
        self.within_frame
    }
}

impl<R: Read> Read for ZstdReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if self.left.is_empty() {
                self.left = 0..self.source.read(&mut self.packed)?;
            }
            let mut input = InBuffer::around(&self.packed[self.left.clone()]);
            let mut output = OutBuffer::around(&mut *out);
            // without input too: the last call may have left unpacked bytes for which there was no room
            let wanted = self.unpacker.run(&mut input, &mut output)?;
            let (read, written) = (input.pos(), output.pos());
            self.left.start += read;
            if read > 0 || written > 0 {
                self.within_frame = wanted != 0;
            }
            if written > 0 || (read == 0 && self.left.is_empty()) {
                return Ok(written);
            }
        }
    }
}

/// What a file is known by: the hash of its first line that is not empty, because rotation renames, copies and packs
/// files. The line of a log begins with its time, so that two files do not begin alike.
///
/// `None` while that line is not complete, unless `is_whole` says that no more will come.
pub(in crate::ingest) fn file_id(
    file: &mut BufReader<impl Read>,
    is_whole: bool,
) -> io::Result<Option<Text>> {
    let mut head = Vec::new();
    while head.len() < FIRST_LINE_BYTES_MAX {
        let begin = head.len();
        file.by_ref().take((FIRST_LINE_BYTES_MAX - begin) as u64).read_until(b'\n', &mut head)?;
        let line = &head[begin..];
        let has_end = line.last() == Some(&b'\n') || head.len() == FIRST_LINE_BYTES_MAX;
        match line {
            [] => return Ok(None),
            _ if !line.trim_ascii().is_empty() && (has_end || is_whole) => break,
            _ if !has_end => return Ok(None),
            _ => {}
        }
    }
    let hash: [u8; 32] = Sha256::digest(head).into();
    Ok(Some(format!("{:016x}", u64::from_be_bytes(std::array::from_fn(|at| hash[at]))).into()))
}

/// What the file at `path` is known by; see [`file_id`].
pub(in crate::ingest) fn id_of(path: &Path, is_whole: bool) -> Result<Option<Text>, FileError> {
    let unpacked = Unpacked::open(path, 0)?;
    file_id(&mut BufReader::new(unpacked), is_whole).map_err(FileError::io("read", path))
}
