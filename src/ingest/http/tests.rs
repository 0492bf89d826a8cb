//! The HTTP doors as a sender sees them, with the real spool behind.

use crate::ingest::http::{HttpOptions, router};
use crate::ingest::testing::{SpoolDir, read_all, source, text_of};
use crate::model::SourceKind;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::Duration;
use tower::ServiceExt as _;

const EVENT: &str =
    r#"{"event_type":"delivered","event_time":"2026-01-31T11:59:00Z","recipient":"a@example.com"}"#;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    json: Value,
}

fn doors(dir: &SpoolDir) -> Router {
    router(dir.intake.clone(), HttpOptions::default())
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let (head, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Answer { status: head.status, headers: head.headers, json }
}

async fn post(router: &Router, uri: &str, body: impl Into<Body>) -> Answer {
    send(router, Request::post(uri).body(body.into()).unwrap()).await
}

async fn post_encoded(router: &Router, encoding: &str, body: Vec<u8>) -> Answer {
    let request = Request::post("/v1/events").header(header::CONTENT_ENCODING, encoding);
    send(router, request.body(body.into()).unwrap()).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn events(dir: &SpoolDir) -> String {
    text_of(&dir.spool, &source(SourceKind::Ndjson, "http"))
}

#[track_caller]
fn check_receipt(answer: &Answer, status: u16, accepted: u64, rejected: u64) {
    let got = (answer.status.as_u16(), answer.json["accepted"].as_u64(), answer.json["rejected"].as_u64());
    assert_eq!(got, (status, Some(accepted), Some(rejected)), "{}", answer.json);
}

#[track_caller]
fn check_refusal(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.json["error"]["code"].as_str()), (status, Some(code)));
}

#[tokio::test]
async fn good_lines_are_spooled_as_they_came() {
    let dir = SpoolDir::new();
    let body = format!("{EVENT}\n\n{EVENT}");
    let answer = post(&doors(&dir), "/v1/events", body.clone()).await;
    check_receipt(&answer, 202, 2, 0);
    assert_eq!(answer.json["errors"], json!([]));
    assert_eq!(events(&dir), body);
    assert_eq!(read_all(&dir.spool)[0].items, 2);
}

#[tokio::test]
async fn bad_lines_are_answered_and_good_ones_taken() {
    let dir = SpoolDir::new();
    let long = format!("{{\"event_type\":\"{}\"}}", "x".repeat(10_000_000));
    let body = [
        EVENT.as_bytes(),
        br#"{"event_type":"delivered","event_time":"2026-01-31T11:59:00Z"}"#,
        b"",
        b"{\"event_type\":\"\xff\"}",
        EVENT.as_bytes(),
        b"{broken",
        long.as_bytes(),
    ]
    .join(b"\n".as_slice());
    let answer = post(&doors(&dir), "/v1/events", body).await;
    check_receipt(&answer, 202, 2, 4);
    let errors = answer.json["errors"].as_array().unwrap();
    let told: Vec<_> =
        errors.iter().map(|error| (error["line"].as_u64(), error["reason"].as_str())).collect();
    let reasons = [(2, "missing_field"), (4, "encoding"), (6, "syntax"), (7, "too_large")];
    assert_eq!(told, reasons.map(|(line, reason)| (Some(line), Some(reason))));
    assert!(errors[0]["message"].as_str().unwrap().contains("`recipient`"));
    assert_eq!(events(&dir), format!("{EVENT}\n{EVENT}\n"));
    assert_eq!(dir.intake.counts().refused_items, 4);
}

#[tokio::test]
async fn when_no_line_is_good_the_request_is_bad_and_the_list_of_errors_is_bounded() {
    let dir = SpoolDir::new();
    let answer = post(&doors(&dir), "/v1/events", "{}\n".repeat(150)).await;
    check_receipt(&answer, 400, 0, 150);
    assert_eq!(answer.json["errors"].as_array().unwrap().len(), 100);
    assert_eq!(answer.json["errors_omitted"], 50);
    assert!(read_all(&dir.spool).is_empty());
}

#[tokio::test]
async fn an_empty_body_is_no_fault() {
    let dir = SpoolDir::new();
    check_receipt(&post(&doors(&dir), "/v1/events", "\n").await, 202, 0, 0);
    assert!(read_all(&dir.spool).is_empty());
}

#[tokio::test]
async fn an_array_and_a_pretty_printed_event_become_lines() {
    let dir = SpoolDir::new();
    let pretty = EVENT.replace(',', ",\r\n  ");
    let answer = post(&doors(&dir), "/v1/events", format!(" [\n{pretty},\n{{}}, {EVENT}]\n")).await;
    check_receipt(&answer, 202, 2, 1);
    assert_eq!(answer.json["errors"][0]["line"], 2);
    check_receipt(&post(&doors(&dir), "/v1/events", pretty.clone()).await, 202, 1, 0);
    let flat = EVENT.replace(',', ",    ");
    assert_eq!(events(&dir), format!("{flat}\n{EVENT}\n{flat}\n"));
}

#[tokio::test]
async fn of_a_broken_array_nothing_is_taken_and_the_place_is_told() {
    let dir = SpoolDir::new();
    let answer = post(&doors(&dir), "/v1/events", format!("[{EVENT},\n{EVENT}")).await;
    check_receipt(&answer, 400, 0, 1);
    assert_eq!(answer.json["errors"][0]["line"], 3);
    assert_eq!(answer.json["errors"][0]["reason"], "syntax");
    assert!(read_all(&dir.spool).is_empty());
}

#[tokio::test]
async fn packed_bodies_are_unpacked_and_others_are_told_what_is_allowed() {
    let dir = SpoolDir::new();
    let doors = doors(&dir);
    let body = format!("{EVENT}\n");
    let zstd = zstd::encode_all(body.as_bytes(), 1).unwrap();
    check_receipt(&post_encoded(&doors, "gzip", gzip(body.as_bytes())).await, 202, 1, 0);
    check_receipt(&post_encoded(&doors, "ZSTD", zstd.clone()).await, 202, 1, 0);
    check_receipt(&post_encoded(&doors, "identity", body.clone().into()).await, 202, 1, 0);
    assert_eq!(events(&dir), body.repeat(3));

    let answer = post_encoded(&doors, "br", body.clone().into()).await;
    check_refusal(&answer, 415, "unknown_encoding");
    assert_eq!(answer.headers[header::ACCEPT_ENCODING], "identity, gzip, zstd");
    assert!(answer.json["error"]["message"].as_str().unwrap().contains("identity, gzip, zstd"));

    check_refusal(&post_encoded(&doors, "zstd", zstd[..zstd.len() - 3].into()).await, 400, "bad_encoding");
    check_refusal(&post_encoded(&doors, "gzip", body.into()).await, 400, "bad_encoding");
    assert_eq!(read_all(&dir.spool).len(), 3);
}

#[tokio::test]
async fn a_bomb_stops_at_the_limit_whichever_way_it_is_packed() {
    let dir = SpoolDir::new();
    let zeros = vec![0; 80 * 1024 * 1024];
    for (encoding, bomb) in [("gzip", gzip(&zeros)), ("zstd", zstd::encode_all(&*zeros, 1).unwrap())] {
        let answer = post_encoded(&doors(&dir), encoding, bomb).await;
        check_refusal(&answer, 413, "too_large");
        assert!(answer.json["error"]["message"].as_str().unwrap().contains("67108864"));
    }
    assert!(read_all(&dir.spool).is_empty());
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_announced_or_not() {
    let dir = SpoolDir::new();
    let large = Bytes::from(vec![b'x'; 51 * 1024 * 1024]);
    check_refusal(&post(&doors(&dir), "/v1/events", large.clone()).await, 413, "too_large");
    let pieces = futures_util::stream::iter(
        large
            .chunks(1 << 20)
            .map(|piece| Ok::<_, std::convert::Infallible>(Bytes::copy_from_slice(piece)))
            .collect::<Vec<_>>(),
    );
    check_refusal(&post(&doors(&dir), "/v1/events", Body::from_stream(pieces)).await, 413, "too_large");
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together() {
    let dir = SpoolDir::new();
    let pieces = EVENT
        .as_bytes()
        .chunks(7)
        .map(|piece| Ok::<_, std::convert::Infallible>(Bytes::copy_from_slice(piece)));
    let body = Body::from_stream(futures_util::stream::iter(pieces.collect::<Vec<_>>()));
    check_receipt(&post(&doors(&dir), "/v1/events", body).await, 202, 1, 0);
    assert_eq!(events(&dir), EVENT);
}

#[tokio::test]
async fn a_full_spool_says_when_to_come_again_and_takes_the_request_then() {
    let dir = SpoolDir::small();
    dir.fill(3000).await;
    let body = format!("{EVENT}\n").repeat(30);
    let answer = post(&doors(&dir), "/v1/events", body.clone()).await;
    check_refusal(&answer, 503, "spool_full");
    assert_eq!(answer.headers[header::RETRY_AFTER], "5");
    assert_eq!(dir.intake.counts().turned_away, 1);

    dir.drain();
    check_receipt(&post(&doors(&dir), "/v1/events", body.clone()).await, 202, 30, 0);
    assert_eq!(events(&dir), body);
}

#[tokio::test]
async fn when_the_room_for_bodies_is_taken_the_answer_is_busy() {
    let dir = SpoolDir::new();
    let options = HttpOptions { in_flight_bytes_max: EVENT.len(), ..HttpOptions::default() };
    let doors = router(dir.intake.clone(), options);
    let answer = post(&doors, "/v1/events", format!("{EVENT}\n")).await;
    check_refusal(&answer, 503, "busy");
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    // what was held is free again
    for _ in 0..3 {
        check_receipt(&post(&doors, "/v1/events", EVENT).await, 202, 1, 0);
    }
    let full = router(dir.intake.clone(), HttpOptions { requests_max: 0, ..HttpOptions::default() });
    check_refusal(&post(&full, "/v1/events", EVENT).await, 503, "busy");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let dir = SpoolDir::new();
    let options = HttpOptions { body_timeout: Duration::from_millis(10), ..HttpOptions::default() };
    let never = futures_util::stream::pending::<Result<Bytes, std::convert::Infallible>>();
    let answer = post(&router(dir.intake.clone(), options), "/v1/events", Body::from_stream(never)).await;
    check_refusal(&answer, 408, "too_slow");
}

#[tokio::test]
async fn sources_are_named_by_the_request_and_bad_names_refused() {
    let dir = SpoolDir::new();
    let doors = doors(&dir);
    check_receipt(&post(&doors, "/v1/events?source=shop-1.eu_x", EVENT).await, 202, 1, 0);
    assert_eq!(text_of(&dir.spool, &source(SourceKind::Ndjson, "shop-1.eu_x")), EVENT);
    for name in ["", "A", "a%20b", &"a".repeat(65)] {
        check_refusal(&post(&doors, &format!("/v1/events?source={name}"), EVENT).await, 400, "bad_source");
    }
    check_refusal(&post(&doors, "/v1/events?sorce=a", EVENT).await, 400, "bad_query");
}

#[tokio::test]
async fn the_doors_are_for_post_alone() {
    let dir = SpoolDir::new();
    for uri in ["/v1/events", "/v1/in/kumomta", "/v1/in/postfix"] {
        let answer = send(&doors(&dir), Request::get(uri).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn of_a_relay_everything_is_taken() {
    let cases = [
        ("{\"a\":1}", "{\"a\":1}", 1),
        ("{\"a\":1}\nbroken\n{\"a\":2}\n", "{\"a\":1}\nbroken\n{\"a\":2}\n", 3),
        ("broken\n{\"a\":2}\n", "broken\n{\"a\":2}\n", 2),
        ("[{\"a\":1},\n{\"a\":\n2},3]", "{\"a\":1}\n{\"a\": 2}\n3\n", 3),
        ("{\n\"a\": 1\n}\n{\n\"a\": 2}", "{ \"a\": 1 }\n{ \"a\": 2}\n", 2),
        ("[{\"a\":1},", "[{\"a\":1},", 1),
        ("no\njson\nat all", "no json at all", 1),
    ];
    for (body, spooled, count) in cases {
        let dir = SpoolDir::new();
        check_receipt(&post(&doors(&dir), "/v1/in/kumomta?source=k1", body).await, 202, count, 0);
        assert_eq!(text_of(&dir.spool, &source(SourceKind::Kumomta, "k1")), spooled);
    }
}

#[tokio::test]
async fn log_lines_are_taken_with_their_place() {
    let dir = SpoolDir::new();
    let uri = "/v1/in/postfix?source=mx1&file=%2Fvar%2Flog%2Fmail.log&offset=17";
    check_receipt(&post(&doors(&dir), uri, b"one\n\xe4\n".as_slice()).await, 202, 2, 0);
    let entry = &read_all(&dir.spool)[0];
    assert_eq!(
        (entry.source.to_string().as_str(), entry.file.as_str(), entry.offset),
        ("postfix:mx1", "/var/log/mail.log", 17)
    );
    check_refusal(&post(&doors(&dir), "/v1/in/postfix?offset=-1", "one").await, 400, "bad_query");
    let long = format!("/v1/in/postfix?file={}", "f".repeat(1025));
    check_refusal(&post(&doors(&dir), &long, "one").await, 400, "bad_file");
}
