//! Mailgun: `{"signature": …, "event-data": …}`, or an event of its Events API as it is.
//!
//! Source: documentation.mailgun.com/docs/mailgun/user-manual/events and …/webhooks.
//!
//! | event | ours |
//! | --- | --- |
//! | `accepted`, `delivered`, `rejected` | `queued`, `delivered`, `rejected` |
//! | `failed`, severity `temporary` | `deferred` |
//! | `failed`, severity `permanent` | `bounced`; `suppressed` for a reason `suppress-…`, `expired` for `old` |
//! | `opened`, `clicked`, `unsubscribed`, `complained` | the same |
//! | `stored` | none: it is about mail that came in |
//!
//! `id` is unique within a day alone, so the id of an event is made of it and its time.

use crate::model::{Event, EventType};
use crate::parse::json::{OneOrMany, Pairs};
use crate::parse::labels;
use crate::parse::ndjson::value::{Value, bare_message_id, host};
use crate::parse::webhook::draft;
use crate::parse::{Item, Reject};
use serde::Deserialize;

const TYPES: &str =
    "accepted, delivered, failed, rejected, opened, clicked, unsubscribed, complained, stored";

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    event_data: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", bound(deserialize = "'de: 'a"))]
struct Data<'a> {
    event: Value<'a>,
    id: Value<'a>,
    timestamp: Value<'a>,
    severity: Value<'a>,
    reason: Value<'a>,
    reject: Reason<'a>,
    recipient: Value<'a>,
    tags: OneOrMany<'a>,
    campaigns: Vec<Campaign<'a>>,
    user_variables: Pairs<'a>,
    envelope: Envelope<'a>,
    delivery_status: DeliveryStatus<'a>,
    message: Message<'a>,
    client_info: ClientInfo<'a>,
    ip: Value<'a>,
    url: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Reason<'a> {
    reason: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Campaign<'a> {
    name: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", bound(deserialize = "'de: 'a"))]
struct Envelope<'a> {
    sender: Value<'a>,
    sending_ip: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", bound(deserialize = "'de: 'a"))]
struct DeliveryStatus<'a> {
    attempt_no: Value<'a>,
    code: Value<'a>,
    message: Value<'a>,
    description: Value<'a>,
    enhanced_code: Value<'a>,
    bounce_type: Value<'a>,
    mx_host: Value<'a>,
    tls: Value<'a>,
    certificate_verified: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Message<'a> {
    headers: Headers<'a>,
    size: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", bound(deserialize = "'de: 'a"))]
struct Headers<'a> {
    message_id: Value<'a>,
    from: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", bound(deserialize = "'de: 'a"))]
struct ClientInfo<'a> {
    user_agent: Value<'a>,
}

pub(super) fn read(text: &str, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
    let body: Body<'_> = draft::wire(text)?;
    let data: Data<'_> = match body.event_data {
        Value::Nested(json) => draft::wire(json)?,
        _ => draft::wire(text)?,
    };
    let Some(event_type) = event_type(&data)? else { return Ok(()) };
    let mut event = draft::begin(item, event_type, draft::time(&data.timestamp, "timestamp", item)?);
    take_message(&mut event, &data)?;
    take_status(&mut event, &data);
    let recipient = draft::recipient(&data.recipient, "recipient")?;
    let parts = [&data.id, &data.timestamp, &data.event].map(Value::as_json_or_text);
    let event_id = draft::id(&event, parts.into_iter().chain([recipient.as_str()]));
    draft::append(events, event, recipient, event_id);
    Ok(())
}

fn event_type(data: &Data<'_>) -> Result<Option<EventType>, Reject> {
    Ok(Some(match data.event.as_text().unwrap_or_default() {
        "accepted" => EventType::Queued,
        "delivered" => EventType::Delivered,
        "failed" => match (data.severity.as_json_or_text(), data.reason.as_json_or_text()) {
            (_, reason) if reason.starts_with("suppress-") => EventType::Suppressed,
            ("temporary", _) => EventType::Deferred,
            (_, "old") => EventType::Expired,
            _ => EventType::Bounced,
        },
        "rejected" => EventType::Rejected,
        "opened" => EventType::Opened,
        "clicked" => EventType::Clicked,
        "unsubscribed" => EventType::Unsubscribed,
        "complained" => EventType::Complained,
        "stored" => return Ok(None),
        _ => return Err(draft::unknown(&data.event, "event", TYPES)),
    }))
}

fn take_message(event: &mut Event, data: &Data<'_>) -> Result<(), Reject> {
    let headers = &data.message.headers;
    event.message_id = bare_message_id(headers.message_id.as_json_or_text());
    event.header_from_domain = labels::from_domain(headers.from.as_json_or_text());
    event.size_bytes = draft::number(&data.message.size).unwrap_or(0);
    draft::env_from(event, &data.envelope.sender, "envelope.sender")?;
    event.sending_ip = draft::ip(&data.envelope.sending_ip);
    event.client_ip = draft::ip(&data.ip);
    event.user_agent = draft::text(&data.client_info.user_agent);
    event.click_url = draft::text(&data.url);
    for (name, value) in &data.user_variables.0 {
        labels::take(event, name, value.as_json_or_text());
    }
    for campaign in &data.campaigns {
        labels::fill(&mut event.campaign, campaign.name.as_json_or_text());
    }
    for tag in &data.tags.0 {
        labels::tag(event, tag.as_json_or_text());
    }
    Ok(())
}

fn take_status(event: &mut Event, data: &Data<'_>) {
    let status = &data.delivery_status;
    let words = [&status.message, &status.description, &data.reject.reason].map(Value::as_json_or_text);
    let words = words.into_iter().find(|words| !words.is_empty()).unwrap_or_default();
    event.reply = draft::reply_with_code(&status.code, words);
    event.relay_dsn = draft::dsn(&status.enhanced_code);
    event.mx_host = host(status.mx_host.as_json_or_text());
    event.attempt = draft::number(&status.attempt_no).unwrap_or(0);
    labels::push(event, "tls", status.tls.as_json_or_text());
    labels::push(event, "certificate_verified", status.certificate_verified.as_json_or_text());
    if event.event_type.has_bounce_class() || event.event_type == EventType::Suppressed {
        event.bounce_origin = draft::origin(&event.reply);
        event.relay_class = match (status.bounce_type.as_json_or_text(), data.reason.as_json_or_text()) {
            ("", reason) => reason.into(),
            (kind, reason) => format!("{kind}/{reason}").into(),
        };
    }
}
