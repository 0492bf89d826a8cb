//! Reports in mails, archives and files, packed and named in every way that receivers were seen to.

use super::*;
use crate::model::DmarcRecord;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use mail_parser::MessageParser;
use proptest::prelude::*;
use std::io::Write;

const XML: &str = include_str!("../../../tests/data/reports/rfc7489-two-records.xml");
const TLS: &str = r#"{"organization-name": "receiver.example", "date-range": {"start-datetime": "2026-01-01T00:00:00Z",
    "end-datetime": "2026-01-01T23:59:59Z"}, "contact-info": "tls@receiver.example", "report-id": "t-1", "policies": [
    {"policy": {"policy-type": "no-policy-found", "policy-domain": "example.com"},
     "summary": {"total-successful-session-count": 7, "total-failure-session-count": 0}}]}"#;

/// Counts records, and those of reports that were given up.
#[derive(Default)]
struct Counts {
    records: usize,
    discards: usize,
}

impl RecordSink for Counts {
    fn record(&mut self, _report: &DmarcReport, _record: &DmarcRecord) {
        self.records += 1;
    }

    fn discard(&mut self) {
        self.discards += 1;
    }
}

fn second() -> String {
    XML.replace("8137649201", "second")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A zip archive (APPNOTE.TXT 4.3) of the members.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    for (name, bytes) in members {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        let packed = encoder.finish().unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let sizes = [crc.sum().to_le_bytes(), number(packed.len()), number(bytes.len())].concat();
        let entry = [&[20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0], sizes.as_slice(), &number(name.len())].concat();
        let place = [&[0; 10], number(archive.len()).as_slice()].concat();
        directory.extend([b"PK\x01\x02\x14\x00", entry.as_slice(), &place, name.as_bytes()].concat());
        archive.extend([b"PK\x03\x04", entry.as_slice(), name.as_bytes(), &packed].concat());
    }
    let count = &number(members.len())[..2];
    let place = [number(directory.len()), number(archive.len())].concat();
    [&archive, &directory, b"PK\x05\x06\0\0\0\0".as_slice(), count, count, &place, &[0, 0]].concat()
}

/// A mail of these header fields and this body.
fn mail(head: &str, body: &str) -> String {
    format!(
        "From: dmarc@receiver.example\nTo: rua@example.com\nSubject: report\nMIME-Version: 1.0\n{head}\n\n{body}"
    )
}

fn multipart(parts: &[String]) -> String {
    let body = parts.iter().fold(String::new(), |body, part| body + "--b\n" + part + "\n");
    mail("Content-Type: multipart/mixed; boundary=b", &(body + "--b--\n"))
}

/// A part of this type in base64.
fn attached(content_type: &str, bytes: &[u8]) -> String {
    format!(
        "Content-Type: {content_type}\nContent-Transfer-Encoding: base64\n\n{}",
        BASE64_STANDARD.encode(bytes)
    )
}

fn parts_of(mail: &[u8]) -> Vec<ReportPart> {
    parts(&MessageParser::default().parse(mail).unwrap())
}

/// Id or reject of each report, in order.
fn ids(ends: &[Result<ReportEnd, Reject>]) -> Vec<String> {
    let id = |end: &Result<ReportEnd, Reject>| match end {
        Ok(ReportEnd::Dmarc(report)) => report.record.report_id.to_string(),
        Ok(ReportEnd::Tls(report)) => report.record.report_id.to_string(),
        Err(reject) => reject.reason.to_string(),
    };
    ends.iter().map(id).collect()
}

fn ids_in_mail(mail: &[u8]) -> Vec<String> {
    let parts = parts_of(mail);
    parts.iter().flat_map(|part| ids(&visit(&part.bytes, &Limits::default(), &mut ()))).collect()
}

#[track_caller]
fn check(mail: impl AsRef<[u8]>, expect: &[&str]) {
    let mail = mail.as_ref();
    assert_eq!(ids_in_mail(mail), expect, "mail was:\n{}", String::from_utf8_lossy(mail));
}

const ONE: &[&str] = &["8137649201"];
const BOTH: &[&str] = &["8137649201", "second"];

#[test]
fn neither_type_nor_name_counts() {
    let (gz, zipped) = (gzip(XML.as_bytes()), zip(&[("a.xml", XML.as_bytes())]));
    for content_type in [
        "application/gzip; name=\"receiver.example!example.com!1!2.xml.gz\"",
        "application/octet-stream",
        "application/zip; name=report.zip",
        "application/tlsrpt+gzip; name=report.xml.gz",
        "text/xml; name=report.xml",
        "text/plain; charset=utf-8",
        "image/png",
        "aplication//x-zzz",
    ] {
        for bytes in [gz.as_slice(), &zipped, XML.as_bytes()] {
            check(multipart(&[attached(content_type, bytes)]), ONE);
        }
    }
}

#[test]
fn a_mail_may_be_the_report_and_nothing_else() {
    check(mail("Content-Type: application/zip", "").trim_end().to_owned() + "\n", &[]);
    let zipped = BASE64_STANDARD.encode(zip(&[("a.xml", XML.as_bytes())]));
    check(mail("Content-Type: application/zip; name=a.zip\nContent-Transfer-Encoding: base64", &zipped), ONE);
    check(mail("Content-Type: text/xml", XML), ONE);
    check(mail("X-Nothing: of it", XML), ONE);
}

#[test]
fn xml_may_stand_in_the_text_of_a_mail() {
    check(
        mail("Content-Type: text/plain", &format!("Dear sir,\n\nyour report:\n\n{XML}\n-- \nThe receiver")),
        ONE,
    );
    let quoted = XML.replace('=', "=3D").replace("example.com", "example=\n.com");
    check(mail("Content-Type: text/xml\nContent-Transfer-Encoding: quoted-printable", &quoted), ONE);
    check(
        multipart(&[format!("Content-Type: application/xml\nContent-Transfer-Encoding: 8bit\n\n{XML}")]),
        ONE,
    );
}

#[test]
fn base64_is_known_where_nobody_says_it() {
    for bytes in [gzip(XML.as_bytes()), zip(&[("a.xml", XML.as_bytes())]), XML.as_bytes().to_vec()] {
        let lines: Vec<_> =
            BASE64_STANDARD.encode(bytes).into_bytes().chunks(76).map(<[u8]>::to_vec).collect();
        let text = String::from_utf8(lines.join(b"\r\n".as_slice())).unwrap();
        check(multipart(&[format!("Content-Type: text/plain\n\n{text}")]), ONE);
        check(multipart(&[format!("Content-Type: application/gzip\n\n{}", text.trim_end_matches('='))]), ONE);
    }
}

#[test]
fn letters_survive_the_charset_of_a_part() {
    let xml = XML.replace("<org_name>receiver.example", "<org_name>M\u{fc}ller");
    let latin1 = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<_>>();
    for head in ["text/xml", "text/xml; charset=iso-8859-1", "text/xml; charset=utf-8", "application/xml"] {
        let head = format!("Content-Type: {head}\nContent-Transfer-Encoding: 8bit");
        for mail in [mail(&head, &xml).into_bytes(), latin1(&mail(&head, &xml))] {
            let parts = parts_of(&mail);
            let end = visit(&parts[0].bytes, &Limits::default(), &mut ()).remove(0).unwrap();
            let ReportEnd::Dmarc(report) = end else { panic!("not a DMARC report") };
            assert_eq!(report.record.org_name, "M\u{fc}ller", "{head}");
        }
    }
}

#[test]
fn utf16_is_known_packed_and_bare() {
    let bytes: Vec<u8> = XML.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [b"\xff\xfe".as_slice(), &bytes].concat();
    for bytes in [bytes, marked] {
        check(multipart(&[attached("application/gzip", &gzip(&bytes))]), ONE);
        check(multipart(&[attached("application/xml", &bytes)]), ONE);
        assert!(is_bare(&bytes));
    }
}

#[test]
fn a_missing_closing_boundary_loses_nothing() {
    let mail = multipart(&[attached("application/gzip", &gzip(XML.as_bytes()))]);
    check(mail.trim_end().trim_end_matches("--b--"), ONE);
}

#[test]
fn all_reports_of_a_mail_are_read() {
    let parts = [
        "Content-Type: text/plain\n\nTwo reports.".to_owned(),
        attached("application/gzip", &gzip(XML.as_bytes())),
        attached("application/zip", &zip(&[("b.xml", second().as_bytes())])),
        attached("application/tlsrpt+gzip", &gzip(TLS.as_bytes())),
    ];
    check(multipart(&parts), &["8137649201", "second", "t-1"]);
    let formats: Vec<_> = parts_of(multipart(&parts).as_bytes()).iter().map(|part| part.format).collect();
    assert_eq!(formats, [ReportFormat::Dmarc, ReportFormat::Dmarc, ReportFormat::Tls]);
}

#[test]
fn all_reports_of_an_archive_are_read() {
    let second = second();
    let members: [(&str, &[u8]); 4] = [
        ("README.txt", b"two reports"),
        ("a.xml", XML.as_bytes()),
        ("broken.json", b"{"),
        ("b.txt", second.as_bytes()),
    ];
    let mut counts = Counts::default();
    let ends = visit(&zip(&members), &Limits::default(), &mut counts);
    let read: Vec<_> = ids(&ends).into_iter().filter(|id| id != "syntax").collect();
    assert_eq!((read, counts.records), (vec!["8137649201".to_owned(), "second".to_owned()], 4));
    check(multipart(&[attached("application/zip", &zip(&members[..2]))]), ONE);
    check(
        multipart(&[attached("application/gzip", &[gzip(XML.as_bytes()), gzip(second.as_bytes())].concat())]),
        BOTH,
    );
}

#[test]
fn a_forwarded_report_is_found() {
    let inner = multipart(&[attached("application/gzip", &gzip(XML.as_bytes()))])
        .replace("--b", "--i")
        .replace("=b", "=i");
    let forward = |mail: &str| multipart(&[format!("Content-Type: message/rfc822\n\n{mail}")]);
    check(forward(&inner), ONE);
    let outer = forward(&inner).replace("--b", "--o").replace("=b", "=o");
    check(forward(&outer), ONE);
}

#[test]
fn a_report_that_a_notice_brings_back_is_none() {
    let inner = multipart(&[attached("application/gzip", &gzip(XML.as_bytes()))])
        .replace("--b", "--i")
        .replace("=b", "=i");
    for status in ["message/delivery-status", "message/global-delivery-status", "message/feedback-report"] {
        let parts = [
            format!("Content-Type: {status}\n\nReporting-MTA: dns; mx.example.com\n\nAction: failed"),
            format!("Content-Type: message/rfc822\n\n{inner}"),
        ];
        check(multipart(&parts), &[]);
    }
}

#[test]
fn other_mail_holds_no_report() {
    for bytes in [
        zip(&[("word/document.xml", b"<w:document><w:body/></w:document>")]),
        gzip(b"<html><body>Your feedback counts</body></html>"),
        b"<feedback-form><record/></feedback-form>".to_vec(),
        b"{\"policies\": []}".to_vec(),
        b"\x1f\x8b".to_vec(),
        Vec::new(),
    ] {
        check(multipart(&[attached("application/octet-stream", &bytes)]), &[]);
    }
    check(mail("Content-Type: text/html", "<html><p>Give us feedback on the record</html>"), &[]);
}

#[test]
fn a_report_that_cannot_be_unpacked_is_told() {
    let name = "name=\"receiver.example!example.com!1767225600!1767311999.xml.gz\"";
    let cut = &gzip(XML.as_bytes())[..12];
    check(multipart(&[attached(&format!("application/gzip; {name}"), cut)]), &["syntax"]);
    check(multipart(&[attached("application/gzip; name=photos.gz", cut)]), &[]);
}

#[test]
fn what_is_no_report_says_so() {
    for bytes in [b"".as_slice(), b"hello", b"<html/>", &zip(&[("a.txt", b"hello")])] {
        let ends = visit(bytes, &Limits::default(), &mut ());
        assert_eq!(ids(&ends), ["unknown_type"], "{ends:?}");
    }
}

#[test]
fn a_limit_that_is_exceeded_gives_up_the_report_and_names_the_setting() {
    let limits = Limits { bytes_out_max: 300_000, ..Limits::default() };
    let mut counts = Counts::default();
    let ends = visit(&gzip(XML.repeat(1_000).as_bytes()), &limits, &mut counts);
    let reject = ends[0].as_ref().unwrap_err();
    assert_eq!((reject.reason, counts.discards), (RejectReason::TooLarge, 1));
    assert!(reject.message.contains("reports.unpacked_bytes_max"), "{reject}");
}

#[test]
fn bare_files_are_told_from_mails() {
    let zipped = zip(&[("a.xml", XML.as_bytes())]);
    for bytes in [
        XML.as_bytes(),
        TLS.as_bytes(),
        &gzip(XML.as_bytes()),
        &zipped,
        format!("\u{feff}\n {XML}").as_bytes(),
    ] {
        assert!(is_bare(bytes));
    }
    for text in ["", "From: a@example.com\n\nhello", "Feedback-Type: abuse\n\n", &mail("X: y", XML)] {
        assert!(!is_bare(text.as_bytes()), "{text:?}");
    }
}

#[test]
fn a_hundred_thousand_parts_are_gone_through() {
    let part = "Content-Type: text/plain\n\nx".to_owned();
    let mut parts = vec![part; 100_000];
    parts.push(attached("application/gzip", &gzip(XML.as_bytes())));
    check(multipart(&parts), ONE);
}

#[test]
fn reports_of_one_mail_are_bounded() {
    let report = format!("Content-Type: text/xml\n\n{XML}");
    assert_eq!(parts_of(multipart(&vec![report; PARTS_MAX + 10]).as_bytes()).len(), PARTS_MAX);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..1_000)) {
        let _ = (is_bare(&bytes), visit(&bytes, &Limits::default(), &mut ()));
        for start in [b"\x1f\x8b\x08\0\0\0\0\0\0\0".as_slice(), b"PK\x03\x04", b"H4sI", b"<feedback><record>"] {
            visit(&[start, &bytes].concat(), &Limits::default(), &mut ());
            let mail = [b"From: a@example.com\n\n", start, &bytes].concat();
            let _ = ids_in_mail(&mail);
        }
    }

    #[test]
    fn one_byte_changed_makes_it_not_panic(at in 0_usize..600, byte: u8) {
        let mut bytes = zip(&[("a.xml", XML.as_bytes())]);
        let at = at % bytes.len();
        bytes[at] = byte;
        visit(&bytes, &Limits::default(), &mut ());
    }
}
