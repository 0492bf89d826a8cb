//! Feedback that came before the log told of its message: it waits for a second look.
//!
//! A bounce is on its way for a second, a log that is shipped or rolled over for minutes. What is stored cannot be
//! corrected: rollups count on insert, and the suppression rules read each event once. So feedback that names a message
//! which nothing is known of yet is not stored, for a short time: it is stored once, as what it turns out to be.
//!
//! Way: `read` puts such an item here when a batch is settled, and takes it back into a later batch: soon after one has
//! told of the message, or when the time is over. Where nothing else comes in by then, an empty record in the spool
//! makes a batch to ride on.
//!
//! After a crash: an item that waits is in the spool, and stays there until it is stored; the checkpoint has its number.
//! It is looked at soon, since nobody remembers what had told of it, and waits on if need be.
//! For the batch that was interrupted it also has the numbers of those that wait behind it, so that the same items come
//! into it again.
//!
//! A second store node that reads the log is seen at the last look only: until then this node looks at its own batches.
//! Not here: whose message it is (`attribute`).

use crate::model::{SourceRef, Text, Timestamp};
use crate::pipeline::attribute::{SentIndex, is_about};
use crate::pipeline::draft::{Draft, HeldItem};
use crate::spool::NewEntry;
use crate::store::SentKeys;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most items that wait: 30 bounces a second, all of them unknown, for two minutes. One more is stored as it is.
const ITEMS_MAX: usize = 4_096;

/// Most bytes of their mails: most bounces have 5 KB.
const BYTES_MAX: usize = 32 << 20;

/// How long after the log first told of the message: what else it says of it comes in the next lines, and whether it
/// tells the same failure must be known.
const TOLD_US: i64 = 5_000_000;

/// Items that wait, by their place in the spool.
pub(super) struct WaitingRoom {
    wait_us: i64,
    items: BTreeMap<u64, Waiting>,
    bytes: usize,
}

struct Waiting {
    item: HeldItem,
    due: Timestamp,
}

impl WaitingRoom {
    /// `wait` of zero: nothing waits.
    pub(super) fn new(wait: Duration) -> Self {
        Self { wait_us: i64::try_from(wait.as_micros()).unwrap_or(0), items: BTreeMap::new(), bytes: 0 }
    }

    /// Whether the item may wait here, again or for the first time. One that was written long before it came (an import, a mail that was held up) is
    /// not early: the log has had its time.
    pub(super) fn admits(&self, item: &HeldItem, clock: Timestamp) -> bool {
        let is_young = clock.0 - item.received.0 < self.wait_us;
        let is_fresh =
            item.events.iter().all(|held| item.received.0 - held.event.event_time.0 < self.wait_us);
        let has_room = self.items.len() < ITEMS_MAX && self.bytes + bytes_of(item) <= BYTES_MAX;
        is_young && is_fresh && has_room
    }

    pub(super) fn put(&mut self, item: HeldItem) {
        let due = Timestamp(item.received.0.saturating_add(self.wait_us));
        self.put_until(due, item);
    }

    /// Takes in what waited when the process ended.
    pub(super) fn restore(&mut self, item: HeldItem, clock: Timestamp) {
        self.put_until(Timestamp(clock.0 + TOLD_US), item);
    }

    fn put_until(&mut self, due: Timestamp, item: HeldItem) {
        self.bytes += bytes_of(&item);
        self.items.insert(item.seq, Waiting { item, due });
    }

    /// Lets those come soon of whose message the batch tells.
    pub(super) fn note_told(&mut self, draft: &Draft, clock: Timestamp) {
        let mut keys = SentKeys::default();
        let clues = self.items.values().flat_map(|waiting| &waiting.item.events);
        clues.filter_map(|held| held.clues.as_ref()).for_each(|clues| clues.add_to(&mut keys));
        let told = draft.sent_here(&keys);
        if told.is_empty() {
            return;
        }
        let told = SentIndex::new(&told);
        for Waiting { item, due } in self.items.values_mut() {
            let is_told = item.events.iter().any(|held| {
                held.clues.as_ref().is_some_and(|clues| is_about(clues, held.event.event_time, &told))
            });
            if is_told {
                *due = Timestamp((clock.0 + TOLD_US).min(due.0));
            }
        }
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.items.values().map(|waiting| waiting.due).min()
    }

    /// Takes out those that are due.
    pub(super) fn take_due(&mut self, clock: Timestamp) -> Vec<HeldItem> {
        self.take(|_, waiting| waiting.due <= clock)
    }

    /// Takes out all but these.
    pub(super) fn take_all_but(&mut self, seqs: &BTreeSet<u64>) -> Vec<HeldItem> {
        self.take(|seq, _| !seqs.contains(&seq))
    }

    fn take(&mut self, wanted: impl Fn(u64, &Waiting) -> bool) -> Vec<HeldItem> {
        let taken: Vec<HeldItem> = self
            .items
            .extract_if(.., |seq, waiting| wanted(*seq, waiting))
            .map(|(_, waiting)| waiting.item)
            .collect();
        self.bytes -= taken.iter().map(bytes_of).sum::<usize>();
        taken
    }

    /// Source and place of all that wait.
    pub(super) fn places(&self) -> Vec<(SourceRef, u64)> {
        self.items.values().map(|waiting| (waiting.item.source.clone(), waiting.item.seq)).collect()
    }

    /// A record without items, for a batch that takes up what is due; none while nothing waits.
    pub(super) fn carrier(&self, received: Timestamp) -> Option<NewEntry> {
        let (_, first) = self.items.first_key_value()?;
        Some(NewEntry {
            source: first.item.source.clone(),
            received,
            items: 0,
            offset: 0,
            file: Text::default(),
            payload: Bytes::new(),
        })
    }
}

fn bytes_of(item: &HeldItem) -> usize {
    item.mail.as_ref().map_or(0, |mail| mail.bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Event, EventId, EventType, SourceKind};
    use crate::pipeline::attribute::Clues;
    use crate::pipeline::draft::HeldEvent;
    use crate::spool::Entry;

    const WAIT: Duration = Duration::from_mins(2);
    const BEGIN_S: i64 = 1_795_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(BEGIN_S + seconds)
    }

    fn source(kind: SourceKind) -> SourceRef {
        SourceRef { kind, name: "mx".into() }
    }

    /// A bounce of `message` that came so many seconds after the beginning, and was written so many before it came.
    fn bounce(seq: u64, message: &str, received_s: i64, age_s: i64) -> HeldItem {
        let event = Event {
            event_id: EventId(seq.into()),
            event_type: EventType::Bounced,
            event_time: at(received_s - age_s),
            recipient: "ann@example.net".into(),
            ..Event::default()
        };
        let clues = Clues {
            message_ids: vec![message.into()],
            recipients: vec!["ann@example.net".into()],
            ..Clues::default()
        };
        let events = vec![HeldEvent { event, clues: Some(clues), is_unsure: false }];
        HeldItem {
            source: source(SourceKind::Mail),
            seq,
            received: at(received_s),
            minute: 0,
            events,
            mail: None,
            is_late: false,
        }
    }

    /// A batch in which the log tells of a message.
    fn telling(message: &str) -> Draft {
        let mut draft = Draft::new(&Entry {
            seq: 9,
            accepted_total: 1,
            source: source(SourceKind::Postfix),
            received: at(10),
            items: 1,
            offset: 0,
            file: Text::default(),
            payload: Bytes::new(),
        });
        draft.batch.events.push(&Event {
            event_type: EventType::Delivered,
            event_time: at(0),
            message_id: message.into(),
            recipient: "ann@example.net".into(),
            ..Event::default()
        });
        draft
    }

    fn seqs(items: &[HeldItem]) -> Vec<u64> {
        items.iter().map(|item| item.seq).collect()
    }

    #[test]
    fn an_item_leaves_when_its_time_is_over() {
        let mut room = WaitingRoom::new(WAIT);
        room.put(bounce(3, "a@x.example", 0, 0));
        room.put(bounce(4, "b@x.example", 30, 0));
        assert_eq!(room.next_due(), Some(at(120)));
        assert!(room.take_due(at(119)).is_empty());
        assert_eq!(seqs(&room.take_due(at(120))), [3]);
        assert_eq!(room.places(), [(source(SourceKind::Mail), 4)]);
        assert_eq!(seqs(&room.take_due(at(500))), [4]);
        assert!(room.carrier(at(500)).is_none());
    }

    #[test]
    fn an_item_leaves_soon_after_the_log_has_told_of_its_message() {
        let mut room = WaitingRoom::new(WAIT);
        room.put(bounce(3, "a@x.example", 0, 0));
        room.put(bounce(4, "b@x.example", 0, 0));
        room.note_told(&telling("b@x.example"), at(10));
        assert!(room.take_due(at(14)).is_empty(), "the next lines may tell of the same failure");
        assert_eq!(seqs(&room.take_due(at(15))), [4]);
        room.note_told(&telling("a@x.example"), at(119));
        assert_eq!(room.next_due(), Some(at(120)), "never longer than the whole wait");
    }

    #[test]
    fn what_waited_at_the_end_of_the_process_is_looked_at_soon_and_waits_on() {
        let mut room = WaitingRoom::new(WAIT);
        room.restore(bounce(3, "a@x.example", 0, 0), at(20));
        let item = room.take_due(at(25)).pop().unwrap();
        assert!(room.admits(&item, at(25)));
        room.put(item);
        assert_eq!(room.next_due(), Some(at(120)));
    }

    #[test]
    fn only_what_is_fresh_and_new_waits() {
        let room = WaitingRoom::new(WAIT);
        assert!(room.admits(&bounce(1, "a@x.example", 0, 60), at(1)));
        assert!(!room.admits(&bounce(1, "a@x.example", 0, 120), at(1)), "written long ago");
        assert!(!room.admits(&bounce(1, "a@x.example", 0, 0), at(120)), "it came long ago");
        assert!(!WaitingRoom::new(Duration::ZERO).admits(&bounce(1, "a@x.example", 0, 0), at(0)));
    }

    #[test]
    fn a_full_room_admits_nothing() {
        let mut room = WaitingRoom::new(WAIT);
        for seq in 0..ITEMS_MAX as u64 {
            assert!(room.admits(&bounce(seq, "a@x.example", 0, 0), at(1)));
            room.put(bounce(seq, "a@x.example", 0, 0));
        }
        assert!(!room.admits(&bounce(9_999, "a@x.example", 0, 0), at(1)));
    }

    #[test]
    fn the_items_of_an_interrupted_batch_are_those_that_do_not_wait_behind_it() {
        let mut room = WaitingRoom::new(WAIT);
        (1..=4).for_each(|seq| room.put(bounce(seq, "a@x.example", 0, 0)));
        assert_eq!(seqs(&room.take_all_but(&BTreeSet::from([2, 9]))), [1, 3, 4]);
        assert_eq!(room.places(), [(source(SourceKind::Mail), 2)]);
    }
}
