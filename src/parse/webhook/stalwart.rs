//! Stalwart's telemetry webhook: `{"events": [{"id": …, "createdAt": …, "type": …, "data": …}]}`; an item is one of
//! them.
//!
//! Source: stalw.art/docs/telemetry/webhooks; the types are those of `crates/trc/src/event`.
//!
//! | type | ours |
//! | --- | --- |
//! | `delivery.delivered`, `delivery.dsn-success` | `delivered`; `delivered_local` to `localhost` |
//! | `delivery.dsn-perm-fail`, `delivery.rcpt-to-rejected` with a 5xx | `bounced` |
//! | `delivery.dsn-temp-fail`, `delivery.rcpt-to-rejected` with a 4xx | `deferred` |
//! | `incoming-report.abuse-report` and its like | `complained` |
//! | others of these families | none |
//!
//! Stalwart tells of one outcome twice, at the attempt and when it writes or could write a notice, and numbers its
//! events anew when it sends them again. So the id of a final event is made of message, recipient and outcome, and
//! that of a deferral of its second too: whichever types are chosen in Stalwart, each outcome counts once.

use crate::model::{EnhancedCode, Event, EventType, SmtpReply, Text};
use crate::parse::json::OneOrMany;
use crate::parse::labels;
use crate::parse::ndjson::value::{Value, bare_message_id, host, one_line};
use crate::parse::webhook::draft;
use crate::parse::{Item, Reject};
use serde::Deserialize;

const TYPES: &str = "those that begin with delivery., queue. and incoming-report.";

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    created_at: Value<'a>,
    #[serde(rename = "type")]
    kind: Value<'a>,
    data: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Data<'a> {
    to: OneOrMany<'a>,
    from: Value<'a>,
    hostname: Value<'a>,
    remote_ip: Value<'a>,
    code: Value<'a>,
    details: Value<'a>,
    reason: Value<'a>,
    total: Value<'a>,
    queue_id: Value<'a>,
    span_id: Value<'a>,
    message_id: Value<'a>,
    size: Value<'a>,
    domain: Value<'a>,
}

pub(super) fn read(text: &str, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
    let body: Body<'_> = draft::wire(text)?;
    let data: Data<'_> = draft::wire(body.data.as_json_or_text())?;
    let reply = reply(&data);
    let Some(event_type) = event_type(&body, &data, &reply)? else { return Ok(()) };
    let mut event = draft::begin(item, event_type, draft::time(&body.created_at, "createdAt", item)?);
    event.queue_id = draft::text(&data.queue_id);
    event.message_id = bare_message_id(data.message_id.as_json_or_text());
    event.size_bytes = draft::number(&data.size).unwrap_or(0);
    if event_type == EventType::Complained {
        event.feedback_type = feedback_type(&body.kind).into();
        event.reporting_mta = host(data.hostname.as_json_or_text());
        event.reported_ip = draft::ip(&data.remote_ip);
        labels::push(&mut event, "reported_domain", data.domain.as_json_or_text());
    } else {
        draft::env_from(&mut event, &data.from, "data.from")?;
        event.mx_host = host(data.hostname.as_json_or_text());
        event.mx_ip = draft::ip(&data.remote_ip);
        event.attempt = draft::number(&data.total).unwrap_or(0);
        if event_type.has_bounce_class() {
            event.bounce_origin = draft::origin(&reply);
        }
        event.reply = reply;
    }
    append(&body, &data, &event, events)
}

fn append(body: &Body<'_>, data: &Data<'_>, event: &Event, events: &mut Vec<Event>) -> Result<(), Reject> {
    let mut recipients = draft::recipients(&data.to, "data.to")?;
    if recipients.is_empty() {
        if !event.event_type.may_lack_recipient() {
            return Err(draft::missing("data.to"));
        }
        recipients.push(Text::default());
    }
    let message = if data.queue_id.is_said() { &data.queue_id } else { &data.span_id };
    // without a message of its own, all that is said tells one event from another
    let message = if message.is_said() { message } else { &body.data };
    let at = if event.event_type.is_final() { "" } else { body.created_at.as_json_or_text() };
    for recipient in recipients {
        let parts = [message.as_json_or_text(), event.event_type.name(), at, recipient.as_str()];
        let event_id = draft::id(event, parts);
        draft::append(events, event.clone(), recipient, event_id);
    }
    Ok(())
}

fn event_type(body: &Body<'_>, data: &Data<'_>, reply: &SmtpReply) -> Result<Option<EventType>, Reject> {
    let kind = body.kind.as_text().unwrap_or_default();
    Ok(Some(match kind {
        "delivery.delivered" | "delivery.dsn-success" => match data.hostname.as_text() {
            Some("localhost") => EventType::DeliveredLocal,
            _ => EventType::Delivered,
        },
        "delivery.dsn-perm-fail" => EventType::Bounced,
        "delivery.dsn-temp-fail" => EventType::Deferred,
        "delivery.rcpt-to-rejected" => match reply.code {
            500..=599 => EventType::Bounced,
            _ => EventType::Deferred,
        },
        "incoming-report.abuse-report"
        | "incoming-report.fraud-report"
        | "incoming-report.virus-report"
        | "incoming-report.other-report" => EventType::Complained,
        _ if ["delivery.", "queue.", "incoming-report."].iter().any(|family| kind.starts_with(family)) => {
            return Ok(None);
        }
        _ => return Err(draft::unknown(&body.kind, "type", TYPES)),
    }))
}

/// `abuse` in `incoming-report.abuse-report`.
fn feedback_type<'k>(kind: &'k Value<'_>) -> &'k str {
    let name = kind.as_text().unwrap_or_default();
    name.trim_start_matches("incoming-report.").trim_end_matches("-report")
}

/// The reply: Stalwart words it `Unexpected response for …: Code: 550, Enhanced code: 5.1.2, Message: no such user.`,
/// or gives the code in a field of its own.
fn reply(data: &Data<'_>) -> SmtpReply {
    let words = if data.details.is_said() { &data.details } else { &data.reason };
    let words = words.as_json_or_text();
    if let Some((_, told)) = words.split_once("Code: ")
        && let Some((code, rest)) = told.split_once(", ")
        && let Some(code) = code.parse().ok().filter(|code| matches!(code, 200..=599))
    {
        let (enhanced, rest) =
            match rest.strip_prefix("Enhanced code: ").and_then(|rest| rest.split_once(", ")) {
                Some((status, rest)) => (EnhancedCode::parse_prefix(status).map(|(code, _)| code), rest),
                None => (None, rest),
            };
        let text = one_line(rest.strip_prefix("Message: ").unwrap_or(rest));
        return SmtpReply { code, enhanced, text, ..SmtpReply::default() };
    }
    draft::reply_with_code(&data.code, words)
}
