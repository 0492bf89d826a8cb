//! Documents made to do harm: each is read in bounded time and memory, and honest records in it are not lost.

use super::*;

/// Bytes that one document may cost in memory beyond what it gives: windows and lists, with room to spare.
const TEXT_BYTES: usize = 20 << 20;

#[track_caller]
fn check_same_records(document: &str) {
    let (report, records) = one(document);
    assert_eq!(records, one(TWO_RECORDS).1);
    assert!(!report.warnings.is_empty(), "that it is odd is said");
}

fn after_declaration(text: &str) -> String {
    TWO_RECORDS.replace("?>\n", &format!("?>\n{text}\n"))
}

#[test]
fn entities_are_never_expanded() {
    let mut laughs = String::from("<!DOCTYPE feedback [<!ENTITY a0 \"ha\">");
    for level in 1..10 {
        let inner = format!("&a{};", level - 1).repeat(10);
        write!(laughs, "<!ENTITY a{level} \"{inner}\">").unwrap();
    }
    laughs.push_str("<!ENTITY file SYSTEM \"file:///etc/hostname\">]>");
    let document = after_declaration(&laughs).replace(">receiver.example</org_name", ">&a9;&file;</org_name");
    let (report, records) = one(&document);
    assert_eq!(report.record.org_name, "&a9;&file;");
    assert_eq!(texts(&report.warnings), ["a DOCTYPE was passed over"]);
    assert_eq!(records, one(TWO_RECORDS).1);
}

#[test]
fn defaults_of_attributes_are_not_applied() {
    let mut doctype = String::from("<!DOCTYPE feedback [<!ATTLIST record");
    for index in 0..5_000 {
        write!(doctype, " a{index} CDATA \"xxxxxxxxxx\"").unwrap();
    }
    check_same_records(&after_declaration(&format!("{doctype}>]>")));
}

#[test]
fn a_doctype_larger_than_a_window_is_passed_over() {
    let doctype = format!("<!DOCTYPE feedback [<!ENTITY a \"{}\">]>", "x".repeat(1 << 20));
    check_same_records(&after_declaration(&doctype));
    check_same_records(&after_declaration(&format!("<!DOCTYPE feedback {}>", "x".repeat(1 << 20))));
}

#[test]
fn two_hundred_thousand_elements_deep_is_passed_over() {
    let (depth, (before, after)) = (200_000, TWO_RECORDS.split_once("<record>").unwrap());
    let document = format!("{before}{}{}<record>{after}", "<a>".repeat(depth), "</a>".repeat(depth));
    check_same_records(&document);
    let records = "<record>".repeat(depth);
    assert_eq!(one(&format!("{before}{records}")).0.record.totals.messages, 0);
}

#[test]
fn a_huge_attribute_costs_its_element_nothing() {
    let huge = "x".repeat(TEXT_BYTES);
    for quote in ['"', '\''] {
        let document = TWO_RECORDS.replacen("<record>", &format!("<record a={quote}{huge}{quote}>"), 1);
        check_same_records(&document);
    }
    check_same_records(&TWO_RECORDS.replace("<feedback>", &format!("<feedback a=\"{huge}\">")));
    check_same_records(&TWO_RECORDS.replace("</version>", &format!("</version><b a=\"{huge}\"/>")));
    check_same_records(&TWO_RECORDS.replace("</version>", &format!("</version {huge}>")));
}

#[test]
fn a_huge_text_is_cut() {
    let (report, records) =
        one(&TWO_RECORDS.replace(">receiver.example</org", &format!(">{}</org", "ü".repeat(TEXT_BYTES / 2))));
    assert_eq!(report.record.org_name.len(), VALUE_BYTES_MAX);
    assert_eq!(texts(&report.warnings), ["`org_name` is longer than 1024 bytes: cut there"]);
    assert_eq!(records, one(TWO_RECORDS).1);
    let amps = "&amp;".repeat(1 << 20);
    assert_eq!(
        one(&TWO_RECORDS.replace("8137649201", &amps)).0.record.report_id,
        "&".repeat(VALUE_BYTES_MAX)
    );
    let blanks = " ".repeat(1 << 20);
    assert_eq!(
        one(&TWO_RECORDS.replace("8137649201", &format!("{blanks}8137649201{blanks}"))),
        one(TWO_RECORDS)
    );
}

#[test]
fn huge_comments_instructions_and_cdata_are_passed_over() {
    let huge = "<x> ".repeat(TEXT_BYTES / 4);
    for markup in [format!("<!--{huge}-->"), format!("<?x {huge}?>"), format!("<![CDATA[{huge}]]>")] {
        check_same_records(&TWO_RECORDS.replace("</version>", &format!("</version>{markup}")));
    }
}

#[test]
fn markup_that_never_ends_does_not_hide_what_follows() {
    for open in [
        "<!--",
        "<![CDATA[",
        "<?x",
        "<!DOCTYPE [",
        "<a b=\"",
        "<a b='",
        "<!",
        "<",
        "< >",
        "<>",
        "</>",
        "&#xffffffff;",
    ] {
        let document = TWO_RECORDS.replace("</version>", &format!("</version>{open}"));
        let (report, _) = one(&document);
        assert_eq!(report.record.totals, one(TWO_RECORDS).0.record.totals, "behind {open}");
    }
}

#[test]
fn many_faults_end_the_reading() {
    for fault in ["<!--", "<", "<!x", "<a b=\"", "&", "<a "] {
        let document = format!("{TWO_RECORDS}{}", fault.repeat(1 << 20));
        let (reports, _) = read_bytes(document.as_bytes()).unwrap();
        assert_eq!(reports[0].record.totals.records, 2, "behind many {fault}");
    }
}

#[test]
fn lists_of_a_record_are_bounded() {
    let (open, entry) =
        ("<auth_results>", "<dkim><domain>other.example</domain><result>fail</result></dkim>");
    let document = TWO_RECORDS.replacen(open, &format!("{open}{}", entry.repeat(10_000)), 1);
    let (_, records) = one(&document);
    assert_eq!(records[0].dkim.len(), 100);
    assert!(
        records[0].dkim.iter().all(|dkim| dkim.domain == "other.example" && dkim.result.name() == "fail")
    );
    assert_eq!(texts(&records[0].warnings), ["`dkim` is there more than 100 times"]);
    assert_eq!(records[0].spf.len(), 1);
}

#[test]
fn warnings_and_errors_of_a_report_are_bounded() {
    let mut rows = String::new();
    for index in 0..1000 {
        write!(rows, "<error>{index}</error><date_range><begin>x{index}</begin></date_range>").unwrap();
    }
    let (report, _) = one(&TWO_RECORDS.replace("</report_metadata>", &format!("{rows}</report_metadata>")));
    assert_eq!((report.record.errors.len(), report.warnings.len()), (16, 16));
    assert_eq!(report.record.begin, None, "the last one counts");
}

#[test]
fn control_characters_of_a_value_are_escaped_in_its_warning() {
    let document = TWO_RECORDS.replace("1204", "12\u{1b}[2J\u{202e}");
    let (_, records) = one(&document);
    assert_eq!(texts(&records[0].warnings), ["`count` is no number: `12\\u{1b}[2J\\u{202e}`"]);
    let (_, records) = one(&TWO_RECORDS.replace("1204", &"x".repeat(900)));
    assert!(records[0].warnings[0].0.len() < 120);
}

#[test]
fn a_report_beyond_the_limit_is_not_read() {
    let root = "<feedback><report_metadata><report_id>x</report_id></report_metadata></feedback>";
    let (reports, _) = read_bytes(root.repeat(1_200).as_bytes()).unwrap();
    assert_eq!(reports.len(), 1_000);
}

#[test]
fn a_document_without_a_root_is_not_read_to_its_end() {
    let mut source = "<a>".as_bytes().chain(std::io::repeat(b' '));
    assert_eq!(read(&mut source, &mut ()).unwrap_err().reason, RejectReason::UnknownType);
}
