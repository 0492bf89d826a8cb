//! The reader against accounting files in the documented form, and its laws.

use super::{LINE_BYTES_MAX, PowermtaReader};
use crate::model::{BounceOrigin, Event, EventType, RejectReason, SourceKind, SourceRef, Timestamp};
use crate::parse::{EventReader, Item, Reject};
use proptest::prelude::{any, prop};
use proptest::proptest;

const ATTEMPTS: &str = include_str!("../../../../tests/data/powermta/acct.csv");
const OTHERS: &str = include_str!("../../../../tests/data/powermta/remote-and-feedback.csv");

fn read(reader: &mut PowermtaReader, offset: usize, line: &[u8]) -> Result<Vec<Event>, Reject> {
    let source = SourceRef { kind: SourceKind::default(), name: "pmta1".into() };
    let received = Timestamp::parse_rfc3339("2026-11-21T18:00:00Z").unwrap();
    let item = Item { source: &source, bytes: line, offset: offset as u64, received };
    let mut events = Vec::new();
    let outcome = reader.read(&item, &mut events);
    assert!(outcome.is_ok() || events.is_empty());
    outcome.map(|()| events)
}

fn events_of(file: &str) -> Vec<Event> {
    let mut reader = PowermtaReader::default();
    file.lines()
        .enumerate()
        .flat_map(|(at, line)| read(&mut reader, at, line.as_bytes()).expect(line))
        .collect()
}

#[track_caller]
fn check_reject(file: &str, reason: RejectReason, says: &str) {
    let mut reader = PowermtaReader::default();
    let mut outcomes: Vec<_> =
        file.lines().enumerate().map(|(at, line)| read(&mut reader, at, line.as_bytes())).collect();
    let reject = outcomes.pop().unwrap().expect_err(file);
    assert_eq!(reject.reason, reason, "{file}: {reject}");
    assert!(reject.message.contains(says), "{reject}");
}

#[test]
fn attempts_become_events() {
    let events = events_of(ATTEMPTS);
    let types: Vec<_> = events.iter().map(|event| event.event_type).collect();
    assert_eq!(
        types,
        [
            EventType::Delivered,
            EventType::Bounced,
            EventType::Expired,
            EventType::Deferred,
            EventType::Dropped
        ]
    );
    let [delivered, bounced, expired, deferred, _] = &events[..] else { panic!() };
    assert_eq!(delivered.event_time.to_string(), "2026-11-21T09:00:01Z");
    assert_eq!(delivered.injected_time.unwrap().to_string(), "2026-11-21T08:59:58Z");
    assert_eq!((delivered.latency_ms, delivered.size_bytes), (Some(3_000), 3_451));
    assert_eq!(
        (delivered.message_id.as_str(), delivered.header_from_domain.as_str()),
        ("spring.1@shop.example", "shop.example")
    );
    assert_eq!(
        (delivered.tenant.as_str(), delivered.campaign.as_str(), delivered.envid.as_str()),
        ("acme", "spring", "env-1")
    );
    assert_eq!((delivered.pool.as_str(), delivered.egress_source.as_str()), ("bulk", "out-1"));
    assert_eq!(delivered.sending_ip, "192.0.2.25".parse().ok());
    assert_eq!((delivered.mx_host.as_str(), delivered.mx_ip), ("mx1.b.example", "203.0.113.10".parse().ok()));
    assert_eq!((delivered.reply.code, delivered.reply.text.as_str()), (250, "Ok: queued as 4711"));
    assert_eq!(
        (delivered.tls_version.as_str(), delivered.tls_cipher.as_str()),
        ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    );
    assert_eq!(
        delivered.meta,
        [("user_string".into(), "v=1".into()), ("queue".into(), "b.example/out-1".into())]
    );

    assert_eq!(
        (bounced.recipient.as_str(), bounced.orig_recipient.as_str()),
        ("nouser@b.example", "old@a.example")
    );
    assert_eq!((bounced.relay_class.as_str(), bounced.bounce_origin), ("bad-mailbox", BounceOrigin::Sync));
    assert_eq!(bounced.reply.text, "The email account, that you tried to reach, does not exist");
    assert_eq!(bounced.relay_dsn, bounced.reply.enhanced);
    assert_eq!((expired.bounce_origin, expired.latency_ms), (BounceOrigin::Local, Some(259_200_000)));
    assert_eq!((deferred.reply.code, deferred.bounce_origin), (421, BounceOrigin::Sync));
}

#[test]
fn receipts_notices_and_complaints_become_events() {
    let events = events_of(OTHERS);
    let [accepted, bounced, delayed, delivered, complained] = &events[..] else { panic!("{events:#?}") };
    assert_eq!(
        (accepted.event_type, accepted.recipient.as_str(), accepted.nrcpt),
        (EventType::Accepted, "", 1)
    );
    assert_eq!(
        (accepted.client_ip, accepted.event_time.seconds()),
        ("192.0.2.9".parse().ok(), 1_795_251_598)
    );
    assert_eq!((bounced.event_type, bounced.bounce_origin), (EventType::Bounced, BounceOrigin::Async));
    assert_eq!(
        (bounced.reporting_mta.as_str(), bounced.relay_class.as_str()),
        ("relay.f.example", "inactive-mailbox")
    );
    assert_eq!(
        (delayed.event_type, delivered.event_type),
        (EventType::DelayedNotice, EventType::DeliveredNotice)
    );
    assert_eq!((complained.event_type, complained.feedback_type.as_str()), (EventType::Complained, "abuse"));
    assert_eq!((complained.recipient.as_str(), complained.envid.as_str()), ("bob@g.example", "env-2"));
    assert_eq!(complained.reported_ip, "192.0.2.25".parse().ok());
}

#[test]
fn columns_are_found_by_name_in_any_order_and_case() {
    let events = events_of("\u{feff}\"type\",rcpt,more,TIMELOGGED\nd,a@b.example,x,1795251598\n");
    assert_eq!((events.len(), events[0].recipient.as_str()), (1, "a@b.example"));
}

#[test]
fn a_new_header_replaces_the_last() {
    let events = events_of(
        "type,timeLogged,rcpt\nd,1795251598,a@b.example\ntype,rcpt,timeLogged\nd,c@b.example,1795251599\n",
    );
    assert_eq!(
        events.iter().map(|event| event.recipient.as_str()).collect::<Vec<_>>(),
        ["a@b.example", "c@b.example"]
    );
}

#[test]
fn the_header_survives_a_restart() {
    let mut reader = PowermtaReader::default();
    assert_eq!(reader.snapshot(), None);
    let mut lines = ATTEMPTS.lines();
    read(&mut reader, 0, lines.next().unwrap().as_bytes()).unwrap();
    let mut reader = PowermtaReader::restore(&reader.snapshot().unwrap()).unwrap();
    assert_eq!(read(&mut reader, 1, lines.next().unwrap().as_bytes()).unwrap(), events_of(ATTEMPTS)[..1]);
    assert!(PowermtaReader::restore(b"{}").is_err());
}

#[test]
fn equal_lines_are_two_events_and_the_same_line_is_one() {
    let events = events_of("type,timeLogged,rcpt\nd,1795251598,a@b.example\nd,1795251598,a@b.example\n");
    assert_ne!(events[0].event_id, events[1].event_id);
    assert_eq!(events_of(ATTEMPTS)[0].event_id, events_of(ATTEMPTS)[0].event_id);
}

#[test]
fn records_that_cannot_be_read_say_why() {
    const HEADER: &str = "type,timeLogged,rcpt\n";
    let check = |line: &str, reason, says| check_reject(&format!("{HEADER}{line}"), reason, says);
    check_reject("d,1795251598,a@b.example", RejectReason::MissingField, "no header");
    check("d,1795251598", RejectReason::BadValue, "2 fields");
    check("d,1795251598,\"a@b.example", RejectReason::Syntax, "no end");
    check("x,1795251598,a@b.example", RejectReason::UnknownType, "none of");
    check("d,,a@b.example", RejectReason::MissingField, "timeLogged");
    check("d,2026-11-21 10:00:01,a@b.example", RejectReason::BadTime, "timeLogged");
    check("d,0,a@b.example", RejectReason::BadTime, "before its arrival");
    check("d,1795251598,", RejectReason::MissingField, "rcpt");
    check(&"x".repeat(LINE_BYTES_MAX + 1), RejectReason::TooLarge, "limit");
    check_reject(&format!("type{}", ",a".repeat(600)), RejectReason::TooLarge, "columns");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(lines in prop::collection::vec(any::<Vec<u8>>(), 1..4)) {
        let mut reader = PowermtaReader::default();
        let header = ATTEMPTS.lines().next().unwrap();
        let _ = read(&mut reader, 0, header.as_bytes());
        for line in lines {
            let _ = read(&mut reader, 1, &line);
        }
    }

    #[test]
    fn no_damage_to_a_file_makes_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = [ATTEMPTS, OTHERS].concat().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut reader = PowermtaReader::default();
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let _ = read(&mut reader, number, line);
        }
    }
}
