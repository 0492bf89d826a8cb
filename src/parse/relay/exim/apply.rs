//! What the lines mean together: facts of one message become events.
//!
//! Way: the reader hands a head, its line and the state in; events come out, the state changes.
//! Source: Exim `src/deliver.c` for words and order.

use super::fields::Fields;
use super::line::{Address, Line, Refusal};
use super::message_id;
use super::reply::{self, Told};
use crate::model::{
    ADDRESS_BYTES_MAX, BounceOrigin, Event, EventType, SmtpReply, SmtpStage, Text, Timestamp, domain_of,
    normalize_address,
};
use crate::parse::relay::in_flight::{InFlight, Message, Waiting, key_of};
use crate::parse::relay::reply::{one_line, split_enhanced};
use crate::parse::relay::teller::{
    CLOCK_AHEAD_MAX_MICROS, MESSAGE_ID_BYTES_MAX, SASL_USERNAME_BYTES_MAX, Teller, add_login, clip,
    tells_suppression,
};

/// What is remembered between lines.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) in_flight: InFlight,
    /// Room to build keys in.
    pub(crate) key: String,
}

/// Acts on one line about the message `queue_id`, which is empty for a refusal before there was one.
pub(crate) fn apply(
    memory: &mut Memory,
    teller: &Teller<'_>,
    queue_id: &str,
    line: &Line<'_>,
    events: &mut Vec<Event>,
) {
    let now = teller.header.time;
    key_of(&mut memory.key, queue_id, teller.header.host);
    Scene { memory, teller, queue_id, now, events }.play(line);
    // one clock that is wrong must not age the messages of the others
    let latest = teller.item.received.0.saturating_add(CLOCK_AHEAD_MAX_MICROS);
    memory.in_flight.make_room(Timestamp(now.0.min(latest)));
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
    fn play(mut self, line: &Line<'_>) {
        match line {
            Line::Arrival { sender, fields } => self.arrive(sender, fields),
            Line::Delivery { address, fields, is_real } => self.deliver(*address, fields, *is_real),
            Line::Deferral { text, .. } if is_no_attempt(text) => {}
            Line::Deferral { address, fields, text } => self.defer(*address, fields, text),
            Line::Failure { address, fields, text } => self.fail(*address, fields, text),
            Line::Completed => self.memory.in_flight.end(&self.memory.key, self.now),
            Line::Removed => self.remove(),
            Line::Refusal(refusal) => self.refuse(refusal),
        }
    }

    fn arrive(&mut self, sender: &str, fields: &Fields<'_>) {
        let sender = if sender == "<>" { "" } else { sender };
        let message = self.memory.in_flight.begin(&self.memory.key, self.now).message;
        message.has_begin = true;
        message.injected = Some(self.now);
        message.sender = clip(sender, ADDRESS_BYTES_MAX);
        message.size_bytes = fields.size_bytes;
        message.message_id = clip(fields.message_id, MESSAGE_ID_BYTES_MAX);
        message.client_ip = fields.ip;
        message.sasl_username = clip(login_name(fields.login), SASL_USERNAME_BYTES_MAX);
        // mail from outside with a null sender names no message that it is about
        if sender.is_empty() && message_id::split(fields.router).is_some() {
            message.is_notification = true;
            message.about = fields.router.into();
        }
        let event_type = if message.is_notification { EventType::Notification } else { EventType::Accepted };
        let event = self.teller.tell(self.events, event_type, self.queue_id, Text::default(), Some(message));
        event.nrcpt = fields.recipients;
        event.client_ip = message.client_ip;
    }

    fn deliver(&mut self, address: Address<'_>, fields: &Fields<'_>, is_real: bool) {
        let event_type = match fields.ip {
            _ if address.is_blackhole && tells_suppression(fields.router) => EventType::Suppressed,
            _ if address.is_blackhole || !is_real || fields.transport == "**bypassed**" => EventType::Dropped,
            Some(_) => EventType::Delivered,
            None => EventType::DeliveredLocal,
        };
        let reply = reply::read_confirmation(fields.confirmation);
        let event = self.tell(event_type, address, fields);
        event.reply = reply;
        let Some(mut slot) = self.memory.in_flight.find(&self.memory.key) else { return };
        slot.settle(&normalize_address(address.recipient));
    }

    fn defer(&mut self, address: Address<'_>, fields: &Fields<'_>, text: &str) {
        let Told { reply, is_remote } = reply::read(text);
        let event = self.tell(EventType::Deferred, address, fields);
        event.reply = reply;
        event.bounce_origin = if is_remote { BounceOrigin::Sync } else { BounceOrigin::Local };
        let waiting = Waiting::of(event);
        if let Some(mut slot) = self.memory.in_flight.find(&self.memory.key) {
            slot.defer(waiting);
        }
    }

    fn fail(&mut self, address: Address<'_>, fields: &Fields<'_>, text: &str) {
        let Told { reply, is_remote } = reply::read(text);
        let event_type = match reply.text.as_str() {
            _ if is_remote => EventType::Bounced,
            words if tells_suppression(words) || tells_suppression(fields.router) => EventType::Suppressed,
            words if tells_expiry(words) => EventType::Expired,
            "delivery cancelled by administrator" => EventType::AdminCancelled,
            _ => EventType::Bounced,
        };
        let event = self.tell(event_type, address, fields);
        event.reply = reply;
        if event_type.has_bounce_class() {
            event.bounce_origin = if is_remote { BounceOrigin::Sync } else { BounceOrigin::Local };
        }
        let recipient = normalize_address(address.recipient);
        let Some(mut slot) = self.memory.in_flight.find(&self.memory.key) else { return };
        if matches!(event_type, EventType::Expired | EventType::AdminCancelled) {
            let event = self.events.last_mut().expect("told just above");
            // no attempt was made: what the last one met is why
            match slot.waiting(&recipient) {
                Some(last) => last.clone().tell_in(event),
                None => event.attempt = 0,
            }
        }
        slot.settle(&recipient);
    }

    /// Ends every recipient that waits. When none is known the event has no recipient: the message is gone all the
    /// same.
    fn remove(&mut self) {
        let mut slot = self.memory.in_flight.enter(&self.memory.key, self.now);
        let mut waiting = slot.take_waiting();
        if waiting.is_empty() {
            waiting.push(Waiting::default());
        }
        for last in waiting {
            let event = self.teller.tell(
                self.events,
                EventType::AdminCancelled,
                self.queue_id,
                last.address.clone(),
                Some(slot.message),
            );
            last.tell_in(event);
            event.latency_ms = slot.message.injected.and_then(|at| self.now.millis_since(at));
        }
    }

    fn refuse(&mut self, refusal: &Refusal<'_>) {
        let Refusal { fields, text, .. } = refusal;
        let is_suppressed = !refusal.is_for_now && tells_suppression(text);
        let event_type = if is_suppressed { EventType::Suppressed } else { EventType::Rejected };
        let recipient = normalize_address(refusal.recipient);
        let event = self.teller.tell(self.events, event_type, self.queue_id, recipient, None);
        let sender = if refusal.sender.is_empty() { fields.sender } else { refusal.sender };
        event.env_from = clip(sender, ADDRESS_BYTES_MAX);
        event.env_from_domain = Text::from(domain_of(&event.env_from)).to_ascii_lowercase();
        event.client_ip = fields.ip;
        add_login(event, clip(login_name(fields.login), SASL_USERNAME_BYTES_MAX));
        let (enhanced, words) = split_enhanced(text);
        event.reply =
            SmtpReply { code: 0, enhanced, text: one_line(words), stage: stage_of(refusal.command) };
        if event_type.has_bounce_class() {
            event.bounce_origin = BounceOrigin::Local;
        }
    }

    /// Appends an event about a recipient, with what the line says besides its outcome.
    fn tell(&mut self, event_type: EventType, address: Address<'_>, fields: &Fields<'_>) -> &mut Event {
        let slot = self.memory.in_flight.enter(&self.memory.key, self.now);
        let injected = *slot
            .message
            .injected
            .get_or_insert_with(|| arrival(self.queue_id, self.now).unwrap_or(self.now));
        let recipient = normalize_address(address.recipient);
        let attempt = slot.attempts(&recipient).map_or(0, |before| before.saturating_add(1));
        take_sender(slot.message, fields);
        let event = self.teller.tell(self.events, event_type, self.queue_id, recipient, Some(slot.message));
        add_fields(event, fields);
        event.attempt = attempt;
        let original = normalize_address(address.original);
        if original != event.recipient {
            event.orig_recipient = original;
        }
        event.latency_ms = fields.queue_ms.or_else(|| self.now.millis_since(injected));
        event
    }
}

/// Notes the sender (`+sender_on_delivery`) of a message whose arrival was not seen.
fn take_sender(message: &mut Message, fields: &Fields<'_>) {
    if !message.has_begin && message.sender.is_empty() {
        message.sender = clip(fields.sender, ADDRESS_BYTES_MAX);
    }
}

/// Adds what a delivery line says besides its outcome.
fn add_fields(event: &mut Event, fields: &Fields<'_>) {
    event.mx_host = Text::from(fields.host).to_ascii_lowercase();
    event.mx_ip = fields.ip;
    event.mx_port = fields.port;
    event.sending_ip = fields.own_ip;
    event.xfer_ms = fields.delivery_ms;
    event.delivery_agent = fields.transport.into();
    if event.size_bytes == 0 {
        event.size_bytes = fields.size_bytes;
    }
    if !fields.router.is_empty() {
        event.meta.push((Text::const_new("router"), fields.router.into()));
    }
    let (version, rest) = fields.tls.split_once(':').unwrap_or((fields.tls, ""));
    // GnuTLS says `TLS1.3`, OpenSSL `TLSv1.3`
    event.tls_version = match version.strip_prefix("TLS1") {
        Some(rest) => Text::from("TLSv1") + rest,
        None => version.into(),
    };
    event.tls_cipher = rest.rsplit_once(':').map_or(rest, |(cipher, _)| cipher).into();
    // the names that Postfix has for these levels
    event.tls_policy = Text::const_new(match fields.verified {
        "yes" => "verify",
        "dane" => "dane",
        _ => "",
    });
}

/// Returns the arrival that the id tells, if it can be.
fn arrival(queue_id: &str, now: Timestamp) -> Option<Timestamp> {
    message_id::arrival(queue_id).filter(|at| at.0 <= now.0.saturating_add(CLOCK_AHEAD_MAX_MICROS))
}

/// Returns the name of `authenticator:name`; some authenticators add more behind another colon.
fn login_name(login: &str) -> &str {
    login.split(':').nth(1).unwrap_or_default()
}

/// Whether a deferral tells that nothing was tried. The number in parentheses does not: it moved from version to
/// version (`ERRNO_RETRY_BASE` in `src/macros.h`).
fn is_no_attempt(text: &str) -> bool {
    const BEGINNINGS: [&str; 5] = [
        "retry time not reached",
        "Retry time not yet reached",
        "domain is held",
        "domain is in queue_domains",
        "remote delivery skipped",
    ];
    BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
}

/// Whether the relay gave up for the time that has passed.
fn tells_expiry(text: &str) -> bool {
    text == "retry timeout exceeded"
        || text.ends_with(": retry timeout exceeded")
        || text == "delivery cancelled; message timed out"
        || text.contains("have been failing for a long time")
        || text.contains("after a long failure period")
}

fn stage_of(command: &str) -> SmtpStage {
    match command {
        "RCPT" => SmtpStage::Rcpt,
        "MAIL" => SmtpStage::Mail,
        "DATA" => SmtpStage::Data,
        _ => SmtpStage::Dot,
    }
}
