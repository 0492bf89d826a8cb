//! Calls to other servers over HTTP and HTTPS.
//!
//! Redirections are never followed: who is to be asked stands in the settings, and what we send may be a secret.

use crate::model::with_causes;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioExecutor;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tower_service::Service;

/// What we say that we are.
pub const USER_AGENT: &str = concat!("relaylens/", env!("CARGO_PKG_VERSION"));

/// Calls servers. Its clones share their connections.
#[derive(Debug, Clone)]
pub struct Line<R = GaiResolver> {
    client: Client<HttpsConnector<HttpConnector<R>>, Full<Bytes>>,
    wait: Duration,
}

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("no answer within {} s", .0.as_secs())]
    Slow(Duration),
    /// No connection, no proof of the server's name, or an answer that breaks off or is too long.
    #[error("{0}")]
    Failed(String),
}

/// An answer whose body may still be under way.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    body: Incoming,
    wait: Duration,
    until: Instant,
}

impl Line {
    /// Trusts as `tls` says, and waits so long for a whole answer.
    pub fn new(tls: rustls::ClientConfig, wait: Duration) -> Self {
        Self::with_resolver(GaiResolver::new(), tls, wait)
    }
}

impl<R> Line<R>
where
    R: Service<
            Name,
            Response: Iterator<Item = SocketAddr>,
            Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        >,
    R: Clone + Send + Sync + 'static,
    R::Future: Send,
{
    /// As [`Line::new`], with host names looked up by `resolver`.
    pub fn with_resolver(resolver: R, tls: rustls::ClientConfig, wait: Duration) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(wait));
        Self { client: Client::builder(TokioExecutor::new()).build(HttpsConnector::from((tcp, tls))), wait }
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn call(&self, request: Request<Full<Bytes>>) -> Result<Answer, CallError> {
        let until = Instant::now() + self.wait;
        let answer = timeout_at(until, self.client.request(request));
        let answer = answer.await.map_err(|_| CallError::Slow(self.wait))?;
        let answer = answer.map_err(|fault| CallError::Failed(with_causes(&fault)))?;
        Ok(Answer { status: answer.status(), body: answer.into_body(), wait: self.wait, until })
    }
}

impl Answer {
    /// The body, of at most `bytes_max`.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn bytes(self, bytes_max: usize) -> Result<Bytes, CallError> {
        let body = timeout_at(self.until, Limited::new(self.body, bytes_max).collect());
        let body = body.await.map_err(|_| CallError::Slow(self.wait))?;
        Ok(body.map_err(|fault| CallError::Failed(with_causes(&*fault)))?.to_bytes())
    }
}
