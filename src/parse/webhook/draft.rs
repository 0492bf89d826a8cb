//! Events under construction: what the readers of all providers do alike.
//!
//! Way: a reader begins an event, fills in what its provider says, and appends it once for each recipient.

use crate::model::{
    BounceOrigin, EnhancedCode, Event, EventId, EventType, RejectReason, SmtpReply, SmtpStage, Text,
    Timestamp, domain_of,
};
use crate::parse::json::OneOrMany;
use crate::parse::ndjson::value::{FIELD_BYTES_MAX, Value, json_reject};
use crate::parse::relay::reply::{leading_code, one_line, split_enhanced, unfold};
use crate::parse::text::cut;
use crate::parse::webhook::RECIPIENTS_MAX;
use crate::parse::{Item, Reject};
use serde::Deserialize;
use std::borrow::Cow;
use std::net::IpAddr;
use std::str::FromStr;

/// Reads the wire form of an item.
pub(in crate::parse) fn wire<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Reject> {
    serde_json::from_str(json).map_err(|fault| json_reject(&fault))
}

/// Begins an event of that type and time.
pub(in crate::parse) fn begin(item: &Item<'_>, event_type: EventType, at: Timestamp) -> Event {
    Event {
        event_type,
        event_time: at,
        received_time: item.received,
        source_kind: item.source.kind,
        source: item.source.name.clone(),
        relay: item.source.kind.name().into(),
        ..Event::default()
    }
}

/// The id of an event: the parts that tell it from all others of its provider.
pub(in crate::parse) fn id<'p>(event: &Event, parts: impl IntoIterator<Item = &'p str>) -> EventId {
    let kind = event.source_kind.name();
    EventId::of(std::iter::once(kind).chain(parts).map(str::as_bytes))
}

/// Appends an event about one recipient.
pub(in crate::parse) fn append(events: &mut Vec<Event>, event: Event, recipient: Text, event_id: EventId) {
    events.push(Event { event_id, recipient_domain: domain_of(&recipient).into(), recipient, ..event });
}

/// The recipient of an event that has one.
pub(in crate::parse) fn recipient(value: &Value<'_>, field: &str) -> Result<Text, Reject> {
    let address = value.address(field)?;
    if address.is_empty() { Err(missing(field)) } else { Ok(address) }
}

/// The recipients that an item lists, each once.
pub(in crate::parse) fn recipients(values: &OneOrMany<'_>, field: &str) -> Result<Vec<Text>, Reject> {
    if values.0.len() > RECIPIENTS_MAX {
        let message = format!("`{field}` has more than {RECIPIENTS_MAX} addresses");
        return Err(Reject::new(RejectReason::TooLarge, message));
    }
    let mut addresses =
        values.0.iter().map(|value| recipient(value, field)).collect::<Result<Vec<_>, _>>()?;
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// The one recipient that an item can be about: the only one of the message, else nobody in particular.
pub(in crate::parse) fn only_recipient(mut recipients: Vec<Text>) -> Text {
    if recipients.len() == 1 { recipients.remove(0) } else { Text::default() }
}

/// The time of an event.
pub(in crate::parse) fn time(value: &Value<'_>, field: &str, item: &Item<'_>) -> Result<Timestamp, Reject> {
    value.time(field, item.received)?.ok_or_else(|| missing(field))
}

/// When the message was handed in, and how long its way took from there, as far as it is the relay's: what a person does
/// later is no delay.
pub(in crate::parse) fn injected(
    event: &mut Event,
    value: &Value<'_>,
    field: &str,
    item: &Item<'_>,
) -> Result<(), Reject> {
    event.injected_time = value.time(field, item.received)?;
    let on_its_way = event.event_type.has_bounce_class()
        || matches!(event.event_type, EventType::Delivered | EventType::DeliveredLocal);
    let injected = event.injected_time.filter(|_| on_its_way);
    event.latency_ms = injected.and_then(|injected| event.event_time.millis_since(injected));
    Ok(())
}

pub(in crate::parse) fn env_from(event: &mut Event, value: &Value<'_>, field: &str) -> Result<(), Reject> {
    event.env_from = value.address(field)?;
    event.env_from_domain = domain_of(&event.env_from).into();
    Ok(())
}

/// Reads a reply as providers quote it: `550 5.1.1 unknown`, `5.1.1 unknown`, `smtp; 550-5.1.1 unknown`.
pub(in crate::parse) fn reply(text: &str) -> SmtpReply {
    // line ends separate the lines of a reply as well as blanks do
    let text: Cow<'_, str> = if text.contains(['\r', '\n']) {
        Cow::Owned(text.replace(['\r', '\n'], " "))
    } else {
        Cow::Borrowed(text)
    };
    let text = text.trim_start();
    let text = match text.split_at_checked("smtp;".len()) {
        Some((kind, rest)) if kind.eq_ignore_ascii_case("smtp;") => rest.trim_start(),
        _ => text,
    };
    if leading_code(text).is_some() {
        return unfold(text);
    }
    let (enhanced, words) = split_enhanced(text);
    SmtpReply { code: 0, enhanced, text: one_line(words), stage: SmtpStage::Unknown }
}

/// A reply whose code stands in a field of its own. Providers have codes beyond those of SMTP, such as Mailgun's 605.
pub(in crate::parse) fn reply_with_code(code: &Value<'_>, text: &str) -> SmtpReply {
    let mut reply = reply(text);
    if reply.code == 0 {
        let code = code.as_text().and_then(|code| code.parse().ok());
        reply.code = code.filter(|code| matches!(code, 200..=599)).unwrap_or(0);
    }
    reply
}

/// A status that stands in a field of its own; what is no code of RFC 3463 says nothing.
pub(in crate::parse) fn dsn(value: &Value<'_>) -> Option<EnhancedCode> {
    EnhancedCode::parse_prefix(value.as_text()?.trim()).map(|(code, _)| code)
}

/// Who said that a message failed, as far as codes tell: a receiver's server has one.
pub(in crate::parse) fn origin(reply: &SmtpReply) -> BounceOrigin {
    if reply.code == 0 { BounceOrigin::None } else { BounceOrigin::Sync }
}

/// A text that says something by itself, and is no reason to lose the event when it is long.
pub(in crate::parse) fn text(value: &Value<'_>) -> Text {
    cut(value.as_json_or_text(), FIELD_BYTES_MAX).into()
}

/// Whether a value says yes.
pub(in crate::parse) fn is_true(value: &Value<'_>) -> bool {
    matches!(value.as_text(), Some("true" | "1"))
}

pub(in crate::parse) fn missing(field: &str) -> Reject {
    let message = format!("`{field}` is missing: hand the events in as the provider makes them");
    Reject::new(RejectReason::MissingField, message)
}

/// The reject for an event type that this version does not know.
pub(in crate::parse) fn unknown(value: &Value<'_>, field: &str, known: &str) -> Reject {
    if !value.is_said() {
        return missing(field);
    }
    Reject { reason: RejectReason::UnknownType, ..value.bad(field, known) }
}

/// An address of the network; one that cannot be read is no reason to lose the event.
pub(in crate::parse) fn ip(value: &Value<'_>) -> Option<IpAddr> {
    value.ip("").unwrap_or_default()
}

/// A number that is worth having and not worth a reject.
pub(in crate::parse) fn number<T: FromStr>(value: &Value<'_>) -> Option<T> {
    value.as_text()?.parse().ok()
}
