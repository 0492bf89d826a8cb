//! Bounces that are here before the log tells of their messages: they wait, join, and count once, whatever happens.

use crate::checks;
use crate::support::{self, PATIENCE, Place, Server};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const BOUNCES: u64 = 40;

/// A second look that no test waits for to its end, and one that comes at once.
const LONG: &str = "[pipeline]\nbatch_wait_ms = 30\nbatch_rows_max = 20\nsecond_look_s = 600\n";
const SHORT: &str = "[pipeline]\nbatch_wait_ms = 30\nsecond_look_s = 2\n";

fn bounce(number: u64) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nTo: bounce@sender.test\r\nSubject: failure\r\nMessage-Id: <n{number}@mx.example>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
         Final-Recipient: rfc822; r{number}@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n\
         Message-ID: <m{number}@sender.test>\r\nFrom: shop@sender.test\r\n\r\n--b--\r\n"
    )
}

/// What the log tells of the messages: all were handed over, as it seemed.
fn told() -> String {
    let now = jiff::Timestamp::now();
    (0..BOUNCES).fold(String::new(), |mut lines, number| {
        writeln!(
            lines,
            "{{\"event_type\":\"delivered\",\"event_time\":\"{now}\",\"recipient\":\"r{number}@example.net\",\
             \"message_id\":\"m{number}@sender.test\",\"queue_id\":\"Q{number}\",\"stream\":\"news\"}}"
        )
        .unwrap();
        lines
    })
}

async fn post_bounces(server: &Server, count: u64) {
    for number in 0..count {
        assert_eq!(server.post("/v1/in/mail?source=mx", bounce(number)).await.status.as_u16(), 202);
    }
}

/// How many records wait by the checkpoint.
fn waiting_on_disk(place: &Place) -> u64 {
    let text = std::fs::read_to_string(place.data_dir().join("checkpoint.json")).unwrap_or_default();
    let checkpoint: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let sources = checkpoint["sources"].as_array().cloned().unwrap_or_default();
    sources.iter().map(|source| source["waiting"].as_array().map_or(0, Vec::len) as u64).sum()
}

/// The counts of the mail source, when all its records have been looked at.
async fn looked_at(place: &Place, server: &Server, waiting: u64) -> support::Ledger {
    let begun = Instant::now();
    loop {
        let ledger = server.ledger().await;
        let mail = ledger.into_iter().find(|source| source.source_kind == "mail").unwrap_or_default();
        assert_eq!(mail.accepted, mail.accounted(), "{mail:?}");
        if mail.in_spool == waiting && waiting_on_disk(place) == waiting {
            return mail;
        }
        assert!(begun.elapsed() < PATIENCE, "{mail:?}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn hard(server: &Server) -> u64 {
    server.count("SELECT sum(hard) FROM events_minute").await
}

#[tokio::test]
async fn an_early_bounce_joins_its_message_once_though_the_process_is_killed_meanwhile() {
    let place = Place::new(LONG);
    let server = place.serve().await;
    post_bounces(&server, BOUNCES).await;
    // A second copy by another way, while the first one waits.
    assert_eq!(server.post("/v1/in/mail?source=mx", bounce(0)).await.status.as_u16(), 202);
    let mail = looked_at(&place, &server, BOUNCES).await;
    assert_eq!((mail.duplicate, mail.stored), (1, 0));
    server.kill();

    let server = place.serve().await;
    looked_at(&place, &server, BOUNCES).await;
    assert_eq!(server.count("SELECT count() FROM events").await, 0);
    assert_eq!(server.post("/v1/events?source=app", told()).await.status.as_u16(), 202);
    // They come in some seconds after the log told: killed before, at and after that moment.
    let begun = Instant::now();
    let mut server = server;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(900)).await;
        server.kill();
        server = place.serve().await;
    }
    let mail = loop {
        let mail = server.ledger().await.into_iter().find(|source| source.source_kind == "mail").unwrap();
        if mail.in_spool == 0 {
            break mail;
        }
        assert!(begun.elapsed() < PATIENCE, "{mail:?}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((mail.accepted, mail.stored, mail.duplicate), (BOUNCES + 1, BOUNCES, 1));
    server.drained().await;
    let joined = "SELECT count() FROM events WHERE event_type = 'bounced' AND trust = 'matched' AND stream = 'news' \
                  AND queue_id = concat('Q', substring(recipient, 2, position(recipient, '@') - 2))";
    assert_eq!(server.count(joined).await, BOUNCES);
    assert_eq!(hard(&server).await, BOUNCES);
    checks::no_event_twice(&server).await;
    checks::rollups_equal_events(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_bounce_of_whose_message_nothing_comes_is_stored_unverified_when_its_time_is_over() {
    let place = Place::new(SHORT);
    let server = place.serve().await;
    post_bounces(&server, BOUNCES).await;
    // Nothing else comes in: the second look needs no other item.
    let ledger = server.drained().await;
    let mail = support::only(&ledger);
    assert_eq!((mail.accepted, mail.stored), (BOUNCES, BOUNCES));
    let sql = "SELECT count() FROM events WHERE trust = 'unverified' AND event_type = 'bounced'";
    assert_eq!((server.count(sql).await, hard(&server).await), (BOUNCES, 0));
    // The log that comes later than that changes nothing.
    assert_eq!(server.post("/v1/events?source=app", told()).await.status.as_u16(), 202);
    server.drained().await;
    assert_eq!((server.count(sql).await, hard(&server).await), (BOUNCES, 0));
    server.stop().await;
}

/// The rules read each event once, in the order in which events are stored; one that has waited is none of the past.
#[tokio::test]
async fn an_early_bounce_suppresses_as_any_other() {
    let place = Place::new(LONG);
    let server = place.serve().await;
    // Few enough for the guard against outages of receivers.
    post_bounces(&server, 3).await;
    looked_at(&place, &server, 3).await;
    assert_eq!(server.post("/v1/events?source=app", told()).await.status.as_u16(), 202);
    let begun = Instant::now();
    loop {
        let answer = server.get("/api/v1/suppressions/r1@example.net").await;
        if answer["suppressed"] == true {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{answer}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    server.stop().await;
}
