//! A buffer before a reader that can look ahead across what single reads give.
//!
//! Way: `archive` looks at the first bytes of a member, `gzip` at those behind a part.
//! Not here: `std`'s `BufReader` gives what one read gave, which may be a single byte of a mark of four.

use std::io::{self, BufRead, Read};

/// Bytes read at a time: what a decompressor gives in one go, and small enough to stay in the cache.
const WINDOW_BYTES: usize = 32 * 1024;

/// See the module.
pub(super) struct Window<'r> {
    source: &'r mut dyn Read,
    buffer: Box<[u8]>,
    begin: usize,
    end: usize,
    /// What stopped a look ahead; it is told when the bytes before it have been taken.
    error: Option<io::Error>,
}

impl<'r> Window<'r> {
    pub(super) fn new(source: &'r mut dyn Read) -> Self {
        Self { source, buffer: vec![0; WINDOW_BYTES].into_boxed_slice(), begin: 0, end: 0, error: None }
    }

    /// The next bytes, without taking them: at least `count` unless the end or an error comes before.
    pub(super) fn ahead(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.end - self.begin < count && self.begin > 0 {
            self.buffer.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
        }
        while self.end - self.begin < count && self.error.is_none() {
            match read_some(self.source, &mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(bytes) => self.end += bytes,
                Err(error) if self.begin == self.end => return Err(error),
                Err(error) => self.error = Some(error),
            }
        }
        Ok(&self.buffer[self.begin..self.end])
    }
}

impl Read for Window<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.begin == self.end && out.len() >= self.buffer.len() {
            return self.error.take().map_or_else(|| self.source.read(out), Err);
        }
        let bytes = self.fill_buf()?.read(out)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

impl BufRead for Window<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.begin == self.end {
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            (self.begin, self.end) = (0, 0);
            self.end = read_some(self.source, &mut self.buffer)?;
        }
        Ok(&self.buffer[self.begin..self.end])
    }

    fn consume(&mut self, bytes: usize) {
        self.begin = (self.begin + bytes).min(self.end);
    }
}

fn read_some(source: &mut dyn Read, out: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(out) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
