//! The engine's exceptions, and the service's own in the same shape: code, text, HTTP status.
//!
//! Way: `ffi` and the jobs return them, `service` turns them into an answer, the client reads the text.
//! Source: codes and names, ClickHouse `src/Common/ErrorCodes.cpp`; their HTTP status,
//! `src/Server/HTTP/exceptionCodeToHTTPStatus.cpp`; the tagged trailer, `src/Server/HTTP/WriteBufferFromHTTPServerResponse.cpp`.
//! Not here: errors of opening the engine (`error`).

use bytes::Bytes;
use hyper::StatusCode;
use std::path::Path;

/// A failed request, as ClickHouse would say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exception {
    pub(super) code: u32,
    /// `Code: 60. DB::Exception: … (UNKNOWN_TABLE)`, without a line end.
    pub(super) text: String,
}

/// The codes that this service gives by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    BadArguments,
    NotImplemented,
    LogicalError,
    SyntaxError,
    UnknownCompressionMethod,
    UnknownSetting,
    Readonly,
    TooManySimultaneousQueries,
    SocketTimeout,
    Aborted,
    CannotDecompress,
    AuthenticationFailed,
}

impl Code {
    fn number_and_name(self) -> (u32, &'static str) {
        match self {
            Self::BadArguments => (36, "BAD_ARGUMENTS"),
            Self::NotImplemented => (48, "NOT_IMPLEMENTED"),
            Self::LogicalError => (49, "LOGICAL_ERROR"),
            Self::SyntaxError => (62, "SYNTAX_ERROR"),
            Self::UnknownCompressionMethod => (89, "UNKNOWN_COMPRESSION_METHOD"),
            Self::UnknownSetting => (115, "UNKNOWN_SETTING"),
            Self::Readonly => (164, "READONLY"),
            Self::TooManySimultaneousQueries => (202, "TOO_MANY_SIMULTANEOUS_QUERIES"),
            Self::SocketTimeout => (209, "SOCKET_TIMEOUT"),
            Self::Aborted => (236, "ABORTED"),
            Self::CannotDecompress => (271, "CANNOT_DECOMPRESS"),
            Self::AuthenticationFailed => (516, "AUTHENTICATION_FAILED"),
        }
    }
}

impl Exception {
    /// One of the service's own.
    pub(super) fn new(code: Code, message: impl std::fmt::Display) -> Self {
        let (code, name) = code.number_and_name();
        Self { code, text: format!("Code: {code}. DB::Exception: {message}. ({name})") }
    }

    /// An answer that never came: told as an error, so that it cannot pass for an empty answer.
    pub(super) fn lost(what: &str) -> Self {
        Self::new(Code::LogicalError, what)
    }

    /// Reads an exception's text. A text without a code gets code 0.
    pub(super) fn parse(text: String) -> Self {
        let code = text
            .strip_prefix("Code: ")
            .and_then(|rest| rest.split('.').next())
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        Self { code, text }
    }
}

/// What a full disk looks like in the engine's texts, besides its own code for it.
const DISK_FULL_TEXTS: [&str; 2] = ["No space left on device", "errno: 28"];
const NOT_ENOUGH_SPACE: u32 = 243;

impl Exception {
    /// Adds what to do where the engine only says what failed: today, when the data folder's disk is full.
    pub(super) fn with_advice(mut self, data_dir: &Path) -> Self {
        if self.code == NOT_ENOUGH_SPACE || DISK_FULL_TEXTS.iter().any(|text| self.text.contains(text)) {
            let advice = format!(
                " The disk of data folder {} is full: free space there, shorten the retention settings, or move the \
                 folder to a larger disk",
                data_dir.display()
            );
            self.text.push_str(&advice);
        }
        self
    }

    /// The status that a server answers with.
    pub(super) fn status(&self) -> StatusCode {
        match self.code {
            516 => StatusCode::UNAUTHORIZED,
            164 | 497 => StatusCode::FORBIDDEN,
            46 | 47 | 50 | 60 | 73 | 81 | 115 => StatusCode::NOT_FOUND,
            26 | 27 | 36 | 38 | 41 | 42 | 43 | 53 | 62 | 72 | 117 | 130 | 456 | 457 => {
                StatusCode::BAD_REQUEST
            }
            48 => StatusCode::NOT_IMPLEMENTED,
            202 | 236 => StatusCode::SERVICE_UNAVAILABLE,
            209 => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The last bytes of an answer that fails after its first rows were sent, so that it cannot pass for a whole one.
    /// `tag` is the one that the answer's `X-ClickHouse-Exception-Tag` header gives. Sent as one piece.
    pub(super) fn trailer(&self, tag: &str) -> Bytes {
        let (text, length) = (&self.text, self.text.len() + 1);
        Bytes::from(format!("\r\n__exception__\r\n{tag}\r\n{text}\n{length} {tag}\r\n__exception__\r\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_read_from_the_text() {
        assert_eq!(Exception::parse("Code: 60. DB::Exception: gone. (UNKNOWN_TABLE)".into()).code, 60);
        assert_eq!(Exception::parse("something else".into()).code, 0);
    }

    #[test]
    fn a_full_disk_says_what_to_do_and_where() {
        for text in [
            "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)",
            "Code: 75. DB::ErrnoException: Cannot write to file: , errno: 28, strerror: No space left on device",
        ] {
            let told = Exception::parse(text.into()).with_advice(Path::new("/var/lib/relaylens")).text;
            assert!(
                told.starts_with(text) && told.contains("/var/lib/relaylens is full: free space"),
                "{told}"
            );
        }
    }

    #[test]
    fn other_failures_keep_their_text() {
        let text = "Code: 60. DB::Exception: gone. (UNKNOWN_TABLE)";
        assert_eq!(Exception::parse(text.into()).with_advice(Path::new("/d")).text, text);
    }
}
