//! Reads what is asked: URL arguments, form fields and body become one [`Call`].
//!
//! Way: `service` hands a request in, `query` or `insert` gets the call.
//! Source: clickhouse.com/docs/interfaces/http; what the official client 0.15.3 sends was read in its `src/query.rs`
//! (parameters travel as a multipart form) and `src/insert_formatted.rs` (the `INSERT` in the URL, rows in the body).
//! Not here: whether the statement is allowed (`query`), the rows of an insert (`insert`).

use super::{
    exception::{Code, Exception},
    statement::Shape,
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    Request,
    body::Incoming,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap},
};
use std::time::Duration;

/// Longest statement, in bytes. A server's parser stops at 256 KiB (`max_query_size`); with inline rows there may be more.
pub(super) const SQL_BYTES_MAX: usize = 1024 * 1024;
/// Longest form of a statement and its parameters, in bytes: room for lists of some ten thousand addresses.
pub(super) const FORM_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long a statement's text may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

const FORM_TYPE: &str = "multipart/form-data";
/// A server's default for statements that name no format.
const DEFAULT_FORMAT: &str = "TabSeparated";
/// Prefix of the arguments that fill `{name:Type}` placeholders.
const PARAM_PREFIX: &str = "param_";

/// Arguments of the HTTP interface that are no settings. Sessions, roles and users mean nothing here; `log_comment`
/// is ours, see [`super::query`].
const NO_SETTINGS: [&str; 19] = [
    "buffer_size",
    "client_protocol_version",
    "close_session",
    "compress",
    "database",
    "decompress",
    "default_format",
    "log_comment",
    "password",
    "query",
    "query_id",
    "quota_key",
    "role",
    "session_check",
    "session_id",
    "session_timeout",
    "stacktrace",
    "user",
    "wait_end_of_query",
];

/// One request, read.
#[derive(Debug)]
pub(super) struct Call {
    /// The statement; of an `INSERT … FORMAT x`, the whole text up to its rows.
    pub(super) sql: String,
    pub(super) format: String,
    pub(super) settings: Vec<(String, String)>,
    /// Values of `{name:Type}` placeholders.
    pub(super) params: Vec<(String, String)>,
    /// None for `default`.
    pub(super) database: Option<String>,
    /// As the client named it; may be empty.
    pub(super) query_id: String,
    /// Send nothing before the statement has ended.
    pub(super) wait_end_of_query: bool,
    /// Set for `INSERT … FORMAT x`.
    pub(super) rows: Option<Rows>,
}

impl Call {
    /// Gives the statement a name that no other has, and returns it: the engine cannot be told a query id, so it
    /// travels in `log_comment`, which `system.processes` shows and `KILL` finds. The client's own id stands behind a
    /// number, since two requests may bear the same.
    pub(super) fn mark(&mut self, serial: u64) -> String {
        let query_id = match self.query_id.as_str() {
            "" => format!("embedded-{serial}"),
            named => format!("embedded-{serial} {named}"),
        };
        self.settings.push(("log_comment".to_owned(), query_id.clone()));
        query_id
    }
}

/// The rows of an insert.
#[derive(Debug)]
pub(super) struct Rows {
    /// `sql` without its `FORMAT` clause ends here.
    pub(super) head_end: usize,
    /// Rows that stood behind the statement in its own text.
    pub(super) inline: Bytes,
    /// The request's body, when the statement came another way.
    pub(super) body: Option<Incoming>,
    /// The body is in ClickHouse's block compression.
    pub(super) compressed: bool,
}

/// URL arguments, then form fields.
#[derive(Debug)]
struct Arguments(Vec<(String, String)>);

impl Arguments {
    /// Of an argument given twice the last counts.
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rfind(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn is_set(&self, name: &str) -> bool {
        self.get(name) == Some("1")
    }

    fn settings(&self) -> Vec<(String, String)> {
        let is_setting = |name: &str| !NO_SETTINGS.contains(&name) && !name.starts_with(PARAM_PREFIX);
        self.0.iter().filter(|(name, _)| is_setting(name)).cloned().collect()
    }

    fn params(&self) -> Vec<(String, String)> {
        let param = |(name, value): &(String, String)| {
            Some((name.strip_prefix(PARAM_PREFIX)?.to_owned(), value.clone()))
        };
        self.0.iter().filter_map(param).collect()
    }
}

/// The value of a URL argument.
pub(super) fn url_argument(query: Option<&str>, name: &str) -> Option<String> {
    url_arguments(query).rev().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn url_arguments(query: Option<&str>) -> impl DoubleEndedIterator<Item = (String, String)> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect::<Vec<_>>().into_iter()
}

/// Reads a request up to the rows of an insert, which stay in its body.
///
/// # Errors
///
/// For a body that is too long, too slow, not UTF-8 or encoded, and for a statement given twice.
pub(super) async fn read(request: Request<Incoming>) -> Result<Call, Exception> {
    let (head, body) = request.into_parts();
    refuse_encoding(&head.headers)?;
    let mut arguments = Arguments(url_arguments(head.uri.query()).collect());
    let mut body = Some(body);
    if let Some(boundary) = form_boundary(&head.headers)
        && let Some(form) = body.take()
    {
        arguments.0.extend(form_fields(&collect(form, FORM_BYTES_MAX).await?, &boundary)?);
    }
    let text = match (arguments.get("query"), body.take()) {
        (Some(query), rest) => {
            body = rest;
            query.to_owned()
        }
        (None, Some(text)) => collect(text, SQL_BYTES_MAX).await?,
        (None, None) => String::new(),
    };
    let shape = Shape::of(&text);
    let format = shape.format.or(arguments.get("default_format")).unwrap_or(DEFAULT_FORMAT).to_owned();
    let (sql, rows) = if let Some(insert) = shape.insert {
        let inline = Bytes::copy_from_slice(&text.as_bytes()[insert.rows_start..]);
        let compressed = arguments.is_set("decompress");
        let sql = text[..insert.rows_start].trim_end().to_owned();
        (sql, Some(Rows { head_end: insert.head_end, inline, body, compressed }))
    } else {
        refuse_body(body).await?;
        (text, None)
    };
    if sql.trim().is_empty() {
        return Err(Exception::new(Code::SyntaxError, "the request holds no statement: send it as the body"));
    }
    Ok(Call {
        sql,
        format,
        settings: arguments.settings(),
        params: arguments.params(),
        database: arguments.get("database").filter(|name| *name != "default").map(str::to_owned),
        query_id: arguments.get("query_id").unwrap_or_default().to_owned(),
        wait_end_of_query: arguments.is_set("wait_end_of_query"),
        rows,
    })
}

fn refuse_encoding(headers: &HeaderMap) -> Result<(), Exception> {
    match headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?")) {
        None | Some("identity" | "") => Ok(()),
        Some(encoding) => {
            let message = format_args!("Content-Encoding '{encoding}' is not read here: send the body plain");
            Err(Exception::new(Code::NotImplemented, message))
        }
    }
}

/// A statement in the URL leaves the body to the rows of an insert; anything else in it would be lost unseen.
async fn refuse_body(body: Option<Incoming>) -> Result<(), Exception> {
    let Some(body) = body else { return Ok(()) };
    if collect(body, SQL_BYTES_MAX).await?.is_empty() {
        return Ok(());
    }
    let message =
        "the statement stands in the URL and is no INSERT … FORMAT, so that the body has no meaning";
    Err(Exception::new(Code::BadArguments, message))
}

/// A body of text, whole.
async fn collect(body: Incoming, bytes_max: usize) -> Result<String, Exception> {
    let collected = tokio::time::timeout(BODY_TIME_MAX, Limited::new(body, bytes_max).collect()).await;
    let collected = collected.map_err(|_elapsed| {
        Exception::new(
            Code::SocketTimeout,
            format_args!("the body took longer than {} s", BODY_TIME_MAX.as_secs()),
        )
    })?;
    let bytes = collected.map_err(|error| match error.downcast::<LengthLimitError>() {
        Ok(_) => too_long(bytes_max),
        Err(error) => Exception::new(Code::SocketTimeout, format_args!("the body ended early: {error}")),
    })?;
    String::from_utf8(bytes.to_bytes().into()).map_err(|error| {
        let message = format_args!(
            "the statement is not UTF-8 at byte {}; binary rows go into the body, with the INSERT in the `query` argument",
            error.utf8_error().valid_up_to()
        );
        Exception::new(Code::BadArguments, message)
    })
}

fn too_long(bytes_max: usize) -> Exception {
    let message = format_args!(
        "the statement is longer than {bytes_max} bytes; rows of an insert go into the body, with the INSERT in the \
         `query` argument"
    );
    Exception::new(Code::SyntaxError, message)
}

/// The boundary of a multipart form (RFC 2046 section 5.1.1), which may be quoted.
fn form_boundary(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let mut parts = value.split(';').map(str::trim);
    parts.next().filter(|kind| kind.eq_ignore_ascii_case(FORM_TYPE))?;
    let boundary = parts.find_map(|part| part.strip_prefix("boundary="))?;
    Some(boundary.trim_matches('"').to_owned())
}

/// Names and values of a form's fields.
fn form_fields(form: &str, boundary: &str) -> Result<Vec<(String, String)>, Exception> {
    let broken = |what: &str| Exception::new(Code::BadArguments, format_args!("the form is broken: {what}"));
    let delimiter = format!("--{boundary}");
    let (fields, _epilogue) =
        form.rsplit_once(&format!("{delimiter}--")).ok_or_else(|| broken("it has no closing boundary"))?;
    let field = |part: &str| {
        let (head, value) = part.split_once("\r\n\r\n").ok_or_else(|| broken("a field has no head"))?;
        let name = head.split_once(" name=\"").and_then(|(_, rest)| rest.split('"').next());
        let name = name.ok_or_else(|| broken("a field has no name"))?;
        let value = value.strip_suffix("\r\n").ok_or_else(|| broken("a field is cut off"))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    // What stands before the first boundary is a preamble, without meaning.
    fields.split(delimiter.as_str()).skip(1).map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: &str) -> String {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    #[test]
    fn a_form_gives_its_fields_with_line_ends_kept() {
        let form =
            format!("{}{}--B--\r\n", field("query", "SELECT {a:String}"), field("param_a", "x\r\n\r\ny"));
        let fields = form_fields(&form, "B").unwrap();
        let expect = [("query", "SELECT {a:String}"), ("param_a", "x\r\n\r\ny")];
        assert_eq!(fields, expect.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_cut_form_is_an_error_at_every_byte() {
        let form = format!("{}{}--B--", field("query", "SELECT {a:String}"), field("param_a", "x"));
        for cut in 0..form.len() {
            let error = form_fields(&form[..cut], "B").unwrap_err();
            assert_eq!(error.code, 36, "cut at {cut}");
        }
    }

    #[test]
    fn the_boundary_may_be_quoted_and_is_asked_of_forms_only() {
        let boundary = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            form_boundary(&headers)
        };
        assert_eq!(boundary("multipart/form-data; boundary=x-1"), Some("x-1".to_owned()));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; boundary=\"x 1\""), Some("x 1".to_owned()));
        assert_eq!(boundary("text/plain; boundary=x"), None);
    }

    #[test]
    fn settings_are_what_the_interface_does_not_use_itself() {
        let query = "query=SELECT+1&param_a=1&max_threads=2&database=d&log_comment=x&max_threads=3";
        let arguments = Arguments(url_arguments(Some(query)).collect());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(arguments.settings(), [pair("max_threads", "2"), pair("max_threads", "3")]);
        assert_eq!(arguments.params(), [pair("a", "1")]);
        assert_eq!(arguments.get("max_threads"), Some("3"));
    }
}
