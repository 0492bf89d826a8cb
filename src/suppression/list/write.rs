//! Writing: one insert at a time, whole or not at all, in the log before it is in memory.

use crate::model::suppression::{Action, Change, Key, LogRecord};
use crate::model::{Timestamp, with_causes};
use crate::store::StoreError;
use crate::suppression::fold::{Effect, KeyState, Step, effect, entries};
use crate::suppression::list::{Actor, List, ListError};
use crate::suppression::sequence::SeqClock;
use std::collections::HashMap;
use std::time::Duration;

/// Most changes of one write: one insert of about 20 MB, which is there as a whole or not at all.
pub const WRITE_CHANGES_MAX: usize = 100_000;

/// An insert that fails is tried again so often, with the pause between.
const TRIES_MAX: u32 = 3;
const TRY_AGAIN: Duration = Duration::from_millis(300);

/// Records that wait for so long get new places: followers do not look further back than twice this.
const PLACE_AGE_MAX_US: i64 = 300 * 1_000_000;

/// Gives places, and remembers what may have arrived or not.
pub(super) struct Writer {
    pub(super) clock: SeqClock,
    /// Records whose insert has failed: it may have arrived all the same, so that it is tried again before the next.
    pending: Option<Pending>,
}

impl Writer {
    pub(super) const fn new(clock: SeqClock) -> Self {
        Self { clock, pending: None }
    }
}

struct Pending {
    records: Vec<LogRecord>,
    placed: Timestamp,
}

/// What a write did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    pub added: u64,
    pub extended: u64,
    pub lifted: u64,
    /// Suppressed already, at least as long.
    pub known: u64,
    /// Removed before, and what the change rests on is older than that.
    pub tombstoned: u64,
    /// There was nothing to lift.
    pub absent: u64,
    /// What the log has got, in order.
    pub records: Vec<LogRecord>,
}

impl Written {
    const fn count(&mut self, effect: Effect) {
        let counter = match effect {
            Effect::Adds => &mut self.added,
            Effect::Extends => &mut self.extended,
            Effect::Lifts => &mut self.lifted,
            Effect::Known => &mut self.known,
            Effect::Tombstone => &mut self.tombstoned,
            Effect::Absent => &mut self.absent,
        };
        *counter += 1;
    }

    /// Adds the counts of another write, without its records.
    pub const fn add_counts(&mut self, other: &Self) {
        self.added += other.added;
        self.extended += other.extended;
        self.lifted += other.lifted;
        self.known += other.known;
        self.tombstoned += other.tombstoned;
        self.absent += other.absent;
    }
}

impl List {
    /// Writes changes. When it returns they are durable in the log, and the list answers by them. A change that does
    /// nothing is counted and left out.
    ///
    /// The work goes on when the caller is dropped.
    ///
    /// # Errors
    ///
    /// [`ListError::TooMany`], [`ListError::NotLoaded`]: nothing was written. [`ListError::Store`]: the records may
    /// have arrived; write the same again, which then does nothing. [`ListError::Full`]: the log has them, memory
    /// does not.
    pub async fn write(&self, changes: Vec<Change>) -> Result<Written, ListError> {
        if changes.len() > WRITE_CHANGES_MAX {
            return Err(ListError::TooMany { given: changes.len() });
        }
        if !self.index().is_loaded() {
            return Err(ListError::NotLoaded);
        }
        let list = self.clone();
        let work = tokio::spawn(async move { list.write_in_turn(changes).await });
        work.await.map_err(|_| ListError::Ended)?
    }

    /// Writes changes for an actor: none of them, when he may not write one.
    ///
    /// # Errors
    ///
    /// As [`Actor::may`] and [`List::write`].
    pub async fn write_as(&self, actor: &Actor, changes: Vec<Change>) -> Result<Written, ListError> {
        changes.iter().try_for_each(|change| actor.may(change))?;
        self.write(changes).await
    }

    /// Lifts the living entries of an address that `is_meant` names; what was observed until now does not suppress
    /// again.
    ///
    /// # Errors
    ///
    /// As [`List::write_as`].
    pub async fn lift(
        &self,
        actor: &Actor,
        address: &str,
        note: &str,
        is_meant: impl Fn(&Key) -> bool,
    ) -> Result<Written, ListError> {
        let now = self.now();
        let living = entries(&self.story(address).await?, now);
        let removal = |key: Key| Change {
            action: Action::Remove,
            key,
            observed: now,
            expires: None,
            origin: actor.origin(),
            run: None,
            evidence: Vec::new(),
            note: note.into(),
        };
        let meant = living.into_iter().map(|entry| entry.key).filter(is_meant);
        self.write_as(actor, meant.map(removal).collect()).await
    }

    async fn write_in_turn(&self, changes: Vec<Change>) -> Result<Written, ListError> {
        let mut turn = self.0.writer.lock().await;
        let writer = turn.as_mut().ok_or(ListError::NotLoaded)?;
        self.settle(writer).await?;
        let now = self.now();
        let written = self.plan(&mut writer.clock, changes, now);
        if !written.records.is_empty() {
            writer.pending = Some(Pending { records: written.records.clone(), placed: now });
            self.settle(writer).await?;
        }
        Ok(written)
    }

    /// Decides what each change does after those before it, and gives places to those that do something.
    fn plan(&self, clock: &mut SeqClock, changes: Vec<Change>, now: Timestamp) -> Written {
        let mut written = Written::default();
        let mut states: HashMap<Key, KeyState> = HashMap::new();
        for change in changes {
            let before = states.get(&change.key).copied().unwrap_or_else(|| self.index().state(&change.key));
            let effect = effect(&before, &change, now);
            written.count(effect);
            let record = LogRecord { seq: clock.next(now), change };
            let mut after = before;
            after.apply(Step::of(&record));
            // An undo may change a tombstone alone, and an end that has come is told, though it changes no answer.
            let is_told = match record.change.action {
                Action::Withdraw | Action::Expire => after != before,
                _ => matches!(effect, Effect::Adds | Effect::Extends | Effect::Lifts),
            };
            if is_told {
                states.insert(record.change.key.clone(), after);
                written.records.push(record);
            }
        }
        written
    }

    /// Brings what is pending into the log, and then into memory.
    async fn settle(&self, writer: &mut Writer) -> Result<(), ListError> {
        let Some(pending) = &mut writer.pending else { return Ok(()) };
        let now = self.now();
        if now.0 - pending.placed.0 > PLACE_AGE_MAX_US {
            // Should they have arrived, they are there twice, and the second one changes nothing.
            for record in &mut pending.records {
                record.seq = writer.clock.next(now);
            }
            pending.placed = now;
        }
        self.append(&pending.records).await?;
        let mut full = None;
        for record in &pending.records {
            full = self.index().apply(record).err().or(full);
            self.passed().pass(record.seq);
        }
        writer.pending = None;
        self.has_moved();
        full.map_or(Ok(()), |full| Err(full.into()))
    }

    async fn append(&self, records: &[LogRecord]) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            match self.0.store.append_suppressions(records).await {
                Err(error) if tries < TRIES_MAX => {
                    tracing::warn!(error = %with_causes(&error), tries, "suppressions could not be written yet");
                    tokio::time::sleep(TRY_AGAIN * tries).await;
                    tries += 1;
                }
                done => return done,
            }
        }
    }
}
