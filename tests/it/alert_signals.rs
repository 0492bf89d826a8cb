//! What alerts watch beside the outcomes of mail, on a real engine: growth of the suppression list, queues, the DNS,
//! addresses without a past.

use crate::alerts::{alerts, channels, fired};
use clickhouse::Client;
use relaylens::alert::{Alerts, Incident, Rules, StoreFigures};
use relaylens::config;
use relaylens::model::alert::Severity;
use relaylens::model::{Event, EventId, EventType, SourceKind, Text, Timestamp};
use relaylens::store::{Batch, BatchLabel, Store};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

/// Monday, 2026-11-16T08:00:00Z.
const NOW: i64 = 1_794_816_000;

async fn run(client: &Client, sql: &str) {
    client.query_raw(sql).execute().await.unwrap();
}

/// What fires in two evaluations a while apart.
async fn told(alerts: &Alerts, first: i64, second: i64) -> Vec<Incident> {
    let mut all = Vec::new();
    for at in [first, second] {
        all.extend(fired(alerts.evaluate(Timestamp::from_seconds(at)).await.unwrap()));
    }
    let faults: Vec<_> = alerts.board().rules.iter().filter_map(|rule| rule.error.clone()).collect();
    assert_eq!(faults, Vec::<String>::new(), "every rule can be asked");
    all
}

fn by_rule<'i>(incidents: &'i [Incident], rule: &str) -> Vec<&'i Incident> {
    incidents.iter().filter(|incident| incident.rule == rule).collect()
}

/// Additions to the list, spread over the half hour before a time.
async fn suppress(client: &Client, action: &str, reason: &str, before: i64, many: u64) {
    let sql = format!(
        "INSERT INTO suppression_log (seq, action, address, reason) \
         SELECT bitShiftLeft(toUInt64({before} - 1 - number % 1800) * 1000000 + number, 10), '{action}', \
         concat('{action}{before}', toString(number), '@example.com'), '{reason}' FROM numbers({many})"
    );
    run(client, &sql).await;
}

#[tokio::test]
async fn a_list_that_grows_much_faster_than_in_other_weeks_is_told_with_the_reason() {
    let (store, client) = crate::support::store().await;
    for week in 1..=8 {
        suppress(&client, "add", "hard_bounce", NOW - week * WEEK, 120).await;
        suppress(&client, "add", "complaint", NOW - week * WEEK, 120).await;
    }
    suppress(&client, "add", "hard_bounce", NOW, 900).await;
    suppress(&client, "add", "complaint", NOW, 130).await;
    // What somebody imports is meant to be.
    suppress(&client, "import", "manual", NOW, 9_000).await;
    let all = told(&alerts(&store), NOW, NOW + 60).await;
    let growth = by_rule(&all, "suppression_growth");
    let [incident] = growth.as_slice() else { panic!("{all:#?}") };
    assert_eq!(incident.labels["reason"], "hard_bounce");
    assert!(incident.finding.value > 850.0 && incident.finding.expected.unwrap().high < 300.0);
}

#[tokio::test]
async fn a_list_without_weeks_of_history_has_its_limit() {
    let (store, client) = crate::support::store().await;
    suppress(&client, "add", "hard_bounce", NOW, 5_200).await;
    suppress(&client, "add", "complaint", NOW, 900).await;
    let all = told(&alerts(&store), NOW - 30, NOW + 31).await;
    let growth = by_rule(&all, "suppression_growth");
    assert_eq!(growth.len(), 1, "{all:#?}");
    assert_eq!(growth[0].labels["reason"], "hard_bounce");
}

/// Events of messages, each of a queue file of its own.
struct Mail {
    events: Vec<Event>,
}

impl Mail {
    fn push(&mut self, queue_id: &str, kind: EventType, attempt: u16, at: i64, injected: i64) -> &mut Event {
        let number = self.events.len() as u64 + 1;
        self.events.push(Event {
            event_id: EventId::of([b"queue".as_slice(), &number.to_be_bytes(), queue_id.as_bytes()]),
            event_type: kind,
            event_time: Timestamp::from_seconds(at),
            injected_time: Some(Timestamp::from_seconds(injected)),
            received_time: Timestamp::from_seconds(at),
            source_kind: SourceKind::Postfix,
            source: Text::const_new("lab"),
            relay: Text::const_new("mx1"),
            queue_id: queue_id.into(),
            recipient: format!("{queue_id}@example.com").as_str().into(),
            mailbox_provider: Text::const_new("google"),
            attempt,
            ingest_seq: number,
            ..Event::default()
        });
        self.events.last_mut().unwrap()
    }

    async fn store(&self, store: &Store) {
        let mut batch = Batch::default();
        self.events.iter().for_each(|event| batch.events.push(event));
        // Batches of one name and place are one batch.
        let ingest_node = self.events[0].queue_id.clone();
        let label = BatchLabel { ingest_node, first_seq: 1, last_seq: self.events.len() as u64 };
        store.insert(&batch.seal(label)).await.unwrap();
    }
}

#[tokio::test]
async fn messages_that_wait_are_counted_by_their_newest_event_and_told_with_their_age() {
    let (store, _) = crate::support::store().await;
    let mut mail = Mail { events: Vec::new() };
    for number in 0..300 {
        let id = format!("W{number}");
        // Waits for seven hours; the first attempt lies before the window.
        mail.push(&id, EventType::Deferred, 1, NOW - 7 * HOUR, NOW - 7 * HOUR);
        mail.push(&id, EventType::Deferred, 9, NOW - 600 - number, NOW - 7 * HOUR);
        // Waited, and was delivered, bounced or given up since.
        for (prefix, end) in
            [("D", EventType::Delivered), ("B", EventType::Bounced), ("E", EventType::Expired)]
        {
            let id = format!("{prefix}{number}");
            mail.push(&id, EventType::Deferred, 1, NOW - 3 * HOUR, NOW - 3 * HOUR);
            mail.push(&id, end, 2, NOW - HOUR, NOW - 3 * HOUR);
        }
        // Was never deferred.
        mail.push(&format!("F{number}"), EventType::Delivered, 1, NOW - 60, NOW - 61);
    }
    // A provider with a single message that waits for ever says nothing.
    mail.push("S1", EventType::Deferred, 7, NOW - 60, NOW - 4 * DAY).mailbox_provider =
        Text::const_new("tiny.example");
    mail.store(&store).await;
    let own = "[[rules]]\nname = \"queue_depth\"\ntitle = \"Mail piles up\"\nmetric = \"queue_depth\"\n\
               window = \"6h\"\nabove = 250\nfor = \"15m\"\nseverity = \"warning\"\n";
    let rules = Rules::with_overlay(own).unwrap();
    let figures = StoreFigures::new(store.clone(), || 0.0);
    let alerts = Alerts::new(store.clone(), figures, rules, channels(&config::Alerts::default()), 0);
    let all = told(&alerts, NOW, NOW + 900).await;
    let depth = by_rule(&all, "queue_depth");
    let [depth] = depth.as_slice() else { panic!("{all:#?}") };
    assert_eq!((depth.labels["relay"].as_str(), depth.labels["provider"].as_str()), ("mx1", "google"));
    assert!((depth.finding.value - 300.0).abs() < 0.5, "{:?}", depth.finding);
    let oldest = by_rule(&all, "oldest_message");
    let [oldest] = oldest.as_slice() else { panic!("{all:#?}") };
    assert_eq!(oldest.labels["provider"], "google");
    let age = oldest.finding.value;
    assert!((25_200.0..26_200.0).contains(&age), "{age}: seven hours");
    assert!(oldest.muted.as_deref().is_some_and(|why| why.contains("queue_depth")), "one cause, one message");
}

/// Mail of an address on each of some days before now.
async fn mail_of(store: &Store, ip: [u8; 4], days: impl IntoIterator<Item = i64>, many: i64) {
    let mut mail = Mail { events: Vec::new() };
    for day in days {
        for number in 0..many {
            let at = NOW - day * DAY - HOUR - number;
            let id = format!("{}x{day}x{number}", ip[3]);
            mail.push(&id, EventType::Delivered, 1, at, at).sending_ip = Some(ip.into());
        }
    }
    mail.store(store).await;
}

fn with_plan(store: &Store, planned: &str) -> Alerts {
    let figures = StoreFigures::new(store.clone(), || 0.0).planned([planned.to_owned()]);
    Alerts::new(store.clone(), figures, Rules::shipped(), channels(&config::Alerts::default()), 0)
}

#[tokio::test]
async fn an_address_that_sends_without_a_past_and_without_a_plan_is_told() {
    let (store, _) = crate::support::store().await;
    mail_of(&store, [192, 0, 2, 1], 0..32, 1_200).await;
    mail_of(&store, [192, 0, 2, 2], [0], 1_200).await;
    mail_of(&store, [192, 0, 2, 3], [0], 1_200).await;
    mail_of(&store, [192, 0, 2, 4], [0], 200).await;
    // Hardly anything before: no past to speak of.
    mail_of(&store, [192, 0, 2, 5], 1..30, 20).await;
    mail_of(&store, [192, 0, 2, 5], [0], 1_500).await;
    // Twice a month is a past; a week is none.
    mail_of(&store, [192, 0, 2, 6], [0, 14, 28], 1_300).await;
    mail_of(&store, [192, 0, 2, 7], 0..7, 1_300).await;
    let all = told(&with_plan(&store, "192.0.2.3"), NOW, NOW + 60).await;
    let mut cold: Vec<_> = by_rule(&all, "warmup").iter().map(|i| i.labels["ip"].clone()).collect();
    cold.sort();
    assert_eq!(cold, ["192.0.2.2", "192.0.2.5", "192.0.2.7"], "{all:#?}");
}

#[tokio::test]
async fn to_a_server_that_is_new_itself_no_address_is_new() {
    let (store, _) = crate::support::store().await;
    mail_of(&store, [192, 0, 2, 1], 0..10, 1_200).await;
    mail_of(&store, [192, 0, 2, 2], [0], 1_200).await;
    assert!(by_rule(&told(&alerts(&store), NOW, NOW + 60).await, "warmup").is_empty());
}

/// A change of a record, and the look at it that goes on every day.
async fn dns(client: &Client, subject: &str, (before, after): (&str, &str), at: i64) {
    let value = |state: &str| if state == "fail" { "" } else { "v=spf1 -all" };
    run(
        client,
        &format!(
            "INSERT INTO dns_changes (change_time, subject, kind, check, state_before, state, value_before, value, told) \
             VALUES (toDateTime({at}), '{subject}', 'domain', 'spf', '{before}', '{after}', '{}', '{}', 'Told.')",
            value(before),
            value(after)
        ),
    )
    .await;
    run(
        client,
        &format!(
            "INSERT INTO dns_findings (taken_time, subject, kind, check, state, told) \
             VALUES (toDateTime({at}), '{subject}', 'domain', 'spf', '{after}', 'Told.')"
        ),
    )
    .await;
}

#[tokio::test]
async fn a_record_that_changed_is_told_by_how_bad_it_is_and_ends_when_it_is_mended() {
    let (store, client) = crate::support::store().await;
    dns(&client, "broken.example", ("pass", "fail"), NOW - 5 * DAY).await;
    dns(&client, "worse.example", ("pass", "warn"), NOW - HOUR).await;
    dns(&client, "other.example", ("pass", "pass"), NOW - HOUR).await;
    dns(&client, "long-ago.example", ("pass", "pass"), NOW - 3 * DAY).await;
    dns(&client, "gone.example", ("pass", "fail"), NOW - 40 * DAY).await;
    let alerts = alerts(&store);
    let all = told(&alerts, NOW, NOW + 60).await;
    let mut seen: Vec<_> = all
        .iter()
        .filter(|incident| incident.muted.is_none())
        .map(|incident| (incident.labels["subject"].as_str(), incident.rule.as_str(), incident.severity))
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("broken.example", "dns_broken", Severity::Critical),
            ("other.example", "dns_changed", Severity::Info),
            ("worse.example", "dns_doubtful", Severity::Warning),
        ],
        "{all:#?}"
    );
    let broken = by_rule(&all, "dns_broken")[0];
    assert!(broken.finding.note.contains("Was: v=spf1 -all Is: nothing"), "{}", broken.finding.note);

    dns(&client, "broken.example", ("fail", "pass"), NOW + HOUR).await;
    for at in [NOW + HOUR + 60, NOW + HOUR + 720] {
        alerts.evaluate(Timestamp::from_seconds(at)).await.unwrap();
    }
    let open = alerts.board().open.clone();
    assert!(by_rule(&open, "dns_broken").is_empty(), "{open:#?}");
}

/// A change of what is believed of an address, and the check that goes on.
async fn listed(
    client: &Client,
    subject: &str,
    (tier, is_first, share_ppm): (u8, bool, u32),
    state: &str,
    at: i64,
) {
    run(
        client,
        &format!(
            "INSERT INTO listing_changes (change_time, list, subject, kind, state, is_first, codes, tier, share_ppm) \
             VALUES (toDateTime({at}), 'own', '{subject}', 'ip4', '{state}', {is_first}, ['spam'], {tier}, {share_ppm})"
        ),
    )
    .await;
    run(
        client,
        &format!(
            "INSERT INTO listings (list, subject, kind, state, seen, checked_time) \
             VALUES ('own', '{subject}', 'ip4', '{state}', '{state}', toDateTime({NOW}))"
        ),
    )
    .await;
}

#[tokio::test]
async fn a_listing_counts_by_its_mail_and_its_list_and_the_first_check_is_silent() {
    let (store, client) = crate::support::store().await;
    listed(&client, "192.0.2.1", (1, false, 300_000), "listed", NOW - HOUR).await;
    listed(&client, "192.0.2.2", (1, false, 0), "listed", NOW - 20 * DAY).await;
    listed(&client, "192.0.2.3", (2, false, 300_000), "listed", NOW - HOUR).await;
    listed(&client, "192.0.2.4", (1, true, 300_000), "listed", NOW - HOUR).await;
    listed(&client, "192.0.2.5", (1, false, 300_000), "listed", NOW - DAY).await;
    listed(&client, "192.0.2.5", (1, false, 300_000), "clean", NOW - HOUR).await;
    let all = told(&alerts(&store), NOW, NOW + 60).await;
    let of =
        |incident: &&Incident| (incident.labels["subject"].clone(), incident.rule.clone(), incident.severity);
    let mut seen: Vec<_> = all.iter().filter(|incident| incident.muted.is_none()).map(|i| of(&i)).collect();
    seen.sort_unstable();
    let expected = [
        ("192.0.2.1", "listing_of_much_mail", Severity::Critical),
        ("192.0.2.2", "listing", Severity::Warning),
    ];
    let expected = expected.map(|(subject, rule, severity)| (subject.to_owned(), rule.to_owned(), severity));
    assert_eq!(seen, expected, "{all:#?}");
}
