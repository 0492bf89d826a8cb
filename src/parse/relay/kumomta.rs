//! KumoMTA's log records: one JSON object an event of the relay.
//!
//! Way: `POST /v1/in/kumomta` (with `integrations/kumomta/relaylens.lua`) or a log tailer brings records, this module
//! reads each into the events of its recipients, `classify` goes on.
//! Source: <https://docs.kumomta.com/reference/log_record/> and the crate `kumo-log-types` of KumoMTA, read 2026.
//! Not here: unpacking zstd segments and splitting arrays (`ingest`); whose message a bounce or complaint is about, and
//! whether it is genuine (`pipeline`): KumoMTA does not sign what it puts into the mail for that.
//!
//! | record | event |
//! | --- | --- |
//! | `Reception` | `accepted`: one, without recipient, `nrcpt` counts them |
//! | `Delivery` | `delivered`; `delivered_local` into a Maildir |
//! | `Bounce`, `TransientFailure`, `Expiration` | `bounced`, `deferred`, `expired` |
//! | `OOB` | `bounced`, with origin `async` |
//! | `Feedback` | `complained`; `unsubscribed` for an opt-out; none for `not-spam` and `auth-failure` |
//! | `Rejection` | `rejected` |
//! | `AdminBounce` | `admin_cancelled` |
//! | `AdminRebind`, `DeferredInjectionRebind`, `XferOut`, `XferIn` | `moved` |
//! | `Delayed` | none: it tells where a message waits, and no receiver was asked |
//!
//! The records of the log hook's own deliveries (`reception_protocol` `LogRecord`) are no mail and make no events.

mod feedback;
mod labels;
mod record;
#[cfg(test)]
mod tests;

use crate::model::{
    BounceOrigin, EnhancedCode, Event, EventId, EventType, RejectReason, SmtpReply, SmtpStage, Text,
    Timestamp, domain_of,
};
use crate::parse::json::MANY_MAX;
use crate::parse::labels::push;
use crate::parse::ndjson::value::{Value, host, json_reject, one_line, record_text};
use crate::parse::{EventReader, Item, Reject};
use record::{PeerAddress, Record, Response};

/// Longest record, in bytes: a feedback record holds the whole mail that was complained about.
pub const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most recipients of one record: 16 times what one message takes in KumoMTA's own example,
/// <https://docs.kumomta.com/reference/kumo/start_esmtp_listener/max_recipients_per_message/>.
pub const RECIPIENTS_MAX: usize = MANY_MAX - 1;

/// Most that one record may grow to, in bytes, as each recipient's event has its own copy of all labels: 64 MiB. That
/// is 16 thousand recipients at the 2 KiB that a record usually has beside them.
pub const EXPANDED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The reader of KumoMTA's records. It keeps no state: each record says all of its event.
#[derive(Debug, Clone, Copy, Default)]
pub struct KumomtaReader;

impl EventReader for KumomtaReader {
    fn read(&mut self, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
        let text = record_text(item.bytes, RECORD_BYTES_MAX)?;
        let record: Record<'_> = serde_json::from_str(text).map_err(|error| json_reject(&error))?;
        let Some(kind) = Kind::of(&record)? else { return Ok(()) };
        let Some(event_type) = kind.event_type(&record)? else { return Ok(()) };
        let mut event = common(item, &record)?;
        event.event_type = event_type;
        event.event_time = event_time(item, &record, kind)?;
        let recipients = match kind {
            Kind::Attempt | Kind::Queue | Kind::Expiration => sent(item, &record, kind, &mut event)?,
            Kind::Reception => received(item, &record, &mut event)?,
            Kind::Rejection => rejected(&record, &mut event)?,
            Kind::Oob => returned(&record, &mut event)?,
            Kind::Feedback => feedback::complained(&record, &mut event)?,
        };
        check_expansion(text.len(), &recipients)?;
        append(events, event, &record, recipients)
    }
}

/// The families of records: those of one family say the same fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reception,
    Rejection,
    /// A receiver was asked, or could not be reached.
    Attempt,
    Expiration,
    /// An administrator or another node took the message over.
    Queue,
    Oob,
    Feedback,
}

impl Kind {
    /// The family of a record; `None` for one that tells of no mail by itself.
    fn of(record: &Record<'_>) -> Result<Option<Self>, Reject> {
        if record.reception_protocol.as_text() == Some("LogRecord") {
            return Ok(None);
        }
        Ok(Some(match record.kind.text("type")? {
            "Reception" => Self::Reception,
            "Delivery" | "Bounce" | "TransientFailure" => Self::Attempt,
            "Expiration" => Self::Expiration,
            "AdminBounce" | "AdminRebind" | "DeferredInjectionRebind" | "XferOut" | "XferIn" => Self::Queue,
            "OOB" => Self::Oob,
            "Feedback" => Self::Feedback,
            "Rejection" => Self::Rejection,
            // the documentation says `Delay`, the program `Delayed`
            "Delayed" | "Delay" => return Ok(None),
            "" => return Err(missing("type")),
            _ => {
                let reject = record.kind.bad("type", "a record type of KumoMTA such as Delivery");
                return Err(Reject { reason: RejectReason::UnknownType, ..reject });
            }
        }))
    }

    /// The type of the record's events; `None` when it has none.
    fn event_type(self, record: &Record<'_>) -> Result<Option<EventType>, Reject> {
        Ok(Some(match self {
            Self::Reception => EventType::Accepted,
            Self::Rejection => EventType::Rejected,
            Self::Attempt => match record.kind.as_text() {
                Some("Bounce") => EventType::Bounced,
                Some("TransientFailure") => EventType::Deferred,
                _ if record.delivery_protocol.as_text() == Some("Maildir") => EventType::DeliveredLocal,
                _ => EventType::Delivered,
            },
            Self::Expiration => EventType::Expired,
            Self::Queue if record.kind.as_text() == Some("AdminBounce") => EventType::AdminCancelled,
            Self::Queue => EventType::Moved,
            Self::Oob => EventType::Bounced,
            Self::Feedback => return feedback::event_type(record),
        }))
    }
}

/// What all records say alike.
fn common(item: &Item<'_>, record: &Record<'_>) -> Result<Event, Reject> {
    let env_from = record.sender.address("sender")?;
    Ok(Event {
        received_time: item.received,
        source_kind: item.source.kind,
        source: item.source.name.clone(),
        // a record names its node, never its host
        relay: item.source.name.clone(),
        node_id: record.nodeid.text("nodeid")?.into(),
        session_id: record.session_id.text("session_id")?.into(),
        env_from_domain: domain_of(&env_from).into(),
        env_from,
        reply: reply(record.response.as_ref())?,
        // 0 when the body was not in memory (transient failures, delays)
        size_bytes: size(record)?,
        ..Event::default()
    })
}

/// A message on its way out. Returns its recipients.
fn sent(item: &Item<'_>, record: &Record<'_>, kind: Kind, event: &mut Event) -> Result<Vec<Text>, Reject> {
    labels::take_own(record, event)?;
    event.queue_id = record.id.text("id")?.into();
    event.is_notification = is_notice(record);
    event.injected_time = injected_time(item, record)?;
    event.latency_ms = event.injected_time.and_then(|injected| event.event_time.millis_since(injected));
    // attempts are counted up after the record of one is written, and before an expiry (kumod, queue/queue.rs)
    let attempts: u16 = record.num_attempts.parse("num_attempts", "0 to 65535")?.unwrap_or(0);
    event.attempt = if kind == Kind::Attempt { attempts.saturating_add(1) } else { attempts };
    event.pool = record.egress_pool.text("egress_pool")?.into();
    event.egress_source = record.egress_source.text("egress_source")?.into();
    event.sending_ip = record.source_address.as_ref().and_then(record::SourceAddress::ip);
    event.delivery_agent = delivery_agent(record.delivery_protocol.text("delivery_protocol")?);
    event.tls_version = record.tls_protocol_version.text("tls_protocol_version")?.into();
    event.tls_cipher = record.tls_cipher.text("tls_cipher")?.into();
    if let Some(peer) = &record.peer_address
        && let Some(ip) = peer.ip()
    {
        event.mx_host = host(peer.name.text("peer_address.name")?);
        event.mx_ip = Some(ip);
    }
    if event.event_type.has_bounce_class() {
        event.relay_class = bounce_class(record)?;
        event.bounce_origin = origin(record);
    }
    recipients(record)
}

/// A message that came in. It has no recipient, because `accepted` is counted by message.
fn received(item: &Item<'_>, record: &Record<'_>, event: &mut Event) -> Result<Vec<Text>, Reject> {
    labels::take_own(record, event)?;
    event.queue_id = record.id.text("id")?.into();
    event.is_notification = is_notice(record);
    event.injected_time = injected_time(item, record)?;
    event.nrcpt = u16::try_from(record.recipient.0.len()).unwrap_or(u16::MAX);
    client(record.peer_address.as_ref(), event);
    Ok(vec![Text::default()])
}

/// A message or recipient refused at the relay's own door: no spool id, and often no recipient yet.
fn rejected(record: &Record<'_>, event: &mut Event) -> Result<Vec<Text>, Reject> {
    labels::take_own(record, event)?;
    event.bounce_origin = BounceOrigin::Local;
    client(record.peer_address.as_ref(), event);
    let recipients = recipients(record)?;
    Ok(if recipients.is_empty() { vec![Text::default()] } else { recipients })
}

/// A delivery status notification that came back: KumoMTA writes one record for each recipient that it calls failed.
///
/// `id`, `queue`, `created` and the headers are those of the notification, so the queue id is kept as `report_id`;
/// the enhanced code is its `Status` field, and the reply its `Diagnostic-Code`.
fn returned(record: &Record<'_>, event: &mut Event) -> Result<Vec<Text>, Reject> {
    labels::take_report_meta(record, event);
    event.bounce_origin = BounceOrigin::Async;
    event.relay_class = bounce_class(record)?;
    event.relay_dsn = event.reply.enhanced.take();
    let diagnostic = std::mem::take(&mut event.reply.text);
    let (enhanced, text) = without_codes(&diagnostic, event.reply.code);
    (event.reply.enhanced, event.reply.text) = (enhanced, text.into());
    if let Some(peer) = &record.peer_address {
        event.reporting_mta = host(peer.name.text("peer_address.name")?);
        event.client_ip = peer.ip();
    }
    push(event, "report_id", record.id.text("id")?);
    recipients(record)
}

/// Refuses a record whose events would fill the memory.
fn check_expansion(record_bytes: usize, recipients: &[Text]) -> Result<(), Reject> {
    // with their quotes and comma
    let own_bytes: usize = recipients.iter().map(|recipient| recipient.len() + 3).sum();
    let copied_bytes =
        record_bytes.saturating_sub(own_bytes).saturating_mul(recipients.len().saturating_sub(1));
    let message = if recipients.len() > RECIPIENTS_MAX {
        format!("`recipient` has more than {RECIPIENTS_MAX} addresses")
    } else if copied_bytes > EXPANDED_BYTES_MAX {
        let count = recipients.len();
        format!("{count} copies of the record are {copied_bytes} bytes, the limit is {EXPANDED_BYTES_MAX}")
    } else {
        return Ok(());
    };
    Err(Reject::new(RejectReason::TooLarge, message))
}

/// Appends one event for each recipient.
fn append(
    events: &mut Vec<Event>,
    event: Event,
    record: &Record<'_>,
    mut recipients: Vec<Text>,
) -> Result<(), Reject> {
    recipients.sort_unstable();
    recipients.dedup();
    let Some(last) = recipients.pop() else {
        return Err(missing("recipient"));
    };
    let for_one = |recipient: Text, event: Event| Event {
        event_id: event_id(record, &recipient),
        recipient_domain: domain_of(&recipient).into(),
        recipient,
        ..event
    };
    events.extend(recipients.into_iter().map(|recipient| for_one(recipient, event.clone())));
    events.push(for_one(last, event));
    Ok(())
}

/// The same record, by log hook or from a file, on any day, has the same ids.
fn event_id<'r>(record: &'r Record<'_>, recipient: &'r str) -> EventId {
    let time = if record.event_time.is_said() { &record.event_time } else { &record.timestamp };
    // a rejection has no id; its session tells it from another one of the same second
    let message = if record.id.is_said() { &record.id } else { &record.session_id };
    let text = |value: &'r Value<'_>| value.as_json_or_text().as_bytes();
    EventId::of([
        text(&record.nodeid),
        text(message),
        text(&record.kind),
        recipient.as_bytes(),
        text(time),
        text(&record.num_attempts),
    ])
}

fn event_time(item: &Item<'_>, record: &Record<'_>, kind: Kind) -> Result<Timestamp, Reject> {
    let precise = record.event_time.time("event_time", item.received);
    let time = match precise {
        Ok(None) => record.timestamp.time("timestamp", item.received),
        precise => precise,
    };
    match time {
        Ok(Some(time)) => Ok(time),
        Ok(None) => Err(missing("event_time")),
        // of a returned notice it is `Last-Attempt-Date`, by a stranger's clock: a wrong one is no reason to lose a bounce
        Err(_) if kind == Kind::Oob => Ok(item.received),
        Err(reject) => Err(reject),
    }
}

fn injected_time(item: &Item<'_>, record: &Record<'_>) -> Result<Option<Timestamp>, Reject> {
    match record.created_time.time("created_time", item.received)? {
        None => record.created.time("created", item.received),
        precise => Ok(precise),
    }
}

/// The recipients, as they are stored.
fn recipients(record: &Record<'_>) -> Result<Vec<Text>, Reject> {
    let said = record.recipient.0.iter().filter(|value| value.is_said());
    said.map(|value| value.address("recipient")).collect()
}

fn reply(response: Option<&Response<'_>>) -> Result<SmtpReply, Reject> {
    let Some(response) = response else {
        return Ok(SmtpReply::default());
    };
    Ok(SmtpReply {
        code: response.code.parse("response.code", "0 to 65535")?.unwrap_or(0),
        enhanced: response.enhanced_code.as_ref().and_then(record::Enhanced::code),
        text: one_line(response.content.as_json_or_text()),
        stage: stage(response.command.as_text().unwrap_or_default()),
    })
}

/// The step of the conversation that a command belongs to. `.` stands for the end of the message.
fn stage(command: &str) -> SmtpStage {
    let verb = command.split_ascii_whitespace().next().unwrap_or_default();
    let is = |name: &str| verb.eq_ignore_ascii_case(name);
    match verb {
        "." => SmtpStage::Dot,
        _ if is("EHLO") || is("HELO") || is("LHLO") => SmtpStage::Ehlo,
        _ if is("STARTTLS") => SmtpStage::Tls,
        _ if is("AUTH") => SmtpStage::Auth,
        _ if is("MAIL") => SmtpStage::Mail,
        _ if is("RCPT") => SmtpStage::Rcpt,
        _ if is("DATA") || is("BDAT") => SmtpStage::Data,
        _ => SmtpStage::Unknown,
    }
}

/// The text of a diagnostic without the codes before it (`550-5.1.1 no such user`), and the code that stood there.
fn without_codes(text: &str, code: u16) -> (Option<EnhancedCode>, &str) {
    let digits = code.to_string();
    let text = match text.strip_prefix(digits.as_str()) {
        Some(rest) if rest.starts_with([' ', '-']) => &rest[1..],
        _ => text,
    };
    match EnhancedCode::parse_prefix(text) {
        Some((enhanced, end)) => (Some(enhanced), text[end..].trim_start()),
        None => (None, text),
    }
}

/// Who said no: the receiver, unless KumoMTA asked nobody or says that the words are its own.
fn origin(record: &Record<'_>) -> BounceOrigin {
    let own_words = record
        .response
        .as_ref()
        .is_some_and(|r| r.content.as_json_or_text().starts_with("KumoMTA internal:"));
    if own_words || record.peer_address.is_none() { BounceOrigin::Local } else { BounceOrigin::Sync }
}

/// The class by KumoMTA's rules; `Uncategorized` is what it writes when none fits or none are loaded.
fn bounce_class(record: &Record<'_>) -> Result<Text, Reject> {
    let class = record.bounce_classification.text("bounce_classification")?;
    Ok(if class == "Uncategorized" { Text::default() } else { class.into() })
}

/// The null sender is for notices alone (RFC 5321 section 4.5.5).
fn is_notice(record: &Record<'_>) -> bool {
    matches!(record.sender.as_text(), Some("" | "<>"))
}

fn delivery_agent(protocol: &str) -> Text {
    if protocol.eq_ignore_ascii_case("ESMTP") { "smtp".into() } else { Text::from(protocol).to_lowercase() }
}

/// Who handed the message in.
fn client(peer: Option<&PeerAddress<'_>>, event: &mut Event) {
    let Some(peer) = peer else { return };
    event.client_ip = peer.ip();
    push(event, "ehlo", peer.name.as_json_or_text());
}

fn size(record: &Record<'_>) -> Result<u32, Reject> {
    let size: u64 = record.size.parse("size", "a number of bytes")?.unwrap_or(0);
    Ok(u32::try_from(size).unwrap_or(u32::MAX))
}

fn missing(field: &str) -> Reject {
    let message = format!("`{field}` is missing: log whole records, without a template");
    Reject::new(RejectReason::MissingField, message)
}
