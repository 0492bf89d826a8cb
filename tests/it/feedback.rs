//! Mail that came back through `relaylens import`: bounces join their messages, forged ones change nothing, reports are
//! stored once, however often they come and whenever the program is killed.

use crate::support::{PATIENCE, Place, Server, repository};
use base64::Engine as _;
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

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

/// Reports as a reporter mails them, the first one of the day that begins then, and the messages that they tell of.
pub(crate) fn reports(count: u32, begin_unix: i64) -> (Vec<String>, u64) {
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
        let begin = begin_unix + i64::from(number) * 86_400 / 20;
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

/// The last mail that is stored for good.
fn stored_seq(checkpoint: &Path) -> u64 {
    let text = fs::read_to_string(checkpoint).unwrap_or_default();
    serde_json::from_str::<serde_json::Value>(&text).map_or(0, |now| now["stored_seq"].as_u64().unwrap_or(0))
}

/// Returns when so many more batches are stored.
async fn wait_for_batches(checkpoint: &Path, batches: usize) {
    let begun = Instant::now();
    let mut last = stored_seq(checkpoint);
    for _ in 0..batches {
        while stored_seq(checkpoint) == last {
            assert!(begun.elapsed() < PATIENCE, "no batch is stored");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        last = stored_seq(checkpoint);
    }
}

#[tokio::test]
async fn reports_are_stored_once_whatever_happens() {
    const COUNT: u32 = 400;
    // Small batches: many moments to be killed in.
    let place = Place::new("[pipeline]\nbatch_rows_max = 400\n");
    let folder = place.file("mails");
    fs::create_dir(&folder).unwrap();
    let (mails, messages) = reports(COUNT, 1_780_000_000);
    for (number, mail) in mails.iter().enumerate() {
        fs::write(folder.join(format!("{number:04}.eml")), mail).unwrap();
    }
    let expect = [u64::from(COUNT), messages, messages, u64::from(COUNT) * 20];
    let arguments = ["--format", "mail", folder.to_str().unwrap()];
    // Killed as it starts, and in the midst of it, each time some batches further.
    let checkpoint = place.data_dir().join("checkpoint.json");
    let mut stored = Vec::new();
    for batches in [0, 1, 3, 2] {
        let mut command = place.command("import", &arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for_batches(&checkpoint, batches).await;
        child.kill().unwrap();
        child.wait().unwrap();
        stored.push(stored_seq(&checkpoint));
    }
    assert!(stored.is_sorted() && stored[1] > 0 && stored[3] > stored[1], "{stored:?}");
    assert!(stored[3] < u64::from(COUNT), "it was never killed in the midst: {stored:?}");
    for _ in 0..2 {
        place.run_well("import", &arguments);
        let server = place.serve().await;
        assert_eq!(report_totals(&server).await, expect);
        server.stop().await;
    }
}

/// Hands mails to an LMTP door, each to its recipient; returns the last code for each.
fn deliver(address: &str, mails: &[(String, String)]) -> Vec<String> {
    use std::io::{BufRead as _, BufReader};
    let stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (mut answers, mut out) = (BufReader::new(stream.try_clone().unwrap()), stream);
    let mut say = |text: &str| {
        out.write_all(text.as_bytes()).unwrap();
        loop {
            let mut line = String::new();
            answers.read_line(&mut line).unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line[..3].to_owned();
            }
        }
    };
    assert_eq!(say(""), "220");
    assert_eq!(say("LHLO test\r\n"), "250");
    let codes = mails.iter().map(|(recipient, mail)| {
        say("MAIL FROM:<>\r\n");
        say(&format!("RCPT TO:<{recipient}>\r\n"));
        say("DATA\r\n");
        let stuffed =
            mail.lines().map(|line| if line.starts_with('.') { format!(".{line}") } else { line.to_owned() });
        say(&format!("{}\r\n.\r\n", stuffed.collect::<Vec<_>>().join("\r\n")))
    });
    codes.collect()
}

/// The notices of the relay come back to signed return paths, by LMTP: each is known as genuine. The same notices to a
/// path with a wrong tag, signed for somebody else, or long expired are not believed, though the rest of them is right.
#[tokio::test]
async fn a_signed_return_path_proves_a_bounce_and_a_wrong_one_disproves_it() {
    let port = crate::support::free_port();
    let place = Place::new("");
    let keys = place.file("return-path.keys");
    fs::write(&keys, "a 0123456789abcdef0123456789abcdef\n").unwrap();
    place.set(&format!(
        "[return_path]\ndomain = \"bounce.sender.test\"\nkeys_file = {:?}\n\
         [[sources.mail]]\nname = \"mx\"\nlisten = \"127.0.0.1:{port}\"\n",
        keys.to_str().unwrap()
    ));
    import(&place, "postfix", &data("postfix/long-ids.maillog"));
    let mut genuine = Vec::new();
    let mut forged = Vec::new();
    let mut files: Vec<_> =
        fs::read_dir(data("postfix/long-ids.dsn")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for (number, file) in files.iter().filter(|file| file.to_str().unwrap().contains("/failed-")).enumerate()
    {
        let read = place.run_well("parse", &["--format", "ndjson", file.to_str().unwrap()]);
        let read: serde_json::Value = serde_json::from_str(&read).unwrap();
        let recipients = read["recipients"].as_array().unwrap();
        let [only] = recipients.as_slice() else { continue };
        let sent_to = only["original_recipient"].as_str().filter(|text| !text.is_empty());
        let recipient = sent_to.or_else(|| only["recipient"].as_str()).unwrap();
        let sign =
            |to: &str| place.run_well("verp", &[&format!("m{number}"), "--recipient", to]).trim().to_owned();
        let (path, text) = (sign(recipient), fs::read_to_string(file).unwrap());
        let (local, domain) = path.rsplit_once('@').unwrap();
        let wrong_tag =
            format!("{}{}@{domain}", &local[..local.len() - 1], if local.ends_with('a') { 'b' } else { 'a' });
        // Day 1 of 1970: signed by nobody, and expired.
        let expired = format!("b-m{number}-1a-{}@{domain}", &local[local.len() - 16..]);
        for (kind, path) in [("tag", wrong_tag), ("other", sign("eve@victim.example")), ("expired", expired)]
        {
            // Another mail than the genuine one, as far as the door can tell.
            forged.push((path, text.replacen("Subject:", &format!("X-Kind: {kind}\r\nSubject:"), 1) + kind));
        }
        genuine.push((path, text));
    }
    assert!(genuine.len() > 15, "{}", genuine.len());
    let server = place.serve().await;
    let before = counted(&server).await;
    let address = format!("127.0.0.1:{port}");
    assert!(deliver(&address, &genuine).iter().all(|code| code == "250"));
    server.drained().await;
    let count = async |trust: &str| {
        server
            .count(&format!("SELECT count() FROM events WHERE trust = '{trust}' AND bounce_origin = 'async'"))
            .await
    };
    assert_eq!(count("verified").await, genuine.len() as u64);
    assert!(deliver(&address, &forged).iter().all(|code| code == "250"));
    server.drained().await;
    assert_eq!(count("verified").await, genuine.len() as u64);
    assert_eq!(count("matched").await, 0);
    assert_eq!(count("unverified").await, forged.len() as u64);
    assert_eq!(counted(&server).await, before);
    server.stop().await;
}
