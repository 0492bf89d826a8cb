//! The pipeline's thread: takes entries from the spool and makes batches of them.

use crate::model::{SourceRef, Timestamp, with_causes};
use crate::pipeline::assemble::{Answers, Assembler};
use crate::pipeline::authenticate::Authenticator;
use crate::pipeline::draft::{Draft, Finished};
use crate::pipeline::known::RecentIds;
use crate::pipeline::progress::Progress;
use crate::pipeline::waiting::WaitingRoom;
use crate::pipeline::{PipelineError, each_entry};
use crate::spool::{Entry, Spool, SpoolReader};
use crate::store::{Store, StoreError};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Bytes of entries taken from the spool at once, unless one alone is larger.
pub(super) const READ_BYTES: usize = 8 << 20;

/// Entries taken at once.
pub(super) const READ_RECORDS: usize = 1024;

/// How often the readers' memory is written. Until then a restart reads again what came since: a few seconds' work.
const STATES_EVERY: Duration = Duration::from_secs(20);

/// Keys of reports kept in memory, about 30 MB: a year of a thousand reports a day. Older ones are looked up.
const RECENT_REPORTS_MAX: usize = 400_000;

/// Pause before looking again whether the batch before is stored.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Pause before the store is asked again that did not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Work for the writer.
pub(super) struct ToWrite {
    pub(super) batch: Option<Finished>,
    /// The readers' memory after the batch.
    pub(super) memory: Memory,
}

pub(super) enum Memory {
    /// It is not time to write it.
    Later,
    /// No reader has any: no record is needed again.
    None,
    /// As it is after this record.
    After(u64, Vec<(SourceRef, String)>),
}

/// What [`Reading::draft`] came to.
enum Drafted {
    Batch(Box<Draft>),
    /// Nothing comes in, and the readers' memory on disk is old: records wait for it to be released.
    Idle,
    Shutdown,
}

pub(super) struct Reading {
    pub(super) reader: SpoolReader,
    pub(super) authenticator: Authenticator,
    pub(super) assembler: Assembler,
    pub(super) store: Store,
    pub(super) is_ready: watch::Receiver<bool>,
    pub(super) recent_ids_max: usize,
    /// The batch that a crash interrupted ends here: it must be cut there again.
    pub(super) pending_last_seq: Option<u64>,
    /// And these wait for a second look behind it.
    pub(super) pending_waiting: Option<BTreeSet<u64>>,
    pub(super) room: WaitingRoom,
    /// Records to be put there first.
    pub(super) waiting: BTreeSet<u64>,
    pub(super) spool: Spool,
    pub(super) clock: fn() -> Timestamp,
    pub(super) rows_max: usize,
    pub(super) bytes_max: usize,
    pub(super) wait: Duration,
    pub(super) batches: mpsc::Sender<ToWrite>,
    pub(super) progress: Arc<Progress>,
    pub(super) shutdown: watch::Receiver<bool>,
    pub(super) runtime: tokio::runtime::Handle,
}

/// Up to where the readers' memory is on disk.
struct Kept {
    at: Instant,
    seq: u64,
    /// Last record that a reader has seen.
    last_seq: u64,
}

impl Reading {
    /// Works until shutdown, or until the writer is gone.
    pub(super) fn run(mut self) -> Result<(), PipelineError> {
        if !self.remember_recent() {
            return Ok(());
        }
        self.restore_waiting()?;
        let mut entries = VecDeque::new();
        let mut kept = Kept {
            at: Instant::now(),
            seq: self.reader.next_seq() - 1,
            last_seq: self.reader.next_seq() - 1,
        };
        loop {
            let batch = match self.draft(&mut entries, &kept)? {
                Drafted::Shutdown => return Ok(()),
                Drafted::Idle => None,
                Drafted::Batch(mut draft) => {
                    if !self.settle(&mut draft, !entries.is_empty()) {
                        return Ok(());
                    }
                    let finished = draft.finish(self.assembler.ingest_node.clone(), self.room.places());
                    kept.last_seq = finished.last_seq;
                    Some(finished)
                }
            };
            let memory = self.memory(&mut kept);
            if self.batches.blocking_send(ToWrite { batch, memory }).is_err() {
                return Ok(());
            }
        }
    }

    /// Learns the newest stored ids, as soon as the store answers; false at shutdown.
    fn remember_recent(&mut self) -> bool {
        let (is_ready, shutdown) = (&mut self.is_ready, &mut self.shutdown);
        let is_ready = self.runtime.block_on(async {
            tokio::select! {
                ready = is_ready.wait_for(|ready| *ready) => ready.is_ok(),
                _ = shutdown.wait_for(|stop| *stop) => false,
            }
        });
        if !is_ready {
            return false;
        }
        let (node, next_seq) = (self.assembler.ingest_node.clone(), self.reader.next_seq());
        let limit = self.recent_ids_max as u64;
        let Some(stored) = self.ask(async || self.store.recent_ids(&node, next_seq, limit).await) else {
            return false;
        };
        self.assembler.recent = RecentIds::new(self.recent_ids_max, &stored);
        let limit = RECENT_REPORTS_MAX as u64;
        let Some(stored) = self.ask(async || self.store.report_keys(&node, next_seq, &[], limit).await)
        else {
            return false;
        };
        self.assembler.recent_reports = RecentIds::new(RECENT_REPORTS_MAX, &stored);
        true
    }

    /// The readers' memory, when it is time to write it.
    fn memory(&self, kept: &mut Kept) -> Memory {
        if !self.assembler.readers.have_memory() {
            kept.seq = kept.last_seq;
            return Memory::None;
        }
        if kept.at.elapsed() < STATES_EVERY && !*self.shutdown.borrow() {
            return Memory::Later;
        }
        (kept.at, kept.seq) = (Instant::now(), kept.last_seq);
        Memory::After(kept.last_seq, self.assembler.readers.states())
    }

    /// Fills one batch.
    fn draft(&mut self, entries: &mut VecDeque<Entry>, kept: &Kept) -> Result<Drafted, PipelineError> {
        let mut draft: Option<Draft> = None;
        // When nothing comes in: to write the readers' memory, if it has changed, or to take up what has waited.
        let states_at = (kept.seq < kept.last_seq).then(|| kept.at + STATES_EVERY);
        let mut deadline = states_at.into_iter().chain(self.next_due()).min();
        loop {
            while let Some(entry) = entries.pop_front() {
                let mut current = draft.take().unwrap_or_else(|| {
                    deadline = Some(Instant::now() + self.wait);
                    self.progress.batch_began(entry.received);
                    Draft::new(&entry)
                });
                self.assembler.add(&mut current, &entry);
                if self.is_full(&current, entry.seq) {
                    return Ok(Drafted::Batch(Box::new(current)));
                }
                draft = Some(current);
            }
            let ends = *self.shutdown.borrow() && self.pending_last_seq.is_none();
            if !ends {
                let read = self.reader.read_batch(READ_BYTES, READ_RECORDS)?;
                let verdicts = self.runtime.block_on(self.authenticator.check_all(&read));
                self.assembler.verdicts.extend(verdicts);
                entries.extend(read);
            }
            if ends || entries.is_empty() && !self.wait_for_more(deadline)? {
                match draft {
                    Some(draft) => return Ok(Drafted::Batch(Box::new(draft))),
                    None if *self.shutdown.borrow() => return Ok(Drafted::Shutdown),
                    None if self.append_carrier() => {}
                    None => return Ok(Drafted::Idle),
                }
            }
        }
    }

    /// Whether the batch ends here: at the limits, or exactly where it ended before a crash.
    fn is_full(&mut self, draft: &Draft, seq: u64) -> bool {
        if let Some(last_seq) = self.pending_last_seq {
            if seq < last_seq {
                return false;
            }
            self.pending_last_seq = None;
            return true;
        }
        draft.rows() >= self.rows_max || draft.size_bytes() >= self.bytes_max
    }

    /// Waits for more entries, until `deadline` when there is one. Returns whether to go on filling.
    fn wait_for_more(&mut self, deadline: Option<Instant>) -> Result<bool, PipelineError> {
        let (reader, shutdown) = (&mut self.reader, &mut self.shutdown);
        self.runtime.block_on(async {
            let ended = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                more = reader.wait() => more.map(|()| true).map_err(PipelineError::from),
                () = ended => Ok(false),
                _ = shutdown.wait_for(|stop| *stop) => Ok(false),
            }
        })
    }

    /// Asks the store for the events that may be there already, and for the messages that feedback is about; false at
    /// shutdown.
    fn settle(&mut self, draft: &mut Draft, has_backlog: bool) -> bool {
        let clock = self.read_up_to(draft, has_backlog);
        self.take_up_late(draft, clock);
        let (node, first_seq) = (self.assembler.ingest_node.as_str(), draft.first_seq());
        let known = match draft.unsure_ids() {
            None => Some(Vec::new()),
            Some((times, ids)) => self.ask(async || self.store.known_ids(node, first_seq, times, &ids).await),
        };
        let keys = draft.unsure_reports();
        let known_reports = if keys.is_empty() {
            Some(Vec::new())
        } else {
            let limit = keys.len() as u64 * 2;
            self.ask(async || self.store.report_keys(node, first_seq, &keys, limit).await)
        };
        let sent = match draft.sent_keys() {
            None => Some(Vec::new()),
            Some((times, keys)) => self.wait_stored(first_seq - 1).then_some(()).and_then(|()| {
                let stored = self.ask(async || self.store.sent_events(node, first_seq, times, &keys).await);
                stored.map(|stored| [stored, draft.sent_here(&keys)].concat())
            }),
        };
        let (Some(known), Some(known_reports), Some(sent)) = (known, known_reports, sent) else {
            return false;
        };
        let known_reports = known_reports.into_iter().map(|(key, _)| key).collect();
        let (again, has_room) = (self.pending_waiting.take(), !self.is_half_full());
        let room = &mut self.room;
        self.assembler.settle(draft, &Answers { known, known_reports, sent }, |item| {
            let waits = match &again {
                Some(seqs) => seqs.contains(&item.seq),
                None => has_room && room.admits(&item, clock),
            };
            if waits {
                room.put(item);
                return None;
            }
            Some(item)
        });
        true
    }

    /// Reads again what waited for its second look when the process ended.
    fn restore_waiting(&mut self) -> Result<(), PipelineError> {
        let waiting = std::mem::take(&mut self.waiting);
        let (Some(first), Some(last)) = (waiting.first(), waiting.last()) else { return Ok(()) };
        let mut reader = self.spool.reader(*first)?;
        each_entry(&mut reader, *last, |entry| {
            if waiting.contains(&entry.seq) {
                let verdicts =
                    self.runtime.block_on(self.authenticator.check_all(std::slice::from_ref(entry)));
                self.assembler.verdicts.extend(verdicts);
                self.room.restore(self.assembler.read_again(entry), (self.clock)());
            }
        })
    }

    /// The time up to which the sources have been read: now, or with a backlog the arrival of what was read last.
    fn read_up_to(&self, draft: &Draft, has_backlog: bool) -> Timestamp {
        let has_backlog = has_backlog || self.reader.next_seq() <= self.spool.stats().last_seq;
        if has_backlog { draft.last_received() } else { (self.clock)() }
    }

    /// Takes those into the batch that have waited: for so long, or until the log told of their messages.
    fn take_up_late(&mut self, draft: &mut Draft, clock: Timestamp) {
        self.room.note_told(draft, clock);
        let late = match &self.pending_waiting {
            Some(seqs) => self.room.take_all_but(seqs),
            None if self.is_half_full() => self.room.take_all_but(&BTreeSet::new()),
            None => self.room.take_due(clock),
        };
        for item in late {
            draft.hold_late(item);
        }
    }

    /// Whether nothing more may wait: what waits keeps all that came in since in the spool, which must not become full
    /// by that.
    fn is_half_full(&self) -> bool {
        let spool = self.spool.stats();
        spool.used_bytes > spool.limit_bytes / 2
    }

    fn next_due(&self) -> Option<Instant> {
        let left_us = self.room.next_due()?.0 - (self.clock)().0;
        Some(Instant::now() + Duration::from_micros(left_us.try_into().unwrap_or(0)))
    }

    /// Appends a record for a batch in which what has waited can be stored; false when nothing is due, or it cannot be.
    fn append_carrier(&self) -> bool {
        let now = (self.clock)();
        let Some(carrier) = self.room.carrier(now) else { return false };
        if self.room.next_due().is_none_or(|due| due > now) {
            return false;
        }
        let appended = self.runtime.block_on(self.spool.append(carrier));
        if let Err(error) = &appended {
            tracing::warn!(%error, "feedback that waits for its message is taken up with the next items");
            std::thread::sleep(ASK_AGAIN);
        }
        appended.is_ok()
    }

    /// Waits until all records up to `seq` are stored: feedback may be about a message of the batch before. False at
    /// shutdown.
    fn wait_stored(&self, seq: u64) -> bool {
        while self.progress.stored_seq() < seq {
            if *self.shutdown.borrow() {
                return false;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        true
    }

    /// Asks the store until it answers; `None` at shutdown.
    fn ask<T>(&self, question: impl AsyncFn() -> Result<T, StoreError>) -> Option<T> {
        loop {
            match self.runtime.block_on(question()) {
                Ok(answer) => return Some(answer),
                Err(error) => self.progress.store_failed(with_causes(&error)),
            }
            if *self.shutdown.borrow() {
                return None;
            }
            std::thread::sleep(ASK_AGAIN);
        }
    }
}
