//! Authentication failure reports in words, as Exim writes them: labelled lines, then the header of the message.
//!
//! Source: Exim's specification, chapter "DKIM, SPF, SRS and DMARC", section on forensic reports (`dmarc_forensic_sender`);
//! seen in mail of Exim 4.92. The labels are read in any order, so that its kin is read too.

use crate::model::{Complaint, ComplaintFormat, FeedbackType, Parsed, ReturnedMessage, Text};
use crate::parse::arf::fields::{Draft, date, ip};
use crate::parse::arf::text_of;
use crate::parse::dsn::returned;
use crate::parse::text::{at_colon, cut, whole_lines};
use mail_parser::Message;

/// Longest label that is known, in bytes: `sender ip address`.
const LABEL_BYTES_MAX: usize = 17;

/// Text in which labels are looked for, in bytes: Exim's stand in the first 500.
const LABELS_BYTES_MAX: usize = 8 * 1024;

/// Reads a mail whose first text has the labels.
pub(super) fn read(message: &Message<'_>) -> Option<Parsed<Complaint>> {
    let part = message.text_part(0)?;
    let text = text_of(part);
    let labels = cut(&text, LABELS_BYTES_MAX);
    // Most texts have none of the labels, and this is told fast.
    if !has_alignment(labels.as_bytes()) {
        return None;
    }
    let mut draft = Draft::default();
    let (mut aligned, mut end) = (None::<Vec<Text>>, 0);
    for (begin, line) in lines(labels) {
        let Some((label, value)) = at_colon(line) else { continue };
        let (label, value) = (label.trim(), value.trim());
        if label.len() > LABEL_BYTES_MAX {
            continue;
        }
        let complaint = &mut draft.complaint;
        match label.to_ascii_lowercase().as_str() {
            "sender domain" => complaint.reported_domains = vec![value.to_ascii_lowercase().into()],
            "sender ip address" => complaint.source_ip = ip(&mut draft.warnings, "sender ip address", value),
            "received date" => complaint.arrival = date(&mut draft.warnings, "received date", value),
            alignment @ ("spf alignment" | "dkim alignment") => {
                let aligned = aligned.get_or_insert_default();
                if value.eq_ignore_ascii_case("yes") {
                    aligned.push(alignment.trim_end_matches(" alignment").into());
                }
            }
            "dmarc results" => draft.complaint.failure.kind = Text::const_new("dmarc"),
            _ => continue,
        }
        end = begin + line.len();
    }
    let complaint = &mut draft.complaint;
    if aligned.is_none() || complaint.source_ip.is_none() || complaint.reported_domains.is_empty() {
        return None;
    }
    complaint.failure.aligned = aligned;
    complaint.feedback_type = FeedbackType::AuthFailure;
    complaint.feedback_word = FeedbackType::AuthFailure.name().into();
    let returned = header_behind(&text[end..]);
    Some(draft.finish(ComplaintFormat::Prose, returned, None))
}

/// Whether a colon stands behind the last word of a label that must be there.
fn has_alignment(text: &[u8]) -> bool {
    const WORD: &[u8] = b"alignment";
    memchr::memchr_iter(b':', text).any(|at| {
        let label = text[..at].trim_ascii_end();
        label.len() >= WORD.len() && label[label.len() - WORD.len()..].eq_ignore_ascii_case(WORD)
    })
}

/// Lines with the place where each begins.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    whole_lines(text).scan(0, |at, line| {
        let begin = *at;
        *at += line.len();
        Some((begin, line))
    })
}

/// The header of the message: from the first line that begins with the name of a field.
fn header_behind(text: &str) -> ReturnedMessage {
    let is_field = |line: &str| {
        at_colon(line).is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    };
    let begin = lines(text).find(|(_, line)| is_field(line)).map(|(begin, _)| begin);
    begin.map(|begin| returned::read_text(&text[begin..])).unwrap_or_default()
}
