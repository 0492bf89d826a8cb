//! Files out and in.

use crate::model::suppression::{Action, Entry, Key, MailType, Origin, Reason, RunId, Scope, Seq};
use crate::model::{BounceGroup, Text, Timestamp};
use crate::suppression::feed::export::{Exporter, Shape};
use crate::suppression::feed::import::{ImportPlan, ImportReader, ROW_BYTES_MAX, Row, RowFault, Tally};
use crate::suppression::feed::snapshot::{Form, Identity, etag, write_entry, write_head};
use crate::suppression::fold::Effect;
use crate::suppression::index::{md5_of, sha256_of};
use crate::suppression::sequence::Cursor;
use proptest::prelude::*;
use uuid::Uuid;

fn entry(address: &str, reason: Reason) -> Entry {
    Entry {
        key: Key { address: address.into(), scope: Scope::Global, mail_type: MailType::All, reason },
        since: Timestamp::from_seconds(1_000_000_000),
        observed: Timestamp::from_seconds(1_000_000_000),
        expires: None,
        seq: Seq(1),
        origin: Origin::Actor("ann".into()),
        run: None,
        evidence: Vec::new(),
        note: Text::default(),
    }
}

fn plan() -> ImportPlan {
    ImportPlan {
        scope: Scope::Tenant { tenant: "t".into() },
        mail_type: MailType::Marketing,
        expires: None,
        actor: "ann".into(),
        run: RunId(Uuid::from_u128(1)),
        is_admin: false,
    }
}

fn import(text: impl AsRef<[u8]>) -> Vec<Row> {
    ImportReader::new(text.as_ref(), plan()).map(Result::unwrap).collect()
}

/// Address and reason of the rows, which must all be good.
#[track_caller]
fn check(text: &str, expect: &[(&str, Reason)]) {
    let rows = import(text);
    let got: Vec<_> = rows
        .iter()
        .map(|row| {
            let key = &row.change.as_ref().unwrap_or_else(|fault| panic!("line {}: {fault}", row.line)).key;
            (key.address.as_str(), key.reason)
        })
        .collect();
    assert_eq!(got, expect);
}

const GONE: Reason = Reason::Bounce(BounceGroup::Recipient);

#[test]
fn lists_of_others_are_read_as_they_come() {
    let (ann, bob) = (("ann@b.example", Reason::Import), ("bob@b.example", Reason::Import));
    check("", &[]);
    check("Ann@B.example\nbob@b.example\n", &[ann, bob]);
    check(
        "recipient1@b.example,BOUNCE\r\nrecipient2@b.example, COMPLAINT\r\n",
        &[("recipient1@b.example", GONE), ("recipient2@b.example", Reason::Complaint)],
    );
    check("\u{feff}Email Address,First Name\n\"ann@b.example\",\"Ann, \"\"the\"\" one\"\n", &[ann]);
    check("name;Email;Reason\nx;ann@b.example;Unsubscribed\n", &[("ann@b.example", Reason::Unsubscribe)]);
    check(
        "{\"emailAddress\":\"ann@b.example\",\"reason\":\"BOUNCE\"}\n\n{\"email\":\"bob@b.example\",\"created\":1700000000}",
        &[("ann@b.example", GONE), bob],
    );
    // A note may go over lines.
    check("address,note\nann@b.example,\"two\nlines\"\nbob@b.example,\n", &[ann, bob]);
}

#[test]
fn addresses_may_come_as_hashes() {
    for hashed in [sha256_of("ann@b.example"), md5_of("ann@b.example")] {
        let bare = &hashed[hashed.find(':').unwrap() + 1..];
        check(&format!("address\n{}\n", hashed.to_uppercase()), &[(&hashed, Reason::Import)]);
        check(&format!("{bare}\n"), &[(&hashed, Reason::Import)]);
    }
}

#[test]
fn a_bad_row_is_told_with_its_line_and_stops_no_other() {
    let text = "address,reason,type,since\n\
                nobody,,,\n\
                ann@b.example,compliance,,\n\
                bob@b.example,,letters,\n\
                eve@b.example,,,yesterday\n\
                ,,,\n\
                \"a\"b@b.example,,,\n\
                good@b.example,odd words,all,2026-01-31\n";
    let rows = import(text);
    let faults: Vec<(u64, String)> =
        rows.iter().filter_map(|row| Some((row.line, row.change.as_ref().err()?.to_string()))).collect();
    let expect = [
        (2, "`nobody` is no address"),
        (3, "`compliance` needs an administrator"),
        (4, "`letters` is no type"),
        (5, "`yesterday` is no since"),
        (6, "there is no address"),
        (7, "the row is no CSV"),
    ];
    assert_eq!(faults.len(), expect.len(), "{faults:?}");
    for ((line, fault), (at, begins)) in faults.iter().zip(expect) {
        assert!(*line == at && fault.starts_with(begins), "line {line}: {fault}");
    }
    let good = rows.last().unwrap().change.as_ref().unwrap();
    assert_eq!((good.action, good.key.mail_type), (Action::Import, MailType::All));
    assert_eq!(good.note, "reason in the file: odd words");
    assert_eq!(good.observed.to_string(), "2026-01-31T00:00:00Z");
    assert_eq!(good.key.scope, plan().scope);
}

#[test]
fn a_row_without_end_costs_one_row_of_memory() {
    let mut text = b"address\n".to_vec();
    text.extend(vec![b'x'; ROW_BYTES_MAX * 10]);
    text.extend(b"\nann@b.example\n");
    let rows = import(text);
    assert_eq!(rows[0], Row { line: 2, change: Err(RowFault::TooLong) });
    assert_eq!((rows.len(), rows[1].line), (2, 3));
    assert!(rows[1].change.is_ok());
    assert_eq!(import(b"address\n\xff@b.example\n")[0].change, Err(RowFault::NotUtf8));
}

#[test]
fn a_tally_counts_each_address_of_the_file_once() {
    let mut tally = Tally::default();
    for row in import("address\na@b.example\nA@b.example\nnobody\nc@b.example\n") {
        match row.change {
            Ok(change) if change.key.address == "c@b.example" => {
                assert!(!tally.count(&change.key, Effect::Tombstone));
            }
            Ok(change) => {
                tally.count(&change.key, Effect::Adds);
            }
            Err(fault) => tally.fault(row.line, fault),
        }
    }
    let counts = (tally.rows, tally.added, tally.known, tally.tombstoned, tally.faulty);
    assert_eq!(counts, (4, 1, 1, 1, 1));
    assert_eq!(tally.faults[0].0, 4);
}

#[test]
fn a_snapshot_can_be_imported_again() {
    let mut original = entry("ann@b.example", Reason::Bounce(BounceGroup::Quota));
    original.key.scope = Scope::List { tenant: "t, \"x\"".into(), list: "l".into() };
    original.expires = Some(Timestamp::from_seconds(4_000_000_000));
    original.note = "two\nlines, \"quoted\"".into();
    for form in [Form::Csv, Form::Ndjson] {
        let mut out = Vec::new();
        write_head(&mut out, form);
        assert!(write_entry(&mut out, &original, form, Identity::Plain));
        let rows = import(&out);
        let change = rows[0].change.as_ref().unwrap();
        assert_eq!(change.key, original.key);
        assert_eq!(change.expires, original.expires);
        assert_eq!((change.observed, &change.note), (original.since, &original.note));
    }
}

#[test]
fn a_hashed_snapshot_tells_neither_address_nor_note() {
    let mut of_person = entry("Ann@b.example", GONE);
    of_person.note = "ann called".into();
    let mut out = Vec::new();
    assert!(write_entry(&mut out, &of_person, Form::Csv, Identity::Sha256));
    let line = String::from_utf8(out).unwrap();
    assert!(line.starts_with(&sha256_of("ann@b.example")[7..]), "{line}");
    assert!(!line.contains("ann"), "{line}");
    let by_hash = entry(&sha256_of("ann@b.example"), GONE);
    let mut out = Vec::new();
    assert!(!write_entry(&mut out, &by_hash, Form::Csv, Identity::Md5));
    assert!(out.is_empty());
}

#[test]
fn an_etag_changes_with_the_list_and_the_form() {
    let mut cursor = Cursor::default();
    cursor.pass(Seq::new(Timestamp(5), 1));
    let before = etag(&cursor, Form::Csv, Identity::Plain);
    assert_ne!(before, etag(&cursor, Form::Csv, Identity::Md5));
    cursor.pass(Seq::new(Timestamp(6), 2));
    assert_ne!(before, etag(&cursor, Form::Csv, Identity::Plain));
}

#[test]
fn exports_have_the_shapes_of_others() {
    let mut marketing = entry("m@b.example", Reason::Complaint);
    marketing.key.mail_type = MailType::Marketing;
    let mut stream = entry("s@b.example", Reason::Unsubscribe);
    stream.key.scope = Scope::Stream { tenant: "t".into(), stream: "news".into() };
    let mut foreign = entry("f@b.example", Reason::Complaint);
    foreign.key.scope = Scope::Tenant { tenant: "u".into() };
    let all = [entry("a@b.example", GONE), entry("a@b.example", Reason::Manual), marketing, stream, foreign];
    for (shape, expect) in [
        ("hubspot", "Email\na@b.example\nm@b.example\n"),
        ("mailchimp", "Email Address\na@b.example\nm@b.example\n"),
        ("sendgrid", "{\"recipient_emails\":[\"a@b.example\"]}\n"),
        ("ses", "{\"emailAddress\":\"a@b.example\",\"reason\":\"BOUNCE\"}\n"),
    ] {
        let mut out = Vec::new();
        let mut exporter = Exporter::new(Shape::from_name(shape).unwrap(), "t", &mut out);
        for entry in &all {
            exporter.push(entry, &mut out);
        }
        exporter.finish(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }
}

proptest! {
    #[test]
    fn no_bytes_stop_an_import(
        bytes in prop::collection::vec(prop::sample::select(b"a@,;\"\n\r{}:x \xff\x00".to_vec()), 0..400)
    ) {
        let lines = memchr::memchr_iter(b'\n', &bytes).count() as u64 + 1;
        for row in import(&bytes) {
            prop_assert!((1..=lines).contains(&row.line));
        }
    }
}
