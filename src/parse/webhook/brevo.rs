//! Brevo (Sendinblue): one object a request.
//!
//! Source: developers.brevo.com/docs/transactional-webhooks.
//!
//! | event | ours |
//! | --- | --- |
//! | `request` (`sent`), `delivered`, `deferred` | `queued`, `delivered`, `deferred` |
//! | `hard_bounce`, `soft_bounce`, `invalid_email` | `bounced` |
//! | `blocked`, `error` | `suppressed`, `failed` |
//! | `spam` (`complaint`) | `complained` |
//! | `opened`, `unique_opened`, those by a proxy | `opened` |
//! | `click` | `clicked` |
//! | `unsubscribe` (`unsubscribed`) | `unsubscribed` |
//!
//! Brevo has no event ids. Of its times only `ts_epoch` is in UTC; the others are in the zone of the account.

use crate::model::{Event, EventType};
use crate::parse::json::OneOrMany;
use crate::parse::labels;
use crate::parse::ndjson::value::{Value, bare_message_id};
use crate::parse::webhook::draft;
use crate::parse::{Item, Reject};
use serde::Deserialize;

const TYPES: &str = "request, delivered, deferred, hard_bounce, soft_bounce, invalid_email, blocked, error, spam, opened, unique_opened, proxy_open, click, unsubscribe";

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "snake_case", bound(deserialize = "'de: 'a"))]
struct Data<'a> {
    event: Value<'a>,
    email: Value<'a>,
    id: Value<'a>,
    ts_epoch: Value<'a>,
    #[serde(rename = "message-id")]
    message_id: Value<'a>,
    tag: Value<'a>,
    tags: OneOrMany<'a>,
    template_id: Value<'a>,
    sending_ip: Value<'a>,
    sender_email: Value<'a>,
    reason: Value<'a>,
    link: Value<'a>,
    user_agent: Value<'a>,
    #[serde(rename = "X-Mailin-custom")]
    custom: Value<'a>,
}

pub(super) fn read(text: &str, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
    let data: Data<'_> = draft::wire(text)?;
    let event_type = event_type(&data)?;
    let mut event = draft::begin(item, event_type, draft::time(&data.ts_epoch, "ts_epoch", item)?);
    event.message_id = bare_message_id(data.message_id.as_json_or_text());
    event.sending_ip = draft::ip(&data.sending_ip);
    event.header_from_domain = labels::from_domain(data.sender_email.as_json_or_text());
    event.click_url = draft::text(&data.link);
    event.user_agent = draft::text(&data.user_agent);
    for tag in data.tags.0.iter().chain(data.tags.0.is_empty().then_some(&data.tag)) {
        labels::tag(&mut event, tag.as_json_or_text());
    }
    labels::push(&mut event, "template_id", data.template_id.as_json_or_text());
    labels::push(&mut event, "webhook_id", data.id.as_json_or_text());
    labels::push(&mut event, "custom", data.custom.as_json_or_text());
    event.reply = draft::reply(data.reason.as_json_or_text());
    if event_type.has_bounce_class() || event_type == EventType::Suppressed {
        event.relay_class = draft::text(&data.event);
        event.bounce_origin = draft::origin(&event.reply);
    }
    let recipient = draft::recipient(&data.email, "email")?;
    let parts = [&data.message_id, &data.event, &data.ts_epoch, &data.link].map(Value::as_json_or_text);
    let event_id = draft::id(&event, parts.into_iter().chain([recipient.as_str()]));
    draft::append(events, event, recipient, event_id);
    Ok(())
}

fn event_type(data: &Data<'_>) -> Result<EventType, Reject> {
    Ok(match data.event.as_text().unwrap_or_default() {
        "request" | "sent" => EventType::Queued,
        "delivered" => EventType::Delivered,
        "deferred" => EventType::Deferred,
        "hard_bounce" | "soft_bounce" | "invalid_email" => EventType::Bounced,
        "blocked" => EventType::Suppressed,
        "error" => EventType::Failed,
        "spam" | "complaint" => EventType::Complained,
        "opened" | "unique_opened" | "proxy_open" | "unique_proxy_open" => EventType::Opened,
        "click" => EventType::Clicked,
        "unsubscribe" | "unsubscribed" => EventType::Unsubscribed,
        _ => return Err(draft::unknown(&data.event, "event", TYPES)),
    })
}
