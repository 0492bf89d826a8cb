//! Reports as reporters write them, well and badly.

mod hostile;
mod laws;

use super::*;
use crate::model::{AlignmentMode, DmarcTotals, PolicyAction, Warning};
use std::fmt::Write;

const TWO_RECORDS: &str = include_str!("../../../tests/data/reports/rfc7489-two-records.xml");
const EXTENSION: &str =
    include_str!("../../../tests/data/reports/rfc9990-extension-and-foreign-elements.xml");
const PREFIX: &str = include_str!("../../../tests/data/reports/schema-left-open-and-prefix.xml");
const ODD_VALUES: &str = include_str!("../../../tests/data/reports/odd-values.xml");

/// All that a sink was told.
#[derive(Default)]
struct Collected {
    records: Vec<DmarcRecord>,
    ends: usize,
    discards: usize,
}

impl RecordSink for Collected {
    fn record(&mut self, _report: &DmarcReport, record: &DmarcRecord) {
        self.records.push(record.clone());
    }

    fn end(&mut self, _report: &Parsed<DmarcReport>) {
        self.ends += 1;
    }

    fn discard(&mut self) {
        self.discards += 1;
    }
}

fn read_bytes(mut bytes: &[u8]) -> Result<(Vec<Parsed<DmarcReport>>, Vec<DmarcRecord>), Reject> {
    let mut collected = Collected::default();
    let reports = read(&mut bytes, &mut collected)?;
    assert_eq!(collected.ends, reports.len(), "the sink is told of every report");
    Ok((reports, collected.records))
}

/// The one report of a document.
#[track_caller]
fn one(document: &str) -> (Parsed<DmarcReport>, Vec<DmarcRecord>) {
    let (mut reports, records) = read_bytes(document.as_bytes()).unwrap();
    assert_eq!(reports.len(), 1, "document was:\n{document}");
    (reports.remove(0), records)
}

fn texts(warnings: &[Warning]) -> Vec<&str> {
    warnings.iter().map(|warning| warning.0.as_str()).collect()
}

/// A record in a line or two.
fn line(record: &DmarcRecord) -> String {
    let mut out = String::new();
    let ip = record.source_ip.map_or_else(|| "?".to_owned(), |ip| ip.to_string());
    let count = record.count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    let aligned = match (record.is_dkim_aligned, record.is_spf_aligned) {
        (true, true) => "dkim+spf",
        (true, false) => "dkim",
        (false, true) => "spf",
        (false, false) => "-",
    };
    write!(out, "{ip} {count} {} {aligned} from={}", record.disposition, record.header_from).unwrap();
    write!(out, " envelope={}>{}", record.envelope_from, record.envelope_to).unwrap();
    for reason in &record.reasons {
        write!(out, " reason={}({})", reason.kind, reason.comment).unwrap();
    }
    for dkim in &record.dkim {
        write!(out, " dkim={}/{}={}({})", dkim.domain, dkim.selector, dkim.result, dkim.human_result)
            .unwrap();
    }
    for spf in &record.spf {
        write!(out, " spf={}/{:?}={}({})", spf.domain, spf.scope, spf.result, spf.human_result).unwrap();
    }
    out
}

#[track_caller]
fn check_records(document: &str, expect: &[&str]) {
    let (_, records) = one(document);
    let lines: Vec<_> = records.iter().map(line).collect();
    assert_eq!(lines, expect, "document was:\n{document}");
}

/// A document with this in place of the first record of the plain one.
fn with_record(record: &str) -> String {
    let (before, rest) = TWO_RECORDS.split_once("  <record>").unwrap();
    let after = rest.split_once("</record>").unwrap().1;
    format!("{before}{record}{after}")
}

#[test]
fn head_and_policy_are_read() {
    let (report, _) = one(TWO_RECORDS);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    let report = report.record;
    assert_eq!(report.version, "1.0");
    assert_eq!(
        (report.org_name.as_str(), report.reporter.as_str()),
        ("receiver.example", "receiver.example")
    );
    assert_eq!(report.email, "noreply-dmarc@receiver.example");
    assert_eq!(report.extra_contact_info, "https://receiver.example/dmarc");
    assert_eq!(report.report_id, "8137649201");
    assert_eq!(report.begin.unwrap().to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(report.end.unwrap().to_string(), "2026-01-01T23:59:59Z");
    assert!(report.is_complete);
    let policy = report.policy;
    assert_eq!((policy.domain.as_str(), policy.fo.as_str(), policy.pct), ("example.com", "1:d", Some(50)));
    assert_eq!(
        (policy.p, policy.sp, policy.np),
        (Some(PolicyAction::Quarantine), Some(PolicyAction::Reject), None)
    );
    assert_eq!((policy.adkim, policy.aspf), (Some(AlignmentMode::Relaxed), Some(AlignmentMode::Strict)));
    assert_eq!((policy.testing, policy.discovery_method), (None, None));
}

#[test]
fn records_are_read_one_by_one() {
    check_records(
        TWO_RECORDS,
        &[
            "192.0.2.25 1204 none dkim from=example.com envelope=bounce.example.com>receiver.example \
             dkim=example.com/s1=pass() dkim=esp.example/k2=permerror(no key & no luck) \
             spf=bounce.example.com/Some(Mfrom)=pass()",
            "2001:db8::19 3 quarantine - from=example.com envelope=> reason=forwarded(looks like a forwarder) \
             spf=forwarder.example/None=softfail()",
        ],
    );
}

#[test]
fn sums_are_those_of_the_records() {
    let (report, records) = one(TWO_RECORDS);
    let mut totals = DmarcTotals::default();
    for record in &records {
        totals.add(record);
    }
    assert_eq!(report.record.totals, totals);
    assert_eq!((totals.records, totals.messages, totals.odd_records), (2, 1207, 0));
    assert_eq!((totals.dkim_aligned, totals.spf_aligned, totals.dmarc_aligned), (1204, 0, 1204));
}

#[test]
fn newer_elements_are_read_and_foreign_ones_passed_over() {
    let (report, records) = one(EXTENSION);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    let report = report.record;
    assert_eq!(report.errors, ["two policy records for news.example.org", "one lookup timed out"]);
    assert_eq!(report.generator, "Example Reporter 3.1");
    assert_eq!(report.policy.domain, "example.org");
    assert_eq!(report.policy.np, Some(PolicyAction::Reject));
    assert_eq!(report.policy.testing, Some(true));
    assert_eq!(report.policy.discovery_method.unwrap().name(), "treewalk");
    assert_eq!(
        records.iter().map(line).collect::<Vec<_>>(),
        ["198.51.100.7 12 pass dkim+spf from=news.example.org envelope=news.example.org> \
          reason=policy_test_mode(nur ein Versuch) dkim=example.org/2026a=pass(good) \
          spf=news.example.org/Some(Mfrom)=pass()"]
    );
}

#[test]
fn prefixes_blanks_case_and_older_names_do_not_matter() {
    let (report, _) = one(PREFIX);
    assert_eq!(report.record.report_id, "77.1@receiver.example");
    assert_eq!(report.record.reporter, "receiver.example");
    assert_eq!(report.record.policy.domain, "example.net");
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    check_records(
        PREFIX,
        &["203.0.113.9 2 none dkim+spf from=example.net envelope=> spf=example.net/None=fail()"],
    );
}

#[test]
fn element_names_in_upper_case_are_read() {
    let mut document = String::new();
    for (index, piece) in TWO_RECORDS.split_inclusive(['<', '>']).enumerate() {
        let is_name = piece.ends_with('>') && index > 2;
        document.push_str(&if is_name { piece.to_uppercase() } else { piece.to_owned() });
    }
    assert_eq!(one(&document), one(TWO_RECORDS));
}

#[test]
fn a_namespace_that_every_child_denies_changes_nothing() {
    let document = TWO_RECORDS
        .replace("<report_metadata>", "<report_metadata xmlns=\"\">")
        .replace("<record>", "<record xmlns=''>")
        .replace("<feedback>", "<feedback xmlns=\"http://dmarc.org/dmarc-xml/0.2\">");
    assert_eq!(one(&document), one(TWO_RECORDS));
}

#[test]
fn a_value_that_cannot_be_read_is_a_warning_of_its_record() {
    let (report, records) = one(ODD_VALUES);
    assert_eq!(report.record.reporter, "receiver.example");
    assert_eq!(report.record.begin.unwrap().to_string(), "2026-01-01T00:00:00Z");
    assert_eq!((report.record.policy.p, report.record.policy.pct), (None, None));
    assert_eq!(
        texts(&report.warnings),
        [
            "`begin` is not in seconds since 1970: `2026-01-01T00:00:00Z`",
            "`end` is not written as a whole number: `1767311999.0`",
            "`p` is none that we know: `monitor`",
            "`pct` is no number: `hundred`",
            "the report has no `org_name` that can be read",
        ]
    );
    assert_eq!(
        line(&records[0]),
        "192.0.2.1 1000 unknown dkim from=example.com envelope=> reason=other() dkim=example.com/=unknown()"
    );
    assert_eq!(
        texts(&records[0].warnings),
        [
            "`source_ip` is not written as an address is: `192.000.002.001`",
            "`count` is not written as a whole number: `1,000`",
            "`disposition` is none that we know: `delivered`",
            "`spf` is no result that we know: taken as not aligned: `maybe`",
            "`reason/type` is empty",
            "`dkim/result` is no result that we know: `excellent`",
        ]
    );
    assert_eq!((records[1].source_ip, records[1].count), (None, None));
    assert_eq!(
        texts(&records[1].warnings),
        [
            "`source_ip` is no address: `x.x.x.x`",
            "`count` is negative: `-5`",
            "`policy_evaluated/dkim` is missing or empty",
            "`policy_evaluated/spf` is missing or empty",
            "`identifiers/header_from` is missing or empty",
        ]
    );
    assert_eq!((report.record.totals.messages, report.record.totals.odd_records), (1000, 2));
}

#[test]
fn a_record_takes_nothing_from_the_one_before() {
    let document = TWO_RECORDS.replace("</feedback>", "<record></record></feedback>");
    let (_, records) = one(&document);
    let empty = DmarcRecord { warnings: records[2].warnings.clone(), ..DmarcRecord::default() };
    assert_eq!(records[2], empty);
    assert_eq!(records[2].warnings.len(), 6);
}

#[test]
fn an_element_left_open_ends_where_another_begins() {
    for left_open in
        ["</record>", "</row>", "</policy_evaluated>", "</count>", "</begin>", "</auth_results>", "</dkim>"]
    {
        let document = TWO_RECORDS.replace(left_open, "");
        let (report, records) = one(&document);
        assert_eq!(report.record.totals, one(TWO_RECORDS).0.record.totals, "without {left_open}");
        assert_eq!(records, one(TWO_RECORDS).1, "without {left_open}");
    }
}

#[test]
fn a_missing_end_is_said_and_loses_no_record() {
    let document = TWO_RECORDS.replace("</feedback>", "");
    let (report, records) = one(&document);
    assert!(!report.record.is_complete);
    assert_eq!(texts(&report.warnings), ["the report ends before `</feedback>`"]);
    assert_eq!(records, one(TWO_RECORDS).1);
}

#[test]
fn a_record_that_lacks_its_end_alone_is_read_and_one_cut_off_is_not() {
    let (whole, _) = TWO_RECORDS.rsplit_once("</record>").unwrap();
    assert_eq!(one(whole).1.len(), 2);
    let (cut, _) = TWO_RECORDS.rsplit_once("</spf>").unwrap();
    let (report, records) = one(cut);
    assert_eq!(records.len(), 1);
    assert_eq!(
        texts(&report.warnings),
        ["the last record is cut off: not read", "the report ends before `</feedback>`"]
    );
}

#[test]
fn what_stands_before_and_behind_does_no_harm() {
    for (before, behind) in [
        ("\r\n \t", ""),
        ("\u{feff}", "\u{1a}\0"),
        ("Dear sir,\nsee below.\n", "\n-- \nThe receiver & friends <nobody>"),
        ("<html><body><pre>", "</pre></body></html>"),
        ("<!-- <feedback> -->", "<!-- the end -->"),
        ("", "</feedback></feedback>junk<<<>>>&&&"),
    ] {
        let (report, records) = one(&format!("{before}{TWO_RECORDS}{behind}"));
        let (expect, all_records) = one(TWO_RECORDS);
        assert_eq!((report.record, records), (expect.record, all_records), "{before:?} {behind:?}");
    }
}

#[test]
fn a_byte_order_mark_in_the_middle_is_nothing() {
    for document in [TWO_RECORDS, EXTENSION] {
        let (report, records) = one(&document.replace(">\n", ">\u{feff}\n"));
        let (expect, all_records) = one(document);
        assert_eq!((report.record, records), (expect.record, all_records));
    }
}

#[test]
fn two_roots_are_two_reports() {
    let second = TWO_RECORDS.replace("8137649201", "second");
    for join in ["", "\n", "\u{feff}", "junk"] {
        let (reports, records) = read_bytes(format!("{TWO_RECORDS}{join}{second}").as_bytes()).unwrap();
        let ids: Vec<_> = reports.iter().map(|report| report.record.report_id.as_str()).collect();
        assert_eq!((ids, records.len()), (vec!["8137649201", "second"], 4));
        assert_eq!(reports[1].record.totals, reports[0].record.totals);
    }
    let open = TWO_RECORDS.replace("</feedback>", "") + &second;
    let (reports, _) = read_bytes(open.as_bytes()).unwrap();
    assert_eq!(reports.len(), 2);
    assert!(!reports[0].record.is_complete && reports[1].record.is_complete);
}

#[test]
fn policies_of_two_domains_are_two_reports_with_one_head() {
    let (start, records) = TWO_RECORDS.split_once("  <record>").unwrap();
    let policy = &start[start.find("<policy_published>").unwrap()..];
    let document = format!(
        "{}{}<record>{}",
        TWO_RECORDS.replace("</feedback>", ""),
        policy.replace("example.com", "example.org"),
        records
    );
    let (reports, _) = read_bytes(document.as_bytes()).unwrap();
    let domains: Vec<_> = reports.iter().map(|report| report.record.policy.domain.as_str()).collect();
    assert_eq!(domains, ["example.com", "example.org"]);
    assert_eq!(reports[0].record.totals, reports[1].record.totals);
    assert_eq!(reports[0].record.report_id, reports[1].record.report_id);
    assert_eq!(reports[1].record.begin, reports[0].record.begin);
}

#[test]
fn a_policy_said_twice_is_one_report() {
    let policy_at = TWO_RECORDS.find("  <record>").unwrap();
    let start = TWO_RECORDS.find("<policy_published>").unwrap();
    let document = format!(
        "{}{}{}",
        &TWO_RECORDS[..policy_at],
        &TWO_RECORDS[start..policy_at],
        &TWO_RECORDS[policy_at..]
    );
    assert_eq!(one(&document), one(TWO_RECORDS));
}

#[test]
fn what_is_missing_is_read_as_missing() {
    for element in ["org_name", "report_id", "begin", "end", "domain"] {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        let (before, rest) = TWO_RECORDS.split_once(&open).unwrap();
        let document = format!("{before}{}", rest.split_once(&close).unwrap().1);
        let (report, records) = one(&document);
        assert_eq!(texts(&report.warnings), [format!("the report has no `{element}` that can be read")]);
        assert_eq!(records, one(TWO_RECORDS).1);
    }
}

#[test]
fn a_record_without_results_or_identifiers_is_read() {
    let document =
        with_record("<record><row><source_ip>192.0.2.1</source_ip><count>4</count></row></record>");
    let (report, records) = one(&document);
    assert_eq!(line(&records[0]), "192.0.2.1 4 none - from= envelope=>");
    assert_eq!(records[0].warnings.len(), 4);
    assert_eq!(report.record.totals.messages, 7);
}

#[test]
fn characters_by_number_and_cdata_are_text() {
    let document = TWO_RECORDS
        .replace("looks like a forwarder", "a&#32;&#x41;<![CDATA[<b> & ]]>&quot;&apos;&lt;&gt;")
        .replace("no key &amp; no luck", "AT&T &unknown; &");
    let (_, records) = one(&document);
    assert_eq!(records[1].reasons[0].comment, "a A<b> & \"'<>");
    assert_eq!(records[0].dkim[1].human_result, "AT&T &unknown; &");
}

#[test]
fn a_period_that_ends_before_it_begins_is_said() {
    let (report, _) = one(&TWO_RECORDS.replace("1767311999", "1767225599"));
    assert_eq!(texts(&report.warnings), ["the report ends before it begins"]);
}

#[test]
fn letters_beyond_ascii_are_kept_in_every_encoding() {
    let text = TWO_RECORDS
        .replace("<org_name>receiver.example", "<org_name>Müller & Söhne")
        .replace("Müller &", "Müller &amp;");
    let latin1 = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<_>>();
    let utf16: Vec<u8> = text.replace("UTF-8", "UTF-16").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, is_guessed) in [
        (text.clone().into_bytes(), false),
        (latin1(&text), true),
        (latin1(&text.replace("UTF-8", "ISO-8859-1")), false),
        ([b"\xff\xfe".as_slice(), &utf16].concat(), false),
        (utf16, false),
    ] {
        let (reports, records) = read_bytes(&bytes).unwrap();
        assert_eq!(reports[0].record.org_name, "Müller & Söhne");
        assert_eq!(!reports[0].warnings.is_empty(), is_guessed, "{:?}", reports[0].warnings);
        assert_eq!(records, one(TWO_RECORDS).1);
    }
}

#[track_caller]
fn check_reject(document: &str, reason: RejectReason) {
    let reject = read_bytes(document.as_bytes()).unwrap_err();
    assert_eq!(reject.reason, reason, "document was {document:?}: {reject}");
}

#[test]
fn what_is_no_report_is_rejected() {
    check_reject("", RejectReason::UnknownType);
    check_reject("unused", RejectReason::UnknownType);
    check_reject("<html><body>feedback</body></html>", RejectReason::UnknownType);
    check_reject("{\"organization-name\": \"x\"}", RejectReason::UnknownType);
    check_reject("<!--", RejectReason::UnknownType);
}

#[test]
fn a_root_with_nothing_of_a_report_in_it_is_rejected() {
    check_reject("<feedback/>", RejectReason::MissingField);
    check_reject(
        "<feedback><report_metadata><org_name>x</org_name></report_metadata>",
        RejectReason::MissingField,
    );
}

/// A source that gives a document and then an error.
struct Breaks<'a>(&'a [u8], Option<std::io::Error>);

impl Read for Breaks<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(room)? {
            0 => Err(self.1.take().unwrap()),
            read => Ok(read),
        }
    }
}

#[test]
fn an_archive_that_breaks_gives_what_came_before() {
    let (cut, _) = TWO_RECORDS.rsplit_once("<record>").unwrap();
    let mut source = Breaks(cut.as_bytes(), Some(std::io::ErrorKind::InvalidData.into()));
    let mut collected = Collected::default();
    let reports = read(&mut source, &mut collected).unwrap();
    assert!(!reports[0].record.is_complete);
    assert_eq!((collected.records.len(), collected.ends, collected.discards), (1, 1, 0));
    let mut source = Breaks(TWO_RECORDS.as_bytes(), Some(std::io::ErrorKind::InvalidData.into()));
    let reports = read(&mut source, &mut ()).unwrap();
    assert_eq!(
        (reports[0].record.is_complete, reports[0].warnings.len()),
        (false, 1),
        "a wrong checksum, say"
    );
    let mut source = Breaks(b"<feedback>", Some(std::io::ErrorKind::InvalidData.into()));
    assert_eq!(read(&mut source, &mut ()).unwrap_err().reason, RejectReason::Syntax);
}

#[test]
fn a_limit_of_the_source_rejects_the_report_and_its_records() {
    let (cut, _) = TWO_RECORDS.rsplit_once("<record>").unwrap();
    let limit = Reject::new(RejectReason::TooLarge, "larger than `reports.unpacked_bytes_max`");
    let mut source = Breaks(cut.as_bytes(), Some(std::io::Error::other(limit.clone())));
    let mut collected = Collected::default();
    assert_eq!(read(&mut source, &mut collected).unwrap_err(), limit);
    assert_eq!((collected.records.len(), collected.ends, collected.discards), (1, 0, 1));
}
