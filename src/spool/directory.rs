//! The spool's directory: one process at a time, its identity, and files that are there whole or not at all.
//!
//! Not here: the segments in it (`segment`, `recover`).

use crate::spool::error::SpoolError;
use crate::spool::segment::SpoolId;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::Path;

/// Makes the directory if need be and locks it; the lock ends when the file returned is dropped, or the process.
pub(super) fn lock(dir: &Path) -> Result<File, SpoolError> {
    create(dir).map_err(SpoolError::io("create the spool directory", dir))?;
    let path = dir.join("spool.lock");
    let file = File::create(&path).map_err(SpoolError::io("create the lock file", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SpoolError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(SpoolError::io("lock", &path)(source)),
    }
}

/// Makes a directory and those above it, each synced: a file in it is only as durable as its path.
fn create(dir: &Path) -> io::Result<()> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().unwrap_or(Path::new("/"));
    create(parent)?;
    fs::create_dir(dir)?;
    sync(parent)
}

/// Syncs the bytes of a file, or the names in a directory.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    // the parent of a relative name is empty
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

/// Writes a file that gets its name only when all its bytes are synced, and syncs the name too.
///
/// A crash leaves the whole file or none: a segment is never seen without its header. One file at a time is
/// written like this, so one name for unfinished ones is enough.
pub(super) fn create_whole(path: &Path, parts: &[&[u8]]) -> io::Result<File> {
    let unfinished = path.with_file_name("unfinished");
    let mut file = File::create(&unfinished)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync(path.parent().unwrap_or(Path::new("/")))?;
    Ok(file)
}

/// Reads the id of the spool, or makes one in a directory without segments.
pub(super) fn identify(dir: &Path, has_segments: bool) -> Result<SpoolId, SpoolError> {
    let path = dir.join("spool.id");
    let foreign = |fault| SpoolError::Foreign { path: path.clone(), fault };
    match fs::read_to_string(&path) {
        Ok(text) => {
            let digits = text.trim_end();
            let id = u128::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 32);
            id.map(SpoolId).ok_or_else(|| foreign("it is not 32 hexadecimal digits; restore it from a copy"))
        }
        Err(fault) if fault.kind() == io::ErrorKind::NotFound && has_segments => {
            Err(foreign("it is missing beside segments; restore it, or move the segments away"))
        }
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            let id = SpoolId(rand::random());
            create_whole(&path, &[format!("{id}\n").as_bytes()])
                .map_err(SpoolError::io("create the spool's id file", &path))?;
            Ok(id)
        }
        Err(fault) => Err(SpoolError::io("read the spool's id file", &path)(fault)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_above_are_made_too() {
        let above = tempfile::tempdir().unwrap();
        let dir = above.path().join("a/b");
        lock(&dir).unwrap();
        assert!(dir.join("spool.lock").is_file());
    }

    #[test]
    fn the_id_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let made = identify(dir.path(), false).unwrap();
        assert_eq!(identify(dir.path(), true).unwrap(), made);
        assert_eq!(made.to_string().len(), 32);
    }

    #[test]
    fn segments_without_an_id_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let told = identify(dir.path(), true).unwrap_err().to_string();
        assert!(
            told.ends_with("it is missing beside segments; restore it, or move the segments away"),
            "{told}"
        );
    }

    #[test]
    fn a_broken_id_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("spool.id"), "+123\n").unwrap();
        assert!(matches!(identify(dir.path(), false), Err(SpoolError::Foreign { .. })));
    }

    #[test]
    fn a_locked_directory_is_refused_until_the_lock_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        assert!(matches!(lock(dir.path()), Err(SpoolError::Locked { .. })));
        drop(held);
        lock(dir.path()).unwrap();
    }
}
