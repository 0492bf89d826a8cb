//! The suppression list in a real store: two processes that share it, undo, reviews, rules on stored events.

use crate::support::{self, PATIENCE};
use relaylens::model::suppression::{
    Action, Change, Key, MailType, Origin, Question, Reason, ReviewState, RunId, RunKind, RunState, Scope,
};
use relaylens::model::{
    BounceGroup, BounceReason, BounceType, Event, EventId, EventType, Text, Timestamp, Trust,
};
use relaylens::store::{Batch, BatchLabel, RunEntry, Store};
use relaylens::suppression::list::{Actor, List, ListError};
use relaylens::suppression::rules::Rules;
use relaylens::suppression::runner::Runner;
use std::time::Instant;
use tokio::sync::watch;

const NODE: &str = "node-a";

fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}

fn ann() -> Actor {
    Actor { name: "ann".into(), is_admin: false }
}

fn key(address: &str, reason: Reason) -> Key {
    Key { address: address.into(), scope: Scope::Global, mail_type: MailType::All, reason }
}

fn change(action: Action, address: &str, run: Option<RunId>) -> Change {
    Change {
        action,
        key: key(address, Reason::Manual),
        observed: now(),
        expires: None,
        origin: Origin::Actor("ann".into()),
        run,
        evidence: vec![EventId(7)],
        note: "as asked by phone".into(),
    }
}

fn is_suppressed(list: &List, address: &str) -> bool {
    let question = Question { address: address.into(), ..Question::default() };
    list.index().check(&question, now()).is_some()
}

/// A list that follows the store, as that of a process with this data folder.
async fn following(store: &Store, node: &str) -> (List, watch::Sender<bool>) {
    let list = List::new(store.clone(), node.into(), now);
    let (stop, stopped) = watch::channel(false);
    let (_, is_ready) = watch::channel(true);
    tokio::spawn(list.clone().follow(is_ready, stopped));
    list.loaded().await.unwrap();
    (list, stop)
}

/// Waits until the list says so.
async fn until(list: &List, what: &str, is_so: impl Fn(&List) -> bool) {
    let mut changed = list.changed();
    let waited = async {
        while !is_so(list) {
            changed.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_share_a_store_see_each_other_s_changes() {
    let (store, _) = support::store().await;
    let (one, _stop_one) = following(&store, "node-a").await;
    let (other, _stop_other) = following(&store, "node-b").await;

    let written = one.write(vec![change(Action::Add, "a@b.example", None)]).await.unwrap();
    assert_eq!((written.added, written.records.len()), (1, 1));
    assert!(is_suppressed(&one, "A@b.example"), "a writer's own change counts at once");
    let begun = Instant::now();
    until(&other, "the other process does not see the entry", |list| is_suppressed(list, "a@b.example"))
        .await;
    eprintln!("seen by the other process after {:?}", begun.elapsed());

    let lifted = other.lift(&ann(), "a@b.example", "came back", |_| true).await.unwrap();
    assert_eq!(lifted.lifted, 1);
    assert_ne!(lifted.records[0].seq.writer(), written.records[0].seq.writer(), "each has its own number");
    assert!(lifted.records[0].seq > written.records[0].seq);
    until(&one, "the first process does not see the removal", |list| !is_suppressed(list, "a@b.example"))
        .await;

    // An import of what was known before the removal does not bring it back, here or there.
    let mut old = change(Action::Import, "a@b.example", None);
    old.observed = Timestamp(0);
    assert_eq!(one.write(vec![old]).await.unwrap().tombstoned, 1);
    assert_eq!(one.cursor(), other.cursor());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_answers_as_the_old_one_did() {
    let (store, _) = support::store().await;
    let (list, stop) = following(&store, NODE).await;
    let addresses: Vec<String> = (0..500).map(|number| format!("r{number}@b.example")).collect();
    let adds = addresses.iter().map(|address| change(Action::Add, address, None)).collect();
    assert_eq!(list.write(adds).await.unwrap().added, 500);
    let hashed = relaylens::suppression::index::sha256_of("hidden@b.example");
    list.write(vec![change(Action::Import, &hashed, None)]).await.unwrap();
    for address in &addresses[..100] {
        list.lift(&ann(), address, "", |_| true).await.unwrap();
    }
    stop.send_replace(true);

    let (again, _stop) = following(&store, NODE).await;
    assert_eq!(again.cursor(), list.cursor());
    for (number, address) in addresses.iter().enumerate() {
        assert_eq!(is_suppressed(&again, address), number >= 100, "{address}");
    }
    assert!(is_suppressed(&again, "Hidden@B.example"));

    // It explains itself: the entry, its words, its evidence.
    let question = Question { address: "r100@b.example".into(), ..Question::default() };
    let decision = again.explain(&question).await.unwrap();
    assert_eq!((decision.suppressed, decision.matching.len()), (true, 1));
    let entry = &decision.matching[0];
    assert_eq!(
        (entry.note.as_str(), entry.evidence.as_slice()),
        ("as asked by phone", [EventId(7)].as_slice())
    );
    assert!(
        again.explain(&Question { address: "hidden@b.example".into(), ..question }).await.unwrap().suppressed
    );
    assert_eq!(again.story("r0@b.example").await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_undone_as_a_whole_and_the_undo_too() {
    let (store, _) = support::store().await;
    let (list, _stop) = following(&store, NODE).await;
    let run = RunId(uuid::Uuid::from_u128(0xabc));
    list.write(vec![change(Action::Add, "before@b.example", None)]).await.unwrap();
    let rows = ["before@b.example", "one@b.example", "two@b.example"];
    let imported = rows.iter().map(|address| change(Action::Import, address, Some(run))).collect();
    let written = list.write(imported).await.unwrap();
    assert_eq!((written.added, written.known), (2, 1));
    list.note_run(&RunEntry {
        run,
        kind: RunKind::Import,
        name: "old-list.csv".into(),
        actor: "ann".into(),
        state: RunState::Done,
        begun: now(),
        changed: now(),
        target: None,
        rows: 3,
        faults: 0,
        note: Text::default(),
    })
    .await
    .unwrap();

    assert_eq!(list.undo(run, &ann(), "wrong file").await.unwrap().lifted, 2);
    assert!(is_suppressed(&list, "before@b.example"));
    assert!(!is_suppressed(&list, "one@b.example") && !is_suppressed(&list, "two@b.example"));
    assert_eq!(list.undo(run, &ann(), "wrong file").await.unwrap().lifted, 0, "twice changes nothing");

    let runs = store.suppression_runs(10).await.unwrap();
    let import = runs.iter().find(|row| row.entry.run == run).unwrap();
    let undo = runs.iter().find(|row| row.entry.kind == RunKind::Undo).unwrap();
    assert_eq!((import.added, import.undone_by), (2, Some(undo.entry.run)));
    assert_eq!((undo.lifted, undo.entry.state), (2, RunState::Done));

    list.undo(undo.entry.run, &ann(), "it was the right one").await.unwrap();
    assert!(is_suppressed(&list, "one@b.example") && is_suppressed(&list, "two@b.example"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_law_demands_is_lifted_by_an_administrator_with_a_note() {
    let (store, _) = support::store().await;
    let (list, _stop) = following(&store, NODE).await;
    let with =
        |reason| Change { key: key("a@b.example", reason), ..change(Action::Add, "a@b.example", None) };
    let refused = list.write_as(&ann(), vec![with(Reason::Compliance)]).await;
    assert!(matches!(refused, Err(ListError::NeedsAdmin)), "{refused:?}");
    let admin = Actor { name: "root".into(), is_admin: true };
    list.write_as(&admin, vec![with(Reason::Compliance), with(Reason::Complaint)]).await.unwrap();

    let is = |reason| move |key: &Key| key.reason == reason;
    let refused = list.lift(&ann(), "a@b.example", "please", is(Reason::Compliance)).await;
    assert!(matches!(refused, Err(ListError::NeedsAdmin)), "{refused:?}");
    let refused = list.lift(&ann(), "a@b.example", " ", is(Reason::Complaint)).await;
    assert!(matches!(refused, Err(ListError::NeedsNote(Reason::Complaint))), "{refused:?}");
    assert_eq!(
        list.lift(&ann(), "a@b.example", "asked for mail", is(Reason::Complaint)).await.unwrap().lifted,
        1
    );
    assert!(is_suppressed(&list, "a@b.example"));
    assert_eq!(list.lift(&admin, "a@b.example", "consent given", |_| true).await.unwrap().lifted, 1);
    assert!(!is_suppressed(&list, "a@b.example"));

    let bad = list.write_as(&ann(), vec![change(Action::Add, "nobody", None)]).await;
    assert!(matches!(bad, Err(ListError::Bad { what: "address", .. })), "{bad:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_has_come_is_told_to_those_who_follow_the_log() {
    let (store, _) = support::store().await;
    let (list, stop) = following(&store, NODE).await;
    let mut short = change(Action::Add, "short@b.example", None);
    short.expires = Some(Timestamp::from_seconds(now().seconds() + 1));
    list.write(vec![short, change(Action::Add, "long@b.example", None)]).await.unwrap();
    assert!(is_suppressed(&list, "short@b.example"));
    stop.send_replace(true);
    while is_suppressed(&list, "short@b.example") {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    let (again, _stop) = following(&store, NODE).await;
    until(&again, "the end is not told", |list| {
        list.index().state(&key("short@b.example", Reason::Manual)).living.is_none()
    })
    .await;
    let newest = store.suppressions_newest(None, 1).await.unwrap();
    assert_eq!(newest[0].change.action, Action::Expire);
    assert_eq!(newest[0].change.key.address, "short@b.example");
    assert!(is_suppressed(&again, "long@b.example"));
}

/// A spool's events as the pipeline stores them, and the rules that look at them.
struct Spool {
    store: Store,
    dir: tempfile::TempDir,
    stored: watch::Sender<u64>,
    last_seq: u64,
}

impl Spool {
    fn new(store: &Store) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { store: store.clone(), dir, stored: watch::Sender::new(0), last_seq: 0 }
    }

    /// Stores events as one spool record each.
    async fn store(&mut self, events: Vec<Event>) {
        let first_seq = self.last_seq + 1;
        let mut batch = Batch::default();
        for event in events {
            self.last_seq += 1;
            let event_id = EventId::of([b"test".as_slice(), &self.last_seq.to_le_bytes()]);
            batch.events.push(&Event {
                event_id,
                ingest_node: NODE.into(),
                ingest_seq: self.last_seq,
                received_time: now(),
                ..event
            });
        }
        let label = BatchLabel { ingest_node: NODE.into(), first_seq, last_seq: self.last_seq };
        self.store.insert(&batch.seal(label)).await.unwrap();
        self.stored.send_replace(self.last_seq);
    }

    /// Starts the rules as a new process would; they end with the returned sender.
    fn run_rules(&self, list: &List) -> watch::Sender<bool> {
        let (stop, stopped) = watch::channel(false);
        let runner = Runner::new(
            list.clone(),
            Rules::shipped(),
            NODE.into(),
            self.dir.path(),
            self.stored.subscribe(),
        );
        tokio::spawn(async move { runner.run(stopped).await.unwrap() });
        stop
    }
}

fn event(event_type: EventType, recipient: &str, minutes_ago: i64) -> Event {
    Event {
        event_type,
        event_time: Timestamp(now().0 - minutes_ago * 60_000_000),
        recipient: recipient.into(),
        recipient_domain: relaylens::model::domain_of(recipient).into(),
        message_id: format!("{recipient}-{minutes_ago}").into(),
        ..Event::default()
    }
}

fn bounce(recipient: &str, reason: BounceReason, bounce_type: BounceType, minutes_ago: i64) -> Event {
    Event { bounce_reason: Some(reason), bounce_type, ..event(EventType::Bounced, recipient, minutes_ago) }
}

fn unknown(recipient: &str, minutes_ago: i64) -> Event {
    bounce(recipient, BounceReason::UserUnknown, BounceType::Hard, minutes_ago)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_and_believed_suppresses_by_the_rules() {
    let (store, _) = support::store().await;
    let (list, _stop) = following(&store, NODE).await;
    let mut spool = Spool::new(&store);
    let _rules = spool.run_rules(&list);
    let forged = Event { trust: Trust::Unverified, ..unknown("forged@b.example", 5) };
    let proved = Event { trust: Trust::Verified, ..unknown("proved@b.example", 5) };
    let blocked = bounce("blocked@b.example", BounceReason::Blocked, BounceType::Block, 5);
    let complained = Event {
        event_type: EventType::Complained,
        trust: Trust::Matched,
        tenant: "acme".into(),
        ..event(EventType::Complained, "angry@b.example", 5)
    };
    spool.store(vec![forged, blocked, unknown("gone@b.example", 5), proved, complained]).await;
    until(&list, "the complaint does not suppress", |list| list.index().len() == 3).await;
    assert!(is_suppressed(&list, "gone@b.example") && is_suppressed(&list, "proved@b.example"));
    assert!(!is_suppressed(&list, "forged@b.example") && !is_suppressed(&list, "blocked@b.example"));

    let question = Question {
        address: "angry@b.example".into(),
        tenant: "acme".into(),
        mail_type: MailType::Marketing,
        ..Question::default()
    };
    let decision = list.explain(&question).await.unwrap();
    assert_eq!(decision.matching[0].origin, Origin::Rule("complaint".into()));
    assert_eq!(decision.matching[0].evidence.len(), 1);
    let bills = Question { mail_type: MailType::Transactional, ..question };
    assert!(!list.explain(&bills).await.unwrap().suppressed);

    let runs = store.suppression_runs(10).await.unwrap();
    let mut rules: Vec<&str> = runs.iter().map(|row| row.entry.name.as_str()).collect();
    rules.sort_unstable();
    assert_eq!(rules, ["complaint", "invalid-address"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_count_go_on_counting_after_a_restart() {
    let (store, _) = support::store().await;
    let (list, _stop) = following(&store, NODE).await;
    let mut spool = Spool::new(&store);
    let day = 24 * 60;
    let full =
        |recipient, days: i64| bounce(recipient, BounceReason::MailboxFull, BounceType::Soft, days * day);
    let rules = spool.run_rules(&list);
    let marker = unknown("marker1@b.example", 1);
    spool
        .store(vec![
            full("full@b.example", 20),
            full("full@b.example", 10),
            full("better@b.example", 20),
            marker,
        ])
        .await;
    until(&list, "the rules do not come to the end", |list| is_suppressed(list, "marker1@b.example")).await;
    rules.send_replace(true);

    // Two deliveries: that nothing came back about the first one makes it a success.
    let delivered = |days: i64| event(EventType::Delivered, "better@b.example", days * day);
    let _rules = spool.run_rules(&list);
    let rest = [full("better@b.example", 3), full("better@b.example", 1), full("full@b.example", 1)];
    spool
        .store(
            vec![delivered(9), delivered(8)]
                .into_iter()
                .chain(rest)
                .chain([unknown("marker2@b.example", 1)])
                .collect(),
        )
        .await;
    until(&list, "the rules do not come to the end", |list| is_suppressed(list, "marker2@b.example")).await;
    let marketing = |address: &str| {
        let mail_type = MailType::Marketing;
        let question = Question { address: address.into(), mail_type, ..Question::default() };
        list.index().check(&question, now()).map(|hit| hit.reason)
    };
    assert_eq!(marketing("full@b.example"), Some(Reason::Bounce(BounceGroup::Quota)));
    assert_eq!(
        marketing("better@b.example"),
        None,
        "a success between the failures makes them count no more"
    );
}

/// What a receiver with a fault says to everyone for ten minutes.
fn outage() -> Vec<Event> {
    let at = |event: Event| Event { mx_host: "mx1.big.example".into(), ..event };
    let before =
        (0..40).map(|number| at(event(EventType::Delivered, &format!("ok{number}@big.example"), 45)));
    let during = (0..50).map(|number| at(unknown(&format!("r{number}@big.example"), 12 - number / 5)));
    before.chain(during).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_suppresses_nobody_and_waits_for_a_person() {
    let (store, _) = support::store().await;
    let (list, _stop) = following(&store, NODE).await;
    let mut spool = Spool::new(&store);
    let rules = spool.run_rules(&list);
    // In three pieces, so that the first failures are in the log before the burst is known as one.
    let mut events = outage();
    let rest = events.split_off(44);
    spool.store(events).await;
    until(&list, "the first failures do not suppress", |list| is_suppressed(list, "r0@big.example")).await;
    let other = unknown("gone@small.example", 2);
    spool.store(rest.into_iter().chain([other]).collect()).await;
    until(&list, "another receiver's failure does not count", |list| {
        is_suppressed(list, "gone@small.example")
    })
    .await;
    for number in 0..50 {
        assert!(!is_suppressed(&list, &format!("r{number}@big.example")), "{number}");
    }
    let reviews = list.reviews(10).await.unwrap();
    assert_eq!(reviews.len(), 1);
    let review = &reviews[0];
    assert_eq!(
        (review.receiver.as_str(), review.state, review.held),
        ("mx1.big.example", ReviewState::Waiting, 50)
    );
    assert_eq!(list.held(review.review, 100).await.unwrap().len(), 50);

    // A restart changes nothing: the same review, the same held addresses.
    rules.send_replace(true);
    let _rules = spool.run_rules(&list);
    spool.store(vec![unknown("marker@small.example", 1)]).await;
    until(&list, "the rules do not go on", |list| is_suppressed(list, "marker@small.example")).await;
    assert_eq!(list.reviews(10).await.unwrap(), reviews);
    assert_eq!(list.held(review.review, 100).await.unwrap().len(), 50);
    assert!(!is_suppressed(&list, "r0@big.example"));

    let written = list.decide(review.review, true, &ann(), "they confirmed it").await.unwrap();
    assert_eq!(written.added, 50);
    assert!(is_suppressed(&list, "r0@big.example") && is_suppressed(&list, "r49@big.example"));
    let again = list.decide(review.review, false, &ann(), "").await;
    assert!(matches!(again, Err(ListError::Decided(ReviewState::Released))), "{again:?}");
    // A release is a run, and undone as one.
    list.undo(RunId(review.review), &ann(), "they were wrong").await.unwrap();
    assert!(!is_suppressed(&list, "r0@big.example"));
}

/// Whom a stricter rule would add is told, by the running server and without one, and nothing is written.
#[tokio::test]
async fn a_changed_rule_is_tried_on_history_without_writing_anything() {
    let place = support::Place::new("");
    let server = place.serve().await;
    let bounce = |days: i64| {
        let at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
        serde_json::json!({ "event_type": "bounced", "event_time": at.to_string(), "event_id": format!("b{days}"),
            "recipient": "full@b.example", "message_id": format!("{days}@m.example"), "smtp_code": 552,
            "enhanced_code": "5.2.2", "response_text": "552 5.2.2 Mailbox full" })
    };
    let body = format!("{}\n{}\n", bounce(9), bounce(1));
    assert_eq!(server.post("/v1/events?source=app1", body).await.status, 202);
    server.drained().await;
    let stricter = "[[rule]]\nname = \"mailbox-full\"\non = [\"bounced\"]\nreasons = [\"mailboxfull\"]\ncount = 2\n\
                    scope = \"global\"\ntype = \"marketing\"\nexpires_days = 60\n";
    std::fs::write(place.file("rules.toml"), stricter).unwrap();
    let rules = place.file("rules.toml").to_str().unwrap().to_owned();
    let told = place.run_well("suppress simulate", &[&rules]);
    assert!(told.contains("1 would be added, 0 freed"), "{told}");
    assert!(told.contains("+ full@b.example (bounce:quota, global, marketing mail until "), "{told}");
    assert_eq!(server.count("SELECT count() FROM suppression_log").await, 0);
    server.stop().await;
    assert_eq!(place.run_well("suppress simulate", &[&rules]), told);
    std::fs::write(place.file("rules.toml"), "[[rule]]\nname = \"a\"\non = [\"bounced\"]\n").unwrap();
    let refused = place.run_badly("suppress simulate", &[&rules]);
    assert!(refused.contains("line 1, rule `a`"), "{refused}");
}

/// Nothing names an erased address any more, and it is not mailed again.
#[tokio::test]
async fn an_erased_address_is_forgotten_and_stays_suppressed() {
    let place = support::Place::new("");
    let server = place.serve().await;
    let bounce = |id: &str, recipient: &str| {
        serde_json::json!({ "event_type": "bounced", "event_time": jiff::Timestamp::now().to_string(), "event_id": id,
            "recipient": recipient, "message_id": format!("{id}@m.example"), "smtp_code": 550,
            "enhanced_code": "5.1.1", "response_text": "550 5.1.1 User unknown" })
    };
    let body = format!("{}\n{}\n", bounce("1", "gone@b.example"), bounce("2", "other@b.example"));
    assert_eq!(server.post("/v1/events?source=app1", body).await.status, 202);
    let unreadable = "{\"type\": \"Delivery\", \"recipient\": \"Gone@b.example\"}\n";
    assert_eq!(server.post("/v1/in/kumomta?source=kumo1", unreadable).await.status, 202);
    server.drained().await;
    let begun = Instant::now();
    while server.count("SELECT count() FROM suppression_log").await < 2 {
        assert!(begun.elapsed() < PATIENCE, "the bounces do not suppress\n{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let told = place.run_well("erase", &["Gone@b.example"]);
    assert!(
        told.starts_with("deleted: 1 events, 0 mails, 1 unreadable items, 2 records of the list"),
        "{told}"
    );
    for sql in [
        "SELECT count() FROM events WHERE recipient = 'gone@b.example'",
        "SELECT count() FROM rejects WHERE positionCaseInsensitive(bytes, 'gone@b.example') > 0",
        "SELECT count() FROM suppression_log WHERE address = 'gone@b.example'",
    ] {
        assert_eq!(server.count(sql).await, 0, "{sql}");
    }
    assert_eq!(server.count("SELECT count() FROM events").await, 1, "the other address stays");
    let asked = "/api/v1/suppressions/gone@b.example";
    assert_eq!(server.get(asked).await["suppressed"], true);
    server.stop().await;
    // So it is for the next process, which knows no more than the log.
    let server = place.serve().await;
    assert_eq!(server.get(asked).await["suppressed"], true);
    assert_eq!(server.get("/api/v1/suppressions/other@b.example").await["suppressed"], true);
    server.stop().await;
}
