//! Captured logs of a real Postfix through `relaylens import`: what comes out is what a separate program labelled.

use crate::checks;
use crate::support::{Ledger, Place, Server, only, repository};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

const CAPTURES: [&str; 2] = ["long-ids", "mx"];

fn log_of(capture: &str) -> String {
    repository(&format!("tests/data/postfix/{capture}.maillog")).to_str().unwrap().to_owned()
}

/// Type, queue id, recipient, and time without the year, which the log does not say → how many.
type Outcomes = BTreeMap<[String; 4], u64>;

fn labelled(capture: &str) -> Outcomes {
    let labels =
        fs::read_to_string(repository(&format!("tests/data/postfix/{capture}.events.jsonl"))).unwrap();
    let mut outcomes = Outcomes::new();
    for label in labels.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let field = |name: &str| label[name].as_str().unwrap_or_default().to_owned();
        let time = field("event_time")["2026-".len().."2026-11-20T23:23:11".len()].to_owned();
        *outcomes.entry([field("event_type"), field("queue_id"), field("recipient"), time]).or_default() += 1;
    }
    outcomes
}

async fn stored(server: &Server) -> Outcomes {
    let sql = "SELECT toString(event_type), queue_id, recipient, formatDateTime(event_time, '%m-%dT%H:%i:%S') AS time, \
               count() FROM events GROUP BY ALL";
    let rows = server.sql(sql).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let outcome = |row: &Value| (std::array::from_fn(|at| text(&row[at])), crate::support::number(&row[4]));
    rows.iter().map(outcome).collect()
}

/// Shows what differs, not the hundreds that are equal.
#[track_caller]
fn same(stored: &Outcomes, labelled: &Outcomes) {
    let only_in = |one: &Outcomes, other: &Outcomes| -> Vec<_> {
        one.iter()
            .filter(|(outcome, count)| other.get(*outcome) != Some(*count))
            .map(|(outcome, count)| format!("{count} {outcome:?}"))
            .collect()
    };
    let (added, missing) = (only_in(stored, labelled), only_in(labelled, stored));
    assert!(
        added.is_empty() && missing.is_empty(),
        "stored, not labelled: {added:#?}\nlabelled, not stored: {missing:#?}"
    );
}

fn import(place: &Place, file: &str) -> String {
    place.run_well("import", &["--format", "postfix", "--source", "mx1", file])
}

#[tokio::test]
async fn the_events_of_a_capture_are_those_that_were_labelled() {
    for capture in CAPTURES {
        let place = Place::new("");
        import(&place, &log_of(capture));
        let server = place.serve().await;
        same(&stored(&server).await, &labelled(capture));
        let ledger = server.drained().await;
        let lines = fs::read_to_string(log_of(capture)).unwrap().lines().count() as u64;
        let source = only(&ledger);
        assert_eq!((source.accepted, source.rejected, source.duplicate), (lines, 0, 0), "{source:?}");
        assert_eq!(source.events, labelled(capture).values().sum::<u64>());
        checks::rollups_equal_events(&server).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn a_second_import_adds_nothing_nor_do_packed_copies() {
    let place = Place::new("");
    let plain = log_of("mx");
    import(&place, &plain);
    import(&place, &plain);
    let (gz, zst) = (place.file("mx.log.1.gz"), place.file("mx.log.2.zst"));
    pack(Path::new(&plain), &gz, &zst);
    import(&place, gz.to_str().unwrap());
    import(&place, zst.to_str().unwrap());
    let server = place.serve().await;
    same(&stored(&server).await, &labelled("mx"));
    server.drained().await;
    checks::no_event_twice(&server).await;
    checks::rollups_equal_events(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn an_import_beside_a_running_server_goes_through_it() {
    let place = Place::new("");
    let server = place.serve().await;
    import(&place, &log_of("mx"));
    import(&place, &log_of("mx"));
    let ledger = server.drained().await;
    assert!(ledger.iter().all(|source| source.rejected == 0), "{ledger:?}");
    same(&stored(&server).await, &labelled("mx"));
    checks::no_event_twice(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_dry_run_prints_the_events_and_stores_nothing() {
    let place = Place::new("");
    let printed = place.run_well("import", &["--format", "postfix", "--dry-run", &log_of("long-ids")]);
    let mut types: BTreeMap<String, u64> = BTreeMap::new();
    for line in printed.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no event: {line}"));
        *types.entry(event["event_type"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
    for ([event_type, ..], count) in labelled("long-ids") {
        *wanted.entry(event_type).or_default() += count;
    }
    assert_eq!(types, wanted);
    let server = place.serve().await;
    assert_eq!(server.ledger().await, Vec::<Ledger>::new());
    assert_eq!(server.count("SELECT count() FROM events").await, 0);
    server.stop().await;
}

/// What a dry run prints can be imported as relaylens' own form.
#[tokio::test]
async fn the_printed_events_can_be_imported() {
    let place = Place::new("");
    let printed = place.run_well("import", &["--format", "postfix", "--dry-run", &log_of("mx")]);
    let file = place.file("mx.ndjson");
    fs::write(&file, printed).unwrap();
    place.run_well("import", &["--format", "ndjson", file.to_str().unwrap()]);
    let server = place.serve().await;
    same(&stored(&server).await, &labelled("mx"));
    server.stop().await;
}

fn pack(plain: &Path, gz: &Path, zst: &Path) {
    let bytes = fs::read(plain).unwrap();
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(&bytes).unwrap();
    fs::write(gz, packer.finish().unwrap()).unwrap();
    fs::write(zst, zstd::encode_all(&*bytes, 3).unwrap()).unwrap();
}
