//! The optional listener on loopback (`--embedded-listen 127.0.0.1:8123`): reading, with a token.
//!
//! Way: curl, a dashboard or a ClickHouse client asks over TCP, `service` answers as in memory.
//! Source: how clients give a password, clickhouse.com/docs/interfaces/http; Basic, RFC 7617; Bearer, RFC 6750.
//! Not here: writing from outside the process, which is not offered; TLS, since nothing leaves the machine.
//!
//! **The token is worth a shell of the user that runs the process.** Free SQL reads more than tables: the scalar
//! function `file('/etc/passwd')` reads any file that the process can read, also with `readonly=1` (seen on chDB
//! 26.7.3; table functions such as `file()`, `url()` and `remote()` are refused). Off by default for that reason.

use super::{
    EmbeddedError, Engine,
    access::Access,
    exception::{Code, Exception},
    request::url_argument,
    service::Service,
};
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName},
    server::conn::http1,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use sha2::{Digest, Sha256};
use std::{fmt, future::Future, hint::black_box, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

/// Shortest token, in bytes: what cannot be guessed over loopback, even as hexadecimal digits.
pub(super) const TOKEN_BYTES_MIN: usize = 16;
/// Connections at once; more wait in the system's queue. Dashboards open a handful.
const CONNECTIONS_MAX: usize = 32;
/// How long a client may take for the head of a request, and a connection may idle between two.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// How long running answers may take after the stop signal.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);
/// First and longest wait after a failed accept, such as with no file descriptor left.
const ACCEPT_RETRY_MIN: Duration = Duration::from_millis(50);
const ACCEPT_RETRY_MAX: Duration = Duration::from_secs(5);

/// ClickHouse's own header for a password.
const KEY_HEADER: HeaderName = HeaderName::from_static("x-clickhouse-key");

/// What a reader has to know. Kept as a digest only.
pub struct ListenToken {
    digest: [u8; 32],
}

impl fmt::Debug for ListenToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ListenToken(…)")
    }
}

impl ListenToken {
    /// # Errors
    ///
    /// [`EmbeddedError::TokenTooShort`] below 16 bytes.
    pub fn new(token: &str) -> Result<Self, EmbeddedError> {
        match token.len() {
            bytes if bytes < TOKEN_BYTES_MIN => Err(EmbeddedError::TokenTooShort { bytes }),
            _ => Ok(Self { digest: Sha256::digest(token).into() }),
        }
    }

    /// Takes the token as a bearer token, as the password of any user, in ClickHouse's header or in the URL.
    pub(super) fn check(&self, headers: &HeaderMap, query: Option<&str>) -> Result<(), Exception> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let given = [
            text(AUTHORIZATION).and_then(from_authorization),
            text(KEY_HEADER).map(str::to_owned),
            url_argument(query, "password"),
        ];
        if given.iter().flatten().any(|token| self.is(token)) {
            return Ok(());
        }
        let message = "the token is missing or wrong: give it as `Authorization: Bearer`, as the password, or in the \
                       header X-ClickHouse-Key";
        Err(Exception::new(Code::AuthenticationFailed, message))
    }

    /// Takes the same time for every wrong token: digests have one length, and all of their bytes are compared.
    fn is(&self, token: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(token).into();
        let differing = self.digest.iter().zip(&given).fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
        differing == 0
    }
}

/// `Bearer <token>`, or the password in `Basic <base64 of user:password>`. Schemes are case-insensitive (RFC 9110).
fn from_authorization(value: &str) -> Option<String> {
    let (scheme, credentials) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("Bearer") {
        return Some(credentials.trim().to_owned());
    }
    scheme.eq_ignore_ascii_case("Basic").then_some(())?;
    let pair = String::from_utf8(base64_decode(credentials.trim())?).ok()?;
    pair.split_once(':').map(|(_user, password)| password.to_owned())
}

/// RFC 4648 section 4, with or without padding.
fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut held, mut held_bits) = (0_u32, 0_u32);
    for digit in text.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        held_bits += 6;
        if held_bits >= 8 {
            held_bits -= 8;
            bytes.push((held >> held_bits).to_le_bytes()[0]);
        }
    }
    Some(bytes)
}

/// Serves readers on a loopback listener until `shutdown`, then lets running answers end for up to 5 s.
///
/// Each reader's statement is bounded: 60 s, a quarter of the engine's memory, places of its own
/// ([`super::EngineSettings::reader_queries_max`]).
///
/// # Errors
///
/// [`EmbeddedError::NotLoopback`] when the listener can be reached from other machines;
/// [`EmbeddedError::Listener`] when it has no address.
pub async fn serve_tcp(
    engine: Arc<Engine>,
    listener: TcpListener,
    token: ListenToken,
    shutdown: impl Future<Output = ()>,
) -> Result<(), EmbeddedError> {
    let address = listener.local_addr().map_err(|source| EmbeddedError::Listener { source })?;
    if !address.ip().is_loopback() {
        return Err(EmbeddedError::NotLoopback { address });
    }
    let service = Service::new(engine, Access::ReadOnly(Arc::new(token)));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            // Ended connections are cleared as they end.
            Some(_) = connections.join_next() => {}
            (stream, place) = accept(&listener, &places) => {
                connections.spawn(serve_connection(service.clone(), stream, place, stopped.clone()));
            }
        }
    }
    drop(stop);
    let ended = timeout(STOP_TIME_MAX, async { while connections.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

/// The next connection and its place. Loses nothing when dropped half way.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    let mut retry = ACCEPT_RETRY_MIN;
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => return (stream, place),
            Err(error) => tracing::warn!(%error, "embedded listener could not accept; trying again"),
        }
        sleep(retry).await;
        retry = (retry * 2).min(ACCEPT_RETRY_MAX);
    }
}

async fn serve_connection(
    service: Service,
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
    mut stopped: watch::Receiver<()>,
) {
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    let served = tokio::select! {
        served = &mut connection => served,
        // The sender was dropped: the listener stops.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "embedded reader's connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef-token";

    #[track_caller]
    fn check(headers: &[(HeaderName, &str)], query: Option<&str>, accepted: bool) {
        let token = ListenToken::new(TOKEN).unwrap();
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        let got = token.check(&headers, query);
        assert_eq!(got.is_ok(), accepted, "{headers:?} {query:?}");
        assert!(accepted || got.unwrap_err().code == 516);
    }

    #[test]
    fn the_token_is_taken_where_clients_put_a_password() {
        check(&[(AUTHORIZATION, "Bearer 0123456789abcdef-token")], None, true);
        check(&[(AUTHORIZATION, "bearer 0123456789abcdef-token")], None, true);
        // grafana:0123456789abcdef-token
        check(&[(AUTHORIZATION, "Basic Z3JhZmFuYTowMTIzNDU2Nzg5YWJjZGVmLXRva2Vu")], None, true);
        check(&[(KEY_HEADER, TOKEN)], None, true);
        check(&[], Some("query=SELECT+1&password=0123456789abcdef-token"), true);
    }

    #[test]
    fn a_wrong_or_missing_token_is_refused() {
        check(&[], None, false);
        check(&[], Some("password="), false);
        check(&[(AUTHORIZATION, "Bearer 0123456789abcdef-toke")], None, false);
        check(&[(AUTHORIZATION, "Bearer")], None, false);
        check(&[(AUTHORIZATION, "Basic !!!")], None, false);
        check(&[(AUTHORIZATION, "Digest 0123456789abcdef-token")], None, false);
        check(&[(KEY_HEADER, "0123456789abcdef-tokenX")], None, false);
    }

    #[test]
    fn a_short_token_is_refused_with_a_way_to_make_one() {
        let error = ListenToken::new("secret").unwrap_err().to_string();
        assert!(error.contains("6 bytes") && error.contains("openssl rand"), "{error}");
    }

    #[test]
    fn a_token_is_not_shown() {
        assert_eq!(format!("{:?}", ListenToken::new(TOKEN).unwrap()), "ListenToken(…)");
    }

    #[test]
    fn base64_follows_the_vectors_of_rfc_4648() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(base64_decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(base64_decode("Zm 9v"), None);
    }
}
