//! The questions, asked of a real engine over events whose answers are known by hand.
//!
//! Each test has its own database with the same rows, see [`EVENTS`].

use relaylens::store::Store;
use relaylens::store::query::{
    BounceClassRow, BounceGroupAt, DeferralRow, Dimension, EventRow, EventSearch, Filter, HeatCell,
    Latencies, LedgerRow, Outcomes, OutcomesAt, RejectCount, RejectRow, ResponseRow, RetryOutcomes,
    SourceFreshness, TimeRange,
};
use std::collections::BTreeSet;

/// 2026-11-10T00:00:00Z, the day of nearly all events.
const DAY: i64 = 1_794_268_800;
const HOUR: i64 = 3_600;
const MINUTE: i64 = 60;

/// Number, day, time, type, relay, queue id, message id, recipient, provider, sending IP, pool, tenant, stream,
/// campaign, sender's domain, attempt, latency in ms, reply (see [`REPLIES`]), other columns.
///
/// In words: QA is delivered, later complained about, unsubscribed from, and bounced by a notice that came back; its
/// queue id is used anew two days later, and at another relay. QB is deferred twice, then delivered. QC bounces on the
/// hour, and the relay sends a notice about it (QN). QD bounces for two recipients. QE is deferred and expires three
/// days later. QF is deferred and waits. QI is over quota. QJ is delivered in an unknown time. QL is deferred, then
/// cancelled.
const EVENTS: &str = "\
 1|10|10:00:30       |accepted       |mta-a|QA|a@m.example|              |         |           |  |acme|news|spring|news.example.com|0|      |0 |
 2|10|10:00:31       |delivered      |mta-a|QA|a@m.example|ann@g.example |google   |192.0.2.1  |p1|acme|news|spring|news.example.com|1|1000  |0 |
 3|10|10:01:00       |accepted       |mta-a|QB|b@m.example|              |         |           |  |acme|news|spring|news.example.com|0|      |0 |
 4|10|10:01:05       |deferred       |mta-a|QB|b@m.example|bob@g.example |google   |192.0.2.2  |p1|acme|news|spring|news.example.com|1|      |11|mx_host=mx1.g.example
 5|10|10:20:05       |deferred       |mta-a|QB|b@m.example|bob@g.example |google   |192.0.2.2  |p1|acme|news|spring|news.example.com|2|      |11|mx_host=mx1.g.example
 6|10|11:05:00       |delivered      |mta-a|QB|b@m.example|bob@g.example |google   |192.0.2.2  |p1|acme|news|spring|news.example.com|3|3840000|0|
 7|10|10:59:59.999999|accepted       |mta-a|QC|c@m.example|              |         |           |  |acme|txn |      |txn.example.com |0|      |0 |
 8|10|11:00:00       |bounced        |mta-a|QC|c@m.example|carl@m.example|microsoft|2001:db8::5|p2|acme|txn |      |txn.example.com |1|      |12|
 9|10|11:30:00       |accepted       |mta-a|QD|d@m.example|              |         |           |  |beta|news|summer|b.example.com   |0|      |0 |
10|10|11:30:10       |bounced        |mta-a|QD|d@m.example|dora@g.example|google   |192.0.2.1  |p1|beta|news|summer|b.example.com   |1|      |13|
11|10|11:30:20       |bounced        |mta-a|QD|d@m.example|dan@o.example |other    |192.0.2.1  |p1|beta|news|summer|b.example.com   |1|      |14|
12|10|11:40:00       |accepted       |mta-a|QE|e@m.example|              |         |           |  |beta|txn |      |b.example.com   |0|      |0 |
13|10|11:40:10       |deferred       |mta-a|QE|e@m.example|eva@m.example |microsoft|192.0.2.3  |p2|beta|txn |      |b.example.com   |1|      |15|
14|13|12:00:00       |expired        |mta-a|QE|e@m.example|eva@m.example |microsoft|192.0.2.3  |p2|beta|txn |      |b.example.com   |9|      |16|
15|10|12:15:00       |accepted       |mta-a|QF|f@m.example|              |         |           |  |acme|news|spring|news.example.com|0|      |0 |
16|10|12:15:05       |deferred       |mta-a|QF|f@m.example|fred@g.example|google   |192.0.2.1  |p1|acme|news|spring|news.example.com|1|      |11|mx_host=mx1.g.example
17|10|12:20:00       |complained     |mta-a|  |a@m.example|ann@g.example |google   |           |  |acme|news|spring|news.example.com|0|      |0 |
18|10|12:20:00       |unsubscribed   |mta-a|  |a@m.example|ann@g.example |google   |           |  |acme|news|spring|news.example.com|0|      |0 |
19|10|12:30:00       |suppressed     |mta-b|QS|s@m.example|sam@g.example |google   |           |  |beta|news|      |b.example.com   |0|      |0 |
20|10|12:31:00       |rejected       |mta-b|  |           |sue@g.example |         |           |  |beta|news|      |b.example.com   |0|      |17|
21|10|12:40:00       |bounced        |mta-b|QI|i@m.example|gina@y.example|yahoo    |192.0.2.2  |p1|acme|txn |      |txn.example.com |1|      |18|
22|10|11:00:01       |notification   |mta-a|QN|n@m.example|              |         |           |  |acme|txn |      |                |0|      |0 |is_notification=1,ref_queue_id=QC
23|10|11:00:05       |delivered      |mta-a|QN|n@m.example|s@txn.example |other    |192.0.2.1  |p2|acme|txn |      |                |1|4000  |0 |is_notification=1
24|12|09:00:00       |accepted       |mta-a|QA|z@m.example|              |         |           |  |acme|txn |      |txn.example.com |0|      |0 |
25|12|09:00:02       |delivered      |mta-a|QA|z@m.example|zoe@y.example |yahoo    |192.0.2.2  |p2|acme|txn |      |txn.example.com |1|0     |0 |
26|10|10:30:00       |delivered      |mta-b|QA|q@m.example|quin@g.example|google   |192.0.2.1  |p1|beta|news|      |b.example.com   |1|500   |0 |
27|10|10:45:00       |delivered      |mta-b|QJ|j@m.example|jane@m.example|microsoft|192.0.2.3  |p2|beta|txn |      |b.example.com   |0|      |0 |provider_message_id=pm-77
28|10|12:50:00       |bounced        |mta-a|QA|a@m.example|ann@g.example |google   |           |  |acme|news|spring|news.example.com|0|      |12|bounce_origin=async
29|10|12:10:00       |deferred       |mta-b|QL|l@m.example|leo@y.example |yahoo    |192.0.2.2  |p1|acme|txn |      |txn.example.com |1|      |11|mx_host=mx.y.example
30|10|12:11:00       |admin_cancelled|mta-b|QL|l@m.example|leo@y.example |yahoo    |           |  |acme|txn |      |txn.example.com |0|      |0 |
31| 9|23:59:59.999999|delivered      |mta-b|QZ|y@m.example|yan@g.example |google   |192.0.2.1  |p1|acme|news|      |news.example.com|1|100   |0 |";

/// Template, code, enhanced code, bounce type, reason, group, text.
const REPLIES: [(u64, u16, &str, &str, &str, &str, &str); 9] = [
    (0, 0, "", "none", "", "", ""),
    (11, 421, "4.7.28", "soft", "ratelimited", "rate", "421 4.7.28 slow down"),
    (12, 550, "5.1.1", "hard", "userunknown", "recipient", "550 5.1.1 no such user"),
    (13, 554, "5.7.1", "block", "blocked", "block", "554 5.7.1 listed"),
    (14, 550, "", "undetermined", "undefined", "unknown", "550 it's odd?"),
    (15, 0, "", "soft", "networkerror", "transient", "connection refused"),
    (16, 0, "4.4.7", "soft", "expired", "transient", "retry timeout"),
    (17, 550, "5.7.1", "block", "policyviolation", "policy", "550 5.7.1 relaying denied"),
    (18, 552, "5.2.2", "soft", "mailboxfull", "quota", "552 5.2.2 full"),
];

/// The id of an event by its number.
fn id(number: u32) -> String {
    format!("00000000-0000-0000-0000-{number:012}")
}

const COLUMNS: &str = "event_id, event_time, received_time, event_type, relay, queue_id, message_id, recipient, \
     recipient_domain, mailbox_provider, sending_ip, pool, tenant, stream, campaign, env_from_domain, attempt, \
     latency_ms, response_tmpl, smtp_code, enhanced_code, bounce_type, bounce_reason, bounce_group, response_text, \
     source_kind, source, tags, mx_host, provider_message_id, bounce_origin, is_notification, ref_queue_id";

/// One line of [`EVENTS`] as a row of an INSERT.
fn row(line: &str) -> String {
    let field: Vec<&str> = line.split('|').map(str::trim).collect();
    let [number, day, time, kind, relay, queue, message, recipient, provider, ip, ref rest @ ..] = field[..]
    else {
        panic!("too few fields: {line}");
    };
    let [pool, tenant, stream, campaign, sender, attempt, latency, tmpl, others] = rest[..] else {
        panic!("too few fields: {line}");
    };
    let ip = if ip.is_empty() { "::" } else { ip };
    let latency = if latency.is_empty() { "NULL" } else { latency };
    let domain = recipient.split_once('@').map_or("", |(_, domain)| domain);
    let (_, code, enhanced, bounce_type, reason, group, text) =
        REPLIES.iter().find(|reply| reply.0.to_string() == tmpl).unwrap();
    let text = text.replace('\'', "\\'");
    let other = |name: &str, default: &'static str| {
        let mut pairs = others.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map_or(default, |(_, value)| value).to_owned()
    };
    let (mx_host, provider_id) = (other("mx_host", ""), other("provider_message_id", ""));
    let (origin, notice, about) =
        (other("bounce_origin", "none"), other("is_notification", "0"), other("ref_queue_id", ""));
    format!(
        "('{id}', '2026-11-{day:0>2} {time}', '2026-11-14 00:00:00', '{kind}', '{relay}', '{queue}', '{message}', \
         '{recipient}', '{domain}', '{provider}', '{ip}', '{pool}', '{tenant}', '{stream}', '{campaign}', '{sender}', \
         {attempt}, {latency}, {tmpl}, {code}, '{enhanced}', '{bounce_type}', '{reason}', '{group}', '{text}', \
         'postfix', '{relay}', map('n', '{number}'), '{mx_host}', '{provider_id}', '{origin}', {notice}, '{about}')",
        id = id(number.parse().unwrap()),
    )
}

/// A store with [`EVENTS`], in two parts, so that rollups have rows to add up.
async fn seeded() -> (Store, clickhouse::Client) {
    let (store, client) = crate::support::store().await;
    let rows: Vec<String> = EVENTS.lines().map(row).collect();
    for part in [&rows[..20], &rows[20..]] {
        let sql = format!("INSERT INTO events ({COLUMNS}) VALUES {}", part.join(", "));
        client.query_raw(&sql).execute().await.unwrap();
    }
    (store, client)
}

fn range(from_unix: i64, to_unix: i64) -> TimeRange {
    TimeRange { from_unix, to_unix }
}

fn day() -> Filter {
    Filter::all(range(DAY, DAY + 24 * HOUR))
}

/// Of the day, from and to as seconds.
fn between(from: i64, to: i64) -> Filter {
    Filter::all(range(DAY + from, DAY + to))
}

/// All that is stored.
fn ever() -> Filter {
    Filter::all(range(DAY - 30 * 24 * HOUR, DAY + 30 * 24 * HOUR))
}

fn of_day() -> Outcomes {
    Outcomes {
        accepted: 6,
        delivered: 4,
        deferred: 5,
        first_deferred: 4,
        recovered: 1,
        hard: 2,
        soft: 1,
        block: 1,
        other: 1,
        expired: 0,
        complained: 1,
        unsubscribed: 1,
        suppressed: 1,
        rejected: 1,
    }
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

fn numbers(rows: &[EventRow]) -> Vec<u32> {
    rows.iter().map(|row| row.event_id[24..].parse().unwrap()).collect()
}

fn sorted(mut numbers: Vec<u32>) -> Vec<u32> {
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn totals_count_each_outcome_once_and_notices_never() {
    let (store, _) = seeded().await;
    assert_eq!(store.outcome_totals(&day()).await.unwrap(), of_day());
    assert_eq!(of_day().sent(), 9);
    let expired = Outcomes { accepted: 7, delivered: 6, expired: 1, ..of_day() };
    assert_eq!(store.outcome_totals(&ever()).await.unwrap(), expired);
}

#[tokio::test]
async fn ranges_are_half_open_at_hours_and_minutes() {
    let (store, _) = seeded().await;
    let ten = Outcomes { accepted: 3, delivered: 3, deferred: 2, first_deferred: 1, ..Outcomes::default() };
    assert_eq!(store.outcome_totals(&between(10 * HOUR, 11 * HOUR)).await.unwrap(), ten);
    let on_the_hour = Outcomes { hard: 1, ..Outcomes::default() };
    assert_eq!(store.outcome_totals(&between(11 * HOUR, 11 * HOUR + 1)).await.unwrap(), on_the_hour);
    let minute = Outcomes { accepted: 1, deferred: 1, first_deferred: 1, ..Outcomes::default() };
    assert_eq!(
        store.outcome_totals(&between(10 * HOUR + MINUTE, 10 * HOUR + 2 * MINUTE)).await.unwrap(),
        minute
    );
    for (from, to) in [(3, 4), (5, 5), (11, 10)] {
        let nothing = between(from * HOUR, to * HOUR);
        assert_eq!(store.outcome_totals(&nothing).await.unwrap(), Outcomes::default(), "{from} to {to}");
    }
}

/// Two ways to one number: each whole range must be the sum of its parts, whichever tables answer for them.
#[tokio::test]
async fn every_table_gives_the_same_counts() {
    let (store, _) = seeded().await;
    let (every_campaign, every_pool) = (texts(&["", "spring", "summer"]), texts(&["", "p1", "p2"]));
    for (from, to) in
        [(0, 24 * 60), (601, 620), (601, 662), (590, 765), (605, 720), (660, 661), (0, 5 * 24 * 60)]
    {
        let filter = between(from * MINUTE, to * MINUTE);
        let raw = Filter { campaign: every_campaign.clone(), ..filter.clone() };
        let minutes = Filter { pool: every_pool.clone(), ..filter.clone() };
        let totals = store.outcome_totals(&filter).await.unwrap();
        assert_eq!(store.outcome_totals(&raw).await.unwrap(), totals, "{from} to {to} by campaign");
        assert_eq!(store.outcome_totals(&minutes).await.unwrap(), totals, "{from} to {to} by pool");
        for step_s in [60, 900, 3_600, 21_600] {
            let series = store.outcome_series(&filter, step_s).await.unwrap();
            assert_eq!(sum(&series), totals, "{from} to {to} by {step_s} s");
            assert!(series.windows(2).all(|pair| pair[0].at_unix < pair[1].at_unix));
            assert!(series.iter().all(|at| at.at_unix % i64::from(step_s) == 0));
            assert_eq!(
                store.outcome_series(&raw, step_s).await.unwrap(),
                series,
                "{from} to {to} by {step_s} s"
            );
        }
        for dimension in Dimension::ALL {
            let rows = store.outcomes_by(&filter, dimension, 100).await.unwrap();
            let values: BTreeSet<_> = rows.iter().map(|of| &of.value).collect();
            assert_eq!(values.len(), rows.len(), "{from} to {to} by {dimension:?}: each value once");
            let rows: Vec<_> =
                rows.into_iter().map(|of| OutcomesAt { at_unix: 0, outcomes: of.outcomes }).collect();
            assert_eq!(sum(&rows), totals, "{from} to {to} by {dimension:?}");
        }
    }
}

fn sum(series: &[OutcomesAt]) -> Outcomes {
    let mut sum = serde_json::to_value(Outcomes::default()).unwrap();
    for at in series {
        for (name, count) in serde_json::to_value(at.outcomes).unwrap().as_object().unwrap() {
            sum[name] = (sum[name].as_u64().unwrap() + count.as_u64().unwrap()).into();
        }
    }
    serde_json::from_value(sum).unwrap()
}

#[tokio::test]
async fn a_series_has_the_steps_with_mail() {
    let (store, _) = seeded().await;
    let at = |hour: i64, minute: i64| DAY + hour * HOUR + minute * MINUTE;
    let series = store.outcome_series(&between(10 * HOUR, 11 * HOUR + 10 * MINUTE), 900).await.unwrap();
    let none = Outcomes::default();
    let expect = [
        (at(10, 0), Outcomes { accepted: 2, delivered: 1, deferred: 1, first_deferred: 1, ..none }),
        (at(10, 15), Outcomes { deferred: 1, ..none }),
        (at(10, 30), Outcomes { delivered: 1, ..none }),
        (at(10, 45), Outcomes { accepted: 1, delivered: 1, ..none }),
        (at(11, 0), Outcomes { delivered: 1, recovered: 1, hard: 1, ..none }),
    ];
    assert_eq!(series, expect.map(|(at_unix, outcomes)| OutcomesAt { at_unix, outcomes }));
    let over_two_days = store.outcome_series(&ever(), 900).await.unwrap();
    assert!(over_two_days.iter().all(|at| at.at_unix % HOUR == 0), "steps become hours");
}

#[tokio::test]
async fn hours_answer_for_minutes_that_retention_took() {
    let (store, client) = seeded().await;
    let filter = between(10 * HOUR + 30 * MINUTE, 11 * HOUR + 30 * MINUTE);
    let exact = Outcomes { accepted: 1, delivered: 3, recovered: 1, hard: 1, ..Outcomes::default() };
    assert_eq!(store.outcome_totals(&filter).await.unwrap(), exact);
    for table in ["events_minute", "totals_minute"] {
        client.query_raw(&format!("TRUNCATE TABLE {table}")).execute().await.unwrap();
    }
    let whole = store.outcome_totals(&between(10 * HOUR, 12 * HOUR)).await.unwrap();
    assert_eq!((whole.accepted, whole.delivered, whole.deferred), (5, 4, 3));
    assert_eq!(store.outcome_totals(&filter).await.unwrap(), whole);
    assert_eq!(sum(&store.outcome_series(&filter, 900).await.unwrap()), whole);
}

#[tokio::test]
async fn values_are_ordered_by_what_they_sent() {
    let (store, _) = seeded().await;
    let by = async |dimension, limit| {
        let rows = store.outcomes_by(&day(), dimension, limit).await.unwrap();
        rows.into_iter().map(|of| (of.value, of.outcomes.sent())).collect::<Vec<_>>()
    };
    let expect =
        |rows: &[(&str, u64)]| rows.iter().map(|&(value, sent)| (value.to_owned(), sent)).collect::<Vec<_>>();
    let providers = [("google", 5), ("microsoft", 2), ("other", 1), ("yahoo", 1), ("", 0)];
    assert_eq!(by(Dimension::Provider, 10).await, expect(&providers));
    assert_eq!(by(Dimension::Provider, 2).await, expect(&providers[..2]));
    let ips = [("192.0.2.1", 4), ("192.0.2.2", 2), ("2001:db8::5", 1), ("", 1), ("192.0.2.3", 1)];
    assert_eq!(by(Dimension::Ip, 10).await, expect(&ips));
    assert_eq!(by(Dimension::Pool, 10).await, expect(&[("p1", 6), ("p2", 2), ("", 1)]));
    assert_eq!(by(Dimension::Stream, 10).await, expect(&[("news", 6), ("txn", 3)]));
    assert_eq!(by(Dimension::Tenant, 10).await, expect(&[("acme", 5), ("beta", 4)]));
    let domains = [("b.example.com", 4), ("news.example.com", 3), ("txn.example.com", 2)];
    assert_eq!(by(Dimension::Domain, 10).await, expect(&domains));
    assert_eq!(by(Dimension::Campaign, 10).await, expect(&[("", 4), ("spring", 3), ("summer", 2)]));
}

#[tokio::test]
async fn filters_narrow_every_answer() {
    let (store, _) = seeded().await;
    let check = async |name: &str, filter: Filter, sent: u64, deferred: u64, accepted: u64| {
        let got = store.outcome_totals(&filter).await.unwrap();
        assert_eq!((got.sent(), got.deferred, got.accepted), (sent, deferred, accepted), "{name}");
        let types = |types: &[&str]| EventSearch { event_types: texts(types), ..EventSearch::default() };
        let final_types = types(&["delivered", "bounced", "expired"]);
        // Event lists show notices too, rates leave them out: QN was delivered by 192.0.2.1 in pool p2.
        let notices = EventSearch { term: "QN".into(), ..final_types.clone() };
        let notices = store.event_count(&filter, &notices).await.unwrap();
        assert_eq!(store.event_count(&filter, &final_types).await.unwrap(), sent + notices, "{name}: events");
        assert_eq!(
            store.event_count(&filter, &types(&["deferred"])).await.unwrap(),
            deferred,
            "{name}: events"
        );
        let attempts: u64 = store.deferrals(&filter, 100).await.unwrap().iter().map(|row| row.attempts).sum();
        assert_eq!(attempts, deferred, "{name}: deferrals");
        let replies = store.responses(&filter, &["deferred"], 100).await.unwrap();
        assert_eq!(replies.iter().map(|row| row.events).sum::<u64>(), deferred, "{name}: responses");
        let heat = store.provider_ip_heatmap(&filter, 100).await.unwrap();
        assert_eq!(heat.iter().map(|cell| cell.outcomes.sent()).sum::<u64>(), sent, "{name}: heatmap");
        let failed = got.sent() - got.delivered;
        let classes = store.bounce_classes(&filter).await.unwrap();
        assert_eq!(classes.iter().map(|row| row.events).sum::<u64>(), failed, "{name}: classes");
        let unknown_latency = u64::from(
            ["beta", "microsoft", "192.0.2.3", "p2", "txn", "b.example.com", "none"].contains(&name),
        );
        let latencies = store.latencies(&filter).await.unwrap();
        assert_eq!(latencies.count(), got.delivered - unknown_latency, "{name}: latencies");
    };
    check("none", day(), 9, 5, 6).await;
    check("yahoo", Filter { provider: texts(&["yahoo"]), ..day() }, 1, 1, 0).await;
    check("microsoft", Filter { provider: texts(&["microsoft"]), ..day() }, 2, 1, 0).await;
    check("192.0.2.2", Filter { ip: texts(&["192.0.2.2"]), ..day() }, 2, 3, 0).await;
    check("192.0.2.3", Filter { ip: texts(&["192.0.2.3"]), ..day() }, 1, 1, 0).await;
    check("IPv6", Filter { ip: texts(&["2001:DB8:0::5"]), ..day() }, 1, 0, 0).await;
    check("no address", Filter { ip: texts(&[""]), ..day() }, 1, 0, 6).await;
    check("two addresses", Filter { ip: texts(&["192.0.2.2", "2001:db8::5"]), ..day() }, 3, 3, 0).await;
    check("bad address", Filter { ip: texts(&["mx.example.net"]), ..day() }, 0, 0, 0).await;
    check("p2", Filter { pool: texts(&["p2"]), ..day() }, 2, 1, 0).await;
    check("txn", Filter { stream: texts(&["txn"]), ..day() }, 3, 2, 2).await;
    check("beta", Filter { tenant: texts(&["beta"]), ..day() }, 4, 1, 2).await;
    check("b.example.com", Filter { domain: texts(&["b.example.com"]), ..day() }, 4, 1, 2).await;
    check("spring", Filter { campaign: texts(&["spring"]), ..day() }, 3, 3, 3).await;
    check("both", Filter { campaign: texts(&["spring", "summer"]), ..day() }, 5, 3, 4).await;
    check("and", Filter { tenant: texts(&["beta"]), provider: texts(&["google"]), ..day() }, 2, 0, 0).await;
    check("unknown", Filter { tenant: texts(&["no', such"]), ..day() }, 0, 0, 0).await;
}

#[tokio::test]
async fn the_heatmap_shows_the_busiest_pairs_first() {
    let (store, _) = seeded().await;
    let cells = store.provider_ip_heatmap(&day(), 100).await.unwrap();
    let places = |cells: &[HeatCell]| {
        let place = |cell: &HeatCell| (cell.provider.clone(), cell.ip.clone(), (cell.hour_unix - DAY) / HOUR);
        cells.iter().map(place).collect::<Vec<_>>()
    };
    let expect = [
        ("google", "192.0.2.1", 10),
        ("google", "192.0.2.1", 11),
        ("google", "192.0.2.1", 12),
        ("google", "192.0.2.2", 10),
        ("google", "192.0.2.2", 11),
        ("microsoft", "192.0.2.3", 10),
        ("microsoft", "192.0.2.3", 11),
        ("yahoo", "192.0.2.2", 12),
        ("google", "", 12),
        ("microsoft", "2001:db8::5", 11),
        ("other", "192.0.2.1", 11),
    ];
    let expect = expect.map(|(provider, ip, hour)| (provider.to_owned(), ip.to_owned(), hour));
    assert_eq!(places(&cells), expect);
    assert_eq!(cells[0].outcomes, Outcomes { delivered: 2, ..Outcomes::default() });
    assert_eq!(
        cells[7].outcomes,
        Outcomes { deferred: 1, first_deferred: 1, soft: 1, ..Outcomes::default() }
    );
    let busiest = store.provider_ip_heatmap(&day(), 3).await.unwrap();
    assert_eq!(places(&busiest), expect[..3]);
}

#[tokio::test]
async fn latencies_fall_into_quarter_octaves() {
    let (store, _) = seeded().await;
    let of = |buckets: &[(u8, u64)]| Latencies { buckets: buckets.to_vec() };
    // 500 ms, 1 s, 64 min; QJ's is unknown, QN is a notice
    assert_eq!(store.latencies(&day()).await.unwrap(), of(&[(35, 1), (39, 1), (87, 1)]));
    assert_eq!(store.latencies(&between(0, HOUR)).await.unwrap(), of(&[]));
    let widened = store.latencies(&between(10 * HOUR + 1, 10 * HOUR + 2)).await.unwrap();
    assert_eq!(widened, of(&[(35, 1), (39, 1)]), "the whole hour counts");
    let series = store.latency_series(&ever(), 3_600).await.unwrap();
    let series: Vec<_> = series.into_iter().map(|at| ((at.at_unix - DAY) / HOUR, at.latencies)).collect();
    let expect =
        [(-1, of(&[(26, 1)])), (10, of(&[(35, 1), (39, 1)])), (11, of(&[(87, 1)])), (57, of(&[(0, 1)]))];
    assert_eq!(series, expect);
    let fine = store.latency_series(&day(), 900).await.unwrap();
    assert!(fine.iter().all(|at| at.at_unix % HOUR == 0), "steps become hours");
    let by = store.latencies_by(&ever(), Dimension::Provider).await.unwrap();
    let google = of(&[(26, 1), (35, 1), (39, 1), (87, 1)]);
    assert_eq!(by, [("google".to_owned(), google), ("yahoo".to_owned(), of(&[(0, 1)]))]);
    let by = store.latencies_by(&day(), Dimension::Campaign).await.unwrap();
    let spring = of(&[(39, 1), (87, 1)]);
    assert_eq!(by, [("spring".to_owned(), spring), (String::new(), of(&[(35, 1)]))]);
    let by = store.latencies_by(&day(), Dimension::Ip).await.unwrap();
    assert_eq!(by[0], ("192.0.2.1".to_owned(), of(&[(35, 1), (39, 1)])));
}

#[tokio::test]
async fn replies_are_grouped_by_kind() {
    let (store, _) = seeded().await;
    let all = store.responses(&day(), &[], 100).await.unwrap();
    assert_eq!(all.len(), 9);
    let first = ResponseRow {
        event_type: "deferred".into(),
        provider: "google".into(),
        bounce_type: "soft".into(),
        bounce_group: "rate".into(),
        bounce_reason: "ratelimited".into(),
        smtp_code: 421,
        enhanced_code: "4.7.28".into(),
        response_tmpl: 11,
        events: 3,
        sample: "421 4.7.28 slow down".into(),
        first_hour_unix: DAY + 10 * HOUR,
        last_hour_unix: DAY + 12 * HOUR,
    };
    assert_eq!(all[0], first);
    assert_eq!(store.responses(&day(), &[], 1).await.unwrap(), [first]);
    assert_eq!(all.iter().map(|row| row.events).sum::<u64>(), 11);
    let bounced = store.responses(&day(), &["bounced"], 100).await.unwrap();
    assert!(bounced.iter().all(|row| row.event_type == "bounced" && row.events == 1));
    assert_eq!(bounced.len(), 5);
    let unclassified = store.unclassified_responses(&day(), 100).await.unwrap();
    assert_eq!(unclassified.len(), 1);
    assert_eq!((unclassified[0].response_tmpl, unclassified[0].sample.as_str()), (14, "550 it's odd?"));
    assert_eq!(store.responses(&between(0, HOUR), &[], 100).await.unwrap(), []);
}

#[tokio::test]
async fn failures_are_counted_by_class_and_group() {
    let (store, _) = seeded().await;
    let class = |(group, reason, kind, events): (&str, &str, &str, u64)| BounceClassRow {
        bounce_group: group.into(),
        bounce_reason: reason.into(),
        bounce_type: kind.into(),
        events,
    };
    let expect = [
        ("recipient", "userunknown", "hard", 2),
        ("block", "blocked", "block", 1),
        ("quota", "mailboxfull", "soft", 1),
        ("transient", "expired", "soft", 1),
        ("unknown", "undefined", "undetermined", 1),
    ];
    assert_eq!(store.bounce_classes(&ever()).await.unwrap(), expect.map(class));
    assert_eq!(store.bounce_classes(&day()).await.unwrap().len(), 4);
    let at = |(hour, group, events): (i64, &str, u64)| BounceGroupAt {
        at_unix: DAY + hour * HOUR,
        bounce_group: group.into(),
        events,
    };
    let expect =
        [(11, "block", 1), (11, "recipient", 1), (11, "unknown", 1), (12, "quota", 1), (12, "recipient", 1)];
    assert_eq!(store.bounce_group_series(&day(), 900).await.unwrap(), expect.map(at));
}

#[tokio::test]
async fn deferrals_name_the_site_and_count_messages() {
    let (store, _) = seeded().await;
    let rows = store.deferrals(&day(), 10).await.unwrap();
    let google = DeferralRow {
        provider: "google".into(),
        site: "mx1.g.example".into(),
        smtp_code: 421,
        enhanced_code: "4.7.28".into(),
        bounce_reason: "ratelimited".into(),
        attempts: 3,
        messages: 2,
        attempt_max: 2,
        last_unix: DAY + 12 * HOUR + 15 * MINUTE + 5,
        sample: "421 4.7.28 slow down".into(),
    };
    assert_eq!(rows[0], google);
    let sites: Vec<_> = rows.iter().map(|row| (row.site.as_str(), row.attempts)).collect();
    assert_eq!(sites, [("mx1.g.example", 3), ("m.example", 1), ("mx.y.example", 1)]);
    assert_eq!(store.deferrals(&day(), 1).await.unwrap(), [google]);
    assert_eq!(store.deferrals(&between(10 * HOUR + 65, 10 * HOUR + 66), 10).await.unwrap().len(), 1);
    assert_eq!(store.deferrals(&between(10 * HOUR + 64, 10 * HOUR + 65), 10).await.unwrap(), []);
}

#[tokio::test]
async fn deferred_mail_is_followed_to_its_end() {
    let (store, _) = seeded().await;
    let waiting = DAY + 12 * HOUR + 15 * MINUTE + 5;
    let expect = RetryOutcomes {
        deferred_messages: 4,
        recovered: 1,
        expired: 1,
        bounced: 1,
        waiting: 1,
        oldest_waiting_unix: waiting,
    };
    assert_eq!(store.retry_outcomes(&day()).await.unwrap(), expect);
    let recovered = RetryOutcomes { deferred_messages: 1, recovered: 1, ..RetryOutcomes::default() };
    assert_eq!(store.retry_outcomes(&between(10 * HOUR, 11 * HOUR)).await.unwrap(), recovered);
    let after = store.retry_outcomes(&between(20 * HOUR, 21 * HOUR)).await.unwrap();
    assert_eq!(after, RetryOutcomes::default());
}

#[tokio::test]
async fn events_are_paged_without_gap_or_repeat() {
    let (store, _) = seeded().await;
    for limit in [1, 4, 30, 31, 500] {
        let mut search = EventSearch { limit, ..EventSearch::default() };
        let mut seen = Vec::new();
        loop {
            let page = store.events(&ever(), &search).await.unwrap();
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last() else { break };
            search.before = Some((last.event_time_us, last.event_id.clone()));
            seen.extend(page);
        }
        assert!(seen.windows(2).all(|pair| pair[0].event_time_us >= pair[1].event_time_us), "newest first");
        assert_eq!(sorted(numbers(&seen)), (1..=31).collect::<Vec<_>>(), "pages of {limit}");
    }
    let none = EventSearch { limit: 0, ..EventSearch::default() };
    assert_eq!(store.events(&ever(), &none).await.unwrap(), []);
    let odd = EventSearch { limit: 9, before: Some((i64::MIN, "no id".into())), ..EventSearch::default() };
    assert_eq!(store.events(&ever(), &odd).await.unwrap(), []);
}

#[tokio::test]
async fn an_event_is_read_whole() {
    let (store, _) = seeded().await;
    let search = EventSearch {
        term: "QB".into(),
        event_types: texts(&["deferred"]),
        limit: 9,
        ..EventSearch::default()
    };
    let rows = store.events(&day(), &search).await.unwrap();
    let expect = EventRow {
        event_id: id(5),
        event_time_us: (DAY + 10 * HOUR + 20 * MINUTE + 5) * 1_000_000,
        injected_time_us: None,
        received_time_us: (DAY + 4 * 24 * HOUR) * 1_000_000,
        event_type: "deferred".into(),
        source_kind: "postfix".into(),
        source: "mta-a".into(),
        relay: "mta-a".into(),
        queue_id: "QB".into(),
        message_id: "b@m.example".into(),
        recipient: "bob@g.example".into(),
        provider: "google".into(),
        tenant: "acme".into(),
        stream: "news".into(),
        campaign: "spring".into(),
        pool: "p1".into(),
        sending_ip: "192.0.2.2".into(),
        mx_host: "mx1.g.example".into(),
        smtp_code: 421,
        enhanced_code: "4.7.28".into(),
        smtp_stage: "unknown".into(),
        response_text: "421 4.7.28 slow down".into(),
        response_tmpl: 11,
        bounce_type: "soft".into(),
        bounce_group: "rate".into(),
        bounce_reason: "ratelimited".into(),
        attempt: 2,
        trust: "none".into(),
        tags: vec![("n".into(), "5".into())],
        ..EventRow::default()
    };
    assert_eq!(rows[0], expect);
    assert_eq!(numbers(&rows), [5, 4]);
}

#[tokio::test]
async fn a_term_finds_what_it_looks_like() {
    let (store, _) = seeded().await;
    for (term, expect) in [
        ("ann@g.example", vec![2, 17, 18, 28]),
        (" <Ann@G.Example> ", vec![2, 17, 18, 28]),
        ("a@m.example", vec![1, 2, 17, 18, 28]),
        ("<d@m.example>", vec![9, 10, 11]),
        ("Y.example", vec![21, 25, 29, 30]),
        ("QB", vec![3, 4, 5, 6]),
        ("qb", vec![]),
        ("QA", vec![1, 2, 24, 25, 26, 28]),
        ("pm-77", vec![27]),
        ("nobody@g.example", vec![]),
        ("';--", vec![]),
    ] {
        let search = EventSearch { term: term.into(), limit: 100, ..EventSearch::default() };
        let rows = store.events(&ever(), &search).await.unwrap();
        assert_eq!(sorted(numbers(&rows)), expect, "{term}");
        assert_eq!(store.event_count(&ever(), &search).await.unwrap(), expect.len() as u64, "{term}");
    }
}

#[tokio::test]
async fn a_search_narrows_by_each_column() {
    let (store, _) = seeded().await;
    let check = async |search: EventSearch, expect: &[u32]| {
        let rows = store.events(&ever(), &EventSearch { limit: 100, ..search.clone() }).await.unwrap();
        assert_eq!(sorted(numbers(&rows)), expect, "{search:?}");
    };
    let any = EventSearch::default();
    check(EventSearch { event_types: texts(&["complained", "unsubscribed"]), ..any.clone() }, &[17, 18])
        .await;
    check(EventSearch { event_types: texts(&["no_such_type"]), ..any.clone() }, &[]).await;
    check(EventSearch { bounce_types: texts(&["hard"]), ..any.clone() }, &[8, 28]).await;
    check(EventSearch { bounce_groups: texts(&["block", "quota"]), ..any.clone() }, &[10, 21]).await;
    check(EventSearch { bounce_reasons: texts(&["undefined"]), ..any.clone() }, &[11]).await;
    check(EventSearch { smtp_codes: vec![552, 554], ..any.clone() }, &[10, 21]).await;
    check(EventSearch { enhanced_codes: texts(&["4.4.7"]), ..any.clone() }, &[14]).await;
    check(EventSearch { response_tmpl: Some(12), ..any.clone() }, &[8, 28]).await;
    check(EventSearch { smtp_codes: vec![550], term: "carl@m.example".into(), ..any.clone() }, &[8]).await;
    let search = EventSearch { limit: 9, ..any };
    let on_the_hour = store.events(&between(11 * HOUR, 11 * HOUR + 1), &search).await.unwrap();
    assert_eq!(numbers(&on_the_hour), [8]);
    let before_it = store.events(&between(11 * HOUR - 1, 11 * HOUR), &search).await.unwrap();
    assert_eq!(numbers(&before_it), [7]);
}

#[tokio::test]
async fn a_trace_is_the_whole_life_of_one_message() {
    let (store, _) = seeded().await;
    let trace = async |relay: &str, queue: &str, message: &str| {
        numbers(&store.trace(relay, queue, message).await.unwrap())
    };
    assert_eq!(trace("mta-a", "QB", "b@m.example").await, [3, 4, 5, 6]);
    assert_eq!(trace("mta-a", "QB", "").await, [3, 4, 5, 6]);
    let feedback = trace("mta-a", "QA", "a@m.example").await;
    assert_eq!(feedback[..2], [1, 2]);
    assert_eq!(
        sorted(feedback),
        [1, 2, 17, 18, 28],
        "with feedback, without the message that has the queue id now"
    );
    assert_eq!(trace("mta-a", "QC", "c@m.example").await, [7, 8, 22, 23], "with the notice about it");
    assert_eq!(trace("mta-b", "QA", "").await, [26], "another relay's queue id");
    assert_eq!(trace("", "", "d@m.example").await, [9, 10, 11]);
    assert!(trace("mta-a", "no such", "").await.is_empty());
    assert!(trace("", "", "").await.is_empty());
}

#[tokio::test]
async fn the_ledger_is_summed_by_source_and_step() {
    let (store, client) = seeded().await;
    let rows = "INSERT INTO ledger_minute VALUES \
                ('2026-11-10 10:00:00', 'postfix', 'mta-a', 5, 1, 2, 1, 6), \
                ('2026-11-10 10:01:00', 'postfix', 'mta-a', 1, 0, 0, 0, 1), \
                ('2026-11-10 10:01:00', 'kumomta', 'k', 3, 0, 0, 0, 3), \
                ('2026-11-10 11:00:00', 'postfix', 'mta-a', 7, 0, 0, 0, 7)";
    client.query_raw(rows).execute().await.unwrap();
    let ten = range(DAY + 10 * HOUR, DAY + 11 * HOUR);
    let row = |source_kind: &str, source: &str, stored, duplicate, no_event, rejected, events| LedgerRow {
        at_unix: DAY + 10 * HOUR,
        source_kind: source_kind.into(),
        source: source.into(),
        stored,
        duplicate,
        no_event,
        rejected,
        events,
    };
    let expect = [row("kumomta", "k", 3, 0, 0, 0, 3), row("postfix", "mta-a", 6, 1, 2, 1, 7)];
    assert_eq!(store.ledger(&ten, 3_600).await.unwrap(), expect);
    assert_eq!(store.ledger(&ten, 60).await.unwrap().len(), 3);
    assert_eq!(store.ledger(&range(DAY, DAY + HOUR), 60).await.unwrap(), []);
}

#[tokio::test]
async fn freshness_and_extent_know_the_newest_event() {
    let (store, _) = seeded().await;
    let source = |source: &str, last_unix: i64, events| SourceFreshness {
        source_kind: "postfix".into(),
        source: source.into(),
        last_event_us: last_unix * 1_000_000,
        last_received_us: (DAY + 4 * 24 * HOUR) * 1_000_000,
        events,
    };
    let newest = DAY + 3 * 24 * HOUR + 12 * HOUR;
    let quota = DAY + 12 * HOUR + 40 * MINUTE;
    assert_eq!(store.freshness().await.unwrap(), [source("mta-a", newest, 23), source("mta-b", quota, 8)]);
    assert_eq!(store.extent().await.unwrap(), Some(range(DAY - 1, newest + 1)));
}

#[tokio::test]
async fn an_empty_store_has_no_answers() {
    let (store, _) = crate::support::store().await;
    assert_eq!(store.extent().await.unwrap(), None);
    assert_eq!(store.freshness().await.unwrap(), []);
    assert_eq!(store.outcome_totals(&between(30, 90)).await.unwrap(), Outcomes::default());
    assert_eq!(store.outcome_series(&day(), 60).await.unwrap(), []);
    assert_eq!(store.retry_outcomes(&day()).await.unwrap(), RetryOutcomes::default());
    assert_eq!(store.dimension_values(&day().range, 10).await.unwrap(), []);
    assert_eq!(store.reject_counts().await.unwrap(), []);
    assert_eq!(store.rejects(None, None, 10, None).await.unwrap(), []);
    assert_eq!(store.trace("mta-a", "QA", "").await.unwrap(), []);
}

#[tokio::test]
async fn the_filter_bar_offers_what_sent_mail() {
    let (store, _) = seeded().await;
    let rows = store.dimension_values(&day().range, 100).await.unwrap();
    let of = |dimension: Dimension| {
        let rows = rows.iter().filter(|row| row.dimension == dimension.name());
        rows.map(|row| (row.value.as_str(), row.sent)).collect::<Vec<_>>()
    };
    assert_eq!(of(Dimension::Provider), [("google", 5), ("microsoft", 2), ("other", 1), ("yahoo", 1)]);
    assert_eq!(of(Dimension::Ip), [("192.0.2.1", 4), ("192.0.2.2", 2), ("2001:db8::5", 1), ("192.0.2.3", 1)]);
    assert_eq!(of(Dimension::Pool), [("p1", 6), ("p2", 2)]);
    assert_eq!(of(Dimension::Stream), [("news", 6), ("txn", 3)]);
    assert_eq!(of(Dimension::Tenant), [("acme", 5), ("beta", 4)]);
    assert_eq!(
        of(Dimension::Domain),
        [("b.example.com", 4), ("news.example.com", 3), ("txn.example.com", 2)]
    );
    assert_eq!(of(Dimension::Campaign), [("spring", 3), ("summer", 2)]);
    let first = store.dimension_values(&day().range, 1).await.unwrap();
    assert_eq!(first.len(), Dimension::ALL.len());
    let hour = range(DAY + 10 * HOUR + 1, DAY + 10 * HOUR + 2);
    assert!(
        store
            .dimension_values(&hour, 10)
            .await
            .unwrap()
            .iter()
            .any(|row| row.value == "google" && row.sent == 2)
    );
}

#[tokio::test]
async fn rejects_are_shown_in_their_newest_version() {
    let (store, client) = crate::support::store().await;
    let reject = |number: u32, version: u32, state: &str, minute: u32, kind: &str, reason: &str| {
        format!(
            "INSERT INTO rejects SELECT '{}', {version}, '{state}', '2026-11-10 10:{minute:02}:00', '{kind}', 'mta-a', \
             '{reason}', 'byte 0 is bad', 2000, 77, concat(unhex('ff00'), repeat('x', 1998))",
            id(number)
        )
    };
    for sql in [
        reject(1, 1, "open", 0, "postfix", "syntax"),
        reject(2, 1, "open", 1, "postfix", "syntax"),
        reject(3, 1, "open", 1, "kumomta", "bad_time"),
        reject(2, 2, "replayed", 1, "postfix", "syntax"),
    ] {
        client.query_raw(&sql).execute().await.unwrap();
    }
    let count = |kind: &str, reason: &str, open, replayed| RejectCount {
        source_kind: kind.into(),
        source: "mta-a".into(),
        reason: reason.into(),
        open,
        replayed,
        last_received_us: (DAY + 10 * HOUR + MINUTE) * 1_000_000,
    };
    let expect = [count("kumomta", "bad_time", 1, 0), count("postfix", "syntax", 1, 1)];
    assert_eq!(store.reject_counts().await.unwrap(), expect);

    let ids = |rows: &[RejectRow]| rows.iter().map(|row| row.reject_id.clone()).collect::<Vec<_>>();
    let all = store.rejects(None, None, 10, None).await.unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(all[2].reject_id, id(1), "newest first");
    let mut paged = Vec::new();
    let mut before = None;
    while let [row] = &store.rejects(None, None, 1, before.clone()).await.unwrap()[..] {
        before = Some((row.received_time_us, row.reject_id.clone()));
        paged.push(row.clone());
    }
    assert_eq!(paged, all);
    assert_eq!(ids(&store.rejects(Some("kumomta"), None, 10, None).await.unwrap()), [id(3)]);
    assert_eq!(ids(&store.rejects(Some("postfix"), Some("syntax"), 10, None).await.unwrap()), [id(2), id(1)]);
    assert_eq!(store.rejects(Some("kumomta"), Some("syntax"), 10, None).await.unwrap(), []);

    let whole = store.reject(&id(2)).await.unwrap().unwrap();
    assert_eq!((whole.state.as_str(), whole.size_bytes, whole.file_offset), ("replayed", 2000, 77));
    assert_eq!((whole.bytes.len(), &whole.bytes[..3]), (2000, &b"\xff\x00x"[..]));
    let excerpt = &all.iter().find(|row| row.reject_id == id(2)).unwrap().bytes;
    assert_eq!(excerpt[..], whole.bytes[..1024]);
    assert_eq!(store.reject(&id(9)).await.unwrap(), None);
    assert_eq!(store.reject("no id").await.unwrap(), None);
}

#[tokio::test]
async fn a_refusal_names_the_question() {
    let (store, client) = crate::support::store().await;
    client.query("DROP TABLE values_hour").execute().await.unwrap();
    let error = store.dimension_values(&day().range, 10).await.unwrap_err();
    assert_eq!(error.to_string(), "query `dimension_values` failed");
}
