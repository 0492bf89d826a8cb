//! Mail from IMAP folders.
//!
//! Way: `app` starts [`collect`] for each folder with what the spool and the checkpoint know of it. `login` opens a
//! connection, `folder` fetches what is new by UID, hands it to the spool and then moves, flags or deletes it, and waits
//! by IDLE or by looking again.
//!
//! A folder has a connection of its own, because IDLE tells of one folder alone.
//! Source: RFC 3501 (IMAP), RFC 2177 (IDLE), RFC 4315 (UIDPLUS), RFC 6851 (MOVE).
//! Not here: what a mail says (`parse::mail`), keeping it (`mailbox`).

mod connection;
mod folder;
mod login;
mod names;
mod token;

pub use login::{Account, Credentials, Security};
pub use token::{OauthClient, TokenSource};

use crate::ingest::mailbox::Mailbox;
use crate::model::FilePosition;
use crate::spool::SpoolError;
use folder::Folder;
use std::sync::Arc;
use std::time::Duration;

/// The first wait after a fault; it doubles, and begins anew when a connection came as far as the folder.
const BACK_OFF_MIN: Duration = Duration::from_secs(1);

/// The longest: a server that is back is found within five minutes, and one that refuses us is not pestered.
const BACK_OFF_MAX: Duration = Duration::from_mins(5);

/// A folder of an account, and how it is treated.
#[derive(Debug, Clone)]
pub struct FolderOptions {
    pub account: Arc<Account>,
    /// As the user names it.
    pub folder: String,
    /// Looks again after so long, whatever IDLE says.
    pub poll: Duration,
    /// A larger mail is told and left.
    pub mail_bytes_max: u64,
    /// What becomes of a mail that is in the spool; `None` leaves the folder as it is and opens it for reading alone.
    pub after: Option<After>,
}

/// What becomes of mails, by what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    pub report: Action,
    pub bounce: Action,
    pub complaint: Action,
    pub other: Action,
}

/// What becomes of a mail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    Leave,
    Flag(String),
    Move(String),
    Delete,
}

/// Why something did not work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The server said no: the connection is well.
    #[error("{doing}: the server says {words}")]
    No { doing: &'static str, words: String },
    /// The connection is of no use any more.
    #[error("{doing}: {words}")]
    Broken { doing: &'static str, words: String },
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl Fault {
    fn broken(doing: &'static str, words: impl std::fmt::Display) -> Self {
        Self::Broken { doing, words: words.to_string() }
    }
}

/// Collects the mails of a folder until shutdown. Faults of server and network are waited out.
///
/// `positions` tell how far each folder of the source was read.
///
/// # Errors
///
/// What the spool says that waiting does not mend.
pub async fn collect(
    options: FolderOptions,
    mut mailbox: Mailbox,
    positions: &[FilePosition],
) -> Result<(), SpoolError> {
    let mut folder = Folder::new(options, positions);
    let mut wait = BACK_OFF_MIN;
    while !mailbox.ends() {
        mailbox.status.set_doing("connecting");
        match folder.visit(&mut mailbox).await {
            Ok(()) => break,
            Err(Fault::Spool(fault)) => return Err(fault),
            Err(fault) => mailbox.note_fault(&format!("{}: {fault}", folder.name())),
        }
        if folder.was_reached() {
            wait = BACK_OFF_MIN;
        }
        mailbox.status.set_doing("waiting to connect again");
        mailbox.pause(wait).await;
        wait = (wait * 2).min(BACK_OFF_MAX);
    }
    Ok(())
}
