//! Mail fetched from the folders of a real Dovecot: every mail is stored once, whatever happens to the connection, the
//! folder or the program.

use crate::dovecot::{Dovecot, PASSWORD, USER};
use crate::support::{self, Place, Server, number};
use std::fs;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Longer than any test takes: what comes in sooner came by IDLE.
const NEVER_POLLED: &str = "poll_seconds = 3600\n";

/// A bounce, each for a recipient of its own; what matters here is that it makes one event.
fn bounce(number: usize) -> String {
    padded_bounce(number, "")
}

fn padded_bounce(number: usize, padding: &str) -> String {
    format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nTo: bounce@sender.test\r\nSubject: failure {number}\r\n\
         Message-Id: <{number}@mx.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nIt failed.\r\n{padding}\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
         Final-Recipient: rfc822; r{number}@victim.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b--\r\n"
    )
}

fn complaint() -> String {
    "From: fbl@provider.example\r\nTo: fbl@sender.test\r\nSubject: complaint\r\nMessage-Id: <c@provider.example>\r\n\
     MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
     --b\r\nContent-Type: text/plain\r\n\r\nSpam.\r\n\
     --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: fbl/1\r\nVersion: 1\r\n\r\n\
     --b\r\nContent-Type: message/rfc822\r\n\r\nFrom: shop@sender.test\r\nMessage-ID: <m@sender.test>\r\n\r\nBuy\r\n--b--\r\n"
        .to_owned()
}

fn report() -> String {
    "From: d@r.example\r\nTo: dmarc@shop.example\r\nSubject: Report Domain: shop.example\r\nMessage-ID: <r@r.example>\r\n\
     MIME-Version: 1.0\r\nContent-Type: text/xml; name=\"r.xml\"\r\n\r\n\
     <?xml version=\"1.0\"?><feedback><report_metadata><org_name>r.example</org_name><email>d@r.example</email>\
     <report_id>1</report_id><date_range><begin>1780000000</begin><end>1780086399</end></date_range></report_metadata>\
     <policy_published><domain>shop.example</domain><p>none</p></policy_published><record><row>\
     <source_ip>192.0.2.1</source_ip><count>1</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim>\
     <spf>pass</spf></policy_evaluated></row><identifiers><header_from>shop.example</header_from></identifiers>\
     <auth_results><spf><domain>shop.example</domain><result>pass</result></spf></auth_results></record></feedback>\r\n"
        .to_owned()
}

fn answer() -> String {
    "From: ann@example.com\r\nTo: shop@sender.test\r\nSubject: a question\r\nMessage-Id: <q@example.com>\r\n\r\nWhere is it?\r\n"
        .to_owned()
}

/// Settings of an account on this port, without any protection, as loopback allows.
fn account(place: &Place, port: u16, more: &str) -> String {
    let password = place.file("password");
    fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    format!(
        "[[sources.imap]]\nname = \"box\"\nhost = \"127.0.0.1\"\nport = {port}\nsecurity = \"plain\"\nuser = \"{USER}\"\n\
         password_file = {:?}\n{more}",
        password.to_str().unwrap()
    )
}

/// How many bounces are stored, and of how many recipients.
async fn stored(server: &Server) -> (u64, u64) {
    let row =
        &server.sql("SELECT count(), uniqExact(recipient) FROM events WHERE event_type = 'bounced'").await[0];
    (number(&row[0]), number(&row[1]))
}

/// Waits until so many bounces are stored; fails when more are, or when they do not come.
async fn until_stored(server: &Server, wanted: u64) {
    let begun = Instant::now();
    loop {
        let (events, recipients) = stored(server).await;
        assert!(events <= wanted && events == recipients, "{events} events of {recipients} recipients");
        if events == wanted {
            return;
        }
        assert!(begun.elapsed() < support::PATIENCE * 2, "{events} of {wanted} came\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until as many items were accepted and worked on, and returns the ledger.
async fn until_accepted(server: &Server, wanted: u64) -> support::Ledger {
    let begun = Instant::now();
    loop {
        let ledger = server.drained().await;
        if let Some(source) = ledger.iter().find(|source| source.source == "box" && source.accepted >= wanted)
        {
            return source.clone();
        }
        assert!(begun.elapsed() < support::PATIENCE, "{ledger:?}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Subjects and flags of the mails in a folder, as another client sees them.
async fn seen_by_others(dovecot: &Dovecot, folder: &str) -> Vec<(String, Vec<String>)> {
    use futures_util::TryStreamExt as _;
    let stream = TcpStream::connect(("127.0.0.1", dovecot.port)).await.unwrap();
    let mut client = async_imap::Client::new(stream);
    client.read_response().await.unwrap().unwrap();
    let mut session = client.login(USER, PASSWORD).await.map_err(|(error, _)| error).unwrap();
    if session.examine(folder).await.is_err() {
        return Vec::new();
    }
    let fetched: Vec<_> =
        session.uid_fetch("1:*", "(FLAGS ENVELOPE)").await.unwrap().try_collect().await.unwrap();
    let mut mails: Vec<_> = fetched
        .iter()
        .map(|mail| {
            let subject = mail.envelope().and_then(|envelope| envelope.subject.clone()).unwrap_or_default();
            let flags = mail.flags().map(|flag| format!("{flag:?}")).filter(|flag| flag != "Recent");
            (String::from_utf8_lossy(&subject).into_owned(), flags.collect())
        })
        .collect();
    mails.sort();
    session.logout().await.unwrap();
    mails
}

/// The whole of the trouble at once: a large folder, a mail of 30 MB, one that is none, one that Dovecot cannot hand
/// out and closes the connection over, and a kill in the middle. Then new mail, which IDLE tells of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_mails_are_stored_once_through_a_kill_and_new_ones_come_by_idle() {
    const BOUNCES: usize = 5000;
    let mut dovecot = Dovecot::start();
    for number in 0..BOUNCES {
        // Text of 30 MB in lines, as mail has it.
        let padding =
            if number == 700 { format!("{}\r\n", "y".repeat(76)).repeat(400_000) } else { String::new() };
        dovecot.deliver(padded_bounce(number, &padding).as_bytes());
        if number == 900 {
            dovecot.deliver(&[0xff; 3000]);
            // The name tells a size that the file has not: Dovecot finds that out in the middle of its answer.
            dovecot.deliver_as(answer().repeat(2000).as_bytes(), ",S=90");
        }
    }
    let place = Place::new("");
    place.set(&account(&place, dovecot.port, NEVER_POLLED));
    let server = place.serve().await;
    let begun = Instant::now();
    while stored(&server).await.0 < 300 {
        assert!(begun.elapsed() < support::PATIENCE, "nothing comes in\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.kill();
    let server = place.serve().await;
    let begun = Instant::now();
    until_stored(&server, BOUNCES as u64).await;
    eprintln!("{BOUNCES} mails after {:.1} s", begun.elapsed().as_secs_f32());
    let ledger = until_accepted(&server, BOUNCES as u64 + 2).await;
    eprintln!("{ledger:?}");
    // A crash has one group fetched again.
    assert!(ledger.duplicate < 300, "{ledger:?}");
    // Bytes that are no mail at all say nothing; of the other one Dovecot says why it has to be passed.
    assert_eq!((ledger.no_event, ledger.rejected), (1, 1), "{ledger:?}\n{}", dovecot.log());
    let told = server.get("/api/v1/rejects").await;
    assert_eq!(told["rows"][0]["reason"], "unfetched", "{told}");
    assert!(told["rows"][0]["message"].as_str().unwrap().starts_with("UID 903: "), "{told}");

    for number in BOUNCES..BOUNCES + 3 {
        let begun = Instant::now();
        dovecot.deliver(bounce(number).as_bytes());
        until_stored(&server, number as u64 + 1).await;
        eprintln!("told by IDLE and stored after {:.2} s", begun.elapsed().as_secs_f32());
    }
    server.stop().await;
}

/// Cuts each connection after some bytes of the server: in the middle of an answer, often of a mail.
async fn cutting_proxy(to: u16, cuts: Vec<usize>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut cuts = cuts.into_iter();
        while let Ok((client, _)) = listener.accept().await {
            let left = cuts.next().unwrap_or(usize::MAX);
            tokio::spawn(forward(client, TcpStream::connect(("127.0.0.1", to)).await.unwrap(), left));
        }
    });
    port
}

async fn forward(client: TcpStream, server: TcpStream, mut left: usize) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let up = tokio::spawn(async move { drop(tokio::io::copy(&mut from_client, &mut to_server).await) });
    let mut bytes = vec![0; 4096];
    while left > 0 {
        let Ok(read @ 1..) = from_server.read(&mut bytes).await else { break };
        let some = read.min(left);
        if to_client.write_all(&bytes[..some]).await.is_err() {
            break;
        }
        left -= some;
    }
    up.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_in_the_middle_of_a_fetch_loses_and_doubles_nothing() {
    const BOUNCES: usize = 300;
    let mut dovecot = Dovecot::start();
    (0..BOUNCES).for_each(|number| dovecot.deliver(bounce(number).as_bytes()));
    let port = cutting_proxy(dovecot.port, vec![400, 60_000, 9_000, 90_000]).await;
    let place = Place::new("");
    place.set(&account(&place, port, NEVER_POLLED));
    let server = place.serve().await;
    until_stored(&server, BOUNCES as u64).await;
    let ledger = server.drained().await;
    let ledger = support::only(&ledger);
    assert_eq!((ledger.accepted, ledger.stored, ledger.duplicate), (300, 300, 0), "{ledger:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_change_of_uidvalidity_mails_are_fetched_again_and_known() {
    const BOUNCES: usize = 40;
    let mut dovecot = Dovecot::start();
    (0..BOUNCES).for_each(|number| dovecot.deliver(bounce(number).as_bytes()));
    let place = Place::new("");
    place.set(&account(&place, dovecot.port, NEVER_POLLED));
    let server = place.serve().await;
    until_stored(&server, BOUNCES as u64).await;
    // The server goes away under a connection, and comes back with other UIDs.
    dovecot.stop();
    dovecot.change_uid_validity();
    dovecot.run();
    let ledger = until_accepted(&server, 2 * BOUNCES as u64).await;
    assert_eq!((ledger.stored, ledger.duplicate), (BOUNCES as u64, BOUNCES as u64), "{ledger:?}");
    dovecot.deliver(bounce(BOUNCES).as_bytes());
    until_stored(&server, BOUNCES as u64 + 1).await;
    // The page and the metrics tell of the door, of what held it up, and how genuine its mail is.
    let page = server.text("/sources").await;
    for words in ["IMAP folder INBOX at 127.0.0.1", "✓ waiting by IDLE", "mail:box", "Unverified"] {
        assert!(page.contains(words), "{words} is not on the page\n{page}");
    }
    let doors = server.get("/api/v1/ledger").await["status"]["doors"].clone();
    let door = doors.as_array().unwrap().iter().find(|door| door["source"] == "box").unwrap();
    assert_eq!((&door["taken"], &door["is_up"]), (&(2 * BOUNCES as u64 + 1).into(), &true.into()), "{door}");
    assert!(door["faults"].as_u64().unwrap() >= 1 && door["last_fault"].is_string(), "{door}");
    let metrics = server.text("/metrics").await;
    let labels = "{kind=\"mail\",source=\"box\",door=\"IMAP folder INBOX at 127.0.0.1\"}";
    assert!(metrics.contains(&format!("relaylens_door_up{labels} 1")), "{metrics}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_are_moved_flagged_and_deleted_by_what_they_are_once_they_are_kept() {
    let mut dovecot = Dovecot::start();
    let mails = [bounce(1), complaint(), report(), answer()];
    for mail in &mails {
        dovecot.deliver(mail.as_bytes());
    }
    let after = "after = { report = { move = \"Ablage & Berichte für 2026\" }, bounce = \"delete\", \
                 complaint = { flag = \"$Complaint\" }, other = \"seen\" }\n";
    let place = Place::new("");
    // A trial first, which changes nothing.
    place.set(&account(&place, dovecot.port, &format!("{NEVER_POLLED}{after}read_only = true\n")));
    let server = place.serve().await;
    until_accepted(&server, 4).await;
    server.stop().await;
    let untouched = seen_by_others(&dovecot, "INBOX").await;
    assert_eq!(untouched.len(), 4);
    assert!(untouched.iter().all(|(_, flags)| flags.is_empty()), "{untouched:?}");

    // What the trial, or a crash, left behind the position is treated by the next start; what is new, at once.
    place.set(&account(&place, dovecot.port, &format!("{NEVER_POLLED}{after}")));
    let server = place.serve().await;
    let text = |text: &str| text.to_owned();
    let wanted =
        [(text("a question"), vec![text("Seen")]), (text("complaint"), vec![text("Custom(\"$Complaint\")")])];
    until_seen(&dovecot, "INBOX", &wanted).await;
    dovecot.deliver(bounce(2).as_bytes());
    until_stored(&server, 2).await;
    until_seen(&dovecot, "INBOX", &wanted).await;
    until_seen(
        &dovecot,
        "Ablage &- Berichte f&APw-r 2026",
        &[(text("Report Domain: shop.example"), Vec::new())],
    )
    .await;
    let ledger = server.drained().await;
    assert_eq!(support::only(&ledger).accepted, 5, "looking back spools nothing: {ledger:?}");
    server.stop().await;
}

async fn until_seen(dovecot: &Dovecot, folder: &str, wanted: &[(String, Vec<String>)]) {
    let begun = Instant::now();
    loop {
        let seen = seen_by_others(dovecot, folder).await;
        if seen == wanted {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{seen:?}, not {wanted:?}\n{}", dovecot.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_above_the_limit_is_told_and_stays() {
    let mut dovecot = Dovecot::start();
    dovecot.deliver(padded_bounce(1, &"z".repeat(200_000)).as_bytes());
    dovecot.deliver(bounce(2).as_bytes());
    let place = Place::new("");
    place.set(&account(&place, dovecot.port, "mail_bytes_max = 100000\nafter = { bounce = \"delete\" }\n"));
    let server = place.serve().await;
    until_stored(&server, 1).await;
    let ledger = server.drained().await;
    assert_eq!(support::only(&ledger).rejected, 1, "{ledger:?}");
    let told = server.get("/api/v1/rejects").await;
    assert!(told["rows"][0]["message"].as_str().unwrap().contains("`mail_bytes_max`"), "{told}");
    until_seen(&dovecot, "INBOX", &[("failure 1".to_owned(), Vec::new())]).await;
    server.stop().await;
}

/// An old server, as far as it says: no IDLE, no MOVE, no UIDPLUS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_can_do_little_is_polled_and_takes_no_mail_of_others_along() {
    let mut dovecot = Dovecot::start_with("imap_capability = IMAP4rev1\n");
    dovecot.deliver(bounce(1).as_bytes());
    let place = Place::new("");
    let settings = "poll_seconds = 1\nafter = { bounce = { move = \"Kept\" }, other = \"delete\" }\n";
    place.set(&account(&place, dovecot.port, settings));
    let server = place.serve().await;
    until_stored(&server, 1).await;
    dovecot.deliver(bounce(2).as_bytes());
    dovecot.deliver(answer().as_bytes());
    until_stored(&server, 2).await;
    // Marked alone: an EXPUNGE would take along what somebody else has marked.
    let marked = |subject: &str| (subject.to_owned(), vec!["Deleted".to_owned()]);
    until_seen(&dovecot, "INBOX", &[marked("a question"), marked("failure 1"), marked("failure 2")]).await;
    let kept = |number: u32| (format!("failure {number}"), Vec::new());
    until_seen(&dovecot, "Kept", &[kept(1), kept(2)]).await;
    server.stop().await;
}

/// Hands out one token for the right secret or refresh token, and tells Dovecot whether a token counts. What Google takes
/// has no scope: <https://developers.google.com/identity/protocols/oauth2/web-server#offline>.
async fn token_server() -> (u16, tokio::task::JoinHandle<()>) {
    use axum::{Router, routing::post};
    let token = async |body: String| {
        let is_client = body.contains("grant_type=client_credentials")
            && body.contains("scope=https%3A%2F%2Fmail.example%2F.default");
        let is_user = body.contains("grant_type=refresh_token")
            && body.contains("refresh_token=1%2F%2Fkept")
            && !body.contains("scope=");
        axum::Json(if body.contains("client_secret=s3cret%26") && (is_client || is_user) {
            serde_json::json!({ "access_token": "a-token", "token_type": "Bearer", "expires_in": 3600 })
        } else {
            serde_json::json!({ "error": "invalid_client" })
        })
    };
    let introspect = async |body: String| {
        let is_active = body.contains("token=a-token");
        axum::Json(serde_json::json!({ "active": is_active, "username": USER }))
    };
    let routes = Router::new().route("/token", post(token)).route("/introspect", post(introspect));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() }))
}

/// The security of a connection, and the settings by which relaylens logs in.
fn ways_to_log_in(place: &Place, token_port: u16) -> Vec<(&'static str, String)> {
    let file = |name: &str, text: &str| {
        fs::write(place.file(name), text).unwrap();
        format!("{:?}", place.file(name).to_str().unwrap())
    };
    let (password, token, secret) =
        (file("password", PASSWORD), file("access-token", "a-token\n"), file("secret", "s3cret&"));
    let refresh_token = file("refresh-token", "1//kept\n");
    vec![
        ("tls", format!("password_file = {password}\n")),
        ("starttls", format!("token_file = {token}\n")),
        ("tls", "token_command = [\"echo\", \"a-token\"]\n".to_owned()),
        (
            "starttls",
            format!(
                "[sources.imap.oauth2]\ntoken_url = \"http://127.0.0.1:{token_port}/token\"\nclient_id = \"c\"\n\
                 client_secret_file = {secret}\nscope = \"https://mail.example/.default\"\n"
            ),
        ),
        (
            "tls",
            format!(
                "[sources.imap.oauth2]\ntoken_url = \"http://127.0.0.1:{token_port}/token\"\nclient_id = \"c\"\n\
                 client_secret_file = {secret}\nrefresh_token_file = {refresh_token}\n"
            ),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_log_in_leads_to_the_mail() {
    let (token_port, task) = token_server().await;
    let place = Place::new("");
    let oauth2 = format!(
        "introspection_mode = post\nintrospection_url = http://127.0.0.1:{token_port}/introspect\n\
         username_attribute = username\nactive_attribute = active\nactive_value = true\n"
    );
    fs::write(place.file("oauth2.conf"), oauth2).unwrap();
    let mut dovecot = Dovecot::start_with(&format!(
        "passdb {{\n  driver = oauth2\n  mechanisms = xoauth2\n  args = {}\n}}\n",
        place.file("oauth2.conf").display()
    ));
    dovecot.deliver(bounce(1).as_bytes());
    let ca_file = format!("{:?}", dovecot.file("cert.pem").to_str().unwrap());
    let ways = ways_to_log_in(&place, token_port);
    let settings: Vec<String> = ways
        .iter()
        .enumerate()
        .map(|(number, (security, way))| {
            let port = if *security == "tls" { dovecot.tls_port } else { dovecot.port };
            format!(
                "[[sources.imap]]\nname = \"way{number}\"\nhost = \"localhost\"\nport = {port}\nsecurity = \"{security}\"\n\
                 ca_file = {ca_file}\nuser = \"{USER}\"\n{way}"
            )
        })
        .collect();
    place.set(&settings.concat());
    let server = place.serve().await;
    let begun = Instant::now();
    loop {
        let ledger = server.drained().await;
        if ledger.len() == ways.len() {
            assert_eq!(
                ledger.iter().map(|source| source.stored).sum::<u64>(),
                1,
                "one mail, however it comes: {ledger:?}"
            );
            break;
        }
        assert!(begun.elapsed() < support::PATIENCE, "{ledger:?}\n{}\n{}", server.log(), dovecot.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.stop().await;

    // A certificate that nobody vouches for, and a wrong password.
    place.set(&settings[0].replace(&format!("ca_file = {ca_file}\n"), ""));
    told(&place, "`ca_file`").await;
    fs::write(place.file("password"), "wrong").unwrap();
    place.set(&settings[0]);
    told(&place, "refuses `feedback`").await;
    // A refresh token that was withdrawn.
    fs::write(place.file("refresh-token"), "1//withdrawn\n").unwrap();
    place.set(&settings[4]);
    told(&place, "invalid_client").await;
    task.abort();
}

/// Waits until the log says it.
async fn told(place: &Place, words: &str) {
    let server = place.serve().await;
    let begun = Instant::now();
    while !server.log().contains(words) {
        assert!(begun.elapsed() < support::PATIENCE, "{words} is not told\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.stop().await;
}

/// Mail of this machine: what a delivery agent puts into a Maildir, and what is appended to an mbox.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maildir_and_mbox_are_watched_and_nothing_is_stored_twice() {
    let place = Place::new("");
    let (dir, mbox) = (place.file("Maildir"), place.file("mbox"));
    for folder in ["new", "cur", "tmp"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    place.set(&format!(
        "[[sources.maildir]]\nname = \"dir\"\ndir = {:?}\n[[sources.mbox]]\nname = \"file\"\npath = {:?}\n",
        dir.to_str().unwrap(),
        mbox.to_str().unwrap()
    ));
    let put = |number: usize| fs::write(dir.join(format!("new/{number:04}.a")), bounce(number)).unwrap();
    let append = |number: usize| {
        let text = format!(
            "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n{}\n",
            bounce(number).replace("\r\n", "\n")
        );
        let mut file = fs::File::options().create(true).append(true).open(&mbox).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    };
    (0..100).for_each(put);
    (100..200).for_each(append);
    let server = place.serve().await;
    until_stored(&server, 200).await;
    server.kill();
    put(200);
    append(201);
    let server = place.serve().await;
    until_stored(&server, 202).await;
    assert_eq!(fs::read_dir(dir.join("new")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(dir.join("cur")).unwrap().count(), 101);
    let ledger = server.drained().await;
    assert_eq!(ledger.iter().map(|source| source.stored).sum::<u64>(), 202, "{ledger:?}");
    server.stop().await;
}
