//! Each channel against a local server that checks what it is sent: down and back, told once; killed and started anew, told
//! once; and no secret on any page.

use crate::support::{PATIENCE, Place, Server, free_port, repository};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use relaylens::alert::notify::signature;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What came, oldest first.
pub(crate) type Seen<T> = Arc<Mutex<Vec<T>>>;

#[derive(Debug, Clone)]
pub(crate) struct Posted {
    pub(crate) path: String,
    headers: HeaderMap,
    pub(crate) body: String,
}

impl Posted {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A server that takes every POST.
pub(crate) async fn http_sink(port: u16, seen: Seen<Posted>) -> JoinHandle<()> {
    async fn take(State(seen): State<Seen<Posted>>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
        let body = String::from_utf8(body.to_vec()).unwrap();
        seen.lock().unwrap().push(Posted { path: uri.to_string(), headers, body });
        StatusCode::ACCEPTED
    }
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let routes = Router::new().fallback(take).with_state(seen);
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() })
}

/// A mail server that takes every mail.
pub(crate) async fn smtp_sink(port: u16, seen: Seen<String>) -> JoinHandle<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take_mail(stream, Arc::clone(&seen)));
        }
    })
}

async fn take_mail(stream: TcpStream, seen: Seen<String>) {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink.test ESMTP\r\n").await.unwrap();
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|bytes| bytes > 0) {
        let word = line.trim_end().to_ascii_uppercase();
        let answer: &[u8] = if word == "DATA" {
            stream.write_all(b"354 go on\r\n").await.unwrap();
            let mut mail = Vec::new();
            while !mail.ends_with(b"\r\n.\r\n") {
                mail.push(stream.read_u8().await.unwrap());
            }
            seen.lock().unwrap().push(String::from_utf8(mail).unwrap());
            b"250 taken\r\n"
        } else if word == "QUIT" {
            b"221 bye\r\n"
        } else {
            b"250 ok\r\n"
        };
        stream.write_all(answer).await.unwrap();
        line.clear();
    }
}

/// A rule that fires as soon as most items of a source cannot be read, and is resolved as soon as most can.
const RULES: &str = "\
[[rules]]
name = \"unreadable\"
title = \"Items cannot be read\"
metric = \"reject_rate\"
window = \"2h\"
above = 0.5
resolve_after = \"0s\"
severity = \"critical\"
advice = \"Look at the rejects.\"
";

/// Settings with a channel of each kind that posts to `http`, and mails to `smtp`.
pub(crate) fn settings(place: &Place, http: u16, smtp: u16) -> String {
    for (name, text) in [
        ("rules.toml", RULES.to_owned()),
        ("slack.url", format!("http://127.0.0.1:{http}/slack/s3cret-path\n")),
        ("teams.url", format!("http://127.0.0.1:{http}/teams/s3cret-path\n")),
        ("pager.key", "s3cret-routing\n".to_owned()),
        ("genie.key", "s3cret-genie\n".to_owned()),
        ("hook.key", "s3cret-hmac\n".to_owned()),
    ] {
        fs::write(place.file(name), text).unwrap();
    }
    let file = |name: &str| format!("{{ file = \"{}\" }}", place.file(name).display());
    let mut text = format!(
        "[alerts]\nrules_file = \"{}\"\nevaluate_seconds = 10\nsettle_seconds = 0\ngroup_wait_seconds = 0\n\
         group_interval_seconds = 0\nexternal_url = \"https://relaylens.example\"\n",
        place.file("rules.toml").display()
    );
    let mut channel = |name: &str, kind: &str, rest: &str| {
        write!(text, "[[alerts.channels]]\nname = \"{name}\"\nkind = \"{kind}\"\n{rest}\n").unwrap();
    };
    let endpoint = format!("endpoint = \"http://127.0.0.1:{http}\"");
    channel(
        "mail",
        "email",
        &format!(
            "from = \"relaylens@example.com\"\nto = [\"team@example.com\"]\nsmtp = \"smtp://127.0.0.1:{smtp}\""
        ),
    );
    channel("chat", "slack", &format!("url = {}", file("slack.url")));
    channel("rooms", "teams", &format!("url = {}", file("teams.url")));
    channel("pager", "pagerduty", &format!("key = {}\n{endpoint}", file("pager.key")));
    channel("genie", "opsgenie", &format!("key = {}\n{endpoint}", file("genie.key")));
    channel(
        "hook",
        "webhook",
        &format!("url = \"http://127.0.0.1:{http}/hook\"\nkey = {}", file("hook.key")),
    );
    text
}

/// Where each channel's messages arrive.
const PATHS: [&str; 5] = ["/slack/", "/teams/", "/v2/enqueue", "/v2/alerts", "/hook"];

pub(crate) fn at(seen: &Seen<Posted>, path: &str) -> Vec<Posted> {
    seen.lock().unwrap().iter().filter(|posted| posted.path.starts_with(path)).cloned().collect()
}

/// Posts lines that cannot be read.
async fn break_items(server: &Server) {
    for number in 0..3 {
        server.post("/v1/in/kumomta?source=broken", format!("{{\"nonsense\": {number}\n")).await;
    }
}

/// Posts many that can be read: most are good then.
async fn mend_items(server: &Server) {
    let record = fs::read_to_string(repository("tests/data/kumomta/delayed.jsonl")).unwrap();
    for _ in 0..30 {
        server.post("/v1/in/kumomta?source=broken", record.clone()).await;
    }
}

/// Waits until a statement about incidents counts as many.
pub(crate) async fn counted(server: &Server, sql: &str, wanted: u64) {
    let begun = Instant::now();
    loop {
        let count = server.count(sql).await;
        if count >= wanted {
            return;
        }
        assert!(begun.elapsed() < 2 * PATIENCE, "{sql}: {count}, not {wanted}\n{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

pub(crate) const FIRING: &str = "SELECT count() FROM alert_transitions WHERE step = 'firing'";
pub(crate) const RESOLVED: &str = "SELECT count() FROM alert_transitions WHERE step = 'resolved'";
const SENT: &str = "SELECT count() FROM alert_deliveries WHERE state = 'sent'";
const FAILED: &str = "SELECT uniqExact(channel) FROM alert_deliveries WHERE state = 'failed'";

#[tokio::test]
async fn channels_that_are_down_are_told_once_when_they_are_back() {
    let (http, smtp) = (free_port(), free_port());
    let place = Place::new("");
    place.set(&settings(&place, http, smtp));
    let server = place.serve().await;
    break_items(&server).await;
    counted(&server, FIRING, 1).await;
    counted(&server, FAILED, 6).await;

    let (posted, mails) = (Seen::default(), Seen::default());
    let _http = http_sink(http, Arc::clone(&posted)).await;
    let _smtp = smtp_sink(smtp, Arc::clone(&mails)).await;
    counted(&server, SENT, 6).await;
    mend_items(&server).await;
    counted(&server, RESOLVED, 1).await;
    // Whatever went out for the beginning, each channel is told of the end, once.
    counted(&server, "SELECT uniqExact(channel) FROM alert_deliveries AS d INNER JOIN alert_transitions AS t ON d.incident_id = t.incident_id AND d.seq = t.seq WHERE d.state = 'sent' AND t.step = 'resolved'", 6).await;

    for path in PATHS {
        let told = at(&posted, path);
        assert!((1..=2).contains(&told.len()), "{path}: {told:#?}");
    }
    check_hook(&at(&posted, "/hook"));
    check_pager(&at(&posted, "/v2/enqueue"));
    let genie = at(&posted, "/v2/alerts");
    assert!(genie.last().unwrap().path.ends_with("/close?identifierType=alias"));
    assert_eq!(genie[0].headers["authorization"], "GenieKey s3cret-genie");
    check_mails(&mails.lock().unwrap());
    let chat = at(&posted, "/slack/").last().unwrap().json();
    assert!(chat["text"].as_str().unwrap().contains("[resolved] Items cannot be read"), "{chat}");
    let card = at(&posted, "/teams/").last().unwrap().json();
    assert_eq!(card["attachments"][0]["content"]["type"], "AdaptiveCard");
    server.stop().await;
}

fn check_hook(told: &[Posted]) {
    for posted in told {
        let stamp = posted.headers["x-relaylens-timestamp"].to_str().unwrap().parse().unwrap();
        let signed = posted.headers["x-relaylens-signature"].to_str().unwrap();
        assert_eq!(signed, signature("s3cret-hmac", stamp, &posted.body));
    }
    let last = told.last().unwrap().json();
    assert_eq!(
        (&last["version"], &last["status"], &last["receiver"]),
        (&json!("4"), &json!("resolved"), &json!("hook"))
    );
    assert_eq!(last["alerts"][0]["labels"]["source"], "broken");
    assert_eq!(last["externalURL"], "https://relaylens.example");
    assert_ne!(last["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
}

fn check_pager(told: &[Posted]) {
    let told: Vec<_> = told.iter().map(Posted::json).collect();
    let last = told.last().unwrap();
    assert_eq!((&last["event_action"], &last["routing_key"]), (&json!("resolve"), &json!("s3cret-routing")));
    assert!(told.iter().all(|event| event["dedup_key"] == last["dedup_key"]), "{told:#?}");
}

fn check_mails(mails: &[String]) {
    assert!((1..=2).contains(&mails.len()), "{mails:#?}");
    let header = |mail: &str, name: &str| {
        mail.lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("no {name} in {mail}"))
            .to_owned()
    };
    let last = mails.last().unwrap();
    assert!(header(last, "Subject:").contains("[resolved] Items cannot be read"), "{last}");
    for mail in mails {
        assert_eq!(header(mail, "References:"), header(last, "References:"));
        assert_eq!(header(mail, "To:"), "To: team@example.com");
    }
}

#[tokio::test]
async fn a_kill_while_firing_tells_nobody_twice_and_loses_no_end() {
    let (http, smtp) = (free_port(), free_port());
    let place = Place::new("");
    place.set(&settings(&place, http, smtp));
    let (posted, mails) = (Seen::default(), Seen::default());
    let _http = http_sink(http, Arc::clone(&posted)).await;
    let _smtp = smtp_sink(smtp, Arc::clone(&mails)).await;
    let server = place.serve().await;
    break_items(&server).await;
    counted(&server, FIRING, 1).await;
    counted(&server, SENT, 6).await;
    server.kill();

    let server = place.serve().await;
    mend_items(&server).await;
    // Killed again in the middle of things, whatever they are.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    server.kill();
    let server = place.serve().await;
    counted(&server, RESOLVED, 1).await;
    counted(&server, SENT, 12).await;
    assert_eq!(server.count(FIRING).await, 1);
    for path in PATHS {
        assert_eq!(at(&posted, path).len(), 2, "{path}: one message for its beginning, one for its end");
    }
    assert_eq!(mails.lock().unwrap().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_channel_is_tried_by_a_command_beside_a_server_and_without_one() {
    let (http, smtp) = (free_port(), free_port());
    let place = Place::new("");
    place.set(&settings(&place, http, smtp));
    let (posted, mails) = (Seen::default(), Seen::default());
    let _http = http_sink(http, Arc::clone(&posted)).await;
    let _smtp = smtp_sink(smtp, Arc::clone(&mails)).await;
    let place = Arc::new(place);
    let run = async |arguments: &'static [&'static str]| {
        let place = Arc::clone(&place);
        tokio::task::spawn_blocking(move || place.run("alerts test-channel", arguments)).await.unwrap()
    };
    assert!(run(&["chat"]).await.status.success());
    let server = place.serve().await;
    assert!(run(&["pager"]).await.status.success());
    assert!(run(&["mail"]).await.status.success());
    let unknown = run(&["nowhere"]).await;
    let said = crate::support::text(&unknown.stderr);
    assert!(!unknown.status.success() && said.contains("no channel of this name"), "{said}");
    server.stop().await;
    assert!(at(&posted, "/slack/")[0].body.contains("This is a test of the channel"));
    assert_eq!(at(&posted, "/v2/enqueue")[0].json()["event_action"], "resolve", "no pager stays open");
    assert_eq!(mails.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_told_before_the_start() {
    let place = Place::new("");
    let text = settings(&place, 1, 1);
    place.set(&text.replace("team@example.com", "nobody"));
    assert!(place.run_badly("check-config", &[]).contains("channel `mail`: `nobody` is no mail address"));
    fs::remove_file(place.file("pager.key")).unwrap();
    place.set(&text);
    assert!(place.run_badly("check-config", &[]).contains("channel `pager`: secret file"));
    settings(&place, 1, 1);
    fs::write(place.file("rules.toml"), RULES.replace("severity", "channels = [\"nowhere\"]\nseverity"))
        .unwrap();
    assert!(place.run_badly("check-config", &[]).contains("`unreadable` names channel `nowhere`"));
    fs::write(place.file("rules.toml"), RULES).unwrap();
    let shown = place.run_well("check-config", &[]);
    assert!(shown.contains("kind = \"pagerduty\"") && !shown.contains("s3cret"), "{shown}");
}
