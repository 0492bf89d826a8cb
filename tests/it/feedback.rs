//! Mail that came back through `relaylens import`: bounces join their messages, forged ones change nothing, reports are
//! stored once, however often they come and whenever the program is killed.

use crate::support::{Place, Server, repository};
use base64::Engine as _;
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

const CAPTURES: [&str; 2] = ["long-ids", "mx"];

fn data(path: &str) -> String {
    repository("tests/data").join(path).to_str().unwrap().to_owned()
}

fn import(place: &Place, format: &str, path: &str) -> String {
    place.run_well("import", &["--format", format, "--source", "lab", path])
}

/// Counted outcomes, which no repeat and nothing unverified may change.
async fn counted(server: &Server) -> Vec<serde_json::Value> {
    let sql = "SELECT sum(delivered), sum(hard), sum(soft), sum(block), sum(other), sum(expired), sum(complained) \
               FROM events_minute";
    server.sql(sql).await
}

#[tokio::test]
async fn the_relay_s_own_bounces_join_the_messages_of_its_log() {
    for capture in CAPTURES {
        let place = Place::new("");
        import(&place, "postfix", &data(&format!("postfix/{capture}.maillog")));
        let server = place.serve().await;
        let before = counted(&server).await;
        server.stop().await;

        import(&place, "mail", &data(&format!("postfix/{capture}.dsn")));
        let server = place.serve().await;
        let files = fs::read_dir(data(&format!("postfix/{capture}.dsn"))).unwrap().count() as u64;
        assert_eq!(server.count("SELECT uniqExact(mail_id) FROM events WHERE trust != 'none'").await, files);
        let sql =
            "SELECT count() FROM events WHERE trust = 'matched' AND message_id != '' AND queue_id != ''";
        let joined = server.count(sql).await;
        assert_eq!(
            joined,
            server.count("SELECT count() FROM events WHERE trust != 'none'").await,
            "{capture}"
        );
        let failed = server.count("SELECT count() FROM events WHERE bounce_origin = 'async' AND event_type IN ('bounced', 'expired')").await;
        let names = fs::read_dir(data(&format!("postfix/{capture}.dsn"))).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let notices = names.filter(|name| name.starts_with("failed-")).count() as u64;
        assert!(notices > 10 && failed >= notices, "{capture}: {failed} failures of {notices} notices");
        // The log has told of each of them: none is counted again.
        let sql = "SELECT count() FROM events WHERE bounce_origin = 'async' AND event_type IN ('bounced', 'expired') AND NOT is_repeat";
        assert_eq!(server.count(sql).await, 0, "{capture}");
        assert_eq!(counted(&server).await, before, "{capture}");
        // The notice and the log agree on why.
        let sql = "SELECT a.recipient, a.bounce_reason, b.bounce_reason FROM events AS a \
                   INNER JOIN events AS b ON a.message_id = b.message_id AND a.recipient = b.recipient \
                   WHERE a.bounce_origin = 'async' AND b.bounce_origin != 'async' \
                   AND a.event_type IN ('bounced', 'expired') AND b.event_type IN ('bounced', 'expired') \
                   AND (a.bounce_reason != b.bounce_reason OR a.bounce_type != b.bounce_type)";
        assert_eq!(server.sql(sql).await, Vec::<serde_json::Value>::new(), "{capture}");
        server.stop().await;
    }
}

fn forged(message_id: &str, recipient: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nTo: bounce@sender.test\r\nSubject: failure\r\nMessage-Id: <forged-{recipient}>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{message_id}>\r\nFrom: shop@sender.test\r\n\r\n--b--\r\n"
    )
}

#[tokio::test]
async fn a_bounce_about_mail_that_was_never_sent_is_shown_and_counts_for_nothing() {
    let place = Place::new("");
    import(&place, "postfix", &data("postfix/long-ids.maillog"));
    let server = place.serve().await;
    let before = counted(&server).await;
    let row = &server
        .sql("SELECT message_id, recipient FROM events WHERE event_type = 'delivered' AND message_id != '' ORDER BY event_id LIMIT 1")
        .await[0];
    let (message_id, recipient) = (row[0].as_str().unwrap(), row[1].as_str().unwrap());
    for (message_id, recipient) in
        [("invented@sender.test", recipient), (message_id, "somebody-else@victim.example"), ("", recipient)]
    {
        let answer = server.post("/v1/in/mail?source=mx", forged(message_id, recipient)).await;
        assert_eq!(answer.status.as_u16(), 202);
    }
    server.drained().await;
    let sql = "SELECT count() FROM events WHERE trust = 'unverified' AND event_type = 'bounced'";
    // A message to one recipient alone needs no name; this message may have had several.
    let unverified = server.count(sql).await;
    assert!(unverified >= 2, "{unverified}");
    if unverified == 3 {
        assert_eq!(counted(&server).await, before);
    }
    assert!(server.text("/bounces?range=30d").await.contains("mx.example"));
    server.stop().await;
}

/// Reports as a reporter mails them, and the messages that they tell of.
fn reports(count: u32) -> (Vec<String>, u64) {
    let mut messages = 0;
    let mails = (0..count).map(|number| {
        let records: Vec<String> = (0..20)
            .map(|record| {
                let times = u64::from((number * 7 + record * 3) % 50 + 1);
                messages += times;
                let (dkim, spf) = (if record % 3 == 0 { "fail" } else { "pass" }, if record % 4 == 0 { "fail" } else { "pass" });
                format!(
                    "<record><row><source_ip>192.0.2.{record}</source_ip><count>{times}</count><policy_evaluated>\
                     <disposition>none</disposition><dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated></row>\
                     <identifiers><header_from>shop.example</header_from></identifiers><auth_results>\
                     <spf><domain>shop.example</domain><result>{spf}</result></spf></auth_results></record>"
                )
            })
            .collect();
        let records = records.concat();
        let begin = 1_780_000_000 + i64::from(number) * 86_400 / 20;
        let xml = format!(
            "<?xml version=\"1.0\"?><feedback><report_metadata><org_name>reporter{}.example</org_name><email>d@r.example</email>\
             <report_id>id-{number}</report_id><date_range><begin>{begin}</begin><end>{}</end></date_range></report_metadata>\
             <policy_published><domain>shop.example</domain><p>none</p></policy_published>{records}</feedback>",
            number % 5,
            begin + 86_399
        );
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(xml.as_bytes()).unwrap();
        let packed = base64::engine::general_purpose::STANDARD.encode(gzip.finish().unwrap());
        format!(
            "From: d@r.example\r\nTo: dmarc@shop.example\r\nSubject: Report Domain: shop.example\r\nMessage-ID: <{number}@r.example>\r\n\
             MIME-Version: 1.0\r\nContent-Type: application/gzip; name=\"r.xml.gz\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{packed}\r\n"
        )
    });
    let mails = mails.collect();
    (mails, messages)
}

async fn report_totals(server: &Server) -> [u64; 4] {
    [
        server.count("SELECT count() FROM dmarc_reports").await,
        server.count("SELECT sum(messages) FROM dmarc_reports").await,
        server.count("SELECT sum(messages) FROM dmarc_records").await,
        server.count("SELECT count() FROM dmarc_records").await,
    ]
}

#[tokio::test]
async fn reports_are_stored_once_whatever_happens() {
    const COUNT: u32 = 400;
    let place = Place::new("");
    let folder = place.file("mails");
    fs::create_dir(&folder).unwrap();
    let (mails, messages) = reports(COUNT);
    for (number, mail) in mails.iter().enumerate() {
        fs::write(folder.join(format!("{number:04}.eml")), mail).unwrap();
    }
    let expect = [u64::from(COUNT), messages, messages, u64::from(COUNT) * 20];
    let arguments = ["--format", "mail", folder.to_str().unwrap()];
    // Killed in the middle, at several moments.
    for pause_ms in [150, 400, 700] {
        let mut command = place.command("import", &arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for _ in 0..2 {
        place.run_well("import", &arguments);
        let server = place.serve().await;
        assert_eq!(report_totals(&server).await, expect);
        server.stop().await;
    }
}
