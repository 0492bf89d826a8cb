//! What is kept of a mail or report as it came, for the page that shows it beside what was read from it.
//!
//! Way: `feedback` and `reports` make the entry, [`Draft`](crate::pipeline::draft::Draft) takes it into the batch and
//! counts its bytes.

use crate::model::{EventId, MailHead, domain_of};
use crate::parse::Item;
use crate::store::MailEntry;

/// Of a mail about single messages, in bytes: a bounce with a whole newsletter in it has less.
pub(super) const FEEDBACK_BYTES_MAX: usize = 1 << 20;

/// Of a mail with reports or a bare report, in bytes: honest packed ones are far below.
pub(super) const REPORT_BYTES_MAX: usize = 16 << 20;

/// Longest subject that is kept, in bytes; a line has 998 octets (RFC 5322 section 2.1.1).
const SUBJECT_BYTES_MAX: usize = 998;

/// The item as it came, up to a limit; a bare report has an empty head.
pub(super) fn kept(item: &Item<'_>, kind: &'static str, head: &MailHead, bytes_max: usize) -> MailEntry {
    MailEntry {
        mail_id: EventId::of([b"mail".as_slice(), item.bytes]).0,
        received: item.received,
        source: item.source.clone(),
        kind,
        message_id: head.message_id.clone(),
        from_domain: domain_of(&head.from).into(),
        subject: head.subject[..head.subject.floor_char_boundary(SUBJECT_BYTES_MAX)].into(),
        size_bytes: item.bytes.len() as u64,
        bytes: item.bytes[..item.bytes.len().min(bytes_max)].to_vec(),
    }
}
