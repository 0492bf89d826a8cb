//! Postmark: one object a request, its kind in `RecordType`.
//!
//! Source: postmarkapp.com/developer/webhooks and postmarkapp.com/developer/api/bounce-api (the types of bounces).
//!
//! | record | ours |
//! | --- | --- |
//! | `Delivery`, `Open`, `Click`, `SpamComplaint` | `delivered`, `opened`, `clicked`, `complained` |
//! | `Bounce` | by its type, see [`bounce_type`] |
//! | `SubscriptionChange` | `unsubscribed` by the recipient, `resubscribed` when sending is allowed again |
//!
//! A change of the suppression list that follows a bounce or complaint makes no event: the bounce or complaint does.

use crate::model::{Event, EventType};
use crate::parse::json::Pairs;
use crate::parse::labels;
use crate::parse::ndjson::value::Value;
use crate::parse::webhook::draft;
use crate::parse::{Item, Reject};
use serde::Deserialize;

const RECORDS: &str = "Delivery, Bounce, SpamComplaint, Open, Click, SubscriptionChange";

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase", bound(deserialize = "'de: 'a"))]
struct Posted<'a> {
    record_type: Value<'a>,
    #[serde(rename = "ID")]
    id: Value<'a>,
    #[serde(rename = "Type")]
    kind: Value<'a>,
    #[serde(rename = "MessageID")]
    message_id: Value<'a>,
    message_stream: Value<'a>,
    #[serde(rename = "ServerID")]
    server_id: Value<'a>,
    tag: Value<'a>,
    metadata: Pairs<'a>,
    email: Value<'a>,
    recipient: Value<'a>,
    from: Value<'a>,
    details: Value<'a>,
    description: Value<'a>,
    bounced_at: Value<'a>,
    delivered_at: Value<'a>,
    received_at: Value<'a>,
    changed_at: Value<'a>,
    user_agent: Value<'a>,
    geo: Geo<'a>,
    original_link: Value<'a>,
    origin: Value<'a>,
    suppress_sending: Value<'a>,
    suppression_reason: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Geo<'a> {
    #[serde(rename = "IP")]
    ip: Value<'a>,
}

pub(super) fn read(text: &str, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
    let record: Posted<'_> = draft::wire(text)?;
    let Some(event_type) = event_type(&record)? else { return Ok(()) };
    let (at, field) = record.at();
    let mut event = draft::begin(item, event_type, draft::time(at, field, item)?);
    event.provider_message_id = draft::text(&record.message_id);
    event.stream = draft::text(&record.message_stream);
    event.header_from_domain = labels::from_domain(record.from.as_json_or_text());
    event.user_agent = draft::text(&record.user_agent);
    event.client_ip = draft::ip(&record.geo.ip);
    event.click_url = draft::text(&record.original_link);
    labels::push(&mut event, "server_id", record.server_id.as_json_or_text());
    for (name, value) in &record.metadata.0 {
        labels::take(&mut event, name, value.as_json_or_text());
    }
    labels::tag(&mut event, record.tag.as_json_or_text());
    if record.kind.is_said() {
        event.relay_class = draft::text(&record.kind);
        let details = if record.details.is_said() { &record.details } else { &record.description };
        event.reply = draft::reply(details.as_json_or_text());
    }
    if event_type == EventType::Delivered {
        event.reply = draft::reply(record.details.as_json_or_text());
    }
    if event_type.has_bounce_class() {
        event.bounce_origin = draft::origin(&event.reply);
    }
    let (to, field) =
        if record.email.is_said() { (&record.email, "Email") } else { (&record.recipient, "Recipient") };
    let recipient = draft::recipient(to, field)?;
    let parts = [&record.record_type, &record.id, &record.message_id, at, &record.original_link];
    let parts = parts.map(Value::as_json_or_text);
    let event_id = draft::id(&event, parts.into_iter().chain([recipient.as_str()]));
    draft::append(events, event, recipient, event_id);
    Ok(())
}

impl<'a> Posted<'a> {
    /// When it happened, which is called after what happened.
    fn at(&self) -> (&Value<'a>, &'static str) {
        let times = [
            (&self.bounced_at, "BouncedAt"),
            (&self.delivered_at, "DeliveredAt"),
            (&self.changed_at, "ChangedAt"),
        ];
        times.into_iter().find(|(at, _)| at.is_said()).unwrap_or((&self.received_at, "ReceivedAt"))
    }
}

fn event_type(record: &Posted<'_>) -> Result<Option<EventType>, Reject> {
    Ok(match record.record_type.as_text().unwrap_or_default() {
        "Delivery" => Some(EventType::Delivered),
        "Open" => Some(EventType::Opened),
        "Click" => Some(EventType::Clicked),
        "SpamComplaint" => Some(EventType::Complained),
        "Bounce" => bounce_type(record)?,
        "SubscriptionChange" if !draft::is_true(&record.suppress_sending) => Some(EventType::Resubscribed),
        "SubscriptionChange" => {
            let by_recipient = record.origin.as_text() == Some("Recipient")
                && record.suppression_reason.as_text() == Some("ManualSuppression");
            by_recipient.then_some(EventType::Unsubscribed)
        }
        _ => return Err(draft::unknown(&record.record_type, "RecordType", RECORDS)),
    })
}

/// What a record that Postmark calls a bounce is.
fn bounce_type(record: &Posted<'_>) -> Result<Option<EventType>, Reject> {
    Ok(Some(match record.kind.as_text().unwrap_or_default() {
        "HardBounce" | "SoftBounce" | "DnsError" | "SpamNotification" | "VirusNotification"
        | "BadEmailAddress" | "AddressChange" | "Blocked" | "DMARCPolicy" | "Undeliverable" | "Unknown" => {
            EventType::Bounced
        }
        // delayed on its way, and still tried
        "Transient" => EventType::Deferred,
        "SpamComplaint" => EventType::Complained,
        "ManuallyDeactivated" | "ManualSuppression" | "Unconfirmed" => EventType::Suppressed,
        "Unsubscribe" => EventType::Unsubscribed,
        "Subscribe" => EventType::Resubscribed,
        "AutoResponder" => EventType::Autoreply,
        "ChallengeVerification" => EventType::Challenge,
        "SMTPApiError" | "TemplateRenderingFailed" => EventType::Failed,
        // about a mail that came in, and a probe for open relays
        "InboundError" | "OpenRelayTest" => return Ok(None),
        _ => return Err(draft::unknown(&record.kind, "Type", "a type of Postmark's bounce API")),
    }))
}
