//! How far the pipeline has come, on disk.
//!
//! Two files in the data folder, each replaced as a whole: `checkpoint.json` with every batch, `readers.json` with the
//! state of the stateful readers now and then. The second is written after the first, so that it never knows of more
//! than is stored; what lies between is read again to bring the readers up to date.

use crate::model::{FilePosition, ItemCounts, SourceRef};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const CHECKPOINT_FILE: &str = "checkpoint.json";
const READERS_FILE: &str = "readers.json";

/// Files remembered per source: today's log, the rotated ones, and imports of the last days.
const FILES_REMEMBERED: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("{doing} {path} failed")]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{path} is damaged; restore it from a backup, or delete it: then all of the spool is read again, and what is stored already is dropped as known"
    )]
    Damaged {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

/// Where the pipeline stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Checkpoint {
    pub spool_id: String,
    /// All records up to this one are stored.
    pub stored_seq: u64,
    /// Last record of the batch that was being written, if one was.
    pub pending_last_seq: Option<u64>,
    /// The records that wait for a second look behind that batch.
    #[serde(default)]
    pub pending_waiting: BTreeSet<u64>,
    pub sources: Vec<SourceTotals>,
}

impl Checkpoint {
    /// All records that wait for a second look.
    pub(super) fn waiting(&self) -> BTreeSet<u64> {
        self.sources.iter().flat_map(|totals| &totals.waiting).copied().collect()
    }
}

/// What is stored of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTotals {
    pub source: SourceRef,
    pub counts: ItemCounts,
    pub events: u64,
    /// The door's own count at the last stored record: it must equal `counts.total()` and the items that wait.
    pub accepted_total: u64,
    /// The newest last.
    pub files: Vec<FilePosition>,
    /// Its records up to the last stored one that wait for a second look. They are in the spool, and in none of the
    /// counts.
    #[serde(default)]
    pub waiting: Vec<u64>,
}

impl SourceTotals {
    pub fn new(source: SourceRef) -> Self {
        Self {
            source,
            counts: ItemCounts::default(),
            events: 0,
            accepted_total: 0,
            files: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Notes how far a file has been read.
    pub fn note_file(&mut self, position: FilePosition) {
        note_file(&mut self.files, position);
    }
}

/// Notes how far a file has been read: it is the newest, and its last position counts, not its farthest (a log may be
/// cut back).
pub(super) fn note_file(files: &mut Vec<FilePosition>, position: FilePosition) {
    files.retain(|known| known.file != position.file);
    files.push(position);
    if files.len() > FILES_REMEMBERED {
        files.remove(0);
    }
}

/// The state of the readers after a record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ReaderStates {
    pub(super) spool_id: String,
    pub(super) seq: u64,
    /// Source, and what its reader's `snapshot` gave: text.
    pub(super) states: Vec<(SourceRef, String)>,
}

/// The folder that holds the two files.
#[derive(Debug, Clone)]
pub(super) struct Home(PathBuf);

impl Home {
    pub(super) fn new(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    pub(super) fn checkpoint(&self) -> Result<Checkpoint, CheckpointError> {
        read(&self.0.join(CHECKPOINT_FILE))
    }

    pub(super) fn write_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        write(&self.0.join(CHECKPOINT_FILE), checkpoint)
    }

    pub(super) fn readers(&self) -> Result<ReaderStates, CheckpointError> {
        read(&self.0.join(READERS_FILE))
    }

    pub(super) fn write_readers(&self, readers: &ReaderStates) -> Result<(), CheckpointError> {
        write(&self.0.join(READERS_FILE), readers)
    }
}

/// A file that is not there is the beginning.
fn read<T: DeserializeOwned + Default>(path: &Path) -> Result<T, CheckpointError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|source| CheckpointError::Damaged { path: path.to_owned(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        Err(source) => Err(CheckpointError::Io { doing: "reading", path: path.to_owned(), source }),
    }
}

/// Writes beside, syncs, renames, syncs the folder: after a crash the old or the new file is there, and whole.
fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), CheckpointError> {
    let failed = |source| CheckpointError::Io { doing: "writing", path: path.to_owned(), source };
    let bytes = serde_json::to_vec(value).map_err(|error| failed(error.into()))?;
    let beside = path.with_extension("json.new");
    let mut file = File::create(&beside).map_err(failed)?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_is_the_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        assert_eq!(home.checkpoint().unwrap(), Checkpoint::default());
        let checkpoint = Checkpoint { spool_id: "a".to_owned(), stored_seq: 7, ..Checkpoint::default() };
        home.write_checkpoint(&checkpoint).unwrap();
        assert_eq!(home.checkpoint().unwrap(), checkpoint);
    }

    #[test]
    fn a_damaged_file_is_an_error_that_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CHECKPOINT_FILE), "{").unwrap();
        let error = Home::new(dir.path()).checkpoint().unwrap_err().to_string();
        assert!(error.contains("restore it from a backup"), "{error}");
    }

    #[test]
    fn the_last_position_of_a_file_counts_and_old_files_are_forgotten() {
        let mut files = Vec::new();
        for offset in [10, 30, 20] {
            note_file(&mut files, FilePosition { file: "a".into(), offset });
        }
        assert_eq!(files, [FilePosition { file: "a".into(), offset: 20 }]);
        for number in 0..FILES_REMEMBERED {
            note_file(&mut files, FilePosition { file: format!("b{number}").into(), offset: 1 });
        }
        assert_eq!((files.len(), files[0].file.as_str()), (FILES_REMEMBERED, "b0"));
    }
}
