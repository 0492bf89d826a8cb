//! The pages of `/reputation` over a store that holds mail, with a DNS in which some of it is as it must be and some is not.

use crate::browser::{RULE, recent_events};
use crate::dns::{fill, list, list_text};
use crate::dns_posture::good;
use crate::dns_server::{Manner, World};
use crate::support::{Place, Server, quoted};

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

/// A server whose mail went out by two addresses for one domain: one address is listed, has no name and is not in the
/// SPF record.
pub(crate) async fn filled() -> (Place, Server, World) {
    let world = World::start().await;
    good(&world, "shop.example");
    world.txt("shop.example", &["v=spf1 ip4:192.0.2.1 include:_spf.esp.example ~all"]);
    world.ptr("192.0.2.1", &["mx1.shop.example"]);
    world.ips("mx1.shop.example", &["192.0.2.1"]);
    let names = ["own", "other", "wild", "refusing"];
    for name in names {
        fill(&world, name);
    }
    list(&world, "own", "192.0.2.2");
    list(&world, "other", "192.0.2.2");
    world.zone("wild.bl.example", Manner::Always([127, 0, 0, 2]));
    world.zone("refusing.bl.example", Manner::Refusing);
    let place = Place::new("[reputation]\ndns_hours = 0\n[reputation.blocklists]\nenabled = false\n");
    let server = place.serve().await;
    // Pages begin with the last hours.
    let sent = server.post("/v1/events?source=app1", recent_events()).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
    let rejected = server.post("/v1/in/kumomta?source=kumo1", "no record\n").await;
    assert_eq!(rejected.status, 202, "{}", rejected.text());
    server.drained().await;
    server.stop().await;
    let lists: String =
        names.iter().zip([1, 2, 1, 3]).map(|(name, tier)| list_text(name, tier, "\"ip4\"")).collect();
    std::fs::write(place.file("lists.toml"), lists).unwrap();
    std::fs::write(place.file("rules.toml"), RULE).unwrap();
    let begin = jiff::Timestamp::now().to_string()[..10].to_owned();
    place.set(&format!(
        "[reputation]\nresolver = \"{}\"\ndomains = [\"news.example\"]\n\
         [reputation.blocklists]\nregistry_file = {}\n\
         [[reputation.paths]]\nname = \"esp\"\ndomain = \"shop.example\"\nspf_include = \"_spf.esp.example\"\n\
         ips = [\"198.51.100.9\"]\ndkim_selectors = [\"s1\"]\n\
         [[reputation.warmups]]\nsubject = \"192.0.2.2\"\nbegin = \"{begin}\"\ngoal = 20000\n\
         [alerts]\nrules_file = {}\nevaluate_seconds = 10\nsettle_seconds = 0\n",
        world.address,
        quoted(&place.file("lists.toml")),
        quoted(&place.file("rules.toml")),
    ));
    let server = place.serve().await;
    until(&server, "/api/v1/listings", "wild").await;
    until(&server, "/api/v1/dns?subject=shop.example", "spf_sender").await;
    (place, server, world)
}

/// Waits until an answer tells of something: a look at the DNS begins with the server, and takes its time.
async fn until(server: &Server, path: &str, word: &str) {
    for _ in 0..300 {
        if server.text(path).await.contains(word) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{path} does not tell of {word}: {}", server.text(path).await);
}

#[tokio::test]
async fn each_page_of_the_reputation_tells_what_it_rests_on() {
    let (_place, server, _world) = filled().await;
    let overview = server.text("/reputation").await;
    for word in ["listed by own", "faults in the DNS: PTR", "192.0.2.1"] {
        assert!(overview.contains(word), "`{word}`: {overview}");
    }
    let board = server.text("/reputation/blocklists").await;
    for word in ["listed since", "wildcard: not believed", "see bl.example"] {
        assert!(board.contains(word), "`{word}`: {board}");
    }
    let dns = server.text("/reputation/dns?subject=shop.example").await;
    for word in ["softfail", "passes SPF of shop.example", "DMARC of a path", "SPF and DKIM both align"] {
        assert!(dns.contains(word), "`{word}`: {dns}");
    }
    let rules = server.text("/reputation/compliance?subject=shop.example").await;
    for word in [
        "did not take 40 messages or attempts for this, such as with 5.7.26",
        "deliveries of the last day show a TLS session",
        "1 recipient of the stream news left by one click",
        "1 of 2 sending addresses",
        "1 of 2 addresses: 192.0.2.2 the address has no name",
    ] {
        assert!(rules.contains(word), "`{word}`: {rules}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_note_about_a_listing_has_its_author_and_stands_in_the_audit_log() {
    let (_place, server, _world) = filled().await;
    let path = "/reputation/blocklists";
    let note = |text: &str| format!("list=own&subject=192.0.2.2&author=somebody+else&text={text}");
    let foreign = [FORM[0], ("sec-fetch-site", "cross-site")];
    assert_eq!(server.post_with(path, &foreign, note("forged")).await.status, 403);
    assert_eq!(server.post_with(path, &FORM, note("asked+them")).await.status, 303);
    assert_eq!(server.post_with(path, &FORM, note("")).await.status, 400);
    let board = server.text(path).await;
    assert!(board.contains("local: asked them") && !board.contains("forged"), "{board}");
    assert!(!board.contains("somebody else"), "the author is who asks");
    let audit = server.text("/audit?action=listing.note").await;
    assert!(audit.contains("192.0.2.2") && audit.contains("own"), "{audit}");
    server.stop().await;
}
