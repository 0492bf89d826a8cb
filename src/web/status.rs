//! What the running process knows of itself: the ledger's totals, the spool, the lag.
//!
//! Way: `app` fills a [`Status`] from the pipeline and the spool whenever a page or `/metrics` asks for one.
//! Not here: what is stored (that is `store`).

use std::sync::Arc;

/// Gives the present [`Status`]. Called once per request, so it must be cheap: read counters, ask no disk.
#[derive(Clone)]
pub struct StatusSource(Arc<dyn Fn() -> Status + Send + Sync>);

impl StatusSource {
    pub fn new(read: impl Fn() -> Status + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    pub(crate) fn read(&self) -> Status {
        (self.0)()
    }
}

/// One look at the process.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct Status {
    pub version: &'static str,
    pub started_unix: i64,
    pub sources: Vec<SourceStatus>,
    pub doors: Vec<SourceDoor>,
    pub spool: SpoolStatus,
    /// Age in seconds of the oldest item that is accepted but not stored yet; 0 when nothing waits.
    pub pipeline_lag_s: f64,
    /// Why the last batch could not be stored, until one can.
    pub store_error: Option<String>,
}

/// The ledger of one source. All counts are of items and must come from one moment, else they cannot balance.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct SourceStatus {
    pub source_kind: String,
    pub source: String,
    pub accepted: u64,
    pub stored: u64,
    pub duplicate: u64,
    pub no_event: u64,
    pub rejected: u64,
    pub in_spool: u64,
    /// Events made from the stored items.
    pub events: u64,
}

impl SourceStatus {
    /// Items whose end is known, and those in the spool. Equal to `accepted`, or something was lost or doubled.
    pub const fn accounted(&self) -> u64 {
        self.stored + self.duplicate + self.no_event + self.rejected + self.in_spool
    }

    pub const fn balances(&self) -> bool {
        self.accepted == self.accounted()
    }
}

/// A way in: a mailbox, listener, webhook or followed log. Counts are since the process began.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct SourceDoor {
    pub source_kind: String,
    /// The source whose items come by it; empty for all of the kind.
    pub source: String,
    /// What it is and where, for a person.
    pub place: String,
    /// What it does now, in a few words.
    pub doing: String,
    /// Whether it does its work.
    pub is_up: bool,
    /// Items that are in the spool; `None` where they are counted by the ledger alone.
    pub taken: Option<u64>,
    pub last_taken_unix: Option<i64>,
    /// What was turned away or could not be fetched, by a word for the reason.
    pub refused: Vec<(String, u64)>,
    /// How often the door itself failed: connections lost, a server that says no.
    pub faults: u64,
    pub last_fault_unix: Option<i64>,
    pub last_fault: Option<String>,
}

/// The queue on disk between the doors and the pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct SpoolStatus {
    pub items: u64,
    pub bytes: u64,
    /// At this size the doors answer "try later".
    pub bytes_max: u64,
}

impl SpoolStatus {
    pub const fn is_full(&self) -> bool {
        self.bytes >= self.bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_balances_when_every_item_has_one_end() {
        let mut source = SourceStatus {
            accepted: 10,
            stored: 5,
            duplicate: 1,
            no_event: 1,
            rejected: 1,
            in_spool: 2,
            ..Default::default()
        };
        assert!(source.balances());
        source.stored -= 1;
        assert!(!source.balances());
    }
}
