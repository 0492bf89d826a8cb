//! A log file that is followed by its path, however it is rotated.
//!
//! Way: `tail` asks for the next lines again and again.
//!
//! | what happens to the file | what is done |
//! | --- | --- |
//! | renamed, a new one is created | the old one is read to its end once the new one has a line: then its writer has moved on |
//! | copied and truncated | the copy is found among the siblings and read on, then the file from its beginning |
//! | any of these, more than once, while relaylens was down | the known file and all siblings written after it are read, packed or not |
//! | not there, or empty | it is waited for |
//!
//! Siblings are the files of the same directory whose names begin with that of the log and a dot or hyphen
//! (`mail.log.1`, `mail.log-20260131.gz`). Files are known by their first line, see `files`.
//! Source: the ways to rotate are those of logrotate(8): `create`, `copytruncate`, `compress`, `dateext`.

use crate::ingest::files::{FileError, Unpacked, id_of};
use crate::ingest::lines::{Chunk, LineReader};
use crate::ingest::tail::{Follow, Found};
use crate::model::{FilePosition, Text};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Most siblings looked at: more than three years of daily rotation.
const SIBLINGS_MAX: usize = 1200;

pub(super) struct LogFollower {
    path: PathBuf,
    /// How far each file was read, by what it is known by.
    offsets: BTreeMap<Text, u64>,
    current: Option<Open>,
    /// What is to be read after the current file, oldest first.
    next: VecDeque<Candidate>,
    /// Packed files that turned out to be damaged: their rest is passed over.
    damaged: BTreeSet<Text>,
    /// Before the first plan: only then a gap in what is known means that files were missed.
    is_new: bool,
}

struct Open {
    path: PathBuf,
    id: Text,
    lines: LineReader<Unpacked>,
}

/// A file that may be read next.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    path: PathBuf,
    id: Text,
    written: SystemTime,
}

impl LogFollower {
    pub(super) fn new(path: PathBuf, positions: Vec<FilePosition>) -> Self {
        let offsets = positions.into_iter().map(|known| (known.file, known.offset)).collect();
        let (next, damaged) = (VecDeque::new(), BTreeSet::new());
        Self { path, offsets, current: None, next, damaged, is_new: true }
    }

    /// Opens what comes next; false when there is nothing.
    fn open_next(&mut self) -> Result<bool, FileError> {
        if self.next.is_empty() {
            self.next = self.plan()?;
        }
        let Some(Candidate { path, id, .. }) = self.next.pop_front() else { return Ok(false) };
        self.is_new = false;
        // it may have been renamed since
        if id_of(&path, false)?.as_ref() != Some(&id) {
            self.next.clear();
            return Ok(false);
        }
        let mut offset = self.offsets.get(&id).copied().unwrap_or(0);
        let mut file = Unpacked::open(&path, offset).inspect_err(|fault| self.note_damage(&id, fault))?;
        let length = file.metadata().map_err(FileError::io("look at", &path))?.len();
        if file.is_plain() && length < offset {
            tracing::warn!(path = %path.display(), offset, length, "log has lost its end: reading on from there");
            offset = length;
            file = Unpacked::open(&path, offset)?;
        }
        self.offsets.insert(id.clone(), offset);
        self.current = Some(Open { path, id, lines: LineReader::new(file, offset) });
        Ok(true)
    }

    /// The files to be read, oldest first: the newest known one, and all written after it.
    fn plan(&self) -> Result<VecDeque<Candidate>, FileError> {
        let live = candidate(&self.path)?;
        if self.offsets.is_empty() || live.as_ref().is_some_and(|live| self.offsets.contains_key(&live.id)) {
            return Ok(live.into_iter().collect());
        }
        let mut siblings = self.siblings()?;
        let known = siblings.iter().rposition(|sibling| self.offsets.contains_key(&sibling.id));
        match known {
            Some(known) => drop(siblings.drain(..known)),
            None if self.is_new => tracing::warn!(
                path = %self.path.display(),
                "the log file that was read last is gone: reading all that are there"
            ),
            None => siblings.clear(),
        }
        siblings.retain(|sibling| !self.damaged.contains(&sibling.id));
        siblings.extend(live);
        Ok(siblings.into())
    }

    /// The rotated files, oldest first. Of the same file plain and packed, the plain one is taken: the packed one may
    /// not be complete yet.
    fn siblings(&self) -> Result<Vec<Candidate>, FileError> {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        let name = self.path.file_name().unwrap_or_default().as_encoded_bytes();
        let is_sibling = |other: &[u8]| {
            other.strip_prefix(name).is_some_and(|rest| rest.starts_with(b".") || rest.starts_with(b"-"))
        };
        let listed = fs::read_dir(directory).map_err(FileError::io("list", directory))?;
        let mut paths: Vec<PathBuf> = listed
            .filter_map(Result::ok)
            .filter(|entry| is_sibling(entry.file_name().as_encoded_bytes()))
            .map(|entry| entry.path())
            .take(SIBLINGS_MAX)
            .collect();
        paths.sort_by_cached_key(|path| (path.as_os_str().len(), path.clone()));
        let mut found: Vec<Candidate> = Vec::new();
        for path in paths {
            match candidate(&path) {
                Ok(Some(sibling)) if found.iter().all(|other| other.id != sibling.id) => found.push(sibling),
                Ok(_) => {}
                Err(fault) => tracing::warn!("rotated log was passed over: {fault}"),
            }
        }
        // where times are equal, the longer name and the higher number is older
        found.reverse();
        found.sort_by_key(|sibling| sibling.written);
        Ok(found)
    }

    /// Whether the current file is the one at the path, so that more may come.
    fn is_live(&self, current: &Open) -> Result<bool, FileError> {
        let at_path = match fs::metadata(&self.path) {
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            at_path => at_path.map_err(FileError::io("look at", &self.path))?,
        };
        let read = current.metadata()?;
        Ok((at_path.dev(), at_path.ino()) == (read.dev(), read.ino()))
    }

    /// Whether there is a file to go on with, so that the current one gets no more lines.
    fn has_successor(&mut self, current: &Text) -> Result<bool, FileError> {
        if self.next.is_empty() && id_at(&self.path)?.is_some_and(|live| live != *current) {
            self.next = self.plan()?;
            self.next.retain(|candidate| candidate.id != *current);
        }
        Ok(!self.next.is_empty())
    }

    /// Reads on in the current file. An unfinished line waits until `is_over` says that its writer has moved on.
    fn read(&mut self, current: &mut Open, is_over: bool) -> Result<Option<Found>, FileError> {
        let chunk = current.lines.next_chunk().map_err(FileError::io("read", &current.path));
        let chunk = chunk.inspect_err(|fault| self.note_damage(&current.id, fault))?;
        let chunk = chunk.or_else(|| is_over.then(|| current.lines.rest()).flatten());
        Ok(chunk.map(|chunk| self.found(current, chunk)))
    }

    /// Remembers a damaged file: waiting would not mend it, and would keep back all that comes behind.
    fn note_damage(&mut self, id: &Text, fault: &FileError) {
        if fault.is_damage() {
            tracing::error!("rotated log is damaged, its rest is passed over: {fault}");
            self.damaged.insert(id.clone());
        }
    }

    fn found(&mut self, current: &Open, chunk: Chunk) -> Found {
        self.offsets.insert(current.id.clone(), current.lines.offset());
        Found { path: current.path.clone(), file: current.id.clone(), chunk }
    }
}

impl Follow for LogFollower {
    fn next(&mut self) -> Result<Option<Found>, FileError> {
        loop {
            let Some(mut current) = self.current.take() else {
                if self.open_next()? {
                    continue;
                }
                return Ok(None);
            };
            if current.was_overwritten()? {
                tracing::info!(path = %current.path.display(), "log was truncated: looking for its copy");
                self.next.clear();
                continue;
            }
            let found = self.read(&mut current, false)?;
            if found.is_some() || self.is_live(&current)? {
                self.current = Some(current);
                return Ok(found);
            }
            if !self.has_successor(&current.id)? {
                self.current = Some(current);
                return Ok(None);
            }
            // what its writer wrote between the last look and the first line of the next file
            if let Some(found) = self.read(&mut current, true)? {
                self.current = Some(current);
                return Ok(Some(found));
            }
        }
    }
}

impl Open {
    fn metadata(&self) -> Result<fs::Metadata, FileError> {
        self.lines.source().metadata().map_err(FileError::io("look at", &self.path))
    }

    /// Whether the file was truncated, and perhaps written again, under the same name.
    fn was_overwritten(&self) -> Result<bool, FileError> {
        let file = self.lines.source();
        if !file.is_plain() {
            return Ok(false);
        }
        let (length, read_to) = (self.metadata()?.len(), self.lines.read_to());
        if length <= read_to {
            return Ok(length < read_to);
        }
        // it has grown: by more lines, or by other ones
        let id = file.plain_id().map_err(FileError::io("read", &self.path))?;
        Ok(id.as_ref() != Some(&self.id))
    }
}

/// What the file at a path is known by; `None` when it is not there or has no line yet.
fn id_at(path: &Path) -> Result<Option<Text>, FileError> {
    match id_of(path, false) {
        Err(fault) if fault.is_absence() => Ok(None),
        id => id,
    }
}

fn candidate(path: &Path) -> Result<Option<Candidate>, FileError> {
    let Some(id) = id_at(path)? else { return Ok(None) };
    let metadata = File::open(path).and_then(|file| file.metadata());
    let written = metadata.and_then(|file| file.modified()).map_err(FileError::io("look at", path))?;
    Ok(Some(Candidate { path: path.to_owned(), id, written }))
}
