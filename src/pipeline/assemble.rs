//! Makes rows of the entries of the spool: read, classify, drop what is known, encode.
//!
//! Way: `read` hands over each entry and the draft of the present batch. Lines become events here; mail and reports
//! go through `feedback` and `reports`.

use crate::classify::Classifier;
use crate::model::{BounceReason, Event, EventId, EventType, Framing, ItemCounts, SourceKind, Text};
use crate::parse::items::items;
use crate::parse::{Item, Reject};
use crate::pipeline::attribute::{SentIndex, attribute};
use crate::pipeline::authenticate::Verdict;
use crate::pipeline::draft::{Draft, HeldEvent, HeldItem};
use crate::pipeline::feedback::Marks;
use crate::pipeline::known::{RecentIds, Seen};
use crate::pipeline::labels::Labels;
use crate::pipeline::readers::Readers;
use crate::pipeline::reports::ReportOptions;
use crate::spool::Entry;
use crate::store::{RejectEntry, SentEvent};
use std::collections::{HashMap, HashSet};

/// Bytes of an unreadable item that are kept; the size of a longer one is noted. A longer line is no mail event, and a
/// longer mail no report that a receiver would take.
const fn reject_bytes_max(framing: Framing) -> usize {
    match framing {
        Framing::Lines | Framing::Events => 1 << 20,
        Framing::Whole => 16 << 20,
    }
}

/// Reads, classifies and recognises events; lives as long as the pipeline.
pub(super) struct Assembler {
    pub(super) readers: Readers,
    pub(super) classifier: Classifier,
    pub(super) labels: Labels,
    pub(super) marks: Marks,
    pub(super) recent: RecentIds,
    /// Keys of reports, likewise.
    pub(super) recent_reports: RecentIds,
    pub(super) report_options: ReportOptions,
    /// What was found out about the mails of the present batch, by their place in the spool.
    pub(super) verdicts: HashMap<u64, Verdict>,
    /// Names the spool in every row.
    pub(super) ingest_node: Text,
    /// Events of the item under work; kept for its memory.
    pub(super) scratch: Vec<Event>,
}

/// What the store says about what a draft holds back.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) known: Vec<u128>,
    pub(super) known_reports: HashSet<u128>,
    pub(super) sent: Vec<SentEvent>,
}

/// What became of the items of one entry so far, and how many events they brought.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) counts: ItemCounts,
    pub(super) events: u64,
}

impl Assembler {
    /// Lets the readers see an entry whose events are stored already.
    pub(super) fn catch_up(&mut self, entry: &Entry) {
        let Some(reader) = self.readers.of(&entry.source) else { return };
        for (at, bytes) in items(entry.source.kind.framing(), &entry.payload) {
            self.scratch.clear();
            // What was wrong with the item was noted when it was stored.
            let _ = reader.read(&item_of(entry, at, bytes), &mut self.scratch);
        }
    }

    /// Adds an entry to the draft.
    pub(super) fn add(&mut self, draft: &mut Draft, entry: &Entry) {
        let mut tally = Tally::default();
        for (at, bytes) in items(entry.source.kind.framing(), &entry.payload) {
            let item = item_of(entry, at, bytes);
            let added = match entry.source.kind {
                SourceKind::Mail => self.add_mail(draft, entry, &item, &mut tally),
                SourceKind::Report => self.add_report(draft, entry, &item, &mut tally),
                _ => self.add_line(draft, entry, &item, &mut tally),
            };
            if let Err(reject) = added {
                tally.counts.rejected += 1;
                draft.keep_reject(self.rejected(&item, entry.seq, at, reject));
            }
        }
        draft.note(entry, &tally.counts, tally.events);
    }

    fn add_line(
        &mut self,
        draft: &mut Draft,
        entry: &Entry,
        item: &Item<'_>,
        tally: &mut Tally,
    ) -> Result<(), Reject> {
        let Some(reader) = self.readers.of(&entry.source) else { return Ok(()) };
        let mut read = std::mem::take(&mut self.scratch);
        read.clear();
        let outcome = reader.read(item, &mut read);
        if outcome.is_ok() && read.is_empty() {
            tally.counts.no_event += 1;
        } else if outcome.is_ok() {
            self.take_events(draft, entry, &mut read, tally);
        }
        self.scratch = read;
        outcome
    }

    /// Classifies the new events of one item and puts them into the batch, unless the store must be asked first.
    fn take_events(&mut self, draft: &mut Draft, entry: &Entry, read: &mut Vec<Event>, tally: &mut Tally) {
        let mut is_unsure = false;
        read.retain_mut(|event| {
            let seen = self.see(event, entry);
            is_unsure |= seen == Seen::Unsure;
            seen != Seen::Known
        });
        for event in read.iter_mut() {
            self.labels.apply(event);
            self.classifier.apply(event);
        }
        if read.is_empty() {
            tally.counts.duplicate += 1;
        } else if is_unsure {
            let held = |event| HeldEvent { event, clues: None, is_unsure: true };
            let events = std::mem::take(read).into_iter().map(held).collect();
            draft.hold(HeldItem::new(entry, events, None));
        } else {
            tally.counts.stored += 1;
            tally.events += read.len() as u64;
            for event in read.iter() {
                draft.batch.events.push(event);
            }
        }
    }

    /// Notes where an event came from, and whether it was seen before.
    pub(super) fn see(&mut self, event: &mut Event, entry: &Entry) -> Seen {
        event.received_time = entry.received;
        event.source_kind = entry.source.kind;
        event.source.clone_from(&entry.source.name);
        event.ingest_node.clone_from(&self.ingest_node);
        event.ingest_seq = entry.seq;
        self.recent.see(event.event_id.0, event.event_time, event.received_time)
    }

    /// Reads an item again that waits for its second look.
    pub(super) fn read_again(&mut self, entry: &Entry) -> HeldItem {
        let mut draft = Draft::new(entry);
        self.add(&mut draft, entry);
        // Without events it is counted as known, which by then it is.
        draft.take_held().pop().unwrap_or_else(|| HeldItem::new(entry, Vec::new(), None))
    }

    /// Takes what was held back, now that it is known which events and reports are stored and what messages were sent.
    /// An early item goes to `wait`, which gives it back if it cannot wait.
    pub(super) fn settle(
        &mut self,
        draft: &mut Draft,
        answers: &Answers,
        mut wait: impl FnMut(HeldItem) -> Option<HeldItem>,
    ) {
        for held in draft.take_held_reports() {
            self.settle_reports(draft, held, &answers.known_reports);
        }
        let sent = SentIndex::new(&answers.sent);
        draft.settle(&answers.known, |mut item| {
            let mut is_early = false;
            for HeldEvent { event, clues, .. } in &mut item.events {
                let Some(clues) = clues else { continue };
                is_early |= !attribute(event, clues, &sent) && clues.may_be_found();
            }
            let mut item = if is_early { wait(item)? } else { item };
            for HeldEvent { event, .. } in item.events.iter_mut().filter(|held| held.clues.is_some()) {
                self.labels.apply(event);
                self.classifier.apply(event);
                know_suppressed(event);
            }
            Some(item)
        });
        self.verdicts.clear();
    }

    fn rejected(&self, item: &Item<'_>, seq: u64, at: usize, reject: Reject) -> RejectEntry {
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
            bytes: item.bytes[..item.bytes.len().min(reject_bytes_max(item.source.kind.framing()))].to_vec(),
        }
    }
}

/// A notice whose reply tells of a suppression list is no failure of the recipient: nothing was sent to him.
fn know_suppressed(event: &mut Event) {
    if event.event_type == EventType::Bounced && event.bounce_reason == Some(BounceReason::Suppressed) {
        event.event_type = EventType::Suppressed;
        (event.bounce_type, event.bounce_origin, event.bounce_reason) = Default::default();
    }
}

fn item_of<'a>(entry: &'a Entry, at: usize, bytes: &'a [u8]) -> Item<'a> {
    Item { source: &entry.source, bytes, offset: entry.offset + at as u64, received: entry.received }
}
