//! Every page in a real browser: `tests/browser/pages.mjs` against a server that holds a day of mail.

use crate::support::{Place, Server, has_program, repository};
use std::process::Command;

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
    let place = Place::new("");
    let server = place.serve().await;
    // Pages begin with the last hours.
    let sent = server.post("/v1/events?source=app1", recent_events()).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
    let rejected = server.post("/v1/in/kumomta?source=kumo1", "no record\n").await;
    assert_eq!(rejected.status, 202, "{}", rejected.text());
    server.drained().await;
    annotate(&server).await;
    let mut pages = Command::new("node");
    pages.arg(repository("tests/browser/pages.mjs")).current_dir(repository(""));
    pages.env("BASE_URL", &server.url).env("BROWSER", browser);
    let output = tokio::task::spawn_blocking(move || pages.output().unwrap()).await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    server.stop().await;
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
/// heatmap has a cell for every hour.
fn recent_events() -> String {
    let now = jiff::Timestamp::now().as_second();
    let line = |number: u32| {
        let (event_type, code, reply) = match number % 6 {
            0 => ("bounced", 550, "550 5.1.1 no such user"),
            1 => ("deferred", 421, "421 4.7.28 rate limited, try again later"),
            _ => ("delivered", 250, "250 2.0.0 OK"),
        };
        let host = ["gmail-smtp-in.l.google.com", "mta5.am0.yahoodns.net", "mx.other.example"]
            [(number % 3) as usize];
        let event = serde_json::json!({
            "event_type": event_type, "event_time": now - i64::from(number) * 120, "event_id": number.to_string(),
            "message_id": format!("m{number}@shop.example"), "queue_id": format!("Q{number}"), "relay": "mx1",
            "recipient": format!("r{number}@r{}.example", number % 3), "env_from": "b@shop.example", "attempt": 1,
            "smtp_code": code, "response_text": reply, "latency_ms": 900 + number, "mx_host": host,
            "sending_ip": format!("192.0.2.{}", 1 + number / 3 % 2), "pool": "p1", "stream": "news",
        });
        format!("{event}\n")
    };
    (0..720).map(line).collect()
}
