//! How failures look, and what they leave behind: nothing.

use super::{ENDLESS, database, eventually, execute, number, running};
use crate::store::embedded::request::SQL_BYTES_MAX;
use std::time::Duration;

#[track_caller]
fn check<T>(got: clickhouse::error::Result<T>, code: u32, part: &str) {
    let error = got.err().expect("a failure was expected").to_string();
    assert!(error.contains(&format!("Code: {code}.")) && error.contains(part), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_statement_says_so_in_the_engines_words() {
    let client = database();
    check(client.query("SELECT 1 FROM nothing_here").fetch_one::<u8>().await, 60, "nothing_here");
    check(client.query("SELEC 1").execute().await, 62, "Syntax error");
    check(client.query("SELECT 1").with_setting("no_such", "1").execute().await, 115, "'no_such'");
    check(client.query("SELECT 1").with_setting("max_threads", "abc").execute().await, 27, "");
    check(client.clone().with_database("no_such").query("SELECT 1").execute().await, 81, "no_such");
    check(client.query("SELECT 1 FORMAT NoSuch").execute().await, 73, "NoSuch");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_a_statement_hold() {
    let client = database();
    check(client.query(ENDLESS).with_setting("max_execution_time", "1").execute().await, 159, "");
    let memory = client
        .query("SELECT uniqExact(number) FROM numbers(100000000)")
        .with_setting("max_memory_usage", "50000000");
    check(memory.execute().await, 241, "");
    let rows = client.query("SELECT number FROM numbers(100000)").with_setting("max_result_rows", "10");
    check(rows.fetch_all::<u64>().await, 396, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_would_not_do_is_refused() {
    let client = database();
    check(client.query("SELECT 1; SELECT 2").execute().await, 62, "one statement");
    let target = std::env::temp_dir().join("relaylens-outfile");
    for sql in [
        format!("SELECT 1 INTO OUTFILE '{}'", target.display()),
        format!("SELECT $$'$$ INTO OUTFILE '{}'", target.display()),
        format!("INSERT INTO FUNCTION file('{}', 'TSV', 'a UInt8') SELECT 1", target.display()),
        format!("INSERT INTO FUNCTION file('{}', 'TSV', 'a UInt8') FORMAT TSV\n1\n", target.display()),
    ] {
        check(client.query_raw(&sql).execute().await, 164, "outside of the engine");
    }
    assert!(!target.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_more_than_a_mebibyte_is_refused_with_a_way_out() {
    let sql = format!("SELECT '{}'", "x".repeat(SQL_BYTES_MAX));
    check(database().query_raw(&sql).execute().await, 62, "longer than 1048576 bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_after_the_first_rows_ends_in_an_error() {
    let sql = "SELECT number, throwIf(number = 900000, 'boom')::UInt8 FROM numbers(2000000)";
    // The words are lost where the pipe cuts the trailer in two, which is rare; the failure never is.
    for _ in 0..3 {
        let query =
            database().query(sql).with_setting("max_threads", "1").with_setting("max_block_size", "10000");
        let mut rows = query.fetch::<(u64, u8)>().unwrap();
        let mut count = 0;
        let error = loop {
            match rows.next().await {
                Ok(Some(_)) => count += 1,
                Ok(None) => panic!("a cut answer of {count} rows looked whole"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(count > 0, "{error}");
        if error.contains("boom") {
            return;
        }
    }
    panic!("the engine's words never arrived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_statement_leaves_nothing_for_the_next_one() {
    let client = database();
    let sql = "SELECT number, throwIf(number = 50000, 'boom') FROM numbers(100000)";
    assert!(
        client
            .query(sql)
            .with_setting("max_block_size", "1000")
            .fetch_bytes("JSON")
            .unwrap()
            .collect()
            .await
            .is_err()
    );
    assert_eq!(client.query("SELECT 1 AS x").fetch_bytes("TSV").unwrap().collect().await.unwrap(), "1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_insert_is_answered_while_its_rows_still_come() {
    let client = database();
    execute(&client, "CREATE OR REPLACE TABLE failing (n UInt64) ENGINE = MergeTree ORDER BY n").await;
    for (table, rows, code) in [("failing", "1\n2\nbad\n", 27), ("failing_not_there", "1\n", 60)] {
        let mut insert = client.insert_formatted_with(format!("INSERT INTO {table} FORMAT TSV"));
        insert.send(bytes::Bytes::from(rows)).await.unwrap();
        for _ in 0..64 {
            insert.send(bytes::Bytes::from("3\n".repeat(100_000))).await.unwrap();
        }
        check(insert.end().await, code, "");
    }
    assert_eq!(number(&client, "SELECT count() FROM failing").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_insert_commits_nothing() {
    let client = database();
    execute(&client, "CREATE OR REPLACE TABLE dropped (n UInt64) ENGINE = MergeTree ORDER BY n").await;
    for _ in 0..5 {
        let insert = client.insert_formatted_with("INSERT INTO dropped FORMAT TSV");
        let mut insert = insert.with_setting("query_id", "dropped-insert");
        for _ in 0..20 {
            insert.send(bytes::Bytes::from("1\n".repeat(10_000))).await.unwrap();
        }
        drop(insert);
    }
    eventually("the inserts have ended", async || running("dropped-insert").await == 0).await;
    assert_eq!(number(&client, "SELECT count() FROM dropped").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_statement_is_ended() {
    let query = database().query(ENDLESS).with_setting("query_id", "abandoned-query");
    assert!(tokio::time::timeout(Duration::from_millis(300), query.fetch_one::<u64>()).await.is_err());
    eventually("the query has ended", async || running("abandoned-query").await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_cursor_ends_its_statement() {
    let query = database()
        .query("SELECT number FROM numbers(100000000000)")
        .with_setting("query_id", "abandoned-cursor");
    let mut rows = query.fetch::<u64>().unwrap();
    for _ in 0..1000 {
        rows.next().await.unwrap();
    }
    drop(rows);
    eventually("the query has ended", async || running("abandoned-cursor").await == 0).await;
}
