//! ZoneMTA logs: lines of its log, or its log entries as JSON, one a line.
//!
//! Way: `pipeline` hands the lines of one source in order; `line` reads a log line, `entry` a JSON record, both into
//! the same `Fact`, this module makes events of it. No state is kept: each line names sender, recipient and message.
//! Source: ZoneMTA 3.10, `lib/sender.js`, `lib/mail-drop.js`, `lib/mail-queue.js` for lines and entries, the package
//! `@zone-eu/wild-plugins` for the hook `log:entry`, which hands each entry to a plugin; `lib/bounces.js` for the reply on
//! one line.
//! Not here: the webhook of the plugin `core/http-bounce` (`webhook`); what a reply means (`classify`).
//!
//! | state | event |
//! | --- | --- |
//! | `QUEUED` | `accepted` |
//! | `ACCEPTED` | `delivered` |
//! | `DEFERRED` | `deferred` |
//! | `REJECTED` | `bounced`; `expired` for a temporary reply or a fault of the network, which are given up by age alone |
//! | `DROP` | `suppressed` by ZoneMTA's suppression list, else `dropped` |
//! | `NOQUEUE` | `rejected` |
//! | `DELSUCCESS`, `DELETED` | `admin_cancelled`; names no recipient |
//!
//! ZoneMTA prints its lines without a time, so the time is that of the syslog head or the journal, and without these the
//! time of arrival here. A plugin that writes entries should add `time` to them (RFC 3339, or milliseconds since 1970);
//! an `ACCEPTED` entry without one has it from `start` and `timer`. Attempts are known from entries alone (`defcount`).

mod entry;
mod line;
#[cfg(test)]
mod tests;

use crate::model::{
    BounceOrigin, Event, EventType, RejectReason, SmtpReply, Text, Timestamp, domain_of, normalize_address,
};
use crate::parse::ndjson::value::{bare_message_id, host};
use crate::parse::relay::header::{self, Header};
use crate::parse::relay::journal;
use crate::parse::relay::log::{self, LogOptions};
use crate::parse::relay::reply::unfold;
use crate::parse::relay::stamp::StampReader;
use crate::parse::relay::teller::{SASL_USERNAME_BYTES_MAX, Teller, add_login, clip, tells_suppression};
use crate::parse::{EventReader, Item, Reject};
use entry::Entry;
use std::net::IpAddr;

/// Longest queue id and session id read, in bytes: those of ZoneMTA have 18 and 16.
const ID_BYTES_MAX: usize = 64;

/// How long before its event a message can have been queued: ZoneMTA tries for two days unless told otherwise.
const QUEUED_BEFORE_MAX_MICROS: i64 = 60 * 86_400 * 1_000_000;

/// Reads the log of one source.
#[derive(Debug)]
pub struct ZonemtaReader {
    stamps: StampReader,
}

/// What a line or an entry says; empty and `None` where it does not.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Fact<'a> {
    action: &'a str,
    /// The class of a failure, or the reason of a drop.
    category: &'a str,
    queue_id: &'a str,
    session_id: &'a str,
    zone: &'a str,
    /// The envelope's.
    from: &'a str,
    to: &'a str,
    /// Our address on a delivery, the client's on an arrival.
    source_ip: Option<IpAddr>,
    mx_host: &'a str,
    mx_ip: Option<IpAddr>,
    message_id: &'a str,
    response: &'a str,
    login: &'a str,
    protocol: &'a str,
    size_bytes: u32,
    xfer_ms: Option<u32>,
    attempt: u16,
    time: Option<Timestamp>,
}

impl ZonemtaReader {
    pub fn new(options: &LogOptions) -> Self {
        Self { stamps: StampReader::new(options.time_zone.clone()) }
    }
}

impl EventReader for ZonemtaReader {
    fn read(&mut self, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
        let text = log::line_text(item)?;
        let without_head = |text| Header::new(item.received, &item.source.name, "zone-mta", "", text);
        if text.starts_with('{') {
            let entry = Entry::read(&text)?;
            if entry.is_of_journal() {
                let entry = journal::Entry::read(&text)?;
                return tell_line(item, entry.header()?, entry.cursor(), events);
            }
            return tell(item, without_head(""), "", &entry.fact(item.received)?, events);
        }
        if line::has_level(&text) {
            return tell_line(item, without_head(&text), "", events);
        }
        match header::read(&text, &mut self.stamps, item.received)? {
            Some(header) => tell_line(item, header, "", events),
            None => Ok(()),
        }
    }
}

fn tell_line(
    item: &Item<'_>,
    header: Header<'_>,
    cursor: &str,
    events: &mut Vec<Event>,
) -> Result<(), Reject> {
    log::check_names(&header)?;
    match line::read(header.text)? {
        Some(fact) => tell(item, header, cursor, &fact, events),
        None => Ok(()),
    }
}

/// Appends the event of a fact.
fn tell(
    item: &Item<'_>,
    header: Header<'_>,
    cursor: &str,
    fact: &Fact<'_>,
    events: &mut Vec<Event>,
) -> Result<(), Reject> {
    let reply = unfold(fact.response);
    let Some(event_type) = event_type_of(fact, &reply) else { return Ok(()) };
    if fact.queue_id.len() > ID_BYTES_MAX || fact.session_id.len() > ID_BYTES_MAX {
        return Err(Reject::new(
            RejectReason::TooLarge,
            format!("queue or session id over {ID_BYTES_MAX} bytes"),
        ));
    }
    let is_of_message = matches!(event_type, EventType::Accepted | EventType::Rejected);
    let recipient = if is_of_message { Text::default() } else { normalize_address(fact.to) };
    if recipient.is_empty() && !event_type.may_lack_recipient() {
        return Err(Reject::new(RejectReason::MissingField, "the delivery names no recipient (`to`)"));
    }
    let header = Header { time: fact.time.unwrap_or(header.time), ..header };
    let event = Teller { item, header, cursor }.tell(events, event_type, fact.queue_id, recipient, None);
    event.session_id = fact.session_id.into();
    event.message_id = bare_message_id(fact.message_id);
    event.env_from = normalize_address(fact.from);
    event.env_from_domain = domain_of(&event.env_from).into();
    event.pool = fact.zone.into();
    event.relay_class = fact.category.into();
    event.size_bytes = fact.size_bytes;
    event.attempt = fact.attempt;
    event.xfer_ms = fact.xfer_ms;
    event.delivery_agent = fact.protocol.into();
    event.injected_time = queued_at(fact.queue_id, event.event_time);
    add_login(event, clip(fact.login, SASL_USERNAME_BYTES_MAX));
    if is_of_message {
        event.client_ip = fact.source_ip;
        event.nrcpt =
            fact.to.split(',').filter(|to| !matches!(*to, "" | "<>")).count().try_into().unwrap_or(u16::MAX);
    } else {
        event.sending_ip = fact.source_ip;
        event.mx_host = host(fact.mx_host);
        event.mx_ip = fact.mx_ip;
        event.latency_ms = event.injected_time.and_then(|injected| event.event_time.millis_since(injected));
    }
    if event_type.has_bounce_class() {
        let is_remote = reply.code != 0 && matches!(event_type, EventType::Bounced | EventType::Deferred);
        event.bounce_origin = if is_remote { BounceOrigin::Sync } else { BounceOrigin::Local };
    }
    event.reply = reply;
    Ok(())
}

/// Returns what a state means; `None` for one that tells of no mail by itself.
fn event_type_of(fact: &Fact<'_>, reply: &SmtpReply) -> Option<EventType> {
    Some(match fact.action {
        "QUEUED" => EventType::Accepted,
        "ACCEPTED" => EventType::Delivered,
        "DEFERRED" => EventType::Deferred,
        // such a failure is tried again until its time is over
        "REJECTED" if (400..500).contains(&reply.code) || (reply.code == 0 && fact.category == "network") => {
            EventType::Expired
        }
        "REJECTED" => EventType::Bounced,
        // a line says `DROP[suppressed]`, an entry has a sentence as its reason
        "DROP" if tells_suppression(fact.category) || fact.category.contains("suppression list") => {
            EventType::Suppressed
        }
        "DROP" => EventType::Dropped,
        "NOQUEUE" => EventType::Rejected,
        "DELSUCCESS" | "DELETED" => EventType::AdminCancelled,
        _ => return None,
    })
}

/// Returns when the message was queued: an id begins with the milliseconds since 1970 in eleven hex digits
/// (`19aa4b2c3d40005b01`). An id that was made otherwise gives no time near the event.
fn queued_at(queue_id: &str, event_time: Timestamp) -> Option<Timestamp> {
    const TIME_DIGITS: usize = 11;
    let millis = i64::from_str_radix(queue_id.get(..TIME_DIGITS)?, 16).ok()?;
    let queued = Timestamp::from_millis(millis);
    let age = event_time.0.saturating_sub(queued.0);
    // the clock of a line may have whole seconds
    (-1_000_000..QUEUED_BEFORE_MAX_MICROS).contains(&age).then_some(queued)
}
