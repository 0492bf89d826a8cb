//! What can go wrong in the spool, and what the reader of the message can do about it.

use crate::spool::entry::SOURCES_MAX;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a spool operation failed.
///
/// It can be cloned, because one failed sync is the answer to every append that shared it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolError {
    #[error("spool directory {} is in use by another process: stop that one, or name another directory", dir.display())]
    Locked { dir: PathBuf },

    #[error("spool limit `{limit}` is {value}: {rule}")]
    Limit { limit: &'static str, value: u64, rule: &'static str },

    /// Back-pressure: the door answers "try later". It clears when stored records are released.
    #[error(
        "spool is full: {used_bytes} of {limit_bytes} bytes wait to be stored; it drains once the database takes \
         inserts again, or raise `total_bytes_max`"
    )]
    Full { used_bytes: u64, limit_bytes: u64 },

    #[error("{what} is {size_bytes} bytes, limit is {limit_bytes}")]
    TooLarge { what: &'static str, size_bytes: u64, limit_bytes: u64 },

    #[error(
        "source would be one more than the {SOURCES_MAX} that the spool counts items for: use fewer names"
    )]
    TooManySources,

    /// Nothing that failed with this was acknowledged. The next append tries again.
    #[error("could not {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: Arc<io::Error>,
    },

    #[error(
        "spool file {} is damaged at byte {offset} ({fault}): a restart sets the damaged part aside and goes on \
         behind it", path.display()
    )]
    Damaged { path: PathBuf, offset: u64, fault: &'static str },

    #[error(
        "spool file {} holds a sound record at byte {offset} that this version cannot read: run the newer version \
         that wrote it", path.display()
    )]
    Newer { path: PathBuf, offset: u64 },

    #[error("spool file {} does not belong here: {fault}", path.display())]
    Foreign { path: PathBuf, fault: &'static str },

    /// All records of the directory lie before the position, so they were stored and moving them away loses nothing.
    #[error(
        "position {asked_seq} is ahead of the spool in {}, which ends at {last_seq}: the directory was replaced or \
         lost its end; move it away and start again", dir.display()
    )]
    Ahead { dir: PathBuf, asked_seq: u64, last_seq: u64 },

    #[error("spool writer has stopped")]
    Stopped,
}

impl SpoolError {
    /// Makes the closure for `map_err` that says what was being done, and to which file.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source: Arc::new(source) }
    }
}
