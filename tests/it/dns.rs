//! Blocklists: lists with every fault, asked over a real name server; what is believed, and when; what it costs.

use crate::dns_server::{Manner, World};
use crate::support::{Place, store};
use relaylens::config::{Blocklists, Reputation};
use relaylens::model::{ListKind, ListState, ListTest, Timestamp};
use relaylens::reputation::Dns;
use relaylens::reputation::blocklist::{BlockList, Budget, ListRound, Registry, Round};
use relaylens::reputation::posture::PolicyFetch;
use relaylens::reputation::watch::{Parts, Watcher};
use relaylens::store::Store;
use relaylens::store::query::{ListingChangeRow, TimeRange};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ListState::{Clean, Listed, Unknown};

pub(crate) const LISTED: &str = "192.0.2.7";
const CLEAN: &str = "192.0.2.8";
pub(crate) const T0: i64 = 1_785_585_600;

/// A list of the test's own, in the words of the registry.
pub(crate) fn list_text(name: &str, tier: u8, asks: &str) -> String {
    format!(
        "[[list]]\nname = \"{name}\"\ntitle = \"{name}\"\nzone = \"{name}.bl.example\"\nasks = [{asks}]\ntier = {tier}\n\
         asked = \"always\"\nsource = \"this test\"\ncodes = [{{ match = \"127.0.0.2\", name = \"spam\" }}, \
         {{ match = \"127.0.0.9\", name = \"good\", meaning = \"good\" }}]\n"
    )
}

fn lists(names: &[&str], asks: &str) -> Vec<BlockList> {
    let text: String = names.iter().map(|name| list_text(name, 1, asks)).collect();
    let own = Registry::with_overlay(&text).unwrap().lists;
    own.into_iter().filter(|list| list.zone.ends_with(".bl.example")).collect()
}

/// Puts the entries that a list must have, and one listing.
pub(crate) fn fill(world: &World, name: &str) {
    world.zone(&format!("{name}.bl.example"), Manner::Honest);
    world.ips(&format!("2.0.0.127.{name}.bl.example"), &["127.0.0.2"]);
    list(world, name, LISTED);
}

pub(crate) fn entry(name: &str, ip: &str) -> String {
    let [a, b, c, d] = ip.parse::<Ipv4Addr>().unwrap().octets();
    format!("{d}.{c}.{b}.{a}.{name}.bl.example")
}

pub(crate) fn list(world: &World, name: &str, ip: &str) {
    world.ips(&entry(name, ip), &["127.0.0.2"]);
    world.txt(&entry(name, ip), &["see bl.example"]);
}

async fn ask(dns: &Dns, list: &BlockList, subjects: &[&str]) -> ListRound {
    let subjects: Vec<String> = subjects.iter().map(|subject| (*subject).to_owned()).collect();
    let round = Round { dns, list, kind: ListKind::Ip4, day: 0 };
    round.ask(&subjects, &mut Budget::new(1_000, 0, 0)).await
}

#[tokio::test]
async fn each_kind_of_list_is_judged_for_what_it_is() {
    let world = World::start().await;
    let names = ["working", "dead", "refusing", "slow", "wildcard", "parked", "error", "empty", "odd"];
    for name in names {
        fill(&world, name);
    }
    world.zone("dead.bl.example", Manner::Failing);
    world.zone("refusing.bl.example", Manner::Refusing);
    world.zone("slow.bl.example", Manner::Mute);
    world.zone("wildcard.bl.example", Manner::Always([127, 0, 0, 2]));
    world.zone("parked.bl.example", Manner::Always([203, 0, 113, 9]));
    world.zone("error.bl.example", Manner::Always([127, 255, 255, 254]));
    world.remove("2.0.0.127.empty.bl.example");
    world.ips(&entry("odd", CLEAN), &["127.0.0.77"]);
    let dns = world.dns();
    let mut told = Vec::new();
    for list in lists(&names, "\"ip4\"") {
        let round = ask(&dns, &list, &[LISTED, CLEAN]).await;
        let states: Vec<_> = round.answers.iter().map(|(_, heard)| heard.verdict.state).collect();
        assert_eq!(round.detail.is_empty(), round.test == ListTest::Passed, "{round:?}");
        told.push((list.name.clone(), round.test, states));
    }
    let expected = [
        ("working", ListTest::Passed, [Listed, Clean]),
        ("dead", ListTest::Silent, [Unknown, Unknown]),
        ("refusing", ListTest::Silent, [Unknown, Unknown]),
        ("slow", ListTest::Silent, [Unknown, Unknown]),
        ("wildcard", ListTest::Wildcard, [Unknown, Unknown]),
        ("parked", ListTest::Refused, [Unknown, Unknown]),
        ("error", ListTest::Refused, [Unknown, Unknown]),
        ("empty", ListTest::Empty, [Unknown, Unknown]),
        ("odd", ListTest::Passed, [Listed, Unknown]),
    ];
    let expected: Vec<_> =
        expected.into_iter().map(|(name, test, states)| (name.to_owned(), test, states.to_vec())).collect();
    assert_eq!(told, expected);
    assert!(world.asked("dead.bl.example") <= 4, "a list that fails its test is asked no more");
}

#[tokio::test]
async fn a_subdomain_is_asked_about_by_its_registered_domain() {
    let world = World::start().await;
    world.ips("test.names.bl.example", &["127.0.0.2"]);
    world.ips("shop.example.names.bl.example", &["127.0.0.2"]);
    let list = lists(&["names"], "\"domain\"").remove(0);
    let dns = world.dns();
    let round = Round { dns: &dns, list: &list, kind: ListKind::Domain, day: 0 };
    let subjects = ["bounce.shop.example".to_owned(), "other.example".to_owned()];
    let round = round.ask(&subjects, &mut Budget::new(100, 0, 0)).await;
    let states: Vec<_> = round.answers.iter().map(|(_, heard)| heard.verdict.state).collect();
    assert_eq!((round.test, states), (ListTest::Passed, vec![Listed, Clean]));
}

#[tokio::test]
async fn a_list_that_stops_answering_is_left_alone() {
    let world = World::start().await;
    world.ips("2.0.0.127.sick.bl.example", &["127.0.0.2"]);
    // The zone answers for its test entries; below it, the network of the subjects is another zone that is mute.
    world.zone("192.sick.bl.example", Manner::Failing);
    let sick = lists(&["sick"], "\"ip4\"").remove(0);
    let subjects: Vec<String> = (0..200).map(|host| format!("192.0.2.{host}")).collect();
    // 192.0.2.x is asked as x.2.0.192.sick…
    let names: Vec<&str> = subjects.iter().map(String::as_str).collect();
    let round = ask(&world.dns(), &sick, &names).await;
    assert_eq!(round.count(Unknown), 200);
    let asked = world.asked("192.sick.bl.example");
    assert!(asked < 200, "{asked} questions to a list that does not answer");
    assert!(round.answers.last().unwrap().1.verdict.reason.contains("stopped answering"));
}

/// A watcher over a list, with a store of its own.
pub(crate) struct Watch {
    pub(crate) world: World,
    pub(crate) store: Store,
    watcher: Watcher,
    lists: Vec<BlockList>,
    settings: Reputation,
}

impl Watch {
    pub(crate) async fn new(names: &[&str], ips: Vec<IpAddr>, asks: &str, per_day: u32) -> Self {
        let world = World::start().await;
        let (store, _) = store().await;
        let blocklists = Blocklists { queries_per_day_max: per_day, ..Blocklists::default() };
        let settings = Reputation { ips, dns_hours: 0, discover: false, blocklists, ..Reputation::default() };
        let lists = lists(names, asks);
        let watcher = watcher(&world, &store, &lists, &settings);
        Self { world, store, watcher, lists, settings }
    }

    /// A new process over the same store.
    fn restart(&mut self) {
        self.watcher = watcher(&self.world, &self.store, &self.lists, &self.settings);
    }

    pub(crate) async fn at(&mut self, minutes: i64) {
        self.watcher.step(Timestamp::from_seconds(T0 + minutes * 60)).await.unwrap();
    }

    async fn changes(&self) -> Vec<ListingChangeRow> {
        let range = TimeRange { from_unix: T0 - 1, to_unix: T0 + 90 * 86_400 };
        let mut changes = self.store.listing_changes(range, None, 1_000).await.unwrap();
        changes.reverse();
        changes
    }

    /// The changes in short: minute, subject, state, whether they are news.
    async fn told(&self) -> Vec<(i64, String, String, bool)> {
        let short = |row: ListingChangeRow| ((row.at_unix - T0) / 60, row.subject, row.state, !row.is_first);
        self.changes().await.into_iter().map(short).collect()
    }
}

fn watcher(world: &World, store: &Store, lists: &[BlockList], settings: &Reputation) -> Watcher {
    let dns = world.dns();
    let policies = PolicyFetch::new(&dns, crate::dns_posture::tls(&[]), 443);
    Watcher::new(Parts {
        store: store.clone(),
        dns,
        policies,
        lists: lists.to_vec(),
        settings: settings.clone(),
    })
}

pub(crate) fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn news(minute: i64, ip: &str, state: &str, is_news: bool) -> (i64, String, String, bool) {
    (minute, ip.to_owned(), state.to_owned(), is_news)
}

#[tokio::test]
async fn the_first_check_is_silent_and_a_change_is_told_when_it_was_seen_twice() {
    let mut watch = Watch::new(&["own"], ips(&[LISTED, CLEAN]), "\"ip4\"", 1_000).await;
    fill(&watch.world, "own");
    watch.at(0).await;
    assert_eq!(watch.told().await, [news(0, LISTED, "listed", false)]);

    list(&watch.world, "own", CLEAN);
    watch.at(60).await;
    assert_eq!(watch.told().await.len(), 1, "one sign is no news");
    watch.at(65).await;
    assert_eq!(watch.told().await.len(), 1, "it is not yet time to ask again");
    watch.at(71).await;
    assert_eq!(watch.told().await[1..], [news(71, CLEAN, "listed", true)]);
    let change = watch.changes().await.remove(1);
    assert_eq!(
        (change.codes, change.text.as_str(), change.tier),
        (vec!["spam".to_owned()], "see bl.example", 1)
    );

    watch.world.remove(&entry("own", CLEAN));
    watch.at(130).await;
    watch.at(141).await;
    assert_eq!(watch.told().await[2..], [news(141, CLEAN, "clean", true)]);
}

#[tokio::test]
async fn a_list_that_dies_delists_nobody_and_alerts_nobody() {
    let mut watch = Watch::new(&["own"], ips(&[LISTED, CLEAN]), "\"ip4\"", 100_000).await;
    fill(&watch.world, "own");
    watch.at(0).await;
    let faults = [
        Manner::Failing,
        Manner::Refusing,
        Manner::Always([127, 0, 0, 2]),
        Manner::Always([127, 255, 255, 255]),
        Manner::Always([203, 0, 113, 9]),
    ];
    let mut minute = 0;
    for fault in faults {
        watch.world.zone("own.bl.example", fault);
        for _ in 0..3 {
            minute += 61;
            watch.at(minute).await;
        }
        let standing = watch.store.listings(0).await.unwrap();
        let states: Vec<_> = standing.iter().map(|row| (row.state.as_str(), row.seen.as_str())).collect();
        assert_eq!(states, [("listed", "unknown"), ("clean", "unknown")], "{fault:?}");
        assert!(standing.iter().all(|row| !row.reason.is_empty()));
    }
    // Empty: each name is gone, the test entry, too. To one who does not test, this is a delisting.
    watch.world.zone("own.bl.example", Manner::Honest);
    watch.world.remove("2.0.0.127.own.bl.example");
    watch.world.remove(&entry("own", LISTED));
    for _ in 0..3 {
        minute += 61;
        watch.at(minute).await;
    }
    assert_eq!(watch.told().await, [news(0, LISTED, "listed", false)]);
}

#[tokio::test]
async fn a_restart_between_two_signs_loses_and_doubles_nothing() {
    let mut watch = Watch::new(&["own"], ips(&[CLEAN]), "\"ip4\"", 1_000).await;
    fill(&watch.world, "own");
    watch.at(0).await;
    list(&watch.world, "own", CLEAN);
    watch.at(60).await;
    watch.restart();
    watch.at(62).await;
    assert_eq!(watch.told().await, [news(62, CLEAN, "listed", true)], "the sign was known, and is confirmed");
    watch.restart();
    watch.at(63).await;
    watch.at(125).await;
    assert_eq!(watch.told().await.len(), 1);
}

#[tokio::test]
async fn a_thousand_addresses_on_twenty_lists_stay_within_the_budget() {
    let names: Vec<String> = (0..20).map(|number| format!("list{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let four = [[192, 0, 2], [198, 51, 100], [203, 0, 113]].into_iter();
    let four = four.flat_map(|[a, b, c]| (0..=255).map(move |d| IpAddr::V4(Ipv4Addr::new(a, b, c, d))));
    let six = (0..232).map(|host| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host)));
    let all: Vec<IpAddr> = four.chain(six).collect();
    assert_eq!(all.len(), 1_000);
    let mut watch = Watch::new(&names, all, "\"ip4\", \"ip6\"", 100_000).await;
    for name in &names {
        fill(&watch.world, name);
        let six = format!("2.0.0.0.0.0.f.7.f.f.f.f{}.{name}.bl.example", ".0".repeat(20));
        watch.world.ips(&six, &["127.0.0.2"]);
    }
    watch.at(0).await;
    let asked = |watch: &Watch| {
        names.iter().map(|name| watch.world.asked(&format!("{name}.bl.example"))).sum::<u64>()
    };
    // Each subject, two test entries for each of two kinds, and the text of the one that is listed.
    assert_eq!(asked(&watch), 20 * (1_000 + 4 + 1), "questions");
    let standing = watch.store.listings(0).await.unwrap();
    assert_eq!(standing.len(), 20_000);
    assert_eq!(standing.iter().filter(|row| row.state == "listed").count(), 20);
    assert_eq!(standing.iter().filter(|row| row.state == "unknown").count(), 0);
    watch.at(30).await;
    assert_eq!(asked(&watch), 20_100, "nothing is due");
    let tests = watch.store.list_tests(T0 + 60).await.unwrap();
    let queries: u64 = tests.iter().map(|row| row.queries_today).sum();
    assert_eq!(queries, 20_100, "what was counted is what was asked");
}

#[tokio::test]
async fn a_spent_budget_asks_no_more_and_what_was_not_asked_is_unknown() {
    let all: Vec<IpAddr> = (0..100).map(|host| IpAddr::V4(Ipv4Addr::new(192, 0, 2, host))).collect();
    let mut watch = Watch::new(&["own"], all, "\"ip4\"", 50).await;
    fill(&watch.world, "own");
    watch.at(0).await;
    watch.at(120).await;
    watch.restart();
    watch.at(240).await;
    assert_eq!(watch.world.asked("own.bl.example"), 50);
    let standing = watch.store.listings(0).await.unwrap();
    let unasked: Vec<_> = standing.iter().filter(|row| row.seen == "unknown").collect();
    assert!(unasked.len() >= 51, "{}", unasked.len());
    assert!(unasked[0].reason.contains("budget of 50"), "{:?}", unasked[0]);
}

#[test]
fn a_dead_list_in_the_settings_is_refused_and_a_key_is_never_shown() {
    let place = Place::new("");
    std::fs::write(
        place.file("lists.toml"),
        list_text("sorbs", 1, "\"ip4\"").replace("sorbs.bl.example", "dnsbl.sorbs.net"),
    )
    .unwrap();
    std::fs::write(place.file("dqs.key"), "sesame-open\n").unwrap();
    let file = |name: &str| toml::Value::from(place.file(name).to_str().unwrap()).to_string();
    place.set(&format!("[reputation.blocklists]\nregistry_file = {}\n", file("lists.toml")));
    let error = place.run_badly("check-config", &[]);
    assert!(error.contains("dnsbl.sorbs.net") && error.contains("2024"), "{error}");
    place.set(&format!("[reputation.blocklists.key_files]\nspamhaus = {}\n", file("dqs.key")));
    let shown = place.run_well("check-config", &[]);
    assert!(shown.contains("dqs.key") && !shown.contains("sesame"), "{shown}");
}

#[tokio::test]
async fn a_relay_asks_how_much_it_may_send_and_why_not_more() {
    const DAY_S: i64 = 86_400;
    let now = jiff::Timestamp::now().as_second();
    let today = now.div_euclid(DAY_S) * DAY_S;
    let date = |unix: i64| jiff::Timestamp::from_second(unix).unwrap().to_string()[..10].to_owned();
    let begin = date(today - 2 * DAY_S);
    let place = Place::new(&format!(
        "[reputation]\ndns_hours = 0\n[reputation.blocklists]\nenabled = false\n[[reputation.warmups]]\n\
         subject = \"{LISTED}\"\nbegin = \"{begin}\"\nvolumes = [100, 200, 400]\n"
    ));
    let server = place.serve().await;
    let mut lines = String::new();
    for (day_unix, delivered, hard) in [(today - 2 * DAY_S, 100, 0), (today - DAY_S, 194, 6), (today, 5, 0)] {
        for number in 0..delivered + hard {
            let bounced = number >= delivered;
            let (kind, reply) =
                if bounced { ("bounced", "550 5.1.1 User unknown") } else { ("delivered", "250 2.0.0 Ok") };
            let time = jiff::Timestamp::from_second(day_unix).unwrap();
            let event = serde_json::json!({
                "event_type": kind,
                "event_time": time.to_string(),
                "recipient": format!("u{number}@example.com"),
                "sending_ip": LISTED,
                "queue_id": format!("{day_unix}x{number}"),
                "smtp_code": reply[..3].parse::<u16>().unwrap(),
                "response_text": reply,
            });
            lines.push_str(&event.to_string());
            lines.push('\n');
        }
    }
    assert_eq!(server.post("/v1/events", lines).await.status, 202);
    server.drained().await;
    let answer = server.get(&format!("/api/v1/warmups/{LISTED}")).await;
    let plan = &answer["items"][0];
    let number = |name: &str| plan[name].as_u64().unwrap();
    assert_eq!((number("stage"), number("total_stages")), (2, 3), "{plan}");
    assert_eq!(
        (number("stage_limit"), number("sent_within_stage"), number("hourly_limit"), number("start_volume")),
        (200, 5, 9, 100)
    );
    // The five of today went out at midnight: in this hour, or in another.
    assert_eq!(number("remaining"), 9 - number("sent_within_hour"), "{plan}");
    let history: Vec<&str> =
        plan["stage_history"].as_array().unwrap().iter().map(|day| day["result"].as_str().unwrap()).collect();
    assert_eq!(history, ["running", "held", "advanced"]);
    assert!(plan["reasons"][0].as_str().unwrap().contains("hard bounces at 3.00 %"), "{plan}");
    let page = server.text("/reputation/warmup").await;
    assert!(page.contains("hard bounces at 3.00 %") && page.contains("advanced"), "{page}");
}
