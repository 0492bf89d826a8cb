//! Sends what `post` has made.

use crate::alert::notify::NotifyError;
use crate::alert::notify::post::Post;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

/// How long an answer may take; a channel's other messages wait meanwhile.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Of an answer that says no, so many bytes are read: its first words are shown.
const ANSWER_BYTES_MAX: usize = 8 * 1024;
const ANSWER_CHARS_SHOWN: usize = 200;

/// A client for all channels over HTTP.
#[derive(Clone)]
pub struct Poster(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Poster {
    /// With the roots and versions of `tls`.
    pub fn new(tls: rustls::ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(ANSWER_TIMEOUT));
        Self(Client::builder(TokioExecutor::new()).build(HttpsConnector::from((tcp, tls))))
    }

    /// Sends and waits for a 2xx. Redirections are no answer: a secret must not go to another host.
    pub(super) async fn send(&self, post: Post) -> Result<(), NotifyError> {
        // A URL may be a secret: it is in no message.
        let mut request = Request::post(&post.url)
            .header("content-type", "application/json")
            .header("user-agent", concat!("relaylens/", env!("CARGO_PKG_VERSION")));
        for (name, value) in post.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(post.body)).map_err(|_| {
            NotifyError::Settings("its URL or key has characters that no request can hold".to_owned())
        })?;
        let exchange = async {
            let answer =
                self.0.request(request).await.map_err(|fault| NotifyError::Unreachable(causes(&fault)))?;
            let status = answer.status();
            if status.is_success() {
                return Ok(());
            }
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            let said =
                body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
            let said = said.chars().filter(|c| !c.is_control()).take(ANSWER_CHARS_SHOWN).collect();
            Err(NotifyError::Refused { status: status.as_u16(), said })
        };
        let slow = |_| NotifyError::Unreachable(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()));
        tokio::time::timeout(ANSWER_TIMEOUT, exchange).await.map_err(slow)?
    }
}

/// A fault with its causes, as the first one says little.
pub(super) fn causes(fault: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(fault), |fault| fault.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
