//! Whose message it is: where readers of JSON records put tenant, campaign, stream and all that has no column.
//!
//! Way: the readers hand in what a sender said of its own message under names of its choice.
//! Not here: which names a format itself has (the readers).

use crate::model::{Event, Text, domain_of};
use crate::parse::ndjson::value::{FIELD_BYTES_MAX, PAIR_NAME_BYTES_MAX, PAIRS_MAX, bare_message_id, host};
use crate::parse::text::cut;

/// Takes a variable that the sender put on the message: a label of ours by its name, else a pair in `meta`.
pub(in crate::parse) fn take(event: &mut Event, name: &str, text: &str) {
    match name {
        "tenant" | "tenant_id" => fill(&mut event.tenant, text),
        "campaign" | "campaign_id" => fill(&mut event.campaign, text),
        "stream" | "message_stream" => fill(&mut event.stream, text),
        "message_id" => fill(&mut event.message_id, &bare_message_id(text)),
        _ => push(event, name, text),
    }
}

/// Takes a tag that is a word alone. The first one is the campaign, unless something says that better.
pub(in crate::parse) fn tag(event: &mut Event, tag: &str) {
    if tag.is_empty() {
        return;
    }
    fill(&mut event.campaign, tag);
    if event.tags.len() < PAIRS_MAX {
        event.tags.push((cut(tag, PAIR_NAME_BYTES_MAX).into(), Text::default()));
    }
}

/// Keeps a pair in the event's `meta`, cut at its limits: a long value is no reason to lose a delivery.
pub(in crate::parse) fn push(event: &mut Event, name: &str, text: &str) {
    if !text.is_empty() && event.meta.len() < PAIRS_MAX {
        event.meta.push((cut(name, PAIR_NAME_BYTES_MAX).into(), cut(text, FIELD_BYTES_MAX).into()));
    }
}

/// Puts a text where none stands yet.
pub(in crate::parse) fn fill(slot: &mut Text, text: &str) {
    if slot.is_empty() {
        *slot = cut(text, FIELD_BYTES_MAX).into();
    }
}

/// The domain of a `From` field.
pub(in crate::parse) fn from_domain(field: &str) -> Text {
    let address = field.rsplit_once('<').map_or(field, |(_, rest)| rest);
    host(domain_of(address.split_once('>').map_or(address, |(address, _)| address).trim()))
}
