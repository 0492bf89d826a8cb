//! Notices that a message failed, is delayed, or arrived: RFC 3464, and everything else that servers write.
//!
//! Way: `parse::mail` asks [`read`] for every mail that is no report. General mechanisms come first:
//! * [`page`]: the notice's own text and status, apart from the message that it brings back ([`boundary`], [`returned`]);
//! * [`status`]: the fields of a delivery-status part, or of a text that repeats them;
//! * [`prose`]: where failed recipients stand in a text, and what is said of each ([`phrases`], [`transcript`]);
//! * [`reply`]: code, status and step in what is said.
//!
//! Then formats: [`ses`] (JSON), and [`rooms`], which tells the writers of prose apart.
//! Source: RFC 3464, RFC 6522, RFC 6533; beside each format.
//! Not here: complaints (`arf`); why it failed (`classify`).

pub(in crate::parse) mod address;
mod boundary;
pub(in crate::parse) mod fields;
mod lines;
mod page;
pub(in crate::parse) mod phrases;
mod prose;
mod recipients;
mod reply;
pub(in crate::parse) mod returned;
mod rooms;
mod ses;
mod status;
mod step;
mod transcript;

use crate::model::{Notice, QUEUE_IDS_MAX, RejectReason, ReturnedMessage, Text};
use crate::parse::Reject;
use crate::parse::mail::{reader, signs::Signs};
use crate::parse::text::whole_lines;
use mail_parser::{Message, PartType};
use page::Page;
use phrases::Marks;

/// Mails within mails that are opened to find a notice that a person forwarded.
const FORWARD_DEPTH_MAX: u8 = 3;

/// Mails within one mail that are opened.
const FORWARDS_MAX: usize = 8;

/// Reads the notice that a mail is; `None` when it is none. `signs` are what the mail's head says.
///
/// # Errors
///
/// When the mail is a delivery report by its own word, and names no recipient anywhere.
pub(in crate::parse) fn read(message: &Message<'_>, signs: &Signs) -> Option<Result<Notice, Reject>> {
    read_within(message, signs, FORWARD_DEPTH_MAX)
}

fn read_within(message: &Message<'_>, signs: &Signs, depth_left: u8) -> Option<Result<Notice, Reject>> {
    if signs.is_challenge || signs.is_receipt || signs.is_unsubscribe || signs.is_digest {
        return None;
    }
    if !signs.any() && !speaks_of_status(message) {
        return forwarded(message, depth_left);
    }
    let page = Page::of(message, signs.is_headless);
    if let Some(notice) = ses::read(&page.prose) {
        return Some(Ok(notice));
    }
    let mut notice = Notice { format: "rfc3464", ..Notice::default() };
    page.status.iter().for_each(|text| status::read(text, &mut notice));
    let mut text: &str = &page.prose;
    if notice.recipients.is_empty() && has_status_fields(text) {
        status::read(text, &mut notice);
        text = before_fields(text);
    }
    if recipients::is_told(&notice.recipients) {
        let flat = lines::flatten(text);
        // A server does not ask its sender to prove that he is a person; a filter does, in the form of a report.
        if !signs.is_daemon && phrases::marks(&flat).has(Marks::PROOF) {
            return None;
        }
        recipients::complete_step(&mut notice.recipients, &flat);
        return Some(Ok(finished(notice, page.returned)));
    }
    let strangers = [signs.to.clone(), signs.from.clone()];
    let whole;
    let mut prose = prose::read(text, &strangers);
    if prose.weight.is_none() && notice.recipients.is_empty() && !boundary::has_head(&page.returned_text) {
        // What looked like the mark of a returned message was none: no message follows it.
        whole = [text, "\n", &page.returned_text].concat();
        prose = prose::read(&whole, &strangers);
    }
    if prose.marks.has(Marks::PROOF) {
        return None;
    }
    if notice.recipients.is_empty() {
        notice.format = rooms::name(&page.prose);
        notice.recipients = recipients::named(&prose, signs);
    } else {
        recipients::complete(&mut notice.recipients, &prose);
    }
    if notice.recipients.is_empty() {
        if let Some(inner) =
            forwarded(message, depth_left).or_else(|| forwarded_text(&page.returned_text, depth_left))
        {
            return Some(inner);
        }
        notice.recipients = recipients::unnamed(&prose, signs, &page.returned);
    }
    if !notice.recipients.is_empty() {
        return Some(Ok(finished(notice, page.returned)));
    }
    let is_report = signs.is_delivery_report && !page.status.is_empty();
    is_report
        .then(|| Err(Reject::new(RejectReason::MissingField, "a delivery report that names no recipient")))
}

/// Adds what the returned message says, and drops what says nothing.
fn finished(mut notice: Notice, returned: ReturnedMessage) -> Notice {
    add_returned(&mut notice.returned, returned);
    // Many repeat the address as the original one.
    for one in notice.recipients.iter_mut().filter(|one| one.original_recipient == one.final_recipient) {
        one.original_recipient = Text::default();
    }
    notice
}

/// Looks for a notice among the mails within a mail.
fn forwarded(message: &Message<'_>, depth_left: u8) -> Option<Result<Notice, Reject>> {
    let depth_left = depth_left.checked_sub(1)?;
    let within = message.parts.iter().filter_map(|part| match &part.body {
        PartType::Message(message) => Some(message),
        _ => None,
    });
    within
        .take(FORWARDS_MAX)
        .find_map(|message| read_within(message, &Signs::of(message), depth_left))
        .filter(Result::is_ok)
}

/// Looks for a notice that was forwarded as text: what was cut off the text is a mail itself.
fn forwarded_text(text: &str, depth_left: u8) -> Option<Result<Notice, Reject>> {
    let depth_left = depth_left.checked_sub(1)?;
    let message = reader::MAIL.parse(text.trim_start().as_bytes())?;
    let signs = Signs::of(&message);
    // The head must speak for itself: any text has something like a head.
    if signs.count() < 2 || signs.is_headless {
        return None;
    }
    read_within(&message, &signs, depth_left).filter(Result::is_ok)
}

/// Whether a mail whose head says nothing may hold delivery status all the same.
fn speaks_of_status(message: &Message<'_>) -> bool {
    message.parts.iter().any(|part| match &part.body {
        PartType::Text(text) => has_status_fields(text) || ses::is_notification(text),
        PartType::Binary(_) | PartType::InlineBinary(_) => page::is_status(part),
        _ => false,
    })
}

/// Whether a text repeats the fields of a delivery status.
fn has_status_fields(text: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), b"inal-Recipient").is_some()
        || memchr::memmem::find(text.as_bytes(), b"inal-recipient").is_some()
}

/// The text above the fields that it repeats.
fn before_fields(text: &str) -> &str {
    const FIRST: [&str; 4] = ["reporting-mta:", "final-recipient:", "original-recipient:", "action:"];
    let mut begin = 0;
    for line in whole_lines(text) {
        let starts =
            |name: &&str| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        if FIRST.iter().any(starts) {
            return &text[..begin];
        }
        begin += line.len();
    }
    text
}

/// Adds what the returned message says to what the status said of it.
fn add_returned(found: &mut ReturnedMessage, returned: ReturnedMessage) {
    let by_status = std::mem::replace(found, returned);
    if found.return_path.is_empty() {
        found.return_path = by_status.return_path;
    }
    for id in by_status.queue_ids {
        if !found.queue_ids.contains(&id) {
            found.queue_ids.insert(0, id);
        }
    }
    found.queue_ids.truncate(QUEUE_IDS_MAX);
}
