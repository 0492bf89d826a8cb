//! A connection that is logged in: the few commands that a collector needs, each with its answer checked.
//!
//! The client library's own fetch gives out what came and is silent on how the command ended; here a NO is an error, so
//! that a mail that a server cannot read is not taken for one that is gone.

use crate::ingest::imap::Fault;
use crate::ingest::imap::login::Stream;
use crate::ingest::imap::names::{encode, uid_set};
use async_imap::Session;
use async_imap::extensions::idle::IdleResponse;
use async_imap::imap_proto::{AttributeValue, Response, Status};
use async_imap::types::UnsolicitedResponse;
use bytes::Bytes;
use std::time::Duration;
use tokio::time::timeout;

/// How long one answer may take: 170 KB/s for the largest mail. Between the answers of one command it begins anew.
const ANSWER_WAIT: Duration = Duration::from_mins(5);

/// UIDs taken from a listing at once, 4 MB. A larger folder is listed again from there.
pub(super) const LISTED_MAX: usize = 1_000_000;

/// What a server can do beyond the standard.
#[derive(Debug, Clone, Copy, Default)]
struct Abilities {
    idle: bool,
    moves: bool,
    uidplus: bool,
}

/// The folder as it was opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened {
    pub(super) uid_validity: u32,
    /// Mails in it.
    pub(super) exists: u32,
}

pub(super) struct Connection {
    session: Session<Box<dyn Stream>>,
    abilities: Abilities,
}

/// A fault of the client library in words of one line.
pub(super) fn in_words(error: &async_imap::error::Error) -> String {
    use async_imap::error::Error;
    match error {
        Error::No(words) | Error::Bad(words) => words.clone(),
        other => other.to_string(),
    }
}

impl Connection {
    pub(super) async fn new(session: Session<Box<dyn Stream>>) -> Result<Self, Fault> {
        let mut connection = Self { session, abilities: Abilities::default() };
        let asked = timeout(ANSWER_WAIT, connection.session.capabilities()).await;
        let told = asked
            .map_err(|_| slow("CAPABILITY"))?
            .map_err(|error| Fault::broken("CAPABILITY", in_words(&error)))?;
        connection.abilities = Abilities {
            idle: told.has_str("IDLE"),
            moves: told.has_str("MOVE"),
            uidplus: told.has_str("UIDPLUS"),
        };
        Ok(connection)
    }

    pub(super) const fn can_idle(&self) -> bool {
        self.abilities.idle
    }

    /// Opens a folder.
    pub(super) async fn open(&mut self, folder: &str, for_reading_alone: bool) -> Result<Opened, Fault> {
        let name = encode(folder);
        let opened = async {
            if for_reading_alone {
                self.session.examine(&name).await
            } else {
                self.session.select(&name).await
            }
        };
        let opened = timeout(ANSWER_WAIT, opened).await.map_err(|_| slow("open the folder"))?;
        let mailbox = opened.map_err(|error| Fault::broken("open the folder", in_words(&error)))?;
        let uid_validity = mailbox.uid_validity.ok_or_else(|| {
            Fault::broken(
                "open the folder",
                "its server gives no UIDVALIDITY, without which mails cannot be told apart",
            )
        })?;
        Ok(Opened { uid_validity, exists: mailbox.exists })
    }

    /// The UIDs from this one on, ascending, at most [`LISTED_MAX`].
    pub(super) async fn list(&mut self, from_uid: u32) -> Result<Vec<u32>, Fault> {
        let mut uids = Vec::new();
        self.run("list the folder", &format!("UID FETCH {from_uid}:* (UID)"), |_, attributes| {
            // `*` is the last mail, also when it has a lower UID
            let uid = uid_of(attributes).filter(|uid| *uid >= from_uid);
            uids.extend(uid.filter(|_| uids.len() < LISTED_MAX));
        })
        .await?;
        uids.sort_unstable();
        uids.dedup();
        Ok(uids)
    }

    /// The UIDs of the mails with these numbers, ascending.
    pub(super) async fn uids_at(&mut self, first: u32, last: u32) -> Result<Vec<u32>, Fault> {
        let mut uids = Vec::new();
        self.run("list the folder", &format!("FETCH {first}:{last} (UID)"), |_, attributes| {
            uids.extend(uid_of(attributes));
        })
        .await?;
        uids.sort_unstable();
        Ok(uids)
    }

    /// The sizes of these mails, in the order of their UIDs; one that is gone is missing.
    pub(super) async fn sizes(&mut self, uids: &[u32]) -> Result<Vec<(u32, u64)>, Fault> {
        let mut sizes = Vec::with_capacity(uids.len());
        let command = format!("UID FETCH {} (UID RFC822.SIZE)", uid_set(uids));
        self.run("ask for sizes", &command, |_, attributes| {
            let size = attributes.iter().find_map(|attribute| match attribute {
                AttributeValue::Rfc822Size(size) => Some(u64::from(*size)),
                _ => None,
            });
            sizes.extend(uid_of(attributes).zip(size));
        })
        .await?;
        sizes.sort_unstable();
        Ok(sizes)
    }

    /// The first `bytes_max` bytes of these mails, without marking them as seen, in the order of their UIDs; one that is
    /// gone is missing.
    pub(super) async fn fetch(&mut self, uids: &[u32], bytes_max: u64) -> Result<Vec<(u32, Bytes)>, Fault> {
        let mut mails = Vec::with_capacity(uids.len());
        let command = format!("UID FETCH {} (UID BODY.PEEK[]<0.{bytes_max}>)", uid_set(uids));
        self.run("fetch mails", &command, |_, attributes| {
            let body = attributes.iter().find_map(|attribute| match attribute {
                AttributeValue::BodySection { section: None, data: Some(data), .. } => {
                    Some(Bytes::copy_from_slice(data))
                }
                _ => None,
            });
            mails.extend(uid_of(attributes).zip(body));
        })
        .await?;
        mails.sort_unstable_by_key(|(uid, _)| *uid);
        Ok(mails)
    }

    pub(super) async fn flag(&mut self, uids: &[u32], flag: &str) -> Result<(), Fault> {
        let command = format!("UID STORE {} +FLAGS.SILENT ({flag})", uid_set(uids));
        self.run("set a flag", &command, |_, _| ()).await
    }

    /// Deletes mails. Without UIDPLUS they are marked alone: an EXPUNGE would take along what others have marked.
    pub(super) async fn delete(&mut self, uids: &[u32]) -> Result<(), Fault> {
        self.flag(uids, "\\Deleted").await?;
        if self.abilities.uidplus {
            self.run("delete mails", &format!("UID EXPUNGE {}", uid_set(uids)), |_, _| ()).await?;
        }
        Ok(())
    }

    /// Moves mails to another folder, which is made when it is not there.
    pub(super) async fn move_to(&mut self, uids: &[u32], folder: &str) -> Result<(), Fault> {
        let moved = self.try_move(uids, folder).await;
        let Err(Fault::No { .. }) = moved else { return moved };
        // it may be there already, and the fault another
        match self.run("make a folder", &format!("CREATE {}", quoted(folder)), |_, _| ()).await {
            Ok(()) => self.try_move(uids, folder).await,
            Err(Fault::No { .. }) => moved,
            Err(fault) => Err(fault),
        }
    }

    async fn try_move(&mut self, uids: &[u32], folder: &str) -> Result<(), Fault> {
        let (set, folder) = (uid_set(uids), quoted(folder));
        if self.abilities.moves {
            return self.run("move mails", &format!("UID MOVE {set} {folder}"), |_, _| ()).await;
        }
        self.run("copy mails", &format!("UID COPY {set} {folder}"), |_, _| ()).await?;
        self.delete(uids).await
    }

    /// Waits by IDLE until the server tells of something, at most so long, or until `ended`.
    pub(super) async fn idle(self, wait: Duration, ended: impl Future<Output = ()>) -> Result<Self, Fault> {
        let Self { session, abilities } = self;
        let told = session.unsolicited_responses.clone();
        // what came so far is known: the folder has just been listed
        while told.try_recv().is_ok() {}
        let mut idle = session.idle();
        let begun = timeout(ANSWER_WAIT, idle.init()).await.map_err(|_| slow("IDLE"))?;
        begun.map_err(|error| Fault::broken("IDLE", in_words(&error)))?;
        // a mail that came between the listing and this
        let is_late = std::iter::from_fn(|| told.try_recv().ok())
            .any(|told| matches!(told, UnsolicitedResponse::Exists(_)));
        if !is_late {
            // the library's own wait begins anew with each sign of life
            let (news, _interrupt) = idle.wait_with_timeout(wait);
            tokio::select! {
                news = timeout(wait, news) => match news {
                    Ok(Ok(IdleResponse::ManualInterrupt)) => {
                        return Err(Fault::broken("IDLE", "the server closed the connection"));
                    }
                    Ok(Err(error)) => return Err(Fault::broken("IDLE", in_words(&error))),
                    Ok(Ok(IdleResponse::NewData(_) | IdleResponse::Timeout)) | Err(_) => {}
                },
                () = ended => {}
            }
        }
        let session = timeout(ANSWER_WAIT, idle.done()).await.map_err(|_| slow("IDLE"))?;
        let session = session.map_err(|error| Fault::broken("IDLE", in_words(&error)))?;
        Ok(Self { session, abilities })
    }

    /// Leaves in order, as far as that takes no time.
    pub(super) async fn leave(mut self) {
        drop(timeout(Duration::from_secs(1), self.session.logout()).await);
    }

    /// Runs a command to its tagged answer and shows each FETCH on the way.
    async fn run(
        &mut self,
        doing: &'static str,
        command: &str,
        mut see: impl FnMut(u32, &[AttributeValue<'_>]),
    ) -> Result<(), Fault> {
        let sent = timeout(ANSWER_WAIT, self.session.run_command(command)).await.map_err(|_| slow(doing))?;
        let id = sent.map_err(|error| Fault::broken(doing, in_words(&error)))?;
        let mut farewell = None;
        loop {
            let answer = timeout(ANSWER_WAIT, self.session.read_response()).await.map_err(|_| slow(doing))?;
            let Some(answer) =
                answer.map_err(|error| Fault::broken(doing, said(&error, farewell.as_deref())))?
            else {
                let words = farewell.unwrap_or_else(|| "the server closed the connection".to_owned());
                return Err(Fault::broken(doing, words));
            };
            match answer.parsed() {
                Response::Fetch(number, attributes) => see(*number, attributes),
                Response::Data { status: Status::Bye, outcome } => {
                    farewell = outcome.information.as_ref().map(ToString::to_string);
                }
                Response::Done { tag, status, outcome } if *tag == id => {
                    let words = outcome.information.as_ref().map(ToString::to_string).unwrap_or_default();
                    return match status {
                        Status::Ok => Ok(()),
                        Status::No => Err(Fault::No { doing, words: format!("NO: {words}") }),
                        _ => Err(Fault::No { doing, words: format!("BAD: {words}") }),
                    };
                }
                _ => {}
            }
        }
    }
}

/// What the server said before it went says more than how it went. Of an answer that cannot be parsed the library shows
/// every byte, which may be a whole mail.
fn said(error: &std::io::Error, farewell: Option<&str>) -> String {
    let words = error.to_string();
    let words =
        if words.contains("during parsing of") { "an answer of the server cannot be read" } else { &words };
    farewell.unwrap_or(words).to_owned()
}

fn slow(doing: &'static str) -> Fault {
    Fault::broken(doing, format!("no answer within {} s", ANSWER_WAIT.as_secs()))
}

fn uid_of(attributes: &[AttributeValue<'_>]) -> Option<u32> {
    attributes.iter().find_map(|attribute| match attribute {
        AttributeValue::Uid(uid) => Some(*uid),
        _ => None,
    })
}

/// A folder's name as a quoted string; `encode` leaves no control characters in it.
fn quoted(folder: &str) -> String {
    format!("\"{}\"", encode(folder).replace('\\', "\\\\").replace('"', "\\\""))
}
