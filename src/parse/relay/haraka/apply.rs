//! What the lines mean together: facts of one message become events.
//!
//! Way: the reader hands an entry and the state in; events come out, the state changes.
//! Source: Haraka `connection.js` and `outbound/hmail.js` for words and order: the recipients that were refused or put
//! off stand before the line of the attempt, `Temp failing` and `bouncing mail` behind it.

use super::entry::{Entry, split_address};
use super::state::{About, Memory};
use crate::model::{
    ADDRESS_BYTES_MAX, BounceOrigin, Event, EventType, SmtpReply, SmtpStage, Text, Timestamp, domain_of,
    normalize_address,
};
use crate::parse::relay::in_flight::key_of;
use crate::parse::relay::reply::{one_line, split_enhanced, unfold};
use crate::parse::relay::teller::{
    CLOCK_AHEAD_MAX_MICROS, MESSAGE_ID_BYTES_MAX, Teller, clip, tells_suppression,
};

/// Longest id of a message, in bytes: a UUID and two numbers.
const UUID_BYTES_MAX: usize = 64;

/// Begins the words of an attempt whose recipients were told before, each with its own reply.
const SOME_PUT_OFF: &str = "Some recipients temp failed: ";

/// Acts on one line.
pub(super) fn apply(memory: &mut Memory, teller: &Teller<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    if entry.uuid.len() > UUID_BYTES_MAX {
        return;
    }
    let now = teller.header.time;
    let uuid = entry.uuid.as_ref();
    let mut scene = Scene { memory, teller, queue_id: "", now, events };
    if !entry.is_outbound {
        scene.serve(uuid, entry);
    } else if let Some(created) = entry.message.strip_prefix("Created transaction: ") {
        scene.write_own(created);
    } else {
        scene.deliver(uuid, entry);
    }
    // one clock that is wrong must not age the messages of the others
    let latest = teller.item.received.0.saturating_add(CLOCK_AHEAD_MAX_MICROS);
    memory.make_room(Timestamp(now.0.min(latest)));
}

/// One line about one message.
struct Scene<'a> {
    memory: &'a mut Memory,
    teller: &'a Teller<'a>,
    queue_id: &'a str,
    now: Timestamp,
    events: &'a mut Vec<Event>,
}

/// What became of the recipients of a line.
struct Outcome {
    event_type: EventType,
    reply: SmtpReply,
    is_remote: bool,
    /// The attempt was told before, with a reply for each recipient.
    is_told_before: bool,
}

impl<'a> Scene<'a> {
    /// A line of the server: a message comes in.
    fn serve(&mut self, uuid: &'a str, entry: &Entry<'_>) {
        self.name(uuid);
        let code = entry.get("code");
        let (verb, rest) = entry.message.split_once(' ').unwrap_or((&entry.message, ""));
        match verb {
            "connect" => {
                if let Ok(ip) = entry.get("ip").parse() {
                    self.memory.connect(ip);
                }
            }
            "disconnect" => self.leave(uuid),
            "sender" => self.begin(uuid, rest, entry),
            "recipient" => {
                let Some((address, _)) = split_address(rest) else { return };
                match code {
                    "OK" | "CONT" => self.memory.add_recipient(normalize_address(address)),
                    _ => self.refuse(address, SmtpStage::Rcpt, entry),
                }
            }
            "message" => {
                if let Some(transaction) = self.memory.find() {
                    let message_id = entry.get("mid").trim_start_matches('<').trim_end_matches('>');
                    transaction.about.message_id = clip(message_id, MESSAGE_ID_BYTES_MAX);
                    transaction.about.size_bytes = entry.get("size").parse().unwrap_or(0);
                }
                if code.starts_with("DENY") {
                    self.refuse("", SmtpStage::Dot, entry);
                }
            }
            "queue" if code == "OK" => self.accept(),
            "queue" if code.starts_with("DENY") => self.refuse("", SmtpStage::Dot, entry),
            _ => {}
        }
    }

    /// Builds the key of a message or connection.
    fn name(&mut self, uuid: &'a str) {
        self.queue_id = uuid;
        key_of(&mut self.memory.key, uuid, self.teller.header.host);
    }

    fn begin(&mut self, uuid: &'a str, path: &str, entry: &Entry<'_>) {
        // the client is known by its connection
        self.name(uuid.rsplit_once('.').map_or(uuid, |(connection, _)| connection));
        let client_ip = self.memory.client();
        self.name(uuid);
        let transaction = self.memory.begin(self.now);
        transaction.about.sender =
            clip(split_address(path).map_or("", |(address, _)| address), ADDRESS_BYTES_MAX);
        transaction.about.client_ip = client_ip;
        if entry.get("code").starts_with("DENY") {
            self.refuse("", SmtpStage::Mail, entry);
        }
    }

    fn accept(&mut self) {
        let Some(transaction) = self.memory.find() else { return };
        let recipients = transaction.queue(self.now);
        let about = &transaction.about;
        let event =
            tell(self.events, self.teller, EventType::Accepted, self.queue_id, Text::default(), Some(about));
        event.client_ip = about.client_ip;
        event.nrcpt = u16::try_from(recipients).unwrap_or(u16::MAX);
    }

    /// A message of Haraka's own. Its only use there is a notice of failure; no line tells whom it is for or what it is
    /// about.
    fn write_own(&mut self, uuid: &str) {
        if uuid.len() > UUID_BYTES_MAX {
            return;
        }
        key_of(&mut self.memory.key, uuid, self.teller.header.host);
        let transaction = self.memory.begin(self.now);
        transaction.about.is_own = true;
        transaction.about.queued = Some(self.now);
        tell(
            self.events,
            self.teller,
            EventType::Notification,
            uuid,
            Text::default(),
            Some(&transaction.about),
        );
    }

    /// The client is gone: what it had begun and not ended will not come.
    fn leave(&mut self, uuid: &'a str) {
        if self.memory.find().is_some_and(|transaction| transaction.about.queued.is_none()) {
            self.memory.forget_current();
        }
        // `UUID.transactions`, or `UUID` without any
        self.name(uuid.split('.').next().unwrap_or(uuid));
        self.memory.disconnect();
    }

    /// The relay refused a recipient or a message at its own door, with 550 or 450 (`connection.js`).
    fn refuse(&mut self, address: &str, stage: SmtpStage, entry: &Entry<'_>) {
        let words = entry.get("msg");
        let is_for_good = matches!(entry.get("code"), "DENY" | "DENYDISCONNECT");
        let is_suppressed = is_for_good && !address.is_empty() && tells_suppression(words);
        let event_type = if is_suppressed { EventType::Suppressed } else { EventType::Rejected };
        let about = self.memory.find().map(|transaction| &transaction.about);
        let recipient = normalize_address(address);
        let event = tell(self.events, self.teller, event_type, self.queue_id, recipient, about);
        let (enhanced, text) = split_enhanced(words);
        event.reply =
            SmtpReply { code: if is_for_good { 550 } else { 450 }, enhanced, text: one_line(text), stage };
        event.client_ip = about.and_then(|about| about.client_ip);
        if event_type.has_bounce_class() {
            event.bounce_origin = BounceOrigin::Local;
        }
        if stage == SmtpStage::Dot {
            self.memory.forget_current();
        }
    }

    /// A line of the outbound part: an attempt.
    fn deliver(&mut self, uuid: &'a str, entry: &Entry<'_>) {
        // `UUID.transaction.destination`, or `UUID.destination` for a message of Haraka's own
        let Some((queue_id, destination)) = uuid.rsplit_once('.') else { return };
        let Ok(destination) = destination.parse() else { return };
        self.name(queue_id);
        if entry.has("rcpts") && entry.has("fails") {
            return self.deliver_all(destination, entry);
        }
        let message = entry.message.as_ref();
        if message == "secured" {
            if let Some(transaction) = self.memory.find() {
                transaction.note_tls(
                    destination,
                    clip(entry.get("version"), 64),
                    clip(entry.get("cipher"), 64),
                );
            }
        } else if let Some(rest) = message.strip_prefix("recipient ") {
            self.deliver_one(rest);
        } else if let Some(rest) = message.strip_prefix("Temp failing ") {
            self.put_off(destination, rest);
        } else if let Some(words) = message.strip_prefix("bouncing mail: ") {
            self.bounce(destination, words);
        }
    }

    /// `delivered file=… domain=… host=… response=… rcpts=1/0/0`.
    fn deliver_all(&mut self, destination: u32, entry: &Entry<'_>) {
        let outcome = Outcome {
            event_type: EventType::Delivered,
            // the words alone are logged; a yes to the end of a message is 250 (RFC 5321 section 4.3.2)
            reply: SmtpReply { code: 250, text: one_line(entry.get("response")), ..SmtpReply::default() },
            is_remote: true,
            is_told_before: false,
        };
        let tls = self.memory.find().and_then(|transaction| transaction.take_tls(destination));
        let first = self.events.len();
        self.tell_destination(destination, &outcome);
        for event in &mut self.events[first..] {
            if event.recipient.is_empty() {
                event.recipient_domain = clip(entry.get("domain"), ADDRESS_BYTES_MAX);
            }
            event.mx_host = Text::from(entry.get("host")).to_ascii_lowercase();
            event.mx_ip = entry.get("ip").parse().ok();
            event.mx_port = entry.get("port").parse().unwrap_or(0);
            event.delivery_agent = Text::from(entry.get("mode")).to_ascii_lowercase();
            event.attempt = entry.get("fails").parse::<u16>().map_or(0, |fails| fails.saturating_add(1));
            event.injected_time = event.injected_time.or_else(|| arrival(entry.get("file"), self.now));
            event.latency_ms = milliseconds(entry.get("delay")).or(event.latency_ms);
            if let Some((version, cipher)) = tls.clone() {
                (event.tls_version, event.tls_cipher) = (version, cipher);
            }
        }
        self.settle(first);
    }

    /// `<r@b.example> rejected: 550 5.1.1 no`, or `deferred: …`.
    fn deliver_one(&mut self, text: &str) {
        let Some((address, rest)) = split_address(text) else { return };
        let (event_type, words) = match rest.split_once(": ") {
            Some((" rejected", words)) => (EventType::Bounced, words),
            Some((" deferred", words)) => (EventType::Deferred, words),
            _ => return,
        };
        let address = normalize_address(address);
        let before = self
            .memory
            .find()
            .and_then(|transaction| transaction.of_address(&address))
            .map(|one| one.attempts);
        let about = self.memory.find().map(|transaction| &transaction.about);
        let event = tell(self.events, self.teller, event_type, self.queue_id, address.clone(), about);
        event.reply = SmtpReply { stage: SmtpStage::Rcpt, ..reply_of(words) };
        event.bounce_origin = BounceOrigin::Sync;
        event.attempt = before.map_or(0, |before| before.saturating_add(1));
        if event_type == EventType::Bounced {
            self.memory.settle([address].iter());
        } else if let Some(one) = self.memory.find().and_then(|transaction| transaction.of_address(&address))
        {
            one.put_off(event, true);
        }
    }

    /// `FILE for 5 seconds: Upstream error: 421 4.7.0 later`.
    fn put_off(&mut self, destination: u32, text: &str) {
        let words = text.split_once(" seconds: ").map_or("", |(_, words)| words);
        // its recipients were told before, each with its own reply
        if !words.starts_with(SOME_PUT_OFF) {
            let outcome = outcome_of(EventType::Deferred, words);
            self.tell_destination(destination, &outcome);
        }
        if let Some(transaction) = self.memory.find() {
            transaction.end_attempt(destination);
        }
    }

    fn bounce(&mut self, destination: u32, words: &str) {
        if words.starts_with("Some recipients failed: ") {
            return;
        }
        let first = self.events.len();
        match words.strip_prefix("Too many failures (") {
            Some(words) => {
                if let Some(transaction) = self.memory.find() {
                    transaction.end_attempt(destination);
                }
                let words = words.strip_suffix(')').unwrap_or(words);
                let outcome = outcome_of(EventType::Expired, words);
                self.tell_destination(destination, &outcome);
            }
            None => self.tell_destination(destination, &outcome_of(EventType::Bounced, words)),
        }
        self.settle(first);
    }

    /// Tells an outcome for each recipient of a destination; when none is known, once without one.
    fn tell_destination(&mut self, destination: u32, outcome: &Outcome) {
        let origin = match outcome.event_type {
            EventType::Deferred | EventType::Bounced if outcome.is_remote => BounceOrigin::Sync,
            event_type if event_type.has_bounce_class() => BounceOrigin::Local,
            _ => BounceOrigin::None,
        };
        let (queue_id, event_type, first) = (self.queue_id, outcome.event_type, self.events.len());
        let mut about = None;
        if let Some(transaction) = self.memory.find() {
            let (known, recipients) = transaction.of_destination(destination);
            for (address, one) in recipients {
                let event =
                    tell(self.events, self.teller, event_type, queue_id, address.clone(), Some(known));
                event.bounce_origin = origin;
                event.latency_ms = known.queued.and_then(|queued| self.now.millis_since(queued));
                if outcome.is_told_before {
                    (event.attempt, event.reply) = (one.attempts, one.last_reply());
                } else {
                    (event.attempt, event.reply) = (one.attempts.saturating_add(1), outcome.reply.clone());
                }
                if event_type == EventType::Deferred {
                    one.put_off(event, false);
                }
            }
            about = Some(&transaction.about);
        }
        if self.events.len() == first {
            let event = tell(self.events, self.teller, event_type, queue_id, Text::default(), about);
            (event.reply, event.bounce_origin) = (outcome.reply.clone(), origin);
        }
    }

    /// Forgets those whom the events from `first` on are about.
    fn settle(&mut self, first: usize) {
        self.memory.settle(self.events[first..].iter().map(|event| &event.recipient));
    }
}

/// Appends an event about a recipient of a message.
fn tell<'events>(
    events: &'events mut Vec<Event>,
    teller: &Teller<'_>,
    event_type: EventType,
    queue_id: &str,
    recipient: Text,
    about: Option<&About>,
) -> &'events mut Event {
    let event = teller.tell(events, event_type, queue_id, recipient, None);
    event.session_id = queue_id.split('.').next().unwrap_or_default().into();
    if let Some(about) = about {
        event.injected_time = about.queued;
        event.message_id.clone_from(&about.message_id);
        event.env_from.clone_from(&about.sender);
        event.env_from_domain = Text::from(domain_of(&about.sender)).to_ascii_lowercase();
        event.size_bytes = about.size_bytes;
        event.is_notification = about.is_own;
    }
    event
}

/// Reads the words behind a failure of a whole destination.
fn outcome_of(event_type: EventType, words: &str) -> Outcome {
    let told = words.strip_prefix("Upstream error: ").unwrap_or(words);
    let reply = reply_of(told);
    let is_remote = reply.code != 0;
    Outcome { event_type, reply, is_remote, is_told_before: words.starts_with(SOME_PUT_OFF) }
}

/// Reads a reply whose lines Haraka joined: without their codes, but each with its enhanced code.
fn reply_of(words: &str) -> SmtpReply {
    let mut reply = unfold(words);
    if let Some(enhanced) = reply.enhanced {
        let enhanced = enhanced.to_string();
        if reply.text.contains(&enhanced) {
            let kept: Vec<&str> = reply.text.split(' ').filter(|word| *word != enhanced).collect();
            reply.text = kept.join(" ").into();
        }
    }
    reply
}

/// Returns when the queue file was made: its name begins with milliseconds since 1970.
fn arrival(file: &str, now: Timestamp) -> Option<Timestamp> {
    let millis = file.split('_').next()?.parse().ok()?;
    let arrival = Timestamp::from_millis(millis);
    (arrival.0 > 0 && arrival.0 <= now.0.saturating_add(CLOCK_AHEAD_MAX_MICROS)).then_some(arrival)
}

/// Reads seconds with a fraction.
fn milliseconds(seconds: &str) -> Option<u32> {
    let seconds: f64 = seconds.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; is not negative")]
    Some((seconds * 1e3).round() as u32)
}
