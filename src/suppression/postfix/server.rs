//! Connections: who is let in, how long they may be silent, how much they may send.

use crate::suppression::postfix::desk::Desk;
use crate::suppression::postfix::{policy, socketmap};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Most connections of one listener; more wait until one ends. Postfix runs at most 100 smtpd processes by default
/// (`default_process_limit`), each with one connection.
pub const CONNECTIONS_MAX: usize = 1_000;
/// A connection that is silent for so long is closed. Postfix closes its own after 300 s
/// (`smtpd_policy_service_max_idle`).
pub const IDLE: Duration = Duration::from_mins(10);
/// A client that does not take its answers for so long is given up.
const WRITE_MAX: Duration = Duration::from_secs(30);
/// After accept(2) failed, as when no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Everybody may connect.
const SOCKET_MODE: u32 = 0o666;
/// Bytes read at once, and answers collected before they are written.
const CHUNK_BYTES: usize = 16 * 1024;

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Policy,
    Socketmap,
}

/// Where Postfix connects to.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    /// The socket's file is removed at the end.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Listens on a loopback address. The protocols know no password, so nobody else may ask who is suppressed.
    ///
    /// # Errors
    ///
    /// When the address is no loopback address or cannot be had.
    pub async fn tcp(address: SocketAddr) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let message = format!(
                "{address} is reached from other machines, and the protocol knows no password: use 127.0.0.1 or ::1"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        TcpListener::bind(address).await.map(Self::Tcp)
    }

    /// Listens on a Unix socket, at which everybody may ask who may enter its folder: Postfix' daemons are a user of
    /// their own. A socket that a killed process left there is replaced; one that answers is not.
    ///
    /// # Errors
    ///
    /// When something else stands at the path, another process answers there, or the folder cannot be written to.
    pub async fn unix(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::FileTypeExt as _;
        let is_socket =
            |path: &Path| std::fs::symlink_metadata(path).is_ok_and(|at| at.file_type().is_socket());
        if is_socket(path) && tokio::net::UnixStream::connect(path).await.is_err() {
            std::fs::remove_file(path)?;
        }
        let listener = Self::Unix(UnixListener::bind(path)?, path.to_owned());
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(SOCKET_MODE))?;
        Ok(listener)
    }

    /// The address, when it is one of TCP: of use when the port was 0.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // Gone already, or the next start replaces it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// One listener with its protocol.
pub struct Server {
    pub listener: Listener,
    pub protocol: Protocol,
    pub desk: Desk,
}

impl Server {
    /// Answers until it is dropped; the connections that are open end with it.
    pub async fn run(self) {
        let Self { listener, protocol, desk } = self;
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let desk = desk.clone();
            let accepted = match &listener {
                Listener::Tcp(listener) => match listener.accept().await {
                    Ok((stream, _)) => {
                        // Small answers must not wait for more; without it they come late, and that is all.
                        let _ = stream.set_nodelay(true);
                        connections.spawn(async move { talk(stream, protocol, &desk, place).await });
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                Listener::Unix(listener, _) => match listener.accept().await {
                    Ok((stream, _)) => {
                        connections.spawn(async move { talk(stream, protocol, &desk, place).await });
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = accepted {
                tracing::warn!(?protocol, %error, "a relay's connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one client until it goes. `_place` is its place among [`CONNECTIONS_MAX`].
async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    protocol: Protocol,
    desk: &Desk,
    _place: tokio::sync::OwnedSemaphorePermit,
) {
    let mut input = Vec::with_capacity(CHUNK_BYTES);
    let mut output = Vec::with_capacity(CHUNK_BYTES);
    loop {
        input.reserve(CHUNK_BYTES);
        // Every end of a conversation is the client's affair: it asks again, or lets mail through.
        match timeout(IDLE, stream.read_buf(&mut input)).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) | Err(_) => return,
        }
        // All whole requests are answered before anything is written: clients that pipeline get one packet.
        let (used, goes_on) = answer_all(protocol, desk, &input, &mut output);
        input.drain(..used);
        let written = timeout(WRITE_MAX, stream.write_all(&output)).await;
        output.clear();
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
        if !goes_on {
            tracing::warn!(?protocol, "a client does not speak the protocol, its connection was closed");
            return;
        }
    }
}

/// Answers the whole requests in `input`. Returns how many bytes they took, and whether the rest may become one.
fn answer_all(protocol: Protocol, desk: &Desk, input: &[u8], output: &mut Vec<u8>) -> (usize, bool) {
    let mut used = 0;
    loop {
        let rest = &input[used..];
        match protocol {
            Protocol::Policy => match policy::split(rest) {
                Some((request, taken)) => {
                    if !request.is_empty() {
                        policy::answer(desk, request, output);
                    }
                    used += taken;
                }
                None => return (used, rest.len() <= policy::REQUEST_BYTES_MAX),
            },
            Protocol::Socketmap => match socketmap::split(rest) {
                Ok(Some((request, taken))) => {
                    socketmap::answer(desk, request, output);
                    used += taken;
                }
                Ok(None) => return (used, true),
                Err(socketmap::NotSpoken) => return (used, false),
            },
        }
    }
}
