//! Each provider's reader against bodies of every type, and against bodies of none.
//!
//! `tests/data/webhooks/bodies/NAME.json` holds bodies one after the other, `NAME.events.jsonl` what comes of them:
//! events, and rejects as text.

use super::*;
use crate::model::{SourceRef, Timestamp};
use crate::parse::ndjson::to_ndjson;
use proptest::prelude::*;
use std::collections::HashSet;

/// 2025-01-02T00:00:00Z.
const NOW: Timestamp = Timestamp::from_seconds(1_735_776_000);

macro_rules! bodies {
    ($name:expr) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/webhooks/bodies/", $name))
    };
}

/// Reads a body as the pipeline does.
fn read(provider: Provider, body: &[u8]) -> Vec<Result<Vec<Event>, Reject>> {
    let source = SourceRef { kind: provider.kind(), name: "hook".into() };
    let mut reader = WebhookReader(provider);
    batch::items(body)
        .map(|(offset, bytes)| {
            let item = Item { source: &source, bytes, offset: offset as u64, received: NOW };
            let mut events = Vec::new();
            let outcome = reader.read(&item, &mut events);
            assert!(outcome.is_ok() || events.is_empty(), "a reject appends nothing");
            outcome.map(|()| events)
        })
        .collect()
}

fn events(provider: Provider, body: &str) -> Vec<Event> {
    read(provider, body.as_bytes()).into_iter().flatten().flatten().collect()
}

#[track_caller]
fn check(provider: Provider, body: &str, expect: &str) {
    let mut got = Vec::new();
    for outcome in read(provider, body.as_bytes()) {
        match outcome {
            Ok(events) => events.iter().for_each(|event| to_ndjson(event, &mut got)),
            Err(reject) => got.extend_from_slice(format!("{reject}\n").as_bytes()),
        }
    }
    let got = String::from_utf8(got).unwrap();
    assert_eq!(got, expect, "got:\n{got}");
}

macro_rules! checks {
    ($($test:ident: $provider:ident $name:literal;)+) => {
        /// The bodies of every provider.
        const BODIES: &[(Provider, &str)] = &[$((Provider::$provider, bodies!(concat!($name, ".json")))),+];

        $(
            #[test]
            fn $test() {
                check(
                    Provider::$provider,
                    bodies!(concat!($name, ".json")),
                    bodies!(concat!($name, ".events.jsonl")),
                );
            }
        )+
    };
}

checks! {
    ses_events_are_read_in_every_envelope: Ses "ses";
    sendgrid_batches_are_read_event_by_event: Sendgrid "sendgrid";
    mailgun_events_are_read_with_and_without_signature: Mailgun "mailgun";
    postmark_records_are_read: Postmark "postmark";
    sparkpost_batches_are_read_event_by_event: Sparkpost "sparkpost";
    brevo_events_are_read: Brevo "brevo";
    mailjet_arrays_and_objects_are_read: Mailjet "mailjet";
    resend_events_are_read: Resend "resend";
    postal_events_are_read: Postal "postal";
    stalwart_batches_are_read_event_by_event: Stalwart "stalwart";
}

#[test]
fn every_provider_has_bodies() {
    let tested: Vec<_> = BODIES.iter().map(|(provider, _)| *provider).collect();
    assert_eq!(tested, Provider::ALL);
    for provider in Provider::ALL {
        assert_eq!(Provider::of(provider.kind()), Some(provider));
        assert_eq!(Provider::from_name(provider.name()), Some(provider));
    }
    assert_eq!(Provider::of(SourceKind::Postfix), None);
}

#[test]
fn the_same_body_twice_has_the_same_ids_and_no_two_events_share_one() {
    for (provider, body) in BODIES {
        let ids: Vec<_> = events(*provider, body).iter().map(|event| event.event_id).collect();
        let again: Vec<_> = events(*provider, body).iter().map(|event| event.event_id).collect();
        assert_eq!(ids, again);
        let distinct = ids.iter().collect::<HashSet<_>>().len();
        // Stalwart tells of one delivery twice
        let expect = if *provider == Provider::Stalwart { ids.len() - 1 } else { ids.len() };
        assert_eq!(distinct, expect, "{provider:?}");
    }
}

#[test]
fn the_envelope_around_an_event_of_ses_is_no_part_of_its_id() {
    let bare = bodies!("ses.json").lines().nth(1).unwrap();
    let by_sns = serde_json::json!({ "Type": "Notification", "MessageId": "x", "Message": bare }).to_string();
    let by_bus = format!("{{\"id\":\"y\",\"detail-type\":\"Email Delivered\",\"detail\":{bare}}}");
    for enveloped in [by_sns, by_bus] {
        assert_eq!(events(Provider::Ses, &enveloped), events(Provider::Ses, bare));
    }
}

#[test]
fn too_many_recipients_and_too_large_items_are_rejected() {
    let many: Vec<_> = (0..=RECIPIENTS_MAX).map(|number| format!("a{number}@example.org")).collect();
    let body = serde_json::json!({ "type": "email.sent", "created_at": "2025-01-01T00:00:00Z", "data": { "to": many } });
    let outcome = read(Provider::Resend, body.to_string().as_bytes()).remove(0);
    assert!(outcome.unwrap_err().to_string().starts_with("too_large: `data.to` has more than 100"));
    let large = format!("{{\"event\":\"{}\"}}", "x".repeat(ITEM_BYTES_MAX));
    assert!(read(Provider::Brevo, large.as_bytes()).remove(0).is_err());
}

#[test]
fn a_reject_names_no_address() {
    for (provider, body) in BODIES {
        for reject in read(*provider, body.as_bytes()).into_iter().filter_map(Result::err) {
            assert!(!reject.message.contains('@'), "{reject}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(which in 0..BODIES.len(), cut: prop::sample::Index, byte: u8, at: prop::sample::Index) {
        let (provider, body) = BODIES[which];
        let mut bytes = body.as_bytes().to_vec();
        *at.get_mut(&mut bytes) = byte;
        bytes.truncate(cut.index(bytes.len()));
        read(provider, &bytes);
    }

    #[test]
    fn no_json_makes_a_reader_panic(which in 0..BODIES.len(), names in prop::collection::vec("[a-zA-Z_-]{0,12}", 0..4), text in ".{0,20}") {
        let (provider, body) = BODIES[which];
        // names that the provider knows, with values that it does not
        let known = body.split('"').map(str::to_owned).step_by(3).take(12);
        let pairs: serde_json::Map<_, _> = names.into_iter().chain(known).map(|name| (name, text.as_str().into())).collect();
        read(provider, serde_json::Value::Object(pairs).to_string().as_bytes());
    }
}
