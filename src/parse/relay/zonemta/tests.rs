//! The reader against lines and entries in the form that the program gives, and its laws.

use super::ZonemtaReader;
use crate::model::{BounceOrigin, Event, EventType, RejectReason, SourceKind, SourceRef, Timestamp};
use crate::parse::relay::log::LogOptions;
use crate::parse::{EventReader, Item, Reject};
use proptest::prelude::any;
use proptest::{prop_assert, proptest};

const LINES: &str = include_str!("../../../../tests/data/zonemta/sender.log");
const ENTRIES: &str = include_str!("../../../../tests/data/zonemta/entries.jsonl");
const RECEIVED: &str = "2026-11-21T18:00:00Z";

fn read(line: &[u8], offset: usize) -> Result<Vec<Event>, Reject> {
    let source = SourceRef { kind: SourceKind::default(), name: "zone".into() };
    let received = Timestamp::parse_rfc3339(RECEIVED).unwrap();
    let item = Item { source: &source, bytes: line, offset: offset as u64, received };
    let mut events = Vec::new();
    let outcome = ZonemtaReader::new(&LogOptions::default()).read(&item, &mut events);
    assert!(outcome.is_ok() || events.is_empty());
    outcome.map(|()| events)
}

fn events_of(log: &str) -> Vec<Event> {
    log.lines().enumerate().flat_map(|(at, line)| read(line.as_bytes(), at).expect(line)).collect()
}

fn types(events: &[Event]) -> Vec<EventType> {
    events.iter().map(|event| event.event_type).collect()
}

#[test]
fn lines_become_events() {
    let events = events_of(LINES);
    assert_eq!(
        types(&events),
        [
            EventType::Accepted,
            EventType::Delivered,
            EventType::Bounced,
            EventType::Deferred,
            EventType::Expired,
            EventType::Suppressed,
            EventType::AdminCancelled,
            EventType::Rejected,
        ]
    );
    let [accepted, delivered, bounced, deferred, expired, suppressed, _, rejected] = &events[..] else {
        panic!()
    };
    assert_eq!((accepted.nrcpt, accepted.size_bytes, accepted.recipient.as_str()), (2, 1832, ""));
    assert_eq!(accepted.client_ip, "192.0.2.9".parse().ok());
    assert_eq!(accepted.meta, [("sasl_username".into(), "shop".into())]);
    assert_eq!((accepted.message_id.as_str(), accepted.relay.as_str()), ("spring.1@shop.example", "mta1"));

    assert_eq!(delivered.queue_id, accepted.queue_id);
    assert_eq!(delivered.injected_time.unwrap().to_string(), "2026-11-21T10:00:00.5Z");
    assert_eq!((delivered.latency_ms, delivered.pool.as_str()), (Some(1_500), "default"));
    assert_eq!(delivered.env_from, "srs0=a=b@bounce.example");
    assert_eq!((delivered.mx_host.as_str(), delivered.mx_ip), ("mx1.b.example", "203.0.113.10".parse().ok()));
    assert_eq!(delivered.sending_ip, "192.0.2.25".parse().ok());
    assert_eq!((delivered.reply.code, delivered.reply.text.as_str()), (250, "Ok: queued as 4711"));

    assert_eq!((bounced.relay_class.as_str(), bounced.bounce_origin), ("recipient", BounceOrigin::Sync));
    assert_eq!(bounced.reply.text, "no such user (here) to=x id=y");
    assert_eq!((deferred.recipient.as_str(), deferred.env_from.as_str()), ("\"odd name\"@c.example", ""));
    assert_eq!((deferred.mx_ip, deferred.message_id.as_str()), ("2001:db8::10".parse().ok(), ""));
    assert_eq!((expired.bounce_origin, expired.sending_ip), (BounceOrigin::Local, None));
    assert_eq!(suppressed.recipient, "gone@b.example");
    assert_eq!((rejected.relay_class.as_str(), rejected.nrcpt), ("spam", 1));
}

#[test]
fn entries_become_events() {
    let events = events_of(ENTRIES);
    assert_eq!(
        types(&events),
        [
            EventType::Accepted,
            EventType::Delivered,
            EventType::Deferred,
            EventType::Suppressed,
            EventType::AdminCancelled,
        ]
    );
    let [accepted, delivered, deferred, suppressed, _] = &events[..] else { panic!() };
    assert_eq!((accepted.nrcpt, accepted.message_id.as_str()), (2, "spring.1@shop.example"));
    assert_eq!(delivered.event_time.to_string(), "2026-11-21T10:00:02.12Z");
    assert_eq!((delivered.xfer_ms, delivered.size_bytes), (Some(120), 1_900));
    assert_eq!(
        (delivered.env_from.as_str(), delivered.delivery_agent.as_str()),
        ("srs0=a=b@bounce.example", "smtp")
    );
    assert_eq!(delivered.mx_ip, "203.0.113.10".parse().ok());
    assert_eq!((deferred.attempt, deferred.reply.code, deferred.relay_class.as_str()), (3, 421, "rate"));
    assert_eq!(suppressed.recipient, "gone@b.example");
}

#[test]
fn a_line_without_a_head_has_the_time_of_its_arrival() {
    let line = LINES.lines().nth(1).unwrap().split_once("]: ").unwrap().1;
    let events = events_of(line);
    assert_eq!((events[0].event_time.to_string().as_str(), events[0].relay.as_str()), (RECEIVED, "zone"));
    let entry = format!(
        r#"{{"__REALTIME_TIMESTAMP":"1795255202000000","_HOSTNAME":"mta1","SYSLOG_IDENTIFIER":"zone-mta","MESSAGE":"{line}"}}"#
    );
    let events = events_of(&entry);
    assert_eq!(events[0].event_time.to_string(), "2026-11-21T10:00:02Z");
    assert_eq!(events[0].event_type, EventType::Delivered);
}

#[test]
fn lines_that_cannot_be_read_say_why() {
    let check =
        |line: &str, reason| assert_eq!(read(line.as_bytes(), 0).unwrap_err().reason, reason, "{line}");
    check("hello", RejectReason::Syntax);
    check("info Sender/a/1 id=S Q.001 ACCEPTED from=a to=b", RejectReason::Syntax);
    check(
        "info Sender/a/1 id=S Q.001 ACCEPTED from=a@b.example to= src= mx=b id= (250 ok)",
        RejectReason::MissingField,
    );
    check("{}", RejectReason::MissingField);
    check("{", RejectReason::Syntax);
    check(r#"{"id":"Q","action":"ACCEPTED","to":"a@b.example","time":"never"}"#, RejectReason::BadTime);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(line in any::<Vec<u8>>()) {
        let _ = read(&line, 0);
    }

    #[test]
    fn no_damage_to_a_log_makes_it_panic(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = [LINES, ENTRIES].concat().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut events = 0;
        for (offset, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            events += read(line, offset).map_or(0, |events| events.len());
        }
        prop_assert!(events >= 11);
    }
}
