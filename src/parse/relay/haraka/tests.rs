//! The reader against logs of a real Haraka in its three forms, and its laws.

use super::{HarakaOptions, HarakaReader};
use crate::model::{BounceOrigin, Event, EventType, SmtpStage, SourceKind, SourceRef, Timestamp};
use crate::parse::relay::log::{LogOptions, RestoreError};
use crate::parse::{EventReader, Item, Reject};
use proptest::prelude::{ProptestConfig, any};
use proptest::proptest;
use std::collections::BTreeSet;

const DEFAULT: &str = include_str!("../../../../tests/data/haraka/default.log");
const JSON: &str = include_str!("../../../../tests/data/haraka/json.log");
const LOGFMT: &str = include_str!("../../../../tests/data/haraka/logfmt.log");

struct Feed {
    reader: HarakaReader,
    source: SourceRef,
    offset: u64,
}

impl Feed {
    fn new(options: &HarakaOptions) -> Self {
        let source = SourceRef { kind: SourceKind::default(), name: "out1".into() };
        Self { reader: HarakaReader::new(options), source, offset: 0 }
    }

    fn read(&mut self, line: &[u8]) -> Result<Vec<Event>, Reject> {
        let received = Timestamp::parse_rfc3339("2026-11-21T18:00:00Z").unwrap();
        let item = Item { source: &self.source, bytes: line, offset: self.offset, received };
        let mut events = Vec::new();
        let outcome = self.reader.read(&item, &mut events);
        self.offset += line.len() as u64 + 1;
        assert!(outcome.is_ok() || events.is_empty());
        outcome.map(|()| events)
    }

    fn read_all(&mut self, log: &str) -> Vec<Event> {
        log.lines().flat_map(|line| self.read(line.as_bytes()).expect(line)).collect()
    }
}

fn events_of(log: &str) -> Vec<Event> {
    Feed::new(&HarakaOptions::default()).read_all(log)
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

fn types(events: &[Event]) -> Vec<EventType> {
    events.iter().map(|event| event.event_type).collect()
}

#[test]
fn all_three_forms_tell_the_same_ends() {
    let expect = ends(&events_of(DEFAULT));
    let of = |tag: &str| -> Vec<(&str, EventType)> {
        let ends = expect.iter().filter(|(known, ..)| known == tag);
        ends.map(|(_, recipient, event_type)| (recipient.as_str(), *event_type)).collect()
    };
    assert_eq!(
        of("multi-domain"),
        [
            ("a@ok.test", EventType::Delivered),
            ("b.upper@ok.test", EventType::Delivered),
            ("carol@outlook.test", EventType::Delivered),
            ("nouser@gmail.test", EventType::Bounced),
            ("nouser@outlook.test", EventType::Bounced),
        ]
    );
    for (tag, end) in [
        ("ok", ("alice@ok.test", EventType::Delivered)),
        ("gmail-once", ("once@gmail.test", EventType::Delivered)),
        ("gmail-rate", ("rate@gmail.test", EventType::Expired)),
        ("gmail-full", ("full@gmail.test", EventType::Expired)),
        ("grey", ("grey@flaky.test", EventType::Delivered)),
        ("ms-blocked", ("blocked@outlook.test", EventType::Bounced)),
        ("icloud", ("erin@icloud.test", EventType::Bounced)),
        ("refused", ("gina@refused.test", EventType::Expired)),
        ("drop", ("drop@flaky.test", EventType::Expired)),
        ("utf8text", ("utf8@flaky.test", EventType::Bounced)),
    ] {
        assert_eq!(of(tag), [end]);
    }
    assert_eq!(of("blocked-domain"), []);
    assert!(expect.iter().any(|(_, recipient, event_type)| {
        (recipient.as_str(), *event_type) == ("jack@blocked-domain.test", EventType::Suppressed)
    }));
    assert_eq!(ends(&events_of(JSON)), expect);
    assert_eq!(ends(&events_of(LOGFMT)), expect);
}

#[test]
fn every_event_of_a_capture_is_of_a_known_message() {
    for log in [DEFAULT, JSON, LOGFMT] {
        let events = events_of(log);
        let ids: BTreeSet<_> = events.iter().map(|event| event.event_id).collect();
        assert_eq!(ids.len(), events.len());
        let accepted = events.iter().filter(|event| event.event_type == EventType::Accepted);
        assert_eq!(
            accepted.clone().count(),
            log.matches("code=OK msg=\"Message Queued")
                .count()
                .max(log.matches("\"code\":\"OK\",\"msg\":\"Message Queued").count(),)
        );
        assert!(
            accepted
                .clone()
                .all(|event| event.nrcpt > 0 && event.size_bytes > 0 && event.client_ip.is_some())
        );
        for event in events.iter().filter(|event| event.event_type.is_final() && !event.is_notification) {
            assert!(!event.recipient.is_empty(), "{event:?}");
            if event.event_type != EventType::Suppressed {
                assert!(event.injected_time.is_some() && event.attempt > 0, "{event:?}");
            }
        }
    }
}

#[test]
fn a_delivery_says_all_that_its_line_does() {
    let events = events_of(DEFAULT);
    let event = events.iter().find(|event| event.recipient == "alice@ok.test").unwrap();
    assert_eq!((event.mx_host.as_str(), event.mx_port), ("mx1.ok.test", 25));
    assert_eq!(event.mx_ip, "203.0.113.10".parse().ok());
    assert_eq!(
        (event.tls_version.as_str(), event.tls_cipher.as_str()),
        ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    );
    assert_eq!((event.reply.code, event.reply.text.as_str()), (250, "Ok: queued as 0m0wizanc8ggzx"));
    assert_eq!((event.attempt, event.latency_ms, event.delivery_agent.as_str()), (1, Some(72), "smtp"));
    assert_eq!(
        (event.message_id.as_str(), event.env_from.as_str()),
        ("ok.0001@sender.test", "bounce@sender.test")
    );
    assert_eq!(event.queue_id, "85565594-E0F4-4EB8-BB02-C42F6CBBB533.1");
    let once: Vec<_> = events.iter().filter(|event| event.recipient == "once@gmail.test").collect();
    assert_eq!((once[0].event_type, once[0].reply.code, once[0].attempt), (EventType::Deferred, 421, 1));
    assert_eq!(once[0].bounce_origin, BounceOrigin::Sync);
    // the enhanced code that stood before each line is gone
    assert!(!once[0].reply.text.contains("4.7.28"));
    assert_eq!((once[1].event_type, once[1].attempt), (EventType::Delivered, 2));
    let full = events.iter().rfind(|event| event.recipient == "full@gmail.test").unwrap();
    assert_eq!(
        (full.event_type, full.reply.code, full.reply.stage),
        (EventType::Expired, 452, SmtpStage::Rcpt)
    );
    assert_eq!(full.bounce_origin, BounceOrigin::Local);
}

#[test]
fn a_restart_anywhere_changes_nothing_that_counts() {
    let options = HarakaOptions::default();
    let expect = ends(&events_of(DEFAULT));
    for step in [1, 10] {
        let mut feed = Feed::new(&options);
        let mut events = Vec::new();
        for (number, line) in DEFAULT.lines().enumerate() {
            events.extend(feed.read(line.as_bytes()).unwrap());
            if number % step == 0 {
                feed.reader = HarakaReader::restore(&options, &feed.reader.snapshot().unwrap()).unwrap();
            }
        }
        assert_eq!(ends(&events), expect, "restarted every {step} lines");
    }
    assert!(matches!(HarakaReader::restore(&options, b"{"), Err(RestoreError::Damaged(_))));
}

#[test]
fn the_state_is_bounded() {
    let log = LogOptions { in_flight_max: 6, ..LogOptions::default() };
    let mut feed = Feed::new(&HarakaOptions { log, always_split: false });
    for line in DEFAULT.lines() {
        feed.read(line.as_bytes()).unwrap();
        assert!(feed.reader.memory.transactions().count() <= 6);
    }
}

/// One message to two recipients of one domain, up to its queueing.
const ARRIVAL: &str = "[NOTICE] [U.1] [core] sender <s@a.example> code=CONT msg=\"\"
[NOTICE] [U.1] [core] recipient <a@b.example> code=OK msg=\"\"
[NOTICE] [U.1] [core] recipient <C@b.example> code=OK msg=\"\"
[NOTICE] [U.1] [core] message mid=<m@a.example> size=9 rcpts=2/0/0 delay=0 code=CONT msg=\"\"
[NOTICE] [U.1] [core] queue code=OK msg=\"Message Queued (U.1)\"
";
const DELIVERED: &str = "delivered file=1_2 domain=b.example host=mx ip=192.0.2.1 port=25 mode=SMTP tls=N auth=N \
                         response=ok delay=1 fails=0";

#[test]
fn who_was_put_off_is_not_delivered_in_the_same_attempt() {
    let log = format!(
        "{ARRIVAL}[NOTICE] [U.1.1] [outbound] recipient <a@b.example> deferred: 450 later\n\
         [NOTICE] [U.1.1] [outbound] {DELIVERED} rcpts=1/1/0\n\
         [INFO] [U.1.1] [outbound] Temp failing 1_2 for 60 seconds: Some recipients temp failed: <a@b.example>\n\
         [NOTICE] [U.1.1] [outbound] {DELIVERED} rcpts=1/0/0\n"
    );
    let mut feed = Feed::new(&HarakaOptions::default());
    let events = feed.read_all(&log);
    assert_eq!(
        types(&events),
        [EventType::Accepted, EventType::Deferred, EventType::Delivered, EventType::Delivered]
    );
    assert_eq!((events[2].recipient.as_str(), events[3].recipient.as_str()), ("c@b.example", "a@b.example"));
    assert_eq!(feed.reader.memory.transactions().count(), 0);
}

#[test]
fn each_recipient_is_a_destination_when_the_relay_splits_always() {
    let log = format!("{ARRIVAL}[NOTICE] [U.1.2] [outbound] {DELIVERED} rcpts=1/0/0\n");
    let events = Feed::new(&HarakaOptions { always_split: true, ..HarakaOptions::default() }).read_all(&log);
    assert_eq!((events.len(), events[1].recipient.as_str()), (2, "c@b.example"));
}

#[test]
fn a_log_that_begins_in_the_middle_tells_the_domain_alone() {
    let events = events_of(&format!("[NOTICE] [U.1.1] [outbound] {DELIVERED} rcpts=1/0/0\n"));
    let event = &events[0];
    assert_eq!((event.recipient.as_str(), event.recipient_domain.as_str()), ("", "b.example"));
    assert_eq!(event.injected_time.unwrap().millis(), 1);
}

#[test]
fn a_line_may_come_in_every_way() {
    let line = "[NOTICE] [U.1] [core] recipient <a@b.example> code=DENYSOFT msg=\"4.7.1 later\"";
    for head in ["", "2026-11-21T10:00:00.000Z ", "Nov 21 10:00:00 mx1 haraka[17]: "] {
        let events = events_of(&format!("{head}{line}"));
        assert_eq!((types(&events), events[0].reply.code), (vec![EventType::Rejected], 450), "{head}");
        assert_eq!(events[0].reply.enhanced.unwrap().to_string(), "4.7.1");
    }
    let message = line.replace('"', "\\\"");
    let entry = format!(
        r#"{{"__REALTIME_TIMESTAMP":"1795255202000000","_HOSTNAME":"mx1","SYSLOG_IDENTIFIER":"haraka","MESSAGE":"{message}"}}"#
    );
    assert_eq!(events_of(&entry)[0].relay, "mx1");
    assert_eq!(events_of("Starting up Haraka version 3.3.4\n    at Object.x (a.js:1:2)\n"), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_bytes_make_it_panic(line in any::<Vec<u8>>()) {
        let _ = Feed::new(&HarakaOptions::default()).read(&line);
    }

    #[test]
    fn no_damage_to_a_line_makes_it_panic(
        number in 0..966_usize, at in any::<proptest::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        for log in [DEFAULT, JSON, LOGFMT] {
            let mut feed = Feed::new(&HarakaOptions::default());
            let mut line = log.lines().nth(number).unwrap_or_default().as_bytes().to_vec();
            if !line.is_empty() {
                let at = at.index(line.len());
                if cut { line.truncate(at) } else { line[at] = byte }
            }
            let _ = feed.read(&line);
        }
    }
}
