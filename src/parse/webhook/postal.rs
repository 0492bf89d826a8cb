//! Postal: `{"event": …, "timestamp": …, "payload": …, "uuid": …}`.
//!
//! Source: docs.postalserver.io/developer/webhooks; Postal's `app/models/webhook_event.rb`.
//!
//! | event | ours |
//! | --- | --- |
//! | `MessageSent`, `MessageDelayed` | `delivered`, `deferred` |
//! | `MessageDeliveryFailed` | `bounced` |
//! | `MessageBounced` | `bounced`, of the original message, by a notice that came back |
//! | `MessageHeld` | `suppressed` when the suppression list holds it, else `dropped` |
//! | `MessageLoaded`, `MessageLinkClicked` | `opened`, `clicked` |
//! | `DomainDNSError`, `SendLimit…` | none |
//!
//! Mail that Postal received and passes on (`direction` is `incoming`) was not sent and makes no event.

use crate::model::{BounceOrigin, Event, EventType};
use crate::parse::labels;
use crate::parse::ndjson::value::{Value, bare_message_id, host};
use crate::parse::webhook::draft;
use crate::parse::{Item, Reject};
use serde::Deserialize;

const TYPES: &str = "MessageSent, MessageDelayed, MessageDeliveryFailed, MessageHeld, MessageBounced, MessageLinkClicked, MessageLoaded, DomainDNSError, SendLimitApproaching, SendLimitExceeded";

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    event: Value<'a>,
    timestamp: Value<'a>,
    uuid: Value<'a>,
    payload: Payload<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Payload<'a> {
    message: Mail<'a>,
    original_message: Option<Mail<'a>>,
    status: Value<'a>,
    details: Value<'a>,
    output: Value<'a>,
    sent_with_ssl: Value<'a>,
    url: Value<'a>,
    ip_address: Value<'a>,
    user_agent: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Mail<'a> {
    id: Value<'a>,
    token: Value<'a>,
    direction: Value<'a>,
    message_id: Value<'a>,
    to: Value<'a>,
    from: Value<'a>,
    timestamp: Value<'a>,
    tag: Value<'a>,
}

pub(super) fn read(text: &str, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
    let body: Body<'_> = draft::wire(text)?;
    let payload = &body.payload;
    let Some(event_type) = event_type(&body)? else { return Ok(()) };
    let message = payload.original_message.as_ref().unwrap_or(&payload.message);
    if message.direction.as_text() == Some("incoming") {
        return Ok(());
    }
    let mut event = draft::begin(item, event_type, draft::time(&body.timestamp, "timestamp", item)?);
    draft::injected(&mut event, &message.timestamp, "message.timestamp", item)?;
    draft::env_from(&mut event, &message.from, "message.from")?;
    event.message_id = bare_message_id(message.message_id.as_json_or_text());
    event.queue_id = draft::text(&message.id);
    event.provider_message_id = draft::text(&message.token);
    labels::tag(&mut event, message.tag.as_json_or_text());
    labels::push(&mut event, "sent_with_ssl", payload.sent_with_ssl.as_json_or_text());
    event.click_url = draft::text(&payload.url);
    event.client_ip = draft::ip(&payload.ip_address);
    event.user_agent = draft::text(&payload.user_agent);
    let details = payload.details.as_json_or_text();
    event.reply =
        draft::reply(if payload.output.is_said() { payload.output.as_json_or_text() } else { details });
    if let Some((name, ip)) = receiver(details) {
        event.mx_host = host(name);
        event.mx_ip = ip.parse().ok();
    }
    if event_type.has_bounce_class() || event_type == EventType::Suppressed {
        event.relay_class = draft::text(&payload.status);
        let later = payload.original_message.is_some();
        event.bounce_origin = if later { BounceOrigin::Async } else { draft::origin(&event.reply) };
    }
    let recipient = draft::recipient(&message.to, "message.to")?;
    let event_id = match body.uuid.as_json_or_text() {
        "" => {
            let parts = [&body.event, &body.timestamp, &message.token, &payload.url];
            draft::id(&event, parts.map(Value::as_json_or_text).into_iter().chain([recipient.as_str()]))
        }
        uuid => draft::id(&event, [uuid]),
    };
    draft::append(events, event, recipient, event_id);
    Ok(())
}

fn event_type(body: &Body<'_>) -> Result<Option<EventType>, Reject> {
    let on_list = || body.payload.details.as_json_or_text().contains("suppression list");
    Ok(Some(match body.event.as_text().unwrap_or_default() {
        "MessageSent" => EventType::Delivered,
        "MessageDelayed" => EventType::Deferred,
        "MessageDeliveryFailed" | "MessageBounced" => EventType::Bounced,
        "MessageHeld" if on_list() => EventType::Suppressed,
        "MessageHeld" => EventType::Dropped,
        "MessageLinkClicked" => EventType::Clicked,
        "MessageLoaded" => EventType::Opened,
        "DomainDNSError" => return Ok(None),
        other if other.starts_with("SendLimit") => return Ok(None),
        _ => return Err(draft::unknown(&body.event, "event", TYPES)),
    }))
}

/// The server in `… when sending to mx.example.org (203.0.113.9)`, as Postal's SMTP sender words it.
fn receiver(details: &str) -> Option<(&str, &str)> {
    let (front, ip) = details.trim_end().trim_end_matches('.').strip_suffix(')')?.rsplit_once(" (")?;
    let name = front.rsplit(' ').next().filter(|name| name.contains('.'))?;
    Some((name, ip))
}
