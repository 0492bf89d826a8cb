//! Makes a batch of rows from entries of the spool: read, classify, drop what is known, encode.

use crate::classify::Classifier;
use crate::model::{Event, EventId, ItemCounts, SourceRef, Text, Timestamp};
use crate::parse::items::items;
use crate::parse::{Item, Reject};
use crate::pipeline::checkpoint::SourceTotals;
use crate::pipeline::known::{RecentIds, Seen};
use crate::pipeline::labels::Labels;
use crate::pipeline::readers::Readers;
use crate::spool::Entry;
use crate::store::{Batch, BatchLabel, LedgerEntry, RejectEntry, Sealed};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of an unreadable item that are kept. Longer ones are no mail events; their size is noted.
const REJECT_BYTES_MAX: usize = 1 << 20;

/// Reads, classifies and recognises events; lives as long as the pipeline.
pub(super) struct Assembler {
    pub(super) readers: Readers,
    pub(super) classifier: Classifier,
    pub(super) labels: Labels,
    pub(super) recent: RecentIds,
    /// Names the spool in every row.
    pub(super) ingest_node: Text,
    /// Events of the item under work; kept for its memory.
    pub(super) scratch: Vec<Event>,
}

/// A batch under construction.
pub(super) struct Draft {
    first_seq: u64,
    last_seq: u64,
    batch: Batch,
    unsure: Vec<UnsureItem>,
    /// Source and minute of arrival → what became of the items.
    ledger: BTreeMap<(SourceRef, u32), (ItemCounts, u64)>,
    sources: BTreeMap<SourceRef, SourceTotals>,
}

/// An item whose events may be stored already.
struct UnsureItem {
    source: SourceRef,
    minute: u32,
    events: Vec<Event>,
}

/// What a batch adds to the totals of its sources.
pub(super) struct Finished {
    pub(super) sealed: Sealed,
    pub(super) last_seq: u64,
    pub(super) sources: Vec<SourceTotals>,
}

impl Assembler {
    /// Lets the readers see an entry whose events are stored already.
    pub(super) fn catch_up(&mut self, entry: &Entry) {
        let reader = self.readers.of(&entry.source);
        for (at, bytes) in items(&entry.payload) {
            self.scratch.clear();
            // What was wrong with the item was noted when it was stored.
            let _ = reader.read(&item_of(entry, at, bytes), &mut self.scratch);
        }
    }

    /// Adds an entry to the draft.
    pub(super) fn add(&mut self, draft: &mut Draft, entry: &Entry) {
        let minute = u32::try_from(entry.received.seconds().div_euclid(60) * 60).unwrap_or(0);
        let mut counts = ItemCounts::default();
        let mut events_stored = 0;
        for (at, bytes) in items(&entry.payload) {
            self.scratch.clear();
            let mut read = std::mem::take(&mut self.scratch);
            let item = item_of(entry, at, bytes);
            match self.readers.of(&entry.source).read(&item, &mut read) {
                Err(reject) => {
                    counts.rejected += 1;
                    draft.batch.rejects.push(self.keep(&item, entry.seq, at, reject));
                }
                Ok(()) if read.is_empty() => counts.no_event += 1,
                Ok(()) => match self.take_events(draft, entry, &mut read) {
                    Taken::Stored(events) => {
                        counts.stored += 1;
                        events_stored += events;
                    }
                    Taken::Duplicate => counts.duplicate += 1,
                    Taken::Unsure(events) => {
                        draft.unsure.push(UnsureItem { source: entry.source.clone(), minute, events });
                    }
                },
            }
            self.scratch = read;
        }
        draft.note(entry, minute, &counts, events_stored);
    }

    /// Classifies the new events of one item and puts them into the batch, unless the store must be asked first.
    fn take_events(&mut self, draft: &mut Draft, entry: &Entry, read: &mut Vec<Event>) -> Taken {
        let mut is_unsure = false;
        read.retain_mut(|event| {
            event.received_time = entry.received;
            event.source_kind = entry.source.kind;
            event.source.clone_from(&entry.source.name);
            event.ingest_node.clone_from(&self.ingest_node);
            event.ingest_seq = entry.seq;
            let seen = self.recent.see(event.event_id.0, event.event_time, event.received_time);
            is_unsure |= seen == Seen::Unsure;
            seen != Seen::Known
        });
        for event in read.iter_mut() {
            self.labels.apply(event);
            self.classifier.apply(event);
        }
        if read.is_empty() {
            return Taken::Duplicate;
        }
        if is_unsure {
            return Taken::Unsure(std::mem::take(read));
        }
        for event in read.iter() {
            draft.batch.events.push(event);
        }
        Taken::Stored(read.len() as u64)
    }

    fn keep(&self, item: &Item<'_>, seq: u64, at: usize, reject: Reject) -> RejectEntry {
        let place = [seq.to_le_bytes(), (at as u64).to_le_bytes()].concat();
        RejectEntry {
            reject_id: EventId::of([b"reject".as_slice(), self.ingest_node.as_bytes(), &place]).0,
            version: 1,
            state: 1,
            received: item.received,
            source: item.source.clone(),
            reason: reject.reason,
            message: reject.message,
            size_bytes: item.bytes.len() as u64,
            file_offset: item.offset,
            bytes: item.bytes[..item.bytes.len().min(REJECT_BYTES_MAX)].to_vec(),
        }
    }
}

/// What became of an item that was read.
enum Taken {
    /// So many events of it are in the batch.
    Stored(u64),
    Duplicate,
    /// These events are new or stored already: the store must be asked.
    Unsure(Vec<Event>),
}

fn item_of<'a>(entry: &'a Entry, at: usize, bytes: &'a [u8]) -> Item<'a> {
    Item { source: &entry.source, bytes, offset: entry.offset + at as u64, received: entry.received }
}

impl Draft {
    pub(super) fn new(first: &Entry) -> Self {
        Self {
            first_seq: first.seq,
            last_seq: first.seq,
            batch: Batch::default(),
            unsure: Vec::new(),
            ledger: BTreeMap::new(),
            sources: BTreeMap::new(),
        }
    }

    /// Rows so far, counted as if every unsure event were new.
    pub(super) fn rows(&self) -> usize {
        self.batch.events.rows() + self.batch.rejects.len() + self.unsure.len()
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.batch.events.size_bytes()
    }

    pub(super) const fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// The ids that the store must be asked for, and between which times.
    pub(super) fn unsure_ids(&self) -> Option<((Timestamp, Timestamp), Vec<u128>)> {
        let events = || self.unsure.iter().flat_map(|item| &item.events);
        let first = events().map(|event| event.event_time).min()?;
        let last = events().map(|event| event.event_time).max()?;
        Some(((first, last), events().map(|event| event.event_id.0).collect()))
    }

    /// Takes the store's answer.
    pub(super) fn settle(&mut self, known: &[u128]) {
        // Grows by what is taken: an event that fell out of memory may stand twice in one draft.
        let mut known: BTreeSet<u128> = known.iter().copied().collect();
        for item in std::mem::take(&mut self.unsure) {
            let mut stored = 0;
            for event in item.events.iter().filter(|event| known.insert(event.event_id.0)) {
                self.batch.events.push(event);
                stored += 1;
            }
            let counts = if stored > 0 {
                ItemCounts { stored: 1, ..ItemCounts::default() }
            } else {
                ItemCounts { duplicate: 1, ..ItemCounts::default() }
            };
            self.count(&item.source, item.minute, &counts, stored);
        }
    }

    /// Ends the draft; [`Draft::settle`] must have been called if there was anything unsure.
    pub(super) fn finish(mut self, ingest_node: Text) -> Finished {
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
        }
    }

    /// Notes the end of an entry.
    fn note(&mut self, entry: &Entry, minute: u32, counts: &ItemCounts, events: u64) {
        self.last_seq = entry.seq;
        self.count(&entry.source, minute, counts, events);
        let totals = self.totals_of(&entry.source);
        totals.accepted_total = entry.accepted_total;
        if let Some(position) = entry.position_after() {
            totals.note_file(position);
        }
    }

    fn count(&mut self, source: &SourceRef, minute: u32, counts: &ItemCounts, events: u64) {
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
