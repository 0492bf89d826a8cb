//! Amazon SES' notifications of bounces and deliveries, as Amazon SNS mails them: JSON in the text of a mail.
//!
//! Way: `dsn` hands over a text that begins with a brace.
//! Source: Amazon SES developer guide, "Amazon SNS notification contents for Amazon SES"; SNS' own envelope has the
//! notification as a string in `Message`.
//! Not here: the same notifications by HTTP (`parse::webhook`); complaints in this form (`parse::arf`).

use crate::model::{
    EnhancedCode, Notice, NoticeAction, NoticeRecipient, RETURNED_TO_MAX, Text, Timestamp, normalize_address,
};
use crate::parse::dsn::reply;
use crate::parse::dsn::status::RECIPIENTS_MAX;
use serde::Deserialize;

/// SNS' envelope.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Message")]
    message: String,
}

#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "notificationType", alias = "eventType")]
    kind: String,
    bounce: Option<Bounce>,
    delivery: Option<Delivery>,
    mail: Option<Mail>,
}

#[derive(Deserialize)]
struct Bounce {
    #[serde(rename = "bouncedRecipients", default)]
    recipients: Vec<Bounced>,
    #[serde(rename = "reportingMTA")]
    reporting_mta: Option<String>,
    #[serde(rename = "remoteMtaIp")]
    remote_mta: Option<String>,
    timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Bounced {
    #[serde(rename = "emailAddress")]
    address: String,
    action: Option<String>,
    status: Option<String>,
    #[serde(rename = "diagnosticCode")]
    diagnostic: Option<String>,
}

#[derive(Deserialize)]
struct Delivery {
    #[serde(default)]
    recipients: Vec<String>,
    #[serde(rename = "smtpResponse")]
    response: Option<String>,
    #[serde(rename = "reportingMTA")]
    reporting_mta: Option<String>,
    timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    message_id: Option<String>,
    source: Option<String>,
    timestamp: Option<String>,
    #[serde(default)]
    destination: Vec<String>,
    common_headers: Option<CommonHeaders>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommonHeaders {
    message_id: Option<String>,
    subject: Option<String>,
}

/// Whether a text looks like such a notification.
pub(super) fn is_notification(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with('{') && (text.contains("notificationType") || text.contains("eventType"))
}

/// Reads the JSON at the front of a text; `None` when it is no such notification.
pub(super) fn read(text: &str) -> Option<Notice> {
    if !is_notification(text) {
        return None;
    }
    // What SNS writes below the JSON, and lines that its mail broke, are passed over.
    let bare: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let notification = first::<Notification>(&bare)
        .or_else(|| first::<Envelope>(&bare).and_then(|envelope| first::<Notification>(&envelope.message)))?;
    let mut notice = Notice { format: "ses", ..Notice::default() };
    match (notification.kind.as_str(), notification.bounce, notification.delivery) {
        ("Bounce", Some(bounce), _) => add_bounce(&mut notice, bounce),
        ("Delivery", _, Some(delivery)) => add_delivery(&mut notice, delivery),
        _ => return None,
    }
    if let Some(mail) = notification.mail {
        add_mail(&mut notice, mail);
    }
    (!notice.recipients.is_empty()).then_some(notice)
}

/// Reads the first JSON value of a text.
fn first<'t, T: Deserialize<'t>>(text: &'t str) -> Option<T> {
    serde_json::Deserializer::from_str(text).into_iter().next()?.ok()
}

fn add_bounce(notice: &mut Notice, bounce: Bounce) {
    notice.reporting_mta = host(bounce.reporting_mta);
    let at = time(bounce.timestamp);
    for bounced in bounce.recipients.into_iter().take(RECIPIENTS_MAX) {
        let is_delay = bounced.action.is_some_and(|action| action.eq_ignore_ascii_case("delayed"));
        let action = if is_delay { NoticeAction::Delayed } else { NoticeAction::Failed };
        let mut recipient = NoticeRecipient::new(address(&bounced.address), action);
        let status = bounced.status.as_deref().and_then(EnhancedCode::parse_prefix);
        recipient.status_field = status.map(|(status, _)| status);
        let diagnostic = bounced.diagnostic.unwrap_or_default();
        recipient.reply =
            reply::read(&reply::unfold(diagnostic.strip_prefix("smtp;").unwrap_or(&diagnostic)));
        recipient.remote_mta = bounce.remote_mta.as_deref().unwrap_or_default().into();
        recipient.last_attempt = at;
        notice.recipients.push(recipient);
    }
}

fn add_delivery(notice: &mut Notice, delivery: Delivery) {
    notice.reporting_mta = host(delivery.reporting_mta);
    let at = time(delivery.timestamp);
    let response = reply::unfold(&delivery.response.unwrap_or_default());
    for one in delivery.recipients.iter().take(RECIPIENTS_MAX) {
        let mut recipient = NoticeRecipient::new(address(one), NoticeAction::Delivered);
        recipient.reply.text = Text::from(response.as_str());
        recipient.reply.code = response.get(..3).and_then(|code| code.parse().ok()).unwrap_or_default();
        recipient.reply.enhanced =
            response.get(4..).and_then(EnhancedCode::parse_prefix).map(|(status, _)| status);
        recipient.last_attempt = at;
        notice.recipients.push(recipient);
    }
}

fn add_mail(notice: &mut Notice, mail: Mail) {
    let returned = &mut notice.returned;
    returned.return_path = mail.source.as_deref().map(address).unwrap_or_default();
    returned.to = mail.destination.iter().take(RETURNED_TO_MAX).map(|to| address(to)).collect();
    returned.date = time(mail.timestamp);
    if let Some(headers) = mail.common_headers {
        returned.subject = headers.subject.unwrap_or_default().into();
        returned.message_id = headers.message_id.unwrap_or_default().trim_matches(['<', '>']).into();
    }
    // SES' own id is its queue id: it stands in the message id that SES gives, and in the feedback.
    if let Some(id) = mail.message_id {
        returned.queue_ids.push(id.into());
    }
}

fn address(text: &str) -> Text {
    crate::parse::dsn::address::first(text).map_or_else(|| normalize_address(text), |found| found.normal())
}

fn host(text: Option<String>) -> Text {
    let text = text.unwrap_or_default();
    let bare = text.split_once(';').map_or(text.as_str(), |(_, host)| host);
    Text::from(bare.trim()).to_lowercase()
}

fn time(text: Option<String>) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(&text?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNCE: &str = r#"{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"Bob@example.com","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}],"timestamp":"2026-05-01T10:00:00.000Z","reportingMTA":"dsn; a1.smtp-out.example.net"},"mail":{"source":"news@example.org","messageId":"0100-abc","destination":["bob@example.com"],"commonHeaders":{"messageId":"<1@example.org>","subject":"Hi"}}}"#;

    #[test]
    fn a_bounce_is_read() {
        let notice = read(&format!("{BOUNCE}\n\n--\nTo stop these notifications …")).unwrap();
        let recipient = &notice.recipients[0];
        assert_eq!(recipient.final_recipient, "bob@example.com");
        assert_eq!(recipient.reply.text, "550 5.1.1 user unknown");
        assert_eq!(notice.reporting_mta, "a1.smtp-out.example.net");
        assert_eq!(notice.returned.message_id, "1@example.org");
        assert_eq!(notice.returned.queue_ids, ["0100-abc"]);
    }

    #[test]
    fn the_envelope_of_sns_is_opened() {
        let text = serde_json::json!({"Type": "Notification", "Message": BOUNCE}).to_string();
        assert_eq!(read(&text).unwrap().recipients.len(), 1);
    }

    #[test]
    fn other_json_is_none() {
        assert_eq!(read("{\"notificationType\":\"Complaint\",\"type\":1}"), None);
        assert_eq!(read("{"), None);
        assert_eq!(read("{\"type\": \"x\"}"), None);
    }
}
