//! What all doors share that fetch mail by themselves: IMAP folders, Maildir folders, mbox files.
//!
//! Way: the door finds mails and hands them to [`Mailbox::deliver`] in groups; when that returns, they are synced, and
//! only then may the door move or delete them.
//!
//! There is no file of positions: the place up to which a mailbox has been read stands in the spool, with the last mail
//! of each group. Whatever a crash cuts off is fetched again, and `pipeline` knows it by what it says.

use crate::ingest::board::DoorStatus;
use crate::ingest::{Batch, Intake};
use crate::model::{MailKind, RejectReason, SourceKind, SourceRef, Text};
use crate::parse::Reject;
use crate::parse::mail::{self, taken};
use crate::spool::SpoolError;
use bytes::Bytes;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Mails of one group: they share two syncs of the spool, and a crash has so many fetched again.
pub(in crate::ingest) const GROUP_MAILS: usize = 64;

/// Bytes of one group, unless one mail alone is larger.
pub(in crate::ingest) const GROUP_BYTES: u64 = 16 << 20;

/// Bytes of mails that all mailboxes together hold while they fetch: two of the largest mails, as they come and as they
/// are kept, or a dozen groups of usual ones.
const IN_FLIGHT_BYTES_MAX: usize = 256 << 20;

/// Bytes that are kept of a mail that is too large: its head, and the beginning of its text.
pub(in crate::ingest) const BEGINNING_BYTES: u32 = 64 << 10;

/// How often folders and files of this machine are looked at: mail is not read by the second.
pub(in crate::ingest) const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The first wait for room in the spool; it doubles.
const WAIT_MIN: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Room for mails on their way, shared by all mailboxes.
#[derive(Debug, Clone)]
pub struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(IN_FLIGHT_BYTES_MAX)))
    }
}

impl Room {
    /// Waits for room for so many bytes.
    pub(in crate::ingest) async fn take(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes.min(IN_FLIGHT_BYTES_MAX as u64)).ok()?;
        // the semaphore is never closed
        Arc::clone(&self.0).acquire_many_owned(bytes).await.ok()
    }
}

/// A mail that was fetched.
#[derive(Debug, Clone)]
pub(in crate::ingest) struct Fetched {
    /// Its place in the mailbox: the next one has a higher number.
    pub(in crate::ingest) number: u64,
    /// The mail, or why it could not be taken whole with what there is of it.
    pub(in crate::ingest) mail: Result<Bytes, (Reject, Bytes)>,
}

/// What a mail is, as far as a mailbox may treat it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailGroup {
    Report,
    Bounce,
    Complaint,
    Other,
}

impl MailGroup {
    /// `None` for a mail that cannot be read: it is left alone.
    pub(in crate::ingest) fn of(bytes: &[u8]) -> Option<Self> {
        let mail = mail::read(bytes).ok()?;
        if matches!(mail.content, mail::Content::Broken(..)) {
            return None;
        }
        Some(match mail.kind() {
            MailKind::DmarcAggregate | MailKind::DmarcFailure | MailKind::TlsReport => Self::Report,
            MailKind::Bounce | MailKind::DelayNotice | MailKind::DeliveryNotice => Self::Bounce,
            MailKind::Complaint => Self::Complaint,
            MailKind::AutoReply | MailKind::Challenge | MailKind::Unsubscribe | MailKind::Other => {
                Self::Other
            }
        })
    }
}

/// Says that a mail is larger than its mailbox is set to take.
pub(in crate::ingest) fn too_large(size_bytes: u64, bytes_max: u64) -> Reject {
    let message = format!("the mail has {size_bytes} bytes, `mail_bytes_max` of its mailbox is {bytes_max}");
    Reject::new(RejectReason::TooLarge, message)
}

/// A mailbox on its way into the spool.
#[derive(Clone)]
pub struct Mailbox {
    source: SourceRef,
    pub(in crate::ingest) intake: Intake,
    pub(in crate::ingest) room: Room,
    pub(in crate::ingest) status: DoorStatus,
    shutdown: watch::Receiver<bool>,
}

impl Mailbox {
    pub fn new(
        name: &str,
        intake: Intake,
        room: Room,
        status: DoorStatus,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        let source = SourceRef { kind: SourceKind::Mail, name: name.into() };
        Self { source, intake, room, status, shutdown }
    }

    pub(in crate::ingest) fn ends(&self) -> bool {
        *self.shutdown.borrow()
    }

    /// Waits, but not longer than until shutdown.
    pub(in crate::ingest) async fn pause(&mut self, wait: Duration) {
        // an error says that nobody is left who could tell: the same as being told
        drop(tokio::time::timeout(wait, self.shutdown.wait_for(|ends| *ends)).await);
    }

    /// Returns when shutdown begins.
    pub(in crate::ingest) async fn ended(&mut self) {
        drop(self.shutdown.wait_for(|ends| *ends).await);
    }

    /// Brings a group into the spool, however long that is full; true when all of it is synced, false at shutdown.
    ///
    /// `file` is what the mailbox is known by. It goes with the last mail alone, which is appended when all others are
    /// synced: a position must never stand in front of a mail that found no room.
    ///
    /// # Errors
    ///
    /// What waiting does not mend: too many sources, a stopped writer.
    pub(in crate::ingest) async fn deliver(
        &mut self,
        file: &Text,
        group: &[Fetched],
    ) -> Result<bool, SpoolError> {
        let Some((last, others)) = group.split_last() else { return Ok(true) };
        let mut waiting: Vec<Batch> = others.iter().map(|mail| self.batch(mail, Text::default())).collect();
        if !self.append(&mut waiting).await? {
            return Ok(false);
        }
        let mut last = vec![self.batch(last, file.clone())];
        if !self.append(&mut last).await? {
            return Ok(false);
        }
        let now = self.intake.now();
        for fetched in group {
            if let Err((reject, _)) = &fetched.mail {
                self.status.note_refused(now, &format!("mail {}: {reject}", fetched.number));
            }
        }
        self.status.note_taken(group.len() as u64, now);
        Ok(true)
    }

    /// Appends until all are in, and takes away those that are.
    async fn append(&mut self, waiting: &mut Vec<Batch>) -> Result<bool, SpoolError> {
        let mut wait = WAIT_MIN;
        while !waiting.is_empty() {
            if self.ends() {
                return Ok(false);
            }
            let appended = join_all(waiting.iter().map(|batch| self.intake.accept(batch))).await;
            let mut fault = None;
            let mut outcomes = appended.into_iter();
            waiting.retain(|_| match outcomes.next() {
                Some(Err(error)) => {
                    fault = Some(error);
                    true
                }
                _ => false,
            });
            match fault {
                None => {}
                Some(error @ (SpoolError::Full { .. } | SpoolError::Io { .. })) => {
                    self.note_fault(&error.to_string());
                    self.pause(wait).await;
                    wait = (wait * 2).min(WAIT_MAX);
                }
                Some(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn batch(&self, fetched: &Fetched, file: Text) -> Batch {
        let payload = match &fetched.mail {
            Ok(bytes) => bytes.clone(),
            Err((reject, beginning)) => taken::stand_in(reject, beginning).into(),
        };
        Batch {
            source: self.source.clone(),
            received: self.intake.now(),
            file,
            offset: fetched.number,
            payload,
        }
    }

    /// Tells of a fault: each time on the page, and when it is a new one in the log.
    pub(in crate::ingest) fn note_fault(&self, words: &str) {
        if self.status.note_fault(self.intake.now(), words) {
            tracing::warn!(source = %self.source, "mailbox cannot be read on: {words}");
        }
    }

    pub(in crate::ingest) fn note_well(&self) {
        if self.status.note_well() {
            tracing::info!(source = %self.source, "mailbox is being read again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::testing::{SpoolDir, eventually, read_all};
    use crate::model::FilePosition;
    use crate::spool::Entry;

    fn mailbox(dir: &SpoolDir) -> (Mailbox, watch::Sender<bool>) {
        let (stop, shutdown) = watch::channel(false);
        let mailbox =
            Mailbox::new("reports", dir.intake.clone(), Room::default(), DoorStatus::default(), shutdown);
        (mailbox, stop)
    }

    fn mails(numbers: std::ops::Range<u64>, bytes: usize) -> Vec<Fetched> {
        numbers.map(|number| Fetched { number, mail: Ok(vec![b'x'; bytes].into()) }).collect()
    }

    #[tokio::test]
    async fn the_position_stands_with_the_last_mail_of_a_group() {
        let dir = SpoolDir::new();
        let (mut mailbox, _stop) = mailbox(&dir);
        assert!(mailbox.deliver(&"INBOX".into(), &mails(5..9, 10)).await.unwrap());
        let positions: Vec<_> = read_all(&dir.spool).iter().map(Entry::position_after).collect();
        assert_eq!(positions, [None, None, None, Some(FilePosition { file: "INBOX".into(), offset: 9 })]);
        assert_eq!(mailbox.status.get().taken, 4);
    }

    /// The spool has room for a few of them; the rest waits, and no position is there before its mail is.
    #[tokio::test]
    async fn a_full_spool_is_waited_for() {
        let dir = SpoolDir::small();
        dir.fill(3000).await;
        let (mut mailbox, _stop) = mailbox(&dir);
        let status = mailbox.status.clone();
        let task = tokio::spawn(async move { mailbox.deliver(&"INBOX".into(), &mails(1..5, 3000)).await });
        eventually("the mailbox says that the spool is full", || status.get().is_held_up).await;
        assert!(read_all(&dir.spool).iter().all(|entry| entry.position_after().is_none()));
        eventually("room for all", || {
            dir.drain();
            task.is_finished()
        })
        .await;
        assert!(task.await.unwrap().unwrap());
        let told = status.get();
        assert!(!told.is_held_up && told.last_fault.unwrap().words.contains("full"));
    }

    #[tokio::test]
    async fn what_could_not_be_taken_whole_is_spooled_with_its_reason() {
        let dir = SpoolDir::new();
        let (mut mailbox, _stop) = mailbox(&dir);
        let fetched =
            Fetched { number: 3, mail: Err((too_large(99, 9), Bytes::from_static(b"Subject: a\r\n\r\n"))) };
        assert!(mailbox.deliver(&"INBOX".into(), &[fetched]).await.unwrap());
        let entry = read_all(&dir.spool).remove(0);
        let reject = mail::read(&entry.payload).unwrap_err();
        assert_eq!(reject.reason, RejectReason::TooLarge);
        assert!(reject.message.contains("`mail_bytes_max`"), "{reject}");
        assert_eq!(mailbox.status.get().refused, 1);
    }

    #[test]
    fn a_mail_that_cannot_be_read_has_no_group() {
        assert_eq!(MailGroup::of(b"Subject: hello\r\n\r\nworld\r\n"), Some(MailGroup::Other));
        assert_eq!(MailGroup::of(b""), None);
    }
}
