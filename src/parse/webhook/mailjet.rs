//! Mailjet's Event API: one object or an array of them.
//!
//! Source: dev.mailjet.com/email/guides/webhooks.
//!
//! | event | ours |
//! | --- | --- |
//! | `sent` | `delivered`: it comes when the receiver's server has taken the message |
//! | `bounce` | `bounced` |
//! | `blocked` | `suppressed` when the address is `preblocked`, else `dropped` |
//! | `spam`, `open`, `click`, `unsub` | `complained`, `opened`, `clicked`, `unsubscribed` |
//!
//! Mailjet has no event ids.

use crate::model::{Event, EventType, Text};
use crate::parse::labels;
use crate::parse::ndjson::value::Value;
use crate::parse::webhook::draft;
use crate::parse::{Item, Reject};
use serde::Deserialize;

const TYPES: &str = "sent, bounce, blocked, spam, open, click, unsub";

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Data<'a> {
    event: Value<'a>,
    time: Value<'a>,
    email: Value<'a>,
    #[serde(rename = "MessageID")]
    message_id: Value<'a>,
    #[serde(rename = "Message_GUID")]
    message_guid: Value<'a>,
    customcampaign: Value<'a>,
    mj_campaign_id: Value<'a>,
    #[serde(rename = "CustomID")]
    custom_id: Value<'a>,
    #[serde(rename = "Payload")]
    payload: Value<'a>,
    smtp_reply: Value<'a>,
    hard_bounce: Value<'a>,
    error_related_to: Value<'a>,
    error: Value<'a>,
    comment: Value<'a>,
    source: Value<'a>,
    ip: Value<'a>,
    agent: Value<'a>,
    url: Value<'a>,
}

pub(super) fn read(text: &str, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
    let data: Data<'_> = draft::wire(text)?;
    let event_type = event_type(&data)?;
    let mut event = draft::begin(item, event_type, draft::time(&data.time, "time", item)?);
    event.provider_message_id = draft::text(&data.message_id);
    event.campaign = draft::text(&data.customcampaign);
    event.client_ip = draft::ip(&data.ip);
    event.user_agent = draft::text(&data.agent);
    event.click_url = draft::text(&data.url);
    event.reporting_mta = draft::text(&data.source);
    let more = [
        ("message_guid", &data.message_guid),
        ("mj_campaign_id", &data.mj_campaign_id),
        ("custom_id", &data.custom_id),
        ("payload", &data.payload),
        ("hard_bounce", &data.hard_bounce),
    ];
    for (name, value) in more {
        labels::push(&mut event, name, value.as_json_or_text());
    }
    event.reply = draft::reply(words(&data));
    if matches!(event_type, EventType::Bounced | EventType::Suppressed | EventType::Dropped) {
        event.relay_class = class(&data);
        event.bounce_origin = draft::origin(&event.reply);
    }
    let recipient = draft::recipient(&data.email, "email")?;
    let parts = [&data.message_id, &data.event, &data.time, &data.url].map(Value::as_json_or_text);
    let event_id = draft::id(&event, parts.into_iter().chain([recipient.as_str()]));
    draft::append(events, event, recipient, event_id);
    Ok(())
}

fn event_type(data: &Data<'_>) -> Result<EventType, Reject> {
    Ok(match data.event.as_text().unwrap_or_default() {
        "sent" => EventType::Delivered,
        "bounce" => EventType::Bounced,
        "blocked" if data.error.as_text() == Some("preblocked") => EventType::Suppressed,
        "blocked" => EventType::Dropped,
        "spam" => EventType::Complained,
        "open" => EventType::Opened,
        "click" => EventType::Clicked,
        "unsub" => EventType::Unsubscribed,
        _ => return Err(draft::unknown(&data.event, "event", TYPES)),
    })
}

/// The words of the receiver: `sent (250 2.0.0 OK)`, or the comment to a bounce.
fn words<'d>(data: &'d Data<'_>) -> &'d str {
    let sent = data.smtp_reply.as_json_or_text();
    match sent.strip_prefix("sent (").and_then(|rest| rest.strip_suffix(')')) {
        Some(reply) => reply,
        None if !sent.is_empty() => sent,
        None if data.comment.is_said() => data.comment.as_json_or_text(),
        None => data.error.as_json_or_text(),
    }
}

/// `recipient/user unknown`.
fn class(data: &Data<'_>) -> Text {
    match (data.error_related_to.as_json_or_text(), data.error.as_json_or_text()) {
        (related, "") => related.into(),
        ("", error) => error.into(),
        (related, error) => format!("{related}/{error}").into(),
    }
}
