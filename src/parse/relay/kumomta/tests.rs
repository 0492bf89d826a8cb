//! The reader against records of every type.

use super::*;
use crate::model::{SourceKind, SourceRef};
use crate::parse::ndjson::to_ndjson;
use proptest::prelude::*;

/// 2026-01-31T12:00:00Z.
const NOW: Timestamp = Timestamp::from_seconds(1_769_860_800);

/// A file of records, or of the events that they make.
macro_rules! fixture {
    ($name:expr) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/kumomta/", $name, ".jsonl"))
    };
}

const DELIVERY: &str = fixture!("delivery");
const FEEDBACK: &str = fixture!("feedback");
const OOB: &str = fixture!("oob");
const RECEPTION: &str = fixture!("reception");
const REJECTION: &str = fixture!("rejection");

fn read(line: &[u8]) -> Result<Vec<Event>, Reject> {
    let source = SourceRef { kind: SourceKind::Kumomta, name: "mx1".into() };
    let item = Item { source: &source, bytes: line, offset: 0, received: NOW };
    let mut events = Vec::new();
    let outcome = KumomtaReader.read(&item, &mut events);
    assert!(outcome.is_ok() || events.is_empty(), "a reject appends nothing");
    outcome.map(|()| events)
}

/// The first record of a file, changed.
fn changed(records: &str, change: impl FnOnce(&mut serde_json::Value)) -> Result<Vec<Event>, Reject> {
    let mut record = serde_json::from_str(records.lines().next().unwrap()).unwrap();
    change(&mut record);
    read(record.to_string().as_bytes())
}

/// Compares what records say with the events beside them.
#[track_caller]
fn check(records: &str, expect: &str) {
    let mut got = Vec::new();
    for line in records.lines() {
        for event in read(line.as_bytes()).unwrap() {
            assert_eq!(event.recipient_domain, domain_of(&event.recipient));
            assert_eq!(event.env_from_domain, domain_of(&event.env_from));
            to_ndjson(&event, &mut got);
        }
    }
    let got = String::from_utf8(got).unwrap();
    assert_eq!(got, expect, "got:\n{got}");
}

macro_rules! checks {
    ($($test:ident: $name:literal;)+) => {
        $(
            #[test]
            fn $test() {
                check(fixture!($name), fixture!(concat!($name, ".events")));
            }
        )+
    };
}

checks! {
    a_delivery_says_where_it_went_and_how: "delivery";
    a_reception_is_one_accepted_event_without_recipient: "reception";
    a_bounce_keeps_kumomtas_class_and_the_step: "bounce";
    a_transient_failure_is_the_receivers_or_our_own: "transient-failure";
    an_expiration_counts_the_attempts_made: "expiration";
    an_administrators_bounce_is_no_bounce: "admin-bounce";
    rebinds_and_transfers_are_moves: "moved";
    a_delay_is_no_event: "delayed";
    a_rejection_may_lack_its_recipient: "rejection";
    an_oob_bounce_tells_status_and_diagnostic_apart: "oob";
    a_complaint_is_about_the_message_inside_the_report: "feedback";
    records_before_2025_have_seconds_only: "delivery-old-version";
    each_recipient_has_one_event: "delivery-many-recipients";
    ipv6_addresses_come_in_brackets: "delivery-ipv6";
    a_maildir_delivery_is_local: "delivery-maildir";
    the_null_sender_marks_a_notice: "delivery-notice";
    unknown_fields_are_passed_over: "delivery-unknown-fields";
    deliveries_of_the_log_hook_are_no_mail: "log-hook-delivery";
    labels_come_from_meta_then_headers_then_queue: "label-precedence";
}

#[test]
fn a_whole_event() {
    let events = changed(DELIVERY, |_| {}).unwrap();
    let parts: [&[u8]; 6] = [
        b"6b1f1b9e-5c2d-4f5a-9d3e-0b7a4c1d2e3f",
        b"1d98076abbbc11ed940250ebf67f93bd",
        b"Delivery",
        b"bob@mail.example.com",
        b"2026-01-31T11:59:59.123456789Z",
        b"0",
    ];
    let meta = [
        ("job", "4711"),
        ("x-customer-id", "c-9"),
        ("site", "ip-1->(mx1|mx2).mail.example.com@smtp_client"),
        ("provider_name", "example-mail"),
        ("reception_protocol", "ESMTP"),
    ];
    assert_eq!(
        events,
        [Event {
            event_id: EventId::of(parts),
            event_type: EventType::Delivered,
            event_time: Timestamp(1_769_860_799_123_456),
            injected_time: Some(Timestamp(1_769_860_795_100_000)),
            received_time: NOW,
            source_kind: SourceKind::Kumomta,
            source: "mx1".into(),
            relay: "mx1".into(),
            node_id: "6b1f1b9e-5c2d-4f5a-9d3e-0b7a4c1d2e3f".into(),
            tenant: "acme".into(),
            stream: "marketing".into(),
            campaign: "winter-sale".into(),
            message_id: "20260131.17@news.sender.example".into(),
            queue_id: "1d98076abbbc11ed940250ebf67f93bd".into(),
            session_id: "9bcd689e-23d9-41b7-a015-63a1382f8b57".into(),
            recipient: "bob@mail.example.com".into(),
            recipient_domain: "mail.example.com".into(),
            env_from: "bounce-17@news.sender.example".into(),
            env_from_domain: "news.sender.example".into(),
            header_from_domain: "sender.example".into(),
            sending_ip: Some([192, 0, 2, 17].into()),
            pool: "shared".into(),
            egress_source: "ip-1".into(),
            mx_host: "mx1.mail.example.com".into(),
            mx_ip: Some([198, 51, 100, 7].into()),
            reply: SmtpReply {
                code: 250,
                enhanced: Some(EnhancedCode { class: 2, subject: 0, detail: 0 }),
                text: "OK ids=8a5475ccbbc611eda12250ebf67f93bd".into(),
                stage: SmtpStage::Dot,
            },
            attempt: 1,
            latency_ms: Some(4023),
            tls_version: "TLSv1.3".into(),
            tls_cipher: "TLS_AES_256_GCM_SHA384".into(),
            size_bytes: 10_472,
            delivery_agent: "smtp".into(),
            meta: meta.map(|(name, value)| (name.into(), value.into())).to_vec(),
            ..Event::default()
        }]
    );
}

#[test]
fn only_type_time_and_recipient_are_needed() {
    let line = br#"{"type":"Delivery","timestamp":1769860799,"recipient":"bob@example.com"}"#;
    assert_eq!(read(line).unwrap().len(), 1);
    for missing in ["type", "timestamp", "recipient"] {
        let mut record: serde_json::Value = serde_json::from_slice(line).unwrap();
        record[missing] = serde_json::Value::Null;
        assert_eq!(
            read(record.to_string().as_bytes()).unwrap_err().reason,
            RejectReason::MissingField,
            "{missing}"
        );
    }
}

#[test]
fn each_field_of_a_record_may_be_missing_or_null() {
    for records in [DELIVERY, REJECTION, OOB, FEEDBACK, RECEPTION] {
        let whole: serde_json::Value = serde_json::from_str(records.lines().next().unwrap()).unwrap();
        let needed = |field: &str| {
            matches!(field, "type" | "feedback_report")
                || field == "recipient" && matches!(records, DELIVERY | OOB)
        };
        for field in whole.as_object().unwrap().keys().filter(|field| !needed(field)) {
            let null = changed(records, |record| record[field] = serde_json::Value::Null);
            assert_eq!(null.map(|events| events.len()), Ok(1), "{field} null: {records}");
            let gone = changed(records, |record| drop(record.as_object_mut().unwrap().remove(field)));
            assert_eq!(gone.map(|events| events.len()), Ok(1), "{field} missing: {records}");
        }
    }
}

#[test]
fn an_unknown_type_is_kept_for_a_later_version() {
    let reject = changed(DELIVERY, |record| record["type"] = "Teleport".into()).unwrap_err();
    assert_eq!(
        reject,
        Reject::new(
            RejectReason::UnknownType,
            "`type` is `Teleport`; allowed: a record type of KumoMTA such as Delivery"
        )
    );
}

#[test]
fn bad_values_are_named_and_show_no_addresses() {
    let reject = |change: fn(&mut serde_json::Value)| changed(DELIVERY, change).unwrap_err().to_string();
    assert_eq!(
        reject(|record| record["num_attempts"] = (-1).into()),
        "bad_value: `num_attempts` is `-1`; allowed: 0 to 65535"
    );
    assert!(reject(|record| record["event_time"] = "2024-01-01T00:00:00Z".into()).starts_with(
        "bad_time: `event_time` is 2024-01-01T00:00:00Z, more than 400 days before its arrival"
    ));
    let shape = reject(|record| record["response"] = "bob@example.com".into());
    assert!(shape.starts_with("bad_value: the value that ends at column "), "{shape}");
    assert!(!shape.contains("bob"), "{shape}");
    assert!(
        reject(|record| record["sender"] = "a".repeat(600).into())
            .starts_with("too_large: `sender` is 600 bytes, the limit is 512")
    );
}

#[test]
fn too_many_recipients_are_rejected() {
    let with = |count: usize| {
        changed(DELIVERY, |record| {
            record["recipient"] = (0..count).map(|i| format!("r{i}@mail.example.com")).collect();
        })
    };
    assert_eq!(with(RECIPIENTS_MAX).map(|events| events.len()), Ok(RECIPIENTS_MAX));
    assert_eq!(with(RECIPIENTS_MAX + 9).unwrap_err().message, "`recipient` has more than 16384 addresses");
    let large = changed(DELIVERY, |record| {
        record["recipient"] = (0..RECIPIENTS_MAX).map(|i| format!("r{i}@mail.example.com")).collect();
        record["meta"]["note"] = "n".repeat(100_000).into();
    });
    let message = large.unwrap_err().message;
    assert!(message.starts_with("16384 copies of the record are "), "{message}");
}

#[test]
fn labels_are_bounded_and_never_lose_a_delivery() {
    let events = changed(DELIVERY, |record| {
        let many = (0..1000).map(|i| (format!("X-{i}"), serde_json::json!("v".repeat(5000)))).collect();
        record["headers"] = serde_json::Value::Object(many);
    });
    let event = events.unwrap().remove(0);
    assert_eq!(event.meta.len(), crate::parse::ndjson::PAIRS_MAX);
    assert!(event.meta.iter().all(|(_, value)| value.len() <= crate::parse::ndjson::FIELD_BYTES_MAX));
}

#[test]
fn the_same_record_has_the_same_id_and_another_has_not() {
    let id = |change: fn(&mut serde_json::Value)| changed(DELIVERY, change).unwrap()[0].event_id;
    let base = id(|_| {});
    assert_eq!(base, id(|record| record["meta"] = serde_json::json!({"more": 1})));
    assert_eq!(base, id(|record| record["recipient"] = "bob@MAIL.example.com".into()));
    let others: [fn(&mut serde_json::Value); 6] = [
        |record| record["nodeid"] = "x".into(),
        |record| record["id"] = "x".into(),
        |record| record["type"] = "Bounce".into(),
        |record| record["recipient"] = "eve@mail.example.com".into(),
        |record| record["event_time"] = "2026-01-31T11:59:59.123456788Z".into(),
        |record| record["num_attempts"] = 1.into(),
    ];
    for (at, other) in others.into_iter().enumerate() {
        assert_ne!(base, id(other), "change {at}");
    }
}

#[test]
fn commands_name_the_step() {
    for (command, expect) in [
        (".", SmtpStage::Dot),
        ("EHLO relay.example", SmtpStage::Ehlo),
        ("STARTTLS", SmtpStage::Tls),
        ("AUTH PLAIN", SmtpStage::Auth),
        ("mail FROM:<a@b.example>", SmtpStage::Mail),
        ("RCPT TO:<a@b.example>", SmtpStage::Rcpt),
        ("DATA", SmtpStage::Data),
        ("NOOP", SmtpStage::Unknown),
        ("", SmtpStage::Unknown),
    ] {
        assert_eq!(stage(command), expect, "{command}");
    }
}

#[test]
fn deep_nesting_is_refused_or_passed_over() {
    let deep = |levels: usize, field: &str| {
        let nested = format!(r#"{{"{field}":{}{},"#, "[".repeat(levels), "]".repeat(levels));
        read(DELIVERY.replacen('{', &nested, 1).trim_end().as_bytes())
    };
    assert_eq!(deep(100_000, "unknown").map(|events| events.len()), Ok(1));
    // a field that stands twice is a fault
    assert!(deep(100_000, "recipient").is_err());
    assert!(changed(DELIVERY, |record| record["response"] = serde_json::json!([[[[]]]])).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }

    #[test]
    fn a_record_cut_short_is_rejected(
        records in prop::sample::select(vec![DELIVERY, FEEDBACK, OOB, REJECTION]),
        at in any::<prop::sample::Index>(),
    ) {
        let line = records.lines().next().unwrap().as_bytes();
        prop_assert!(read(&line[..at.index(line.len())]).is_err());
    }

    #[test]
    fn any_value_in_any_field_is_read_or_rejected(
        records in prop::sample::select(vec![DELIVERY, FEEDBACK, OOB, REJECTION]),
        field in any::<prop::sample::Index>(),
        value in prop::sample::select(vec!["null", "0", "-1", "1e99", "\"\"", "\"x\"", "[]", "{}", "[[1]]", "{\"a\":1}",
            "true", "\"\u{0}\u{7f}é\"", "[null,\"a@b\"]", "{\"name\":[],\"addr\":7}", "\"[::1]:25\""]),
    ) {
        let _ = changed(records, |record| {
            let keys: Vec<_> = record.as_object().unwrap().keys().cloned().collect();
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
            record[&keys[field.index(keys.len())]] = value;
        });
    }
}
