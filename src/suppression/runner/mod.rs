//! Rules at work: from stored events to records of the list.
//!
//! Way: the pipeline stores a batch and moves on; the [`Runner`] reads the new events of its spool from the store, has
//! the [`Engine`] look at them, and writes what it found by the [`List`]. Then it moves its place on.
//!
//! A step may be interrupted anywhere and is then done again from the last place: the engine is brought to what it
//! knew there, finds the same, and what was written already does nothing. Ids of runs and reviews are made from what
//! they are about, so that they are the same again.
//! Of several processes that share a store each looks at the events of its own spool.

mod memory;
mod place;
mod step;

use crate::model::Text;
use crate::store::{Store, StoreError};
use crate::suppression::list::List;
use crate::suppression::rules::{Engine, ReviewId, Rules};
use place::{Place, PlaceFile};
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};
use step::{Found, ReviewsSeen};
use tokio::sync::watch;

/// How often decisions about reviews are asked for while some wait.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Pause after the store has refused.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Events of one step: they come in a fraction of a second.
const EVENTS_WANTED: usize = 20_000;
/// Fewest and most spool records asked for at once. Without a bound the store would sort all that is left, again for
/// every step; a record may hold one event or ten thousand.
const WINDOW_MIN: u64 = 64;
const WINDOW_MAX: u64 = 1 << 20;
/// How often the place is written while nothing is found: what came since is looked at again after a restart.
const PLACE_EVERY: Duration = Duration::from_secs(10);

/// Runs the rules over what one spool has brought.
pub struct Runner {
    list: List,
    rules: Rules,
    /// Names the spool in the rows of its events.
    node: Text,
    file: PlaceFile,
    /// The last spool record that is stored.
    stored: watch::Receiver<u64>,
}

/// The runner with its memory.
struct AtWork {
    runner: Runner,
    engine: Engine,
    place: Place,
    placed: Instant,
    /// Spool records asked for at once: so many that about [`EVENTS_WANTED`] come.
    window: u64,
    reviews: ReviewsSeen,
    /// Runs that are noted already.
    noted: HashMap<Text, i64>,
}

impl Runner {
    /// `dir` is the data folder; `node` names its spool in the rows of events, and `stored` tells the last record of
    /// it that is stored.
    pub fn new(list: List, rules: Rules, node: Text, dir: &Path, stored: watch::Receiver<u64>) -> Self {
        Self { list, rules, node, file: PlaceFile::new(dir), stored }
    }

    /// Works until `stopped` says true.
    ///
    /// # Errors
    ///
    /// When the place in the data folder cannot be read. A store that does not answer is waited for.
    pub async fn run(self, mut stopped: watch::Receiver<bool>) -> std::io::Result<()> {
        let place = self.file.read(&self.node)?;
        tokio::select! {
            () = self.work(place) => (),
            _ = stopped.wait_for(|stop| *stop) => (),
        }
        Ok(())
    }

    async fn work(self, place: Place) {
        if self.list.loaded().await.is_err() {
            return;
        }
        let engine = loop {
            match self.remember(&place).await {
                Ok(engine) => break engine,
                Err(error) => self.complain(&error).await,
            }
        };
        let (placed, reviews, noted) = (Instant::now(), ReviewsSeen::default(), HashMap::new());
        let mut at_work = AtWork { runner: self, engine, place, placed, window: WINDOW_MIN, reviews, noted };
        while !at_work.catch_up().await {}
    }

    async fn complain(&self, error: &(dyn std::error::Error + Sync)) {
        let error = crate::model::with_causes(error);
        tracing::warn!(error, "the suppression rules wait for the store");
        tokio::time::sleep(TRY_AGAIN).await;
    }

    fn store(&self) -> &Store {
        self.list.store()
    }
}

impl AtWork {
    /// Looks at what is stored by now, then waits for more; true when no more will come.
    async fn catch_up(&mut self) -> bool {
        let until = *self.runner.stored.borrow_and_update();
        while self.place.seq < until {
            let next = until.min(self.place.seq.saturating_add(self.window));
            match self.runner.store().rule_events(&self.runner.node, self.place.seq, next).await {
                Ok(read) => {
                    self.window = match read.events.len() {
                        ..EVENTS_WANTED => (self.window * 2).min(WINDOW_MAX),
                        _ => (self.window / 2).max(WINDOW_MIN),
                    };
                    self.step(read).await;
                }
                Err(error) => self.runner.complain(&error).await,
            }
        }
        if self.engine.reviews().next().is_some()
            && let Err(error) = self.settle_decided().await
        {
            self.runner.complain(&error).await;
        }
        let waited = tokio::time::timeout(LOOK_EVERY, self.runner.stored.changed()).await;
        matches!(waited, Ok(Err(_)))
    }

    /// Has the engine see some events, and writes what it found, however long the store refuses.
    async fn step(&mut self, read: crate::store::RuleEvents) {
        let mut found = Found::default();
        for event in &read.events {
            found.take(self.engine.observe(event));
        }
        let has_found = !found.is_empty();
        while let Err(error) = self.write(&found).await {
            self.runner.complain(&error).await;
        }
        self.place.seq = read.last_seq;
        if let Some(last) = read.events.last() {
            self.place.time = last.event_time.min(self.runner.list.now());
        }
        if has_found || self.placed.elapsed() >= PLACE_EVERY {
            self.placed = Instant::now();
            if let Err(error) = self.runner.file.write(&self.place) {
                tracing::error!(%error, "the place of the suppression rules cannot be written; after a restart they look at the same events again");
            }
        }
    }

    /// Ends the reviews that somebody has decided, in this process or another.
    async fn settle_decided(&mut self) -> Result<(), StoreError> {
        let waiting: Vec<ReviewId> = self.engine.reviews().map(|review| review.id.clone()).collect();
        for id in self.runner.decided(&waiting).await? {
            self.engine.settle(&id);
            self.reviews.forget(&id);
        }
        Ok(())
    }
}
