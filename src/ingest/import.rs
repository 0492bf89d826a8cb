//! Reading a file once, for `relaylens import`.
//!
//! Way: `cli` opens the file, hands each chunk to [`crate::ingest::Intake::accept`], and shows how far it came.
//! Not here: following a file that grows (`tail`).

use crate::ingest::files::{FileError, Unpacked, id_of};
use crate::ingest::lines::LineReader;
use crate::model::{FilePosition, Framing, Text};
use crate::parse::items::items;
use bytes::Bytes;
use std::path::{Path, PathBuf};

/// Lines of the file, and how far it has been read with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedChunk {
    pub payload: Bytes,
    /// Where the payload begins, in bytes before any compression.
    pub offset: u64,
    /// The number of items in the payload.
    pub items: u64,
    /// Bytes read so far of the file as it lies on the disk.
    pub bytes_done: u64,
}

/// A file being imported: lines, plain or packed by gzip or zstd.
pub struct ImportReader {
    path: PathBuf,
    file: Text,
    bytes_total: u64,
    lines: LineReader<Unpacked>,
}

impl ImportReader {
    /// Opens a file behind what `known` tells of it, else at its beginning. This blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`FileError`] when it cannot be read.
    pub fn open(path: &Path, known: &[FilePosition]) -> Result<Self, FileError> {
        // a file without any line has no id, and needs none
        let file = id_of(path, true)?.unwrap_or_default();
        let offset = known.iter().rfind(|position| position.file == file).map_or(0, |known| known.offset);
        let unpacked = Unpacked::open(path, offset)?;
        let bytes_total = unpacked.metadata().map_err(FileError::io("look at", path))?.len();
        Ok(Self { path: path.to_owned(), file, bytes_total, lines: LineReader::new(unpacked, offset) })
    }

    /// What the file is known by, in positions and spool entries.
    pub const fn file(&self) -> &Text {
        &self.file
    }

    /// Where the next chunk begins, in bytes before any compression.
    pub const fn offset(&self) -> u64 {
        self.lines.offset()
    }

    /// The length of the file as it lies on the disk, when it was opened.
    pub const fn bytes_total(&self) -> u64 {
        self.bytes_total
    }

    /// Whether a packed file ended within its last frame or member. What could be unpacked was given out.
    pub fn is_cut_short(&self) -> bool {
        self.lines.source().is_cut_short()
    }

    /// Reads on; `None` at the end. The last line may lack its end. This blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`FileError`] when the file cannot be read on, or its packed bytes are damaged.
    pub fn next_chunk(&mut self) -> Result<Option<ImportedChunk>, FileError> {
        let chunk = self.lines.next_chunk().map_err(FileError::io("read", &self.path))?;
        Ok(chunk.or_else(|| self.lines.rest()).map(|chunk| ImportedChunk {
            items: items(Framing::Lines, &chunk.payload).count() as u64,
            payload: chunk.payload,
            offset: chunk.offset,
            bytes_done: self.lines.source().packed_bytes(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const LINES: &str = "one\ntwo\n\nthree";

    /// Writes a file and reads it from the known positions; returns text, offset of the first chunk, and items.
    #[track_caller]
    fn import(bytes: &[u8], offset: Option<u64>) -> (String, Option<u64>, u64, bool) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let id = id_of(file.path(), true).unwrap().unwrap();
        let known: Vec<_> = offset.map(|offset| FilePosition { file: id, offset }).into_iter().collect();
        let mut reader = ImportReader::open(file.path(), &known).unwrap();
        let (mut text, mut first, mut count) = (String::new(), None, 0);
        while let Some(chunk) = reader.next_chunk().unwrap() {
            first = first.or(Some(chunk.offset));
            count += chunk.items;
            text.push_str(std::str::from_utf8(&chunk.payload).unwrap());
            assert!(chunk.bytes_done <= reader.bytes_total());
        }
        (text, first, count, reader.is_cut_short())
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    }

    fn zstd(text: &str) -> Vec<u8> {
        zstd::encode_all(text.as_bytes(), 1).unwrap()
    }

    #[test]
    fn plain_gzip_and_zstd_files_are_read_alike() {
        for bytes in [LINES.into(), gzip(LINES), zstd(LINES)] {
            assert_eq!(import(&bytes, None), (LINES.to_owned(), Some(0), 3, false));
            assert_eq!(import(&bytes, Some(4)), (LINES[4..].to_owned(), Some(4), 2, false));
            assert_eq!(import(&bytes, Some(LINES.len() as u64)), (String::new(), None, 0, false));
        }
    }

    #[test]
    fn members_and_frames_that_follow_each_other_are_one_file() {
        let members = [gzip("one\ntw"), gzip("o\n\nthree")].concat();
        let frames = [zstd("one\ntw"), zstd("o\n\nthree")].concat();
        for bytes in [members, frames] {
            assert_eq!(import(&bytes, None), (LINES.to_owned(), Some(0), 3, false));
        }
    }

    #[test]
    fn of_a_file_cut_short_what_can_be_unpacked_is_read_and_the_cut_is_told() {
        let whole = gzip(LINES);
        let (text, _, _, is_cut_short) = import(&whole[..whole.len() - 4], None);
        assert_eq!((text.as_str(), is_cut_short), (LINES, true));

        let mut packer = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        packer.write_all(LINES.as_bytes()).unwrap();
        packer.flush().unwrap();
        assert_eq!(import(packer.get_ref(), None), (LINES.to_owned(), Some(0), 3, true));
    }

    #[test]
    fn damage_is_told_with_the_path() {
        let mut bytes = zstd(&"a line of some length\n".repeat(1000));
        let middle = bytes.len() / 2;
        bytes[middle..].fill(0xff);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        let told = match ImportReader::open(file.path(), &[]) {
            Err(fault) => fault.to_string(),
            Ok(mut reader) => loop {
                match reader.next_chunk() {
                    Ok(chunk) => assert!(chunk.is_some(), "damage was passed over"),
                    Err(fault) => break fault.to_string(),
                }
            },
        };
        assert!(told.starts_with(&format!("could not read {}", file.path().display())), "{told}");
    }

    #[test]
    fn an_empty_file_has_no_chunks() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(ImportReader::open(file.path(), &[]).unwrap().next_chunk().unwrap(), None);
    }
}
