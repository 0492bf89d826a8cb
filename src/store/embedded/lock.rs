//! One process, one data folder: the lock that says so with a reason.
//!
//! The engine has a lock of its own (`status`) but prints its reason on standard error only, so this one is taken first.
//! It is an advisory lock of the open file: it goes with the process, however that ends.

use super::EmbeddedError;
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::Path,
};

/// In the data folder. Holds the process id of the last holder, as text.
pub(super) const FILE_NAME: &str = "relaylens.lock";

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct DataLock {
    _file: File,
}

impl DataLock {
    /// # Errors
    ///
    /// [`EmbeddedError::Locked`] when another process, or this one, holds it; [`EmbeddedError::DataDir`] or
    /// [`EmbeddedError::DiskFull`] when the file cannot be written.
    pub(super) fn take(data_dir: &Path) -> Result<Self, EmbeddedError> {
        let path = data_dir.join(FILE_NAME);
        let failed = |source| EmbeddedError::data_dir("write the lock file", path.clone(), source);
        // Not truncated before the lock is ours: it holds the other's process id.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(EmbeddedError::Locked { data_dir: data_dir.to_owned(), pid: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// `None` in the moment between the other's lock and its writing, or when the file was written by hand.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_is_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataLock::take(dir.path()).unwrap();
        let error = DataLock::take(dir.path()).unwrap_err();
        let EmbeddedError::Locked { pid, .. } = error else { panic!("{error}") };
        assert_eq!(pid, Some(std::process::id()));
        drop(first);
        DataLock::take(dir.path()).unwrap();
    }

    #[test]
    fn a_folder_that_is_missing_is_named() {
        let error = DataLock::take(Path::new("/nowhere/data")).unwrap_err().to_string();
        assert!(error.contains("/nowhere/data/relaylens.lock"), "{error}");
    }
}
