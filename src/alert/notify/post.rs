//! What each channel over HTTP is sent. PURE: a message in, a request out.
//!
//! Source: api.slack.com (incoming webhooks, blocks), developer.pagerduty.com (Events API v2), docs.opsgenie.com (Alert
//! API), learn.microsoft.com (adaptive cards by a workflow webhook), Prometheus Alertmanager (webhook, version 4).

use crate::alert::notify::Notice;
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

/// Longest header block and section of Slack, in characters.
const SLACK_HEADER_MAX: usize = 150;
const SLACK_TEXT_MAX: usize = 3_000;

/// Incidents of a digest that a chat lists: as many as one reads there. The others are a click away.
const LISTED_MAX: usize = 20;

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

pub(super) fn slack(url: &str, notice: &Notice) -> Post {
    let subject = notice.subject();
    let [red, green, blue] = notice.colour();
    let link = notice.link().map(|link| format!("\n<{link}|{}>", link_words(notice))).unwrap_or_default();
    let text = cut(&notice.lines(LISTED_MAX).join("\n"), SLACK_TEXT_MAX - link.chars().count()) + &link;
    let blocks = json!([
        { "type": "header", "text": { "type": "plain_text", "text": cut(&subject, SLACK_HEADER_MAX) } },
        { "type": "section", "text": { "type": "mrkdwn", "text": text } },
    ]);
    let colour = format!("#{red:02x}{green:02x}{blue:02x}");
    post(url, &json!({ "text": subject, "attachments": [{ "color": colour, "blocks": blocks }] }))
}

const fn link_words(notice: &Notice) -> &'static str {
    match notice {
        Notice::One(_) => "Open the incident",
        Notice::Many(_) => "Open the incidents",
    }
}

pub(super) fn teams(url: &str, notice: &Notice) -> Post {
    let colour = match (notice.is_resolved(), notice.severity()) {
        (true, _) => "good",
        (false, Severity::Critical) => "attention",
        (false, Severity::Warning) => "warning",
        (false, Severity::Info) => "accent",
    };
    let mut body = vec![json!({
        "type": "TextBlock", "size": "medium", "weight": "bolder", "wrap": true, "color": colour, "text": notice.subject(),
    })];
    let lines = notice.lines(LISTED_MAX).into_iter();
    body.extend(lines.map(|line| json!({ "type": "TextBlock", "wrap": true, "text": line })));
    let actions: Vec<Value> = notice
        .link()
        .iter()
        .map(|link| json!({ "type": "Action.OpenUrl", "title": link_words(notice), "url": link }))
        .collect();
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
        "body": body, "actions": actions,
    });
    let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "content": card });
    post(url, &json!({ "type": "message", "attachments": [attachment] }))
}

/// What a pager is to do with its alert of this key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Trigger,
    Acknowledge,
    Resolve,
}

fn action(notice: &Notice) -> Action {
    match notice {
        Notice::One(message) if message.step == IncidentStep::Acknowledged => Action::Acknowledge,
        notice if notice.is_resolved() => Action::Resolve,
        _ => Action::Trigger,
    }
}

/// What an alert of a pager is about: rule, title, metric, and which mail.
fn about(notice: &Notice) -> (&str, &str, &'static str, String) {
    match notice {
        Notice::One(message) => {
            let incident = &message.incident;
            let words = labels_words(&incident.labels);
            let words = if words.is_empty() { "all mail".to_owned() } else { words };
            (&incident.rule, &incident.title, incident.metric.name(), words)
        }
        Notice::Many(digest) => (digest.rule(), digest.title(), digest.metric().name(), "many".to_owned()),
    }
}

pub(super) fn pagerduty(endpoint: &str, routing_key: &str, notice: &Notice) -> Post {
    let event_action = match action(notice) {
        Action::Trigger => "trigger",
        Action::Acknowledge => "acknowledge",
        Action::Resolve => "resolve",
    };
    let mut body =
        json!({ "routing_key": routing_key, "event_action": event_action, "dedup_key": notice.key() });
    if event_action == "trigger" {
        let (rule, title, metric, source) = about(notice);
        let mut details = json!({ "lines": notice.lines(LISTED_MAX) });
        if let Notice::One(message) = notice {
            details["labels"] = json!(message.incident.labels);
        }
        body["payload"] = json!({
            "summary": cut(&notice.subject(), PAGERDUTY_SUMMARY_MAX),
            "source": source,
            "severity": notice.severity().name(),
            "timestamp": notice.at().to_string(),
            "component": metric,
            "group": rule,
            "class": title,
            "custom_details": details,
        });
        body["client"] = json!("relaylens");
        if let Some(link) = notice.link() {
            body["client_url"] = json!(link);
            body["links"] = json!([{ "href": link, "text": link_words(notice) }]);
        }
    }
    post(&format!("{}/v2/enqueue", endpoint.trim_end_matches('/')), &body)
}

pub(super) fn opsgenie(endpoint: &str, key: &str, notice: &Notice) -> Post {
    let (base, alias) = (endpoint.trim_end_matches('/'), notice.key());
    let note = notice.lines(LISTED_MAX).join("\n");
    let change = |what: &str| {
        let url = format!("{base}/v2/alerts/{alias}/{what}?identifierType=alias");
        post(&url, &json!({ "source": "relaylens", "note": note }))
    };
    let made = match action(notice) {
        Action::Resolve => change("close"),
        Action::Acknowledge => change("acknowledge"),
        Action::Trigger => {
            let priority = match notice.severity() {
                Severity::Critical => "P1",
                Severity::Warning => "P3",
                Severity::Info => "P5",
            };
            let (rule, _, _, entity) = about(notice);
            let mut details = match notice {
                Notice::One(message) => json!(message.incident.labels),
                Notice::Many(_) => json!({}),
            };
            details["rule"] = json!(rule);
            if let Some(link) = notice.link() {
                details["link"] = json!(link);
            }
            post(
                &format!("{base}/v2/alerts"),
                &json!({
                    "message": cut(&notice.subject(), OPSGENIE_MESSAGE_MAX), "alias": alias, "description": note,
                    "priority": priority, "source": "relaylens", "entity": entity,
                    "details": details, "tags": [rule, notice.severity().name()],
                }),
            )
        }
    };
    Post { headers: vec![("authorization", format!("GenieKey {key}"))], ..made }
}

/// Alertmanager's shape, so that what takes its webhooks takes ours. A digest has all its incidents.
pub(super) fn webhook(url: &str, receiver: &str, key: Option<&str>, notice: &Notice, at_unix: i64) -> Post {
    let status = if notice.is_resolved() { "resolved" } else { "firing" };
    let (alerts, group, labels, annotations) = match notice {
        Notice::One(message) => {
            let alert = alert(message);
            let group = format!("{{}}:{{incident=\"{:032x}\"}}", message.incident.id);
            let (labels, annotations) = (alert["labels"].clone(), alert["annotations"].clone());
            (vec![alert], group, labels, annotations)
        }
        Notice::Many(digest) => {
            let group = format!("{{}}:{{alertname=\"{}\"}}", digest.rule());
            let labels = json!({ "alertname": digest.rule(), "severity": notice.severity().name() });
            let annotations = json!({ "summary": notice.subject(), "message_id": notice.id() });
            (digest.messages().iter().map(alert).collect(), group, labels, annotations)
        }
    };
    let external = notice.link().and_then(|link| link.rsplit_once("/alerts")).map_or("", |(base, _)| base);
    let body = json!({
        "version": "4", "groupKey": group, "truncatedAlerts": 0,
        "status": status, "receiver": receiver, "groupLabels": { "alertname": about(notice).0 },
        "commonLabels": labels, "commonAnnotations": annotations, "externalURL": external, "alerts": alerts,
    });
    let mut made = post(url, &body);
    if let Some(key) = key {
        let signature = signature(key, at_unix, &made.body);
        made.headers = vec![(TIMESTAMP_HEADER, at_unix.to_string()), (SIGNATURE_HEADER, signature)];
    }
    made
}

/// One incident in Alertmanager's shape.
fn alert(message: &Message) -> Value {
    let incident = &message.incident;
    let mut labels = json!(incident.labels);
    labels["alertname"] = json!(incident.rule);
    labels["severity"] = json!(incident.severity.name());
    let annotations = json!({
        "summary": message.subject(), "description": message.lines().join("\n"),
        "value": incident.finding.value.to_string(), "step": message.step.name(), "message_id": message.id,
    });
    // The zero time is how Go writes that there is none yet.
    let ends = incident.ended.map_or("0001-01-01T00:00:00Z".to_owned(), |at| at.to_string());
    json!({
        "status": if message.is_resolved() { "resolved" } else { "firing" },
        "labels": labels, "annotations": annotations,
        "startsAt": incident.fired.unwrap_or(incident.began).to_string(), "endsAt": ends,
        "generatorURL": message.link, "fingerprint": format!("{:016x}", incident.id >> 64),
    })
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
    use crate::alert::notify::Digest;
    use crate::alert::notify::message::example;
    use crate::model::alert::IncidentState;

    fn fires() -> Notice {
        Notice::one(example(IncidentStep::Firing, IncidentState::Firing))
    }

    fn ended() -> Notice {
        Notice::one(example(IncidentStep::Resolved, IncidentState::Resolved))
    }

    fn many(open: usize) -> Notice {
        let messages = (0..300).map(|_| example(IncidentStep::Firing, IncidentState::Firing)).collect();
        Notice::Many(Digest::summary(messages, open, Some("https://relaylens.example.com")))
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
        let mut long = example(IncidentStep::Firing, IncidentState::Firing);
        long.incident.title = "x".repeat(400);
        let made = body(&opsgenie("https://og.test", "k3y", &Notice::one(long)));
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

    #[test]
    fn a_digest_keeps_the_limits_of_chats_and_pagers_and_a_webhook_has_all() {
        let chat = body(&slack("https://slack.test", &many(300)));
        let text = chat["attachments"][0]["blocks"][1]["text"]["text"].as_str().unwrap();
        assert!(text.chars().count() <= SLACK_TEXT_MAX && text.contains("and 280 more"), "{text}");
        assert!(text.ends_with("/alerts|Open the incidents>"), "{text}");
        let pager = |open| body(&pagerduty("https://pd.test", "key", &many(open)));
        assert_eq!(pager(300)["event_action"], "trigger");
        assert_eq!(
            (&pager(0)["event_action"], &pager(0)["dedup_key"]),
            (&json!("resolve"), &pager(7)["dedup_key"])
        );
        assert!(
            opsgenie("https://og.test", "k", &many(0)).url.contains("relaylens-rule-deferral_spike/close")
        );
        let hook = body(&webhook("https://hook.test", "ops", None, &many(300), 0));
        assert_eq!((hook["alerts"].as_array().unwrap().len(), &hook["truncatedAlerts"]), (300, &json!(0)));
        assert_eq!(hook["externalURL"], "https://relaylens.example.com");
    }
}
