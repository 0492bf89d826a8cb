//! Sends what `post` has made.

use crate::alert::notify::NotifyError;
use crate::alert::notify::post::Post;
use crate::call::{Line, USER_AGENT};
use http_body_util::Full;
use hyper::Request;
use std::time::Duration;

/// How long an answer may take; a channel's other messages wait meanwhile.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Of an answer that says no, so many bytes are read: its first words are shown.
const ANSWER_BYTES_MAX: usize = 8 * 1024;
const ANSWER_CHARS_SHOWN: usize = 200;

/// A client for all channels over HTTP.
#[derive(Clone)]
pub struct Poster(Line);

impl Poster {
    /// With the roots and versions of `tls`.
    pub fn new(tls: rustls::ClientConfig) -> Self {
        Self(Line::new(tls, ANSWER_TIMEOUT))
    }

    /// Sends and waits for a 2xx.
    pub(super) async fn send(&self, post: Post) -> Result<(), NotifyError> {
        // A URL may be a secret: it is in no message.
        let mut request = Request::post(&post.url)
            .header("content-type", "application/json")
            .header("user-agent", USER_AGENT);
        for (name, value) in post.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(post.body)).map_err(|_| {
            NotifyError::Settings("its URL or key has characters that no request can hold".to_owned())
        })?;
        let answer = self.0.call(request).await;
        let answer = answer.map_err(|fault| NotifyError::Unreachable(fault.to_string()))?;
        let status = answer.status;
        if status.is_success() {
            return Ok(());
        }
        let body = answer.bytes(ANSWER_BYTES_MAX).await.unwrap_or_default();
        let said = String::from_utf8_lossy(&body);
        let said = said.chars().filter(|c| !c.is_control()).take(ANSWER_CHARS_SHOWN).collect();
        Err(NotifyError::Refused { status: status.as_u16(), said })
    }
}
