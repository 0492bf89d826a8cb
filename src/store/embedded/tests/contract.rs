//! What the product does with its client, and what comes back.

use super::{STALL_MAX, database, engine, eventually, execute, number, running};
use clickhouse::{Compression, Row};
use serde::{Deserialize, Serialize};
use std::{net::Ipv6Addr, time::Duration};

#[derive(Row, Serialize, Deserialize, Debug, Clone, PartialEq)]
struct Delivery {
    at: i64,
    id: u64,
    domain: String,
    ip: Ipv6Addr,
    code: u16,
    kind: i8,
    tags: Vec<(String, String)>,
    retries: Option<u32>,
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: uuid::Uuid,
    hops: Vec<String>,
}

impl Delivery {
    fn number(id: u32) -> Self {
        Self {
            at: 1_780_000_000_000 + i64::from(id),
            id: id.into(),
            domain: format!("d{}.example", id % 50),
            ip: Ipv6Addr::from_bits(id.into()),
            code: 250,
            kind: i8::try_from(id % 3).unwrap(),
            tags: vec![("key\n\n".into(), format!("value {id}"))],
            retries: id.is_multiple_of(2).then_some(id),
            event_id: uuid::Uuid::from_u128(id.into()),
            hops: vec!["a".into(), "b\n\nINSERT".into()],
        }
    }
}

async fn make_deliveries(table: &str) {
    let sql = format!(
        "CREATE OR REPLACE TABLE {table} (at DateTime64(3), id UInt64, domain LowCardinality(String), ip IPv6, \
         code UInt16, kind Enum8('a' = 0, 'b' = 1, 'c' = 2), tags Map(String, String), retries Nullable(UInt32), \
         event_id UUID, hops Array(String)) ENGINE = MergeTree ORDER BY (domain, at) \
         SETTINGS non_replicated_deduplication_window = 100"
    );
    execute(&database(), &sql).await;
}

async fn insert_deliveries(
    table: &str,
    ids: std::ops::Range<u32>,
    token: Option<&str>,
) -> clickhouse::error::Result<()> {
    let mut insert = database().insert::<Delivery>(table).await?;
    if let Some(token) = token {
        insert = insert.with_setting("insert_deduplication_token", token);
    }
    for id in ids {
        insert.write(&Delivery::number(id)).await?;
    }
    insert.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_says_its_version_and_keeps_its_limits() {
    assert!(engine().version().starts_with("26.7."), "{}", engine().version());
    let setting = |name| format!("SELECT toUInt64(value) FROM system.server_settings WHERE name = '{name}'");
    for (name, value) in [
        ("max_server_memory_usage", 2048),
        ("mark_cache_size", 256),
        ("primary_index_cache_size", 128),
        ("index_mark_cache_size", 128),
        ("text_index_tokens_cache_size", 128),
        ("text_index_header_cache_size", 128),
        ("text_index_postings_cache_size", 128),
    ] {
        assert_eq!(number(&database(), &setting(name)).await, value * 1024 * 1024, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_database_is_a_plain_one() {
    let kind = database()
        .query("SELECT engine FROM system.databases WHERE name = 'default'")
        .fetch_one::<String>()
        .await;
    assert_eq!(kind.unwrap(), "Atomic");
    let file = database().query("SELECT count() FROM default.`/etc/hostname`").fetch_one::<u64>().await;
    assert!(file.unwrap_err().to_string().contains("Code: 60"));
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_arrive_as_values() {
    let sql = "SELECT {a:String}, {b:UInt64} + 1, {l:Array(String)}::String, ifNull({n:Nullable(String)}, 'none'), \
               {d:DateTime64(3)}::String";
    let query = database()
        .query(sql)
        .param("a", "x'y\\tz\r\n\r\n--é")
        .param("b", 41_u64)
        .param("l", vec!["p'q", "r"])
        .param("n", None::<String>)
        .param("d", "2026-01-02 03:04:05.678");
    let row = query.fetch_one::<(String, u64, String, String, String)>().await.unwrap();
    let expect = ("x'y\\tz\r\n\r\n--é", 42, "['p\\'q','r']", "none", "2026-01-02 03:04:05.678");
    assert_eq!((row.0.as_str(), row.1, row.2.as_str(), row.3.as_str(), row.4.as_str()), expect);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_back_as_they_went_in() {
    make_deliveries("round_trip").await;
    insert_deliveries("round_trip", 0..1000, None).await.unwrap();
    let rows =
        database().query("SELECT ?fields FROM round_trip ORDER BY id").fetch_all::<Delivery>().await.unwrap();
    assert_eq!(rows, (0..1000).map(Delivery::number).collect::<Vec<_>>());
    let none =
        database().query("SELECT ?fields FROM round_trip WHERE id = 9999").fetch_all::<Delivery>().await;
    assert_eq!(none.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_many_pieces_is_whole() {
    let mut rows = database()
        .query("SELECT number, toString(number) FROM numbers(400000)")
        .fetch::<(u64, String)>()
        .unwrap();
    let (mut count, mut sum) = (0_u64, 0_u64);
    while let Some((number, text)) = rows.next().await.unwrap() {
        assert_eq!(text, number.to_string());
        (count, sum) = (count + 1, sum + number);
    }
    assert_eq!((count, sum), (400_000, 400_000 * 399_999 / 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_formats_hold_every_row_and_one_header() {
    let sql = "SELECT number AS n, toString(number) AS s FROM numbers(200000) ORDER BY n";
    let rows = 200_000;
    for (format, start, lines) in [
        ("JSONEachRow", "{\"n\":0,\"s\":\"0\"}\n", rows),
        ("TSVWithNames", "n\ts\n0\t0\n", rows + 1),
        ("CSVWithNames", "\"n\",\"s\"\n0,\"0\"\n", rows + 1),
        ("CSV", "0,\"0\"\n1", rows),
    ] {
        let bytes = database().query(sql).fetch_bytes(format).unwrap().collect().await.unwrap();
        assert!(bytes.starts_with(start.as_bytes()), "{format}: {:?}", bytes.slice(..40));
        assert_eq!(bytes.split(|byte| *byte == b'\n').count() - 1, lines, "{format}");
        assert!(
            bytes.ends_with(b"199999\n") || bytes.ends_with(b"\"199999\"\n") || bytes.ends_with(b"\"}\n")
        );
    }
    let json = database().query(sql).fetch_bytes("JSON").unwrap().collect().await.unwrap();
    assert!(json.starts_with(b"{") && String::from_utf8_lossy(&json).contains("\"rows\": 200000"));
    let parquet = database().query(sql).fetch_bytes("Parquet").unwrap().collect().await.unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_rows_in_an_array_stay_one_array() {
    let query = database()
        .query("SELECT number FROM numbers(200000)")
        .with_setting("output_format_json_array_of_rows", "1");
    let bytes = query.fetch_bytes("JSONEachRow").unwrap().collect().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes).matches('[').count(), 1);
}

/// One Native block of a `UInt64` and a `String` column.
fn native_block(rows: u8) -> Vec<u8> {
    let mut block = vec![2, rows, 1, b'n', 6];
    block.extend_from_slice(b"UInt64");
    block.extend((0..rows).flat_map(|n| u64::from(n).to_le_bytes()));
    block.extend_from_slice(b"\x01s\x06String");
    block.extend((0..rows).flat_map(|n| [2, b'a' + n, b'\n']));
    block
}

#[tokio::test(flavor = "multi_thread")]
async fn native_blocks_go_in_however_they_are_cut() {
    execute(&database(), "CREATE OR REPLACE TABLE native_in (n UInt64, s LowCardinality(String)) ENGINE = MergeTree ORDER BY n").await;
    for bytes_at_once in [1, 7, 4096] {
        let mut insert = database().insert_formatted_with("INSERT INTO native_in (n, s) FORMAT Native");
        for part in native_block(20).chunks(bytes_at_once) {
            insert.send(bytes::Bytes::copy_from_slice(part)).await.unwrap();
        }
        insert.end().await.unwrap();
    }
    assert_eq!(number(&database(), "SELECT sum(n) FROM native_in WHERE endsWith(s, '\\n')").await, 3 * 190);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_in_the_statement_keep_their_blank_lines() {
    let client = database();
    execute(&client, "CREATE OR REPLACE TABLE inline_rows (s String) ENGINE = MergeTree ORDER BY s").await;
    execute(&client, "INSERT INTO inline_rows FORMAT JSONEachRow\n{\"s\":\"a\"}\n\n{\"s\":\"b\"}\n").await;
    execute(&client, "INSERT INTO inline_rows VALUES ('c\n\nd'),\n\n('e')").await;
    client.query("INSERT INTO inline_rows VALUES ({s:String})").param("s", "f\n\ng").execute().await.unwrap();
    execute(&client, "INSERT INTO inline_rows SELECT 'h' FROM numbers(2)").await;
    assert_eq!(number(&client, "SELECT count() * 100 + sum(length(s)) FROM inline_rows").await, 713);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_insert_is_understood() {
    make_deliveries("compressed").await;
    let client = database().with_compression(Compression::Lz4);
    let mut insert = client.insert::<Delivery>("compressed").await.unwrap();
    for id in 0..5000 {
        insert.write(&Delivery::number(id)).await.unwrap();
    }
    insert.end().await.unwrap();
    assert_eq!(number(&client, "SELECT sum(id) FROM compressed").await, 5000 * 4999 / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_a_known_token_is_stored_once() {
    make_deliveries("tokens").await;
    for (token, rows) in [("first", 10), ("first", 10), ("second", 20)] {
        insert_deliveries("tokens", 0..10, Some(token)).await.unwrap();
        assert_eq!(number(&database(), "SELECT count() FROM tokens").await, rows, "{token}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_databases_do_not_leak() {
    let client = database();
    let sql = "SELECT toUInt64(getSetting('max_block_size'))";
    assert_eq!(
        client.query(sql).with_setting("max_block_size", "777").fetch_one::<u64>().await.unwrap(),
        777
    );
    assert_ne!(number(&client, sql).await, 777);

    execute(&client, "CREATE DATABASE IF NOT EXISTS `other-db`").await;
    let other = client.clone().with_database("other-db");
    execute(&other, "CREATE OR REPLACE TABLE there (id UInt64) ENGINE = MergeTree ORDER BY id").await;
    let mut insert = other.insert_formatted_with("INSERT INTO there FORMAT TSV").buffered();
    insert.write_buffered(b"7\n");
    insert.end().await.unwrap();
    assert_eq!(number(&other, "SELECT id FROM there").await, 7);
    let here = client.query("SELECT currentDatabase()").fetch_one::<String>().await.unwrap();
    assert_eq!(here, "default");
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_run_side_by_side() {
    let sleep = || database().query("SELECT sleep(3)").with_setting("query_id", "side-by-side").execute();
    let sleeping = [tokio::spawn(sleep()), tokio::spawn(sleep())];
    eventually("both run", async || running("side-by-side").await == 2).await;
    for query in sleeping {
        query.await.unwrap().unwrap();
    }
    let tasks: Vec<_> = (0..32_u64)
        .map(|task| {
            tokio::spawn(async move { number(&database(), &format!("SELECT toUInt64({task})")).await })
        })
        .collect();
    for (task, query) in (0..).zip(tasks) {
        assert_eq!(query.await.unwrap(), task);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waited_for_answer_brings_its_counts() {
    let query = database().query("SELECT count() FROM numbers(1000)").with_setting("wait_end_of_query", "1");
    let mut rows = query.fetch::<u64>().unwrap();
    rows.next().await.unwrap();
    assert_eq!(rows.summary().and_then(clickhouse::QuerySummary::read_rows), Some(1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stands_still_is_given_up() {
    let query =
        database().query("SELECT number FROM numbers(300000000)").with_setting("query_id", "stalled-reader");
    let mut rows = query.fetch::<u64>().unwrap();
    rows.next().await.unwrap();
    tokio::time::sleep(STALL_MAX + Duration::from_millis(500)).await;
    loop {
        match rows.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a cut answer looked whole"),
            Err(_) => break,
        }
    }
    eventually("its place is free", async || running("stalled-reader").await == 0).await;
}
