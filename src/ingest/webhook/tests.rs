//! The doors of the providers as they see them: signed examples of each, and what a forger makes of them.
//!
//! The examples stand in `tests/data/webhooks`: request, key, and a body that the signature does not cover.

use crate::config::Webhooks;
use crate::ingest::Intake;
use crate::ingest::http::HttpOptions;
use crate::ingest::testing::{SpoolDir, read_all, text_of};
use crate::ingest::webhook::certificate::{Fetch, FetchError, Fetched};
use crate::ingest::webhook::{Settings, WebhookCounts, routes};
use crate::model::{SourceRef, Timestamp};
use crate::parse::webhook::Provider;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, Uri, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::ServiceExt as _;

/// When the examples were signed: 2025-01-01T00:00:00Z.
const SIGNED: i64 = 1_735_689_600;

macro_rules! example {
    ($name:literal) => {
        (
            stringify!($name),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/webhooks/", $name, ".json")),
        )
    };
}

/// A request as its provider makes it.
#[derive(Debug, Clone, serde::Deserialize)]
struct Example {
    #[serde(skip)]
    name: &'static str,
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
    tampered_body: String,
    verify: Value,
}

fn examples() -> Vec<Example> {
    let texts = [
        example!("mailgun"),
        example!("postal"),
        example!("postmark_basic"),
        example!("resend_svix"),
        example!("sendgrid"),
        example!("ses_sns_v1_notification"),
        example!("ses_sns_v1_subscriptionconfirmation"),
        example!("ses_sns_v2_notification_nosubject"),
        example!("sparkpost_basic"),
        example!("stalwart"),
    ];
    let read = |(name, text): (&'static str, &str)| Example { name, ..serde_json::from_str(text).unwrap() };
    texts.into_iter().map(read).collect()
}

fn example(name: &str) -> Example {
    examples().into_iter().find(|example| example.name.contains(name)).unwrap()
}

impl Example {
    fn provider(&self) -> Provider {
        Provider::from_name(self.path.strip_prefix("/v1/in/").unwrap()).unwrap()
    }

    fn is_signed(&self) -> bool {
        !self.headers.contains_key("authorization")
    }

    fn source(&self) -> SourceRef {
        SourceRef { kind: self.provider().kind(), name: "http".into() }
    }
}

/// Certificates of SNS from memory.
struct LabFetch {
    pem: String,
    fails: Mutex<bool>,
    asked: Mutex<Vec<String>>,
}

impl Fetch for LabFetch {
    fn get<'f>(&'f self, url: &'f Uri) -> Fetched<'f> {
        self.asked.lock().unwrap().push(url.to_string());
        let fails = *self.fails.lock().unwrap();
        let answer = if fails { Err(FetchError("SNS is away".into())) } else { Ok(self.pem.clone().into()) };
        Box::pin(async move { answer })
    }
}

/// All doors open, with the keys of the examples.
struct Lab {
    dir: SpoolDir,
    router: Router,
    counts: WebhookCounts,
    fetch: Arc<LabFetch>,
    _secrets: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    json: Value,
}

impl Answer {
    fn told(&self) -> (u16, &str) {
        (self.status, self.json["error"]["code"].as_str().unwrap_or_default())
    }
}

const CONFIG: &str = r#"
    ses = { topics = ["arn:aws:sns:us-east-1:123456789012:ses-events"] }
    sendgrid = { keys = [{ file = "DIR/sendgrid" }] }
    mailgun = { keys = [{ file = "DIR/old" }, { file = "DIR/mailgun" }] }
    resend = { keys = [{ file = "DIR/resend" }] }
    postal = { keys = [{ file = "DIR/postal" }] }
    stalwart = { keys = [{ file = "DIR/stalwart" }] }
    postmark = { user = "hook", passwords = [{ file = "DIR/password" }] }
    sparkpost = { user = "hook", passwords = [{ file = "DIR/old" }, { file = "DIR/password" }] }
    brevo = { tokens = [{ file = "DIR/token" }] }
    mailjet = { tokens = [{ file = "DIR/token" }], token_header = "x-hook" }
"#;

impl Lab {
    fn new() -> Self {
        Self::with(SpoolDir::new(), CONFIG, || Timestamp::from_seconds(SIGNED + 5))
    }

    fn at(clock: fn() -> Timestamp) -> Self {
        Self::with(SpoolDir::new(), CONFIG, clock)
    }

    fn with(dir: SpoolDir, config: &str, clock: fn() -> Timestamp) -> Self {
        let secrets = tempfile::tempdir().unwrap();
        let key = |name: &str, field: &str| example(name).verify[field].as_str().unwrap().to_owned();
        for (file, secret) in [
            ("sendgrid", key("sendgrid", "public_key_b64_spki")),
            ("mailgun", key("mailgun", "signing_key")),
            ("resend", key("resend", "secret")),
            ("postal", key("postal", "public_key_pem")),
            ("stalwart", key("stalwart", "key")),
            ("password", key("postmark", "password") + "\n"),
            ("token", "t0ken\r\n".to_owned()),
            ("old", "replaced".to_owned()),
            ("other-svix", "whsec_b3RoZXI=".to_owned()),
        ] {
            std::fs::write(secrets.path().join(file), secret).unwrap();
        }
        let config = config.replace("DIR", secrets.path().to_str().unwrap());
        let config: Webhooks = toml::from_str(&config).unwrap();
        let pem = key("ses_sns_v1_notification", "cert_pem");
        let fetch = Arc::new(LabFetch { pem, fails: Mutex::default(), asked: Mutex::default() });
        let https: Arc<dyn Fetch> = Arc::clone(&fetch) as _;
        let settings = Settings::load(&config, &https).unwrap();
        let options = HttpOptions { body_timeout: Duration::from_millis(50), ..HttpOptions::default() };
        let (router, counts) = routes(Intake::new(dir.spool.clone(), clock), settings, &options);
        Self { dir, router, counts, fetch, _secrets: secrets }
    }

    async fn post(&self, example: &Example) -> Answer {
        self.post_body(example, example.body.clone()).await
    }

    async fn post_body(&self, example: &Example, body: impl Into<Body>) -> Answer {
        let mut request = Request::post(&example.path);
        for (name, value) in &example.headers {
            request = request.header(name, value);
        }
        let request = request.body(body.into()).unwrap();
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: head.status.as_u16(), headers: head.headers, json }
    }

    fn refused(&self, provider: Provider, code: &str) -> u64 {
        let all: BTreeMap<_, _> = self.counts.now().into_iter().collect();
        all.get(&provider).and_then(|status| status.refused.get(code).copied()).unwrap_or(0)
    }
}

/// Checks that a request is refused, counted, and not in the spool.
#[track_caller]
fn check_refused(lab: &Lab, example: &Example, answer: &Answer, status: u16, code: &'static str) {
    assert_eq!(answer.told(), (status, code), "{}: {}", example.name, answer.json);
    assert!(read_all(&lab.dir.spool).is_empty(), "{}", example.name);
    assert_eq!(lab.refused(example.provider(), code), 1, "{}", example.name);
}

#[tokio::test]
async fn every_signed_example_is_taken_as_it_came() {
    for example in examples() {
        let lab = Lab::new();
        let answer = lab.post(&example).await;
        let items = if example.name.contains("sendgrid") { 2 } else { 1 };
        assert_eq!(
            (answer.status, &answer.json["accepted"]),
            (200, &items.into()),
            "{}: {answer:?}",
            example.name
        );
        assert_eq!(text_of(&lab.dir.spool, &example.source()), example.body);
        let (provider, status) = lab.counts.now().remove(0);
        assert_eq!((provider, status.taken, status.items), (example.provider(), 1, items));
        assert_eq!(status.last_taken, Some(Timestamp::from_seconds(SIGNED + 5)));
    }
}

#[tokio::test]
async fn every_tampered_example_is_refused() {
    for mut example in examples().into_iter().filter(Example::is_signed) {
        if example.tampered_body == example.body {
            example.tampered_body = example.body.replace("2336412f37", "2336412f38");
        }
        let lab = Lab::new();
        let answer = lab.post_body(&example, example.tampered_body.clone()).await;
        check_refused(&lab, &example, &answer, 403, "wrong_signature");
    }
}

#[tokio::test]
async fn every_changed_header_that_is_signed_or_signs_is_refused() {
    for (name, headers) in [
        (
            "sendgrid",
            &["x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"][..],
        ),
        ("resend", &["svix-id", "svix-timestamp", "svix-signature"]),
        ("postal", &["x-postal-signature-256"]),
        ("stalwart", &["x-signature"]),
    ] {
        for header in headers {
            for value in ["", "1735689601", "v1,AAAA", "AAAA", "!"] {
                let mut example = example(name);
                example.headers.insert((*header).to_owned(), value.to_owned());
                let lab = Lab::new();
                let answer = lab.post(&example).await;
                check_refused(&lab, &example, &answer, 403, "wrong_signature");
            }
        }
    }
}

#[tokio::test]
async fn who_says_nothing_of_himself_is_asked_who_he_is() {
    for mut example in examples() {
        example.headers.clear();
        if matches!(example.provider(), Provider::Mailgun | Provider::Ses) {
            example.body = "{\"event-data\":{}}".to_owned();
        }
        let lab = Lab::new();
        let answer = lab.post(&example).await;
        check_refused(&lab, &example, &answer, 401, "no_credentials");
        assert!(answer.headers.contains_key(header::WWW_AUTHENTICATE));
    }
}

#[tokio::test]
async fn other_keys_do_not_open() {
    let config = r#"
        mailgun = { keys = [{ file = "DIR/old" }] }
        stalwart = { keys = [{ file = "DIR/old" }] }
        resend = { keys = [{ file = "DIR/other-svix" }] }
        postmark = { user = "hook", passwords = [{ file = "DIR/old" }] }
        sparkpost = { user = "other", passwords = [{ file = "DIR/password" }] }
    "#;
    for example in examples() {
        let lab = Lab::with(SpoolDir::new(), config, || Timestamp::from_seconds(SIGNED + 5));
        let answer = lab.post(&example).await;
        let (status, code) = match example.provider() {
            Provider::Mailgun | Provider::Stalwart | Provider::Resend => (403, "wrong_signature"),
            Provider::Postmark | Provider::Sparkpost => (401, "wrong_secret"),
            _ => (403, "not_set_up"),
        };
        check_refused(&lab, &example, &answer, status, code);
    }
}

#[tokio::test]
async fn a_message_is_taken_once() {
    for example in examples().into_iter().filter(Example::is_signed) {
        let lab = Lab::new();
        assert_eq!(lab.post(&example).await.status, 200);
        let answer = lab.post(&example).await;
        assert_eq!(answer.told(), (403, "replayed"), "{}", example.name);
        assert_eq!(read_all(&lab.dir.spool).len(), 1);
        assert_eq!(lab.refused(example.provider(), "replayed"), 1);
    }
}

#[tokio::test]
async fn a_token_of_mailgun_does_not_open_for_another_body() {
    let lab = Lab::new();
    let example = example("mailgun");
    assert_eq!(lab.post(&example).await.status, 200);
    let forged = example.body.replace("nouser", "victim");
    assert_eq!(lab.post_body(&example, forged).await.told(), (403, "replayed"));
}

#[tokio::test]
async fn the_other_half_of_an_ecdsa_signature_is_a_replay_too() {
    use base64::Engine as _;
    let coder = base64::engine::general_purpose::STANDARD;
    let lab = Lab::new();
    let mut example = example("sendgrid");
    assert_eq!(lab.post(&example).await.status, 200);
    let name = "x-twilio-email-event-webhook-signature";
    let twin = other_half(&coder.decode(&example.headers[name]).unwrap());
    example.headers.insert(name.to_owned(), coder.encode(twin));
    assert_eq!(lab.post(&example).await.told(), (403, "replayed"));
}

/// (r, n − s) for (r, s): it holds for the same message.
fn other_half(der: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let r_length = usize::from(der[3]);
    let (r, s) = (&der[4..4 + r_length], &der[4 + r_length + 2..]);
    let s: Vec<u8> = std::iter::repeat_n(0, 33 - s.len()).chain(s.iter().copied()).skip(1).collect();
    let mut borrow = 0;
    let mut twin: Vec<u8> = ORDER
        .iter()
        .zip(&s)
        .rev()
        .map(|(n, s)| {
            let digit = i16::from(*n) - i16::from(*s) - borrow;
            borrow = i16::from(digit < 0);
            u8::try_from(digit.rem_euclid(256)).unwrap()
        })
        .collect();
    twin.reverse();
    let zeros = twin.iter().take_while(|byte| **byte == 0).count();
    twin.drain(..zeros);
    if twin[0] >= 0x80 {
        twin.insert(0, 0);
    }
    let inner = [&[2, der[3]], r, &[2, u8::try_from(twin.len()).unwrap()], &twin].concat();
    [&[0x30, u8::try_from(inner.len()).unwrap()], inner.as_slice()].concat()
}

#[tokio::test]
async fn what_was_signed_long_ago_is_refused() {
    for example in examples().into_iter().filter(Example::is_signed) {
        let lab = Lab::at(|| Timestamp::from_seconds(SIGNED + 90_000));
        let answer = lab.post(&example).await;
        check_refused(&lab, &example, &answer, 403, "stale");
        let setting = format!("webhooks.{}.tolerance_seconds", example.provider().name());
        let message = answer.json["error"]["message"].as_str().unwrap();
        assert!(message.contains(&setting), "{message}");
    }
}

#[tokio::test]
async fn what_is_signed_for_tomorrow_is_refused() {
    for example in examples().into_iter().filter(Example::is_signed) {
        let lab = Lab::at(|| Timestamp::from_seconds(SIGNED - 310));
        let answer = lab.post(&example).await;
        check_refused(&lab, &example, &answer, 403, "from_the_future");
    }
}

#[tokio::test]
async fn postals_older_signature_counts_where_there_is_no_newer_one() {
    let mut example = example("postal");
    example.headers.remove("x-postal-signature-256");
    assert_eq!(Lab::new().post(&example).await.status, 200);
    example.body = example.tampered_body.clone();
    assert_eq!(Lab::new().post(&example).await.told(), (403, "wrong_signature"));
}

#[tokio::test]
async fn a_token_opens_in_each_place() {
    let lab = Lab::new();
    let body = "{\"event\":\"delivered\"}";
    let ask = |path: &str, headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (name, tampered_body) = ("token", String::new());
        let headers = headers.collect();
        Example {
            name,
            path: path.to_owned(),
            headers,
            body: body.to_owned(),
            tampered_body,
            verify: Value::Null,
        }
    };
    for good in [
        ask("/v1/in/brevo?token=t0ken", &[]),
        ask("/v1/in/brevo", &[("authorization", "Bearer t0ken")]),
        ask("/v1/in/mailjet?source=eu", &[("x-hook", "t0ken")]),
    ] {
        assert_eq!(lab.post(&good).await.status, 200);
    }
    let source = SourceRef { kind: Provider::Mailjet.kind(), name: "eu".into() };
    assert_eq!(text_of(&lab.dir.spool, &source), body);
    assert_eq!(lab.post(&ask("/v1/in/brevo?token=wrong", &[])).await.told(), (401, "wrong_secret"));
    assert_eq!(lab.post(&ask("/v1/in/brevo", &[("x-hook", "t0ken")])).await.told(), (401, "no_credentials"));
    assert_eq!(lab.post(&ask("/v1/in/brevo?tokn=t0ken", &[])).await.told(), (400, "bad_query"));
    assert_eq!(lab.post(&ask("/v1/in/brevo?token=t0ken&source=A", &[])).await.told(), (400, "bad_source"));
}

#[tokio::test]
async fn only_topics_of_the_settings_may_post_and_only_sns_is_asked() {
    let notification = example("ses_sns_v2");
    let confirmation = example("subscriptionconfirmation");
    let host = "https://sns.us-east-1.amazonaws.com/";
    for (example, from, to, code) in [
        (&notification, "123456789012:ses-events", "999999999999:ses-events", "foreign_topic"),
        (&notification, "https://sns.us-east-1", "http://sns.us-east-1", "foreign_url"),
        (&notification, host, "https://evil.example/", "foreign_url"),
        (&notification, host, "https://sns.us-east-1.amazonaws.com@evil.example/", "foreign_url"),
        (&confirmation, "Action=ConfirmSubscription", "Action=Publish", "foreign_url"),
        (&notification, "\"SignatureVersion\": \"2\"", "\"SignatureVersion\": \"3\"", "malformed"),
        (&notification, "\"SignatureVersion\": \"2\"", "\"SignatureVersion\": \"1\"", "wrong_signature"),
    ] {
        let lab = Lab::new();
        assert!(example.body.contains(from), "{from}");
        let answer = lab.post_body(example, example.body.replace(from, to)).await;
        check_refused(&lab, example, &answer, 403, code);
        let asked = lab.fetch.asked.lock().unwrap();
        assert_eq!(asked.len(), usize::from(matches!(code, "malformed" | "wrong_signature")), "{code}");
    }
}

#[tokio::test]
async fn a_certificate_is_asked_for_once() {
    let lab = Lab::new();
    assert_eq!(lab.post(&example("ses_sns_v1_notification")).await.status, 200);
    assert_eq!(lab.post(&example("ses_sns_v2")).await.status, 200);
    let asked = lab.fetch.asked.lock().unwrap().clone();
    assert_eq!(asked, ["https://sns.us-east-1.amazonaws.com/SimpleNotificationService-lab.pem"]);
}

#[tokio::test]
async fn without_a_certificate_sns_is_told_to_come_again_and_nobody_asks_at_once() {
    let lab = Lab::new();
    *lab.fetch.fails.lock().unwrap() = true;
    let example = example("ses_sns_v2");
    for _ in 0..3 {
        assert_eq!(lab.post(&example).await.told(), (503, "no_certificate"));
    }
    assert_eq!(lab.fetch.asked.lock().unwrap().len(), 1);
    assert!(read_all(&lab.dir.spool).is_empty());
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_refused() {
    let config = r#"ses = { topics = ["arn:aws:sns:us-east-1:123456789012:ses-events"], tolerance_seconds = 4000000000 }"#;
    // 2045
    let lab = Lab::with(SpoolDir::new(), config, || Timestamp::from_seconds(2_366_841_600));
    let example = example("ses_sns_v2");
    let answer = lab.post(&example).await;
    check_refused(&lab, &example, &answer, 403, "bad_certificate");
}

#[tokio::test]
async fn a_subscription_is_confirmed_once_it_is_in_the_spool() {
    let lab = Lab::new();
    let example = example("subscriptionconfirmation");
    // the certificate is known already, so that only the confirmation fails
    assert_eq!(lab.post(&self::example("ses_sns_v2")).await.status, 200);
    *lab.fetch.fails.lock().unwrap() = true;
    assert_eq!(lab.post(&example).await.told(), (503, "not_confirmed"));
    *lab.fetch.fails.lock().unwrap() = false;
    assert_eq!(lab.post(&example).await.status, 200);
    let asked = lab.fetch.asked.lock().unwrap().clone();
    let url = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x&Token=2336412f37";
    assert_eq!(asked[1..], [url, url]);
}

#[tokio::test]
async fn what_finds_the_spool_full_may_come_again() {
    let dir = SpoolDir::small();
    dir.fill(3000).await;
    dir.fill(100).await;
    let lab = Lab::with(dir, CONFIG, || Timestamp::from_seconds(SIGNED + 5));
    let example = example("resend");
    let answer = lab.post(&example).await;
    assert_eq!(answer.told(), (503, "spool_full"));
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    lab.dir.drain();
    assert_eq!(lab.post(&example).await.status, 200);
}

#[tokio::test]
async fn slow_large_and_packed_bodies_are_refused() {
    let lab = Lab::new();
    let mut example = example("stalwart");
    let large = Bytes::from(vec![b' '; super::BODY_BYTES_MAX + 1]);
    assert_eq!(lab.post_body(&example, large.clone()).await.told(), (413, "too_large"));
    let pieces = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(large)]);
    assert_eq!(lab.post_body(&example, Body::from_stream(pieces)).await.told(), (413, "too_large"));
    let endless = futures_util::stream::repeat_with(|| {
        Ok::<_, std::convert::Infallible>(Bytes::from(vec![b' '; 1 << 20]))
    });
    assert_eq!(lab.post_body(&example, Body::from_stream(endless)).await.told(), (413, "too_large"));
    let never = futures_util::stream::pending::<Result<Bytes, std::convert::Infallible>>();
    assert_eq!(lab.post_body(&example, Body::from_stream(never)).await.told(), (408, "too_slow"));
    example.headers.insert("content-encoding".to_owned(), "gzip".to_owned());
    assert_eq!(lab.post(&example).await.told(), (415, "unknown_encoding"));
    assert!(read_all(&lab.dir.spool).is_empty());
}

#[tokio::test]
async fn without_settings_nothing_is_taken() {
    let lab = Lab::with(SpoolDir::new(), "", || Timestamp::from_seconds(SIGNED + 5));
    for example in examples() {
        let answer = lab.post(&example).await;
        assert_eq!(answer.told(), (403, "not_set_up"));
        let message = answer.json["error"]["message"].as_str().unwrap();
        assert!(message.contains(&format!("[webhooks.{}]", example.provider().name())), "{message}");
    }
    assert!(read_all(&lab.dir.spool).is_empty());
}
