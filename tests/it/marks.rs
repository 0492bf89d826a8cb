//! Marks of ours that come back in the header of a returned message: asked for over HTTP, echoed by complaints and
//! bounces, believed when they verify.

use crate::support::{Place, Server, quoted, relaylens, text};
use serde_json::{Value, json};
use std::fs;

const SETTINGS: &str = "[pipeline]\nbatch_wait_ms = 50\nsecond_look_s = 0\n\
                        [return_path]\ndomain = \"bounce.sender.test\"\n";

fn place() -> Place {
    let place = Place::new("");
    fs::write(place.file("keys"), "a 0123456789abcdef0123456789abcdef\n").unwrap();
    place.set(&format!("{SETTINGS}keys_file = {}\n", quoted(&place.file("keys"))));
    place
}

/// A complaint, with further fields of the report and of the message that it returns.
fn complaint(number: u32, report: &str, returned: &str) -> String {
    format!(
        "From: fbl@mailbox.example\r\nTo: fbl@sender.test\r\nSubject: complaint {number}\r\nMessage-Id: <c{number}@mailbox.example>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: fbl/1\r\nVersion: 1\r\n{report}\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: news@sender.test\r\nSubject: news\r\n{returned}\r\n--b--\r\n"
    )
}

fn bounce(recipient: &str, returned: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nTo: info@sender.test\r\nSubject: failure\r\nMessage-Id: <b-{recipient}>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: news@sender.test\r\n{returned}\r\n--b--\r\n"
    )
}

async fn signed(server: &Server, asked: Value) -> Value {
    let answer = server.post("/v1/return-path", asked.to_string()).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
    answer.json()
}

/// Hands a mail in; returns trust, evidence, recipient and queue id of the newest event of mail.
async fn became(server: &Server, mail: String) -> [String; 4] {
    assert_eq!(server.post("/v1/in/mail?source=mx", mail).await.status.as_u16(), 202);
    server.drained().await;
    let sql = "SELECT toString(trust), evidence, recipient, queue_id FROM events WHERE source_kind = 'mail' \
               ORDER BY ingest_seq DESC LIMIT 1";
    let row = &server.sql(sql).await[0];
    [0, 1, 2, 3].map(|at| row[at].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_reference_that_comes_back_in_a_header_verifies_and_leads_to_its_message() {
    let place = place();
    let server = place.serve().await;
    let mark = signed(&server, json!({"id": "m1", "recipient": "ann@mailbox.example"})).await;
    let (path, reference) = (mark["return_path"].as_str().unwrap(), mark["reference"].as_str().unwrap());
    // The command signs the same.
    assert_eq!(place.run_well("verp", &["m1", "--recipient", "ann@mailbox.example"]).trim(), path);
    let now = jiff::Timestamp::now();
    let event = json!({"event_type": "delivered", "event_time": now, "recipient": "ann@mailbox.example",
                       "env_from": path, "queue_id": "Q1"});
    assert_eq!(server.post("/v1/events?source=app", event.to_string()).await.status.as_u16(), 202);
    server.drained().await;

    let named = "Original-Rcpt-To: ann@mailbox.example\r\n";
    let echoed = format!("X-Relaylens-Ref: {reference}\r\n");
    let told = became(&server, complaint(1, named, &echoed)).await;
    assert_eq!(
        told,
        ["verified", "reference in the header signed for this recipient", "ann@mailbox.example", "Q1"]
    );
    // RFC 9477: the id stands in the report itself, the recipient is left out.
    let hidden = format!("CFBL-Feedback-ID: {reference}\r\n");
    let told = became(&server, complaint(2, &hidden, "")).await;
    assert_eq!(
        (&told[0][..], &told[2][..], &told[3][..]),
        ("matched", "ann@mailbox.example", "Q1"),
        "{told:?}"
    );
    let told = became(&server, bounce("ann@mailbox.example", &echoed)).await;
    assert_eq!((&told[0][..], &told[3][..]), ("verified", "Q1"), "{told:?}");

    // Another recipient, another message, a changed tag: nothing of it is believed.
    let told = became(&server, bounce("eve@mailbox.example", &echoed)).await;
    assert_eq!(told[..2], ["unverified", "its reference in the header is not signed for this recipient"]);
    let moved = echoed.replace("m1-", "m2-");
    assert_eq!(became(&server, complaint(3, named, &moved)).await[0], "unverified");
    let hidden = hidden.replace("m1-", "m2-");
    assert_eq!(became(&server, complaint(4, &hidden, "")).await[0], "unverified");
    server.stop().await;
}

#[tokio::test]
async fn who_may_only_read_signs_nothing() {
    let place = place();
    let token = |scope: &str| {
        let made = relaylens().args(["token", scope, "--scope", scope]).output().unwrap();
        let printed = text(&made.stdout);
        let word = |label: &str| {
            let line = printed.lines().find(|line| line.starts_with(label)).unwrap();
            line[label.len()..].trim().to_owned()
        };
        (word("line"), word("token"))
    };
    let (reader, writer) = (token("read"), token("write"));
    fs::write(place.file("tokens"), format!("{}\n{}\n", reader.0, writer.0)).unwrap();
    let settings = fs::read_to_string(place.file("relaylens.toml")).unwrap();
    let tokens = format!("[http]\ntokens_file = {}\n", quoted(&place.file("tokens")));
    fs::write(place.file("relaylens.toml"), settings.replacen("[http]\n", &tokens, 1)).unwrap();
    let server = place.serve().await;
    for (secret, status) in [(&reader.1, 403), (&writer.1, 200)] {
        let bearer = format!("Bearer {secret}");
        let answer = server.post_with("/v1/return-path", &[("authorization", &bearer)], "{}").await;
        assert_eq!(answer.status.as_u16(), status);
    }
    server.stop().await;
}
