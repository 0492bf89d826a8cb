//! Lines a second of the Postfix reader, next to `postfix-log-parser` with a parser that is used again.
//!
//! Both read the captures in `tests/data/postfix`, again and again, on one core. The reader does more with each line
//! (it keeps the state of every message and makes events), the other parser only takes it apart.
//! Run it with `cargo bench --bench postfix`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use postfix_log_parser::master_parser::MasterParser;
use relaylens::model::{Event, SourceKind, SourceRef, Text, Timestamp};
use relaylens::parse::relay::postfix::{PostfixOptions, PostfixReader};
use relaylens::parse::{EventReader, Item};
use std::hint::black_box;

const LOGS: [(&str, &str); 2] = [
    ("short ids", include_str!("../tests/data/postfix/mx.maillog")),
    ("long ids", include_str!("../tests/data/postfix/long-ids.maillog")),
];

/// Shortly after the captures were made: their stamps have no year.
const RECEIVED: &str = "2026-11-21T18:00:00Z";

/// Reads a log line by line, as the pipeline does: what becomes of an item's events is taken before the next item.
fn read_all(log: &str, source: &SourceRef, received: Timestamp, events: &mut Vec<Event>) {
    let mut reader = PostfixReader::new(&PostfixOptions::default());
    let mut offset = 0;
    for line in log.lines() {
        events.clear();
        let item = Item { source, bytes: line.as_bytes(), offset, received };
        reader.read(&item, events).expect("every line of a capture can be read");
        black_box(&events);
        offset += line.len() as u64 + 1;
    }
}

fn lines(criterion: &mut Criterion) {
    let source = SourceRef { kind: SourceKind::Postfix, name: Text::const_new("mx1") };
    let received = Timestamp::parse_rfc3339(RECEIVED).expect("a time as RFC 3339 has it");
    let (parser, mut events) = (MasterParser::new(), Vec::new());
    let mut group = criterion.benchmark_group("postfix lines");
    for (name, log) in LOGS {
        group.throughput(Throughput::Elements(log.lines().count() as u64));
        group.bench_function(BenchmarkId::new("relaylens", name), |bench| {
            bench.iter(|| read_all(black_box(log), &source, received, &mut events));
        });
        group.bench_function(BenchmarkId::new("postfix-log-parser", name), |bench| {
            bench.iter(|| log.lines().for_each(|line| drop(black_box(parser.parse(line)))));
        });
    }
    group.finish();
}

criterion_group!(benches, lines);
criterion_main!(benches);
