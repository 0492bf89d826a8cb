//! SparkPost (and Momentum): `{"msys": {"message_event": {…}}}`, the name of the inner object being the event's class.
//!
//! Source: developers.sparkpost.com/api/webhooks (event reference) and the table of bounce classes of
//! support.sparkpost.com.
//!
//! | type | ours |
//! | --- | --- |
//! | `injection`, `delivery`, `delay` | `queued`, `delivered`, `deferred` |
//! | `bounce`, `out_of_band` | `bounced`; of classes that are none see [`by_class`] |
//! | `policy_rejection`, `generation_rejection` | `rejected`; `suppressed` when the reason says so |
//! | `generation_failure` | `failed` |
//! | `spam_complaint` | `complained` |
//! | `open`, `initial_open`, `click` (and those of AMP) | `opened`, `clicked` |
//! | `list_unsubscribe`, `link_unsubscribe` | `unsubscribed` |
//!
//! `{"msys": {}}` is how SparkPost tries an endpoint out.

use crate::model::{BounceOrigin, Event, EventType};
use crate::parse::json::{OneOrMany, Pairs};
use crate::parse::labels;
use crate::parse::ndjson::value::Value;
use crate::parse::webhook::draft;
use crate::parse::{Item, Reject};
use serde::Deserialize;

const TYPES: &str = "injection, delivery, delay, bounce, out_of_band, policy_rejection, generation_rejection, generation_failure, spam_complaint, open, initial_open, click, list_unsubscribe, link_unsubscribe";

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    msys: Option<Pairs<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Data<'a> {
    #[serde(rename = "type")]
    kind: Value<'a>,
    event_id: Value<'a>,
    timestamp: Value<'a>,
    injection_time: Value<'a>,
    rcpt_to: Value<'a>,
    raw_rcpt_to: Value<'a>,
    msg_from: Value<'a>,
    friendly_from: Value<'a>,
    message_id: Value<'a>,
    transmission_id: Value<'a>,
    campaign_id: Value<'a>,
    template_id: Value<'a>,
    subaccount_id: Value<'a>,
    rcpt_meta: Pairs<'a>,
    rcpt_tags: OneOrMany<'a>,
    bounce_class: Value<'a>,
    error_code: Value<'a>,
    raw_reason: Value<'a>,
    reason: Value<'a>,
    ip_address: Value<'a>,
    sending_ip: Value<'a>,
    ip_pool: Value<'a>,
    num_retries: Value<'a>,
    msg_size: Value<'a>,
    mailbox_provider: Value<'a>,
    routing_domain: Value<'a>,
    outbound_tls: Value<'a>,
    fbtype: Value<'a>,
    report_by: Value<'a>,
    user_agent: Value<'a>,
    target_link_url: Value<'a>,
}

pub(super) fn read(text: &str, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
    let body: Body<'_> = draft::wire(text)?;
    let Pairs(msys) = body.msys.ok_or_else(|| draft::missing("msys"))?;
    let Some((_, inner)) = msys.first() else { return Ok(()) };
    let data: Data<'_> = draft::wire(inner.as_json_or_text())?;
    let event_type = event_type(&data)?;
    let mut event = draft::begin(item, event_type, draft::time(&data.timestamp, "timestamp", item)?);
    take(&mut event, &data, item)?;
    let recipient = draft::recipient(&data.rcpt_to, "rcpt_to")?;
    let original = data.raw_rcpt_to.address("raw_rcpt_to")?;
    if original != recipient {
        event.orig_recipient = original;
    }
    let event_id = match data.event_id.as_json_or_text() {
        "" => {
            let parts =
                [&data.kind, &data.timestamp, &data.message_id, &data.transmission_id, &data.target_link_url];
            draft::id(&event, parts.map(Value::as_json_or_text).into_iter().chain([recipient.as_str()]))
        }
        id => draft::id(&event, [id]),
    };
    draft::append(events, event, recipient, event_id);
    Ok(())
}

fn event_type(data: &Data<'_>) -> Result<EventType, Reject> {
    Ok(match data.kind.as_text().unwrap_or_default() {
        "injection" => EventType::Queued,
        "delivery" => EventType::Delivered,
        "delay" => EventType::Deferred,
        "bounce" | "out_of_band" => by_class(data),
        "policy_rejection" | "generation_rejection" if tells_suppression(data) => EventType::Suppressed,
        "policy_rejection" | "generation_rejection" => EventType::Rejected,
        "generation_failure" => EventType::Failed,
        "spam_complaint" => EventType::Complained,
        "open" | "initial_open" | "amp_open" | "amp_initial_open" => EventType::Opened,
        "click" | "amp_click" => EventType::Clicked,
        "list_unsubscribe" | "link_unsubscribe" => EventType::Unsubscribed,
        _ => return Err(draft::unknown(&data.kind, "type", TYPES)),
    })
}

/// What SparkPost calls a bounce, by its class: 60 is an auto-reply, 80 a subscription, 90 an unsubscription, 100 a
/// challenge; 25 (by an administrator) and 26 (by a prediction) were not sent.
fn by_class(data: &Data<'_>) -> EventType {
    match data.bounce_class.as_json_or_text() {
        "26" => EventType::Suppressed,
        "25" if tells_suppression(data) => EventType::Suppressed,
        "60" => EventType::Autoreply,
        "80" => EventType::Resubscribed,
        "90" => EventType::Unsubscribed,
        "100" => EventType::Challenge,
        _ => EventType::Bounced,
    }
}

/// `554 5.7.1 recipient address suppressed due to customer policy`.
fn tells_suppression(data: &Data<'_>) -> bool {
    data.words().to_ascii_lowercase().contains("suppress")
}

impl Data<'_> {
    /// The words as the receiver gave them, where SparkPost has them.
    fn words(&self) -> &str {
        let raw = &self.raw_reason;
        if raw.is_said() { raw.as_json_or_text() } else { self.reason.as_json_or_text() }
    }
}

fn take(event: &mut Event, data: &Data<'_>, item: &Item<'_>) -> Result<(), Reject> {
    draft::injected(event, &data.injection_time, "injection_time", item)?;
    draft::env_from(event, &data.msg_from, "msg_from")?;
    event.header_from_domain = labels::from_domain(data.friendly_from.as_json_or_text());
    event.provider_message_id = draft::text(&data.message_id);
    event.campaign = draft::text(&data.campaign_id);
    for (name, value) in &data.rcpt_meta.0 {
        labels::take(event, name, value.as_json_or_text());
    }
    labels::fill(&mut event.tenant, data.subaccount_id.as_json_or_text());
    for tag in &data.rcpt_tags.0 {
        labels::tag(event, tag.as_json_or_text());
    }
    let more = [
        ("transmission_id", &data.transmission_id),
        ("template_id", &data.template_id),
        ("mailbox_provider", &data.mailbox_provider),
        ("routing_domain", &data.routing_domain),
        ("outbound_tls", &data.outbound_tls),
    ];
    for (name, value) in more {
        labels::push(event, name, value.as_json_or_text());
    }
    event.sending_ip = draft::ip(&data.sending_ip);
    event.pool = draft::text(&data.ip_pool);
    event.size_bytes = draft::number(&data.msg_size).unwrap_or(0);
    event.attempt = draft::number::<u16>(&data.num_retries).map_or(0, |retries| retries.saturating_add(1));
    event.reply = draft::reply_with_code(&data.error_code, data.words());
    event.feedback_type = draft::text(&data.fbtype);
    event.reporting_mta = draft::text(&data.report_by);
    event.user_agent = draft::text(&data.user_agent);
    event.click_url = draft::text(&data.target_link_url);
    // the receiver's address, or that of the person
    let person = matches!(event.event_type, EventType::Opened | EventType::Clicked | EventType::Unsubscribed);
    let slot = if person { &mut event.client_ip } else { &mut event.mx_ip };
    *slot = draft::ip(&data.ip_address);
    if event.event_type == EventType::Suppressed {
        event.relay_class = draft::text(&data.bounce_class);
    }
    if event.event_type.has_bounce_class() {
        event.relay_class = draft::text(&data.bounce_class);
        let later = data.kind.as_text() == Some("out_of_band");
        event.bounce_origin = if later { BounceOrigin::Async } else { draft::origin(&event.reply) };
    }
    Ok(())
}
