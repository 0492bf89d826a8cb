//! What each channel over HTTP is sent. PURE: a message in, a request out.
//!
//! Source: api.slack.com (incoming webhooks, blocks), developer.pagerduty.com (Events API v2), docs.opsgenie.com (Alert
//! API), learn.microsoft.com (adaptive cards by a workflow webhook), Prometheus Alertmanager (webhook, version 4).

use crate::alert::notify::message::{Message, labels_words};
use crate::model::alert::{IncidentStep, Severity};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::fmt::Write as _;

/// Longest summary of `PagerDuty`, in characters.
const PAGERDUTY_SUMMARY_MAX: usize = 1024;

/// Longest message of Opsgenie, in characters.
const OPSGENIE_MESSAGE_MAX: usize = 130;

/// Longest header block of Slack, in characters.
const SLACK_HEADER_MAX: usize = 150;

/// The time stamp that is signed with the body.
pub const TIMESTAMP_HEADER: &str = "x-relaylens-timestamp";

/// `sha256=` and the HMAC, in hexadecimal, of time stamp, a dot and the body.
pub const SIGNATURE_HEADER: &str = "x-relaylens-signature";

/// A request to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Post {
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

fn post(url: &str, body: &Value) -> Post {
    Post { url: url.to_owned(), headers: Vec::new(), body: body.to_string() }
}

pub(super) fn slack(url: &str, message: &Message) -> Post {
    let subject = message.subject();
    let [red, green, blue] = message.colour();
    let mut text = message.lines().join("\n");
    if let Some(link) = &message.link {
        let _ = write!(text, "\n<{link}|Open the incident>");
    }
    let blocks = json!([
        { "type": "header", "text": { "type": "plain_text", "text": cut(&subject, SLACK_HEADER_MAX) } },
        { "type": "section", "text": { "type": "mrkdwn", "text": text } },
    ]);
    let colour = format!("#{red:02x}{green:02x}{blue:02x}");
    post(url, &json!({ "text": subject, "attachments": [{ "color": colour, "blocks": blocks }] }))
}

pub(super) fn teams(url: &str, message: &Message) -> Post {
    let colour = match (message.is_resolved(), message.incident.severity) {
        (true, _) => "good",
        (false, Severity::Critical) => "attention",
        (false, Severity::Warning) => "warning",
        (false, Severity::Info) => "accent",
    };
    let mut body = vec![json!({
        "type": "TextBlock", "size": "medium", "weight": "bolder", "wrap": true, "color": colour, "text": message.subject(),
    })];
    body.extend(
        message.lines().into_iter().map(|line| json!({ "type": "TextBlock", "wrap": true, "text": line })),
    );
    let actions: Vec<Value> = message
        .link
        .iter()
        .map(|link| json!({ "type": "Action.OpenUrl", "title": "Open the incident", "url": link }))
        .collect();
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
        "body": body, "actions": actions,
    });
    let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "content": card });
    post(url, &json!({ "type": "message", "attachments": [attachment] }))
}

pub(super) fn pagerduty(endpoint: &str, routing_key: &str, message: &Message) -> Post {
    let incident = &message.incident;
    let action = match message.step {
        IncidentStep::Resolved => "resolve",
        IncidentStep::Acknowledged => "acknowledge",
        _ => "trigger",
    };
    let mut body = json!({ "routing_key": routing_key, "event_action": action, "dedup_key": message.key() });
    if action == "trigger" {
        let source = labels_words(&incident.labels);
        body["payload"] = json!({
            "summary": cut(&message.subject(), PAGERDUTY_SUMMARY_MAX),
            "source": if source.is_empty() { "all mail" } else { source.as_str() },
            "severity": incident.severity.name(),
            "timestamp": message.at.to_string(),
            "component": incident.metric.name(),
            "group": incident.rule,
            "class": incident.title,
            "custom_details": { "lines": message.lines(), "labels": incident.labels },
        });
        body["client"] = json!("relaylens");
        if let Some(link) = &message.link {
            body["client_url"] = json!(link);
            body["links"] = json!([{ "href": link, "text": "Open the incident" }]);
        }
    }
    post(&format!("{}/v2/enqueue", endpoint.trim_end_matches('/')), &body)
}

pub(super) fn opsgenie(endpoint: &str, key: &str, message: &Message) -> Post {
    let incident = &message.incident;
    let (base, alias) = (endpoint.trim_end_matches('/'), message.key());
    let note = message.lines().join("\n");
    let made = match message.step {
        IncidentStep::Resolved => {
            let url = format!("{base}/v2/alerts/{alias}/close?identifierType=alias");
            post(&url, &json!({ "source": "relaylens", "note": note }))
        }
        IncidentStep::Acknowledged => {
            let url = format!("{base}/v2/alerts/{alias}/acknowledge?identifierType=alias");
            post(&url, &json!({ "source": "relaylens", "note": note }))
        }
        _ => {
            let priority = match incident.severity {
                Severity::Critical => "P1",
                Severity::Warning => "P3",
                Severity::Info => "P5",
            };
            let mut details = json!(incident.labels);
            details["rule"] = json!(incident.rule);
            if let Some(link) = &message.link {
                details["link"] = json!(link);
            }
            post(
                &format!("{base}/v2/alerts"),
                &json!({
                    "message": cut(&message.subject(), OPSGENIE_MESSAGE_MAX), "alias": alias, "description": note,
                    "priority": priority, "source": "relaylens", "entity": labels_words(&incident.labels),
                    "details": details, "tags": [incident.rule, incident.severity.name()],
                }),
            )
        }
    };
    Post { headers: vec![("authorization", format!("GenieKey {key}"))], ..made }
}

/// Alertmanager's shape, so that what takes its webhooks takes ours.
pub(super) fn webhook(url: &str, receiver: &str, key: Option<&str>, message: &Message, at_unix: i64) -> Post {
    let incident = &message.incident;
    let status = if message.is_resolved() { "resolved" } else { "firing" };
    let mut labels = json!(incident.labels);
    labels["alertname"] = json!(incident.rule);
    labels["severity"] = json!(incident.severity.name());
    let annotations = json!({
        "summary": message.subject(), "description": message.lines().join("\n"),
        "value": incident.finding.value.to_string(), "step": message.step.name(), "message_id": message.id,
    });
    let link = message.link.clone().unwrap_or_default();
    // The zero time is how Go writes that there is none yet.
    let ends = incident.ended.map_or("0001-01-01T00:00:00Z".to_owned(), |at| at.to_string());
    let alert = json!({
        "status": status, "labels": labels, "annotations": annotations,
        "startsAt": incident.fired.unwrap_or(incident.began).to_string(), "endsAt": ends,
        "generatorURL": link, "fingerprint": format!("{:016x}", incident.id >> 64),
    });
    let external =
        message.link.as_deref().and_then(|link| link.split_once("/alerts/")).map_or("", |(base, _)| base);
    let body = json!({
        "version": "4", "groupKey": format!("{{}}:{{incident=\"{:032x}\"}}", incident.id), "truncatedAlerts": 0,
        "status": status, "receiver": receiver, "groupLabels": { "alertname": incident.rule },
        "commonLabels": labels, "commonAnnotations": annotations, "externalURL": external, "alerts": [alert],
    });
    let mut made = post(url, &body);
    if let Some(key) = key {
        let signature = signature(key, at_unix, &made.body);
        made.headers = vec![(TIMESTAMP_HEADER, at_unix.to_string()), (SIGNATURE_HEADER, signature)];
    }
    made
}

/// The signature of a body at a time.
///
/// # Panics
///
/// Never: HMAC takes keys of any length.
pub fn signature(key: &str, at_unix: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{at_unix}.{body}").as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.iter().fold("sha256=".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// At most so many characters, with an ellipsis where something is missing.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notify::message::example;
    use crate::model::alert::IncidentState;

    fn fires() -> Message {
        example(IncidentStep::Firing, IncidentState::Firing)
    }

    fn ended() -> Message {
        example(IncidentStep::Resolved, IncidentState::Resolved)
    }

    fn body(post: &Post) -> Value {
        serde_json::from_str(&post.body).unwrap()
    }

    #[test]
    fn pagerduty_triggers_and_resolves_by_one_key() {
        let (fires, ended) =
            (pagerduty("https://pd.test/", "key", &fires()), pagerduty("https://pd.test", "key", &ended()));
        assert_eq!((fires.url.as_str(), &fires.url), ("https://pd.test/v2/enqueue", &ended.url));
        let (fires, ended) = (body(&fires), body(&ended));
        assert_eq!((&fires["event_action"], &ended["event_action"]), (&json!("trigger"), &json!("resolve")));
        assert_eq!(fires["dedup_key"], ended["dedup_key"]);
        assert_eq!(fires["payload"]["severity"], "warning");
        assert!(ended["payload"].is_null());
    }

    #[test]
    fn opsgenie_closes_by_alias_and_keeps_its_limits() {
        let made = opsgenie("https://og.test", "k3y", &ended());
        assert!(made.url.ends_with("/close?identifierType=alias"), "{}", made.url);
        assert_eq!(made.headers, [("authorization", "GenieKey k3y".to_owned())]);
        let mut long = fires();
        long.incident.title = "x".repeat(400);
        let made = body(&opsgenie("https://og.test", "k3y", &long));
        assert_eq!(made["message"].as_str().unwrap().chars().count(), OPSGENIE_MESSAGE_MAX);
        assert_eq!(made["priority"], "P3");
    }

    #[test]
    fn the_webhook_has_alertmanager_s_shape_and_a_signature() {
        let made = webhook("https://hook.test", "ops", Some("s3cret"), &fires(), 1_700_000_000);
        let shown = body(&made);
        for field in [
            "version",
            "groupKey",
            "truncatedAlerts",
            "status",
            "receiver",
            "groupLabels",
            "commonLabels",
            "commonAnnotations",
            "externalURL",
            "alerts",
        ] {
            assert!(!shown[field].is_null(), "{field}");
        }
        assert_eq!((&shown["version"], &shown["status"]), (&json!("4"), &json!("firing")));
        assert_eq!(shown["alerts"][0]["labels"]["provider"], "google");
        assert_eq!(made.headers[1].1, signature("s3cret", 1_700_000_000, &made.body));
        assert_ne!(made.headers[1].1, signature("other", 1_700_000_000, &made.body));
        assert!(webhook("https://hook.test", "ops", None, &fires(), 0).headers.is_empty());
    }

    #[test]
    fn slack_and_teams_say_the_subject_and_link() {
        for made in [slack("https://slack.test", &fires()), teams("https://teams.test", &fires())] {
            assert!(made.body.contains("Deferrals spike: provider google"), "{}", made.body);
            assert!(made.body.contains("https://relaylens.example.com/alerts/incidents/"), "{}", made.body);
        }
    }
}
