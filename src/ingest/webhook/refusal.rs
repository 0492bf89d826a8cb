//! Why a webhook was not taken.
//!
//! Way: the checks of this room say it, `answer` sends it to the provider, `counts` keeps it for the operator, who is
//! told which setting to look at.

use crate::ingest::http::answer::Refusal as HttpRefusal;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a webhook was not taken. Nothing of it is acknowledged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("webhooks of {0} are not set up: add `[webhooks.{0}]` to the settings")]
    NotSetUp(&'static str),
    /// No sign of who sent it.
    #[error("{what} is missing: {remedy}")]
    NoCredentials { what: &'static str, remedy: &'static str },
    #[error("user, password or token is wrong: compare those of the webhook with `[webhooks.{0}]`")]
    WrongSecret(&'static str),
    #[error("{what} cannot be read: it is not as {provider} makes it")]
    Malformed { provider: &'static str, what: &'static str },
    #[error("the signature does not match: compare the key of the webhook with `webhooks.{0}.keys`")]
    WrongSignature(&'static str),
    #[error(
        "the message is signed for {age_seconds} seconds ago, the limit is {tolerance_seconds}: if it is genuine, check the \
         clock of this machine or raise `webhooks.{provider}.tolerance_seconds`"
    )]
    Stale { provider: &'static str, age_seconds: i64, tolerance_seconds: u32 },
    #[error("the message is signed for {ahead_seconds} seconds from now: check the clock of this machine")]
    FromTheFuture { ahead_seconds: i64 },
    #[error("this very message was taken before: nothing is lost, and it must not come again")]
    Replayed,
    #[error("topic `{0}` is not allowed: if it is yours, add it to `webhooks.ses.topics`")]
    ForeignTopic(String),
    #[error(
        "`{what}` is `{url}`; allowed: https://sns.REGION.amazonaws.com with {path}, so the message does not come from SNS"
    )]
    ForeignUrl { what: &'static str, url: String, path: &'static str },
    #[error("the signing certificate is not usable: {0}")]
    BadCertificate(String),
    /// Worth another try.
    #[error("the signing certificate could not be got: {0}")]
    NoCertificate(String),
    /// Worth another try.
    #[error("the subscription could not be confirmed: {0}")]
    NotConfirmed(String),
    #[error("the body is {bytes} bytes, the limit is {bytes_max}: make the webhook post smaller batches")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error(transparent)]
    Http(#[from] HttpRefusal),
}

impl Refusal {
    /// The word for it in answers and counts.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::NotSetUp(_) => "not_set_up",
            Self::NoCredentials { .. } => "no_credentials",
            Self::WrongSecret(_) => "wrong_secret",
            Self::Malformed { .. } => "malformed",
            Self::WrongSignature(_) => "wrong_signature",
            Self::Stale { .. } => "stale",
            Self::FromTheFuture { .. } => "from_the_future",
            Self::Replayed => "replayed",
            Self::ForeignTopic(_) => "foreign_topic",
            Self::ForeignUrl { .. } => "foreign_url",
            Self::BadCertificate(_) => "bad_certificate",
            Self::NoCertificate(_) => "no_certificate",
            Self::NotConfirmed(_) => "not_confirmed",
            Self::TooLarge { .. } => "too_large",
            Self::Http(_) => "http",
        }
    }

    /// 401 where the sender says nothing, or the wrong thing, of who he is; 403 where what he says is not believed; 503
    /// where the fault may be ours, so that he tries again.
    const fn status(&self) -> StatusCode {
        match self {
            Self::NoCredentials { .. } | Self::WrongSecret(_) => StatusCode::UNAUTHORIZED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoCertificate(_) | Self::NotConfirmed(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::FORBIDDEN,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Self::Http(refusal) = self {
            return refusal.into_response();
        }
        let body = Json(json!({ "error": { "code": self.code(), "message": self.to_string() } }));
        let mut response = (self.status(), body).into_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Basic realm=\"relaylens\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
