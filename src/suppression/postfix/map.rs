//! A map file that is kept in step with the list, for relays that shall not depend on a server.
//!
//! Postfix' own `postmap` writes it: at the start anew, beside the file in use and then renamed over it; after that
//! each change in place, which Postfix sees in sessions that are open already (measured: 11 ms with lmdb).
//! With relaylens down the relay goes on with the file as it is.
//!
//! Source: postmap(1), `lmdb_table(5)`.
//! Not here: addresses that the list knows by their hash alone, and those with blanks, which `postmap` cannot write.

use crate::model::suppression::Reason;
use crate::model::{Text, with_causes};
use crate::store::StoreError;
use crate::suppression::index::{MD5_PREFIX, SHA256_PREFIX};
use crate::suppression::list::List;
use crate::suppression::postfix::Context;
use crate::suppression::postfix::desk::words;
use crate::suppression::sequence::Cursor;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::sync::watch;

/// Changes that come within so long are written together: a call of `postmap` takes 10 ms.
const GATHER: Duration = Duration::from_millis(200);
/// Pause after a call that failed; the file is then made anew.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// Records looked at at once; with more behind them the file is made anew, which takes 3 s for a million addresses.
const RECORDS_MAX: u32 = 50_000;
/// Where `postmap` is looked for when it is not on the path: a service's path may lack it.
const POSTMAP: &str = "/usr/sbin/postmap";

/// What the map answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapAnswer {
    /// `550 5.7.1 …`, for `check_recipient_access`.
    Access,
    /// `error:5.7.1 …`, for `transport_maps`.
    Transport,
}

/// Why a map cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    #[error(
        "`{0}` is no map that can be changed in place: write `lmdb:/path`, `hash:/path` or `btree:/path`"
    )]
    NoMap(String),
    #[error("`{command}` cannot be started; name it by `postmap`")]
    NoPostmap {
        command: String,
        #[source]
        source: io::Error,
    },
    #[error("`postmap` refused: {0}")]
    Refused(String),
    #[error("the map's source {path} cannot be written")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One map, by its type and its path without the ending.
#[derive(Debug, Clone)]
pub struct MapFile {
    kind: String,
    path: PathBuf,
    postmap: PathBuf,
}

impl MapFile {
    /// `map` is as in `main.cf`: `lmdb:/etc/postfix/suppressed`.
    ///
    /// # Errors
    ///
    /// [`MapError::NoMap`].
    pub fn new(map: &str, postmap: Option<&Path>) -> Result<Self, MapError> {
        let (kind, path) = map.split_once(':').ok_or_else(|| MapError::NoMap(map.to_owned()))?;
        if !matches!(kind, "lmdb" | "hash" | "btree") || !Path::new(path).is_absolute() {
            return Err(MapError::NoMap(map.to_owned()));
        }
        let standard = if Path::new(POSTMAP).exists() { POSTMAP } else { "postmap" };
        let postmap = postmap.map_or_else(|| PathBuf::from(standard), Path::to_owned);
        Ok(Self { kind: kind.to_owned(), path: path.into(), postmap })
    }

    const fn ending(&self) -> &'static str {
        if matches!(self.kind.as_bytes(), b"lmdb") { "lmdb" } else { "db" }
    }

    fn beside(&self) -> PathBuf {
        with_ending(&self.path, "new")
    }

    /// Makes the file of the lines that were written beside it.
    fn build(&self) -> Result<(), MapError> {
        let beside = self.beside();
        self.call(&[], &beside, b"")?;
        let failed = |source| MapError::Io { path: beside.clone(), source };
        let (from, to) = (with_ending(&beside, self.ending()), with_ending(&self.path, self.ending()));
        std::fs::rename(from, to).map_err(failed)?;
        std::fs::remove_file(&beside).map_err(failed)
    }

    /// Changes the file in use.
    fn change(&self, put: &[u8], removed: &[u8]) -> Result<(), MapError> {
        if !removed.is_empty() {
            self.call(&["-d", "-"], &self.path, removed)?;
        }
        if !put.is_empty() {
            self.call(&["-i", "-r"], &self.path, put)?;
        }
        Ok(())
    }

    fn call(&self, options: &[&str], path: &Path, input: &[u8]) -> Result<(), MapError> {
        let failed = |source| MapError::NoPostmap { command: self.postmap.display().to_string(), source };
        let mut child = Command::new(&self.postmap)
            .args(options)
            .arg(format!("{}:{}", self.kind, path.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // It says itself why it does not read on.
            let _ = stdin.write_all(input);
        }
        let ended = child.wait_with_output().map_err(failed)?;
        // A removal of keys none of which is there ends with 1 and says nothing.
        if ended.status.success() || options.first() == Some(&"-d") && ended.stderr.is_empty() {
            return Ok(());
        }
        Err(MapError::Refused(String::from_utf8_lossy(&ended.stderr).trim().to_owned()))
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Keeps one map in step with the list.
pub struct MapWriter {
    pub list: List,
    pub file: MapFile,
    pub answer: MapAnswer,
    /// Which mail is meant.
    pub context: Context,
}

impl MapWriter {
    /// Works until `stopped` says true. A fault is told in the log and tried again.
    pub async fn run(self, mut stopped: watch::Receiver<bool>) {
        tokio::select! {
            () = self.work() => (),
            _ = stopped.wait_for(|stop| *stop) => (),
        }
    }

    async fn work(&self) {
        if self.list.loaded().await.is_err() {
            return;
        }
        let mut changed = self.list.changed();
        loop {
            match self.keep(&mut changed).await {
                Ok(()) => return,
                Err(error) => {
                    let map = self.file.path.display();
                    tracing::warn!(%map, error = with_causes(&error), "the suppression map is not in step with the list");
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            }
        }
    }

    /// Makes the file anew, then changes it with the list, until the list is gone.
    async fn keep(&self, changed: &mut watch::Receiver<u64>) -> Result<(), MapError> {
        changed.mark_unchanged();
        let mut cursor = self.list.cursor();
        self.build().await?;
        while changed.changed().await.is_ok() {
            tokio::time::sleep(GATHER).await;
            changed.mark_unchanged();
            if !self.follow(&mut cursor).await? {
                cursor = self.list.cursor();
                self.build().await?;
            }
        }
        Ok(())
    }

    async fn build(&self) -> Result<(), MapError> {
        let path = self.file.beside();
        let failed = |source| MapError::Io { path: path.clone(), source };
        let mut out = BufWriter::new(File::create(&path).map_err(failed)?);
        let mut stream = self.list.store().suppression_steps()?;
        let mut last = Text::default();
        while let Some(record) = stream.next().await? {
            let address = record.change.key.address;
            if address != last {
                if let Some(line) = self.line(&address) {
                    out.write_all(line.as_bytes()).map_err(failed)?;
                }
                last = address;
            }
        }
        out.flush().map_err(failed)?;
        drop(out);
        let file = self.file.clone();
        blocking(move || file.build()).await
    }

    /// Changes the file by the records behind the cursor; `false` when they are too many for that.
    async fn follow(&self, cursor: &mut Cursor) -> Result<bool, MapError> {
        let records = self.list.store().suppressions_since(cursor.places(), RECORDS_MAX).await?;
        if records.len() >= RECORDS_MAX as usize {
            return Ok(false);
        }
        let new = records.into_iter().filter(|record| cursor.pass(record.seq));
        let addresses: BTreeSet<Text> = new.map(|record| record.change.key.address).collect();
        let (mut put, mut removed) = (String::new(), String::new());
        for address in addresses.iter().filter(|address| is_writable(address)) {
            if let Some(line) = self.line(address) {
                put.push_str(&line);
            } else {
                removed.push_str(address);
                removed.push('\n');
            }
        }
        let file = self.file.clone();
        blocking(move || file.change(put.as_bytes(), removed.as_bytes())).await?;
        Ok(true)
    }

    /// The line of an address that is suppressed.
    fn line(&self, address: &str) -> Option<String> {
        if !is_writable(address) {
            return None;
        }
        let question = self.context.clone().question(address);
        let hit = self.list.index().check(&question, self.list.now())?;
        Some(format!("{address} {}\n", self.answer.value(hit.reason)))
    }
}

impl MapAnswer {
    /// What the map says of an address that is suppressed for this reason.
    pub(super) fn value(self, reason: Reason) -> String {
        match self {
            Self::Access => format!("550 5.7.1 {}", words(reason)),
            Self::Transport => format!("error:5.7.1 {}", words(reason)),
        }
    }
}

/// Whether `postmap` takes the address as a key.
fn is_writable(address: &str) -> bool {
    let is_hashed = address.starts_with(SHA256_PREFIX) || address.starts_with(MD5_PREFIX);
    !is_hashed && !address.starts_with(['#', '"']) && !address.contains(char::is_whitespace)
}

async fn blocking(work: impl FnOnce() -> Result<(), MapError> + Send + 'static) -> Result<(), MapError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(MapError::Refused("the call of `postmap` was cut off".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_postmap_cannot_change_is_refused() {
        for map in ["/etc/postfix/suppressed", "texthash:/a", "lmdb:relative", "cdb:/a"] {
            let error = MapFile::new(map, None).unwrap_err().to_string();
            assert!(error.contains("lmdb:/path"), "{error}");
        }
        let file = MapFile::new("hash:/a/b.c", None).unwrap();
        assert_eq!(with_ending(&file.beside(), file.ending()), Path::new("/a/b.c.new.db"));
    }

    #[test]
    fn what_postmap_would_take_for_something_else_is_left_out() {
        assert!(is_writable("bob@b.example"));
        for address in ["#a@b.example", "\"a b\"@b.example", "a b@b.example", "md5:00", "sha256:00"] {
            assert!(!is_writable(address), "{address}");
        }
    }
}
