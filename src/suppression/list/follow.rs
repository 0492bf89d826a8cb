//! Loading the log, following what other processes write, and telling of entries that have ended.

use crate::model::suppression::{Action, Change, LogRecord, Origin};
use crate::model::{Text, Timestamp, with_causes};
use crate::store::WriterClaim;
use crate::suppression::list::write::Writer;
use crate::suppression::list::{List, ListError, WRITE_CHANGES_MAX};
use crate::suppression::sequence::{Cursor, SeqClock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// How often the log is asked for what other processes wrote: half of the two seconds within which they see it.
pub const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// How often entries that have ended are told in the log. A check looks at the end itself.
pub const EXPIRE_EVERY: Duration = Duration::from_mins(1);
/// How often a process says that it is alive: a hundred times a day, after which its number would be free.
const RENEW_EVERY: Duration = Duration::from_mins(15);
/// Records asked for at once.
const PAGE: u32 = 50_000;
/// The origin of the records that tell of an end.
const EXPIRY: &str = "expiry";

impl List {
    /// Claims a number and reads the log to its end.
    ///
    /// # Errors
    ///
    /// [`ListError::Store`], [`ListError::NoWriter`]. Call it again; what was read before does no harm.
    pub async fn load(&self) -> Result<(), ListError> {
        let claim = self.claim().await?;
        self.read_whole(claim.writer).await?;
        self.has_moved();
        Ok(())
    }

    /// Loads the list as soon as the store answers, then follows the log until `stopped` says true.
    pub async fn follow(self, mut is_ready: watch::Receiver<bool>, mut stopped: watch::Receiver<bool>) {
        let work = async {
            if is_ready.wait_for(|ready| *ready).await.is_err() {
                return;
            }
            while let Err(error) = self.load().await {
                tracing::error!(error = with_causes(&error), "the suppression list could not be loaded yet");
                tokio::time::sleep(FOLLOW_EVERY).await;
            }
            tracing::info!(entries = self.index().len(), "the suppression list is loaded");
            self.keep_up().await;
        };
        tokio::select! {
            () = work => (),
            _ = stopped.wait_for(|stop| *stop) => (),
        }
    }

    async fn read_whole(&self, writer: u16) -> Result<(), ListError> {
        // Where the log stands before it is read: what is written meanwhile is read again, in its order.
        let cursor = self.places().await?;
        let mut clock = SeqClock::new(writer);
        cursor.places().for_each(|place| clock.saw(place));
        let mut stream = self.store().suppression_steps()?;
        while let Some(record) = stream.next().await? {
            self.index().apply(&record)?;
        }
        *self.passed() = cursor;
        self.catch_up().await?;
        let mut turn = self.0.writer.lock().await;
        self.cursor().places().for_each(|place| clock.saw(place));
        *turn = Some(Writer::new(clock));
        self.index().set_loaded();
        Ok(())
    }

    async fn places(&self) -> Result<Cursor, ListError> {
        let mut cursor = Cursor::default();
        for place in self.store().suppression_places().await? {
            cursor.pass(place);
        }
        Ok(cursor)
    }

    /// Folds in what is behind the cursor.
    async fn catch_up(&self) -> Result<(), ListError> {
        loop {
            let places: Vec<_> = self.cursor().places().collect();
            let records = self.store().suppressions_since(places, PAGE).await?;
            let is_end = records.len() < PAGE as usize;
            self.fold(&records)?;
            if is_end {
                return Ok(());
            }
        }
    }

    fn fold(&self, records: &[LogRecord]) -> Result<(), ListError> {
        let mut has_moved = false;
        for record in records {
            let is_new = !self.passed().has_passed(record.seq);
            if is_new {
                self.index().apply(record)?;
                self.passed().pass(record.seq);
                has_moved = true;
            }
        }
        if has_moved {
            self.has_moved();
        }
        Ok(())
    }

    async fn keep_up(&self) {
        let every = |period| {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let (mut follow, mut expire, mut renew) =
            (every(FOLLOW_EVERY), every(EXPIRE_EVERY), every(RENEW_EVERY));
        let mut told_to = Timestamp(0);
        loop {
            let done = tokio::select! {
                _ = follow.tick() => self.follow_on().await,
                _ = expire.tick() => self.tell_ended(&mut told_to).await,
                _ = renew.tick() => self.renew().await,
            };
            if let Err(error) = done {
                tracing::warn!(error = with_causes(&error), "the suppression list is behind the log");
            }
        }
    }

    async fn follow_on(&self) -> Result<(), ListError> {
        self.catch_up().await?;
        let mut turn = self.0.writer.lock().await;
        if let Some(writer) = turn.as_mut() {
            self.cursor().places().for_each(|place| writer.clock.saw(place));
        }
        Ok(())
    }

    /// Says that this process is alive. One that had lost its number gets another.
    async fn renew(&self) -> Result<(), ListError> {
        let WriterClaim { writer, .. } = self.claim().await?;
        let mut turn = self.0.writer.lock().await;
        let is_other = turn.as_ref().is_some_and(|known| known.clock.writer() != writer);
        if is_other {
            let mut clock = SeqClock::new(writer);
            self.cursor().places().for_each(|place| clock.saw(place));
            *turn = Some(Writer::new(clock));
        }
        Ok(())
    }

    /// Writes for those who follow the log that entries have ended.
    async fn tell_ended(&self, told_to: &mut Timestamp) -> Result<(), ListError> {
        let now = self.now();
        let mut ending = self.store().suppressions_ending(*told_to, now)?;
        let mut ended = Vec::new();
        while let Some(record) = ending.next().await? {
            let is_over = self.index().state(&record.change.key).living.is_some_and(|it| it.is_over(now));
            if is_over {
                ended.push(end_of(record));
            }
            if ended.len() >= WRITE_CHANGES_MAX {
                self.write(std::mem::take(&mut ended)).await?;
            }
        }
        if !ended.is_empty() {
            self.write(ended).await?;
        }
        *told_to = now;
        Ok(())
    }
}

fn end_of(record: LogRecord) -> Change {
    let Change { key, observed, expires, .. } = record.change;
    Change {
        action: Action::Expire,
        key,
        observed,
        expires,
        origin: Origin::Rule(EXPIRY.into()),
        run: None,
        evidence: Vec::new(),
        note: Text::default(),
    }
}
