//! What holds for any event, any object and any bytes.

use super::{NOW, read, with};
use crate::model::{
    BounceOrigin, BounceReason, BounceType, EnhancedCode, Event, EventId, EventType, SmtpReply, SmtpStage,
    SourceKind, Text, Timestamp, domain_of,
};
use crate::parse::ndjson::object::for_each_pair;
use crate::parse::ndjson::value::Value;
use crate::parse::ndjson::{TIME_AHEAD_SECONDS_MAX, TIME_BEHIND_SECONDS_MAX, to_ndjson};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = Text> {
    "\\PC{0,30}".prop_map(Text::from)
}

fn host_name() -> impl Strategy<Value = Text> {
    prop_oneof![Just(Text::default()), "[a-z0-9-]{1,9}(\\.[a-z0-9-]{1,9}){1,3}".prop_map(Text::from)]
}

fn address() -> impl Strategy<Value = Text> {
    "[a-z0-9+\"@ =!]{0,8}[a-z]@[a-z0-9]{1,9}\\.example".prop_map(|text| Text::from(text.trim_start()))
}

fn ip() -> impl Strategy<Value = Option<std::net::IpAddr>> {
    any::<Option<std::net::IpAddr>>().prop_map(|ip| ip.map(|ip| ip.to_canonical()))
}

fn code() -> impl Strategy<Value = Option<EnhancedCode>> {
    let codes = (prop::sample::select(vec![2, 4, 5]), 0..=9999_u16, 0..=9999_u16);
    prop::option::of(codes.prop_map(|(class, subject, detail)| EnhancedCode { class, subject, detail }))
}

fn pair_list() -> impl Strategy<Value = Vec<(Text, Text)>> {
    prop::collection::vec((text(), text()), 0..4)
}

/// A time in the window, to the microsecond.
fn time() -> impl Strategy<Value = Timestamp> {
    (-TIME_BEHIND_SECONDS_MAX..TIME_AHEAD_SECONDS_MAX, 0..1_000_000_i64)
        .prop_map(|(seconds, micros)| Timestamp(NOW.0 + seconds * 1_000_000 + micros))
}

fn reply() -> impl Strategy<Value = SmtpReply> {
    use SmtpStage::{Auth, Banner, Connect, Data, Dot, Ehlo, Mail, Rcpt, Tls, Unknown};
    let stages = vec![Unknown, Connect, Banner, Ehlo, Tls, Auth, Mail, Rcpt, Data, Dot];
    let codes = prop_oneof![Just(0), 200..=599_u16];
    (codes, code(), text(), prop::sample::select(stages))
        .prop_map(|(code, enhanced, text, stage)| SmtpReply { code, enhanced, text, stage })
}

prop_compose! {
    /// All fields that hold any text.
    fn texts()(all in prop::collection::vec(text(), 24), mx_host in host_name(), from in host_name()) -> Event {
        let mut all = all.into_iter();
        let mut next = || all.next().unwrap();
        Event {
            relay: next(), node_id: next(), tenant: next(), stream: next(), campaign: next(),
            provider_message_id: next(), queue_id: next(), session_id: next(), envid: next(),
            orig_recipient: next(), mailbox_provider: next(), pool: next(), egress_source: next(),
            relay_class: next(), tls_version: next(), tls_cipher: next(), tls_policy: next(),
            delivery_agent: next(), user_agent: next(), click_url: next(), feedback_type: next(),
            reporting_mta: next(), ref_queue_id: next(), raw: next(),
            mx_host, header_from_domain: from,
            ..Event::default()
        }
    }
}

prop_compose! {
    /// Any event that this form can say, as the reader fills it.
    fn event()(
        base in texts(),
        (event_type, event_time, injected_time) in
            (prop::sample::select(EventType::ALL), time(), prop::option::of(time())),
        (recipient, env_from, message_id) in
            (address(), prop_oneof![Just(Text::default()), address()], "[!-;=?-~]{0,40}"),
        ips in (ip(), ip(), ip(), ip()),
        (reply, relay_dsn) in (reply(), code()),
        class in (
            prop::sample::select(vec![BounceType::None, BounceType::Hard, BounceType::Soft, BounceType::Block,
                BounceType::Undetermined, BounceType::Admin]),
            prop::sample::select(vec![BounceOrigin::None, BounceOrigin::Sync, BounceOrigin::Async,
                BounceOrigin::Local]),
            prop::option::of(prop::sample::select(BounceReason::ALL)),
        ),
        (mx_port, attempt, nrcpt, size_bytes) in any::<(u16, u16, u16, u32)>(),
        (latency_ms, conn_ms, xfer_ms) in any::<(Option<u32>, Option<u32>, Option<u32>)>(),
        (id, is_notification) in any::<(u128, bool)>(),
        (tags, meta) in (pair_list(), pair_list()),
    ) -> Event {
        Event {
            event_id: EventId(id), event_type, event_time, injected_time,
            received_time: NOW, source_kind: SourceKind::Ndjson, source: "http".into(),
            recipient_domain: domain_of(&recipient).into(), recipient,
            env_from_domain: domain_of(&env_from).into(), env_from,
            message_id: message_id.into(),
            sending_ip: ips.0, mx_ip: ips.1, client_ip: ips.2, reported_ip: ips.3,
            reply, relay_dsn, bounce_type: class.0, bounce_origin: class.1, bounce_reason: class.2,
            mx_port, attempt, nrcpt, size_bytes, latency_ms, conn_ms, xfer_ms, is_notification, tags, meta,
            ..base
        }
    }
}

/// Objects, whole and slightly broken.
fn json_like() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "0",
        "-0",
        "01",
        "-1",
        "17",
        "1.5",
        "1.",
        ".5",
        "1e9",
        "1E+9",
        "1e",
        "+1",
        "true",
        "false",
        "null",
        "nul",
        "",
        "\"\"",
        "\"a\"",
        "\"a",
        "\"\\n\"",
        "\"\\x\"",
        "\"\\u00e9\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"é\"",
        "\"\t\"",
        "\"\u{7f}\"",
        "[]",
        "[1,\"]\"]",
        "[1",
        "{}",
        "{\"b\":{\"c\":[]}}",
        "{\"b\"}",
        "\"a\\\"b\"",
        "\"\\\\\"",
    ]);
    let blank = prop::sample::select(vec!["", "", "", " ", "\t", "\r\n", "\u{b}", "\u{a0}"]);
    let mark = |usual: &'static str| {
        prop::sample::select(vec![usual, usual, usual, usual, usual, usual, usual, ",", ""])
    };
    let name =
        prop::sample::select(vec!["\"a\"", "\"b\"", "\"\"", "\"\\u0061\"", "\"\\\"\"", "a", "1", "\"\n\""]);
    let pair = (blank.clone(), name, mark(":"), blank.clone(), word, blank.clone(), mark(","))
        .prop_map(|(a, name, colon, b, word, c, comma)| [a, name, colon, b, word, c, comma].concat());
    (prop::collection::vec(pair, 0..5), mark("{"), mark("}"), blank).prop_map(|(pairs, open, close, end)| {
        let body = pairs.concat();
        [open, body.strip_suffix(',').unwrap_or(&body), close, end].concat()
    })
}

/// The pairs of an object as `serde_json` reads them.
#[derive(Debug)]
struct SerdePairs(Vec<(String, String)>);

impl<'de> serde::Deserialize<'de> for SerdePairs {
    fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> serde::de::Visitor<'de> for PairsVisitor {
            type Value = SerdePairs;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<SerdePairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value<'de>>()? {
                    pairs.push((name, value.as_json_or_text().to_owned()));
                }
                Ok(SerdePairs(pairs))
            }
        }

        source.deserialize_map(PairsVisitor)
    }
}

proptest! {
    #[test]
    fn a_written_event_reads_back_whole(event in event()) {
        let mut line = Vec::new();
        to_ndjson(&event, &mut line);
        let text = line.strip_suffix(b"\n").unwrap();
        prop_assert!(!text.contains(&b'\n'));
        // the id of a line is the one that its sender gave it, seen under the name of the source
        let given = event.event_id.to_string();
        let event_id = EventId::of([&b"ndjson"[..], b"http", given.as_bytes()]);
        prop_assert_eq!(read(text), Ok(Event { event_id, ..event }));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_json_like_text_makes_it_panic(text in "[{}\\[\\]\":,0-9.eE+\\\\untrfals_vipm@-]{0,80}") {
        let _ = read(text.as_bytes());
        let _ = with(&text);
    }

    #[test]
    fn the_walk_finds_what_serde_json_finds(text in json_like()) {
        let mut walked = Vec::new();
        let outcome = for_each_pair(&text, |name, value| {
            walked.push((name.to_owned(), value.as_json_or_text().to_owned()));
            Ok(())
        });
        let expect = serde_json::from_str::<SerdePairs>(&text);
        prop_assert_eq!(outcome.is_ok(), expect.is_ok(), "walk: {:?}, serde_json: {:?}", outcome, expect);
        if let Ok(SerdePairs(expect)) = expect {
            prop_assert_eq!(walked, expect);
        }
    }

    #[test]
    fn a_line_cut_short_is_rejected(event in event(), at in any::<prop::sample::Index>()) {
        let mut line = Vec::new();
        to_ndjson(&event, &mut line);
        let end = at.index(line.len() - 1);
        prop_assert!(read(&line[..end]).is_err());
    }
}
