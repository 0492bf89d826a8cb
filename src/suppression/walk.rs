//! The list from the log in the store, address by address: what snapshots, exports and the list by pages are made of.
//!
//! Memory is that of one address.
//! Way: `web` walks and writes what it finds into its answer. Not here: the fold itself ([`crate::suppression::fold`]).

use crate::model::suppression::{Entry, LogRecord};
use crate::model::{Text, Timestamp};
use crate::store::{Store, StoreError, SuppressionStream};
use crate::suppression::fold::entries;
use crate::suppression::sequence::Cursor;

/// A walk through all addresses, in their order.
pub struct Walk {
    stream: SuppressionStream,
    /// The first record of the next address.
    next: Option<LogRecord>,
    now: Timestamp,
    /// Records beyond it are not seen, so that the walk shows one moment.
    until: Cursor,
    walked: u64,
}

/// An address with its living entries; none when all were lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    pub address: Text,
    pub entries: Vec<Entry>,
}

impl Walk {
    /// Begins after an address (empty for the first one); shows what lives at `now` by the records up to `until`.
    ///
    /// # Errors
    ///
    /// When the store refuses or cannot be reached.
    pub fn begin(store: &Store, after: &str, now: Timestamp, until: Cursor) -> Result<Self, StoreError> {
        Ok(Self { stream: store.suppression_stream(after)?, next: None, now, until, walked: 0 })
    }

    /// The next address; `None` after the last.
    ///
    /// # Errors
    ///
    /// When the store breaks off: what came before is not the whole list.
    pub async fn next(&mut self) -> Result<Option<Stop>, StoreError> {
        let first = match self.next.take() {
            Some(first) => first,
            None => match self.record().await? {
                Some(first) => first,
                None => return Ok(None),
            },
        };
        let address = first.change.key.address.clone();
        let mut records = vec![first];
        while let Some(record) = self.record().await? {
            if record.change.key.address != address {
                self.next = Some(record);
                break;
            }
            records.push(record);
        }
        Ok(Some(Stop { address, entries: entries(&records, self.now) }))
    }

    /// Records passed so far.
    pub const fn walked(&self) -> u64 {
        self.walked
    }

    async fn record(&mut self) -> Result<Option<LogRecord>, StoreError> {
        while let Some(record) = self.stream.next().await? {
            self.walked += 1;
            if self.until.has_passed(record.seq) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}
