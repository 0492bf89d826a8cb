//! What the lines mean together: facts of one message become events.
//!
//! Way: `mod` hands a head, its line and the state in; events come out, the state changes.
//! Source: Postfix `src/qmgr/qmgr_active.c` for the order of lines; measured with Postfix 3.7.11.
//!
//! A relay's suppression list shows in three places, told by the word `suppressed` in the relay's own text: a
//! `550 5.7.1` reply of its server to RCPT, a delivery by the `error` agent (mail that was queued already),
//! one by the `discard` agent. All three become `suppressed` events.

use super::delivery::{self, Delivery};
use super::event;
use super::line::{Fact, Line};
use super::queue_id;
use super::refusal::Refusal;
use super::reply::{self, Told};
use super::tls::TlsSessions;
use crate::model::{
    ADDRESS_BYTES_MAX, BounceOrigin, EnhancedCode, Event, EventType, RejectReason, SmtpReply, Text,
    Timestamp, domain_of, normalize_address,
};
use crate::parse::Reject;
use crate::parse::relay::in_flight::{InFlight, Message, Waiting, key_of};
use crate::parse::relay::teller::{
    CLOCK_AHEAD_MAX_MICROS, MESSAGE_ID_BYTES_MAX, SASL_USERNAME_BYTES_MAX, Teller, add_login, clip,
    tells_suppression,
};

/// A message is taken up for its second round of attempts after this time at the earliest
/// (`minimal_backoff_time`, 300 s). A long queue id tells the arrival, so a first round is told from a later
/// one even when the lines before it are not in the log.
const SECOND_ROUND_MICROS: i64 = 300 * 1_000_000;

/// What is remembered between lines.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) in_flight: InFlight,
    pub(crate) tls: TlsSessions,
    /// Room to build keys in.
    pub(crate) key: String,
}

/// Acts on one line.
///
/// # Errors
///
/// As [`delivery::read`], and [`RejectReason::UnknownType`] for a delivery status that Postfix does not have.
/// Nothing is changed then.
pub(crate) fn apply(
    memory: &mut Memory,
    teller: &Teller<'_>,
    line: &Line<'_>,
    events: &mut Vec<Event>,
) -> Result<(), Reject> {
    let now = teller.header.time;
    match line {
        Line::Message { queue_id, fact } => {
            key_of(&mut memory.key, queue_id, teller.header.host);
            Scene { memory, teller, queue_id, now, events }.play(fact)?;
            // one clock that is wrong must not age the messages of the others
            let latest = teller.item.received.0.saturating_add(CLOCK_AHEAD_MAX_MICROS);
            memory.in_flight.make_room(Timestamp(now.0.min(latest)));
        }
        Line::RefusedAtDoor(refusal) => tell_refusal(events, teller, "", refusal, None),
        Line::Tls(tls) => {
            key_of(&mut memory.key, teller.header.pid, teller.header.host);
            memory.tls.remember(memory.key.as_str().into(), *tls);
        }
    }
    Ok(())
}

/// One line about one message.
struct Scene<'a> {
    /// Its key is the message's.
    memory: &'a mut Memory,
    teller: &'a Teller<'a>,
    queue_id: &'a str,
    now: Timestamp,
    events: &'a mut Vec<Event>,
}

impl Scene<'_> {
    fn play(mut self, fact: &Fact<'_>) -> Result<(), Reject> {
        match fact {
            Fact::Client { ip, sasl_username } => {
                let message = self.begin();
                message.from_outside = true;
                message.client_ip = *ip;
                message.sasl_username = clip(sasl_username, SASL_USERNAME_BYTES_MAX);
            }
            Fact::Pickup => self.begin().from_outside = true,
            Fact::MessageId(message_id) => self.identify(message_id),
            Fact::Active { sender, size_bytes, recipients } => {
                self.activate(sender, *size_bytes, *recipients);
            }
            Fact::Delivery(text) => return self.deliver(text),
            Fact::Refusal(refusal) => self.refuse(refusal),
            Fact::Notice { queue_id } => {
                key_of(&mut self.memory.key, queue_id, self.teller.header.host);
                self.memory.in_flight.link(&self.memory.key, self.queue_id, self.now);
            }
            Fact::Expired { by_admin: false } => self.give_up(EventType::Expired),
            Fact::Expired { by_admin: true } => self.give_up(EventType::AdminCancelled),
            Fact::Removed if self.teller.header.daemon == "postsuper" => self.cancel(true),
            Fact::Removed => self.memory.in_flight.end(&self.memory.key, self.now),
            Fact::Canceled => self.cancel(false),
        }
        Ok(())
    }

    /// Takes the line for the first of its message.
    fn begin(&mut self) -> &mut Message {
        let injected = arrival(self.queue_id, self.now).unwrap_or(self.now);
        let message = self.memory.in_flight.begin(&self.memory.key, self.now).message;
        message.has_begin = true;
        message.injected = Some(injected);
        message
    }

    /// The cleanup server names the message. That is the first line of a notice, which has no client.
    fn identify(&mut self, message_id: &str) {
        let (goes_on, about) = match self.memory.in_flight.find(&self.memory.key) {
            // Postfix 3.11 links a notice before its own lines
            Some(slot) if !slot.message.is_active => {
                (slot.message.has_begin, std::mem::take(&mut slot.message.about))
            }
            // a message that was taken up already is another one: short ids are used again
            _ => (false, Text::default()),
        };
        let message = if goes_on {
            self.memory.in_flight.enter(&self.memory.key, self.now).message
        } else {
            self.begin()
        };
        message.is_notification |= !about.is_empty();
        message.about = about;
        message.message_id = clip(message_id, MESSAGE_ID_BYTES_MAX);
    }

    fn activate(&mut self, sender: &str, size_bytes: u32, recipients: u16) {
        let message = self.memory.in_flight.enter(&self.memory.key, self.now).message;
        if message.is_active {
            return;
        }
        message.is_active = true;
        message.sender = clip(sender, ADDRESS_BYTES_MAX);
        message.size_bytes = size_bytes;
        message.is_notification |= is_own_mail(message, sender, self.queue_id);
        let injected =
            *message.injected.get_or_insert_with(|| arrival(self.queue_id, self.now).unwrap_or(self.now));
        if !message.has_begin && self.now.0.saturating_sub(injected.0) >= SECOND_ROUND_MICROS {
            return;
        }
        message.has_begin = true;
        let event_type = if message.about.is_empty() { EventType::Accepted } else { EventType::Notification };
        let event = self.teller.tell(self.events, event_type, self.queue_id, Text::default(), Some(message));
        event.nrcpt = recipients;
        event.client_ip = message.client_ip;
    }

    fn deliver(&mut self, text: &str) -> Result<(), Reject> {
        let delivery = &delivery::read(text)?;
        let agent = self.teller.header.daemon;
        let Told { reply, is_remote } = reply::read_delivery(delivery.text, matches!(agent, "smtp" | "lmtp"));
        let Some(event_type) = event_type_of(agent, delivery, &reply)? else { return Ok(()) };
        let mut slot = self.memory.in_flight.enter(&self.memory.key, self.now);
        slot.message.injected.get_or_insert_with(|| {
            let delay_micros = i64::from(delivery.delay_ms.unwrap_or(0)) * 1000;
            arrival(self.queue_id, self.now).unwrap_or(Timestamp(self.now.0.saturating_sub(delay_micros)))
        });

        let recipient = normalize_address(delivery.recipient);
        let attempt = slot.attempts(&recipient).map_or(0, |before| before.saturating_add(1));
        let event = self.teller.tell(self.events, event_type, self.queue_id, recipient, Some(slot.message));
        event::add_delivery(event, &self.teller.header, delivery);
        event.attempt = attempt;
        event.reply = reply;
        if event_type.has_bounce_class() {
            event.bounce_origin = if is_remote { BounceOrigin::Sync } else { BounceOrigin::Local };
        }
        if event_type == EventType::Deferred {
            slot.defer(Waiting::of(event));
        } else {
            slot.settle(&event.recipient);
        }
        add_tls(self.memory, self.teller, event, delivery);
        Ok(())
    }

    fn refuse(&mut self, refusal: &Refusal<'_>) {
        let slot = self.memory.in_flight.find(&self.memory.key);
        let is_over = refusal.ends_message && slot.as_ref().is_some_and(|slot| !slot.message.is_active);
        let message = slot.map(|slot| &*slot.message);
        tell_refusal(self.events, self.teller, self.queue_id, refusal, message);
        if is_over {
            self.memory.in_flight.end(&self.memory.key, self.now);
        }
    }

    /// Ends every recipient that waits. When none is known the event has no recipient: the message failed all
    /// the same.
    fn give_up(&mut self, event_type: EventType) {
        let mut slot = self.memory.in_flight.enter(&self.memory.key, self.now);
        let mut waiting = slot.take_waiting();
        if waiting.is_empty() {
            waiting.push(Waiting::default());
        }
        for last in waiting {
            let address = last.address.clone();
            let event = self.teller.tell(self.events, event_type, self.queue_id, address, Some(slot.message));
            last.tell_in(event);
            event.latency_ms = slot.message.injected.and_then(|at| self.now.millis_since(at));
            if event_type.has_bounce_class() {
                event.bounce_origin = BounceOrigin::Local;
            }
        }
    }

    /// Ends a message that left by no way of its own. One that was never taken up was never accepted either:
    /// its client left in the middle.
    fn cancel(&mut self, counts_if_unknown: bool) {
        let slot = self.memory.in_flight.find(&self.memory.key);
        if slot.map_or(counts_if_unknown, |slot| slot.message.is_active) {
            self.give_up(EventType::AdminCancelled);
        }
        self.memory.in_flight.end(&self.memory.key, self.now);
    }
}

/// Returns the arrival that a long queue id tells.
fn arrival(queue_id: &str, now: Timestamp) -> Option<Timestamp> {
    queue_id::arrival(queue_id).filter(|at| at.0 <= now.0.saturating_add(CLOCK_AHEAD_MAX_MICROS))
}

/// Whether the relay wrote the message itself: a notice, or a probe of an address (`address_verify_sender`).
///
/// Such a message comes from no client, its sender is empty or `double-bounce`, and its message id is made
/// from its queue id (`src/cleanup/cleanup_message.c`). Forwarded mail keeps the message id of its author.
fn is_own_mail(message: &Message, sender: &str, queue_id: &str) -> bool {
    let is_own_sender = sender.is_empty() || sender.starts_with("double-bounce@");
    let local_part = message.message_id.split('@').next().unwrap_or_default();
    message.has_begin && !message.from_outside && is_own_sender && local_part.ends_with(queue_id)
}

/// Returns what a delivery status means; `None` when it tells of no delivery.
fn event_type_of(
    agent: &str,
    delivery: &Delivery<'_>,
    reply: &SmtpReply,
) -> Result<Option<EventType>, Reject> {
    let is_suppressed = matches!(agent, "error" | "discard") && tells_suppression(&reply.text);
    Ok(Some(match delivery.status {
        "sent" | "bounced" if is_suppressed => EventType::Suppressed,
        "sent" => match agent {
            "discard" => EventType::Dropped,
            "local" if reply.text.starts_with("forwarded as ") => EventType::Moved,
            "local" | "virtual" | "pipe" => EventType::DeliveredLocal,
            _ if delivery.peer.is_local_socket => EventType::DeliveredLocal,
            _ => EventType::Delivered,
        },
        "bounced" => EventType::Bounced,
        // `soft_bounce`: failed for good, kept in the queue all the same
        "deferred" | "SOFTBOUNCE" => EventType::Deferred,
        // an address was asked for (`reject_unverified_recipient`), or one became several
        "deliverable" | "undeliverable" | "expanded" => return Ok(None),
        _ => {
            return Err(Reject::new(
                RejectReason::UnknownType,
                "delivery line with an unknown status; was the line cut?",
            ));
        }
    }))
}

/// Adds the TLS of the connection, where one is known for certain.
fn add_tls(memory: &mut Memory, teller: &Teller<'_>, event: &mut Event, delivery: &Delivery<'_>) {
    if memory.tls.is_empty() || delivery.reuses_connection || delivery.peer.name.is_empty() {
        return;
    }
    key_of(&mut memory.key, teller.header.pid, teller.header.host);
    if let Some(session) = memory.tls.of_delivery(&memory.key, delivery.peer.name, &event.queue_id) {
        event.tls_version.clone_from(&session.version);
        event.tls_cipher.clone_from(&session.cipher);
    }
}

/// Appends the event of a refusal by the relay's own server.
fn tell_refusal(
    events: &mut Vec<Event>,
    teller: &Teller<'_>,
    queue_id: &str,
    refusal: &Refusal<'_>,
    message: Option<&Message>,
) {
    const SUPPRESSED: EnhancedCode = EnhancedCode { class: 5, subject: 7, detail: 1 };
    let reply = &refusal.reply;
    // the address before it is the client's to choose
    let words = reply.text.split_once(">: ").map_or(reply.text.as_str(), |(_, words)| words);
    let is_listed = reply.code == 550 && reply.enhanced == Some(SUPPRESSED) || refusal.is_discard;
    let event_type = match refusal.is_discard {
        _ if is_listed && tells_suppression(words) => EventType::Suppressed,
        true => EventType::Dropped,
        false => EventType::Rejected,
    };
    let recipient = normalize_address(refusal.recipient);
    let event = teller.tell(events, event_type, queue_id, recipient, message);
    event.reply = refusal.reply.clone();
    event.client_ip = refusal.client_ip;
    if event.env_from.is_empty() {
        event.env_from = clip(refusal.sender, ADDRESS_BYTES_MAX);
        event.env_from_domain = Text::from(domain_of(&event.env_from)).to_ascii_lowercase();
    }
    if event.meta.is_empty() {
        add_login(event, clip(refusal.sasl_username, SASL_USERNAME_BYTES_MAX));
    }
    if event_type.has_bounce_class() {
        event.bounce_origin = BounceOrigin::Local;
    }
}
