//! A directory of `KumoMTA` log segments: zstd, one JSON record a line.
//!
//! Way: `tail` asks for the next records again and again.
//! Source: <https://docs.kumomta.com/reference/kumo/configure_local_logs/>: segments are named by the time they were
//! begun (`YYYYMMDD-HHMMSS` and a fraction), and an optional suffix; records of different suffixes are written side by side.
//!
//! A segment is known by its name. It is over when one of the same suffix with a later name is there. The current one
//! is unpacked as far as its writer has flushed it, and read on where it was: nothing is unpacked twice, except once
//! up to the position after a restart.

use crate::ingest::files::{FileError, Unpacked};
use crate::ingest::lines::LineReader;
use crate::ingest::tail::{Follow, Found};
use crate::model::{FilePosition, Text};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) struct SegmentFollower {
    directory: PathBuf,
    /// One for each suffix.
    streams: BTreeMap<String, Stream>,
}

/// The segments of one suffix.
#[derive(Default)]
struct Stream {
    /// The last segment that is in the spool, and how far.
    known: Option<FilePosition>,
    current: Option<Open>,
    /// The segments that are there and not older than the known one, by name.
    names: Vec<String>,
}

struct Open {
    name: String,
    path: PathBuf,
    lines: LineReader<Unpacked>,
}

impl SegmentFollower {
    pub(super) fn new(directory: PathBuf, positions: Vec<FilePosition>) -> Self {
        let mut streams: BTreeMap<String, Stream> = BTreeMap::new();
        for position in positions {
            let Some(suffix) = suffix_of(&position.file) else { continue };
            let known = &mut streams.entry(suffix.to_owned()).or_default().known;
            if known.as_ref().is_none_or(|known| known.file <= position.file) {
                *known = Some(position);
            }
        }
        Self { directory, streams }
    }

    fn list(&mut self) -> Result<(), FileError> {
        let listed = fs::read_dir(&self.directory).map_err(FileError::io("list", &self.directory))?;
        for stream in self.streams.values_mut() {
            stream.names.clear();
        }
        for entry in listed {
            let entry = entry.map_err(FileError::io("list", &self.directory))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if let Some(suffix) = suffix_of(&name) {
                let stream = self.streams.entry(suffix.to_owned()).or_default();
                if stream.known.as_ref().is_none_or(|known| *known.file <= *name) {
                    stream.names.push(name);
                }
            }
        }
        for stream in self.streams.values_mut() {
            stream.names.sort_unstable();
        }
        Ok(())
    }
}

impl Follow for SegmentFollower {
    fn next(&mut self) -> Result<Option<Found>, FileError> {
        // the list is made before the read: who is not the last on it has got its last record
        self.list()?;
        for stream in self.streams.values_mut() {
            if let Some(found) = stream.next(&self.directory)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl Stream {
    fn next(&mut self, directory: &Path) -> Result<Option<Found>, FileError> {
        loop {
            let reading = self.current.as_ref().map(|current| &current.name).or(self.names.first());
            let Some(name) = reading.cloned() else { return Ok(None) };
            let is_over = self.names.last().is_some_and(|last| *last > name);
            match self.read(directory, &name, is_over) {
                Ok(None) if is_over => {}
                // waiting would not mend it, and would keep back all that comes behind
                Err(fault) if is_over && fault.is_damage() => {
                    tracing::error!("log segment is damaged, its rest is passed over: {fault}");
                }
                found => return found,
            }
            self.current = None;
            self.names.retain(|other| *other > name);
            self.known = self.names.first().map(|next| FilePosition { file: next.into(), offset: 0 });
        }
    }

    /// Reads on in a segment. An unfinished record waits until `is_over` says that its writer has moved on.
    fn read(&mut self, directory: &Path, name: &str, is_over: bool) -> Result<Option<Found>, FileError> {
        let Some(mut current) = self.open(directory, name, is_over)? else { return Ok(None) };
        let chunk = current.lines.next_chunk().map_err(FileError::io("read", &current.path))?;
        let chunk = chunk.or_else(|| is_over.then(|| current.lines.rest()).flatten());
        if chunk.is_none() && is_over && current.lines.source().is_cut_short() {
            tracing::warn!(path = %current.path.display(), "log segment was never finished: read what is there");
        }
        let (path, file) = (current.path.clone(), Text::from(name));
        self.known = Some(FilePosition { file: file.clone(), offset: current.lines.offset() });
        self.current = Some(current);
        Ok(chunk.map(|chunk| Found { path, file, chunk }))
    }

    /// The segment as it is open, or opened where it was read to.
    fn open(&mut self, directory: &Path, name: &str, is_over: bool) -> Result<Option<Open>, FileError> {
        if let Some(current) = self.current.take() {
            return Ok(Some(current));
        }
        let path = directory.join(name);
        let known = self.known.as_ref().filter(|known| *known.file == *name);
        let offset = known.map_or(0, |known| known.offset);
        let unpacked = Unpacked::open(&path, offset)?;
        // a segment whose first bytes are not there yet does not show that it is packed
        if !unpacked.is_known() && !is_over {
            return Ok(None);
        }
        Ok(Some(Open { name: name.to_owned(), path, lines: LineReader::new(unpacked, offset) }))
    }
}

/// The suffix of a segment's name, or `None` when the name is none of a segment.
fn suffix_of(name: &str) -> Option<&str> {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (day, rest) = name.split_at_checked("YYYYMMDD".len())?;
    let (second, rest) = rest.strip_prefix('-')?.split_at_checked("HHMMSS".len())?;
    if !digits(day) || !digits(second) {
        return None;
    }
    let fraction = rest.strip_prefix('.').unwrap_or(rest);
    let suffix = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    Some(if suffix.len() == fraction.len() { rest } else { suffix })
}
