//! Every page in a real browser: `tests/browser/pages.mjs` against a server that holds a day of mail.

use crate::reputation_pages::filled;
use crate::support::{PATIENCE, Server, has_program, repository};
use std::process::Command;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_works_in_a_browser() {
    let browser = std::env::var("BROWSER").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    assert!(
        std::path::Path::new(&browser).exists() && has_program("node"),
        "the test of the pages needs a browser and node: apt-get install chromium nodejs"
    );
    assert!(
        repository("node_modules/playwright-core").exists(),
        "the test of the pages needs playwright-core, which steers the browser: npm ci"
    );
    let (_place, server, _world) = filled().await;
    annotate(&server).await;
    wait_for_incident(&server).await;
    let mut pages = Command::new("node");
    pages.arg(repository("tests/browser/pages.mjs")).current_dir(repository(""));
    pages.env("BASE_URL", &server.url).env("BROWSER", browser);
    let output = tokio::task::spawn_blocking(move || pages.output().unwrap()).await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    server.stop().await;
}

/// A rule that fires for the mail below, with a chart of its moment.
pub(crate) const RULE: &str = "\
[[rules]]
name = \"put_off\"
title = \"Mail is put off\"
metric = \"deferral\"
by = [\"ip\"]
window = \"5h\"
above = 0.02
severity = \"warning\"
advice = \"Read the reply.\"
";

async fn wait_for_incident(server: &Server) {
    let begun = Instant::now();
    loop {
        let open = server.get("/api/v1/alerts").await;
        if open["rows"].as_array().unwrap().iter().any(|incident| incident["rule"] == "put_off") {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing fires: {open}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Two marks for the charts: a time that concerns one provider, and a moment.
async fn annotate(server: &Server) {
    let at = |hours: i64| {
        let unix = jiff::Timestamp::now().as_second() - hours * 3_600;
        jiff::Timestamp::from_second(unix).unwrap().to_string()
    };
    let rate = serde_json::json!({
        "title": "rate lowered", "author": "ann", "at": at(9), "until": at(5), "labels": { "provider": "google" },
    });
    let pool = serde_json::json!({ "title": "new pool", "author": "bob", "at": at(3), "text": "two addresses more" });
    for body in [rate, pool] {
        let answer = server.post("/api/v1/annotations", body.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
}

/// A day of mail until now: an outcome every two minutes, by two addresses to three providers, so that each row of the
/// heatmap has a cell for every hour. Gmail refuses a part for want of authentication, and one recipient leaves.
pub(crate) fn recent_events() -> String {
    let now = jiff::Timestamp::now().as_second();
    let line = |number: u32| {
        let (event_type, code, reply) = match number % 18 {
            3 => (
                "bounced",
                550,
                "550 5.7.26 Your email has been blocked because the sender is unauthenticated",
            ),
            0 | 6 | 12 => ("bounced", 550, "550 5.1.1 no such user"),
            1 | 7 | 13 => ("deferred", 421, "421 4.7.28 rate limited, try again later"),
            _ => ("delivered", 250, "250 2.0.0 OK"),
        };
        let host = ["gmail-smtp-in.l.google.com", "mta5.am0.yahoodns.net", "mx.other.example"]
            [(number % 3) as usize];
        let event = serde_json::json!({
            "event_type": event_type, "event_time": now - i64::from(number) * 120, "event_id": number.to_string(),
            "message_id": format!("m{number}@shop.example"), "queue_id": format!("Q{number}"), "relay": "mx1",
            "recipient": format!("r{number}@r{}.example", number % 3), "env_from": "b@shop.example", "attempt": 1,
            "smtp_code": code, "enhanced_code": reply.split(' ').nth(1), "response_text": reply, "latency_ms": 900 + number, "mx_host": host,
            "sending_ip": format!("192.0.2.{}", 1 + number / 3 % 2), "pool": "p1", "stream": "news",
            "tls_version": "TLSv1.3",
        });
        format!("{event}\n")
    };
    let left = serde_json::json!({
        "event_type": "unsubscribed", "event_time": now - 600, "event_id": "left", "recipient": "r5@r2.example",
        "stream": "news", "feedback_type": "one_click",
    });
    (0..720).map(line).chain([format!("{left}\n")]).collect()
}
