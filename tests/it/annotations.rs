//! Marks on the charts: written once for what happened, whatever is killed in between; shown where they belong.

use crate::dns_server::World;
use crate::support::{Place, Server, repository, store};
use clickhouse::Client;
use relaylens::config::{Blocklists, Reputation};
use relaylens::model::Timestamp;
use relaylens::reputation::posture::PolicyFetch;
use relaylens::reputation::watch::{Parts, Watcher};
use relaylens::store::Store;
use relaylens::store::query::{Filter, MarkRow, TimeRange};

const T0: i64 = 1_785_585_600;
const DAY: i64 = 86_400;
const SPF: &str = "v=spf1 ip4:192.0.2.7 -all";

fn watcher(world: &World, store: &Store) -> Watcher {
    let blocklists = Blocklists { enabled: false, ..Blocklists::default() };
    let domains = vec!["shop.example".to_owned()];
    let settings =
        Reputation { domains, dns_hours: 24, discover: false, blocklists, ..Reputation::default() };
    let dns = world.dns();
    let policies = PolicyFetch::new(&dns, crate::dns_posture::tls(&[]), 443);
    Watcher::new(Parts { store: store.clone(), dns, policies, lists: Vec::new(), settings })
}

async fn step(watcher: &mut Watcher, day: i64) {
    watcher.step(Timestamp::from_seconds(T0 + day * DAY)).await.unwrap();
}

async fn marks(store: &Store, filter: Filter) -> Vec<MarkRow> {
    store.marks(&filter, 100).await.unwrap()
}

fn always() -> Filter {
    Filter::all(TimeRange { from_unix: T0 - DAY, to_unix: T0 + 90 * DAY })
}

async fn titles(store: &Store) -> Vec<String> {
    let spf = |row: &MarkRow| row.kind == "dns" && row.title.contains(": spf ");
    marks(store, always()).await.into_iter().filter(spf).map(|row| row.title).collect()
}

#[tokio::test]
async fn a_change_of_the_dns_is_marked_once_over_restarts() {
    let world = World::start().await;
    world.txt("shop.example", &[SPF]);
    let (store, client) = store().await;
    let mut first = watcher(&world, &store);
    step(&mut first, 0).await;
    assert_eq!(titles(&store).await, Vec::<String>::new(), "what stands at the first look is no change");
    world.remove("shop.example");
    step(&mut first, 1).await;
    assert_eq!(titles(&store).await, ["shop.example: spf pass to fail"]);
    drop(first);
    for day in [2, 3] {
        step(&mut watcher(&world, &store), day).await;
    }
    assert_eq!(titles(&store).await, ["shop.example: spf pass to fail"]);
    let of = |domain: &str| Filter { domain: vec![domain.to_owned()], ..always() };
    assert!(!marks(&store, of("shop.example")).await.is_empty());
    assert_eq!(marks(&store, of("other.example")).await, []);

    // A crash between the change and all that follows it: the change stands alone, without mark and snapshot.
    world.txt("shop.example", &[SPF]);
    let at = T0 + 4 * DAY;
    let sql = format!(
        "INSERT INTO dns_changes (change_time, subject, kind, check, state_before, state, value_before, value, told) \
         SELECT toDateTime({at}), 'shop.example', 'domain', 'spf', 'fail', 'pass', '', \
         (SELECT any(value) FROM dns_findings WHERE check = 'spf' AND state = 'pass'), 'Told.'"
    );
    client.query_raw(&sql).execute().await.unwrap();
    for day in [5, 6] {
        step(&mut watcher(&world, &store), day).await;
    }
    assert_eq!(titles(&store).await, ["shop.example: spf fail to pass", "shop.example: spf pass to fail"]);
    let changes =
        client.query("SELECT count() FROM dns_changes WHERE check = 'spf'").fetch_one::<u64>().await;
    assert_eq!(changes.unwrap(), 2, "it is not found again");
}

/// Incidents of a rule that fire at a time, each for a value of a dimension.
async fn fire(client: &Client, rule: &str, name: &str, values: u32, at: i64) {
    let sql = format!(
        "INSERT INTO alert_transitions (incident_id, seq, at, step, state, rule, severity, labels) \
         SELECT generateUUIDv4(), 2, toDateTime64({at}, 6, 'UTC'), 'firing', 'firing', '{rule}', 'warning', \
         map('{name}', concat('v', toString(number))) FROM numbers({values})"
    );
    client.query_raw(&sql).execute().await.unwrap();
}

#[tokio::test]
async fn marks_are_bounded_and_incidents_of_one_moment_are_one() {
    let (store, client) = store().await;
    fire(&client, "block_on_ip", "ip", 300, T0 + 60).await;
    fire(&client, "deferral_spike", "provider", 2, T0 + 7_200).await;
    let sql = format!(
        "INSERT INTO annotations (annotation_id, at, until, kind, title, author) \
         SELECT generateUUIDv4(), toDateTime64({T0} + number * 60, 6, 'UTC') AS moment, moment, if(number < 50, 'rule_run', 'user'), \
         concat('t', toString(number)), 'ann' FROM numbers(80)"
    );
    client.query_raw(&sql).execute().await.unwrap();
    let all = store.marks(&always(), 20).await.unwrap();
    assert_eq!((all.len(), all[0].total), (20, 82), "300 incidents of one minute are one mark, 2 another");
    assert!(all.iter().all(|row| row.kind != "rule_run"), "what comes every hour comes last");
    let many: Vec<u64> =
        marks(&store, always()).await.iter().filter(|r| r.kind == "incident").map(|r| r.many).collect();
    assert_eq!(many, [2, 300]);

    let one = Filter { ip: vec!["v7".to_owned()], ..always() };
    let of_ip: Vec<_> = marks(&store, one).await.into_iter().filter(|row| row.kind == "incident").collect();
    let told: Vec<_> = of_ip.iter().map(|row| (row.title.as_str(), row.many)).collect();
    assert_eq!(told, [("deferral_spike", 2), ("block_on_ip", 1)], "of other addresses nothing is said");
}

async fn shows(server: &Server, path: &str, wanted: &[&str], unwanted: &[&str]) {
    let page = server.text(path).await;
    for words in wanted {
        assert!(page.contains(words), "{path} does not show `{words}`:\n{page}");
    }
    for words in unwanted {
        assert!(!page.contains(words), "{path} shows `{words}`");
    }
}

#[tokio::test]
async fn each_page_with_a_chart_shows_what_happened_meanwhile() {
    let place = Place::new("[alerts]\nenabled = false\n");
    let log = repository("tests/data/postfix/mx.maillog");
    place.run_well("import", &["--format", "postfix", "--source", "lab", log.to_str().unwrap()]);
    let server = place.serve().await;
    let newest = server.count("SELECT toUInt64(max(toUnixTimestamp(event_time))) FROM events").await;
    let at = jiff::Timestamp::from_second(newest.cast_signed()).unwrap();
    let minute = |unix: i64| jiff::Timestamp::from_second(unix).unwrap().to_string()[..16].to_owned();
    let (from, to) = (minute(at.as_second() - 6 * 3_600), minute(at.as_second() + 6 * 3_600));
    for (title, labels) in [("all <mail>", "{}"), ("one domain", "{\"domain\": \"elsewhere.example\"}")] {
        let body = format!(
            "{{\"title\": \"{title}\", \"author\": \"ann\", \"at\": \"{at}\", \"labels\": {labels}}}"
        );
        assert_eq!(server.post("/api/v1/annotations", body).await.status, 201);
    }
    for page in ["/", "/deferrals", "/bounces"] {
        let path = format!("{page}?from={from}&to={to}");
        shows(&server, &path, &["2 marked", "all &#60;mail&#62;", "one domain"], &["all <mail>"]).await;
        let other = format!("{path}&domain=other.example");
        shows(&server, &other, &[], &["one domain"]).await;
    }
    let later = minute(at.as_second() + 60 * DAY);
    shows(&server, &format!("/health?from={to}&to={later}"), &[], &["all &#60;mail&#62;"]).await;
    server.stop().await;
}
