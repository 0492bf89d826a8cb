//! Events with the fields that every line gives.
//!
//! Way: a reader decides what happened and to whom, this module fills in when, where and of which message.

use crate::model::{Event, EventId, EventType, Text, domain_of};
use crate::parse::Item;
use crate::parse::relay::header::Header;
use crate::parse::relay::in_flight::Message;

/// Longest message id kept, in bytes: a header line has up to 998 (RFC 5322 section 2.1.1).
pub(crate) const MESSAGE_ID_BYTES_MAX: usize = 998;

/// Longest login name kept, in bytes.
pub(crate) const SASL_USERNAME_BYTES_MAX: usize = 256;

/// A time this far ahead is none: a clock is wrong, or a text only looks like a long queue id.
pub(crate) const CLOCK_AHEAD_MAX_MICROS: i64 = 86_400 * 1_000_000;

/// The line that the events come from.
#[derive(Debug)]
pub(crate) struct Teller<'a> {
    pub(crate) item: &'a Item<'a>,
    pub(crate) header: Header<'a>,
    /// What names a journal entry; empty for a line of a file, which its offset names.
    pub(crate) cursor: &'a str,
}

impl Teller<'_> {
    /// Appends an event about a recipient of a message, to be filled further.
    pub(crate) fn tell<'events>(
        &self,
        events: &'events mut Vec<Event>,
        event_type: EventType,
        queue_id: &str,
        recipient: Text,
        message: Option<&Message>,
    ) -> &'events mut Event {
        // a record of a kilobyte is built where it stays
        let event = events.push_mut(Event::default());
        event.event_id = self.event_id(event_type, queue_id, &recipient);
        event.event_type = event_type;
        event.event_time = self.header.time;
        event.received_time = self.item.received;
        event.source_kind = self.item.source.kind;
        event.source.clone_from(&self.item.source.name);
        event.relay = self.header.host.into();
        event.queue_id = queue_id.into();
        event.recipient_domain = domain_of(&recipient).into();
        event.recipient = recipient;
        if let Some(message) = message {
            event.injected_time = message.injected;
            event.message_id.clone_from(&message.message_id);
            event.env_from.clone_from(&message.sender);
            event.env_from_domain = Text::from(domain_of(&message.sender)).to_ascii_lowercase();
            event.size_bytes = message.size_bytes;
            event.is_notification = message.is_notification;
            event.ref_queue_id.clone_from(&message.about);
            add_login(event, message.sasl_username.clone());
        }
        event
    }

    /// Lines of one second may be equal, so the id holds the line's place too.
    fn event_id(&self, event_type: EventType, queue_id: &str, recipient: &str) -> EventId {
        let (mut time, mut offset) = (Digits::default(), Digits::default());
        EventId::of([
            self.header.host.as_bytes(),
            queue_id.as_bytes(),
            event_type.name().as_bytes(),
            recipient.as_bytes(),
            time.write(self.header.time.0.cast_unsigned()),
            if self.cursor.is_empty() { offset.write(self.item.offset) } else { self.cursor.as_bytes() },
        ])
    }
}

/// Notes who logged in to send: many installations have one login for each stream.
pub(crate) fn add_login(event: &mut Event, sasl_username: Text) {
    if !sasl_username.is_empty() {
        event.meta.push((Text::const_new("sasl_username"), sasl_username));
    }
}

/// Whether a text of the relay itself tells of a suppression list.
pub(crate) fn tells_suppression(text: &str) -> bool {
    const WORD: &[u8] = b"suppressed";
    text.as_bytes().windows(WORD.len()).any(|window| window.eq_ignore_ascii_case(WORD))
}

/// Returns the beginning of the text that fits.
pub(crate) fn clip(text: &str, bytes_max: usize) -> Text {
    Text::from(&text[..text.floor_char_boundary(bytes_max)])
}

/// Room for the digits of a 64-bit number.
#[derive(Default)]
struct Digits([u8; 20]);

impl Digits {
    fn write(&mut self, mut number: u64) -> &[u8] {
        let mut start = self.0.len();
        loop {
            start -= 1;
            self.0[start] = b"0123456789"[(number % 10) as usize];
            number /= 10;
            if number == 0 {
                return &self.0[start..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Digits;

    #[test]
    fn numbers_are_written_as_the_standard_library_does() {
        for number in [0, 9, 10, 1_795_216_991_273_114, u64::MAX] {
            assert_eq!(Digits::default().write(number), number.to_string().as_bytes());
        }
    }
}
