//! The mail doors: LMTP from one's own mail server, SMTP as the MX of a bounce domain.
//!
//! Way: [`listen`] accepts connections, each is a `session`; a mail is answered 250 when the spool has synced it.
//! Source: RFC 2033 (LMTP), RFC 5321 (SMTP), RFC 1870 (SIZE), RFC 2034 (enhanced codes), RFC 2920 (pipelining).
//! Not here: reading the mail (`parse::mail`, by way of the pipeline). Nothing is ever sent on.
//!
//! The envelope stands in front of the mail as a mail server writes it: `Return-Path` and `Delivered-To`.

mod session;
#[cfg(test)]
mod tests;

use crate::ingest::places::Places;
use crate::ingest::{DoorStatus, Intake};
use crate::model::{SourceKind, SourceRef, Text};
use session::Session;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Largest mail taken, in bytes, announced as `SIZE`: that of `parse::mail`.
pub const MAIL_BYTES_MAX: usize = 50 << 20;

/// Mails of one connection: then the client connects anew, and others have their turn.
pub const MAILS_PER_CONNECTION_MAX: u32 = 1000;

/// How the door speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Lmtp,
    /// Takes mail for the named recipients alone.
    Smtp,
}

/// How a mail door is set up.
#[derive(Debug, Clone)]
pub struct MailDoor {
    pub protocol: Protocol,
    /// Name of the source that its mail counts for.
    pub source: Text,
    /// The name in the greeting.
    pub hostname: String,
    /// Addresses (`fbl@example.com`) and whole domains (`bounce.example.com`) that mail is taken for; empty means all,
    /// which only LMTP allows: its client has checked them.
    pub recipients: Vec<String>,
    pub limits: MailDoorLimits,
}

/// What the door may cost.
#[derive(Debug, Clone, Copy)]
pub struct MailDoorLimits {
    /// Connections at once: 200. Each holds some 20 KB until it sends a mail. When all are taken, the slowest gives way.
    pub connections_max: usize,
    /// Bytes of mails that are coming in, all connections together: 256 MiB, five of the largest.
    pub in_flight_bytes_max: usize,
    /// How long the client may take for a command: 2 minutes. RFC 5321 section 4.5.3.2.7 has 5, for hosts of its day.
    pub command_timeout: Duration,
    /// How long a whole mail may take: 5 minutes, or 170 KB/s for the largest.
    pub mail_timeout: Duration,
    /// Mails of one connection: [`MAILS_PER_CONNECTION_MAX`].
    pub mails_max: u32,
}

impl Default for MailDoorLimits {
    fn default() -> Self {
        Self {
            connections_max: 200,
            in_flight_bytes_max: 256 << 20,
            command_timeout: Duration::from_mins(2),
            mail_timeout: Duration::from_mins(5),
            mails_max: MAILS_PER_CONNECTION_MAX,
        }
    }
}

/// Where a door listens.
#[derive(Debug)]
pub enum MailListener {
    Tcp(TcpListener),
    /// With the path, which is taken away at the end.
    Unix(UnixListener, PathBuf),
}

/// What all connections of a door share.
struct Door {
    options: MailDoor,
    source: SourceRef,
    intake: Intake,
    /// Bytes left for mails that are coming in.
    room: Arc<Semaphore>,
    status: DoorStatus,
}

/// Accepts connections until shutdown, then waits for those that are in the middle of a mail.
pub async fn listen(
    listener: MailListener,
    options: MailDoor,
    intake: Intake,
    status: DoorStatus,
    mut shutdown: watch::Receiver<bool>,
) {
    let limits = options.limits;
    let door = Arc::new(Door {
        source: SourceRef { kind: SourceKind::Mail, name: options.source.clone() },
        options,
        intake,
        room: Arc::new(Semaphore::new(limits.in_flight_bytes_max)),
        status,
    });
    door.status.set_doing("listening");
    let places = Places::new(limits.connections_max);
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = sessions.join_next(), if !sessions.is_empty() => continue,
            _ = shutdown.wait_for(|stop| *stop) => break,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                // The next accept may fail at once again: out of file handles.
                tracing::warn!(%error, door = %door.source, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(place) = places.take() else {
            door.status.note_refused(door.intake.now(), "too many connections at once");
            sessions.spawn(turn_away(stream));
            continue;
        };
        let (door, shutdown) = (Arc::clone(&door), shutdown.clone());
        sessions.spawn(Session::new(stream, door, place).run(shutdown));
    }
    if let MailListener::Unix(_, path) = &listener {
        // It may be gone already.
        let _ = std::fs::remove_file(path);
    }
    while sessions.join_next().await.is_some() {}
}

/// A byte stream of either kind of socket.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for S {}

impl MailListener {
    async fn accept(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                // An answer that waits for the peer to acknowledge the one before costs 40 ms a mail.
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(listener, _) => Box::new(listener.accept().await?.0),
        })
    }
}

async fn turn_away(mut stream: Box<dyn Stream>) {
    let answer = b"421 4.3.2 too many connections, try again later\r\n";
    let _ = tokio::time::timeout(Duration::from_secs(1), stream.write_all(answer)).await;
}

impl MailDoor {
    /// Whether mail for this address is taken.
    fn takes(&self, address: &str) -> bool {
        let address = crate::model::normalize_address(address);
        let domain = crate::model::domain_of(&address);
        let is_meant = |wanted: &String| {
            if wanted.contains('@') { *wanted == address } else { *wanted == domain }
        };
        self.recipients.is_empty() && self.protocol == Protocol::Lmtp || self.recipients.iter().any(is_meant)
    }
}
