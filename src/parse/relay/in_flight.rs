//! The messages in flight: what earlier lines said of each, until it leaves the queue.
//!
//! Way: a reader finds a message by relay host and queue id, reads and changes it, and stores all of them across a
//! restart.
//!
//! A message is forgotten when it leaves the queue, when it is too old, or when there are too many and it is
//! the oldest. Lines about a forgotten message still give events, with less in them.

use crate::model::{EnhancedCode, Event, SmtpReply, SmtpStage, Text, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// How long a notice that left the queue is remembered: Postfix 3.7 wrote the line that tells what a notice
/// is about up to a second after the notice was delivered.
const LINK_WAIT_MICROS: i64 = 60 * 1_000_000;

/// Entries of the order that may be stale before it is swept, beyond one for each message.
const STALE_SLACK: usize = 1024;

/// How much is remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Messages, and recipients waiting for another attempt, together.
    pub(crate) in_flight_max: usize,
    /// Recipients of one message waiting for another attempt.
    pub(crate) waiting_max: usize,
    pub(crate) age_max_micros: i64,
}

/// What is known of one message.
#[expect(clippy::struct_excessive_bools, reason = "four facts that come in any order")]
#[expect(clippy::struct_field_names, reason = "`message_id` is the field's name in mail")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// Counts messages; the smallest is the oldest.
    #[serde(rename = "n")]
    serial: u64,
    #[serde(rename = "t")]
    first_seen: Timestamp,
    /// When it left the queue, for one that is kept for its link alone.
    #[serde(rename = "e", default, skip_serializing_if = "is_default")]
    ended: Option<Timestamp>,
    /// Its first line or its first round of attempts was seen, so attempts can be counted.
    #[serde(rename = "b", default, skip_serializing_if = "is_default")]
    pub(crate) has_begin: bool,
    /// It came in over SMTP or through `sendmail`, so no relay's own notice.
    #[serde(rename = "o", default, skip_serializing_if = "is_default")]
    pub(crate) from_outside: bool,
    /// The queue manager took it up, and that was told.
    #[serde(rename = "a", default, skip_serializing_if = "is_default")]
    pub(crate) is_active: bool,
    #[serde(rename = "x", default, skip_serializing_if = "is_default")]
    pub(crate) is_notification: bool,
    /// Queue id of the message that this notice is about.
    #[serde(rename = "r", default, skip_serializing_if = "is_default")]
    pub(crate) about: Text,
    #[serde(rename = "i", default, skip_serializing_if = "is_default")]
    pub(crate) injected: Option<Timestamp>,
    #[serde(rename = "m", default, skip_serializing_if = "is_default")]
    pub(crate) message_id: Text,
    #[serde(rename = "f", default, skip_serializing_if = "is_default")]
    pub(crate) sender: Text,
    #[serde(rename = "s", default, skip_serializing_if = "is_default")]
    pub(crate) size_bytes: u32,
    #[serde(rename = "c", default, skip_serializing_if = "is_default")]
    pub(crate) client_ip: Option<IpAddr>,
    #[serde(rename = "u", default, skip_serializing_if = "is_default")]
    pub(crate) sasl_username: Text,
    /// Ordered by address.
    #[serde(rename = "w", default, skip_serializing_if = "is_default")]
    waiting: Vec<Waiting>,
}

/// A recipient that is to be tried again, with its last try: `status=expired` names none, and means these.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Waiting {
    #[serde(rename = "a")]
    pub(crate) address: Text,
    #[serde(rename = "o", default, skip_serializing_if = "is_default")]
    pub(crate) orig_recipient: Text,
    #[serde(rename = "n", default, skip_serializing_if = "is_default")]
    pub(crate) attempts: u16,
    #[serde(rename = "h", default, skip_serializing_if = "is_default")]
    pub(crate) mx_host: Text,
    #[serde(rename = "i", default, skip_serializing_if = "is_default")]
    pub(crate) mx_ip: Option<IpAddr>,
    #[serde(rename = "p", default, skip_serializing_if = "is_default")]
    pub(crate) mx_port: u16,
    #[serde(rename = "e", default, skip_serializing_if = "is_default")]
    pub(crate) egress_source: Text,
    #[serde(rename = "d", default, skip_serializing_if = "is_default")]
    pub(crate) dsn: Option<EnhancedCode>,
    #[serde(rename = "r", with = "ReplyForm", default, skip_serializing_if = "is_default")]
    pub(crate) reply: SmtpReply,
}

/// The stored form of a reply.
#[derive(Serialize, Deserialize)]
#[serde(remote = "SmtpReply")]
struct ReplyForm {
    #[serde(rename = "c", default, skip_serializing_if = "is_default")]
    code: u16,
    #[serde(rename = "e", default, skip_serializing_if = "is_default")]
    enhanced: Option<EnhancedCode>,
    #[serde(rename = "t", default, skip_serializing_if = "is_default")]
    text: Text,
    #[serde(rename = "s", default, skip_serializing_if = "is_default")]
    stage: SmtpStage,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Waiting {
    /// What is kept of an attempt that is to be repeated.
    pub(crate) fn of(event: &Event) -> Self {
        Self {
            address: event.recipient.clone(),
            orig_recipient: event.orig_recipient.clone(),
            attempts: event.attempt,
            mx_host: event.mx_host.clone(),
            mx_ip: event.mx_ip,
            mx_port: event.mx_port,
            egress_source: event.egress_source.clone(),
            dsn: event.relay_dsn,
            reply: event.reply.clone(),
        }
    }
    /// Tells of the last attempt in an event that ends the waiting.
    pub(crate) fn tell_in(self, event: &mut Event) {
        event.orig_recipient = self.orig_recipient;
        event.mx_host = self.mx_host;
        event.mx_ip = self.mx_ip;
        event.mx_port = self.mx_port;
        event.egress_source = self.egress_source;
        event.relay_dsn = self.dsn;
        event.attempt = self.attempts;
        event.reply = self.reply;
    }
}

impl Message {
    const fn new(serial: u64, first_seen: Timestamp) -> Self {
        Self {
            serial,
            first_seen,
            ended: None,
            has_begin: false,
            from_outside: false,
            is_active: false,
            is_notification: false,
            about: Text::const_new(""),
            injected: None,
            message_id: Text::const_new(""),
            sender: Text::const_new(""),
            size_bytes: 0,
            client_ip: None,
            sasl_username: Text::const_new(""),
            waiting: Vec::new(),
        }
    }

    /// A notice whose `notification` line has not come yet.
    fn awaits_link(&self) -> bool {
        self.is_notification && self.about.is_empty()
    }
}

/// One message, with the count of all waiting recipients that it is part of.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    pub(crate) message: &'a mut Message,
    waiting_total: &'a mut usize,
    waiting_max: usize,
}

impl Slot<'_> {
    /// Returns how often the recipient was tried before; `None` when not all of that was seen or noted.
    pub(crate) fn attempts(&self, address: &str) -> Option<u16> {
        if !self.message.has_begin {
            return None;
        }
        match self.position(address) {
            Ok(at) => Some(self.message.waiting[at].attempts),
            Err(_) => (self.message.waiting.len() < self.waiting_max).then_some(0),
        }
    }

    /// Returns the last try of a recipient that waits.
    pub(crate) fn waiting(&self, address: &str) -> Option<&Waiting> {
        self.position(address).ok().map(|at| &self.message.waiting[at])
    }

    /// Notes a try that is to be repeated. Beyond the limit of waiting recipients a new one is not noted.
    pub(crate) fn defer(&mut self, try_: Waiting) {
        match self.position(&try_.address) {
            Ok(at) => self.message.waiting[at] = try_,
            Err(at) if self.message.waiting.len() < self.waiting_max => {
                if self.message.waiting.is_empty() {
                    // most messages have one recipient, and a record is 200 bytes
                    self.message.waiting.reserve_exact(1);
                }
                self.message.waiting.insert(at, try_);
                *self.waiting_total += 1;
            }
            Err(_) => {}
        }
    }

    /// Notes that the recipient is not tried again.
    pub(crate) fn settle(&mut self, address: &str) {
        if let Ok(at) = self.position(address) {
            self.message.waiting.remove(at);
            *self.waiting_total -= 1;
        }
    }

    /// Takes all recipients that wait, ordered by address.
    pub(crate) fn take_waiting(&mut self) -> Vec<Waiting> {
        let waiting = std::mem::take(&mut self.message.waiting);
        *self.waiting_total -= waiting.len();
        waiting
    }

    fn position(&self, address: &str) -> Result<usize, usize> {
        self.message.waiting.binary_search_by(|waiting| waiting.address.as_str().cmp(address))
    }
}

/// All messages in flight.
#[derive(Debug)]
pub(crate) struct InFlight {
    limits: Limits,
    /// By [`key_of`].
    messages: HashMap<Text, Message>,
    waiting_total: usize,
    next_serial: u64,
    /// Every message in the order of its first line; stale where another or none has the serial.
    order: VecDeque<Mark>,
    /// Messages that left the queue and wait for their link.
    ended: VecDeque<Mark>,
}

/// A message at a time: when it began, or when it ended.
#[derive(Debug)]
struct Mark {
    time: Timestamp,
    serial: u64,
    key: Text,
}

/// Appends the name of a message among all of this reader to an empty `key`: ids are unique on one relay
/// alone.
pub(crate) fn key_of(key: &mut String, name: &str, host: &str) {
    key.clear();
    key.push_str(name);
    // neither has a blank in it
    key.push(' ');
    key.push_str(host);
}

impl InFlight {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            messages: HashMap::new(),
            waiting_total: 0,
            next_serial: 0,
            order: VecDeque::new(),
            ended: VecDeque::new(),
        }
    }

    /// Takes messages back in that [`Self::messages`] gave.
    pub(crate) fn restore(limits: Limits, mut messages: Vec<(Text, Message)>) -> Self {
        let mut in_flight = Self::new(limits);
        messages.sort_unstable_by_key(|(_, message)| message.serial);
        let mut ended = Vec::new();
        for (key, message) in messages {
            let Message { serial, first_seen, .. } = message;
            in_flight.next_serial = serial.saturating_add(1);
            in_flight.waiting_total += message.waiting.len();
            in_flight.order.push_back(Mark { time: first_seen, serial, key: key.clone() });
            if let Some(time) = message.ended {
                ended.push(Mark { time, serial, key: key.clone() });
            }
            in_flight.messages.insert(key, message);
        }
        ended.sort_by_key(|mark| mark.time);
        in_flight.ended = ended.into();
        in_flight
    }

    /// Returns every message with its key.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (&Text, &Message)> {
        self.messages.iter()
    }

    /// Forgets what is too old at `now`, and the oldest messages when there are too many.
    pub(crate) fn make_room(&mut self, now: Timestamp) {
        while let Some(mark) = self.ended.front()
            && now.0.saturating_sub(mark.time.0) > LINK_WAIT_MICROS
        {
            let mark = self.ended.pop_front();
            self.forget_marked(mark);
        }
        while let Some(mark) = self.order.front()
            && (now.0.saturating_sub(mark.time.0) > self.limits.age_max_micros
                || self.messages.len() + self.waiting_total >= self.limits.in_flight_max)
        {
            let mark = self.order.pop_front();
            self.forget_marked(mark);
        }
    }

    /// Returns the message, if a line spoke of it and it is still in the queue.
    pub(crate) fn find(&mut self, key: &str) -> Option<Slot<'_>> {
        let message = self.messages.get_mut(key).filter(|message| message.ended.is_none())?;
        Some(Slot { message, waiting_total: &mut self.waiting_total, waiting_max: self.limits.waiting_max })
    }

    /// Returns the message, as a new one when no line spoke of it yet.
    pub(crate) fn enter(&mut self, key: &str, now: Timestamp) -> Slot<'_> {
        if self.messages.get(key).is_none_or(|message| message.ended.is_some()) {
            self.insert(key, now);
        }
        self.find(key).expect("just entered")
    }

    /// Returns the message as a new one: its id was free, whatever earlier lines said.
    pub(crate) fn begin(&mut self, key: &str, now: Timestamp) -> Slot<'_> {
        self.insert(key, now);
        self.find(key).expect("just entered")
    }

    /// Notes what a notice is about. Without effect when the notice has left the queue already.
    pub(crate) fn link(&mut self, key: &str, about: &str, now: Timestamp) {
        if self.messages.get(key).is_some_and(|message| message.ended.is_some()) {
            self.forget(key);
            return;
        }
        let slot = self.enter(key, now);
        slot.message.is_notification = true;
        slot.message.about = about.into();
    }

    /// Notes that the message left the queue.
    pub(crate) fn end(&mut self, key: &str, now: Timestamp) {
        let Some(message) = self.messages.get_mut(key) else { return };
        if !message.awaits_link() || message.ended.is_some() {
            self.forget(key);
            return;
        }
        let Message { serial, first_seen, .. } = *message;
        self.waiting_total -= message.waiting.len();
        *message = Message { ended: Some(now), ..Message::new(serial, first_seen) };
        self.ended.push_back(Mark { time: now, serial, key: key.into() });
    }

    fn insert(&mut self, key: &str, now: Timestamp) {
        let serial = self.next_serial;
        self.next_serial += 1;
        self.order.push_back(Mark { time: now, serial, key: key.into() });
        let replaced = self.messages.insert(key.into(), Message::new(serial, now));
        self.waiting_total -= replaced.map_or(0, |message| message.waiting.len());
        if self.order.len() > 2 * self.messages.len() + STALE_SLACK {
            let messages = &self.messages;
            self.order
                .retain(|mark| messages.get(&mark.key).is_some_and(|message| message.serial == mark.serial));
        }
    }

    fn forget(&mut self, key: &str) {
        if let Some(message) = self.messages.remove(key) {
            self.waiting_total -= message.waiting.len();
        }
    }

    fn forget_marked(&mut self, mark: Option<Mark>) {
        if let Some(Mark { serial, key, .. }) = mark
            && self.messages.get(&key).is_some_and(|message| message.serial == serial)
        {
            self.forget(&key);
        }
    }
}
