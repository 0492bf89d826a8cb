//! The watcher: finds what sends, asks lists and the DNS when it is time, and writes what it found.
//!
//! Way: `app` makes one and runs it beside the server. Each step takes the time as an argument.
//! What was not written is asked again: what is believed changes only when the store has it.

mod listings;
mod snapshots;
mod subjects;

use crate::config::Reputation;
use crate::model::Timestamp;
use crate::reputation::blocklist::BlockList;
use crate::reputation::posture::PolicyFetch;
use crate::reputation::watch::listings::ListDesk;
use crate::reputation::watch::subjects::Subjects;
use crate::reputation::{Dns, blocklist};
use crate::store::{Store, StoreError};
use std::time::Duration;
use tokio::sync::watch;

/// How often is looked whether something is due.
const TICK: Duration = Duration::from_secs(20);

/// Pause after the store has refused.
const FAILED: Duration = Duration::from_mins(1);

/// What a watcher works with.
pub struct Parts {
    pub store: Store,
    /// Its resolver remembers nothing: a second answer must be one.
    pub dns: Dns,
    pub policies: PolicyFetch,
    pub lists: Vec<BlockList>,
    pub settings: Reputation,
}

/// See the module.
pub struct Watcher {
    parts: Parts,
    desk: ListDesk,
    look: snapshots::LookDesk,
}

impl Watcher {
    pub fn new(parts: Parts) -> Self {
        Self { desk: ListDesk::default(), look: snapshots::LookDesk::default(), parts }
    }

    /// Works until it is stopped.
    pub async fn run(mut self, clock: fn() -> Timestamp, mut stopped: watch::Receiver<bool>) {
        loop {
            let work = async {
                let pause = match self.step(clock()).await {
                    Ok(()) => TICK,
                    Err(error) => {
                        tracing::debug!(%error, "blocklists and DNS are looked at later");
                        FAILED
                    }
                };
                tokio::time::sleep(pause).await;
            };
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                () = work => {}
            }
        }
    }

    /// Does what is due at a time.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked or written to: the next step does it again.
    pub async fn step(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if self.parts.settings.blocklists.enabled && self.desk.is_due(&self.parts, now).await? {
            let subjects = Subjects::find(&self.parts, now).await?;
            self.desk.work(&self.parts, &subjects, now).await?;
        }
        if self.parts.settings.dns_hours > 0 && self.look.is_due(&self.parts, now).await? {
            let subjects = Subjects::find(&self.parts, now).await?;
            self.look.work(&self.parts, &subjects, now).await?;
        }
        Ok(())
    }
}

/// Days since 1970, by which budgets count.
const fn day(at: Timestamp) -> i64 {
    at.seconds().div_euclid(86_400)
}

/// What a list may be asked on one day.
fn per_day(parts: &Parts, list: &blocklist::BlockList) -> u32 {
    let most = parts.settings.blocklists.queries_per_day_max;
    list.queries_per_day_max.map_or(most, |own| own.min(most))
}
