//! The reader against logs of a real Exim, and its laws.

use super::EximReader;
use crate::model::{BounceOrigin, Event, EventType, RejectReason, SourceKind, SourceRef, Timestamp};
use crate::parse::relay::log::{LINE_BYTES_MAX, LogOptions, RestoreError};
use crate::parse::{EventReader, Item, Reject};
use proptest::prelude::{ProptestConfig, any, prop};
use proptest::proptest;
use std::collections::{BTreeMap, BTreeSet};

/// With the selectors that the reader's head names.
const RECOMMENDED: &str = include_str!("../../../../tests/data/exim/recommended.mainlog");
const DEFAULT: &str = include_str!("../../../../tests/data/exim/default.mainlog");
/// `log_selector = +all`, `log_timezone`.
const EVERY_FIELD: &str = include_str!("../../../../tests/data/exim/every-field.mainlog");

/// A reader with a place in its log.
pub(super) struct Feed {
    pub(super) reader: EximReader,
    source: SourceRef,
    offset: u64,
}

impl Feed {
    pub(super) fn new(options: &LogOptions) -> Self {
        let source = SourceRef { kind: SourceKind::default(), name: "out1".into() };
        Self { reader: EximReader::new(options), source, offset: 0 }
    }

    pub(super) fn read(&mut self, line: &[u8]) -> Result<Vec<Event>, Reject> {
        let mut events = Vec::new();
        let received = Timestamp::parse_rfc3339("2026-11-21T18:00:00Z").unwrap();
        let item = Item { source: &self.source, bytes: line, offset: self.offset, received };
        let outcome = self.reader.read(&item, &mut events);
        self.offset += line.len() as u64 + 1;
        if outcome.is_err() {
            assert!(events.is_empty(), "events of a rejected line: {}", line.escape_ascii());
        }
        outcome.map(|()| events)
    }

    pub(super) fn read_all(&mut self, log: &str) -> Vec<Event> {
        log.lines().flat_map(|line| self.read(line.as_bytes()).expect(line)).collect()
    }
}

pub(super) fn events_of(log: &str) -> Vec<Event> {
    Feed::new(&LogOptions::default()).read_all(log)
}

/// How many events of each type, those about notices apart.
fn counts(events: &[Event]) -> BTreeMap<(EventType, bool), usize> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts.entry((event.event_type, event.is_notification)).or_default() += 1;
    }
    counts
}

/// What became of each recipient, by the tag in the message id (`tag.0001@sender.test`).
fn ends(events: &[Event]) -> BTreeSet<(String, String, EventType)> {
    let ends = events.iter().filter(|event| event.event_type.is_final() && !event.is_notification);
    ends.map(|event| {
        let tag = event.message_id.split('.').next().unwrap_or_default();
        (tag.to_owned(), event.recipient.to_string(), event.event_type)
    })
    .collect()
}

#[test]
fn all_three_captures_tell_the_same_ends() {
    let expect = ends(&events_of(RECOMMENDED));
    let of = |tag: &str| -> Vec<(&str, EventType)> {
        let ends = expect.iter().filter(|(known, ..)| known == tag);
        ends.map(|(_, recipient, event_type)| (recipient.as_str(), *event_type)).collect()
    };
    assert_eq!(
        of("ok-multi"),
        [
            ("a@ok.test", EventType::Delivered),
            ("b@ok.test", EventType::Delivered),
            ("c@gmail.test", EventType::Delivered),
            ("nouser@gmail.test", EventType::Bounced),
        ]
    );
    for (tag, end) in [
        ("gmail-once", ("once@gmail.test", EventType::Delivered)),
        ("gmail-rate", ("rate@gmail.test", EventType::AdminCancelled)),
        ("gmail-full", ("full@gmail.test", EventType::Expired)),
        ("icloud", ("erin@icloud.test", EventType::Bounced)),
        ("refused", ("gina@refused.test", EventType::Expired)),
        ("discard", ("ivy@blackhole.test", EventType::Dropped)),
        ("forbidden", ("sup@forbidden.test", EventType::Suppressed)),
        ("local", ("paul@local.test", EventType::DeliveredLocal)),
        ("piped", ("piped@local.test", EventType::DeliveredLocal)),
        ("quota", ("quota@local.test", EventType::Expired)),
        ("quoted-local", ("\"odd name, x=1>\"@ok.test", EventType::Delivered)),
        ("utf8text", ("utf8@flaky.test", EventType::Bounced)),
        ("nullmx", ("n@nullmx.test", EventType::Bounced)),
    ] {
        assert_eq!(of(tag), [end]);
    }
    assert_eq!(ends(&events_of(DEFAULT)), expect);
    assert_eq!(ends(&events_of(EVERY_FIELD)), expect);
}

#[test]
fn every_event_of_a_capture_is_of_a_known_message() {
    for (log, has_recipients) in [(RECOMMENDED, true), (DEFAULT, false), (EVERY_FIELD, true)] {
        let events = events_of(log);
        let ids: BTreeSet<_> = events.iter().map(|event| event.event_id).collect();
        assert_eq!(ids.len(), events.len());
        let counts = counts(&events);
        let arrivals = log.lines().filter(|line| line.contains(" <= ")).count();
        assert_eq!(
            counts[&(EventType::Accepted, false)] + counts[&(EventType::Notification, true)],
            arrivals
        );
        assert_eq!(
            (counts[&(EventType::Rejected, false)], counts.get(&(EventType::Accepted, true))),
            (2, None)
        );
        for event in &events {
            assert_eq!(event.relay, "out1");
            if event.event_type == EventType::Rejected {
                assert_eq!(
                    (event.env_from.as_str(), event.bounce_origin),
                    ("bounce@sender.test", BounceOrigin::Local)
                );
                continue;
            }
            assert!(event.injected_time.is_some() && event.size_bytes > 0, "{event:?}");
            assert_eq!(
                event.env_from.is_empty(),
                event.is_notification || event.message_id.starts_with("null-sender")
            );
            assert_eq!(event.is_notification, !event.ref_queue_id.is_empty());
            if event.event_type == EventType::Accepted {
                assert_eq!(event.nrcpt > 0, has_recipients);
            }
            if matches!(event.event_type, EventType::Deferred | EventType::Delivered | EventType::Bounced) {
                assert!(event.attempt > 0 && event.latency_ms.is_some(), "{event:?}");
            }
        }
    }
}

#[test]
fn a_delivery_says_all_that_its_line_does() {
    let events = events_of(EVERY_FIELD);
    let event = events.iter().find(|event| event.recipient == "alice@ok.test").unwrap();
    assert_eq!(event.event_type, EventType::Delivered);
    assert_eq!((event.mx_host.as_str(), event.mx_port), ("mx1.ok.test", 25));
    assert_eq!(event.mx_ip, "203.0.113.10".parse().ok());
    assert_eq!(event.sending_ip, "192.0.2.25".parse().ok());
    assert_eq!((event.tls_version.as_str(), event.delivery_agent.as_str()), ("TLSv1.3", "smtp"));
    assert_eq!(event.tls_cipher, "ECDHE_SECP256R1__ECDSA_SECP256R1_SHA256__AES_256_GCM");
    assert_eq!((event.reply.code, event.reply.text.as_str()), (250, "Ok: queued as p9dftcyjgra35i"));
    assert_eq!((event.message_id.as_str(), event.size_bytes), ("ok.0001@sender.test", 340));
    assert_eq!(event.recipient_domain, "ok.test");
    assert!(event.xfer_ms.is_some() && event.event_time.to_string().starts_with("2026-11-21T04:46:22."));
    let login = events.iter().find(|event| event.message_id == "auth.0001@sender.test").unwrap();
    assert_eq!(login.meta, [("sasl_username".into(), "shop".into())]);
}

/// A reader that stops after any line and goes on from its snapshot tells the same.
#[test]
fn a_restart_anywhere_changes_nothing() {
    let options = LogOptions::default();
    let expect = events_of(RECOMMENDED);
    for step in [1, 7, 100] {
        let mut feed = Feed::new(&options);
        let mut events = Vec::new();
        for (number, line) in RECOMMENDED.lines().enumerate() {
            events.extend(feed.read(line.as_bytes()).unwrap());
            if number % step == 0 {
                feed.reader = EximReader::restore(&options, &feed.reader.snapshot().unwrap()).unwrap();
            }
        }
        assert!(events == expect, "restarted every {step} lines");
    }
}

#[test]
fn the_state_is_empty_when_the_queue_is_and_bounded_before() {
    let mut feed = Feed::new(&LogOptions::default());
    feed.read_all(RECOMMENDED);
    assert_eq!(feed.reader.snapshot().unwrap(), br#"{"version":1,"messages":[]}"#);
    let mut feed = Feed::new(&LogOptions { in_flight_max: 3, ..LogOptions::default() });
    for line in RECOMMENDED.lines() {
        feed.read(line.as_bytes()).unwrap();
        assert!(feed.reader.memory.in_flight.messages().count() <= 3);
    }
}

#[test]
fn a_snapshot_of_another_version_is_refused() {
    let restore = |bytes: &[u8]| EximReader::restore(&LogOptions::default(), bytes);
    assert!(matches!(restore(b"{"), Err(RestoreError::Damaged(_))));
    assert!(matches!(restore(br#"{"version":7}"#), Err(RestoreError::Version { found: 7, .. })));
}

#[test]
fn lines_that_cannot_be_read_say_why() {
    let mut feed = Feed::new(&LogOptions::default());
    let mut check = |line: &[u8], reason| assert_eq!(feed.read(line).unwrap_err().reason, reason);
    check(b"hello", RejectReason::Syntax);
    check(&vec![b'a'; LINE_BYTES_MAX + 1], RejectReason::TooLarge);
    check(b"2026-02-30 04:44:39 1xUcxr-0003cf-25 Completed", RejectReason::BadTime);
    check(b"{\"MESSAGE\":", RejectReason::Syntax);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_it_panic(lines in prop::collection::vec(any::<Vec<u8>>(), 1..4)) {
        let mut feed = Feed::new(&LogOptions::default());
        for line in lines {
            let _ = feed.read(&line);
        }
    }

    #[test]
    fn no_damage_to_a_line_makes_it_panic(
        number in 0..900_usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut line = EVERY_FIELD.lines().nth(number).unwrap_or_default().as_bytes().to_vec();
        if !line.is_empty() {
            let at = at.index(line.len());
            if cut { line.truncate(at) } else { line[at] = byte }
        }
        let _ = Feed::new(&LogOptions::default()).read(&line);
    }
}
