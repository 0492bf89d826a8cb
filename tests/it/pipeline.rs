//! From the spool into the store: the same events wherever batches are cut, each once, none lost when the store is
//! out of order, and what could not be read is read again on demand.

use crate::checks;
use crate::support::{self, Place, Server, only, repository};
use relaylens::app::replay;
use relaylens::classify::{BounceRules, CACHE_ENTRIES, Classifier};
use relaylens::ingest::{Batch, Intake};
use relaylens::model::{RejectReason, SourceKind, SourceRef, Timestamp};
use relaylens::pipeline::{
    Authenticator, Labels, Marks, Pipeline, PipelineOptions, ReaderOptions, ReportOptions, StoreAccess,
};
use relaylens::spool::{Spool, SpoolLimits};
use relaylens::store::{RejectEntry, Store};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::sync::watch;

#[tokio::test]
async fn batches_cut_anywhere_give_the_same_events() {
    let log = repository("tests/data/postfix/long-ids.maillog");
    let mut first: Option<Vec<Value>> = None;
    for limit in
        ["batch_rows_max = 100000", "batch_rows_max = 1", "batch_rows_max = 7", "batch_bytes_max = 10000"]
    {
        let place = Place::new(&format!("[pipeline]\nbatch_wait_ms = 10\n{limit}\n"));
        let server = place.serve().await;
        // A request of 50 lines is a record of the spool; a batch ends with a record.
        let text = std::fs::read_to_string(&log).unwrap();
        let mut offset = 0;
        for lines in text.split_inclusive('\n').collect::<Vec<_>>().chunks(50) {
            let path = format!("/v1/in/postfix?source=mx1&file=f1&offset={offset}");
            let body = lines.concat();
            offset += body.len();
            assert_eq!(server.post(&path, body).await.status, 202);
        }
        server.drained().await;
        let events = checks::events(&server).await;
        checks::rollups_equal_events(&server).await;
        match &first {
            None => first = Some(events),
            Some(first) => assert_eq!(&events, first, "with {limit}"),
        }
        server.stop().await;
    }
}

/// An event that is told apart from others by its number alone, of so many hours ago.
fn event(number: u32, hours_ago: i64) -> String {
    // The same event says the same whenever it is sent.
    static NOW: OnceLock<i64> = OnceLock::new();
    let time = NOW.get_or_init(|| jiff::Timestamp::now().as_second()) - hours_ago * 3600;
    let event = json!({ "event_type": "delivered", "event_time": time, "event_id": number.to_string(),
                        "recipient": format!("r{number}@r.example"), "message_id": format!("m{number}@m.example") });
    format!("{event}\n")
}

fn events(numbers: std::ops::Range<u32>, hours_ago: i64) -> String {
    numbers.map(|number| event(number, hours_ago)).collect()
}

async fn send(server: &Server, body: String) {
    let answer = server.post("/v1/events?source=app1", body).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
}

#[tokio::test]
async fn an_event_that_comes_again_is_stored_once_however_late_it_comes() {
    let place = Place::new("[pipeline]\nbatch_wait_ms = 10\nbatch_rows_max = 20\nrecent_ids_max = 100\n");
    let server = place.serve().await;
    // In one request, in the next, and in one that is half new.
    send(&server, events(0..10, 30) + &events(0..10, 30)).await;
    send(&server, events(0..10, 30)).await;
    send(&server, events(5..15, 30)).await;
    let ledger = server.drained().await;
    assert_eq!((only(&ledger).stored, only(&ledger).duplicate), (15, 25), "{ledger:?}");
    // More than are kept in memory, then the first ones again: the store knows them.
    for begin in (100..500).step_by(10) {
        send(&server, events(begin..begin + 10, 0)).await;
    }
    server.drained().await;
    send(&server, events(0..20, 30)).await;
    let ledger = server.drained().await;
    assert_eq!((only(&ledger).stored, only(&ledger).duplicate), (420, 40), "{ledger:?}");
    server.stop().await;

    let server = place.serve().await;
    send(&server, events(0..20, 30)).await;
    send(&server, events(490..510, 0)).await;
    let ledger = server.drained().await;
    assert_eq!((only(&ledger).stored, only(&ledger).duplicate), (430, 70), "{ledger:?}");
    assert_eq!(server.count("SELECT count() FROM events").await, 430);
    checks::no_event_twice(&server).await;
    checks::rollups_equal_events(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn replayed_items_that_still_cannot_be_read_come_back_as_new_rejects() {
    let place = Place::new("");
    let server = place.serve().await;
    let body = "{\"type\": \"Unheard\"}\nno record\n{\"type\": \"Unheard\"}\n";
    assert_eq!(server.post("/v1/in/kumomta?source=kumo1", body).await.status, 202);
    assert_eq!(server.post("/v1/in/postfix?source=mx1", "no head\n").await.status, 202);
    server.drained().await;
    let states =
        "SELECT toString(state), toString(reason), count() FROM rejects FINAL GROUP BY ALL ORDER BY ALL";
    let before = server.sql(states).await;
    assert_eq!(before, [json!(["open", "syntax", count(2)]), json!(["open", "unknown_type", count(2)])]);
    // Beside the running server, only those of one reason.
    let said = place.run_well("replay", &["--reason", "unknown_type"]);
    assert!(said.starts_with("2 items"), "{said}");
    server.drained().await;
    let after = [
        json!(["open", "syntax", count(2)]),
        json!(["open", "unknown_type", count(2)]),
        json!(["replayed", "unknown_type", count(2)]),
    ];
    assert_eq!(server.sql(states).await, after);
    server.stop().await;
    // Without a server, those of one kind.
    let said = place.run_well("replay", &["--kind", "postfix"]);
    assert!(said.starts_with("1 items"), "{said}");
    let server = place.serve().await;
    let ledger = server.drained().await;
    let kumomta = ledger.iter().find(|source| source.source_kind == "kumomta").unwrap();
    assert_eq!((kumomta.accepted, kumomta.rejected), (5, 5), "{ledger:?}");
    let replayed = "SELECT count() FROM rejects FINAL WHERE state = 'replayed'";
    assert_eq!(server.count(replayed).await, 3);
    server.stop().await;
}

/// A count as the engine writes it in JSON.
fn count(number: u64) -> Value {
    json!(number)
}

/// A pipeline of this process, on a store of its own.
struct Line {
    _dir: tempfile::TempDir,
    store: Store,
    client: clickhouse::Client,
    spool: Spool,
    intake: Intake,
    pipeline: Pipeline,
    stop: watch::Sender<bool>,
}

fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}

impl Line {
    async fn start() -> Self {
        let (store, client) = support::store().await;
        let dir = tempfile::tempdir().unwrap();
        let limits = SpoolLimits { segment_bytes: 40_000, total_bytes_max: 80_000, record_bytes_max: 30_000 };
        let (spool, _) = Spool::open(&dir.path().join("spool"), limits).unwrap();
        let (stop, stopped) = watch::channel(false);
        let pipeline = start_pipeline(dir.path(), &spool, &store, stopped);
        let intake = Intake::new(spool.clone(), now);
        Self { _dir: dir, store, client, spool, intake, pipeline, stop }
    }

    async fn accept(&self, source: &SourceRef, body: String) -> bool {
        let batch = Batch {
            source: source.clone(),
            received: now(),
            file: "".into(),
            offset: 0,
            payload: body.into(),
        };
        self.intake.accept(&batch).await.is_ok()
    }

    async fn drained(&self) {
        let begun = Instant::now();
        while self.pipeline.progress().now().stored_seq < self.spool.stats().last_seq {
            assert!(begun.elapsed() < support::PATIENCE, "not drained: {:?}", self.pipeline.progress().now());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn count(&self, sql: &str) -> u64 {
        self.client.query(sql).fetch_one().await.unwrap()
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.pipeline.join().await.unwrap();
    }
}

fn start_pipeline(dir: &Path, spool: &Spool, store: &Store, stopped: watch::Receiver<bool>) -> Pipeline {
    let options = PipelineOptions {
        dir: dir.to_owned(),
        batch_rows_max: 50,
        batch_bytes_max: 1 << 20,
        batch_wait: Duration::from_millis(10),
        second_look: Duration::ZERO,
        clock: now,
        recent_ids_max: 1000,
        readers: ReaderOptions::default(),
        labels: Labels::default(),
        marks: Marks::default(),
        reports: ReportOptions::default(),
        authenticator: Authenticator::default(),
    };
    let classifier = Classifier::new(BounceRules::shipped(), CACHE_ENTRIES);
    let (_, is_ready) = watch::channel(true);
    let store = StoreAccess { store: store.clone(), is_ready };
    Pipeline::start(options, spool.clone(), store, classifier, stopped).unwrap()
}

fn app1() -> SourceRef {
    SourceRef { kind: SourceKind::Ndjson, name: "app1".into() }
}

/// A table goes away in the middle of the work, so that a part of each batch can be written and the rest cannot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_out_of_order_fills_the_spool_and_gets_everything_once_when_it_is_back() {
    let line = Line::start().await;
    let mut sent = 0;
    assert!(line.accept(&app1(), events(0..10, 0)).await);
    sent += 10;
    line.drained().await;
    line.client.query_raw("RENAME TABLE ledger_minute TO away").execute().await.unwrap();
    let begun = Instant::now();
    while line.accept(&app1(), events(sent..sent + 10, 0)).await {
        sent += 10;
        assert!(begun.elapsed() < support::PATIENCE, "the spool is never full");
    }
    let told = loop {
        if let Some(told) = line.pipeline.progress().now().store_error {
            break told;
        }
        assert!(begun.elapsed() < support::PATIENCE, "the fault is not told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(told.contains("ledger_minute"), "{told}");
    line.client.query_raw("RENAME TABLE away TO ledger_minute").execute().await.unwrap();
    line.drained().await;
    assert_eq!(line.pipeline.progress().now().store_error, None);
    let sent = u64::from(sent);
    assert_eq!(line.count("SELECT count() FROM events").await, sent);
    assert_eq!(line.count("SELECT uniqExact(event_id) FROM events").await, sent);
    assert_eq!(line.count("SELECT sum(delivered) FROM events_hour").await, sent);
    assert_eq!(line.count("SELECT sum(delivered) FROM events_minute").await, sent);
    assert_eq!(line.count("SELECT sum(stored) FROM ledger_minute").await, sent);
    let totals = &line.pipeline.progress().now().sources[&app1()];
    assert_eq!((totals.accepted_total, totals.counts.total(), totals.events), (sent, sent, sent));
    line.end().await;
}

/// What an older version could not read, this one can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reject_that_can_be_read_now_becomes_an_event_by_replay() {
    let line = Line::start().await;
    let bytes = event(1, 5).into_bytes();
    let reject = RejectEntry {
        reject_id: 7,
        version: 1,
        state: 1,
        received: Timestamp(now().0 - 3_600_000_000),
        source: app1(),
        reason: RejectReason::UnknownType,
        message: "an older version did not know the type".into(),
        size_bytes: bytes.len() as u64,
        file_offset: 0,
        bytes,
    };
    let cut = RejectEntry { reject_id: 8, size_bytes: 1 << 30, ..reject.clone() };
    line.store.insert_rejects(&[reject, cut]).await.unwrap();
    for round in 0..2 {
        let done = replay(&line.store, &line.intake, None, None).await.unwrap();
        assert_eq!((done.items, done.cut), (1 - round, 1), "round {round}");
        line.drained().await;
        assert_eq!(line.count("SELECT count() FROM events WHERE message_id = 'm1@m.example'").await, 1);
    }
    assert_eq!(line.count("SELECT count() FROM rejects FINAL WHERE state = 'replayed'").await, 1);
    line.end().await;
}
