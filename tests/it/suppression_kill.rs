//! The process is killed while its rules write: what they find is in the log once and whole, whenever it happens.

use crate::support::{self, Http, PATIENCE, Place, Server};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const KILLS: usize = 8;
/// Bounces of one request. Each recipient is at a receiver of his own, so that no burst is seen in them.
const EVENTS_PER_BODY: usize = 40;
/// Recipients of the receiver that refuses everybody.
const OUTAGE: usize = 30;

/// Small batches, so that the rules have many steps to be killed in.
const SETTINGS: &str = "[pipeline]\nbatch_wait_ms = 20\nbatch_rows_max = 500\nrecent_ids_max = 5000\n";

fn bounce(recipient: &str) -> String {
    let event = json!({ "event_type": "bounced", "event_time": jiff::Timestamp::now().to_string(),
        "event_id": recipient, "recipient": recipient, "message_id": format!("{recipient}.m"), "smtp_code": 550,
        "enhanced_code": "5.1.1", "response_text": "550 5.1.1 User unknown" });
    format!("{event}\n")
}

/// The bodies of the whole run. Every third brings some of the outage.
fn bodies(count: usize) -> Vec<String> {
    let mut refused = (0..OUTAGE).map(|number| bounce(&format!("r{number}@big.example")));
    let body = |number: usize| {
        let mut body = (0..EVENTS_PER_BODY).fold(String::new(), |mut body, event| {
            body.write_str(&bounce(&format!("gone@b{number}-e{event}.example"))).unwrap();
            body
        });
        if number % 3 == 2 {
            body.extend(refused.by_ref().take(4));
        }
        body
    };
    (0..count).map(body).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_rules_find_is_in_the_log_once_whenever_the_process_is_killed() {
    let given = std::env::var(support::SEED).ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    eprintln!("{}={seed}", support::SEED);
    let mut rng = StdRng::seed_from_u64(seed);
    let place = Place::new("");
    place.set(SETTINGS);
    let all = bodies(60);
    let mut bodies = all.iter().cloned();
    let http = Http::new();
    let mut waiting = bodies.next();
    for _ in 0..KILLS {
        let server = place.serve().await;
        let life = Duration::from_millis(rng.random_range(50..1200));
        let begun = Instant::now();
        while begun.elapsed() < life {
            let Some(body) = &waiting else { break };
            let url = format!("{}/v1/events?source=app1", server.url);
            let answer = http.post(&url, &[], body.clone()).await;
            if answer.is_some_and(|answer| answer.status == 202) {
                waiting = bodies.next();
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        server.kill();
    }
    let server = place.serve().await;
    for body in waiting.into_iter().chain(bodies) {
        assert_eq!(server.post("/v1/events?source=app1", body).await.status, 202);
    }
    server.drained().await;
    let single = all.len() * EVENTS_PER_BODY;
    let listed = "SELECT uniqExact(address) FROM suppression_log WHERE address NOT LIKE '%@big.example'";
    until(&server, listed, single as u64).await;
    until(&server, "SELECT uniqExact(address) FROM suppression_held", OUTAGE as u64).await;
    // Nothing stands twice, and what the receiver's fault had suppressed is taken back.
    let sql = "SELECT address, count() FROM suppression_log WHERE address NOT LIKE '%@big.example' \
               GROUP BY address HAVING count() > 1 LIMIT 5";
    assert_eq!(server.sql(sql).await, Vec::<serde_json::Value>::new());
    let sql = "SELECT address FROM suppression_log WHERE address LIKE '%@big.example' \
               GROUP BY address HAVING argMax(toString(action), seq) != 'withdraw' LIMIT 5";
    assert_eq!(server.sql(sql).await, Vec::<serde_json::Value>::new());
    assert_eq!(server.count("SELECT count() FROM suppression_reviews FINAL").await, 1);
    // Each run is marked on the charts, once.
    let runs = server.count("SELECT uniqExact(run) FROM suppression_runs WHERE kind = 'rule'").await;
    let marks = server.count("SELECT count() FROM annotations FINAL WHERE kind = 'rule_run'").await;
    assert!(runs > 0 && marks == runs, "{marks} marks of {runs} runs");
    server.stop().await;
}

async fn until(server: &Server, sql: &str, count: u64) {
    let begun = Instant::now();
    loop {
        let found = server.count(sql).await;
        if found == count {
            return;
        }
        assert!(found < count && begun.elapsed() < PATIENCE, "{sql}: {found}, not {count}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
