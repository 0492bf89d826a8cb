//! Replays: recorded traffic with a fault put in. Real faults become incidents within two evaluations and name what
//! contributes; usual peaks and tiny streams do not.
//!
//! The traffic is a morning of the recorded day (`tests/data/demo`), five times over, once in each of nine weeks; each week
//! leaves some other messages out. A scenario changes the messages of the last week from its fault on. The rules are those
//! that the program ships; evaluations are a quarter of an hour apart.

use crate::support::repository;
use clickhouse::Client;
use relaylens::alert::notify::{Channels, Poster};
use relaylens::alert::{Alerts, Incident, Rules, StoreFigures};
use relaylens::classify::{BounceRules, CACHE_ENTRIES, Classifier};
use relaylens::config;
use relaylens::model::alert::IncidentStep;
use relaylens::model::{BounceType, Event, EventId, EventType, SourceKind, SourceRef, Text, Timestamp};
use relaylens::parse::relay::postfix::{PostfixOptions, PostfixReader};
use relaylens::parse::{EventReader, Item};
use relaylens::store::{Batch, BatchLabel, Store};
use std::io::Read as _;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

const HOUR: i64 = 3_600;
const WEEK: i64 = 7 * 24 * HOUR;
const QUARTER: i64 = 900;

/// How often each recorded message is sent: the recording is of a small relay.
const COPIES: u64 = 5;
const WEEKS: i64 = 8;

/// Monday, 2026-11-16T08:00:00Z: when faults begin. Of the recorded day it is an hour with little of its own to tell.
const FAULT: i64 = 1_794_816_000;

/// The part of the recording that is played, in hours of its day: three before the fault, one after it.
const PLAYED: (i64, i64) = (5, 9);

const EGRESS: [(&str, [u8; 4], &str); 4] = [
    ("out-1", [192, 0, 2, 11], "transactional"),
    ("out-2", [192, 0, 2, 12], "alerts"),
    ("out-3", [198, 51, 100, 23], "news"),
    ("out-4", [198, 51, 100, 24], "offers"),
];

/// The recorded events of [`PLAYED`], as the pipeline stores them, on the day of [`FAULT`].
fn recorded() -> &'static [Event] {
    static EVENTS: OnceLock<Vec<Event>> = OnceLock::new();
    EVENTS.get_or_init(|| {
        let packed = std::fs::read(repository("tests/data/demo/postfix-recording.log.zst")).unwrap();
        let mut log = String::new();
        zstd::Decoder::new(packed.as_slice()).unwrap().read_to_string(&mut log).unwrap();
        let mut reader = PostfixReader::new(&PostfixOptions::default());
        let source = SourceRef { kind: SourceKind::Postfix, name: Text::const_new("lab") };
        let received = Timestamp::parse_rfc3339("2026-11-21T18:00:00Z").unwrap();
        let mut classifier = Classifier::new(BounceRules::shipped(), CACHE_ENTRIES);
        let (mut offset, mut found, mut all) = (0, Vec::new(), Vec::new());
        for line in log.lines() {
            reader
                .read(&Item { source: &source, bytes: line.as_bytes(), offset, received }, &mut found)
                .unwrap();
            offset += line.len() as u64 + 1;
            all.append(&mut found);
        }
        let first = all.iter().map(|event: &Event| event.event_time.seconds()).min().unwrap();
        let day = first.div_euclid(24 * HOUR) * 24 * HOUR;
        let to_fault = FAULT.div_euclid(24 * HOUR) * 24 * HOUR - day;
        let hour = |event: &Event| (event.event_time.seconds() - day) / HOUR;
        all.retain(|event| (PLAYED.0..PLAYED.1).contains(&hour(event)));
        for event in &mut all {
            event.event_time.0 += to_fault * 1_000_000;
            event.source_kind = SourceKind::Postfix;
            event.source = Text::const_new("lab");
            if let Some((_, ip, stream)) = EGRESS.iter().find(|egress| egress.0 == event.egress_source) {
                event.sending_ip = Some(IpAddr::from(*ip));
                event.stream = Text::const_new(stream);
            }
            classifier.apply(event);
        }
        all
    })
}

/// What a scenario makes of an event of the last week, after the fault began. `seed` is another number for each.
type Fault = fn(&mut Event, seed: u64) -> Option<()>;

#[expect(clippy::unnecessary_wraps, reason = "a fault may leave a message out; this one does not")]
const fn untouched(_: &mut Event, _: u64) -> Option<()> {
    Some(())
}

fn is_outcome(event: &Event) -> bool {
    matches!(event.event_type, EventType::Delivered | EventType::Bounced | EventType::Deferred)
}

fn refuse(event: &mut Event, event_type: EventType, bounce: BounceType, text: &'static str) {
    event.event_type = event_type;
    event.bounce_type = bounce;
    event.attempt = 1;
    event.reply.text = text.into();
    event.response_tmpl = text.len() as u64;
}

/// A mixed number of another: what is left out of a week, and whom a fault strikes.
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A store with eight weeks of history and the present one, in which the fault strikes. `weekly` strikes in every week,
/// in the hour after the time of the fault.
async fn world(fault: Fault, weekly: Fault) -> (Store, Client) {
    let (store, client) = crate::support::store().await;
    let mut number = 0_u64;
    for week in (0..=WEEKS).rev() {
        let mut batch = Batch::default();
        let first = number + 1;
        for (index, recorded) in (0_u64..).zip(recorded()) {
            for copy in 0..COPIES {
                let seed =
                    mixed(index.wrapping_mul(1_000_003) + copy * 7_919 + week.unsigned_abs() * 104_729);
                // About one message of eight is missing, another one each week.
                if seed.is_multiple_of(8) {
                    continue;
                }
                let mut event = recorded.clone();
                event.event_time.0 -= week * WEEK * 1_000_000;
                let is_after = recorded.event_time.seconds() >= FAULT;
                if is_after && weekly(&mut event, seed / 8).is_none() {
                    continue;
                }
                if is_after && week == 0 && fault(&mut event, seed / 8).is_none() {
                    continue;
                }
                number += 1;
                event.event_id = EventId::of([b"replay".as_slice(), &number.to_be_bytes()]);
                event.received_time = event.event_time;
                event.ingest_seq = number;
                batch.events.push(&event);
            }
        }
        let label = BatchLabel { ingest_node: Text::const_new("replay"), first_seq: first, last_seq: number };
        store.insert(&batch.seal(label)).await.unwrap();
    }
    (store, client)
}

/// The channels of some settings. They know no certificates: servers of tests speak plain HTTP.
pub(crate) fn channels(settings: &config::Alerts) -> Arc<Channels> {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Arc::new(Channels::load(settings, Poster::new(tls)).unwrap())
}

pub(crate) fn alerts(store: &Store) -> Alerts {
    let channels = channels(&config::Alerts::default());
    Alerts::new(store.clone(), StoreFigures::new(store.clone(), || 0.0), Rules::shipped(), channels, 0)
}

/// What fires before the fault, and at each of the evaluations after it.
async fn evaluations(alerts: &Alerts) -> (Vec<Incident>, Vec<Vec<Incident>>) {
    let at = |step: i64| Timestamp::from_seconds(FAULT + step * QUARTER);
    let mut before = Vec::new();
    for step in [-1, 0] {
        before.extend(fired(alerts.evaluate(at(step)).await.unwrap()));
    }
    let mut after = Vec::new();
    for step in 1..=4 {
        after.push(fired(alerts.evaluate(at(step)).await.unwrap()));
    }
    let faults: Vec<_> = alerts.board().rules.iter().filter_map(|rule| rule.error.clone()).collect();
    assert_eq!(faults, Vec::<String>::new(), "every rule can be asked");
    (before, after)
}

pub(crate) fn fired(steps: Vec<(Incident, IncidentStep)>) -> Vec<Incident> {
    let fires = |step| matches!(step, IncidentStep::Firing | IncidentStep::Reopened);
    steps.into_iter().filter(|(_, step)| fires(*step)).map(|(incident, _)| incident).collect()
}

pub(crate) fn names(incidents: &[Incident]) -> Vec<String> {
    incidents.iter().map(|incident| format!("{} {:?}", incident.rule, incident.labels)).collect()
}

/// The incident of a rule, which must fire at the first or second evaluation after the fault and not before it.
async fn check(store: &Store, rule: &str, label: (&str, &str)) -> Incident {
    let (before, after) = evaluations(&alerts(store)).await;
    assert_eq!(names(&before), Vec::<String>::new(), "nothing fires before the fault");
    let all: Vec<_> = after.iter().map(|incidents| names(incidents)).collect();
    let is_it = |incident: &&Incident| {
        incident.rule == rule && incident.labels.get(label.0).is_some_and(|value| value == label.1)
    };
    let found = after[..2].iter().flatten().find(is_it);
    found
        .unwrap_or_else(|| panic!("`{rule}` of {label:?} does not fire within two evaluations: {all:?}"))
        .clone()
}

#[track_caller]
fn names_contributor(incident: &Incident, dimension: &str, value: &str) {
    let contributors = &incident.finding.contributors;
    let is_it = |c: &relaylens::alert::Contributor| c.dimension == dimension && c.value.contains(value);
    assert!(contributors.iter().any(is_it), "{dimension} {value} is not named: {contributors:?}");
}

#[tokio::test]
async fn deferrals_that_spike_at_one_provider_are_told_with_the_reply() {
    let (store, _) = world(
        |event, seed| {
            if event.mailbox_provider == "google" && event.event_type == EventType::Delivered && seed % 10 < 7
            {
                refuse(
                    event,
                    EventType::Deferred,
                    BounceType::Soft,
                    "421 4.7.28 unusual rate of mail from your IP",
                );
            }
            Some(())
        },
        untouched,
    )
    .await;
    let incident = check(&store, "deferral_spike", ("provider", "google")).await;
    names_contributor(&incident, "response", "421 4.7.28 unusual rate");
    let expected = incident.finding.expected.unwrap();
    assert!(expected.high < 0.3 && incident.finding.value > 0.4, "{:?}", incident.finding);
    assert!(incident.finding.series.len() > 4, "the chart of the moment is kept");
}

#[tokio::test]
async fn a_block_on_one_address_is_told_with_address_provider_and_reply() {
    let (store, _) = world(
        |event, _| {
            let is_struck = event.egress_source == "out-3" && event.mailbox_provider.starts_with("microsoft");
            if is_struck && is_outcome(event) {
                let text = "550 5.7.1 Unfortunately, messages from [198.51.100.23] weren't sent. (S3140)";
                refuse(event, EventType::Bounced, BounceType::Block, text);
            }
            Some(())
        },
        untouched,
    )
    .await;
    let incident = check(&store, "block_on_ip", ("ip", "198.51.100.23")).await;
    names_contributor(&incident, "response", "S3140");
    names_contributor(&incident, "provider", "microsoft");
}

#[tokio::test]
async fn complaints_above_the_limit_are_told_with_their_provider() {
    let (store, _) = world(
        |event, seed| {
            let is_struck = event.stream == "news" && event.event_type == EventType::Accepted
                || event.stream == "news" && event.event_type == EventType::Delivered && seed % 12 == 0;
            if is_struck {
                event.event_type = EventType::Complained;
                event.mailbox_provider = Text::const_new("yahoo");
            }
            Some(())
        },
        untouched,
    )
    .await;
    let incident = check(&store, "complaint_rate_critical", ("stream", "news")).await;
    names_contributor(&incident, "provider", "yahoo");
}

#[tokio::test]
async fn mail_that_stops_is_told_with_the_address_that_is_silent() {
    let (store, _) = world(|event, _| (event.stream != "transactional").then_some(()), untouched).await;
    let incident = check(&store, "volume_drop", ("stream", "transactional")).await;
    names_contributor(&incident, "ip", "192.0.2.11");
    assert!(incident.finding.expected.unwrap().low > 0.0);
}

/// Reports of a domain: its own server in every week, and after the fault somebody new.
async fn report(client: &Client) {
    let columns = "day, policy_domain, source_ip, messages, disposition, is_dkim_aligned, is_spf_aligned, header_from, \
         reporter, report_key, standing, received_time";
    for week in (0..=WEEKS).rev() {
        let at = FAULT - 2 * HOUR - week * WEEK;
        let sql = format!(
            "INSERT INTO dmarc_records ({columns}) VALUES (toDate(toDateTime({at} - 86400, 'UTC')), 'shop.example', \
             '192.0.2.11', 400, 'none', true, true, 'shop.example', 'google.com', generateUUIDv4(), 'counted', \
             toDateTime64({at}, 6, 'UTC'))"
        );
        client.query_raw(&sql).execute().await.unwrap();
    }
}

#[tokio::test]
async fn a_new_source_in_dmarc_reports_is_told_with_its_address() {
    let (store, client) = world(untouched, untouched).await;
    report(&client).await;
    let alerts = alerts(&store);
    assert_eq!(
        names(&fired(alerts.evaluate(Timestamp::from_seconds(FAULT)).await.unwrap())),
        Vec::<String>::new()
    );
    let sql = format!(
        "INSERT INTO dmarc_records (day, policy_domain, source_ip, messages, is_dkim_aligned, is_spf_aligned, \
         header_from, reporter, report_key, standing, received_time) VALUES (toDate(toDateTime({FAULT} - 3600, 'UTC')), \
         'shop.example', '203.0.113.99', 250, false, false, 'shop.example', 'google.com', generateUUIDv4(), 'counted', \
         toDateTime64({FAULT}, 6, 'UTC'))"
    );
    client.query_raw(&sql).execute().await.unwrap();
    let told = fired(alerts.evaluate(Timestamp::from_seconds(FAULT + QUARTER)).await.unwrap());
    let [incident] = told.as_slice() else { panic!("{:?}", names(&told)) };
    assert_eq!(incident.rule, "new_dmarc_source");
    assert_eq!(incident.labels["domain"], "shop.example");
    assert!(incident.labels["source"].contains("203.0.113.99"), "{:?}", incident.labels);
    assert_eq!(incident.finding.note, "0 of 250 messages passed DMARC");
}

#[tokio::test]
async fn the_peak_of_every_monday_morning_is_no_incident() {
    // A third of all mail is put off in that hour of every week, as receivers do when a newsletter goes out.
    let peak: Fault = |event, seed| {
        if event.event_type == EventType::Delivered && seed % 3 == 0 {
            refuse(event, EventType::Deferred, BounceType::Soft, "451 4.7.1 greylisted");
        }
        Some(())
    };
    let (store, _) = world(untouched, peak).await;
    let (before, after) = evaluations(&alerts(&store)).await;
    assert_eq!(names(&before), Vec::<String>::new());
    assert_eq!(names(&after.concat()), Vec::<String>::new());
}

#[tokio::test]
async fn one_failure_of_five_messages_is_no_incident() {
    // Five messages of a stream of its own, of which one fails for good.
    let (store, _) = world(
        |event, seed| {
            if seed % 997 == 0 && is_outcome(event) {
                event.stream = Text::const_new("tiny");
                event.mailbox_provider = Text::const_new("tiny.example");
                if seed % 5 == 0 {
                    refuse(event, EventType::Bounced, BounceType::Hard, "550 5.1.1 no such user");
                }
            }
            Some(())
        },
        untouched,
    )
    .await;
    let (before, after) = evaluations(&alerts(&store)).await;
    assert_eq!(names(&before), Vec::<String>::new());
    assert_eq!(names(&after.concat()), Vec::<String>::new());
}

#[tokio::test]
async fn incidents_go_on_after_a_restart_and_are_resolved() {
    let (store, _) = world(
        |event, _| {
            let ends = FAULT + 2 * QUARTER;
            if event.mailbox_provider == "google"
                && event.event_type == EventType::Delivered
                && event.event_time.seconds() < ends
            {
                refuse(event, EventType::Deferred, BounceType::Soft, "421 4.7.28 unusual rate");
            }
            Some(())
        },
        untouched,
    )
    .await;
    let at = |step: i64| Timestamp::from_seconds(FAULT + step * QUARTER);
    let first = alerts(&store);
    let spikes =
        |incidents: Vec<Incident>| incidents.into_iter().filter(|i| i.rule == "deferral_spike").count();
    let mut steps = first.evaluate(at(1)).await.unwrap();
    steps.extend(first.evaluate(at(2)).await.unwrap());
    assert_eq!(spikes(fired(steps)), 1);
    drop(first);

    let second = alerts(&store);
    let steps = second.evaluate(at(3)).await.unwrap();
    assert_eq!(names(&fired(steps)), Vec::<String>::new(), "it fires already");
    let mut ended = Vec::new();
    for step in 4..=8 {
        ended.extend(second.evaluate(at(step)).await.unwrap());
    }
    let resolved =
        ended.into_iter().filter(|(_, step)| *step == IncidentStep::Resolved).map(|(i, _)| i).collect();
    assert_eq!(spikes(resolved), 1);
    // A third program finds its time and does not count it as usual next week.
    let history = alerts(&store).history(FAULT, 10).await.unwrap();
    assert_eq!(spikes(history), 1);
}
