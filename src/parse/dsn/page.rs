//! A mail as a notice is read: its prose without the returned message, its status parts, and the returned message.
//!
//! Way: `dsn` makes one page of a mail; `status`, `prose` and `transcript` read it.
//! Source: RFC 3462 and RFC 6522 (`multipart/report`), RFC 3464, RFC 6533 (`message/global-delivery-status`).
//! Not here: what the prose says (`prose`).

use crate::model::ReturnedMessage;
use crate::parse::dsn::{boundary, returned};
use crate::parse::text::lossy;
use mail_parser::decoders::html::html_to_text;
use mail_parser::{Message, MessagePart, MimeHeaders, PartType};
use std::borrow::Cow;

/// Prose read of a notice, in bytes. The longest that relays write, with a reply for each of hundreds of recipients,
/// stays under it.
const PROSE_BYTES_MAX: usize = 256 * 1024;

/// Status read of a notice, in bytes.
const STATUS_BYTES_MAX: usize = 4 << 20;

/// Parts looked at. A report has three.
const PARTS_MAX: usize = 64;

/// Levels of `multipart` within each other.
const DEPTH_MAX: u8 = 8;

/// HTML turned into text, in bytes: only a notice without plain text needs it.
const HTML_BYTES_MAX: usize = 256 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Page<'m> {
    /// Text of the notice itself, part after part, each ended by a line end.
    pub(super) prose: Cow<'m, str>,
    /// Bodies of delivery-status parts.
    pub(super) status: Vec<Cow<'m, str>>,
    pub(super) returned: ReturnedMessage,
    /// What was cut off the prose: the returned message, or a notice that somebody forwarded as text.
    pub(super) returned_text: Cow<'m, str>,
}

impl<'m> Page<'m> {
    /// `is_headless`: the mail has no head, so that what was taken for one is its text.
    pub(super) fn of(message: &'m Message<'m>, is_headless: bool) -> Self {
        let mut page = Self::default();
        let mut reader = Reader { message, html: None, parts_left: PARTS_MAX, status_left: STATUS_BYTES_MAX };
        reader.part(&mut page, 0, DEPTH_MAX);
        if is_headless && page.status.is_empty() {
            page.prose = Cow::Borrowed("");
            add_text(&mut page, lossy(&message.raw_message));
        }
        if page.status.is_empty()
            && page.prose.trim().is_empty()
            && let Some(html) = reader.html.take()
        {
            let html = html_to_text(&with_cells_apart(&up_to(html.into(), HTML_BYTES_MAX)));
            add_text(&mut page, html.into());
        }
        // A part of its own tells more than a text that was cut.
        if page.returned.is_empty() {
            page.returned = returned::read_text(&page.returned_text);
        }
        page
    }
}

struct Reader<'m> {
    message: &'m Message<'m>,
    html: Option<&'m str>,
    parts_left: usize,
    status_left: usize,
}

impl<'m> Reader<'m> {
    fn part(&mut self, page: &mut Page<'m>, id: u32, depth_left: u8) {
        let Some(part) = self.message.parts.get(id as usize) else { return };
        if depth_left == 0 || self.parts_left == 0 {
            return;
        }
        self.parts_left -= 1;
        match &part.body {
            PartType::Multipart(ids) => ids.iter().for_each(|id| self.part(page, *id, depth_left - 1)),
            PartType::Message(message) => {
                if page.returned.is_empty() {
                    page.returned = returned::read(message);
                }
            }
            PartType::Html(html) => {
                self.html.get_or_insert(html);
            }
            PartType::Text(text) => match kind(part) {
                Kind::Status => self.status(page, text.as_ref().into()),
                Kind::Head if page.returned.is_empty() => page.returned = returned::read_text(text),
                Kind::Head => {}
                Kind::Multipart | Kind::Other => add_text(page, text.as_ref().into()),
            },
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => match kind(part) {
                Kind::Status => self.status(page, lossy(bytes)),
                Kind::Head if page.returned.is_empty() => {
                    page.returned = returned::read_text(&lossy(bytes));
                }
                // Its boundary was lost; the parts stand in the open.
                Kind::Multipart => add_text(page, lossy(bytes)),
                _ => {}
            },
        }
    }

    fn status(&mut self, page: &mut Page<'m>, text: Cow<'m, str>) {
        if text.len() <= self.status_left {
            self.status_left -= text.len();
            page.status.push(text);
        }
    }
}

/// Adds plain text to the prose, or to the returned message what of it belongs there.
fn add_text<'m>(page: &mut Page<'m>, text: Cow<'m, str>) {
    let mut text = up_to(text, PROSE_BYTES_MAX.saturating_sub(page.prose.len()));
    if is_quoted(&text) {
        text = unquoted(&text).into();
    }
    let (notice, rest) = split(text);
    if !rest.trim().is_empty() && page.returned_text.is_empty() {
        page.returned_text = rest;
    }
    if page.prose.is_empty() {
        page.prose = notice;
    } else if !notice.trim().is_empty() {
        let prose = page.prose.to_mut();
        prose.push_str("\n\n");
        prose.push_str(&notice);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Delivery status.
    Status,
    /// The head of the returned message.
    Head,
    Multipart,
    Other,
}

/// Whether a part is a delivery status by its type.
pub(super) fn is_status(part: &MessagePart<'_>) -> bool {
    kind(part) == Kind::Status
}

fn kind(part: &MessagePart<'_>) -> Kind {
    let Some(kind) = part.content_type() else { return Kind::Other };
    if kind.ctype().eq_ignore_ascii_case("multipart") {
        return Kind::Multipart;
    }
    let subtype = kind.subtype().unwrap_or_default();
    let is = |name: &str| subtype.eq_ignore_ascii_case(name);
    if is("delivery-status") || is("global-delivery-status") {
        Kind::Status
    } else if is("rfc822-headers") || is("global-headers") || is("rfc822") || is("global") {
        Kind::Head
    } else {
        Kind::Other
    }
}

/// Whether most lines are quoted, as a mail program does with a mail that a person forwards.
fn is_quoted(text: &str) -> bool {
    if !text.contains("\n>") {
        return false;
    }
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    // The marks of a transcript (`>>> RCPT`) are no quotes.
    let quoted = lines().filter(|line| line.starts_with('>') && !line.starts_with(">>> ")).count();
    2 * quoted > lines().count()
}

fn unquoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let line = line.strip_prefix('>').map_or(line, |line| line.strip_prefix(' ').unwrap_or(line));
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// HTML whose table cells end a line: the text of two cells would grow together.
fn with_cells_apart(html: &str) -> String {
    let mut out = String::with_capacity(html.len() + html.len() / 16);
    let mut copied = 0;
    for at in memchr::memchr_iter(b'<', html.as_bytes()) {
        let is_end = html.get(at..at + 4).is_some_and(|tag| {
            ["</td", "</th", "</li", "</dd", "</dt"].iter().any(|end| tag.eq_ignore_ascii_case(end))
        });
        if is_end {
            out.push_str(&html[copied..at]);
            out.push_str("<br>");
            copied = at;
        }
    }
    out.push_str(&html[copied..]);
    out
}

/// The text, cut to so many bytes.
fn up_to(text: Cow<'_, str>, bytes_max: usize) -> Cow<'_, str> {
    let end = text.floor_char_boundary(bytes_max);
    match text {
        Cow::Borrowed(text) => text[..end].into(),
        Cow::Owned(mut text) => {
            text.truncate(end);
            text.into()
        }
    }
}

/// The notice and the returned message of a text.
fn split(text: Cow<'_, str>) -> (Cow<'_, str>, Cow<'_, str>) {
    match text {
        Cow::Borrowed(text) => {
            let (notice, rest) = boundary::split(text);
            (notice.into(), rest.into())
        }
        Cow::Owned(text) => {
            let (notice, rest) = boundary::split(&text);
            (notice.to_owned().into(), rest.to_owned().into())
        }
    }
}
