//! Amazon SES: event publishing and feedback notifications, through SNS, `EventBridge` or Firehose.
//!
//! Source: docs.aws.amazon.com/ses/latest/dg, pages `event-publishing-retrieving-sns-contents`,
//! `notification-contents` and `monitoring-eventbridge`.
//!
//! | event | ours |
//! | --- | --- |
//! | `Send` | `queued` |
//! | `Delivery`, `DeliveryDelay`, `Open`, `Click` | `delivered`, `deferred`, `opened`, `clicked` |
//! | `Bounce` | `bounced`; `suppressed` when the subtype names a suppression list: nothing was sent |
//! | `Complaint` | `complained`; none for `not-spam` and `auth-failure`, see `relay::kumomta` |
//! | `Reject` | `rejected` (a virus) |
//! | `Rendering Failure` | `failed` |
//! | `Subscription` | `unsubscribed`, or `resubscribed` when no topic is opted out of |
//!
//! The id is made of what the event itself says, not of the envelope: the same bounce comes by SNS and by `EventBridge`,
//! as an event and as a notification. The domain that complains is told, the person is guessed: SES lists all
//! recipients there.

use crate::model::{BounceOrigin, Event, EventType, RejectReason, Text};
use crate::parse::json::{OneOrMany, Pairs};
use crate::parse::labels;
use crate::parse::ndjson::value::{Value, bare_message_id, host};
use crate::parse::webhook::{RECIPIENTS_MAX, draft};
use crate::parse::{Item, Reject};
use serde::Deserialize;

const TYPES: &str =
    "Send, Delivery, DeliveryDelay, Bounce, Complaint, Reject, Open, Click, Rendering Failure, Subscription";

/// The words with which SES tries out a new topic.
const TOPIC_TEST: &str = "Successfully validated SNS topic";

/// The subtypes of a bounce or complaint about mail that was not sent.
const SUPPRESSED: [&str; 2] = ["Suppressed", "OnAccountSuppressionList"];

/// What may be around an event: an envelope of SNS, or one of `EventBridge`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Envelope<'a> {
    #[serde(rename = "Type")]
    kind: Value<'a>,
    #[serde(rename = "Message")]
    message: Value<'a>,
    detail: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Notice<'a> {
    event_type: Value<'a>,
    notification_type: Value<'a>,
    mail: Mail<'a>,
    bounce: Part<'a>,
    complaint: Part<'a>,
    delivery: Part<'a>,
    delivery_delay: Part<'a>,
    reject: Part<'a>,
    open: Part<'a>,
    click: Part<'a>,
    failure: Part<'a>,
    subscription: Part<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Mail<'a> {
    timestamp: Value<'a>,
    message_id: Value<'a>,
    source: Value<'a>,
    destination: OneOrMany<'a>,
    common_headers: CommonHeaders<'a>,
    tags: Pairs<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct CommonHeaders<'a> {
    message_id: Value<'a>,
    from: OneOrMany<'a>,
}

/// What an event says beside its message: the fields of all types, as they have the same meaning in each.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Part<'a> {
    timestamp: Value<'a>,
    feedback_id: Value<'a>,
    bounce_type: Value<'a>,
    bounce_sub_type: Value<'a>,
    bounced_recipients: Vec<Recipient<'a>>,
    #[serde(rename = "reportingMTA")]
    reporting_mta: Value<'a>,
    remote_mta_ip: Value<'a>,
    complained_recipients: Vec<Recipient<'a>>,
    complaint_feedback_type: Value<'a>,
    complaint_sub_type: Value<'a>,
    user_agent: Value<'a>,
    recipients: OneOrMany<'a>,
    smtp_response: Value<'a>,
    delay_type: Value<'a>,
    delayed_recipients: Vec<Recipient<'a>>,
    reason: Value<'a>,
    ip_address: Value<'a>,
    link: Value<'a>,
    error_message: Value<'a>,
    template_name: Value<'a>,
    contact_list: Value<'a>,
    new_topic_preferences: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Recipient<'a> {
    email_address: Value<'a>,
    status: Value<'a>,
    diagnostic_code: Value<'a>,
}

pub(super) fn read(text: &str, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
    let envelope: Envelope<'_> = draft::wire(text)?;
    match envelope.kind.as_text() {
        // the door confirms those
        Some("SubscriptionConfirmation" | "UnsubscribeConfirmation") => Ok(()),
        Some("Notification") => match envelope.message.as_json_or_text() {
            words if words.starts_with(TOPIC_TEST) => Ok(()),
            event => notice(event, item, events),
        },
        _ => match envelope.detail {
            Value::Nested(detail) => notice(detail, item, events),
            _ => notice(text, item, events),
        },
    }
}

fn notice(text: &str, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
    let notice: Notice<'_> = draft::wire(text)?;
    let kind = if notice.event_type.is_said() { &notice.event_type } else { &notice.notification_type };
    let told = match kind.as_text().unwrap_or_default() {
        "Bounce" => bounced(&notice, item)?,
        "DeliveryDelay" => deferred(&notice, item)?,
        "Complaint" => match complained(&notice, item)? {
            Some(told) => told,
            None => return Ok(()),
        },
        "Delivery" => delivered(&notice, item)?,
        "Send" => of_message(&notice, item, EventType::Queued)?,
        "Reject" => labelled(of_message(&notice, item, EventType::Rejected)?, &notice.reject.reason),
        "Rendering Failure" => {
            let mut told = of_message(&notice, item, EventType::Failed)?;
            labels::push(&mut told.event, "template", notice.failure.template_name.as_json_or_text());
            labelled(told, &notice.failure.error_message)
        }
        "Open" => engaged(&notice, &notice.open, item, EventType::Opened)?,
        "Click" => engaged(&notice, &notice.click, item, EventType::Clicked)?,
        "Subscription" => subscribed(&notice, item)?,
        // what SES tries a topic for notifications out with
        "AmazonSnsSubscriptionSucceeded" => return Ok(()),
        _ => return Err(draft::unknown(kind, "eventType", TYPES)),
    };
    told.append(&notice.mail, events)
}

/// An event, and what differs from recipient to recipient.
struct Told<'n, 'a> {
    event: Event,
    /// What tells it from the others of its message.
    key: &'n str,
    recipients: Vec<(Text, Option<&'n Recipient<'a>>)>,
}

impl Told<'_, '_> {
    fn append(mut self, mail: &Mail<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
        if self.recipients.len() > RECIPIENTS_MAX {
            let message = format!("the event has more than {RECIPIENTS_MAX} recipients");
            return Err(Reject::new(RejectReason::TooLarge, message));
        }
        self.recipients.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.recipients.dedup_by(|(one, _), (other, _)| one == other);
        for (recipient, said) in self.recipients {
            let mut event = self.event.clone();
            if let Some(said) = said {
                event.reply = draft::reply(said.diagnostic_code.as_json_or_text());
                event.relay_dsn = draft::dsn(&said.status);
                if event.event_type == EventType::Deferred {
                    event.bounce_origin = draft::origin(&event.reply);
                }
            }
            let parts = [
                mail.message_id.as_json_or_text(),
                event.event_type.name(),
                self.key,
                event.click_url.as_str(),
                recipient.as_str(),
            ];
            let event_id = draft::id(&event, parts);
            draft::append(events, event, recipient, event_id);
        }
        Ok(())
    }
}

fn labelled<'n, 'a>(mut told: Told<'n, 'a>, words: &Value<'_>) -> Told<'n, 'a> {
    told.event.reply = draft::reply(words.as_json_or_text());
    told
}

/// Begins an event about the message.
fn begin(notice: &Notice<'_>, item: &Item<'_>, kind: EventType, at: &Value<'_>) -> Result<Event, Reject> {
    let mail = &notice.mail;
    let mut event = draft::begin(item, kind, draft::time(at, "timestamp", item)?);
    draft::injected(&mut event, &mail.timestamp, "mail.timestamp", item)?;
    draft::env_from(&mut event, &mail.source, "mail.source")?;
    event.provider_message_id = draft::text(&mail.message_id);
    event.message_id = bare_message_id(mail.common_headers.message_id.as_json_or_text());
    if let Some(from) = mail.common_headers.from.0.first() {
        event.header_from_domain = labels::from_domain(from.as_json_or_text());
    }
    for (name, values) in &mail.tags.0 {
        for value in &OneOrMany::of(values).0 {
            take_tag(&mut event, name, value);
        }
    }
    Ok(event)
}

/// Takes a tag: SES' own begin with `ses:`, the others are the sender's.
fn take_tag(event: &mut Event, name: &str, value: &Value<'_>) {
    let text = value.as_json_or_text();
    match name {
        "ses:outgoing-ip" => event.sending_ip = draft::ip(value),
        "ses:from-domain" => labels::fill(&mut event.header_from_domain, text),
        "ses:outgoing-tls-version" => event.tls_version = draft::text(value),
        "ses:source-ip" | "ses:caller-identity" => labels::push(event, name, text),
        _ => labels::take(event, name, text),
    }
}

/// An event about the message as a whole: one for each recipient, at the time when it was handed in.
fn of_message<'n, 'a>(
    notice: &'n Notice<'a>,
    item: &Item<'_>,
    kind: EventType,
) -> Result<Told<'n, 'a>, Reject> {
    let event = begin(notice, item, kind, &notice.mail.timestamp)?;
    let recipients = draft::recipients(&notice.mail.destination, "mail.destination")?;
    let recipients = recipients.into_iter().map(|recipient| (recipient, None)).collect();
    Ok(Told { event, key: "", recipients })
}

fn bounced<'n, 'a>(notice: &'n Notice<'a>, item: &Item<'_>) -> Result<Told<'n, 'a>, Reject> {
    let part = &notice.bounce;
    let (kind, sub) = (part.bounce_type.as_json_or_text(), part.bounce_sub_type.as_json_or_text());
    let event_type = if SUPPRESSED.contains(&sub) { EventType::Suppressed } else { EventType::Bounced };
    let mut event = begin(notice, item, event_type, &part.timestamp)?;
    event.relay_class = format!("{kind}/{sub}").into();
    event.reporting_mta = reporting_mta(&part.reporting_mta);
    event.mx_ip = draft::ip(&part.remote_mta_ip);
    if event_type == EventType::Bounced && !event.reporting_mta.is_empty() {
        // SES itself reports what a receiver answered; another server reports what came after
        let own = event.reporting_mta.ends_with(".amazonses.com");
        event.bounce_origin = if own { BounceOrigin::Sync } else { BounceOrigin::Async };
    }
    Ok(Told { event, key: part.key(), recipients: addressed(&part.bounced_recipients, "bouncedRecipients")? })
}

fn deferred<'n, 'a>(notice: &'n Notice<'a>, item: &Item<'_>) -> Result<Told<'n, 'a>, Reject> {
    let part = &notice.delivery_delay;
    let mut event = begin(notice, item, EventType::Deferred, &part.timestamp)?;
    event.relay_class = draft::text(&part.delay_type);
    event.reporting_mta = reporting_mta(&part.reporting_mta);
    Ok(Told { event, key: part.key(), recipients: addressed(&part.delayed_recipients, "delayedRecipients")? })
}

/// A complaint; `None` when it is none.
fn complained<'n, 'a>(notice: &'n Notice<'a>, item: &Item<'_>) -> Result<Option<Told<'n, 'a>>, Reject> {
    let part = &notice.complaint;
    let suppressed = SUPPRESSED.contains(&part.complaint_sub_type.as_json_or_text());
    let event_type = match part.complaint_feedback_type.as_json_or_text() {
        "not-spam" | "auth-failure" => return Ok(None),
        _ if suppressed => EventType::Suppressed,
        _ => EventType::Complained,
    };
    let mut event = begin(notice, item, event_type, &part.timestamp)?;
    event.feedback_type = draft::text(&part.complaint_feedback_type);
    event.relay_class = draft::text(&part.complaint_sub_type);
    event.user_agent = draft::text(&part.user_agent);
    let mut recipients = addressed(&part.complained_recipients, "complainedRecipients")?;
    if recipients.len() > 1 {
        labels::push(&mut event, "possible_recipients", &recipients.len().to_string());
    }
    // nothing is said of the delivery
    for (_, said) in &mut recipients {
        *said = None;
    }
    Ok(Some(Told { event, key: part.key(), recipients }))
}

fn delivered<'n, 'a>(notice: &'n Notice<'a>, item: &Item<'_>) -> Result<Told<'n, 'a>, Reject> {
    let part = &notice.delivery;
    let mut event = begin(notice, item, EventType::Delivered, &part.timestamp)?;
    event.reply = draft::reply(part.smtp_response.as_json_or_text());
    event.reporting_mta = reporting_mta(&part.reporting_mta);
    event.mx_ip = draft::ip(&part.remote_mta_ip);
    let recipients = draft::recipients(&part.recipients, "recipients")?;
    let recipients = recipients.into_iter().map(|recipient| (recipient, None)).collect();
    Ok(Told { event, key: part.key(), recipients })
}

/// Somebody opened or clicked. Of several recipients SES does not say who.
fn engaged<'n, 'a>(
    notice: &'n Notice<'a>,
    part: &'n Part<'a>,
    item: &Item<'_>,
    kind: EventType,
) -> Result<Told<'n, 'a>, Reject> {
    let mut event = begin(notice, item, kind, &part.timestamp)?;
    event.client_ip = draft::ip(&part.ip_address);
    event.user_agent = draft::text(&part.user_agent);
    event.click_url = draft::text(&part.link);
    let recipient = draft::only_recipient(draft::recipients(&notice.mail.destination, "mail.destination")?);
    Ok(Told { event, key: part.key(), recipients: vec![(recipient, None)] })
}

fn subscribed<'n, 'a>(notice: &'n Notice<'a>, item: &Item<'_>) -> Result<Told<'n, 'a>, Reject> {
    let part = &notice.subscription;
    let now = part.new_topic_preferences.as_json_or_text();
    let out = ["\"unsubscribeAll\":true", "\"OptOut\""];
    let without_blanks: String = now.split_ascii_whitespace().collect();
    let is_out = now.is_empty() || out.iter().any(|sign| without_blanks.contains(sign));
    let kind = if is_out { EventType::Unsubscribed } else { EventType::Resubscribed };
    let mut told = engaged(notice, part, item, kind)?;
    labels::push(&mut told.event, "contact_list", part.contact_list.as_json_or_text());
    Ok(told)
}

impl Part<'_> {
    /// SES' own id of a bounce or complaint; else the time, to the millisecond.
    fn key(&self) -> &str {
        let id = &self.feedback_id;
        if id.is_said() { id.as_json_or_text() } else { self.timestamp.as_json_or_text() }
    }
}

fn addressed<'n, 'a>(
    recipients: &'n [Recipient<'a>],
    field: &str,
) -> Result<Vec<(Text, Option<&'n Recipient<'a>>)>, Reject> {
    let one = |said: &'n Recipient<'a>| Ok((draft::recipient(&said.email_address, field)?, Some(said)));
    recipients.iter().map(one).collect()
}

/// The host in `dns; a8-31.smtp-out.amazonses.com`.
fn reporting_mta(value: &Value<'_>) -> Text {
    let text = value.as_json_or_text();
    host(text.split_once(';').map_or(text, |(_, name)| name).trim())
}
