//! What came to the doors of the providers, for the page of sources and the metrics.

use crate::ingest::webhook::refusal::Refusal;
use crate::model::Timestamp;
use crate::parse::webhook::Provider;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Longest words kept of a refusal, in bytes: some show what a stranger wrote.
const WORDS_BYTES_MAX: usize = 400;

/// The counts of all providers since the start. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct WebhookCounts(Arc<Mutex<BTreeMap<Provider, WebhookStatus>>>);

/// What came to one provider's door.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebhookStatus {
    /// Requests whose body is in the spool.
    pub taken: u64,
    /// Items in them.
    pub items: u64,
    pub last_taken: Option<Timestamp>,
    /// Requests that were refused, by the word for the reason.
    pub refused: BTreeMap<&'static str, u64>,
    pub last_refusal: Option<LastRefusal>,
}

/// The refusal that an operator sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRefusal {
    pub at: Timestamp,
    pub code: &'static str,
    /// What was wrong, and which setting to look at.
    pub words: String,
}

impl WebhookCounts {
    /// Every provider that anything came to, as it is now.
    pub fn now(&self) -> Vec<(Provider, WebhookStatus)> {
        self.lock().iter().map(|(provider, status)| (*provider, status.clone())).collect()
    }

    pub(super) fn note_taken(&self, provider: Provider, items: u64, at: Timestamp) {
        let mut all = self.lock();
        let status = all.entry(provider).or_default();
        status.taken += 1;
        status.items += items;
        status.last_taken = Some(at);
    }

    pub(super) fn note_refused(&self, provider: Provider, refusal: &Refusal, at: Timestamp) {
        let mut words = refusal.to_string();
        words.truncate(words.floor_char_boundary(WORDS_BYTES_MAX));
        let mut all = self.lock();
        let status = all.entry(provider).or_default();
        *status.refused.entry(refusal.code()).or_default() += 1;
        status.last_refusal = Some(LastRefusal { at, code: refusal.code(), words });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Provider, WebhookStatus>> {
        // numbers alone: a panic elsewhere leaves nothing half done
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
