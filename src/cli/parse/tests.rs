//! Mails in, printed lines out.

use super::reading::Readers;
use super::{Format, Printer};
use crate::classify::BounceRules;
use crate::cli::input::each_input;
use crate::parse::archive::Limits;
use std::path::{Path, PathBuf};

const BOUNCE: &str = "\
Return-Path: <>
From: Mail Delivery System <MAILER-DAEMON@mx.example.com>
To: news@example.com
Subject: Undelivered Mail\x20
Date: Thu, 1 Jan 2026 12:00:00 +0000
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

<bob@example.org>: host mx.example.org[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command)

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; bob@example.org
Original-Recipient: rfc822; info@example.net
Action: failed
Status: 5.0.0
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 5.1.1 No such user

--b
Content-Type: text/rfc822-headers

From: news@example.com
To: info@example.net
Message-ID: <1@example.com>

--b--
";

const ORDINARY: &str =
    "From: bob@example.org\nTo: news@example.com\nSubject: Hello \u{1b}[2J\n\nHow are you?\n";

const TLS: &str = r#"{"organization-name":"Example","date-range":{"start-datetime":"2026-01-01T00:00:00Z","end-datetime":"2026-01-01T23:59:59Z"},"contact-info":"tls@example.org","report-id":"r1","policies":[{"policy":{"policy-type":"sts","policy-domain":"example.com"},"summary":{"total-successful-session-count":7,"total-failure-session-count":1}}]}"#;

/// Writes the texts into files, parses them, and returns what is printed, with the folder left out.
fn parse(format: Format, files: &[(&str, &str)]) -> (String, u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| folder.path().join(name)).collect();
    for (path, (_, text)) in paths.iter().zip(files) {
        std::fs::write(path, text).unwrap();
    }
    let mut readers = Readers::new(BounceRules::shipped(), Limits::default());
    let mut out = Vec::new();
    let mut printer = Printer::new(&mut out, format);
    each_input(&paths, &mut |input| Ok(printer.print(&readers.read(input))?)).unwrap();
    let (read, rejected) = printer.finish().unwrap();
    (without(folder.path(), &out), read, rejected)
}

fn without(folder: &Path, out: &[u8]) -> String {
    std::str::from_utf8(out).unwrap().replace(&format!("{}/", folder.display()), "")
}

#[test]
fn a_bounce_is_one_object_with_its_recipients_and_their_verdicts() {
    let (out, read, rejected) = parse(Format::Ndjson, &[("a.eml", BOUNCE)]);
    assert_eq!((read, rejected, out.lines().count()), (1, 0, 1));
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    let recipient = &told["recipients"][0];
    for (field, want) in [
        (&told["file"], "a.eml".into()),
        (&told["kind"], "bounce".into()),
        (&told["mail_kind"], "bounce".into()),
        (&told["format"], "rfc3464".into()),
        (&told["head"]["is_null_sender"], true.into()),
        (&told["head"]["date"], "2026-01-01T12:00:00Z".into()),
        (&recipient["recipient"], "bob@example.org".into()),
        (&recipient["original_recipient"], "info@example.net".into()),
        (&recipient["action"], "failed".into()),
        (&recipient["status"], "5.1.1".into()),
        (&recipient["reply_code"], serde_json::Value::from(550)),
        (&recipient["reason"], "userunknown".into()),
        (&recipient["type"], "hard".into()),
        (&recipient["hard"], true.into()),
        (&recipient["permanent"], true.into()),
        (&recipient["rule"]["name"], "user-unknown".into()),
        (&told["returned"]["message_id"], "1@example.com".into()),
    ] {
        assert_eq!(*field, want, "{told:#}");
    }
}

#[test]
fn a_bounce_is_told_to_people_with_its_rule() {
    let (out, ..) = parse(Format::Text, &[("a.eml", BOUNCE)]);
    for line in [
        "a.eml\n  bounce, read as rfc3464\n",
        "\n  recipient     bob@example.org (sent to info@example.net)\n",
        "\n    outcome     failed, userunknown, hard; the address is gone\n",
        "\n    rule        user-unknown (wording.toml:",
        "\n    status      5.1.1\n",
        "\n  message       1@example.com\n",
    ] {
        assert!(out.contains(line), "{line:?} is not in\n{out}");
    }
}

#[test]
fn a_message_of_an_mbox_has_its_number_and_place() {
    let mbox =
        format!("From a Thu Jan  1 00:00:00 2026\n{ORDINARY}\nFrom b Thu Jan  1 00:00:00 2026\n{ORDINARY}");
    let (out, read, _) = parse(Format::Ndjson, &[("box", &mbox)]);
    assert_eq!(read, 2);
    let last: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!((&last["message"], &last["offset"]), (&2.into(), &serde_json::Value::from(110)));
    assert_eq!(last["kind"], "unrecognized");
}

#[test]
fn a_report_without_a_mail_gives_its_totals() {
    let (out, ..) = parse(Format::Ndjson, &[("r.json", TLS)]);
    assert_eq!(
        out,
        concat!(
            r#"{"file":"r.json","kind":"tls_report","mail_kind":"tls_report","reports":[{"org_name":"Example","#,
            r#""report_id":"r1","begin":"2026-01-01T00:00:00Z","end":"2026-01-01T23:59:59Z","policies":"#,
            r#"[{"policy_type":"sts","domain":"example.com","successful":7,"failed":1}]}]}"#,
            "\n"
        )
    );
}

#[test]
fn what_cannot_be_read_is_told_and_counted() {
    let (out, read, rejected) = parse(Format::Text, &[("a.xml", "<no/>"), ("b.eml", ORDINARY)]);
    assert_eq!((read, rejected), (2, 1));
    assert!(out.starts_with("a.xml\n  rejected\n  error         "), "{out}");
}

#[test]
fn a_mail_cannot_command_the_terminal() {
    let (out, ..) = parse(Format::Text, &[("a.eml", ORDINARY)]);
    assert!(out.contains("subject       Hello \u{fffd}[2J"), "{out}");
}

#[test]
fn json_is_one_array_even_of_nothing() {
    for files in [&[][..], &[("a.eml", ORDINARY)], &[("a.eml", ORDINARY), ("b.eml", BOUNCE)]] {
        let (out, ..) = parse(Format::Json, files);
        let array: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
        assert_eq!(array.len(), files.len());
    }
}
