//! Messages as they are cut out of an mbox, and files told apart.

use super::*;
use proptest::prelude::*;

const DATE: &str = "Thu Jan  1 00:00:00 1970";

fn read(mbox: &str, bytes_max: usize) -> Vec<MboxMessage> {
    let mut reader = MboxReader::new(mbox.as_bytes(), bytes_max);
    std::iter::from_fn(|| reader.next_message().unwrap()).collect()
}

/// Each message's offset, sender and text.
#[track_caller]
fn check(mbox: &str, want: &[(u64, &str, &str)]) {
    let got = read(mbox, 1024);
    let got: Vec<_> = got
        .iter()
        .map(|message| {
            let bytes = message.bytes.as_ref().unwrap();
            (message.offset, message.sender.as_str(), std::str::from_utf8(bytes).unwrap())
        })
        .collect();
    assert_eq!(got, want, "mbox was {mbox:?}");
}

#[test]
fn each_from_line_with_a_date_behind_an_empty_line_begins_a_message() {
    check(
        &format!(
            "From a@example.org {DATE}\nSubject: one\n\nbody\n\nFrom - {DATE} +0100\nSubject: two\n\n\n"
        ),
        &[(0, "a@example.org", "Subject: one\n\nbody\n"), (64, "-", "Subject: two\n\n")],
    );
}

#[test]
fn lines_may_end_with_carriage_return() {
    check(
        &format!("From a {DATE}\r\nX: 1\r\n\r\none\r\n\r\nFrom b {DATE}\r\nX: 2\r\n\r\ntwo"),
        &[(0, "a", "X: 1\r\n\r\none\r\n"), (48, "b", "X: 2\r\n\r\ntwo")],
    );
}

#[test]
fn a_line_of_a_body_is_no_border() {
    let body = format!("X: 1\n\nFrom the shop\nFrom a {DATE}\n\nFrom Monday on: closed\nend\n");
    check(&format!("From a {DATE}\n{body}"), &[(0, "a", &body)]);
}

#[test]
fn quoted_lines_lose_one_quote() {
    check(
        &format!("From a {DATE}\n\n>From me\n>>From you\n> From her\n>>>\n"),
        &[(0, "a", "\nFrom me\n>From you\n> From her\n>>>\n")],
    );
}

#[test]
fn the_first_line_needs_no_date_and_a_mail_without_one_is_a_message() {
    check("\n\nFrom MAILER-DAEMON\nX: 1\n", &[(2, "MAILER-DAEMON", "X: 1\n")]);
    check(&format!("X: 1\n\none\n\nFrom b {DATE}\n"), &[(0, "", "X: 1\n\none\n"), (11, "b", "")]);
    check("", &[]);
    check("\n \n", &[]);
}

#[test]
fn zones_stand_before_or_behind_the_year() {
    for date in
        ["Thu Jan 01 00:00 1970", "Thu Jan  1 0:00:00 CET 1970", "thu jan 1 00:00:00 1970 -0700 (PDT)"]
    {
        assert_eq!(read(&format!("From a\n\n\nFrom b {date}\n"), 1024).len(), 2, "{date}");
    }
    for date in ["Thu Jan 1", "Jan 1 00:00:00 1970", "Thu Jan 1 00:00:00 in the year 1970"] {
        assert_eq!(read(&format!("From a\n\n\nFrom b {date}\n"), 1024).len(), 1, "{date}");
    }
}

#[test]
fn a_message_that_is_too_large_is_told_and_passed_over() {
    let mbox = format!("From a {DATE}\n{}\n\nFrom b {DATE}\nX: 2\n", "x".repeat(5_000));
    let got = read(&mbox, 100);
    let reject = got[0].bytes.as_ref().unwrap_err();
    assert_eq!(reject.reason, RejectReason::TooLarge);
    assert_eq!(reject.message, "a message of 5002 bytes, limit is 100");
    assert_eq!((got.len(), got[1].bytes.as_deref()), (2, Ok(&b"X: 2\n"[..])));
}

#[test]
fn a_file_is_told_by_its_beginning() {
    for (head, want) in [
        ("From a@example.org Thu Jan", FileKind::Mbox),
        ("From: a@example.org\nTo: b", FileKind::Mail),
        ("From : a@example.org", FileKind::Mail),
        ("Return-Path: <>\nFrom b", FileKind::Mail),
        ("", FileKind::Mail),
        ("\u{feff}\n <?xml version=\"1.0\"?>", FileKind::Report),
        ("<feedback>", FileKind::Report),
        (" {\"organization-name\": 1", FileKind::Report),
        ("PK\x03\x04", FileKind::Report),
    ] {
        assert_eq!(FileKind::of(head.as_bytes()), want, "{head}");
    }
    assert_eq!(FileKind::of(b"\x1f\x8b\x08"), FileKind::Report);
    assert_eq!(FileKind::of(b"\xff\xfe<\0"), FileKind::Report);
}

proptest! {
    #[test]
    fn what_was_quoted_is_read_back(bodies in prop::collection::vec("(>{0,2}(From )?[a-z ]{0,12}\n){0,6}", 1..5)) {
        let quote = |body: &String| -> String {
            let lines = body.split_inclusive('\n');
            let quoted: Vec<String> = lines.map(|line| {
                let is_from = line.trim_start_matches('>').starts_with("From ");
                if is_from { format!(">{line}") } else { line.to_owned() }
            }).collect();
            quoted.concat()
        };
        let messages: Vec<String> =
            bodies.iter().map(|body| format!("From a {DATE}\nX: 1\n\n{}\n", quote(body))).collect();
        let mbox = messages.concat();
        let got: Vec<String> = read(&mbox, usize::MAX)
            .into_iter()
            .map(|message| String::from_utf8(message.bytes.unwrap()).unwrap())
            .collect();
        let want: Vec<String> = bodies.iter().map(|body| format!("X: 1\n\n{body}")).collect();
        prop_assert_eq!(got, want);
    }

    #[test]
    fn any_bytes_are_given_out_in_full_or_told(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut reader = MboxReader::new(&bytes[..], 64);
        let mut messages = 0;
        while let Some(message) = reader.next_message().unwrap() {
            prop_assert!(message.bytes.map_or(0, |bytes| bytes.len()) <= 64);
            messages += 1;
        }
        prop_assert!(messages <= bytes.len());
    }
}
