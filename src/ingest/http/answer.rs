//! What the HTTP doors answer: a receipt, or why there is none.
//!
//! Way: the handlers of this room return these; senders read `accepted`, `errors` and `error.code`.

use crate::ingest::http::body::{BODY_BYTES_MAX, UNPACKED_BYTES_MAX};
use crate::ingest::http::{FILE_BYTES_MAX, SOURCE_NAME_BYTES_MAX};
use crate::model::Text;
use crate::parse::Reject;
use crate::spool::SpoolError;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

/// Most errors in one answer: enough to see the pattern; a whole body of bad lines would be answered with megabytes.
pub(super) const ERRORS_MAX: usize = 100;

/// When to come again, in seconds, while the spool is full: it drains when the database takes inserts again.
const RETRY_FULL_SECONDS: u64 = 5;

/// When to come again, in seconds, while too much is under way: requests end within moments.
const RETRY_BUSY_SECONDS: u64 = 1;

/// What became of the lines of a request. `accepted` ones are synced to disk.
#[derive(Debug, Serialize)]
pub(super) struct Receipt {
    accepted: u64,
    rejected: u64,
    errors: Vec<LineError>,
    /// Errors beyond [`ERRORS_MAX`].
    errors_omitted: u64,
}

/// Why a line was not taken.
#[derive(Debug, Serialize)]
pub(super) struct LineError {
    /// The line of the body, or the element of the array, from 1.
    pub(super) line: u64,
    reason: &'static str,
    message: Text,
}

impl LineError {
    pub(super) fn new(line: u64, reject: Reject) -> Self {
        Self { line, reason: reject.reason.name(), message: reject.message }
    }
}

impl Receipt {
    pub(super) fn new(accepted: u64, rejected: u64, errors: Vec<LineError>) -> Self {
        let errors_omitted = rejected - errors.len() as u64;
        Self { accepted, rejected, errors, errors_omitted }
    }
}

impl IntoResponse for Receipt {
    fn into_response(self) -> Response {
        let refused = self.accepted == 0 && self.rejected > 0;
        let status = if refused { StatusCode::BAD_REQUEST } else { StatusCode::ACCEPTED };
        (status, Json(self)).into_response()
    }
}

/// Why a request was not taken. Nothing of it is acknowledged.
#[derive(Debug, thiserror::Error)]
pub(in crate::ingest) enum Refusal {
    #[error("{}", .0.body_text())]
    Query(#[from] QueryRejection),
    #[error(
        "`source` must be 1 to {SOURCE_NAME_BYTES_MAX} characters of a-z, 0-9, dot, hyphen and underscore"
    )]
    SourceName,
    #[error("`file` must be at most {FILE_BYTES_MAX} bytes: send an id or a path")]
    FileName,
    #[error("this Content-Encoding is not known; allowed: identity, gzip, zstd")]
    Encoding,
    #[error("the body is no sound {0}: send the bytes as the compressor gave them, to the end")]
    Unpack(&'static str),
    #[error("the body is larger than {BODY_BYTES_MAX} bytes: send fewer lines in a request")]
    BodyTooLarge,
    #[error("the unpacked body is larger than {UNPACKED_BYTES_MAX} bytes: send fewer lines in a request")]
    UnpackedTooLarge,
    #[error("the body did not arrive within {} seconds: send fewer lines in a request", .0.as_secs())]
    Slow(Duration),
    #[error("the body broke off")]
    CutOff,
    #[error("too many requests are under way: try again in a moment")]
    Busy,
    #[error(transparent)]
    Spool(SpoolError),
    #[error("reading the request failed: this is a fault of relaylens itself, and its log says more")]
    Broken,
}

impl Refusal {
    const fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Query(_) => (StatusCode::BAD_REQUEST, "bad_query"),
            Self::SourceName => (StatusCode::BAD_REQUEST, "bad_source"),
            Self::FileName => (StatusCode::BAD_REQUEST, "bad_file"),
            Self::Encoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unknown_encoding"),
            Self::Unpack(_) => (StatusCode::BAD_REQUEST, "bad_encoding"),
            Self::BodyTooLarge | Self::UnpackedTooLarge | Self::Spool(SpoolError::TooLarge { .. }) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large")
            }
            Self::Slow(_) => (StatusCode::REQUEST_TIMEOUT, "too_slow"),
            Self::CutOff => (StatusCode::BAD_REQUEST, "cut_off"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Spool(SpoolError::Full { .. }) => (StatusCode::SERVICE_UNAVAILABLE, "spool_full"),
            Self::Spool(SpoolError::TooManySources) => (StatusCode::BAD_REQUEST, "too_many_sources"),
            Self::Spool(_) => (StatusCode::SERVICE_UNAVAILABLE, "spool_failed"),
            Self::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    fn header(&self, status: StatusCode) -> Option<(HeaderName, HeaderValue)> {
        match self {
            // RFC 9110 section 15.5.16
            Self::Encoding => {
                Some((header::ACCEPT_ENCODING, HeaderValue::from_static("identity, gzip, zstd")))
            }
            Self::Busy => Some((header::RETRY_AFTER, RETRY_BUSY_SECONDS.into())),
            _ if status == StatusCode::SERVICE_UNAVAILABLE => {
                Some((header::RETRY_AFTER, RETRY_FULL_SECONDS.into()))
            }
            _ => None,
        }
    }

    /// Logs what the operator must mend. A full spool is told once by whoever watches it, not by each request.
    fn log(&self) {
        if let Self::Spool(fault @ (SpoolError::Io { .. } | SpoolError::Stopped)) = self {
            let cause = std::error::Error::source(fault).map(ToString::to_string).unwrap_or_default();
            tracing::error!(cause, "a request could not be spooled: {fault}");
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.log();
        let (status, code) = self.status_and_code();
        let body = Json(json!({ "error": { "code": code, "message": self.to_string() } }));
        let mut response = (status, body).into_response();
        response.headers_mut().extend(self.header(status));
        response
    }
}
