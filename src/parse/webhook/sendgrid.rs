//! SendGrid's Event Webhook.
//!
//! Source: www.twilio.com/docs/sendgrid/for-developers/tracking-events/event.
//!
//! | event | ours |
//! | --- | --- |
//! | `processed`, `deferred`, `delivered` | `queued`, `deferred`, `delivered` |
//! | `bounce` | `bounced`, also of type `blocked` |
//! | `dropped` | `suppressed` when a list is the reason, else `dropped` |
//! | `open`, `click`, `spamreport` | `opened`, `clicked`, `complained` |
//! | `unsubscribe`, `group_unsubscribe` | `unsubscribed` |
//! | `group_resubscribe` | `resubscribed` |
//!
//! The sender's own arguments stand among SendGrid's fields, so that every other name is taken for one of them.

use crate::model::{BounceOrigin, Event, EventType};
use crate::parse::json::{OneOrMany, Pairs};
use crate::parse::labels;
use crate::parse::ndjson::value::{Value, bare_message_id};
use crate::parse::webhook::draft;
use crate::parse::{Item, Reject};

const TYPES: &str = "processed, deferred, delivered, bounce, dropped, open, click, spamreport, unsubscribe, group_unsubscribe, group_resubscribe";

/// Beginnings of the reasons for which SendGrid drops mail because of a list.
const LIST_REASONS: [&str; 4] =
    ["Bounced Address", "Unsubscribed Address", "Spam Reporting Address", "Invalid"];

pub(super) fn read(text: &str, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
    let Pairs(pairs) = draft::wire(text)?;
    let get =
        |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map_or(&Value::Null, |(_, value)| value);
    let (kind, words) = (get("event"), get("reason").as_json_or_text());
    let event_type = event_type(kind, words)?;
    let mut event = draft::begin(item, event_type, draft::time(get("timestamp"), "timestamp", item)?);
    for (name, value) in &pairs {
        take(&mut event, name, value);
    }
    let response = get("response");
    let words = if words.is_empty() { response.as_json_or_text() } else { words };
    event.reply = draft::reply(words);
    if event_type.has_bounce_class() {
        event.bounce_origin = draft::origin(&event.reply);
    }
    if event_type == EventType::Bounced {
        let class = get("bounce_classification").as_json_or_text();
        event.relay_class = match (get("type").as_json_or_text(), class) {
            (kind, "") => kind.into(),
            (kind, class) => format!("{kind}/{class}").into(),
        };
        // a bounce that came back later is not tied to the message
        if !get("sg_message_id").is_said() {
            event.bounce_origin = BounceOrigin::Async;
        }
    }
    let recipient = draft::recipient(get("email"), "email")?;
    let event_id = match get("sg_event_id").as_json_or_text() {
        "" => {
            let parts = [kind, get("timestamp"), get("sg_message_id"), get("smtp-id"), get("url")];
            draft::id(&event, parts.map(Value::as_json_or_text).into_iter().chain([recipient.as_str()]))
        }
        id => draft::id(&event, [id]),
    };
    draft::append(events, event, recipient, event_id);
    Ok(())
}

fn event_type(kind: &Value<'_>, reason: &str) -> Result<EventType, Reject> {
    Ok(match kind.as_text().unwrap_or_default() {
        "processed" => EventType::Queued,
        "deferred" => EventType::Deferred,
        "delivered" => EventType::Delivered,
        "bounce" => EventType::Bounced,
        // a header or a message that SendGrid cannot take is no list
        "dropped" if reason.starts_with("Invalid SMTPAPI") => EventType::Failed,
        "dropped" if LIST_REASONS.iter().any(|list| reason.starts_with(list)) => EventType::Suppressed,
        "dropped" => EventType::Dropped,
        "open" => EventType::Opened,
        "click" => EventType::Clicked,
        "spamreport" => EventType::Complained,
        "unsubscribe" | "group_unsubscribe" => EventType::Unsubscribed,
        "group_resubscribe" => EventType::Resubscribed,
        _ => return Err(draft::unknown(kind, "event", TYPES)),
    })
}

fn take(event: &mut Event, name: &str, value: &Value<'_>) {
    let text = value.as_json_or_text();
    match name {
        "smtp-id" => event.message_id = bare_message_id(text),
        "sg_message_id" => event.provider_message_id = draft::text(value),
        "status" => event.relay_dsn = draft::dsn(value),
        "attempt" => event.attempt = draft::number(value).unwrap_or(0),
        "useragent" => event.user_agent = draft::text(value),
        "url" => event.click_url = draft::text(value),
        // the sending address, unless somebody did something
        "ip" => match event.event_type {
            EventType::Queued | EventType::Deferred | EventType::Delivered | EventType::Bounced => {
                event.sending_ip = draft::ip(value);
            }
            _ => event.client_ip = draft::ip(value),
        },
        "category" => {
            for category in &OneOrMany::of(value).0 {
                labels::tag(event, category.as_json_or_text());
            }
        }
        "pool" => take_pool(event, value),
        // read elsewhere, or said by the type
        "email"
        | "timestamp"
        | "event"
        | "type"
        | "bounce_classification"
        | "reason"
        | "response"
        | "sg_event_id" => {}
        _ => labels::take(event, name, text),
    }
}

/// `{"name": …, "id": …}`.
fn take_pool(event: &mut Event, value: &Value<'_>) {
    let Pairs(pairs) = draft::wire(value.as_json_or_text()).unwrap_or_default();
    if let Some((_, name)) = pairs.iter().find(|(name, _)| name == "name") {
        event.pool = draft::text(name);
    }
}
