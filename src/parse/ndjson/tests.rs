//! The reader against lines of its form, and its laws.

mod laws;

use super::*;
use crate::model::{EventType, SourceKind, SourceRef};

/// 2026-01-31T12:00:00Z.
const NOW: Timestamp = Timestamp::from_seconds(1_769_860_800);

fn source() -> SourceRef {
    SourceRef { kind: SourceKind::Ndjson, name: "http".into() }
}

/// Reads one line; checks on the way that [`check`] says the same and that a reject appends nothing.
#[track_caller]
fn read(line: &[u8]) -> Result<Event, Reject> {
    let source = source();
    let mut events = Vec::new();
    let item = Item { source: &source, bytes: line, offset: 0, received: NOW };
    let outcome = NdjsonReader.read(&item, &mut events);
    assert_eq!(check(line, NOW), outcome);
    assert_eq!(events.len(), usize::from(outcome.is_ok()), "one event a line, none for a reject");
    outcome.map(|()| events.remove(0))
}

/// A deferred event with `fields` added.
#[track_caller]
fn with(fields: &str) -> Result<Event, Reject> {
    let line = format!(
        r#"{{"event_type":"deferred","event_time":"2026-01-31T11:59:00Z","recipient":"bob@example.com",{fields}}}"#
    );
    read(line.as_bytes())
}

#[track_caller]
fn rejects(fields: &str, reason: RejectReason, message: &str) {
    assert_eq!(with(fields), Err(Reject::new(reason, message)), "fields were: {fields}");
}

#[test]
fn the_smallest_line_has_three_fields() {
    let event = read(br#"{"event_type":"delivered","event_time":1769860799,"recipient":"Bob@Example.com"}"#);
    let event = event.unwrap();
    assert_eq!(
        event,
        Event {
            event_id: event.event_id,
            event_type: EventType::Delivered,
            event_time: Timestamp::from_seconds(1_769_860_799),
            received_time: NOW,
            source_kind: SourceKind::Ndjson,
            source: "http".into(),
            recipient: "bob@example.com".into(),
            recipient_domain: "example.com".into(),
            ..Event::default()
        }
    );
    assert_ne!(event.event_id, EventId::default());
}

#[test]
fn each_required_field_is_asked_for() {
    let missing = |line: &str| read(line.as_bytes()).unwrap_err().to_string();
    assert_eq!(missing("{}"), "missing_field: `event_type` is missing: say what happened");
    assert_eq!(
        missing(r#"{"event_type":"queued"}"#),
        "missing_field: `event_time` is missing: say when it happened"
    );
    assert_eq!(
        missing(r#"{"event_type":"queued","event_time":1769860799,"recipient":null}"#),
        "missing_field: `recipient` is missing: say whom it happened to"
    );
    for kind in ["accepted", "rejected"] {
        let line = format!(r#"{{"event_type":"{kind}","event_time":1769860799,"nrcpt":3}}"#);
        assert_eq!(read(line.as_bytes()).unwrap().nrcpt, 3);
    }
}

#[test]
fn a_time_may_be_text_or_number() {
    let time = |text: &str| {
        let line = format!(r#"{{"event_type":"accepted","event_time":{text}}}"#);
        read(line.as_bytes()).map(|event| event.event_time.0)
    };
    for text in [
        "1769860799",
        "\"1769860799\"",
        "1769860799000",
        "1769860799.0",
        "\"2026-01-31T11:59:59Z\"",
        "\"2026-01-31t12:59:59+01:00\"",
        "1.769860799e9",
    ] {
        assert_eq!(time(text), Ok(1_769_860_799_000_000), "{text}");
    }
    assert_eq!(time("1769860799.25"), Ok(1_769_860_799_250_000));
    assert_eq!(time("1769860799000.5"), Ok(1_769_860_799_000_500));
    assert_eq!(time("\"2026-01-31T11:59:59.123456789Z\""), Ok(1_769_860_799_123_456));
    for text in
        ["\"2026-01-31 noon\"", "\"2026-01-31T11:59:59\"", "true", "[1]", "1e400", "\"nan\"", "\"inf\""]
    {
        assert_eq!(time(text).unwrap_err().reason, RejectReason::BadTime, "{text}");
    }
}

#[test]
fn a_time_far_from_its_arrival_is_rejected_with_both_times() {
    let second = |seconds: i64| {
        let line = format!(r#"{{"event_type":"accepted","event_time":{seconds}}}"#);
        read(line.as_bytes()).map(|event| event.event_time.seconds())
    };
    let now = NOW.seconds();
    assert_eq!(second(now + TIME_AHEAD_SECONDS_MAX), Ok(now + TIME_AHEAD_SECONDS_MAX));
    assert_eq!(second(now - TIME_BEHIND_SECONDS_MAX), Ok(now - TIME_BEHIND_SECONDS_MAX));
    assert_eq!(
        second(now + TIME_AHEAD_SECONDS_MAX + 1).unwrap_err().to_string(),
        "bad_time: `event_time` is 2026-02-01T12:00:01Z, more than 1 day after its arrival at \
         2026-01-31T12:00:00Z; check the sender's clock, time zone and unit"
    );
    assert_eq!(
        second(now - TIME_BEHIND_SECONDS_MAX - 1).unwrap_err().to_string(),
        "bad_time: `event_time` is 2024-12-27T11:59:59Z, more than 400 days before its arrival at \
         2026-01-31T12:00:00Z; check the sender's clock, time zone and unit"
    );
    assert_eq!(with(r#""injected_time":0"#).unwrap_err().reason, RejectReason::BadTime);
    assert_eq!(second(i64::MAX).unwrap_err().reason, RejectReason::BadTime);
    assert_eq!(second(i64::MIN).unwrap_err().reason, RejectReason::BadTime);
}

#[test]
fn bad_values_name_the_field_the_value_and_what_is_allowed() {
    use RejectReason::BadValue;
    rejects(r#""smtp_code":42"#, BadValue, "`smtp_code` is `42`; allowed: 200 to 599, or 0 for none");
    rejects(r#""mx_port":70000"#, BadValue, "`mx_port` is `70000`; allowed: 0 to 65535");
    rejects(r#""attempt":-1"#, BadValue, "`attempt` is `-1`; allowed: 0 to 65535");
    rejects(r#""mx_ip":"mx.example""#, BadValue, "`mx_ip` is `mx.example`; allowed: an IPv4 or IPv6 address");
    rejects(
        r#""enhanced_code":"5.1.1 no""#,
        BadValue,
        "`enhanced_code` is `5.1.1 no`; allowed: a code of RFC 3463 such as 5.1.1, class 2, 4 or 5",
    );
    rejects(
        r#""smtp_stage":"RCPT""#,
        BadValue,
        "`smtp_stage` is `RCPT`; allowed: unknown, connect, banner, ehlo, tls, auth, mail, rcpt, data, dot",
    );
    rejects(r#""is_notification":1"#, BadValue, "`is_notification` is `1`; allowed: true or false");
    rejects(r#""tenant":["a"]"#, BadValue, "`tenant` is an array; allowed: text");
    rejects(r#""tags":"a""#, BadValue, "`tags` is `a`; allowed: an object of names and values");
    rejects(
        r#""latency_ms":"0123456789012345678901234567890123456789+""#,
        BadValue,
        "`latency_ms` is `0123456789012345678901234567890123456789…`; allowed: 0 to 4294967295, in whole milliseconds",
    );
    let unknown = read(br#"{"event_type":"deliverd"}"#).unwrap_err();
    assert_eq!(unknown.reason, RejectReason::UnknownType);
    assert!(unknown.message.starts_with("`event_type` is `deliverd`; allowed: accepted, rejected,"));
}

#[test]
fn reject_messages_show_no_addresses() {
    rejects(
        r#""recipient":"Bob Example""#,
        RejectReason::BadValue,
        "`recipient` is no mail address; allowed: local@domain",
    );
    rejects(
        r#""smtp_code":"bob@example.com""#,
        RejectReason::BadValue,
        "`smtp_code` is an address; allowed: 200 to 599, or 0 for none",
    );
    let broken = read(br#"{"recipient":"bob@example.com" "x":1}"#).unwrap_err();
    assert_eq!(broken, Reject::new(RejectReason::Syntax, "no JSON from byte 32 on"));
}

#[test]
fn what_is_no_object_is_told_apart() {
    use RejectReason::{BadValue, Encoding, Syntax, TooLarge};
    for (line, reason) in [
        (&b""[..], Syntax),
        (b"{", Syntax),
        (b"{} {}", Syntax),
        (b"nothing", Syntax),
        (b"[]", BadValue),
        (b"{\"a\":\"\xff\"}", Encoding),
        (br#"{"tenant":"\ud800"}"#, Syntax),
    ] {
        assert_eq!(read(line).unwrap_err().reason, reason, "{}", String::from_utf8_lossy(line));
    }
    let long = format!(r#"{{"x":"{}"}}"#, "a".repeat(LINE_BYTES_MAX));
    assert_eq!(read(long.as_bytes()).unwrap_err().reason, TooLarge);
    rejects(
        &format!(r#""tenant":"{}""#, "a".repeat(FIELD_BYTES_MAX + 1)),
        TooLarge,
        "`tenant` is 4097 bytes, the limit is 4096",
    );
    rejects(
        &format!(r#""env_from":"{}@example.com""#, "a".repeat(600)),
        TooLarge,
        "`env_from` is 612 bytes, the limit is 512",
    );
}

#[test]
fn text_may_be_a_number_and_a_number_text() {
    let event =
        with(r#""campaign":1234,"tenant":true,"smtp_code":"451","attempt":"2","queue_id":null"#).unwrap();
    assert_eq!((&*event.campaign, &*event.tenant, &*event.queue_id), ("1234", "true", ""));
    assert_eq!((event.reply.code, event.attempt), (451, 2));
}

#[test]
fn names_ids_and_addresses_are_normalised() {
    let event = with(
        r#""message_id":" <a@Example.com> ","env_from":"<>","mx_host":"MX1.Example.COM.","mx_ip":"::ffff:192.0.2.1""#,
    );
    let event = event.unwrap();
    assert_eq!((&*event.message_id, &*event.env_from), ("a@Example.com", ""));
    assert_eq!((&*event.mx_host, event.mx_ip), ("mx1.example.com", Some([192, 0, 2, 1].into())));
}

#[test]
fn a_reply_is_one_line_and_cut_at_its_limit() {
    let event = with(r#""response_text":"\r\ntry  later\r\n\r\nor never\t""#).unwrap();
    assert_eq!(event.reply.text, "try  later or never");
    let event = with(&format!(r#""response_text":"{}é""#, "a".repeat(1023))).unwrap();
    assert_eq!(event.reply.text.len(), 1023, "the last character did not fit");
    let event = with(&format!(r#""response_text":"{}""#, "éé\\n".repeat(1023))).unwrap();
    assert!(event.reply.text.len() <= 1024);
}

#[test]
fn unknown_fields_are_kept_in_meta() {
    let event =
        with(r#""shard":7,"meta":{"a":"1"},"nested":{"x":[1, 2]},"gone":null,"gr\u00fc\u00dfe":"hi""#);
    let meta: Vec<_> =
        event.unwrap().meta.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(meta, ["shard=7", "a=1", r#"nested={"x":[1, 2]}"#, "grüße=hi"]);
}

#[test]
fn what_relaylens_makes_itself_is_passed_over() {
    let event =
        with(r#""received_time":5,"source":"x","source_kind":"x","recipient_domain":"x","response_tmpl":1"#);
    let event = event.unwrap();
    assert_eq!((&*event.source, &*event.recipient_domain, event.response_tmpl), ("http", "example.com", 0));
    assert!(event.meta.is_empty());
}

#[test]
fn pairs_are_bounded() {
    use RejectReason::TooLarge;
    let many = |count: usize| (0..count).map(|i| format!(r#""k{i}":{i}"#)).collect::<Vec<_>>().join(",");
    assert_eq!(with(&many(PAIRS_MAX)).unwrap().meta.len(), PAIRS_MAX);
    rejects(&many(PAIRS_MAX + 1), TooLarge, "`meta` and fields of unknown names come to more than 64");
    let tags = format!(r#""tags":{{{}}}"#, many(PAIRS_MAX + 1));
    assert_eq!(with(&tags).unwrap_err().reason, TooLarge);
    let name = format!(r#""tags":{{"{}":1}}"#, "n".repeat(PAIR_NAME_BYTES_MAX + 1));
    rejects(&name, TooLarge, "a name in `tags` is 129 bytes, the limit is 128");
    let value = format!(r#""x":"{}""#, "v".repeat(FIELD_BYTES_MAX + 1));
    rejects(&value, TooLarge, "a value in `meta` is 4097 bytes, the limit is 4096");
}

#[test]
fn nesting_of_any_depth_is_kept_or_refused() {
    let deep = |levels: usize| format!(r#""x":{}{}"#, "[".repeat(levels), "]".repeat(levels));
    assert_eq!(with(&deep(1000)).unwrap().meta[0].1.len(), 2000);
    assert_eq!(with(&deep(200_000)).unwrap_err().reason, RejectReason::TooLarge);
    assert!(with(&format!(r#""meta":{}"#, "[".repeat(200_000))).is_err());
}

#[test]
fn the_id_is_the_senders_or_made_of_what_tells_events_apart() {
    let id = |fields: &str| with(fields).unwrap().event_id;
    assert_eq!(id(r#""event_id":"17""#), EventId::of([&b"ndjson"[..], b"http", b"17"]));
    assert_eq!(id(r#""event_id":17,"tenant":"a""#), id(r#""tenant":"b","event_id":"17""#));
    let base = id(r#""tenant":"a""#);
    assert_eq!(base, id(r#""tenant":"b""#), "a label is no identity");
    for other in [
        r#""queue_id":"1""#,
        r#""message_id":"1""#,
        r#""provider_message_id":"1""#,
        r#""relay":"1""#,
        r#""attempt":1"#,
        r#""smtp_code":400"#,
        r#""response_text":"1""#,
        r#""click_url":"1""#,
        r#""recipient":"eve@example.com""#,
        r#""event_type":"bounced""#,
        r#""event_time":1769860799"#,
    ] {
        assert_ne!(id(other), base, "{other}");
    }
}
