//! Whole lines out of a file, in chunks that fit into one record of the spool.
//!
//! Way: `tail` and `import` read through this; at the end of the file an unfinished line waits here for its rest.

use crate::ingest::ITEM_BYTES_MAX;
use bytes::{Bytes, BytesMut};
use std::io::{self, Read};

/// A chunk ends at the last line end before this length, in bytes: one sync for some thousand lines, and no more than
/// this is read again when the process is killed.
pub(in crate::ingest) const CHUNK_BYTES: usize = 1024 * 1024;

/// How much is read at once, in bytes.
const READ_BYTES: usize = 128 * 1024;

/// Lines with their place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ingest) struct Chunk {
    /// The bytes as they stand in the file, line ends and empty lines included.
    pub(in crate::ingest) payload: Bytes,
    /// Where they begin, in bytes before any compression.
    pub(in crate::ingest) offset: u64,
}

/// Cuts what a reader gives into chunks. It holds at most [`ITEM_BYTES_MAX`] and a little.
pub(in crate::ingest) struct LineReader<R> {
    source: R,
    buffer: BytesMut,
    /// Of the first byte of the buffer.
    offset: u64,
    /// The bytes of the buffer up to the last known line end.
    whole: usize,
}

impl<R: Read> LineReader<R> {
    /// Makes a reader of lines from a source that stands at `offset`.
    pub(in crate::ingest) fn new(source: R, offset: u64) -> Self {
        Self { source, buffer: BytesMut::new(), offset, whole: 0 }
    }

    pub(in crate::ingest) const fn source(&self) -> &R {
        &self.source
    }

    /// Where the next chunk begins.
    pub(in crate::ingest) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the next read from the source begins.
    pub(in crate::ingest) fn read_to(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    /// The next whole lines, or `None` when there is no whole line now. A line longer than [`ITEM_BYTES_MAX`] comes in
    /// pieces.
    pub(in crate::ingest) fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        loop {
            if self.whole >= CHUNK_BYTES {
                return Ok(Some(self.take(self.whole)));
            }
            if self.whole == 0 && self.buffer.len() >= ITEM_BYTES_MAX {
                return Ok(Some(self.take(ITEM_BYTES_MAX)));
            }
            let before = self.buffer.len();
            // a long line is not put behind others: together they might exceed a record
            if before >= CHUNK_BYTES && self.whole > 0 {
                return Ok(Some(self.take(self.whole)));
            }
            self.buffer.resize(before + READ_BYTES, 0);
            let read = self.source.read(&mut self.buffer[before..]);
            self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
            if read? == 0 {
                return Ok((self.whole > 0).then(|| self.take(self.whole)));
            }
            if let Some(end) = memchr::memrchr(b'\n', &self.buffer[before..]) {
                let first_end = before + memchr::memchr(b'\n', &self.buffer[before..]).unwrap_or(end);
                // the long line that just ended goes alone
                let is_long = self.whole == 0 && first_end >= CHUNK_BYTES;
                self.whole = if is_long { first_end } else { before + end } + 1;
            }
        }
    }

    /// The unfinished last line, once nothing more will come.
    pub(in crate::ingest) fn rest(&mut self) -> Option<Chunk> {
        (!self.buffer.is_empty()).then(|| self.take(self.buffer.len()))
    }

    fn take(&mut self, bytes: usize) -> Chunk {
        let chunk = Chunk { payload: self.buffer.split_to(bytes).freeze(), offset: self.offset };
        self.offset += bytes as u64;
        self.whole = memchr::memrchr(b'\n', &self.buffer).map_or(0, |end| end + 1);
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::RECORD_BYTES;

    /// Reads all, in steps of `step` bytes; returns offset and length of each chunk, and the rest.
    fn chunks(bytes: &[u8], step: usize) -> (Vec<(u64, usize)>, Option<Chunk>) {
        struct Steps<'a>(&'a [u8], usize);
        impl Read for Steps<'_> {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                let room = out.len().min(self.1);
                self.0.read(&mut out[..room])
            }
        }
        let mut lines = LineReader::new(Steps(bytes, step), 100);
        let mut found = Vec::new();
        let mut whole = Vec::new();
        while let Some(chunk) = lines.next_chunk().unwrap() {
            found.push((chunk.offset, chunk.payload.len()));
            whole.extend_from_slice(&chunk.payload);
        }
        let rest = lines.rest();
        whole.extend_from_slice(rest.as_ref().map_or(b"", |rest| &rest.payload));
        assert!(whole == bytes, "bytes were lost or changed");
        (found, rest)
    }

    #[test]
    fn an_unfinished_line_is_kept_back() {
        let (found, rest) = chunks(b"one\ntwo\nthr", 1);
        assert_eq!(found, [(100, 8)]);
        assert_eq!(rest.unwrap(), Chunk { payload: Bytes::from_static(b"thr"), offset: 108 });
    }

    #[test]
    fn chunks_end_at_line_ends_and_fit_into_a_record() {
        let bytes = b"0123456789abcde\n".repeat(CHUNK_BYTES / 4);
        let (found, rest) = chunks(&bytes, usize::MAX);
        assert!(found.iter().all(|(_, len)| len % 16 == 0 && *len <= RECORD_BYTES), "{found:?}");
        assert_eq!(rest, None);
    }

    #[test]
    fn a_long_line_comes_alone_and_whole() {
        let long = [vec![b'x'; 3 * CHUNK_BYTES], b"\n".to_vec()].concat();
        let (found, _) = chunks(&[b"a\n", long.as_slice(), b"b\n"].concat(), usize::MAX);
        assert_eq!(found, [(100, 2), (102, long.len()), (102 + long.len() as u64, 2)]);
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let (found, rest) = chunks(&vec![0; ITEM_BYTES_MAX + 5], usize::MAX);
        assert_eq!(found, [(100, ITEM_BYTES_MAX)]);
        assert_eq!(rest.unwrap().payload.len(), 5);
    }
}
