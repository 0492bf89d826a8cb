//! Imports on disk: `RUN.rows` is the file as it came, `RUN.json` the order and how far it is.
//!
//! A file counts from the moment when its order stands beside it; both are synced and get their name in one step.

use crate::model::suppression::RunId;
use crate::suppression::imports::{FILE_BYTES_MAX, ImportError, Report};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use tokio::io::AsyncWriteExt;

pub(super) struct Folder(PathBuf);

/// A file on its way in. Dropped before its end, it is deleted.
pub(super) struct Incoming {
    file: tokio::fs::File,
    part: Part,
    rows: PathBuf,
    bytes: u64,
}

/// Deletes what was not finished.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // After the rename it is no longer there.
        let _ = fs::remove_file(&self.0);
    }
}

impl Folder {
    /// Clears what a kill left half. The folder is made with the first import.
    pub(super) fn open(dir: PathBuf) -> Result<Self, ImportError> {
        let folder = Self(dir);
        for path in folder.files()? {
            let is_alone = path.extension().is_some_and(|ending| ending == "rows")
                && !path.with_extension("json").exists();
            if is_alone || path.extension().is_some_and(|ending| ending == "part") {
                fs::remove_file(&path).map_err(|source| folder.failed(source))?;
            }
        }
        Ok(folder)
    }

    /// All orders with how far they are. One that cannot be read is logged and left alone.
    pub(super) fn reports(&self) -> Result<BTreeMap<RunId, Report>, ImportError> {
        let mut reports = BTreeMap::new();
        for path in self.files()?.into_iter().filter(|path| path.extension().is_some_and(|e| e == "json")) {
            let read = fs::read(&path).map_err(|source| self.failed(source))?;
            match serde_json::from_slice::<Report>(&read) {
                Ok(report) => drop(reports.insert(report.order.run, report)),
                Err(error) => {
                    tracing::error!(file = %path.display(), %error, "an import cannot be read and is left alone");
                }
            }
        }
        Ok(reports)
    }

    pub(super) async fn begin(&self, run: RunId) -> Result<Incoming, ImportError> {
        fs::create_dir_all(&self.0).map_err(|source| self.failed(source))?;
        let rows = self.rows(run);
        let part = Part(rows.with_extension("part"));
        let file = tokio::fs::File::create(&part.0).await.map_err(|source| self.failed(source))?;
        Ok(Incoming { file, part, rows, bytes: 0 })
    }

    /// The file's rows.
    pub(super) fn rows(&self, run: RunId) -> PathBuf {
        self.0.join(format!("{}.rows", run.0))
    }

    /// Writes how far an import is; of an import that is over, the rows are deleted.
    pub(super) fn note(&self, report: &Report) -> Result<(), ImportError> {
        let path = self.rows(report.order.run).with_extension("json");
        let text = serde_json::to_vec(report).map_err(|error| self.failed(error.into()))?;
        write_whole(&path, &text).map_err(|source| self.failed(source))?;
        if report.is_over() {
            // A file that stays costs its bytes alone.
            let _ = fs::remove_file(path.with_extension("rows"));
        }
        Ok(())
    }

    pub(super) fn forget(&self, run: RunId) {
        // A report that stays is read again at the next start, and forgotten then.
        let _ = fs::remove_file(self.rows(run).with_extension("json"));
    }

    fn files(&self) -> Result<Vec<PathBuf>, ImportError> {
        let failed = |source| self.failed(source);
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
    }

    fn failed(&self, source: io::Error) -> ImportError {
        ImportError::Disk { path: self.0.clone(), source }
    }
}

impl Incoming {
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > FILE_BYTES_MAX {
            return Err(ImportError::TooLarge);
        }
        self.file.write_all(bytes).await.map_err(|source| self.failed(source))
    }

    /// Syncs the file and gives it its name; returns its size in bytes.
    pub(super) async fn end(mut self) -> Result<u64, ImportError> {
        let synced = async {
            self.file.flush().await?;
            self.file.sync_all().await
        };
        synced.await.map_err(|source| self.failed(source))?;
        fs::rename(&self.part.0, &self.rows).map_err(|source| self.failed(source))?;
        Ok(self.bytes)
    }

    fn failed(&self, source: io::Error) -> ImportError {
        ImportError::Disk { path: self.part.0.clone(), source }
    }
}

/// Writes a file so that it is the old or the new one, whatever happens.
pub(in crate::suppression) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}
