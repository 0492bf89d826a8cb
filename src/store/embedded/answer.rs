//! How an answer travels: headers, pieces, and the mark of a failure after the first rows.
//!
//! Source: header names and the tagged trailer, clickhouse.com/docs/interfaces/http and ClickHouse
//! `src/Server/HTTP/WriteBufferFromHTTPServerResponse.cpp`.

use super::{exception::Exception, ffi::Counts};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE},
};
use rand::{RngExt, distr::Alphabetic};
use std::io;

/// Fails only after a failure was told in its bytes: the answer then ends as a broken one.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Length of the tag that tells a real trailer from rows that look like one (a server's own length).
const EXCEPTION_TAG_LENGTH: usize = 16;

const QUERY_ID: HeaderName = HeaderName::from_static("x-clickhouse-query-id");
const FORMAT: HeaderName = HeaderName::from_static("x-clickhouse-format");
const SUMMARY: HeaderName = HeaderName::from_static("x-clickhouse-summary");
const EXCEPTION_CODE: HeaderName = HeaderName::from_static("x-clickhouse-exception-code");
const EXCEPTION_TAG: HeaderName = HeaderName::from_static("x-clickhouse-exception-tag");

/// What a good answer's head says.
pub(super) struct Head<'a> {
    pub(super) query_id: &'a str,
    pub(super) format: &'a str,
    /// Known only when the statement had ended before its first byte was sent.
    pub(super) counts: Option<Counts>,
}

impl Head<'_> {
    /// The answer, and the tag that a trailer in its body has to carry.
    pub(super) fn answer(&self, body: impl FnOnce(String) -> Body) -> Response<Body> {
        let tag: String =
            rand::rng().sample_iter(Alphabetic).take(EXCEPTION_TAG_LENGTH).map(char::from).collect();
        let mut headers = HeaderMap::new();
        let content_type = if self.format.starts_with("JSON") {
            "application/json; charset=UTF-8"
        } else {
            "text/plain; charset=UTF-8"
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        insert_text(&mut headers, QUERY_ID, self.query_id);
        insert_text(&mut headers, FORMAT, self.format);
        insert_text(&mut headers, EXCEPTION_TAG, &tag);
        if let Some(counts) = &self.counts {
            insert_text(&mut headers, SUMMARY, &summary(counts));
        }
        let mut response = Response::new(body(tag));
        *response.headers_mut() = headers;
        response
    }
}

/// A client's query id may hold what a header cannot: it is left out then.
fn insert_text(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The `X-ClickHouse-Summary` of a server: numbers as texts.
fn summary(counts: &Counts) -> String {
    let elapsed_ns = (counts.elapsed_seconds * 1e9).round();
    format!(
        "{{\"read_rows\":\"{}\",\"read_bytes\":\"{}\",\"written_rows\":\"{}\",\"written_bytes\":\"{}\",\
         \"result_rows\":\"{}\",\"result_bytes\":\"{}\",\"elapsed_ns\":\"{elapsed_ns}\"}}",
        counts.rows_read,
        counts.bytes_read,
        counts.rows_written,
        counts.bytes_written,
        counts.result_rows,
        counts.result_bytes,
    )
}

/// A failure that was known before the first byte.
pub(super) fn refusal(exception: &Exception) -> Response<Body> {
    let mut response = Response::new(whole(format!("{}\n", exception.text)));
    *response.status_mut() = exception.status();
    response.headers_mut().insert(EXCEPTION_CODE, exception.code.into());
    if exception.status() == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"relaylens\""));
    }
    response
}

/// What `/ping` and a bare `/` say.
pub(super) fn pong() -> Response<Body> {
    Response::new(whole("Ok.\n"))
}

/// A body that is there at once.
pub(super) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The header that the engine repeats at the start of every piece of a stream, and a client expects once.
#[derive(Debug)]
pub(super) enum RepeatedHeader {
    /// Each piece follows on the last as it is.
    None,
    /// One line of names.
    Line(Option<Bytes>),
    /// Column count, names and types, each text with its length before it.
    NamesAndTypes(Option<Bytes>),
}

impl RepeatedHeader {
    /// `None` for a format whose pieces do not join into one answer: it has to be answered whole.
    pub(super) fn of(format: &str) -> Option<Self> {
        match format {
            "RowBinary" | "Native" | "JSONEachRow" | "JSONCompactEachRow" | "TabSeparated" | "TSV"
            | "TabSeparatedRaw" | "TSVRaw" | "CSV" => Some(Self::None),
            "CSVWithNames" | "TabSeparatedWithNames" | "TSVWithNames" => Some(Self::Line(None)),
            "RowBinaryWithNamesAndTypes" => Some(Self::NamesAndTypes(None)),
            _ => None,
        }
    }

    /// The piece without its header, unless it is the first.
    pub(super) fn cut(&mut self, piece: Bytes) -> Result<Bytes, Exception> {
        let (header, length) = match self {
            Self::None => return Ok(piece),
            Self::Line(header) => (header, line_length as fn(&[u8]) -> Option<usize>),
            Self::NamesAndTypes(header) => (header, names_and_types_length as fn(&[u8]) -> Option<usize>),
        };
        if let Some(header) = header {
            if piece.starts_with(header) {
                return Ok(piece.slice(header.len()..));
            }
            return Err(Exception::lost("a piece of the answer began with another header than the first"));
        }
        let length = length(&piece).ok_or_else(|| Exception::lost("the answer began with half a header"))?;
        *header = Some(piece.slice(..length));
        Ok(piece)
    }
}

/// A name may hold a line end inside of quotes.
fn line_length(piece: &[u8]) -> Option<usize> {
    let mut quoted = false;
    let end = piece.iter().position(|byte| {
        quoted ^= *byte == b'"';
        *byte == b'\n' && !quoted
    });
    end.map(|end| end + 1)
}

fn names_and_types_length(piece: &[u8]) -> Option<usize> {
    let mut rest = piece;
    let columns = varint(&mut rest)?;
    for _ in 0..columns.checked_mul(2)? {
        let length = varint(&mut rest)?;
        rest = rest.get(length..)?;
    }
    Some(piece.len() - rest.len())
}

/// An unsigned LEB128 number, taken from the front.
fn varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_cut(format: &str, pieces: &[&'static [u8]], expect: &[u8]) {
        let mut header = RepeatedHeader::of(format).unwrap();
        let joined: Vec<u8> =
            pieces.iter().flat_map(|piece| header.cut(Bytes::from_static(piece)).unwrap()).collect();
        assert_eq!(joined, expect, "{format}");
    }

    #[test]
    fn the_header_of_later_pieces_is_cut() {
        check_cut("JSONEachRow", &[b"{}\n", b"{}\n"], b"{}\n{}\n");
        check_cut("TSVWithNames", &[b"n\n1\n", b"n\n2\n"], b"n\n1\n2\n");
        check_cut("CSVWithNames", &[b"\"a\nb\"\n1\n", b"\"a\nb\"\n2\n"], b"\"a\nb\"\n1\n2\n");
        check_cut(
            "RowBinaryWithNamesAndTypes",
            &[b"\x01\x01n\x05UInt8\x07", b"\x01\x01n\x05UInt8\x08"],
            b"\x01\x01n\x05UInt8\x07\x08",
        );
    }

    #[test]
    fn a_piece_with_another_header_is_an_error() {
        let mut header = RepeatedHeader::of("TSVWithNames").unwrap();
        header.cut(Bytes::from_static(b"n\n1\n")).unwrap();
        assert!(header.cut(Bytes::from_static(b"m\n1\n")).is_err());
    }

    #[test]
    fn half_a_header_is_an_error_and_no_panic() {
        let whole = b"\x02\x01n\x01m\x05UInt8\x06UInt16";
        for cut in 0..whole.len() {
            let mut header = RepeatedHeader::of("RowBinaryWithNamesAndTypes").unwrap();
            assert!(header.cut(Bytes::from_static(&whole[..cut])).is_err(), "cut at {cut}");
        }
        let endless = Bytes::from_static(&[0xff; 12]);
        assert!(RepeatedHeader::of("RowBinaryWithNamesAndTypes").unwrap().cut(endless).is_err());
    }

    #[test]
    fn formats_with_a_frame_around_their_rows_are_answered_whole() {
        for format in ["JSON", "JSONCompact", "Parquet", "Arrow", "Pretty", "Values"] {
            assert!(RepeatedHeader::of(format).is_none(), "{format}");
        }
    }
}
