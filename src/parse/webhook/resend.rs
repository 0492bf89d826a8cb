//! Resend: one object a request, signed as Svix signs.
//!
//! Source: resend.com/docs/webhooks/event-types.
//!
//! | type | ours |
//! | --- | --- |
//! | `email.sent`, `email.delivered`, `email.delivery_delayed` | `queued`, `delivered`, `deferred` |
//! | `email.bounced`, `email.complained`, `email.failed` | `bounced`, `complained`, `failed` |
//! | `email.suppressed` | `suppressed` |
//! | `email.opened`, `email.clicked` | `opened`, `clicked` |
//! | `email.scheduled`, `email.received`, `contact.…`, `domain.…` | none |
//!
//! An event names all recipients of its message and not the one that it is about.

use crate::model::{Event, EventType, RejectReason, Text};
use crate::parse::json::{OneOrMany, Pairs};
use crate::parse::labels;
use crate::parse::ndjson::value::{Value, bare_message_id};
use crate::parse::webhook::draft;
use crate::parse::{Item, Reject};
use serde::Deserialize;

const TYPES: &str = "email.sent, email.delivered, email.delivery_delayed, email.bounced, email.complained, email.failed, email.suppressed, email.opened, email.clicked";

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: Value<'a>,
    created_at: Value<'a>,
    data: Data<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Data<'a> {
    email_id: Value<'a>,
    message_id: Value<'a>,
    created_at: Value<'a>,
    from: Value<'a>,
    to: OneOrMany<'a>,
    broadcast_id: Value<'a>,
    template_id: Value<'a>,
    tags: Value<'a>,
    bounce: Trouble<'a>,
    failed: Trouble<'a>,
    suppressed: Trouble<'a>,
    click: Click<'a>,
    open: Click<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Trouble<'a> {
    #[serde(rename = "type")]
    kind: Value<'a>,
    sub_type: Value<'a>,
    message: Value<'a>,
    reason: Value<'a>,
    diagnostic_code: OneOrMany<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Click<'a> {
    ip_address: Value<'a>,
    link: Value<'a>,
    user_agent: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Tag<'a> {
    name: Value<'a>,
    value: Value<'a>,
}

pub(super) fn read(text: &str, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
    let body: Body<'_> = draft::wire(text)?;
    let Some(event_type) = event_type(&body.kind)? else { return Ok(()) };
    let data = &body.data;
    let mut event = draft::begin(item, event_type, draft::time(&body.created_at, "created_at", item)?);
    draft::injected(&mut event, &data.created_at, "data.created_at", item)?;
    event.provider_message_id = draft::text(&data.email_id);
    event.message_id = bare_message_id(data.message_id.as_json_or_text());
    event.header_from_domain = labels::from_domain(data.from.as_json_or_text());
    take_tags(&mut event, &data.tags)?;
    labels::fill(&mut event.campaign, data.broadcast_id.as_json_or_text());
    labels::push(&mut event, "template_id", data.template_id.as_json_or_text());
    let seen = if event_type == EventType::Opened { &data.open } else { &data.click };
    event.client_ip = draft::ip(&seen.ip_address);
    event.user_agent = draft::text(&seen.user_agent);
    event.click_url = draft::text(&seen.link);
    take_trouble(&mut event, data);
    let recipients = recipients(event_type, &data.to)?;
    for recipient in recipients {
        let parts = [&data.email_id, &body.kind, &body.created_at, &seen.link].map(Value::as_json_or_text);
        let event_id = draft::id(&event, parts.into_iter().chain([recipient.as_str()]));
        draft::append(events, event.clone(), recipient, event_id);
    }
    Ok(())
}

fn event_type(kind: &Value<'_>) -> Result<Option<EventType>, Reject> {
    Ok(Some(match kind.as_text().unwrap_or_default() {
        "email.sent" => EventType::Queued,
        "email.delivered" => EventType::Delivered,
        "email.delivery_delayed" => EventType::Deferred,
        "email.bounced" => EventType::Bounced,
        "email.complained" => EventType::Complained,
        "email.failed" => EventType::Failed,
        "email.suppressed" => EventType::Suppressed,
        "email.opened" => EventType::Opened,
        "email.clicked" => EventType::Clicked,
        "email.scheduled" | "email.received" => return Ok(None),
        other if other.starts_with("contact.") || other.starts_with("domain.") => return Ok(None),
        _ => return Err(draft::unknown(kind, "type", TYPES)),
    }))
}

/// Whom the event is about: all when it is about the message, else the only one.
fn recipients(event_type: EventType, to: &OneOrMany<'_>) -> Result<Vec<Text>, Reject> {
    let all = draft::recipients(to, "data.to")?;
    if all.is_empty() {
        return Err(draft::missing("data.to"));
    }
    Ok(match event_type {
        EventType::Queued | EventType::Failed => all,
        _ => vec![draft::only_recipient(all)],
    })
}

fn take_trouble(event: &mut Event, data: &Data<'_>) {
    let trouble = match event.event_type {
        EventType::Bounced | EventType::Deferred => &data.bounce,
        EventType::Suppressed => &data.suppressed,
        EventType::Failed => &data.failed,
        _ => return,
    };
    let words = if trouble.message.is_said() { &trouble.message } else { &trouble.reason };
    event.reply = match trouble.diagnostic_code.0.first() {
        Some(code) => draft::reply(code.as_json_or_text()),
        None => draft::reply(words.as_json_or_text()),
    };
    event.bounce_origin = draft::origin(&event.reply);
    event.relay_class = match (trouble.kind.as_json_or_text(), trouble.sub_type.as_json_or_text()) {
        (kind, "") => kind.into(),
        (kind, sub) => format!("{kind}/{sub}").into(),
    };
}

/// Tags have names and values, in an object or in an array of `{"name": …, "value": …}`.
fn take_tags(event: &mut Event, tags: &Value<'_>) -> Result<(), Reject> {
    match tags {
        Value::Nested(json) if json.starts_with('{') => {
            for (name, value) in &draft::wire::<Pairs<'_>>(json)?.0 {
                labels::take(event, name, value.as_json_or_text());
            }
        }
        Value::Nested(json) => {
            for tag in draft::wire::<Vec<Tag<'_>>>(json)? {
                labels::take(event, tag.name.as_json_or_text(), tag.value.as_json_or_text());
            }
        }
        Value::Null => {}
        _ => return Err(Reject::new(RejectReason::BadValue, "`data.tags` is no object or array")),
    }
    Ok(())
}
