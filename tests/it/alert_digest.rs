//! Three hundred incidents at once: each channel gets a bounded number of messages, none is lost by a kill, and each end
//! arrives where the beginning was told.

use crate::alert_channels::{FIRING, Posted, RESOLVED, Seen, at, counted, http_sink, settings, smtp_sink};
use crate::support::{Place, Server, free_port, repository};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const MANY: u64 = 300;

/// Three items of each source that cannot be read, which is more than half for sure; or two that can, after which it is not.
async fn items(server: &Server, is_bad: bool) {
    let good = repository("tests/data/kumomta/delayed.jsonl");
    let good = std::fs::read_to_string(good).unwrap();
    for number in 0..MANY {
        for item in 0..if is_bad { 3 } else { 2 } {
            let body = if is_bad { format!("{{\"nonsense\": {item}\n") } else { good.clone() };
            let answer = server.post(&format!("/v1/in/kumomta?source=s{number}"), body).await;
            assert_eq!(answer.status, 202, "{}", answer.text());
        }
    }
    server.drained().await;
}

/// Fingerprints in the webhook's messages, by status.
fn told(hook: &[Posted], status: &str) -> BTreeSet<String> {
    let bodies: Vec<Value> = hook.iter().map(Posted::json).collect();
    let alerts = bodies.iter().flat_map(|body| body["alerts"].as_array().unwrap());
    let of = alerts.filter(|alert| alert["status"] == status);
    of.map(|alert| alert["fingerprint"].as_str().unwrap().to_owned()).collect()
}

/// What a pager does with each key, in order.
fn paged(events: &[Posted]) -> BTreeMap<String, Vec<String>> {
    let mut keys = BTreeMap::<String, Vec<String>>::new();
    for event in events.iter().map(Posted::json) {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        keys.entry(text("dedup_key")).or_default().push(text("event_action"));
    }
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_incidents_are_few_messages_and_none_is_lost() {
    let (http, smtp) = (free_port(), free_port());
    let place = Place::new("");
    let usual = settings(&place, http, smtp);
    let paced = usual
        .replace("group_wait_seconds = 0", "group_wait_seconds = 3")
        .replace("group_interval_seconds = 0", "group_interval_seconds = 4");
    place.set(&paced);
    let (posted, mails) = (Seen::default(), Seen::default());
    let _http = http_sink(http, Arc::clone(&posted)).await;
    let _smtp = smtp_sink(smtp, Arc::clone(&mails)).await;
    let server = place.serve().await;
    items(&server, true).await;
    counted(&server, FIRING, MANY).await;
    // They wait for each other, or have just gone out: whatever it is, a kill loses none of it.
    server.kill();
    let server = place.serve().await;
    let waiting = "SELECT uniqExact(incident_id, channel) FROM alert_deliveries WHERE state = 'sent'";
    counted(&server, waiting, MANY * 6).await;
    assert_eq!(told(&at(&posted, "/hook"), "firing").len() as u64, MANY);
    for path in ["/slack/", "/teams/", "/hook"] {
        let messages = at(&posted, path).len();
        assert!((1..=4).contains(&messages), "{path}: {messages} messages about one rule");
    }
    assert!((1..=4).contains(&mails.lock().unwrap().len()));
    for path in ["/v2/enqueue", "/v2/alerts"] {
        let messages = at(&posted, path).len();
        assert!((11..=30).contains(&messages), "{path}: {messages}, ten by themselves and a summary");
    }
    let summary = at(&posted, "/slack/").remove(0).body;
    assert!(summary.contains("incidents fire") && summary.contains("more"), "{summary}");

    items(&server, false).await;
    counted(&server, RESOLVED, MANY / 2).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.kill();
    let server = place.serve().await;
    counted(&server, RESOLVED, MANY).await;
    let ended = "SELECT uniqExact(d.incident_id, d.channel) FROM alert_deliveries AS d INNER JOIN alert_transitions AS t \
                 ON d.incident_id = t.incident_id AND d.seq = t.seq WHERE d.state = 'sent' AND t.step = 'resolved'";
    counted(&server, ended, MANY * 6).await;
    let hook = at(&posted, "/hook");
    assert_eq!(told(&hook, "resolved"), told(&hook, "firing"), "each end arrives");
    let keys = paged(&at(&posted, "/v2/enqueue"));
    assert!(keys.keys().any(|key| key.starts_with("relaylens-rule-")), "{keys:#?}");
    assert!(keys.len() <= 13, "{} alerts on a pager", keys.len());
    for (key, actions) in &keys {
        assert_eq!(actions.last().map(String::as_str), Some("resolve"), "{key} stays open: {actions:?}");
    }
    let all = posted.lock().unwrap().len();
    assert!(all < 120, "{all} requests for 300 incidents with their ends over five channels");
    server.stop().await;
}
