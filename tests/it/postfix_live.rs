//! A real Postfix, whose log is followed while it works (see `tests/lab/README.md`).

use crate::checks;
use crate::support::{self, Place, Server, WITHOUT_POSTFIX, has_program, repository};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A run of the lab. It ends with its standard input, so it cannot outlive the test.
pub(crate) struct Lab {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Lab {
    pub(crate) fn start(script: &str, dir: &Path, arguments: &[String]) -> Self {
        let mut child = Command::new(repository("tests/lab").join(script))
            .arg("--dir")
            .arg(dir)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the scripts of tests/lab can be started; they need python3");
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// Waits for the next line, which must be of that event.
    pub(crate) fn wait_for(&mut self, event: &str) -> Value {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!("the lab did not come to `{event}`; its reason stands above. It said: {line:?}")
        });
        assert_eq!(said["event"], event, "{said}");
        said
    }

    pub(crate) fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success(), "the lab did not end well");
    }
}

/// Whether the lab can run here. That it cannot is a failure, unless it is said to be known.
pub(crate) fn can_run() -> bool {
    // The folder of this process belongs to its user: 0 for root.
    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let has_postfix =
        Path::new("/usr/sbin/postfix").exists() && has_program("openssl") && has_program("python3");
    if is_root && has_postfix {
        return true;
    }
    let missing = "the test of a live Postfix needs root and: apt-get install postfix openssl python3";
    assert!(
        std::env::var_os(WITHOUT_POSTFIX).is_some(),
        "{missing}\nor set {WITHOUT_POSTFIX}=1 to go without it"
    );
    eprintln!("SKIPPED because {WITHOUT_POSTFIX} is set: {missing}");
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outcome_of_every_recipient_of_a_live_postfix_is_known() {
    if !can_run() {
        return;
    }
    let lab_dir = tempfile::tempdir().unwrap();
    let place = Place::new("");
    // The log comes into being after relaylens has begun to look for it.
    let maillog = lab_dir.path().join("log/maillog");
    place.set(&support::follow("relay1", &maillog));
    let server = place.serve().await;
    let mut lab = Lab::start("standard.py", lab_dir.path(), &[]);
    assert_eq!(lab.wait_for("ready")["maillog"], maillog.to_str().unwrap());
    let injected = lab.wait_for("injected");
    lab.wait_for("done");
    let wanted = wanted(&injected);
    let got = settled(&server, wanted.len()).await;
    assert_eq!(got, wanted);
    let totals = BTreeMap::from([
        ("bounced", 19),
        ("delivered", 12),
        ("expired", 10),
        ("rejected", 1),
        ("suppressed", 1),
    ]);
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for outcome in got.values().flatten() {
        *counted.entry(outcome).or_default() += 1;
    }
    assert_eq!(counted, totals);
    let ledger = server.drained().await;
    assert_eq!(support::only(&ledger).rejected, 0, "{ledger:?}");
    checks::no_event_twice(&server).await;
    checks::rollups_equal_events(&server).await;
    lab.end();
    server.stop().await;
}

/// Recipient → its outcomes, of which there is one for each message to it.
type Outcomes = BTreeMap<String, Vec<String>>;

fn wanted(injected: &Value) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for message in injected["messages"].as_array().unwrap() {
        for recipient in message["recipients"].as_array().unwrap() {
            let text = |name: &str| recipient[name].as_str().unwrap().to_owned();
            outcomes.entry(text("address")).or_default().push(text("outcome"));
        }
    }
    for outcomes in outcomes.values_mut() {
        outcomes.sort();
    }
    outcomes
}

/// What the store says, as soon as it knows of as many recipients.
async fn settled(server: &Server, recipients: usize) -> Outcomes {
    let sql = "SELECT recipient, toString(event_type) AS outcome FROM events WHERE NOT is_notification \
               AND event_type IN ('delivered', 'bounced', 'expired', 'suppressed', 'rejected') ORDER BY ALL";
    let begun = Instant::now();
    loop {
        let mut outcomes = Outcomes::new();
        for row in server.sql(sql).await {
            let text = |at: usize| row[at].as_str().unwrap().to_owned();
            outcomes.entry(text(0)).or_default().push(text(1));
        }
        if outcomes.len() >= recipients || begun.elapsed() > Duration::from_secs(20) {
            return outcomes;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The recipients of the lab that a receiver refuses at once and for good.
fn refused_recipients() -> BTreeSet<String> {
    let script = std::fs::read_to_string(repository("tests/lab/standard.toml")).unwrap();
    let script: toml::Table = toml::from_str(&script).unwrap();
    let messages = script["message"].as_array().unwrap().iter().map(|message| message.as_table().unwrap());
    // Some are refused for their sender, or sent with options.
    let plain =
        messages.filter(|message| !message.contains_key("sender") && !message.contains_key("mail_options"));
    let to: Vec<&toml::Table> = plain.map(|message| message["to"].as_table().unwrap()).collect();
    let only = to.into_iter().filter(|to| to.len() == 1).filter_map(|to| to.iter().next());
    only.filter(|(_, outcome)| outcome.as_str() == Some("bounced"))
        .map(|(address, _)| address.clone())
        .collect()
}

/// Sends a message from each return path to its recipient.
fn send(port: u16, messages: &[(String, String)]) {
    use std::io::Write as _;
    let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (mut answers, mut out) = (BufReader::new(stream.try_clone().unwrap()), stream);
    let mut say = |text: &str, wanted: &str| {
        out.write_all(text.as_bytes()).unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        assert!(line.starts_with(wanted), "{text}: {line}");
    };
    say("", "220 ");
    say("HELO app1.sender.test\r\n", "250 ");
    for (number, (return_path, recipient)) in messages.iter().enumerate() {
        say(&format!("MAIL FROM:<{return_path}>\r\n"), "250 ");
        say(&format!("RCPT TO:<{recipient}>\r\n"), "250 ");
        say("DATA\r\n", "354 ");
        let text = format!(
            "From: news@sender.test\r\nTo: {recipient}\r\nSubject: news\r\nMessage-ID: <{number}@sender.test>\r\n\r\nHello\r\n.\r\n"
        );
        say(&text, "250 ");
    }
    say("QUIT\r\n", "221 ");
}

/// Postfix' own bounces come back to signed return paths: half of them by LMTP, as from one's own MX, half by SMTP, as to
/// the MX of a bounce domain. Each is known as genuine and joins its message, also when it is here before the log has told of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bounces_of_a_live_postfix_come_by_lmtp_and_smtp_and_are_verified() {
    if !can_run() {
        return;
    }
    let (lab_dir, place) = (tempfile::tempdir().unwrap(), Place::new(""));
    let (lmtp, smtp) = (support::free_port(), support::free_port());
    std::fs::write(place.file("keys"), "a 0123456789abcdef0123456789abcdef\n").unwrap();
    place.set(&format!(
        "[pipeline]\nbatch_wait_ms = 100\nsecond_look_s = 60\n\
         [return_path]\ndomain = \"lmtp.bounce.test\"\nkeys_file = {:?}\n\
         [[sources.mail]]\nname = \"lmtp\"\nlisten = \"127.0.0.1:{lmtp}\"\n\
         [[sources.mail]]\nname = \"smtp\"\nlisten = \"127.0.0.1:{smtp}\"\nprotocol = \"smtp\"\n\
         recipients = [\"smtp.bounce.test\"]\n{}",
        place.file("keys").to_str().unwrap(),
        support::follow("relay1", &lab_dir.path().join("log/maillog")),
    ));
    let recipients = refused_recipients();
    assert!(recipients.len() >= 8, "{recipients:?}");
    let mut messages = Vec::new();
    for (number, recipient) in recipients.iter().enumerate() {
        let path =
            place.run_well("verp", &[&format!("m{number}"), "--recipient", recipient]).trim().to_owned();
        messages.push((path.replace("@lmtp.", "@smtp."), recipient.clone()));
        messages.push((path, recipient.clone()));
    }
    let server = place.serve().await;
    let transports = [
        format!("--transport=lmtp.bounce.test=lmtp:inet:127.0.0.1:{lmtp}"),
        format!("--transport=smtp.bounce.test=smtp:[127.0.0.1]:{smtp}"),
    ];
    let mut lab = Lab::start("feedback.py", lab_dir.path(), &transports);
    let port = lab.wait_for("ready")["smtp_port"].as_u64().unwrap();
    send(u16::try_from(port).unwrap(), &messages);
    let wanted: Vec<Value> = ["lmtp", "smtp"]
        .iter()
        .map(|source| serde_json::json!([source, recipients.len(), recipients.len()]))
        .collect();
    until_verified(&server, &wanted).await;
    eprintln!("{} bounces verified", messages.len());
    lab.end();
    server.stop().await;
}

/// Waits until the doors have brought as many recipients, and as many verified bounces that have joined their message.
async fn until_verified(server: &Server, wanted: &[Value]) {
    let sql = "SELECT source, toUInt32(uniqExact(recipient)), toUInt32(countIf(trust = 'verified' \
               AND event_type = 'bounced' AND queue_id != '')) FROM events WHERE source_kind = 'mail' \
               GROUP BY source ORDER BY source";
    let begun = Instant::now();
    loop {
        server.drained().await;
        let got = server.sql(sql).await;
        if got == wanted {
            return;
        }
        assert!(begun.elapsed() < support::PATIENCE, "{got:?}, not {wanted:?}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Postfix asks the socketmap for the return path of each message; its bounces come back to it and are verified by the
/// recipients that its log tells of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postfix_that_asks_for_its_return_paths_gets_its_bounces_verified() {
    if !can_run() {
        return;
    }
    let (lab_dir, place) = (tempfile::tempdir().unwrap(), Place::new(""));
    let (lmtp, socketmap) = (support::free_port(), support::free_port());
    std::fs::write(place.file("keys"), "a 0123456789abcdef0123456789abcdef\n").unwrap();
    place.set(&format!(
        "[pipeline]\nbatch_wait_ms = 100\nsecond_look_s = 60\n\
         [return_path]\ndomain = \"bounce.test\"\nkeys_file = {:?}\n\
         [suppression]\nsocketmap_listen = [\"127.0.0.1:{socketmap}\"]\n\
         [[sources.mail]]\nname = \"lmtp\"\nlisten = \"127.0.0.1:{lmtp}\"\n{}",
        place.file("keys").to_str().unwrap(),
        support::follow("relay1", &lab_dir.path().join("log/maillog")),
    ));
    let server = place.serve().await;
    let arguments = [
        format!("--transport=bounce.test=lmtp:inet:127.0.0.1:{lmtp}"),
        format!(
            "--set=sender_canonical_maps=socketmap:inet:127.0.0.1:{socketmap}:return-path;from=sender.test"
        ),
        "--set=sender_canonical_classes=envelope_sender".to_owned(),
    ];
    let mut lab = Lab::start("feedback.py", lab_dir.path(), &arguments);
    let port = lab.wait_for("ready")["smtp_port"].as_u64().unwrap();
    let recipients = refused_recipients();
    let messages: Vec<_> =
        recipients.iter().map(|recipient| ("news@sender.test".to_owned(), recipient.clone())).collect();
    send(u16::try_from(port).unwrap(), &messages);
    until_verified(&server, &[serde_json::json!(["lmtp", recipients.len(), recipients.len()])]).await;
    // Each message had a return path of its own, which the log knows as its sender.
    let paths = "SELECT uniqExact(env_from) FROM events WHERE source_kind = 'postfix' AND env_from LIKE 'b-%@bounce.test'";
    assert_eq!(server.count(paths).await, recipients.len() as u64);
    let evidence = "SELECT uniqExact(evidence) FROM events WHERE evidence = 'signed return path, and recipient of its message'";
    assert_eq!(server.count(evidence).await, 1);
    lab.end();
    server.stop().await;
}
