//! The listener on loopback: who may come in, and what they may do there.

use super::{database, engine, execute, number};
use crate::store::embedded::{EmbeddedError, ListenToken, serve_tcp};
use clickhouse::Client;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, header::AUTHORIZATION};
use hyper_util::{client::legacy::Client as HttpClient, rt::TokioExecutor};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

const TOKEN: &str = "a-token-of-the-test-0123456789";

struct Listener {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), EmbeddedError>>,
}

async fn listen() -> Listener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let token = ListenToken::new(TOKEN).unwrap();
    let served =
        tokio::spawn(serve_tcp(Arc::clone(engine()), listener, token, async move { _ = stopped.await }));
    Listener { address, stop, served }
}

impl Listener {
    fn client(&self) -> Client {
        Client::default().with_url(format!("http://{}", self.address)).with_access_token(TOKEN)
    }

    /// Status and body of `POST path`; `token` goes into the `Authorization` header.
    async fn post(&self, path: &str, token: Option<&str>, body: &str) -> (StatusCode, String) {
        let http = HttpClient::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
        let mut request = Request::post(format!("http://{}{path}", self.address));
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = http.request(request.body(body.to_owned().into()).unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.into()).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_without_the_token() {
    let listener = listen().await;
    for token in [None, Some("a-token-of-the-test-012345678"), Some("")] {
        let (status, body) = listener.post("/", token, "SELECT 1").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
        assert!(body.starts_with("Code: 516."), "{body}");
    }
    assert_eq!(listener.post("/", Some(TOKEN), "SELECT 1").await, (StatusCode::OK, "1\n".to_owned()));
    let by_url = format!("/?password={TOKEN}&query=SELECT+2");
    assert_eq!(listener.post(&by_url, None, "").await, (StatusCode::OK, "2\n".to_owned()));
    assert_eq!(listener.post("/ping", None, "").await, (StatusCode::OK, "Ok.\n".to_owned()));
    let basic = Client::default().with_url(format!("http://{}", listener.address));
    let basic = basic.with_user("grafana").with_password(TOKEN);
    assert_eq!(number(&basic, "SELECT toUInt64(3)").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_reads_over_loopback() {
    let listener = listen().await;
    let client = listener.client();
    let row = client.query("SELECT {a:String}, {b:UInt64}").param("a", "x'\r\n").param("b", 7_u64);
    assert_eq!(row.fetch_one::<(String, u64)>().await.unwrap(), ("x'\r\n".to_owned(), 7));
    let rows = client.query("SELECT number FROM numbers(300000)").fetch_all::<u64>().await.unwrap();
    assert_eq!(rows.len(), 300_000);
    let sql = "SELECT throwIf(number = 900000, 'boom')::UInt8 FROM numbers(2000000)";
    let cut = client.query(sql).with_setting("max_block_size", "10000").fetch_all::<u8>().await;
    // Its words are lost where TCP cuts the trailer in two: what counts is that it is no short answer.
    cut.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_reads_with_url_parameters_and_formats() {
    let listener = listen().await;
    let path = "/?param_a=x%27y&default_format=JSONEachRow&max_threads=1";
    let (_, body) = listener.post(path, Some(TOKEN), "SELECT {a:String} AS a").await;
    assert_eq!(body, "{\"a\":\"x'y\"}\n");
    let (_, body) = listener.post("/", Some(TOKEN), "SELECT 1 AS a FORMAT CSVWithNames").await;
    assert_eq!(body, "\"a\"\n1\n");
    let (status, body) = listener.post("/?query=SELECT+1", Some(TOKEN), "lost rows").await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    let (status, body) = listener.post("/", Some(TOKEN), " ").await;
    assert!(status == StatusCode::BAD_REQUEST && body.contains("no statement"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_cannot_change_anything() {
    let listener = listen().await;
    execute(&database(), "CREATE OR REPLACE TABLE guarded (n UInt64) ENGINE = MergeTree ORDER BY n").await;
    execute(&database(), "INSERT INTO guarded VALUES (1)").await;
    for (sql, code) in [
        ("INSERT INTO guarded VALUES (2)", 164),
        ("INSERT INTO guarded FORMAT TSV\n2\n", 164),
        ("INSERT INTO guarded SELECT 2", 164),
        ("CREATE TABLE made_by_a_reader (n UInt8) ENGINE = Memory", 164),
        ("CREATE TEMPORARY TABLE x (n UInt8)", 164),
        ("ALTER TABLE guarded DELETE WHERE 1", 164),
        ("DROP TABLE guarded", 164),
        ("TRUNCATE TABLE guarded", 164),
        ("OPTIMIZE TABLE guarded", 164),
        ("SELECT 1; DROP TABLE guarded", 62),
        ("SELECT 1 INTO OUTFILE '/nowhere/x'", 164),
        ("KILL QUERY WHERE 1", 164),
        ("SYSTEM STOP MERGES", 164),
        ("SET max_threads = 1", 164),
        ("USE system", 164),
        ("BACKUP TABLE guarded TO File('x')", 164),
        ("GRANT SELECT ON *.* TO x", 164),
        ("SELECT 1 SETTINGS readonly = 0", 164),
        ("SELECT 1 SETTINGS max_memory_usage = 0", 164),
        ("EXPLAIN ANALYZE INSERT INTO guarded SELECT 2", 48),
        ("SELEC 1", 62),
    ] {
        let (status, body) = listener.post("/", Some(TOKEN), sql).await;
        assert!(
            status != StatusCode::OK && body.starts_with(&format!("Code: {code}.")),
            "{sql}: {status} {body}"
        );
    }
    assert_eq!(number(&database(), "SELECT sum(n) FROM guarded").await, 1);
    assert_eq!(
        number(&database(), "SELECT count() FROM system.tables WHERE name = 'made_by_a_reader'").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn table_functions_that_reach_outside_are_closed_to_readers() {
    let listener = listen().await;
    for sql in [
        "SELECT * FROM url('http://127.0.0.1:1/x', 'TSV', 'a String')",
        "SELECT * FROM file('/etc/hostname', 'TSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1:1', system.one)",
        "SELECT * FROM executable('id', 'TSV', 'a String')",
        "DESCRIBE url('http://127.0.0.1:1/x', 'TSV')",
        "DESCRIBE TABLE file('/etc/hostname', 'LineAsString')",
        "DESCRIBE (SELECT * FROM url('http://127.0.0.1:1/x', 'CSV'))",
        "EXPLAIN QUERY TREE SELECT * FROM url('http://127.0.0.1:1/x', 'CSV')",
    ] {
        let (status, body) = listener.post("/", Some(TOKEN), sql).await;
        assert!(status == StatusCode::FORBIDDEN && body.starts_with("Code: 164."), "{sql}: {status} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_readers_settings_stay_within_bounds() {
    let listener = listen().await;
    let sql = "SELECT getSetting('readonly'), getSetting('max_memory_usage'), toUInt64(getSetting('max_execution_time'))";
    let path =
        "/?readonly=0&max_memory_usage=0&max_execution_time=0&output_format_json_quote_64bit_integers=1";
    assert_eq!(
        listener.post(path, Some(TOKEN), sql).await,
        (StatusCode::OK, "1\t536870912\t60\n".to_owned())
    );
    let (status, body) = listener.post("/?format_schema=x", Some(TOKEN), "SELECT 1").await;
    assert!(status == StatusCode::FORBIDDEN && body.contains("'format_schema'"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_insert_over_loopback_gets_its_answer() {
    let listener = listen().await;
    let client = listener.client();
    let mut insert = client.insert_formatted_with("INSERT INTO anything FORMAT TSV").buffered();
    insert.write_buffered(&b"1\n".repeat(200_000));
    let error = insert.end().await.unwrap_err().to_string();
    assert!(error.contains("Code: 164.") && error.contains("readers cannot insert"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_wait() {
    let listener = listen().await;
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(TcpStream::connect(listener.address).await.unwrap());
    }
    let mut late = TcpStream::connect(listener.address).await.unwrap();
    late.write_all(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    let waited = tokio::time::timeout(Duration::from_millis(300), late.read_exact(&mut answer)).await;
    assert!(waited.is_err());
    silent.pop();
    late.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_machines_are_never_listened_to() {
    let open = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let token = ListenToken::new(TOKEN).unwrap();
    let error = serve_tcp(Arc::clone(engine()), open, token, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::NotLoopback { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_stops_when_told() {
    let listener = listen().await;
    let mut idle = TcpStream::connect(listener.address).await.unwrap();
    assert_eq!(listener.post("/ping", None, "").await.0, StatusCode::OK);
    let start = Instant::now();
    listener.stop.send(()).unwrap();
    listener.served.await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
    assert!(TcpStream::connect(listener.address).await.is_err());
}
