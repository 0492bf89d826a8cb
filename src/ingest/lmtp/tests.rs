//! Conversations with a door over a real socket.

use super::*;
use crate::ingest::testing::{SpoolDir, read_all};
use crate::model::Timestamp;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;

struct Running {
    dir: SpoolDir,
    status: DoorStatus,
    address: std::net::SocketAddr,
    stop: watch::Sender<bool>,
    door: tokio::task::JoinHandle<()>,
}

async fn start(protocol: Protocol, recipients: &[&str], limits: MailDoorLimits) -> Running {
    let dir = SpoolDir::new();
    let intake = Intake::new(dir.spool.clone(), || Timestamp::from_seconds(1_000));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let status = DoorStatus::default();
    let (stop, stopped) = watch::channel(false);
    let options = MailDoor {
        protocol,
        source: "mx".into(),
        hostname: "mx.example".to_owned(),
        recipients: recipients.iter().map(|text| (*text).to_owned()).collect(),
        limits,
    };
    let door = tokio::spawn(listen(MailListener::Tcp(listener), options, intake, status.clone(), stopped));
    Running { dir, status, address, stop, door }
}

/// Sends the lines and returns the codes of so many answers.
async fn talk(address: std::net::SocketAddr, lines: &str, answers: usize) -> Vec<String> {
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    stream.write_all(lines.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut codes = Vec::new();
    while codes.len() < answers {
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_line(&mut line)).await;
        if read.expect("the door answers").unwrap() == 0 {
            break;
        }
        if line.as_bytes().get(3) == Some(&b' ') {
            codes.push(line[..3].to_owned());
        }
    }
    codes
}

impl Running {
    async fn end(self) -> Vec<String> {
        self.stop.send_replace(true);
        self.door.await.unwrap();
        let entries = read_all(&self.dir.spool).into_iter();
        entries.map(|entry| String::from_utf8_lossy(&entry.payload).into_owned()).collect()
    }
}

const MAIL: &str = "Subject: one\n\n..dotted\nend\n.\n";

#[tokio::test]
async fn lmtp_answers_for_each_recipient_and_keeps_the_mail_with_its_envelope() {
    let door = start(Protocol::Lmtp, &[], MailDoorLimits::default()).await;
    let lines = format!(
        "LHLO me\nMAIL FROM:<>\nRCPT TO:<b-1@bounce.example>\nRCPT TO:<fbl@bounce.example>\nDATA\n{MAIL}QUIT\n"
    );
    let codes = talk(door.address, &lines, 9).await;
    assert_eq!(codes, ["220", "250", "250", "250", "250", "354", "250", "250", "221"]);
    assert_eq!(
        door.end().await,
        ["Return-Path: <>\r\nDelivered-To: b-1@bounce.example\r\nDelivered-To: fbl@bounce.example\r\n\
          Subject: one\r\n\r\n.dotted\r\nend\r\n"]
    );
}

#[tokio::test]
async fn smtp_takes_mail_for_its_own_addresses_alone() {
    let door =
        start(Protocol::Smtp, &["bounce.example", "fbl@mail.example"], MailDoorLimits::default()).await;
    let lines = format!(
        "EHLO me\nMAIL FROM:<x@other.example>\nRCPT TO:<eve@other.example>\nRCPT TO:<FBL@mail.example>\n\
         RCPT TO:<b-1@bounce.example>\nDATA\n{MAIL}QUIT\n"
    );
    let codes = talk(door.address, &lines, 9).await;
    assert_eq!(codes, ["220", "250", "250", "550", "250", "250", "354", "250", "221"]);
    assert_eq!(door.status.get().refused, 1);
    assert_eq!(door.end().await.len(), 1);
}

#[tokio::test]
async fn commands_out_of_order_and_unknown_ones_are_refused() {
    let door = start(Protocol::Lmtp, &[], MailDoorLimits::default()).await;
    let lines = "MAIL FROM:<>\nEHLO me\nLHLO me\nDATA\nRCPT TO:<a@b.example>\nMAIL FROM:<>\nMAIL FROM:<>\nDATA\nNONSENSE\nQUIT\n";
    let codes = talk(door.address, lines, 11).await;
    assert_eq!(codes, ["220", "503", "502", "250", "503", "503", "250", "503", "503", "500", "221"]);
    assert!(door.end().await.is_empty());
}

#[tokio::test]
async fn a_mail_that_is_too_large_is_refused_by_its_size_and_by_its_bytes() {
    let door = start(Protocol::Lmtp, &[], MailDoorLimits::default()).await;
    let announced = format!("LHLO me\nMAIL FROM:<> SIZE={}\nQUIT\n", MAIL_BYTES_MAX + 1);
    assert_eq!(talk(door.address, &announced, 4).await, ["220", "250", "552", "221"]);
    let line = format!("{}\n", "x".repeat(998));
    let sent = line.repeat(MAIL_BYTES_MAX / 1000 + 100);
    let lines = format!("LHLO me\nMAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\n{sent}.\nQUIT\n");
    assert_eq!(talk(door.address, &lines, 7).await, ["220", "250", "250", "250", "354", "552", "221"]);
    assert!(door.end().await.is_empty());
}

#[tokio::test]
async fn without_room_the_mail_is_put_off_and_the_connection_lives() {
    let limits = MailDoorLimits { in_flight_bytes_max: 200, ..MailDoorLimits::default() };
    let door = start(Protocol::Lmtp, &[], limits).await;
    let large = format!("{}\n.\n", "y".repeat(400));
    let lines = format!("LHLO me\nMAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\n{large}MAIL FROM:<>\nQUIT\n");
    assert_eq!(talk(door.address, &lines, 8).await, ["220", "250", "250", "250", "354", "452", "250", "221"]);
    assert!(door.end().await.is_empty());
}

#[tokio::test]
async fn a_slow_client_and_one_too_many_are_sent_away() {
    let limits = MailDoorLimits {
        connections_max: 1,
        command_timeout: Duration::from_millis(100),
        ..MailDoorLimits::default()
    };
    let door = start(Protocol::Lmtp, &[], limits).await;
    let slow = tokio::spawn(talk(door.address, "LHLO", 2));
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(talk(door.address, "", 1).await, ["421"]);
    assert_eq!(slow.await.unwrap(), ["220", "421"]);
    door.end().await;
}

#[tokio::test]
async fn a_port_scanner_is_cut_off() {
    let door = start(Protocol::Lmtp, &[], MailDoorLimits::default()).await;
    let codes = talk(door.address, &"GET / HTTP/1.1\n".repeat(30), 40).await;
    assert_eq!(codes.last().map(String::as_str), Some("421"));
    assert_eq!(codes.len(), 22);
    door.end().await;
}
