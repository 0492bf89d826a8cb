//! Mail that is from whom it says, told from mail that is not, by signatures checked against a real DNS server; and
//! names of report sources from the same.

use crate::dns_server::World;
use crate::feedback::reports;
use crate::support::{PATIENCE, Place, Server};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::DkimSigner;
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A key of a sender: signs mails, and is published as a record.
struct Key(Vec<u8>);

impl Key {
    fn new() -> Self {
        Self(Ed25519Key::generate_pkcs8().unwrap())
    }

    fn pair(&self) -> Ed25519Key {
        Ed25519Key::from_pkcs8_der(&self.0).unwrap()
    }

    fn record(&self) -> String {
        format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(self.pair().public_key()))
    }

    fn sign(&self, domain: &str, mail: &str) -> String {
        let signer =
            DkimSigner::from_key(self.pair()).domain(domain).selector("s1").headers(["From", "Subject"]);
        signer.sign(mail.as_bytes()).unwrap().to_header() + mail
    }
}

fn settings(dns: SocketAddr) -> String {
    format!(
        "[authentication]\nresolver = \"{dns}\"\nfeedback_loops = [\"fbl.example\", \"loop@users.example\"]\n"
    )
}

async fn post(server: &Server, mail: &str) {
    let answer = server.post("/v1/in/mail?source=mx", mail.to_owned()).await;
    assert_eq!(answer.status.as_u16(), 202, "{}", answer.text());
}

async fn words(server: &Server, sql: &str) -> Vec<Vec<String>> {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    server.sql(sql).await.iter().map(|row| row.as_array().unwrap().iter().map(text).collect()).collect()
}

#[tokio::test]
async fn a_report_is_told_as_genuine_forged_or_unknown() {
    let (key, other) = (Key::new(), Key::new());
    let dns = World::start().await;
    dns.txt("s1._domainkey.r.example", &[&key.record()]);
    dns.txt("s1._domainkey.elsewhere.example", &[&other.record()]);
    let place = Place::new(&settings(dns.address));
    let server = place.serve().await;
    let (mails, _) = reports(5, 1_780_000_000);
    post(&server, &key.sign("r.example", &mails[0])).await;
    let changed = key.sign("r.example", &mails[1]).replace("Report Domain: shop", "Report Domain:  Shop");
    post(&server, &changed).await;
    post(&server, &other.sign("elsewhere.example", &mails[2])).await;
    post(&server, &mails[3]).await;
    // Two senders, one of them genuine: which one a reader takes is anyone's guess.
    post(&server, &format!("From: d@bank.example\r\n{}", key.sign("r.example", &mails[4]))).await;
    server.drained().await;
    let sql = "SELECT report_id, authenticity, standing FROM dmarc_reports ORDER BY report_id";
    let expect = [
        ["id-0", "pass", "counted"],
        ["id-1", "fail", "forged"],
        ["id-2", "unknown", "counted"],
        ["id-3", "unknown", "counted"],
        ["id-4", "unknown", "counted"],
    ];
    assert_eq!(words(&server, sql).await, expect);
    server.stop().await;
}

/// A complaint about a message that we know nothing of.
fn complaint(from: &str, recipient: &str) -> String {
    format!(
        "From: {from}\r\nTo: fbl@shop.example\r\nSubject: complaint\r\nMessage-ID: <c-{recipient}>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: loop/1\r\nVersion: 1\r\n\
         Original-Rcpt-To: {recipient}\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: news@shop.example\r\nMessage-ID: <unknown@shop.example>\r\n\r\n--b--\r\n"
    )
}

#[tokio::test]
async fn a_complaint_is_believed_from_who_runs_a_loop_and_not_from_his_users() {
    let (of_loop, of_users) = (Key::new(), Key::new());
    let dns = World::start().await;
    dns.txt("s1._domainkey.fbl.example", &[&of_loop.record()]);
    dns.txt("s1._domainkey.users.example", &[&of_users.record()]);
    let place = Place::new(&settings(dns.address));
    let server = place.serve().await;
    let cases = [
        ("report@fbl.example", "fbl.example", &of_loop, "a@x.example", "verified"),
        ("loop@users.example", "users.example", &of_users, "b@x.example", "verified"),
        ("anyone@users.example", "users.example", &of_users, "c@x.example", "unverified"),
        // Named as the loop, signed by another.
        ("report@fbl.example", "users.example", &of_users, "d@x.example", "unverified"),
    ];
    for (from, signer, key, recipient, _) in &cases {
        post(&server, &key.sign(signer, &complaint(from, recipient))).await;
    }
    server.drained().await;
    let sql = "SELECT recipient, trust FROM events WHERE event_type = 'complained' ORDER BY recipient";
    let expect: Vec<[&str; 2]> = cases.iter().map(|case| [case.3, case.4]).collect();
    assert_eq!(words(&server, sql).await, expect);
    server.stop().await;
}

/// A database of one network, 192.0.2.0/24, in the form of maxmind.github.io/MaxMind-DB: a tree of 24-bit records, the
/// data, and what describes them.
fn mmdb() -> Vec<u8> {
    const BITS: u32 = 24;
    const NETWORK: u32 = 0xc000_0200;
    let text = |text: &str| match u8::try_from(text.len()).unwrap() {
        len @ ..29 => [&[0x40 | len], text.as_bytes()].concat(),
        len => [&[0x5d, len - 29], text.as_bytes()].concat(),
    };
    let number = |number: u32| [&[0xc4], number.to_be_bytes().as_slice()].concat();
    let map = |entries: &[(&str, Vec<u8>)]| {
        let mut bytes = vec![0xe0 | u8::try_from(entries.len()).unwrap()];
        for (name, value) in entries {
            bytes.extend([text(name), value.clone()].concat());
        }
        bytes
    };
    let mut file = Vec::new();
    for node in 0..BITS {
        // The last node leads to the data, which begins 16 bytes behind the tree.
        let next = if node + 1 == BITS { BITS + 16 } else { node + 1 };
        let is_one = NETWORK >> (31 - node) & 1 == 1;
        for record in if is_one { [BITS, next] } else { [next, BITS] } {
            file.extend(&record.to_be_bytes()[1..]);
        }
    }
    file.extend([0; 16]);
    file.extend(map(&[
        ("autonomous_system_number", number(64_500)),
        ("autonomous_system_organization", text("Example Net")),
        ("country", map(&[("iso_code", text("NL"))])),
    ]));
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let short = |number: u8| vec![0xa1, number];
    file.extend(map(&[
        ("binary_format_major_version", short(2)),
        ("binary_format_minor_version", short(0)),
        ("build_epoch", vec![0x01, 0x02, 1]),
        ("database_type", text("Test")),
        ("description", map(&[("en", text("test"))])),
        ("ip_version", short(4)),
        ("languages", vec![0x00, 0x04]),
        ("node_count", number(BITS)),
        ("record_size", short(24)),
    ]));
    file
}

#[tokio::test]
async fn sources_of_reports_get_host_network_and_country() {
    let dns = World::start().await;
    dns.ptr("192.0.2.3", &["out3.mailer.example"]);
    let place = Place::new("");
    let database = place.file("networks.mmdb");
    fs::write(&database, mmdb()).unwrap();
    place.set(&format!("[reports]\nmmdb = [{database:?}]\n{}", settings(dns.address)));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    let report = place.file("report.eml");
    // Sources of old reports are not looked up.
    let two_days_ago = now - 2 * 86_400;
    fs::write(&report, &reports(1, two_days_ago).0[0]).unwrap();
    place.run_well("import", &["--format", "mail", report.to_str().unwrap()]);
    let server = place.serve().await;
    let begun = Instant::now();
    while server.count("SELECT count() FROM ip_names").await < 20 {
        assert!(begun.elapsed() < PATIENCE, "the sources get no names\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let sql = "SELECT IPv6NumToString(ip), host, base_domain, asn, asn_name, country FROM ip_names \
               WHERE endsWith(IPv6NumToString(ip), '.2.3') OR endsWith(IPv6NumToString(ip), '.2.4') ORDER BY ip";
    let expect = [
        ["::ffff:192.0.2.3", "out3.mailer.example", "mailer.example", "64500", "Example Net", "NL"],
        ["::ffff:192.0.2.4", "", "", "64500", "Example Net", "NL"],
    ];
    assert_eq!(words(&server, sql).await, expect);
    server.stop().await;
}
