//! The list at work: one handle in a process, through which everybody asks and everybody writes.
//!
//! Way: `app` starts [`List::follow`]; rules, pages, the HTTP interface and commands write by [`List::write`] or
//! [`List::write_as`]; what others wrote is folded in within [`FOLLOW_EVERY`].
//! A record is durable in the log before the index knows it, and the index knows it before a writer is answered.
//! Not here: rules at work (`runner`), tables (`store`).

mod actor;
mod claim;
mod erase;
mod follow;
mod review;
mod undo;
mod write;

pub use actor::Actor;
pub use follow::{EXPIRE_EVERY, FOLLOW_EVERY};
pub use write::{WRITE_CHANGES_MAX, Written};

use crate::model::suppression::{Decision, LogRecord, Question, Reason, RunId};
use crate::model::{Text, Timestamp, normalize_address};
use crate::store::{RunEntry, Store, StoreError};
use crate::suppression::fold;
use crate::suppression::index::{Index, IndexFull, MD5_PREFIX, SHA256_PREFIX, md5_of, sha256_of};
use crate::suppression::sequence::Cursor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Why the list could not be changed or asked.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Full(#[from] IndexFull),
    #[error("the suppression list is still being loaded; try again in a few seconds")]
    NotLoaded,
    #[error("{given} changes at once, the limit is {WRITE_CHANGES_MAX}: send them in parts, or as an import")]
    TooMany { given: usize },
    #[error("that takes an administrator: entries with the reason `compliance`, and erasing an address")]
    NeedsAdmin,
    #[error(
        "an entry with the reason `{0}` is lifted with a note that says why: the recipient had objected himself"
    )]
    NeedsNote(Reason),
    #[error("`{value}` is no {what}: {wanted}")]
    Bad { what: &'static str, value: Text, wanted: &'static str },
    #[error(
        "{0} processes write to this list, which is the limit; the number of one that has ended is free after a day"
    )]
    NoWriter(usize),
    #[error("there is no such review")]
    UnknownReview,
    #[error("the review was {0} before")]
    Decided(crate::model::suppression::ReviewState),
    #[error("the write was given up, because the program ends")]
    Ended,
}

/// The list. Clones share it.
#[derive(Clone)]
pub struct List(Arc<Inner>);

struct Inner {
    store: Store,
    index: Arc<Index>,
    clock: fn() -> Timestamp,
    /// Names the data folder of this process.
    node: Text,
    /// How far the index has followed the log.
    cursor: Mutex<Cursor>,
    /// Counts the times that the index has moved.
    moved: watch::Sender<u64>,
    /// `None` until a number is claimed.
    writer: tokio::sync::Mutex<Option<write::Writer>>,
}

impl List {
    /// A list that knows nothing yet: see [`List::follow`] and [`List::load`]. `node` names the data folder.
    pub fn new(store: Store, node: Text, clock: fn() -> Timestamp) -> Self {
        Self(Arc::new(Inner {
            store,
            index: Arc::new(Index::default()),
            clock,
            node,
            cursor: Mutex::default(),
            moved: watch::Sender::new(0),
            writer: tokio::sync::Mutex::new(None),
        }))
    }

    pub fn index(&self) -> &Arc<Index> {
        &self.0.index
    }

    pub fn store(&self) -> &Store {
        &self.0.store
    }

    pub fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// How far the index has followed the log.
    pub fn cursor(&self) -> Cursor {
        self.passed().clone()
    }

    /// A number that grows whenever the index has moved.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.moved.subscribe()
    }

    /// Waits until the list is loaded.
    ///
    /// # Errors
    ///
    /// [`ListError::Ended`] when the list is gone.
    pub async fn loaded(&self) -> Result<(), ListError> {
        let index = Arc::clone(self.index());
        self.changed().wait_for(|_| index.is_loaded()).await.map(drop).map_err(|_| ListError::Ended)
    }

    /// Answers with all that matches, its evidence and its words.
    ///
    /// # Errors
    ///
    /// [`ListError::Store`].
    pub async fn explain(&self, question: &Question) -> Result<Decision, ListError> {
        let records = self.story(&question.address).await?;
        Ok(fold::decide(question, fold::entries(&records, self.now())))
    }

    /// All records of an address under all its names, each name's in order.
    ///
    /// # Errors
    ///
    /// [`ListError::Store`].
    pub async fn story(&self, address: &str) -> Result<Vec<LogRecord>, ListError> {
        Ok(self.0.store.suppressions_of(&names_of(address)).await?)
    }

    /// Notes a run, so that it is listed and can be undone.
    ///
    /// # Errors
    ///
    /// [`ListError::Store`].
    pub async fn note_run(&self, run: &RunEntry) -> Result<(), ListError> {
        Ok(self.0.store.insert_suppression_run(run).await?)
    }

    fn passed(&self) -> MutexGuard<'_, Cursor> {
        // A cursor is moved place by place: a panic elsewhere leaves it usable.
        self.0.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_moved(&self) {
        self.0.moved.send_modify(|count| *count += 1);
    }
}

/// The names under which an address may stand in the list: itself, and the hashes of lists that others gave.
pub fn names_of(address: &str) -> Vec<Text> {
    let plain = normalize_address(address);
    if plain.starts_with(SHA256_PREFIX) || plain.starts_with(MD5_PREFIX) {
        return vec![plain];
    }
    let hashed = [sha256_of(&plain), md5_of(&plain)];
    [plain].into_iter().chain(hashed).collect()
}

/// An id that is the same whenever the same thing is done again.
pub(in crate::suppression) fn run_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> RunId {
    let parts = std::iter::once(b"suppression-run".as_slice()).chain(parts);
    RunId(uuid::Uuid::from_u128(crate::model::EventId::of(parts).0))
}
