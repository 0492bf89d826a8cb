//! Events out of a seed: messages over a daily curve, with retries, in order of time.
//!
//! Way: `generate`, `fill` and `ingest` take events from a [`Mail`]. The generator behind it is xoshiro256++, whose
//! output is the same on every machine and in every version of its crate.
//! Not here: what mail is made of (`mix`).

use crate::cli::bench::Mix;
use crate::cli::bench::mix::{
    ATTEMPTS_MAX, CAMPAIGNS_A_DAY, COMPLAINED, DEFERRED, DOMAINS, Provider, RECEIVERS, RECOVERED_EACH,
    REFUSED, Refusal, STREAMS, Stream, TENANTS,
};
use crate::model::{BounceOrigin, EnhancedCode, Event, EventType, SmtpReply, SmtpStage, Text, Timestamp};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const DAY_US: i64 = 1_440 * MINUTE_US;

/// Measured over many messages; only the evenness of the last hours depends on it.
const EVENTS_PER_MESSAGE: f64 = 2.15;

/// People with a mailbox: each gets several messages, so that recipients repeat.
const PEOPLE: u32 = 2_000_000;

/// Exactly so many events, from the earliest to the latest, ending before a given time. What a message would bring
/// after that time is left out: it has not happened yet.
pub(super) struct Mail {
    rng: Xoshiro256PlusPlus,
    tables: Tables,
    /// Start of the minute whose messages come next.
    minute: Timestamp,
    end: Timestamp,
    /// Sum of [`weight`] over the minutes from `minute` on.
    weight_left: f64,
    /// Events still to be handed out, those in `waiting` included.
    left: u64,
    waiting: BinaryHeap<Reverse<Due>>,
    messages: u64,
}

impl Mail {
    pub(super) fn new(mix: &Mix, end: Timestamp) -> Self {
        Self::between(Timestamp(end.0 - i64::from(mix.days) * DAY_US), end, mix.events, mix.seed)
    }

    /// Events from `start` on, all of them before `end`.
    pub(super) fn between(start: Timestamp, end: Timestamp, events: u64, seed: u64) -> Self {
        let minutes = (start.0..end.0).step_by(usize::try_from(MINUTE_US).unwrap_or(usize::MAX));
        Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            tables: Tables::new(),
            minute: start,
            end,
            weight_left: minutes.map(|at| weight(Timestamp(at))).sum(),
            left: events,
            waiting: BinaryHeap::new(),
            messages: 0,
        }
    }

    /// Makes the messages of one minute: the part of what is left that the minute's weight asks for. So the number
    /// comes out exactly, however many retries the messages turn out to have.
    fn send_minute(&mut self) {
        let missing = self.left.saturating_sub(self.waiting.len() as u64);
        let weight = weight(self.minute);
        let next = Timestamp(self.minute.0 + MINUTE_US);
        let is_last = next >= self.end;
        let width = next.0.min(self.end.0) - self.minute.0;
        let wanted = as_float(missing) * (weight / self.weight_left).min(1.0) / EVENTS_PER_MESSAGE;
        // Rounded by lot, else few events over many minutes would all come in the last one.
        let count = as_count(wanted + self.rng.random::<f64>());
        let mut sent = 0;
        // The last minute sends until there is enough, whatever the average promised.
        while sent < count || (is_last && (self.waiting.len() as u64) < self.left) {
            let at = Timestamp(self.minute.0 + self.rng.random_range(0..width));
            self.send(at);
            sent += 1;
        }
        self.weight_left -= weight;
        self.minute = next;
    }

    /// Makes one message and puts its events in line.
    fn send(&mut self, at: Timestamp) {
        self.messages += 1;
        let mut message = Message::draw(&mut self.rng, &self.tables, self.messages, at);
        let (waiting, end) = (&mut self.waiting, self.end);
        let mut order = self.messages * 64;
        message.live(&mut self.rng, &self.tables, &mut |event| {
            if event.event_time < end {
                order += 1;
                waiting.push(Reverse(Due { at: event.event_time, order, event: Box::new(event) }));
            }
        });
    }
}

impl Iterator for Mail {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.left == 0 {
            return None;
        }
        while self.minute < self.end && self.waiting.peek().is_none_or(|Reverse(due)| due.at >= self.minute) {
            self.send_minute();
        }
        self.left -= 1;
        self.waiting.pop().map(|Reverse(due)| *due.event)
    }
}

/// An event that waits for its time.
struct Due {
    at: Timestamp,
    /// Tells events of one microsecond apart, so that their order is always the same.
    order: u64,
    event: Box<Event>,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

/// How much mail a minute has, next to others: little at night, most around 10 and 17 o'clock, less at weekends.
fn weight(at: Timestamp) -> f64 {
    let minute = as_float(at.0.rem_euclid(DAY_US).unsigned_abs()) / as_float(MINUTE_US.unsigned_abs());
    let bump = |centre: f64, width: f64| (-((minute - centre) / width).powi(2)).exp();
    let weekday = (at.0.div_euclid(DAY_US) + 3).rem_euclid(7);
    let day = if weekday >= 5 { 0.55 } else { 1.0 };
    day * (0.15 + bump(10.0 * 60.0, 150.0) + 0.7 * bump(17.0 * 60.0, 140.0))
}

/// The tables of `mix`, ready to draw from.
struct Tables {
    providers: Draw,
    tenants: Draw,
    streams: Draw,
    /// For each provider what it says: for good, and for now.
    refusals: Vec<(Vec<&'static Refusal>, Draw)>,
    deferrals: Vec<(Vec<&'static Refusal>, Draw)>,
}

impl Tables {
    fn new() -> Self {
        let providers = &RECEIVERS.providers;
        let said = |provider, is_temporary| {
            let of_kind = |refusal: &&Refusal| refusal.is_temporary() == is_temporary;
            let said: Vec<&Refusal> = RECEIVERS
                .refusals
                .iter()
                .filter(of_kind)
                .filter(|refusal| refusal.is_said_by(provider))
                .collect();
            let draw = Draw::of(said.iter().map(|refusal| refusal.share));
            (said, draw)
        };
        Self {
            providers: Draw::of(providers.iter().map(|provider| provider.share)),
            tenants: Draw::of(TENANTS.iter().map(|(_, share, _)| *share)),
            streams: Draw::of(STREAMS.iter().map(|stream| stream.share)),
            refusals: providers.iter().map(|provider| said(provider, false)).collect(),
            deferrals: providers.iter().map(|provider| said(provider, true)).collect(),
        }
    }
}

/// Draws indexes by their shares.
struct Draw {
    /// The sum of the shares up to each index.
    ends: Vec<f64>,
}

impl Draw {
    fn of(shares: impl Iterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let add = |share| {
            sum += share;
            sum
        };
        Self { ends: shares.map(add).collect() }
    }

    fn index(&self, rng: &mut Xoshiro256PlusPlus) -> usize {
        let at = rng.random::<f64>() * self.ends.last().copied().unwrap_or_default();
        self.ends.partition_point(|end| *end <= at).min(self.ends.len().saturating_sub(1))
    }
}

/// One message to one recipient.
struct Message {
    /// What all its events say.
    base: Event,
    provider: usize,
    stream: &'static Stream,
}

impl Message {
    fn draw(rng: &mut Xoshiro256PlusPlus, tables: &Tables, number: u64, at: Timestamp) -> Self {
        let (tenant, _, domains) = TENANTS[tables.tenants.index(rng)];
        let stream = &STREAMS[tables.streams.index(rng)];
        let provider = tables.providers.index(rng);
        let domain = DOMAINS[domains[rng.random_range(0..domains.len())]];
        let person = rng.random_range(0..PEOPLE);
        let mut base = Event {
            event_time: at,
            injected_time: Some(at),
            relay: Text::const_new(if number.is_multiple_of(3) { "mta2.example" } else { "mta1.example" }),
            tenant: Text::const_new(tenant),
            stream: Text::const_new(stream.name),
            env_from_domain: Text::const_new(domain),
            header_from_domain: Text::const_new(domain),
            size_bytes: rng.random_range(3_000..90_000),
            ..Event::default()
        };
        if stream.has_campaigns {
            let day = at.0.div_euclid(DAY_US);
            // The later a campaign stands in the list, the smaller it is.
            let place = rng.random::<f64>().powi(2) * as_float(CAMPAIGNS_A_DAY);
            put(&mut base.campaign, format_args!("d{day}-{:02}", as_count(place)));
        }
        put(&mut base.message_id, format_args!("{number:x}.{:08x}@{domain}", rng.random::<u32>()));
        put(&mut base.queue_id, format_args!("4{:011X}", rng.random::<u64>() >> 20));
        put(&mut base.env_from, format_args!("b-{number:x}@{domain}"));
        Self { base, provider, stream }.for_person(person)
    }

    fn receiver(&self) -> &'static Provider {
        &RECEIVERS.providers[self.provider]
    }

    fn for_person(mut self, person: u32) -> Self {
        // Firms have domains of their own; a provider's own domain has most of its people.
        let (name, house) = (&self.receiver().name, person % 400);
        let mut domain = Text::default();
        match house {
            0..200 => put(&mut domain, format_args!("{name}.example")),
            _ => put(&mut domain, format_args!("firm{house}-{name}.example")),
        }
        put(&mut self.base.recipient, format_args!("u{person}@{domain}"));
        self.base.recipient_domain = domain;
        self
    }

    /// Tells `tell` everything that happens to the message, in order.
    fn live(&mut self, rng: &mut Xoshiro256PlusPlus, tables: &Tables, tell: &mut impl FnMut(Event)) {
        tell(self.accepted());
        let lot = rng.random::<f64>();
        let mut at = self.after(rng, self.base.event_time);
        if lot >= DEFERRED + REFUSED {
            return self.end(rng, at, 1, tell);
        }
        if lot >= DEFERRED {
            let refusal = drawn(&tables.refusals[self.provider], rng);
            return tell(self.refused(rng, EventType::Bounced, at, 1, refusal));
        }
        // Whoever defers once says the same again.
        let refusal = drawn(&tables.deferrals[self.provider], rng);
        let mut pause_us = 300 * SECOND_US;
        for attempt in 1..ATTEMPTS_MAX {
            tell(self.refused(rng, EventType::Deferred, at, attempt, refusal));
            at = Timestamp(at.0 + pause_us + rng.random_range(0..pause_us / 4));
            pause_us *= 2;
            if rng.random::<f64>() < RECOVERED_EACH {
                return self.end(rng, at, attempt + 1, tell);
            }
        }
        tell(self.refused(rng, EventType::Deferred, at, ATTEMPTS_MAX, refusal));
        tell(self.refused(rng, EventType::Expired, Timestamp(at.0 + 1), ATTEMPTS_MAX, refusal));
    }

    /// Delivered; some recipients then call it spam.
    fn end(&self, rng: &mut Xoshiro256PlusPlus, at: Timestamp, attempt: u16, tell: &mut impl FnMut(Event)) {
        tell(self.delivered(rng, at, attempt));
        if rng.random::<f64>() < COMPLAINED {
            let read = Timestamp(at.0 + rng.random_range(MINUTE_US..DAY_US));
            tell(Event {
                event_type: EventType::Complained,
                event_time: read,
                feedback_type: Text::const_new("abuse"),
                ..self.base.clone()
            });
        }
    }

    fn accepted(&self) -> Event {
        Event {
            event_type: EventType::Accepted,
            recipient: Text::default(),
            recipient_domain: Text::default(),
            nrcpt: 1,
            ..self.base.clone()
        }
    }

    /// What every attempt at the receiver says.
    fn attempted(&self, rng: &mut Xoshiro256PlusPlus, at: Timestamp, attempt: u16) -> Event {
        let (provider, ips) = (self.receiver(), self.stream.ips);
        let ip = Ipv4Addr::new(198, 51, 100, ips[rng.random_range(0..ips.len())]);
        let mx = rng.random_range(0..provider.mx.len());
        let mx_last = u8::try_from(self.provider * 8 + mx).unwrap_or(255);
        Event {
            event_time: at,
            pool: Text::const_new(self.stream.pool),
            sending_ip: Some(IpAddr::V4(ip)),
            mx_host: Text::from(&provider.mx[mx]),
            mx_ip: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, mx_last))),
            mx_port: 25,
            attempt,
            conn_ms: Some(rng.random_range(20..220)),
            xfer_ms: Some(rng.random_range(40..900)),
            tls_version: Text::const_new("TLSv1.3"),
            tls_cipher: Text::const_new("TLS_AES_256_GCM_SHA384"),
            delivery_agent: Text::const_new("smtp"),
            ..self.base.clone()
        }
    }

    fn delivered(&self, rng: &mut Xoshiro256PlusPlus, at: Timestamp, attempt: u16) -> Event {
        let event = self.attempted(rng, at, attempt);
        let enhanced = Some(EnhancedCode { class: 2, subject: 0, detail: 0 });
        let text = filled(&self.receiver().taken, &event, rng);
        Event {
            event_type: EventType::Delivered,
            reply: SmtpReply { code: 250, enhanced, text, stage: SmtpStage::Dot },
            latency_ms: at.millis_since(self.base.event_time),
            ..event
        }
    }

    fn refused(
        &self,
        rng: &mut Xoshiro256PlusPlus,
        event_type: EventType,
        at: Timestamp,
        attempt: u16,
        refusal: &Refusal,
    ) -> Event {
        let event = self.attempted(rng, at, attempt);
        let text = filled(&refusal.text, &event, rng);
        Event {
            event_type,
            reply: SmtpReply {
                code: refusal.code,
                enhanced: refusal.enhanced(),
                text,
                stage: SmtpStage::Rcpt,
            },
            bounce_origin: BounceOrigin::Sync,
            ..event
        }
    }

    /// The first attempt's end: its latency is log-normal, with a long tail.
    fn after(&self, rng: &mut Xoshiro256PlusPlus, at: Timestamp) -> Timestamp {
        let millis = self.receiver().latency_ms * (0.8 * normal(rng)).exp();
        Timestamp(at.0 + i64::try_from(as_count(millis * 1_000.0)).unwrap_or(SECOND_US))
    }
}

fn drawn((said, draw): &(Vec<&'static Refusal>, Draw), rng: &mut Xoshiro256PlusPlus) -> &'static Refusal {
    said[draw.index(rng)]
}

/// Fills `{ip}`, `{to}` and `{id}` into a reply.
fn filled(text: &str, event: &Event, rng: &mut Xoshiro256PlusPlus) -> Text {
    let mut reply = Text::with_capacity(text.len() + 24);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        reply.push_str(before);
        let (name, behind) = after.split_once('}').unwrap_or((after, ""));
        match name {
            "ip" => event.sending_ip.iter().for_each(|ip| put(&mut reply, format_args!("{ip}"))),
            "to" => reply.push_str(&event.recipient),
            _ => put(&mut reply, format_args!("{:016x}", rng.random::<u64>())),
        }
        rest = behind;
    }
    reply.push_str(rest);
    reply
}

/// A number of the standard normal distribution (Box and Muller's way).
fn normal(rng: &mut Xoshiro256PlusPlus) -> f64 {
    let (radius, angle) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

fn put(text: &mut Text, what: std::fmt::Arguments<'_>) {
    // Writing into a text in memory cannot fail.
    let _ = text.write_fmt(what);
}

#[expect(clippy::cast_precision_loss, reason = "numbers of events stay far below 2^52")]
const fn as_float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, which is what is wanted"
)]
const fn as_count(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Timestamp = Timestamp::from_seconds(1_794_268_800);

    fn mail(events: u64, days: u16, seed: u64) -> Vec<Event> {
        Mail::new(&Mix { events, seed, days, end: None }, END).collect()
    }

    #[test]
    fn a_seed_gives_the_same_events_again_and_another_gives_others() {
        assert_eq!(mail(5_000, 2, 7), mail(5_000, 2, 7));
        assert_ne!(mail(5_000, 2, 7), mail(5_000, 2, 8));
    }

    #[test]
    fn there_are_as_many_as_asked_for_in_order_of_time_and_within_the_days() {
        for (events, days) in [(0, 1), (1, 1), (30_000, 3), (500, 30)] {
            let mail = mail(events, days, 1);
            assert_eq!(mail.len() as u64, events);
            assert!(mail.is_sorted_by_key(|event| event.event_time));
            let start = Timestamp(END.0 - i64::from(days) * DAY_US);
            assert!(mail.iter().all(|event| (start..END).contains(&event.event_time)));
        }
    }

    #[test]
    fn most_is_delivered_and_all_kinds_of_ends_are_there() {
        let mail = mail(200_000, 3, 1);
        let count = |kind| mail.iter().filter(|event| event.event_type == kind).count();
        let (delivered, bounced, expired) =
            (count(EventType::Delivered), count(EventType::Bounced), count(EventType::Expired));
        let share = delivered * 1_000 / (delivered + bounced + expired);
        assert!((920..955).contains(&share), "{share} ‰ delivered");
        assert!(expired > 50 && count(EventType::Complained) > 5 && count(EventType::Deferred) > 5_000);
    }

    #[test]
    fn the_last_day_has_its_full_part() {
        for events in [1_000, 100_000] {
            let mail = mail(events, 5, 1);
            let last = mail.iter().filter(|event| event.event_time.0 >= END.0 - DAY_US).count() as u64;
            assert!((events / 10..events / 3).contains(&last), "{last} of {events}");
        }
    }
}
