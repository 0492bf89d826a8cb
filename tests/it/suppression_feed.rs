//! Recipients who leave, by click, page and mail; the commands on the suppression list, with and without a server; the
//! pages' forms.

use crate::support::{Answer, PATIENCE, Place, Server, free_port, quoted};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const API: &str = "/api/v1/suppressions";

/// A place whose server knows unsubscribe links.
fn place(more: &str) -> Place {
    let place = Place::new("");
    fs::write(place.file("keys"), "a 0123456789abcdef0123456789abcdef\n").unwrap();
    place.set(&format!(
        "[unsubscribe]\nurl = \"https://mail.shop.example/unsubscribe\"\nmailto = \"leave@shop.example\"\n\
         keys_file = {}\n{more}",
        quoted(&place.file("keys"))
    ));
    place
}

/// The token of a link for the address.
fn token(place: &Place, arguments: &[&str]) -> String {
    let link = place.run_well("unsubscribe-link", arguments);
    link.trim().strip_prefix("https://mail.shop.example/unsubscribe/").unwrap().to_owned()
}

/// Waits for the answer about an address that has at least one entry.
async fn suppressed(server: &Server, path: &str) -> Value {
    let begun = Instant::now();
    loop {
        let told = server.get(&format!("{API}/{path}")).await;
        if told["suppressed"] == true {
            return told;
        }
        assert!(begun.elapsed() < PATIENCE, "{path} is not suppressed: {told}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn goes_out(server: &Server, path: &str) -> bool {
    server.get(&format!("{API}/{path}")).await["suppressed"] == false
}

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

#[tokio::test]
async fn one_click_leaves_the_list_of_the_link_and_a_scanner_does_not() {
    let place = place("");
    let server = place.serve().await;
    let token = token(&place, &["ann@b.example", "--tenant", "shop", "--list", "offers"]);
    let path = format!("/unsubscribe/{token}");
    let page = server.text(&path).await;
    assert!(page.contains("ann@b.example") && page.contains("<button"), "{page}");
    assert_eq!(server.post(&path, "").await.status, 400, "a POST without the body of RFC 8058");
    assert!(goes_out(&server, "ann@b.example?tenant=shop&list=offers").await);

    let clicked = server.post_with(&path, &FORM, "List-Unsubscribe=One-Click").await;
    assert_eq!(clicked.status, 200, "{}", clicked.text());
    let told = suppressed(&server, "ann@b.example?tenant=shop&list=offers&type=marketing").await;
    assert_eq!(told["matching"][0]["reason"], "unsubscribe", "{told}");
    assert_eq!(told["evidence"][0]["event_type"], "unsubscribed", "{told}");
    // The next list and what a contract needs still reach her.
    assert!(goes_out(&server, "ann@b.example?tenant=shop&list=letters&type=marketing").await);
    assert!(goes_out(&server, "ann@b.example?tenant=shop&list=offers&type=transactional").await);

    assert_eq!(server.post_with(&format!("{path}x"), &FORM, "List-Unsubscribe=One-Click").await.status, 404);
    let page = server.text("/suppressions").await;
    assert!(page.contains("95 % of 1 unsubscribes"), "the time to honour is not told");
    let metrics = server.text("/metrics").await;
    assert!(metrics.contains("relaylens_unsubscribes_honoured 1"), "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn the_link_needs_no_token_and_no_name_of_this_machine() {
    let place = place("");
    fs::write(place.file("admin"), "the-token-of-this-test\n").unwrap();
    let text = fs::read_to_string(place.file("relaylens.toml")).unwrap();
    let guarded = format!("[http]\ntoken_file = {}\n", quoted(&place.file("admin")));
    fs::write(place.file("relaylens.toml"), text.replace("[http]\n", &guarded)).unwrap();
    let server = place.serve().await;
    let token = token(&place, &["ann@b.example"]);
    let headers =
        [FORM[0], ("host", "mail.shop.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")];
    let clicked =
        server.post_with(&format!("/unsubscribe/{token}"), &headers, "List-Unsubscribe=One-Click").await;
    assert_eq!(clicked.status, 200, "{}", clicked.text());
    assert_eq!(server.request("GET", "/suppressions", &[], "").await.status, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_mail_with_the_token_leaves_and_a_forged_one_does_not() {
    let port = free_port();
    let place = place(&format!(
        "[[sources.mail]]\nname = \"bounces\"\nlisten = \"127.0.0.1:{port}\"\n[authentication]\nverify_dkim = false\n"
    ));
    let server = place.serve().await;
    let headers = place.run_well("unsubscribe-link", &["ann@b.example", "--stream", "news", "--headers"]);
    assert!(headers.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{headers}");
    let subject = headers.split("subject=").nth(1).unwrap().split('>').next().unwrap().replace("%20", " ");
    send(port, "eve@b.example", "unsubscribe").await;
    send(port, "whoever@phone.example", &subject).await;
    let told = suppressed(&server, "ann@b.example?stream=news&type=marketing").await;
    assert_eq!(told["evidence"][0]["trust"], "verified", "{told}");
    assert_eq!(told["evidence"][0]["feedback_type"], "mailto", "{told}");
    server.drained().await;
    let forged = server.sql("SELECT trust FROM events WHERE recipient = 'eve@b.example'").await;
    assert_eq!(forged[0][0], "unverified");
    assert!(goes_out(&server, "eve@b.example").await);
    server.stop().await;
}

/// Hands a mail in over LMTP.
async fn send(port: u16, from: &str, subject: &str) {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut stream = BufReader::new(stream);
    let mail = format!(
        "LHLO test.example\r\nMAIL FROM:<{from}>\r\nRCPT TO:<leave@shop.example>\r\nDATA\r\nFrom: {from}\r\n\
         To: leave@shop.example\r\nSubject: {subject}\r\nMessage-ID: <{}@b.example>\r\n\r\n\r\n.\r\nQUIT\r\n",
        uuid::Uuid::new_v4()
    );
    stream.write_all(mail.as_bytes()).await.unwrap();
    let mut said = String::new();
    while stream.read_line(&mut said).await.unwrap() > 0 {}
    assert!(said.contains("\n250 2.0.0") || said.matches("250 ").count() >= 4, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_say_the_same_beside_a_server_and_without_one() {
    let place = Place::new("");
    let file = place.file("old.csv");
    fs::write(
        &file,
        "email,reason,since\nann@b.example,spam,2026-01-02\nnobody,,\nbob@b.example,bounce,2026-01-02\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let suppress = |arguments: &[&str]| {
        let (first, rest) = arguments.split_first().unwrap();
        let config = place.file("relaylens.toml");
        let all = [&["suppress", first, "--config", config.to_str().unwrap()], rest].concat();
        let output = crate::support::relaylens().args(all).output().unwrap();
        (
            output.status.success(),
            crate::support::text(&output.stdout) + &crate::support::text(&output.stderr),
        )
    };
    let well = |arguments: &[&str]| {
        let (is_well, said) = suppress(arguments);
        assert!(is_well, "{arguments:?}: {said}");
        said
    };
    let round = |name: &str| {
        let said = well(&["import", file, "--dry-run", "--scope", "tenant", "--tenant", name]);
        assert!(said.contains("3 rows: 2 would be added") && said.contains("line 3: `nobody`"), "{said}");
        let said = well(&["import", file, "--scope", "tenant", "--tenant", name]);
        assert!(said.contains("3 rows: 2 added") && said.contains("1 faulty"), "{said}");
        let run = said.lines().find_map(|line| line.strip_prefix("run ")).unwrap().to_owned();
        let said = well(&["show", "ann@b.example", "--tenant", name]);
        assert!(said.starts_with("held back\n  complaint, tenant"), "{said}");
        let said = well(&["export", "--format", "ses", "--tenant", name]);
        assert_eq!(said.matches("@b.example").count(), 2, "{said}");
        assert!(said.contains(r#"{"emailAddress":"bob@b.example","reason":"BOUNCE"}"#), "{said}");
        assert!(well(&["undo", &run, "--note", "test"]).contains("2 lifted"));
        let (is_well, said) = suppress(&["add", "nobody"]);
        assert!(!is_well && said.contains("address"), "{said}");
        let many = [format!("x@{name}.example"), format!("y@{name}.example")];
        assert!(well(&["add", &many[0], &many[1], "--note", "both"]).contains("2 added"));
        assert!(well(&["remove", &many[0]]).contains("1 lifted"));
        let said = well(&["list", "--reason", "manual"]);
        assert!(said.contains(&many[1]) && !said.contains(&many[0]), "{said}");
    };
    round("alone");
    let server = place.serve().await;
    tokio::task::block_in_place(|| round("beside"));
    server.stop().await;
}

#[tokio::test]
async fn forms_of_the_pages_add_lift_import_and_undo() {
    let place = Place::new("");
    let server = place.serve().await;
    let post = async |path: &str, fields: &[(&str, &str)]| -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [FORM[0], ("sec-fetch-site", "same-origin")];
        server.post_with(path, &headers, body).await
    };
    let added = async || {
        post(
            "/suppressions",
            &[("do", "add"), ("address", "ann@b.example"), ("reason", "complaint"), ("scope", "global")],
        )
        .await
    };
    let begun = Instant::now();
    let mut answer = added().await;
    // The list may still be loading.
    while answer.status == 503 {
        assert!(begun.elapsed() < PATIENCE, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = added().await;
    }
    assert_eq!(answer.status, 303, "{}", answer.text());
    let page = server.text(answer.headers["location"].to_str().unwrap()).await;
    assert!(
        page.contains("Added to the list.") && page.contains("Such mail is held back by “complaint”"),
        "{page}"
    );
    let lift = [("do", "lift"), ("address", "ann@b.example"), ("reason", "complaint"), ("scope", "global")];
    let refused = post("/suppressions", &lift).await;
    assert!(refused.status == 400 && refused.text().contains("note"), "{}", refused.text());
    let lifted = post("/suppressions", &[lift.as_slice(), &[("note", "he wrote")]].concat()).await;
    assert!(lifted.headers["location"].to_str().unwrap().ends_with("done=lifted"));

    let rows = [
        ("do", "import"),
        ("rows", "one@b.example\ntwo@b.example"),
        ("scope", "global"),
        ("file_name", "pasted"),
    ];
    let run = post("/suppressions", &rows).await.headers["location"].to_str().unwrap().to_owned();
    suppressed(&server, "two@b.example").await;
    let path = run.split('?').next().unwrap();
    let page = server.text(&run).await;
    assert!(page.contains("Import: pasted") && page.contains("one@b.example"), "{page}");
    let undone = post(path, &[("note", "wrong")]).await;
    assert!(undone.headers["location"].to_str().unwrap().ends_with("done=undone"), "{:?}", undone.headers);
    assert!(goes_out(&server, "two@b.example").await);
    let audit = server.text("/audit").await;
    for action in ["suppression.add", "suppression.remove", "import.begin", "suppression.undo"] {
        assert!(audit.contains(action), "{action} is not in the audit log");
    }
    assert!(
        !server
            .text("/suppressions?address=%3Cscript%3Ealert(1)%3C/script%3E")
            .await
            .contains("<script>alert")
    );
    server.stop().await;
}

#[tokio::test]
async fn what_the_burst_guard_holds_is_released_by_a_person() {
    let place = Place::new("");
    let server = place.serve().await;
    let now = jiff::Timestamp::now().as_second();
    let bounce = |n: u32| {
        json!({ "event_type": "bounced", "event_time": now - 30, "event_id": format!("b{n}"), "relay": "mx1",
                "message_id": format!("m{n}@shop.example"), "recipient": format!("gone{n}@slow.example"),
                "smtp_code": 550, "response_text": "550 5.1.1 user unknown", "mx_host": "mx.slow.example" })
    };
    let line = |n| format!("{}\n", bounce(n));
    let events: String = (0..100).map(line).collect();
    assert_eq!(server.post("/v1/events?source=app1", events).await.status, 202);
    server.drained().await;
    let begun = Instant::now();
    let review = loop {
        let reviews = server.get(&format!("{API}/reviews")).await;
        if reviews["rows"][0]["held"].as_u64().unwrap_or(0) == 100 {
            break reviews["rows"][0].clone();
        }
        assert!(begun.elapsed() < PATIENCE, "{reviews}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(goes_out(&server, "gone3@slow.example").await, "a receiver's outage suppresses nobody");
    let id = review["review"].as_str().unwrap();
    assert!(server.text("/suppressions").await.contains("mx.slow.example refused"));
    let body = json!({"release": true, "note": "the domain is closed"}).to_string();
    let did = server.post(&format!("{API}/reviews/{id}"), body.clone()).await;
    assert_eq!(did.json()["added"], 100, "{}", did.text());
    suppressed(&server, "gone3@slow.example").await;
    assert_eq!(server.post(&format!("{API}/reviews/{id}"), body).await.status, 409);
    server.stop().await;
}

/// A server with an open policy door and one suppressed address.
async fn policed(port: u16) -> (Place, Server) {
    let place = Place::new(&format!("[suppression]\npolicy_listen = [\"127.0.0.1:{port}\"]\n"));
    let server = place.serve().await;
    let begun = Instant::now();
    let entry = json!({"address": "gone@b.example"}).to_string();
    while !server.post(API, entry.clone()).await.status.is_success() {
        assert!(begun.elapsed() < PATIENCE, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (place, server)
}

/// As Exim's `readsocket` asks: one question, then the end of what it sends, and all that comes back.
#[tokio::test]
async fn exims_readsocket_gets_its_answer_from_the_policy_server() {
    let port = free_port();
    let (_place, server) = policed(port).await;
    let ask = async |address: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let question = format!(
            "request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient={address}\nsender=s@shop.example\n\
             sasl_username=\n\n"
        );
        stream.write_all(question.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
        answer
    };
    assert_eq!(ask("gone@b.example").await, "action=550 5.7.1 Recipient suppressed: manual\n\n");
    assert_eq!(ask("here@b.example").await, "action=DUNNO\n\n");
    server.stop().await;
}

#[tokio::test]
async fn the_haraka_plugin_refuses_the_suppressed_alone_and_lets_mail_through_when_nobody_answers() {
    assert!(
        crate::support::has_program("node"),
        "the test of the Haraka plugin needs node: apt-get install nodejs"
    );
    let port = free_port();
    let (_place, server) = policed(port).await;
    let mut node = std::process::Command::new("node");
    node.arg(crate::support::repository("tests/haraka/suppression.mjs"))
        .args(["gone@b.example", "here@b.example"])
        .env("PORT", port.to_string());
    let output = tokio::task::spawn_blocking(move || node.output().unwrap()).await.unwrap();
    let (out, err) = (crate::support::text(&output.stdout), crate::support::text(&output.stderr));
    let told: Vec<(String, Value)> = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| (line["what"].as_str().unwrap().to_owned(), line["code"].clone()))
        .collect();
    let (deny, on) = (json!(902), Value::Null);
    let wanted = [
        ("rcpt suppressed", deny.clone()),
        ("rcpt free", on.clone()),
        ("queue suppressed", deny),
        ("queue both", on.clone()),
        ("down", on),
        ("warnings", json!(1)),
    ];
    assert_eq!(told, wanted.map(|(what, code)| (what.to_owned(), code)), "{out}\n{err}");
    assert!(out.contains("Recipient suppressed: manual"), "{out}");
    server.stop().await;
}
