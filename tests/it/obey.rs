//! A real Postfix obeys the list: what bounces is refused at the next RCPT, what is queued stops at its next retry, and
//! with relaylens down mail goes through.

use crate::postfix_live::{Lab, can_run};
use crate::support::{self, PATIENCE, Place, Server, free_port};
use serde_json::json;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FAIL_OPEN: &str = "timeout=2s, try_limit=1, default_action=DUNNO";
const REFUSED: &str = "Recipient address rejected: Recipient suppressed: bounce:recipient";

/// An application that hands mail to the relay.
struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self { reader: BufReader::new(stream) };
        assert!(client.reply().starts_with("220 "));
        assert!(client.ask("EHLO app1.sender.test").starts_with("250"));
        client
    }

    /// The last line of a reply.
    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            assert!(line.len() > 3, "the relay hung up");
            if line.as_bytes()[3] == b' ' {
                return line.trim_end().to_owned();
            }
        }
    }

    fn ask(&mut self, line: &str) -> String {
        self.reader.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    /// What the relay says to a recipient, of whom no mail follows.
    fn rcpt(&mut self, recipient: &str) -> String {
        assert!(self.ask("MAIL FROM:<news@sender.test>").starts_with("250"));
        let said = self.ask(&format!("RCPT TO:<{recipient}>"));
        self.ask("RSET");
        said
    }

    /// Sends a message; returns what was said to each recipient.
    fn send(&mut self, message_id: &str, recipients: &[&str]) -> Vec<String> {
        assert!(self.ask("MAIL FROM:<news@sender.test>").starts_with("250"));
        let said: Vec<String> =
            recipients.iter().map(|recipient| self.ask(&format!("RCPT TO:<{recipient}>"))).collect();
        assert!(self.ask("DATA").starts_with("354"));
        let text = format!(
            "From: news@sender.test\r\nSubject: hello\r\nMessage-Id: <{message_id}>\r\n\r\nHello\r\n."
        );
        assert!(self.ask(&text).starts_with("250"));
        said
    }

    /// Asks again until the recipient is refused; returns how long that took.
    async fn until_refused(&mut self, recipient: &str) -> Duration {
        let begun = Instant::now();
        loop {
            let said = self.rcpt(recipient);
            if said.starts_with("550 5.7.1 ") {
                assert!(said.contains(REFUSED), "{said}");
                return begun.elapsed();
            }
            assert!(said.starts_with("250"), "{said}");
            assert!(begun.elapsed() < PATIENCE, "{recipient} is not refused");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Waits until the store has as many such events.
async fn until_stored(server: &Server, condition: &str, count: u64) {
    let begun = Instant::now();
    let sql = format!("SELECT count() FROM events WHERE {condition}");
    loop {
        let found = server.count(&sql).await;
        if found == count {
            return;
        }
        let rows = || {
            server
                .sql("SELECT toString(event_type), recipient, response_text FROM events ORDER BY event_time")
        };
        assert!(begun.elapsed() < PATIENCE, "{condition}: {found}\n{:#?}", rows().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until Postfix has written such a line; returns when it was seen.
async fn until_logged(maillog: &Path, words: &[&str]) -> Instant {
    let begun = Instant::now();
    loop {
        let log = std::fs::read_to_string(maillog).unwrap_or_default();
        if log.lines().any(|line| words.iter().all(|word| line.contains(word))) {
            return Instant::now();
        }
        assert!(begun.elapsed() < PATIENCE, "not logged: {words:?}\n{log}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The command for the lab's own Postfix, whose settings are not those of the machine.
fn postmap(lab_dir: &Path) -> PathBuf {
    let path = lab_dir.join("postmap");
    let text = format!("#!/bin/sh\nexec /usr/sbin/postmap -c '{}' \"$@\"\n", lab_dir.join("conf").display());
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path
}

/// The default wait of a batch, as in a real installation.
const PIPELINE: &str = "[pipeline]\nbatch_wait_ms = 1000\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hard_bounce_in_the_log_is_refused_at_the_next_rcpt() {
    if !can_run() {
        return;
    }
    let lab_dir = tempfile::tempdir().unwrap();
    let maillog = lab_dir.path().join("log/maillog");
    // The package postfix-lmdb may be missing; a file of the other type is seen by new sessions alone.
    let kind = if Path::new("/usr/lib/postfix/postfix-lmdb.so").exists() { "lmdb" } else { "hash" };
    let map = format!("{kind}:{}", lab_dir.path().join("suppressed").display());
    let (asking, mapped, policy) = (free_port(), free_port(), free_port());
    let mut lab = Lab::start(
        "obey.py",
        lab_dir.path(),
        &[
            format!(
                "--port={asking}=check_policy_service {{ inet:127.0.0.1:{policy}, {FAIL_OPEN} }}, permit"
            ),
            format!("--port={mapped}=check_recipient_access {map}, permit"),
        ],
    );
    // The lab makes its own folder ready before others may write there.
    lab.wait_for("ready");
    let place = Place::new("");
    place.set(&format!(
        "{}{PIPELINE}[suppression]\npolicy_listen = [\"127.0.0.1:{policy}\"]\n[[suppression.maps]]\nmap = \"{map}\"\npostmap = \"{}\"\n",
        support::follow("relay1", &maillog),
        postmap(lab_dir.path()).display(),
    ));
    let server = place.serve().await;
    let mut client = Client::connect(asking);
    assert!(client.send("first@sender.test", &["nobody@gone.test"])[0].starts_with("250"));
    let bounced = until_logged(&maillog, &["to=<nobody@gone.test>", "status=bounced"]).await;
    client.until_refused("nobody@gone.test").await;
    eprintln!("refused {:?} after the bounce was logged", bounced.elapsed());

    // In a message to several, the others get it.
    let said = client.send("second@sender.test", &["fine@ok.test", "Nobody@Gone.test", "other@ok.test"]);
    assert!(said[0].starts_with("250") && said[2].starts_with("250"), "{said:?}");
    assert!(said[1].starts_with("550 5.7.1 ") && said[1].contains(REFUSED), "{said:?}");
    until_logged(&maillog, &["to=<fine@ok.test>", "status=sent"]).await;
    until_logged(&maillog, &["to=<other@ok.test>", "status=sent"]).await;

    // The map file knows it, too.
    let begun = Instant::now();
    while Client::connect(mapped).rcpt("nobody@gone.test").starts_with("250") {
        assert!(begun.elapsed() < PATIENCE, "the map does not refuse");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(Client::connect(mapped).rcpt("nobody@gone.test").contains(REFUSED));
    assert!(Client::connect(mapped).rcpt("fine@ok.test").starts_with("250"));

    // Our own refusals are no bounces.
    server.drained().await;
    until_stored(&server, "event_type = 'bounced'", 1).await;
    assert!(server.count("SELECT count() FROM events WHERE event_type = 'suppressed' AND recipient = 'nobody@gone.test'").await >= 2);
    assert_eq!(server.count("SELECT count() FROM suppression_log").await, 1);

    // With relaylens down mail goes through, by the policy of main.cf; the map stays as it is.
    server.stop().await;
    assert!(Client::connect(asking).rcpt("nobody@gone.test").starts_with("250"));
    assert!(Client::connect(mapped).rcpt("nobody@gone.test").starts_with("550 5.7.1 "));
    lab.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queued_mail_to_a_suppressed_address_stops_at_its_next_retry() {
    if !can_run() {
        return;
    }
    let lab_dir = tempfile::tempdir().unwrap();
    let (maillog, socket) = (lab_dir.path().join("log/maillog"), lab_dir.path().join("ask"));
    let (smtp, socketmap) = (free_port(), free_port());
    let mut lab = Lab::start(
        "obey.py",
        lab_dir.path(),
        &[
            format!(
                "--port={smtp}=check_recipient_access socketmap:unix:{}:suppress, permit",
                socket.display()
            ),
            format!("--transport=socketmap:inet:127.0.0.1:{socketmap}:transport"),
        ],
    );
    lab.wait_for("ready");
    let place = Place::new("");
    place.set(&format!(
        "{}[suppression]\nsocketmap_listen = [\"127.0.0.1:{socketmap}\", \"unix:{}\"]\n",
        support::follow("relay1", &maillog),
        socket.display(),
    ));
    let server = place.serve().await;
    let mut client = Client::connect(smtp);
    client.send("waits@sender.test", &["wait@busy.test"]);
    client.send("goes@sender.test", &["asked@ok.test"]);
    until_logged(&maillog, &["to=<wait@busy.test>", "status=deferred"]).await;
    until_stored(&server, "event_type = 'deferred' AND recipient = 'wait@busy.test' AND attempt = 1", 1)
        .await;
    until_stored(&server, "event_type = 'delivered' AND recipient = 'asked@ok.test'", 1).await;

    // Another relay has learnt that the address does not exist.
    let bounce = json!({ "event_type": "bounced", "event_time": jiff::Timestamp::now().to_string(), "event_id": "b1",
        "recipient": "wait@busy.test", "message_id": "b1@sender.test", "smtp_code": 550, "enhanced_code": "5.1.1",
        "response_text": "550 5.1.1 User unknown" });
    assert_eq!(server.post("/v1/events?source=app1", format!("{bounce}\n")).await.status, 202);
    until_logged(
        &maillog,
        &["to=<wait@busy.test>", "status=bounced (Recipient suppressed: bounce:recipient)"],
    )
    .await;
    client.until_refused("wait@busy.test").await;
    until_stored(&server, "event_type = 'suppressed' AND recipient = 'wait@busy.test' AND queue_id != ''", 1)
        .await;

    // The relay's own notice about it is no bounce either.
    let notice = notice(&lab_dir.path().join("mail/return-path/new")).await;
    assert!(notice.contains("Recipient suppressed"), "{notice}");
    assert_eq!(server.post("/v1/in/mail?source=mx", notice).await.status, 202);
    until_stored(&server, "event_type = 'suppressed' AND trust = 'matched' AND is_repeat", 1).await;
    until_stored(&server, "event_type = 'bounced'", 1).await;

    // A notice that comes back about a message of ours, days after it was taken, counts as the log does.
    let about = about("goes@sender.test", "asked@ok.test");
    assert_eq!(server.post("/v1/in/mail?source=mx", about).await.status, 202);
    client.until_refused("asked@ok.test").await;
    lab.end();
    server.stop().await;
}

/// Waits for the relay's notice in the Maildir.
async fn notice(dir: &Path) -> String {
    let begun = Instant::now();
    loop {
        let found = std::fs::read_dir(dir).ok().and_then(|mut names| names.next());
        if let Some(Ok(found)) = found {
            return std::fs::read_to_string(found.path()).unwrap();
        }
        assert!(begun.elapsed() < PATIENCE, "the relay wrote no notice");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A receiver's notice about a message of ours.
fn about(message_id: &str, recipient: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.ok.test\r\nTo: news@sender.test\r\nSubject: failure\r\nMessage-Id: <dsn-{message_id}>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.ok.test\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{message_id}>\r\nFrom: news@sender.test\r\n\r\n--b--\r\n"
    )
}
