//! The suppression list over HTTP, by the running program: asking, changing, following, importing, undoing, webhooks,
//! and recipients who leave.

use crate::support::{Answer, PATIENCE, Place, Server, free_port, quoted};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const API: &str = "/api/v1/suppressions";

#[track_caller]
fn well(answer: &Answer) -> Value {
    assert!(answer.status.is_success(), "{}: {}", answer.status, answer.text());
    answer.json()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains(words), "{message}");
}

/// Waits until something is so.
async fn until<T>(what: &str, server: &Server, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: it does not come about\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the list is loaded.
async fn loaded(server: &Server) {
    until("the list is loaded", server, async || {
        let asked = json!({"addresses": ["a@b.example"]}).to_string();
        let answer = server.post(&format!("{API}/check"), asked).await;
        answer.status.is_success().then_some(())
    })
    .await;
}

async fn add(server: &Server, entry: Value) -> Value {
    well(&server.post(API, entry.to_string()).await)
}

async fn is_suppressed(server: &Server, address: &str) -> bool {
    server.get(&format!("{API}/{address}")).await["suppressed"].as_bool().unwrap()
}

#[tokio::test]
async fn an_entry_is_added_explained_and_lifted_and_the_audit_log_knows_who() {
    let place = Place::new("");
    let server = place.serve().await;
    loaded(&server).await;
    let did = add(&server, json!({"address": " Ann@B.example ", "note": "asked by phone"})).await;
    assert_eq!((&did["added"], &did["known"]), (&json!(1), &json!(0)), "{did}");
    let again = add(&server, json!({"address": "ann@b.example"})).await;
    assert_eq!((&again["added"], &again["known"]), (&json!(0), &json!(1)), "{again}");
    let narrow = json!({"address": "ann@b.example", "scope": "stream", "tenant": "t1", "name": "news",
                        "reason": "complaint", "type": "marketing"});
    add(&server, narrow).await;

    let told = server.get(&format!("{API}/ANN%40b.example?tenant=t1&stream=news")).await;
    assert_eq!((&told["suppressed"], &told["decided_by"]), (&json!(true), &json!("reason")), "{told}");
    assert_eq!(told["matching"][0]["reason"], "complaint");
    assert_eq!(told["matching"][1]["note"], "asked by phone");
    let told = server.get(&format!("{API}/ann@b.example?tenant=t2")).await;
    assert_eq!((told["matching"].as_array().unwrap().len(), told["other"].as_array().unwrap().len()), (1, 1));

    let lift = format!("{API}/ann@b.example");
    refused(&server.request("DELETE", &lift, &[], "").await, 400, "note");
    let did = well(&server.request("DELETE", &format!("{lift}?note=he%20wrote"), &[], "").await);
    assert_eq!(did["lifted"], 2, "{did}");
    assert!(!is_suppressed(&server, "ann@b.example").await);

    refused(&server.post(API, json!({"address": "nobody"}).to_string()).await, 400, "address");
    refused(&server.post(API, json!({"adress": "a@b.example"}).to_string()).await, 400, "adress");
    refused(
        &server.post(API, json!({"address": "a@b.example", "scope": "moon"}).to_string()).await,
        400,
        "moon",
    );
    refused(&server.request("GET", &format!("{API}/a@b.example?sender=x"), &[], "").await, 400, "sender");

    let audit = server.get("/api/v1/audit").await;
    let actions: Vec<_> = audit["rows"].as_array().unwrap().iter().map(|row| row["action"].clone()).collect();
    assert_eq!(actions.iter().filter(|action| *action == "suppression.add").count(), 3, "{audit}");
    assert_eq!(audit["rows"][0]["action"], "suppression.remove", "{audit}");
    assert_eq!(audit["rows"][0]["actor"], "local");
    assert!(!audit.to_string().contains("b.example"), "the audit log names recipients: {audit}");
    server.stop().await;
}

#[tokio::test]
async fn many_are_checked_added_and_lifted_at_once_and_the_whole_is_undone() {
    let place = Place::new("");
    let server = place.serve().await;
    loaded(&server).await;
    let entries: Vec<_> = (0..3_000).map(|n| json!({"address": format!("r{n}@b.example")})).collect();
    let did = well(
        &server.post(&format!("{API}/bulk"), json!({"name": "old list", "add": entries}).to_string()).await,
    );
    assert_eq!(did["added"], 3_000, "{did}");
    let addresses: Vec<_> = (0..10_000).map(|n| format!("r{n}@b.example")).collect();
    let asked = json!({"addresses": addresses}).to_string();
    let answer = well(&server.post(&format!("{API}/check"), asked).await);
    assert_eq!((&answer["suppressed"], answer["rows"].as_array().unwrap().len()), (&json!(3_000), 10_000));
    let too_many = json!({"addresses": vec!["a@b.example"; 10_001]}).to_string();
    refused(&server.post(&format!("{API}/check"), too_many).await, 400, "10001");

    // Pages of the list, until there is no next one.
    let (mut seen, mut after) = (0, String::new());
    loop {
        let page = server.get(&format!("{API}?limit=700&after={after}")).await;
        seen += page["rows"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        next.clone_into(&mut after);
    }
    assert_eq!(seen, 3_000);

    let undo = format!("{API}/runs/{}/undo", did["run"].as_str().unwrap());
    let undone = well(&server.post(&undo, json!({"note": "wrong file"}).to_string()).await);
    assert_eq!(undone["lifted"], 3_000, "{undone}");
    assert!(!is_suppressed(&server, "r7@b.example").await);
    let runs = server.get(&format!("{API}/runs")).await;
    let bulk = runs["rows"].as_array().unwrap().iter().find(|run| run["kind"] == "bulk").unwrap();
    assert!(bulk["undone_by"].is_string(), "{runs}");
    server.stop().await;
}

#[tokio::test]
async fn a_snapshot_has_an_etag_and_the_log_is_followed_from_it() {
    let place = Place::new("");
    let server = place.serve().await;
    loaded(&server).await;
    add(&server, json!({"address": "ann@b.example"})).await;
    add(&server, json!({"address": "bob@b.example", "reason": "unsubscribe", "type": "marketing"})).await;
    let snapshot = format!("{API}/snapshot");
    let first = server.request("GET", &snapshot, &[], "").await;
    let rows: Vec<Value> = first.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows.len(), &rows[0]["address"]), (2, &json!("ann@b.example")));
    let etag = first.headers["etag"].to_str().unwrap().to_owned();
    let same = server.request("GET", &snapshot, &[("if-none-match", &etag)], "").await;
    // The hour may turn between the two.
    assert!(same.status == 304 || same.headers["etag"] != *etag, "{}", same.status);
    let hashed =
        server.request("GET", &format!("{snapshot}?format=csv&identity=sha256"), &[], "").await.text();
    assert!(hashed.starts_with("address,scope") && !hashed.contains("b.example"), "{hashed}");
    let export = server.request("GET", &format!("{API}/export/mailchimp"), &[], "").await.text();
    assert_eq!(export, "Email Address\nann@b.example\nbob@b.example\n");

    // A change after the snapshot, over a restart, then one while somebody waits.
    let cursor = first.headers["relaylens-cursor"].to_str().unwrap().to_owned();
    well(&server.request("DELETE", &format!("{API}/ann@b.example"), &[], "").await);
    let changed = server.request("GET", &snapshot, &[("if-none-match", &etag)], "").await;
    assert_eq!(changed.status, 200);
    server.stop().await;
    let server = place.serve().await;
    loaded(&server).await;
    let feed = server.get(&format!("{API}/changes?cursor={cursor}")).await;
    let rows = feed["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["action"]), (1, &json!("remove")), "{feed}");
    let cursor = feed["cursor"].as_str().unwrap();
    let waiting = format!("{API}/changes?cursor={cursor}&wait_s=50");
    let (feed, _) = tokio::join!(server.get(&waiting), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        add(&server, json!({"address": "eve@b.example"})).await
    });
    assert_eq!(feed["rows"][0]["address"], "eve@b.example", "{feed}");
    refused(&server.request("GET", &format!("{API}/changes?cursor=zz"), &[], "").await, 400, "cursor");
    server.stop().await;
}

#[tokio::test]
async fn a_stream_of_events_is_cut_and_goes_on_where_it_was() {
    let place = Place::new("");
    let server = place.serve().await;
    loaded(&server).await;
    let mut stream = EventStream::open(&server, "").await;
    for name in ["ann", "bob"] {
        add(&server, json!({"address": format!("{name}@b.example")})).await;
    }
    let (id, first) = stream.next().await;
    assert_eq!((&first["address"], &first["action"]), (&json!("ann@b.example"), &json!("add")));
    drop(stream);
    add(&server, json!({"address": "eve@b.example"})).await;
    let mut stream = EventStream::open(&server, &id).await;
    let mut names = Vec::new();
    while names.len() < 2 {
        names.push(stream.next().await.1["address"].as_str().unwrap().to_owned());
    }
    assert_eq!(names, ["bob@b.example", "eve@b.example"]);
    // The server ends although somebody still listens.
    server.stop().await;
}

/// A reader of server-sent events.
struct EventStream(BufReader<TcpStream>);

impl EventStream {
    async fn open(server: &Server, last_id: &str) -> Self {
        let address = server.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let last_id =
            if last_id.is_empty() { String::new() } else { format!("Last-Event-ID: {last_id}\r\n") };
        let request = format!("GET {API}/stream HTTP/1.1\r\nHost: {address}\r\n{last_id}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self(BufReader::new(stream))
    }

    /// The id and data of the next event.
    async fn next(&mut self) -> (String, Value) {
        let (mut id, mut data) = (String::new(), None);
        loop {
            let mut line = String::new();
            let read =
                tokio::time::timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("an event comes");
            assert!(read.unwrap() > 0, "the stream ended");
            if let Some(text) = line.strip_prefix("id: ") {
                text.trim().clone_into(&mut id);
            } else if let Some(text) = line.strip_prefix("data: ") {
                data = Some(serde_json::from_str(text.trim()).unwrap());
            }
            if let (false, Some(data)) = (id.is_empty(), &data) {
                return (id, Value::clone(data));
            }
        }
    }
}

async fn imported(server: &Server, run: &str) -> Value {
    until("the import is over", server, async || {
        let report = server.get(&format!("{API}/imports/{run}")).await;
        ["done", "failed"].contains(&report["state"].as_str().unwrap()).then_some(report)
    })
    .await
}

const ROWS: &str = "Email,Reason,Since\nann@b.example,bounce,2026-01-02\nnobody,bounce,\nbob@b.example,spam,\n\
                    ann@b.example,bounce,2026-01-02\neve@b.example,compliance,\n\"open,x\n";

#[tokio::test]
async fn an_import_is_counted_first_then_done_with_its_faults_by_line_and_undone() {
    let place = Place::new("");
    let server = place.serve().await;
    loaded(&server).await;
    let dry = well(&server.post(&format!("{API}/imports?name=old.csv&dry_run=true"), ROWS).await);
    let dry = imported(&server, dry["run"].as_str().unwrap()).await;
    let counts =
        |report: &Value| ["rows", "added", "known", "faulty"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts(&dry), [6, 3, 1, 2], "{dry}");
    let lines: Vec<_> = dry["faults"].as_array().unwrap().iter().map(|fault| fault["line"].clone()).collect();
    assert_eq!(lines, [3, 7], "{dry}");
    assert!(dry["faults"][0]["message"].as_str().unwrap().contains("`nobody` is no address"), "{dry}");
    assert!(!is_suppressed(&server, "ann@b.example").await, "a dry run writes nothing");

    let real = well(&server.post(&format!("{API}/imports?name=old.csv"), ROWS).await);
    let run = real["run"].as_str().unwrap().to_owned();
    let real = imported(&server, &run).await;
    assert_eq!(counts(&real), [6, 3, 1, 2], "{real}");
    let told = server.get(&format!("{API}/ann@b.example")).await;
    assert_eq!(told["matching"][0]["reason"], "bounce:recipient", "{told}");

    let undo = format!("{API}/runs/{run}/undo");
    let undone = well(&server.post(&undo, json!({"note": "wrong list"}).to_string()).await);
    assert_eq!(undone["lifted"], 3, "{undone}");
    assert!(!is_suppressed(&server, "ann@b.example").await);
    let twice = well(&server.post(&undo, json!({"note": "wrong list"}).to_string()).await);
    assert_eq!(twice["lifted"], 0, "{twice}");
    server.stop().await;
}

#[tokio::test]
async fn an_import_that_is_killed_is_whole_in_the_end() {
    const COUNT: u64 = 60_000;
    let place = Place::new("");
    let mut server = place.serve().await;
    loaded(&server).await;
    let row = |n| format!("r{n}@b.example\n");
    let rows: String = (0..COUNT).map(row).collect();
    let report = well(&server.post(&format!("{API}/imports?name=big.txt"), rows).await);
    let run = report["run"].as_str().unwrap().to_owned();
    let count = "SELECT count(), uniqExact(address) FROM suppression_log";
    for parts in [1, 3] {
        until("a part is written", &server, async || {
            let written = server.sql(count).await[0][0].to_string().replace('"', "").parse::<u64>().unwrap();
            (written >= parts * 10_000).then_some(())
        })
        .await;
        server.kill();
        server = place.serve().await;
    }
    loaded(&server).await;
    let report = imported(&server, &run).await;
    assert_eq!((&report["state"], &report["rows"]), (&json!("done"), &json!(COUNT)), "{report}");
    let rows = server.sql(count).await;
    assert_eq!(rows[0].to_string().replace('"', ""), format!("[{COUNT},{COUNT}]"));
    server.stop().await;
}

#[tokio::test]
async fn compliance_entries_need_the_admin_scope_and_readers_change_nothing() {
    let place = Place::new("");
    fs::write(place.file("admin"), "the-admin-token-of-this-test\n").unwrap();
    let made = |name: &str, scope: &str| {
        let out = place_token(name, scope);
        let word = |label: &str| {
            let line = out.lines().find(|line| line.starts_with(label)).unwrap();
            line[label.len()..].trim().to_owned()
        };
        (word("token"), word("line"))
    };
    let ((reader, one), (writer, two)) = (made("crm", "read"), made("ops", "write"));
    fs::write(place.file("tokens"), format!("{one}\n{two}\n")).unwrap();
    let text = fs::read_to_string(place.file("relaylens.toml")).unwrap();
    let files = format!(
        "[http]\ntoken_file = {}\ntokens_file = {}\n",
        quoted(&place.file("admin")),
        quoted(&place.file("tokens"))
    );
    fs::write(place.file("relaylens.toml"), text.replace("[http]\n", &files)).unwrap();
    let server = place.serve().await;
    let ask = async |token: &str, method: &str, path: &str, body: Value| {
        let bearer = format!("Bearer {token}");
        server.request(method, path, &[("authorization", &bearer)], body.to_string()).await
    };
    let check = json!({"addresses": ["a@b.example"]});
    until("the list is loaded", &server, async || {
        let answer = ask(&reader, "POST", &format!("{API}/check"), check.clone()).await;
        answer.status.is_success().then_some(())
    })
    .await;
    let entry = json!({"address": "judge@b.example", "reason": "compliance"});
    assert_eq!(ask(&reader, "POST", API, entry.clone()).await.status, 403);
    refused(&ask(&writer, "POST", API, entry.clone()).await, 403, "administrator");
    let admin = "the-admin-token-of-this-test";
    well(&ask(admin, "POST", API, entry).await);
    let lift = format!("{API}/judge@b.example?note=settled");
    refused(&ask(&writer, "DELETE", &lift, json!(null)).await, 403, "administrator");
    well(&ask(&writer, "POST", API, json!({"address": "ann@b.example"})).await);
    let audit = well(&ask(&reader, "GET", "/api/v1/audit", json!(null)).await);
    let who: Vec<_> = audit["rows"].as_array().unwrap().iter().map(|row| row["actor"].clone()).collect();
    assert_eq!(who, ["ops", "admin"], "{audit}");
    assert_eq!(ask("wrong", "GET", API, json!(null)).await.status, 401);
    server.stop().await;
}

fn place_token(name: &str, scope: &str) -> String {
    let made = crate::support::relaylens().args(["token", name, "--scope", scope]).output().unwrap();
    assert!(made.status.success(), "{}", crate::support::text(&made.stderr));
    crate::support::text(&made.stdout)
}

#[tokio::test]
async fn a_page_of_another_site_cannot_change_the_list() {
    let place = Place::new("");
    let server = place.serve().await;
    loaded(&server).await;
    let entry = json!({"address": "ann@b.example"}).to_string();
    for header in [("sec-fetch-site", "cross-site"), ("origin", "http://evil.example")] {
        let answer = server.post_with(API, &[header], entry.clone()).await;
        assert_eq!(answer.status, 403, "{header:?}");
        let form = server.post_with("/suppressions", &[header], "do=add&address=ann%40b.example").await;
        assert_eq!(form.status, 403, "{header:?}");
    }
    assert!(!is_suppressed(&server, "ann@b.example").await);
    server.stop().await;
}

const SECRET: &str = "a-secret-of-thirty-two-letters-x";

/// A receiver that answers as it is told, and checks each signature.
#[derive(Clone, Default)]
struct Receiver {
    /// Bodies by the id of their post, with how often each came.
    posts: Arc<Mutex<BTreeMap<String, (Value, u32)>>>,
    refuses: Arc<std::sync::atomic::AtomicBool>,
}

impl Receiver {
    async fn listen(&self, port: u16) -> tokio::task::JoinHandle<()> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let receiver = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                receiver.answer(stream).await;
            }
        })
    }

    async fn answer(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut head = BTreeMap::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 || line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                head.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
        }
        let Some(length) = head.get("content-length") else { return };
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        let refuses = self.refuses.load(std::sync::atomic::Ordering::Relaxed);
        if !refuses {
            assert_eq!(head["webhook-signature"], signature(&head, &body));
            let mut posts = self.posts.lock().unwrap();
            let body = serde_json::from_slice(&body).unwrap();
            posts.entry(head["webhook-id"].clone()).or_insert((body, 0)).1 += 1;
        }
        let status = if refuses { "503 Service Unavailable" } else { "204 No Content" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    /// Addresses in all posts, in order of coming.
    fn addresses(&self) -> Vec<String> {
        let posts = self.posts.lock().unwrap();
        let records = posts.values().flat_map(|(body, _)| body["records"].as_array().unwrap());
        let mut addresses: Vec<_> =
            records.map(|record| record["address"].as_str().unwrap().to_owned()).collect();
        addresses.sort();
        addresses
    }
}

fn signature(head: &BTreeMap<String, String>, body: &[u8]) -> String {
    use base64::Engine as _;
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let (id, stamp) = (&head["webhook-id"], &head["webhook-timestamp"]);
    mac.update(format!("{id}.{stamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes()))
}

/// A place with one receiver.
fn hooked(port: u16, give_up_hours: u16) -> Place {
    let place = Place::new("");
    fs::write(place.file("secret"), SECRET).unwrap();
    place.set(&format!(
        "[[feed.webhooks]]\nname = \"crm\"\nurl = \"http://127.0.0.1:{port}/hook\"\nsecret_file = {}\n\
         give_up_hours = {give_up_hours}\n",
        quoted(&place.file("secret"))
    ));
    place
}

#[tokio::test]
async fn a_receiver_that_was_down_gets_every_change_once_in_the_end() {
    let port = free_port();
    let place = hooked(port, 24);
    let server = place.serve().await;
    loaded(&server).await;
    add(&server, json!({"address": "r0@b.example"})).await;
    let failing = async || {
        let status = server.get(&format!("{API}/webhooks")).await["rows"][0].clone();
        (status["failures"].as_u64().unwrap() > 0).then_some(status)
    };
    let status = until("the receiver is missed", &server, failing).await;
    assert!(!status["last_fault"].as_str().unwrap().is_empty(), "{status}");
    add(&server, json!({"address": "r1@b.example"})).await;
    // A kill while a post waits: it is the same post afterwards.
    server.kill();
    let server = place.serve().await;
    loaded(&server).await;
    let receiver = Receiver::default();
    let listening = receiver.listen(port).await;
    add(&server, json!({"address": "r2@b.example"})).await;
    until("all are told", &server, async || (receiver.addresses().len() >= 3).then_some(())).await;
    assert_eq!(receiver.addresses(), ["r0@b.example", "r1@b.example", "r2@b.example"]);
    assert!(receiver.posts.lock().unwrap().values().all(|(_, times)| *times == 1), "a post came twice");
    until("the status says so", &server, async || {
        let status = server.get(&format!("{API}/webhooks")).await["rows"][0].clone();
        (status["records"] == 3 && status["failures"] == 0).then_some(())
    })
    .await;
    server.stop().await;
    listening.abort();
}

#[tokio::test]
async fn a_post_that_is_given_up_is_a_dead_letter_and_can_be_sent_again() {
    let port = free_port();
    let place = hooked(port, 0);
    let server = place.serve().await;
    loaded(&server).await;
    let receiver = Receiver::default();
    receiver.refuses.store(true, std::sync::atomic::Ordering::Relaxed);
    let listening = receiver.listen(port).await;
    add(&server, json!({"address": "r0@b.example"})).await;
    let dead = format!("{API}/webhooks/crm");
    let letter = until("it is given up", &server, async || {
        let rows = server.get(&dead).await["rows"].clone();
        rows[0]["id"].as_str().map(ToOwned::to_owned)
    })
    .await;
    receiver.refuses.store(false, std::sync::atomic::Ordering::Relaxed);
    add(&server, json!({"address": "r1@b.example"})).await;
    until("the next one went", &server, async || (receiver.addresses() == ["r1@b.example"]).then_some(()))
        .await;
    let again = server.post(&format!("{dead}/{letter}"), "").await;
    assert_eq!(again.status, 202, "{}", again.text());
    until("it went after all", &server, async || (receiver.addresses().len() == 2).then_some(())).await;
    until("no dead letter is left", &server, async || {
        server.get(&dead).await["rows"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
    assert_eq!(server.post(&format!("{dead}/{letter}"), "").await.status, 404);
    server.stop().await;
    listening.abort();
}
