//! A receiver's state on disk: `state.json` says how far the log was taken and which post is under way with all its
//! bytes; `ID.dead` and `ID.again` are posts that were given up, and those of them that a person sends again.

use crate::suppression::imports::write_whole;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::PathBuf;
use uuid::Uuid;

const STATE_FILE: &str = "state.json";
const DEAD: &str = "dead";
const AGAIN: &str = "again";

/// What was being done with a receiver's folder when the disk refused.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    #[error("{} cannot be used", .path.display())]
    Disk {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is no state of a webhook: {message}; delete it to begin anew from now on", .path.display())]
    Broken { path: PathBuf, message: String },
}

/// How far a receiver is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// Up to where the log was taken.
    pub(super) cursor: String,
    pub(super) delivered: u64,
    pub(super) records: u64,
    pub(super) last_delivered_unix: Option<i64>,
    pub(super) post: Option<Post>,
}

/// A post, the same at every try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Post {
    pub(super) id: Uuid,
    /// Up to where the log is taken with it.
    pub(super) cursor: String,
    pub(super) records: u64,
    pub(super) body: String,
    pub(super) made_unix: i64,
    pub(super) failures: u32,
    pub(super) next_try_unix: i64,
    pub(super) last_fault: String,
}

/// A post that was given up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DeadLetter {
    pub id: Uuid,
    pub records: u64,
    pub made_unix: i64,
    pub failures: u32,
    pub last_fault: String,
    /// Whether it waits to be sent again.
    pub is_again: bool,
}

pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn open(dir: PathBuf) -> Result<Self, HookError> {
        fs::create_dir_all(&dir).map_err(|source| HookError::Disk { path: dir.clone(), source })?;
        Ok(Self(dir))
    }

    /// `None` for a receiver that is new.
    pub(super) fn load(&self) -> Result<Option<State>, HookError> {
        let path = self.0.join(STATE_FILE);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(HookError::Disk { path, source }),
            Ok(bytes) => read(&path, &bytes).map(Some),
        }
    }

    pub(super) fn save(&self, state: &State) -> Result<(), HookError> {
        write(self.0.join(STATE_FILE), state)
    }

    /// Keeps a post that was given up.
    pub(super) fn bury(&self, post: &Post) -> Result<(), HookError> {
        write(self.file(post.id, DEAD), post)?;
        self.remove(post.id, AGAIN)
    }

    /// Marks a dead letter to be sent again; whether there was one.
    pub(super) fn revive(&self, id: Uuid) -> Result<bool, HookError> {
        let (from, to) = (self.file(id, DEAD), self.file(id, AGAIN));
        match fs::rename(&from, to) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(HookError::Disk { path: from, source }),
        }
    }

    /// The oldest post that is to be sent again.
    pub(super) fn revived(&self) -> Result<Option<Post>, HookError> {
        Ok(self.posts()?.into_iter().filter(|(_, is_again)| *is_again).map(|(post, _)| post).next_back())
    }

    /// Forgets a post that was taken after all.
    pub(super) fn forget(&self, id: Uuid) -> Result<(), HookError> {
        self.remove(id, AGAIN)
    }

    /// The newest first.
    pub(super) fn dead_letters(&self) -> Result<Vec<DeadLetter>, HookError> {
        let told = |(post, is_again): (Post, bool)| DeadLetter {
            id: post.id,
            records: post.records,
            made_unix: post.made_unix,
            failures: post.failures,
            last_fault: post.last_fault,
            is_again,
        };
        Ok(self.posts()?.into_iter().map(told).collect())
    }

    /// Posts that were given up, the newest first, and whether each is to be sent again.
    fn posts(&self) -> Result<Vec<(Post, bool)>, HookError> {
        let failed = |source| HookError::Disk { path: self.0.clone(), source };
        let mut posts: Vec<(Post, bool)> = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let is_again = match path.extension().and_then(|ending| ending.to_str()) {
                Some(DEAD) => false,
                Some(AGAIN) => true,
                _ => continue,
            };
            match fs::read(&path) {
                // It was sent, or marked, in this moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(HookError::Disk { path, source }),
                Ok(bytes) => posts.push((read(&path, &bytes)?, is_again)),
            }
        }
        posts.sort_by_key(|(post, _)| std::cmp::Reverse((post.made_unix, post.id)));
        Ok(posts)
    }

    fn remove(&self, id: Uuid, ending: &str) -> Result<(), HookError> {
        let path = self.file(id, ending);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(HookError::Disk { path, source }),
            _ => Ok(()),
        }
    }

    fn file(&self, id: Uuid, ending: &str) -> PathBuf {
        self.0.join(format!("{id}.{ending}"))
    }
}

fn write(path: PathBuf, value: &impl Serialize) -> Result<(), HookError> {
    let written = serde_json::to_vec(value).map_err(io::Error::from);
    written.and_then(|bytes| write_whole(&path, &bytes)).map_err(|source| HookError::Disk { path, source })
}

fn read<T: serde::de::DeserializeOwned>(path: &std::path::Path, bytes: &[u8]) -> Result<T, HookError> {
    serde_json::from_slice(bytes)
        .map_err(|error| HookError::Broken { path: path.to_owned(), message: error.to_string() })
}
