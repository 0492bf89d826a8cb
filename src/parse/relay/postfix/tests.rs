//! The reader against logs of a real Postfix, and its laws.

use super::{LINE_BYTES_MAX, PostfixOptions, PostfixReader, RestoreError};
use crate::model::{
    BounceOrigin, Event, EventType, RejectReason, SmtpStage, SourceKind, SourceRef, Timestamp,
};
use crate::parse::{EventReader, Item, Reject};
use proptest::prelude::{ProptestConfig, any, prop};
use proptest::proptest;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

struct Capture {
    log: &'static str,
    labelled: &'static str,
    injected: &'static str,
}

const LONG_IDS: Capture = Capture {
    log: include_str!("../../../../tests/data/postfix/long-ids.maillog"),
    labelled: include_str!("../../../../tests/data/postfix/long-ids.events.jsonl"),
    injected: include_str!("../../../../tests/data/postfix/long-ids.injected.jsonl"),
};
const MX: Capture = Capture {
    log: include_str!("../../../../tests/data/postfix/mx.maillog"),
    labelled: include_str!("../../../../tests/data/postfix/mx.events.jsonl"),
    injected: include_str!("../../../../tests/data/postfix/mx.injected.jsonl"),
};

/// When the tests' lines arrive, unless they say otherwise: the evening after the captures.
pub(super) const RECEIVED: &str = "2026-11-21T18:00:00Z";

/// A reader with a place in its log.
pub(super) struct Feed {
    pub(super) reader: PostfixReader,
    source: SourceRef,
    offset: u64,
    pub(super) received: Timestamp,
}

impl Feed {
    pub(super) fn new(options: &PostfixOptions) -> Self {
        Self {
            reader: PostfixReader::new(options),
            source: SourceRef { kind: SourceKind::Postfix, name: "mx1".into() },
            offset: 0,
            received: Timestamp::parse_rfc3339(RECEIVED).unwrap(),
        }
    }

    pub(super) fn read(&mut self, line: &[u8]) -> Result<Vec<Event>, Reject> {
        let mut events = Vec::new();
        let item = Item { source: &self.source, bytes: line, offset: self.offset, received: self.received };
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

/// Reads a log with a reader of its own.
pub(super) fn events_of(log: &str) -> Vec<Event> {
    Feed::new(&PostfixOptions::default()).read_all(log)
}

/// The labels' words for the stages.
fn stage_label(stage: SmtpStage) -> &'static str {
    match stage {
        SmtpStage::Banner => "BANNER",
        SmtpStage::Mail => "MAIL FROM",
        SmtpStage::Rcpt => "RCPT TO",
        SmtpStage::Dot => "end of DATA",
        _ => "",
    }
}

/// Compares every labelled field of an event. These are known to differ:
/// - `ref_queue_id` stands on `notification` alone in the labels, on every later event of the notice here.
/// - `enhanced_code` falls back to the relay's dsn in the labels; the reply keeps what stands in its text.
/// - `smtp_stage` of a lost or refused connection is told here; the labels have none, and `RCPT` for a
///   refusal.
/// - `bounce_class` and `mailbox_provider` are for `classify`.
fn assert_as_labelled(event: &Event, label: &Value) {
    let text = |name: &str| label.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| label.get(name).and_then(Value::as_u64);
    let millis = |name: &str| label.get(name).and_then(Value::as_f64).map(|seconds| format!("{seconds:.3}"));
    assert_eq!(event.event_type.name(), text("event_type"), "{label}");
    assert_eq!(event.event_time.to_string(), text("event_time"), "{label}");
    assert_eq!((event.relay.as_str(), event.queue_id.as_str()), (text("relay"), text("queue_id")), "{label}");
    assert_eq!(event.recipient, text("recipient"), "{label}");
    assert_eq!(event.recipient_domain, text("recipient_domain"), "{label}");
    assert_eq!(event.message_id, text("message_id"), "{label}");
    assert_eq!(event.env_from, text("sender"), "{label}");
    if event.event_type == EventType::Notification {
        assert_eq!(event.ref_queue_id.as_str(), text("ref_queue_id"), "{label}");
    }
    assert_eq!(u64::from(event.size_bytes), number("size").unwrap_or(0), "{label}");
    assert_eq!(u64::from(event.nrcpt), number("nrcpt").unwrap_or(0), "{label}");
    assert_eq!(u64::from(event.attempt), number("attempt").unwrap_or(0), "{label}");
    let injected = label.get("injected_time").and_then(Value::as_f64).map(|at| format!("{at:.6}"));
    #[expect(clippy::cast_precision_loss, reason = "the label is a float too")]
    let got = event.injected_time.map(|at| format!("{:.6}", at.0 as f64 / 1e6));
    assert_eq!(got, injected, "{label}");
    assert_eq!(event.client_ip.map(|ip| ip.to_string()).unwrap_or_default(), text("client_ip"), "{label}");

    assert_eq!(
        (event.mx_host.as_str(), u64::from(event.reply.code)),
        (text("mx_host"), number("smtp_code").unwrap_or(0)),
        "{label}"
    );
    assert_eq!(event.reply.text, text("response_text"), "{label}");
    let enhanced = event.reply.enhanced.or(event.relay_dsn).map(|code| code.to_string()).unwrap_or_default();
    assert_eq!(enhanced, text("enhanced_code"), "{label}");
    if !text("smtp_stage").is_empty() && event.event_type != EventType::Rejected {
        assert_eq!(stage_label(event.reply.stage), text("smtp_stage"), "{label}");
    }
    assert_eq!(event.delivery_agent, text("delivery_agent"), "{label}");
    if event.event_type == EventType::Bounced {
        let expect = if text("bounce_origin") == "remote" { BounceOrigin::Sync } else { BounceOrigin::Local };
        assert_eq!(event.bounce_origin, expect, "{label}");
    }
    // the labels leave these out of `expired`, which here keeps those of the last try
    if event.event_type != EventType::Expired {
        assert_eq!(event.mx_ip.map(|ip| ip.to_string()).unwrap_or_default(), text("mx_ip"), "{label}");
        assert_eq!(u64::from(event.mx_port), number("mx_port").unwrap_or(0), "{label}");
        let dsn = event.relay_dsn.map(|code| code.to_string()).unwrap_or_default();
        assert_eq!(dsn, text("relay_dsn"), "{label}");
        assert_eq!(event.latency_ms.map(u64::from), number("latency_ms"), "{label}");
        let seconds = |ms: Option<u32>| ms.map(|ms| format!("{:.3}", f64::from(ms) / 1e3));
        assert_eq!(seconds(event.conn_ms), millis("delay_conn"), "{label}");
        assert_eq!(seconds(event.xfer_ms), millis("delay_transmit"), "{label}");
    }
}

#[track_caller]
fn check_capture(capture: &Capture) -> Vec<Event> {
    let events = events_of(capture.log);
    let labelled: Vec<Value> =
        capture.labelled.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (event, label) in events.iter().zip(&labelled) {
        assert_as_labelled(event, label);
    }
    assert_eq!(events.len(), labelled.len());
    let ids: BTreeSet<_> = events.iter().map(|event| event.event_id).collect();
    assert_eq!(ids.len(), events.len(), "every event has an id of its own");
    events
}

fn count_by_type(events: &[Event]) -> BTreeMap<&'static str, usize> {
    events.iter().fold(BTreeMap::new(), |mut counts, event| {
        *counts.entry(event.event_type.name()).or_default() += 1;
        counts
    })
}

#[test]
fn the_capture_by_address_gives_the_labelled_events() {
    let counts = count_by_type(&check_capture(&LONG_IDS));
    let of_sent = ["delivered", "bounced", "expired", "suppressed", "rejected"].map(|name| counts[name]);
    assert_eq!(of_sent, [12, 19, 10, 1, 1]);
}

#[test]
fn the_capture_by_mx_gives_the_labelled_events() {
    check_capture(&MX);
}

#[test]
fn every_injected_recipient_has_one_end() {
    for capture in [LONG_IDS, MX] {
        let mut ends: BTreeMap<(String, String), usize> = BTreeMap::new();
        for event in events_of(capture.log).iter().filter(|event| !event.is_notification) {
            if event.event_type.is_final() || event.event_type == EventType::Rejected {
                let message = event.message_id.split('@').next().unwrap_or_default();
                *ends.entry((message.to_owned(), event.recipient.to_string())).or_default() += 1;
            }
        }
        let mut injected = BTreeMap::new();
        for line in capture.injected.lines() {
            let message: Value = serde_json::from_str(line).unwrap();
            for (at, recipient) in message["rcpt"].as_array().unwrap().iter().enumerate() {
                let was_refused = message["rcpt_replies"][at][0].as_u64().is_some_and(|code| code >= 400);
                // a refusal has no message id: there was no message yet
                let id = if was_refused { "" } else { message["message_id"].as_str().unwrap() };
                injected.insert((id.to_owned(), recipient.as_str().unwrap().to_lowercase()), 1);
            }
        }
        assert_eq!(ends, injected);
    }
}

#[test]
fn tls_is_told_for_the_message_that_the_connection_was_made_for() {
    let events = events_of(LONG_IDS.log);
    let first = events.iter().find(|event| event.event_type == EventType::Delivered).unwrap();
    assert_eq!((&*first.tls_version, &*first.tls_cipher), ("TLSv1.3", "TLS_AES_256_GCM_SHA384"));
    assert!(events.iter().filter(|event| event.mx_host.is_empty()).all(|event| event.tls_version.is_empty()));
}

#[test]
fn a_restart_at_any_line_changes_nothing() {
    let options = PostfixOptions::default();
    for capture in [LONG_IDS, MX] {
        let whole = events_of(capture.log);
        let mut feed = Feed::new(&options);
        let mut events = Vec::new();
        for line in capture.log.lines() {
            events.extend(feed.read(line.as_bytes()).unwrap());
            feed.reader = PostfixReader::restore(&options, &feed.reader.snapshot().unwrap()).unwrap();
        }
        assert_eq!(events, whole);
    }
}

#[test]
fn of_a_finished_log_only_what_never_went_on_is_remembered() {
    let mut feed = Feed::new(&PostfixOptions::default());
    feed.read_all(LONG_IDS.log);
    // a minute later a notice is not linked any more
    feed.read_all("Nov 20 23:30:00 relay1 postfix/smtpd[1]: 3F1A22C0E5: client=app[192.0.2.1]");
    let mut keys: Vec<_> = feed.reader.memory.in_flight.messages().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    // Postfix began the second one, a notice, and dropped it without a word
    assert_eq!(keys, ["3F1A22C0E5 relay1", "4jWWbg4tsbz1T1DX relay1"]);
}

#[test]
fn a_damaged_snapshot_is_an_error() {
    let restore = |bytes: &[u8]| PostfixReader::restore(&PostfixOptions::default(), bytes).map(|_| ());
    assert!(matches!(restore(b"{"), Err(RestoreError::Damaged(_))));
    assert!(matches!(restore(br#"{"version":1}"#), Err(RestoreError::Damaged(_))));
    assert!(matches!(restore(br#"{"version":7,"messages":0}"#), Err(RestoreError::Version { found: 7, .. })));
}

#[test]
fn a_snapshot_is_small() {
    let mut feed = Feed::new(&PostfixOptions::default());
    let half: Vec<&str> = LONG_IDS.log.lines().take(300).collect();
    feed.read_all(&half.join("\n"));
    let messages = feed.reader.memory.in_flight.messages().count();
    let bytes = feed.reader.snapshot().unwrap().len();
    assert!(bytes < 900 * messages, "{bytes} bytes for {messages} messages, most of them with a last reply");
}

#[test]
fn a_line_over_the_limit_is_rejected() {
    let mut feed = Feed::new(&PostfixOptions::default());
    let reject = feed.read(&vec![b'a'; LINE_BYTES_MAX + 1]).unwrap_err();
    assert_eq!(reject.reason, RejectReason::TooLarge);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(lines in prop::collection::vec(any::<Vec<u8>>(), 0..8)) {
        let mut feed = Feed::new(&PostfixOptions::default());
        for line in lines {
            let _ = feed.read(&line);
        }
    }

    #[test]
    fn no_text_behind_a_head_makes_the_reader_panic(
        daemon in "(smtp|smtpd|qmgr|cleanup|bounce|postsuper)",
        text in "(to=<|from=<|client=|reject: |message-id=|status=|, |>|\\(|\\[|[0-9]{3}[- ]|[ -~]|é){0,40}",
    ) {
        let mut feed = Feed::new(&PostfixOptions::default());
        let _ = feed.read(format!("Nov 20 23:23:11 mx1 postfix/{daemon}[1]: 3F1A22C0E5: {text}").as_bytes());
    }
}

proptest! {
    // each case reads a whole log, with a snapshot before every line
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn cut_and_damaged_lines_never_panic_and_never_break_the_state(
        cuts in prop::collection::vec((0_usize..589, 0_usize..800, any::<u8>()), 1..40),
    ) {
        let mut lines: Vec<Vec<u8>> = LONG_IDS.log.lines().map(|line| line.as_bytes().to_vec()).collect();
        for (line, at, byte) in cuts {
            let line = &mut lines[line];
            if byte < 128 {
                line.truncate(at);
            } else if let Some(place) = line.get_mut(at) {
                *place = byte;
            }
        }
        let mut feed = Feed::new(&PostfixOptions::default());
        for line in &lines {
            let before = feed.reader.snapshot().map(|bytes| bytes.len());
            if feed.read(line).is_err() {
                assert_eq!(feed.reader.snapshot().map(|bytes| bytes.len()), before);
            }
        }
    }
}
