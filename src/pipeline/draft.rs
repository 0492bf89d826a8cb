//! A batch under construction: its rows, what is held back until the store has been asked, and the ledger.
//!
//! Way: `assemble` adds entries, `read` asks the store for what is held, [`Draft::finish`] ends it.

use crate::model::{Event, ItemCounts, SourceRef, Text, Timestamp};
use crate::pipeline::attribute::{Clues, FEEDBACK_WINDOW_S};
use crate::pipeline::checkpoint::SourceTotals;
use crate::spool::Entry;
use crate::store::{Batch, BatchLabel, LedgerEntry, MailEntry, RejectEntry, Sealed, SentEvent, SentKeys};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A batch under construction.
pub(super) struct Draft {
    first_seq: u64,
    last_seq: u64,
    /// When the last entry came in.
    last_received: Timestamp,
    pub(super) batch: Batch,
    held: Vec<HeldItem>,
    held_reports: Vec<HeldReports>,
    held_bytes: usize,
    /// Bytes of mails and unreadable items in the batch.
    kept_bytes: usize,
    /// Source and minute of arrival → what became of the items.
    ledger: BTreeMap<(SourceRef, u32), (ItemCounts, u64)>,
    sources: BTreeMap<SourceRef, SourceTotals>,
}

/// An item about whose events the store must be asked.
pub(super) struct HeldItem {
    pub(super) source: SourceRef,
    /// The record that brought it.
    pub(super) seq: u64,
    pub(super) received: Timestamp,
    pub(super) minute: u32,
    pub(super) events: Vec<HeldEvent>,
    /// The mail that brought them, kept when any of them is new.
    pub(super) mail: Option<MailEntry>,
    /// It came with an earlier batch, and has waited.
    pub(super) is_late: bool,
}

impl HeldItem {
    pub(super) fn new(entry: &Entry, events: Vec<HeldEvent>, mail: Option<MailEntry>) -> Self {
        let (source, minute) = (entry.source.clone(), minute_of(entry));
        Self { source, seq: entry.seq, received: entry.received, minute, events, mail, is_late: false }
    }
}

pub(super) struct HeldEvent {
    pub(super) event: Event,
    /// Feedback: what it says of the message that it is about.
    pub(super) clues: Option<Clues>,
    /// It may be stored already.
    pub(super) is_unsure: bool,
}

/// A mail or file of whose reports some may be stored already. It is read again when the store has answered: their records
/// are too many to be kept.
pub(super) struct HeldReports {
    pub(super) entry: Entry,
    pub(super) keys: HashSet<u128>,
}

/// What a batch adds to the totals of its sources.
pub(super) struct Finished {
    pub(super) sealed: Sealed,
    pub(super) last_seq: u64,
    pub(super) sources: Vec<SourceTotals>,
    /// What waits for a second look when the batch is stored, by source and record.
    pub(super) waiting: Vec<(SourceRef, u64)>,
}

impl Draft {
    pub(super) fn new(first: &Entry) -> Self {
        Self {
            first_seq: first.seq,
            last_seq: first.seq,
            last_received: first.received,
            batch: Batch::default(),
            held: Vec::new(),
            held_reports: Vec::new(),
            held_bytes: 0,
            kept_bytes: 0,
            ledger: BTreeMap::new(),
            sources: BTreeMap::new(),
        }
    }

    /// Rows so far, counted as if every event held back were new.
    pub(super) fn rows(&self) -> usize {
        let held: usize = self.held.iter().map(|item| item.events.len()).sum();
        self.batch.events.rows() + self.batch.dmarc_records.rows() + self.batch.rejects.len() + held
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.batch.events.size_bytes()
            + self.batch.dmarc_records.size_bytes()
            + self.held_bytes
            + self.kept_bytes
    }

    pub(super) const fn first_seq(&self) -> u64 {
        self.first_seq
    }

    pub(super) const fn last_received(&self) -> Timestamp {
        self.last_received
    }

    pub(super) fn keep_mail(&mut self, mail: MailEntry) {
        self.kept_bytes += mail.bytes.len();
        self.batch.mails.push(mail);
    }

    pub(super) fn keep_reject(&mut self, reject: RejectEntry) {
        self.kept_bytes += reject.bytes.len();
        self.batch.rejects.push(reject);
    }

    pub(super) fn hold(&mut self, item: HeldItem) {
        self.held_bytes += item.mail.as_ref().map_or(0, |mail| mail.bytes.len());
        self.held.push(item);
    }

    /// Takes in what has waited. Its events may have come again meanwhile, and been forgotten.
    pub(super) fn hold_late(&mut self, mut item: HeldItem) {
        item.is_late = true;
        item.events.iter_mut().for_each(|held| held.is_unsure = true);
        self.hold(item);
    }

    pub(super) fn take_held(&mut self) -> Vec<HeldItem> {
        std::mem::take(&mut self.held)
    }

    pub(super) fn hold_reports(&mut self, reports: HeldReports) {
        self.held_bytes += reports.entry.payload.len();
        self.held_reports.push(reports);
    }

    /// The keys of reports that the store must be asked for.
    pub(super) fn unsure_reports(&self) -> Vec<u128> {
        self.held_reports.iter().flat_map(|held| &held.keys).copied().collect()
    }

    pub(super) fn take_held_reports(&mut self) -> Vec<HeldReports> {
        std::mem::take(&mut self.held_reports)
    }

    /// The ids that the store must be asked for, and between which times.
    pub(super) fn unsure_ids(&self) -> Option<((Timestamp, Timestamp), Vec<u128>)> {
        let unsure = || self.held.iter().flat_map(|item| &item.events).filter(|held| held.is_unsure);
        let times = || unsure().map(|held| held.event.event_time);
        let (first, last) = (times().min()?, times().max()?);
        Some(((first, last), unsure().map(|held| held.event.event_id.0).collect()))
    }

    /// The messages that the store must be asked for, and between which times.
    pub(super) fn sent_keys(&self) -> Option<((Timestamp, Timestamp), SentKeys)> {
        let mut keys = SentKeys::default();
        let (mut first, mut last) = (Timestamp(i64::MAX), Timestamp(i64::MIN));
        for held in self.held.iter().flat_map(|item| &item.events) {
            let Some(clues) = &held.clues else { continue };
            clues.add_to(&mut keys);
            first = first.min(held.event.event_time);
            last = last.max(held.event.event_time);
        }
        let earliest = Timestamp(first.0.saturating_sub((FEEDBACK_WINDOW_S + 86_400) * 1_000_000));
        let latest = Timestamp(last.0.saturating_add(86_400 * 1_000_000));
        (!keys.is_empty()).then_some(((earliest, latest), keys))
    }

    /// The events of this batch that the keys name.
    pub(super) fn sent_here(&self, keys: &SentKeys) -> Vec<SentEvent> {
        self.batch.events.sent(keys)
    }

    /// Takes what was held back and is not `known`; `complete` fills in the events of an item before they are written,
    /// and gives none back that is to wait.
    pub(super) fn settle(&mut self, known: &[u128], mut complete: impl FnMut(HeldItem) -> Option<HeldItem>) {
        // Grows by what is taken: an event that fell out of memory may stand twice in one draft.
        let mut known: BTreeSet<u128> = known.iter().copied().collect();
        for mut item in self.take_held() {
            item.events.retain(|held| known.insert(held.event.event_id.0));
            let Some(mut item) = complete(item) else { continue };
            let stored = item.events.len() as u64;
            for HeldEvent { event, .. } in &mut item.events {
                if item.is_late {
                    // It is stored with this batch: after a crash, and for those who follow the events, that counts.
                    event.ingest_seq = self.last_seq;
                }
                self.batch.events.push(event);
            }
            let counts = if stored > 0 {
                item.mail.into_iter().for_each(|mail| self.keep_mail(mail));
                ItemCounts { stored: 1, ..ItemCounts::default() }
            } else {
                ItemCounts { duplicate: 1, ..ItemCounts::default() }
            };
            self.count(&item.source, item.minute, &counts, stored);
        }
        self.held_bytes = 0;
    }

    /// Ends the draft; [`Draft::settle`] must have been called if anything was held back.
    pub(super) fn finish(mut self, ingest_node: Text, waiting: Vec<(SourceRef, u64)>) -> Finished {
        let ledger = self.ledger.into_iter().map(|((source, minute_unix), (counts, events))| LedgerEntry {
            minute_unix,
            source,
            counts,
            events,
        });
        self.batch.ledger = ledger.collect();
        let label = BatchLabel { ingest_node, first_seq: self.first_seq, last_seq: self.last_seq };
        Finished {
            sealed: self.batch.seal(label),
            last_seq: self.last_seq,
            sources: self.sources.into_values().collect(),
            waiting,
        }
    }

    /// Notes the end of an entry.
    pub(super) fn note(&mut self, entry: &Entry, counts: &ItemCounts, events: u64) {
        self.last_seq = entry.seq;
        self.last_received = entry.received;
        self.count(&entry.source, minute_of(entry), counts, events);
        let totals = self.totals_of(&entry.source);
        totals.accepted_total = entry.accepted_total;
        if let Some(position) = entry.position_after() {
            totals.note_file(position);
        }
    }

    pub(super) fn count(&mut self, source: &SourceRef, minute: u32, counts: &ItemCounts, events: u64) {
        if *counts == ItemCounts::default() {
            return;
        }
        let row = self.ledger.entry((source.clone(), minute)).or_default();
        row.0.add(counts);
        row.1 += events;
        let totals = self.totals_of(source);
        totals.counts.add(counts);
        totals.events += events;
    }

    fn totals_of(&mut self, source: &SourceRef) -> &mut SourceTotals {
        self.sources.entry(source.clone()).or_insert_with_key(|source| SourceTotals::new(source.clone()))
    }
}

/// The minute in which an entry arrived, in seconds since 1970.
pub(super) fn minute_of(entry: &Entry) -> u32 {
    u32::try_from(entry.received.seconds().div_euclid(60) * 60).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MailHead, SourceKind};
    use crate::parse::Item;
    use crate::pipeline::kept::kept;

    #[test]
    fn mails_that_are_kept_count_to_the_size_of_a_batch() {
        let source = SourceRef { kind: SourceKind::Mail, name: "mx".into() };
        let payload = vec![b'x'; 3 << 20];
        let received = Timestamp::from_seconds(1);
        let item = Item { source: &source, bytes: &payload, offset: 0, received };
        let mail = kept(&item, "report", &MailHead::default(), 1 << 20);
        let mut draft = Draft::new(&Entry {
            seq: 1,
            accepted_total: 1,
            source: source.clone(),
            received,
            items: 1,
            offset: 0,
            file: Text::default(),
            payload: payload.clone().into(),
        });
        draft.keep_mail(mail);
        assert_eq!(draft.size_bytes(), 1 << 20);
    }
}
