//! TLS reports as RFC 8460 has them, and as they come.

use super::*;
use crate::model::{Timestamp, Warning};

const PLAIN: &str = include_str!("../../../tests/data/reports/tls-plain.json");
const LENIENT: &str = include_str!("../../../tests/data/reports/tls-lenient.json");

fn read_text(json: &str) -> Result<Parsed<TlsReport>, Reject> {
    read(&mut json.as_bytes())
}

fn words(warnings: &[Warning]) -> Vec<&str> {
    warnings.iter().map(|warning| warning.0.as_str()).collect()
}

fn at(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text).ok()
}

/// Reads a report with one policy, of which the head, the policy or the failure is given; without its warnings.
#[track_caller]
fn check(json: &str, warnings: &[&str]) -> TlsReport {
    let parsed = read_text(json).unwrap();
    assert_eq!(words(&parsed.warnings), warnings, "report was {json}");
    parsed.record
}

fn with_policy(policy: &str) -> String {
    format!(
        r#"{{"organization-name":"O","report-id":"1","contact-info":"a@o.example","date-range":{{"start-datetime":
        "2026-03-04T00:00:00Z","end-datetime":"2026-03-04T23:59:59Z"}},"policies":[{policy}]}}"#
    )
}

fn with_range(begin: &str, end: &str) -> String {
    format!(
        r#"{{"organization-name":"O","report-id":"1","date-range":{{"start-datetime":{begin},"end-datetime":{end}}},
        "policies":[{POLICY}]}}"#
    )
}

const POLICY: &str = r#"{"policy":{"policy-type":"sts","policy-domain":"example.com"},"summary":
    {"total-successful-session-count":5,"total-failure-session-count":1}}"#;

#[test]
fn a_report_as_the_rfc_has_it_is_read_in_full() {
    let report = check(PLAIN, &[]);
    assert_eq!(
        (report.org_name.as_str(), report.report_id.as_str()),
        ("Provider", "2026-03-04T00:00:00Z_example.com")
    );
    assert_eq!(report.contact_info, "tls@provider.example");
    assert_eq!((report.begin, report.end), (at("2026-03-04T00:00:00Z"), at("2026-03-04T23:59:59Z")));
    let [sts, tlsa] = report.policies.as_slice() else { panic!("{} policies", report.policies.len()) };
    assert_eq!((sts.policy_type.as_str(), sts.domain.as_str()), ("sts", "example.com"));
    assert_eq!(
        sts.policy_strings,
        ["version: STSv1", "mode: enforce", "mx: *.mx.example.com", "max_age: 86400"]
    );
    assert_eq!(sts.mx_hosts, ["*.mx.example.com"]);
    assert_eq!((sts.successful, sts.failed), (Some(5326), Some(303)));
    let [expired, starttls] = sts.failures.as_slice() else { panic!("{} failures", sts.failures.len()) };
    assert_eq!(
        *expired,
        TlsFailure {
            result_type: "certificate-expired".into(),
            sending_mta_ip: "2001:db8:abcd:12::1".parse().ok(),
            receiving_mx_hostname: "mx1.mx.example.com".into(),
            receiving_mx_helo: "mx1.example.com".into(),
            receiving_ip: "203.0.113.56".parse().ok(),
            failed_sessions: Some(100),
            additional_information: "https://provider.example/report?id=1#expired".into(),
            failure_reason_code: "X509_V_ERR_CERT_HAS_EXPIRED".into(),
        }
    );
    assert_eq!(
        (starttls.result_type.as_str(), starttls.failed_sessions),
        ("starttls-not-supported", Some(203))
    );
    assert_eq!((tlsa.policy_type.as_str(), tlsa.successful), ("tlsa", Some(0)));
}

#[test]
fn every_leniency_is_granted_and_told() {
    let report = check(
        LENIENT,
        &[
            "`start-datetime` is a date without time: `2026-03-04`",
            "`end-datetime` is a date without time: `2026-03-04`",
            "`total-successful-session-count` is there more than once: the last one counts",
            "`policy-domain` is missing",
        ],
    );
    assert_eq!(report.contact_info, "");
    assert_eq!((report.begin, report.end), (at("2026-03-04T00:00:00Z"), at("2026-03-04T23:59:59Z")));
    let [sts, none] = report.policies.as_slice() else { panic!("{} policies", report.policies.len()) };
    assert_eq!((sts.policy_type.as_str(), sts.domain.as_str()), ("sts", "example.com"));
    assert_eq!((sts.policy_strings.len(), sts.mx_hosts.as_slice()), (1, &[Text::from("mx.example.com")][..]));
    assert_eq!((sts.successful, sts.failed), (Some(42), Some(7)));
    let [failure] = sts.failures.as_slice() else { panic!("{} failures", sts.failures.len()) };
    assert_eq!((failure.sending_mta_ip, failure.receiving_ip), (None, None));
    assert_eq!(failure.failed_sessions, Some(7));
    assert_eq!((none.policy_type.as_str(), none.domain.as_str()), ("no-policy-found", ""));
}

#[test]
fn a_count_that_is_none_is_told_and_never_zero() {
    for (count, words) in [
        ("-5", "is negative: `-5`"),
        ("1.5", "is no whole number: `1.5`"),
        ("\"many\"", "is no number: `many`"),
        ("[1]", "is no single value: `[1]`"),
        ("18446744073709551616", "is larger than any count can be: `18446744073709551616`"),
        ("null", "is missing"),
    ] {
        let policy = POLICY.replace(":5,", &format!(":{count},"));
        // An array was told already, and leaves the field empty.
        let missing = "`total-successful-session-count` is missing";
        let told = format!("`total-successful-session-count` {words}");
        let warnings: &[&str] = if count == "[1]" { &[&told, missing] } else { &[&told] };
        let report = check(&with_policy(&policy), warnings);
        assert_eq!(report.policies[0].successful, None, "count was {count}");
    }
}

#[test]
fn counts_in_other_clothes_are_read() {
    for count in ["12.0", "\"12\"", "\" 12 \"", "1.2e1"] {
        let report = read_text(&with_policy(&POLICY.replace(":5,", &format!(":{count},")))).unwrap().record;
        assert_eq!(report.policies[0].successful, Some(12), "count was {count}");
    }
}

#[test]
fn a_time_that_is_none_is_told_and_never_1970() {
    let end = "\"2026-03-04T23:59:59Z\"";
    for (begin, words) in [
        ("\"yesterday\"", "is no time: `yesterday`"),
        ("\"0001-01-01T00:00:00Z\"", "is before any report: `0001-01-01T00:00:00Z`"),
        ("0", "is before any report: `0`"),
        ("\"\"", "is missing"),
    ] {
        let report = check(&with_range(begin, end), &[&format!("`start-datetime` {words}")]);
        assert_eq!((report.begin, report.end), (None, at("2026-03-04T23:59:59Z")), "time was {begin}");
    }
}

#[test]
fn times_in_other_clothes_are_read() {
    let end = "\"2026-03-05T23:59:59+02:00\"";
    for begin in ["\"2026-03-04T00:00:00\"", "\"2026-03-04 00:00:00\"", "1772582400", "\"1772582400\""] {
        let told =
            format!("`start-datetime` is no RFC 3339 time with an offset: `{}`", begin.replace('"', ""));
        let report = check(&with_range(begin, end), &[&told]);
        assert_eq!((report.begin, report.end), (at("2026-03-04T00:00:00Z"), at("2026-03-05T21:59:59Z")));
    }
}

#[test]
fn an_end_before_the_begin_is_told() {
    let json = with_range("\"2026-03-05T00:00:00Z\"", "\"2026-03-04T00:00:00Z\"");
    check(&json, &["`end-datetime` is before `start-datetime`"]);
}

#[test]
fn names_in_other_letters_and_marks_around_are_read() {
    let json = with_policy(POLICY).replace("report-id", "Report_ID");
    let report = check(&format!("\u{feff}\r\n{json}\n\0"), &["something stands behind the report"]);
    assert_eq!(report.report_id, "1");
}

#[test]
fn what_is_no_report_is_refused() {
    #[track_caller]
    fn refused(text: &str, reason: RejectReason) {
        assert_eq!(read_text(text).unwrap_err().reason, reason, "text was {text:?}");
    }
    refused("", RejectReason::UnknownType);
    refused("<feedback/>", RejectReason::UnknownType);
    refused("[]", RejectReason::UnknownType);
    refused("{}", RejectReason::UnknownType);
    refused(r#"{"report-id":"1","name":"x"}"#, RejectReason::UnknownType);
    refused(r#"{"policies":"#, RejectReason::Syntax);
    refused(r#"{"policies" 1}"#, RejectReason::Syntax);
}

#[test]
fn half_a_report_counts_nothing() {
    for cut in 1..PLAIN.trim_end().len() {
        assert_eq!(read_text(&PLAIN[..cut]).unwrap_err().reason, RejectReason::Syntax, "cut at {cut}");
    }
}

#[test]
fn depth_does_no_harm() {
    let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    let json = with_policy(POLICY).replace("\"O\"", &deep);
    let parsed = read_text(&json).unwrap();
    assert_eq!(parsed.record.org_name, "");
    assert_eq!(parsed.record.policies[0].successful, Some(5));
    let objects = "{\"policies\":".repeat(200_000) + "1" + &"}".repeat(200_000);
    assert!(read_text(&objects).unwrap().record.policies.len() <= 1);
}

#[test]
fn numbers_of_entries_and_bytes_are_limited() {
    let failures = "{},".repeat(40_000) + "{}";
    let policy = POLICY.replace("\"summary\"", &format!("\"failure-details\":[{failures}],\"summary\""));
    let parsed = read_text(&with_policy(&policy)).unwrap();
    assert!(parsed.record.policies[0].failures.len() <= FAILURES_MAX);
    let told = words(&parsed.warnings);
    assert!(told.iter().any(|word| word.starts_with("`failure-details` has more than")), "{told:?}");

    let many = with_policy(&vec![POLICY; POLICIES_MAX + 1].join(","));
    let parsed = read_text(&many).unwrap();
    assert_eq!(parsed.record.policies.len(), POLICIES_MAX);
    assert_eq!(words(&parsed.warnings).len(), 1);

    let huge = " ".repeat(usize::try_from(TLS_REPORT_BYTES_MAX).unwrap() + 1);
    assert_eq!(read_text(&huge).unwrap_err().reason, RejectReason::TooLarge);
}

#[test]
fn long_texts_are_cut_and_told() {
    let report = check(
        &with_policy(POLICY).replace("\"O\"", &format!("\"{}\"", "ö".repeat(2000))),
        &[&format!("`organization-name` is too long and was cut: `{}…`", "ö".repeat(32))],
    );
    assert_eq!(report.org_name.len(), 1024);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,300}", at in 0..PLAIN.len()) {
        let _ = read_text(&text);
        let at = PLAIN.floor_char_boundary(at);
        let _ = read_text(&[&PLAIN[..at], &text, &PLAIN[at..]].concat());
        let _ = read_text(&[&PLAIN[..at], &PLAIN[(at + 1).min(PLAIN.len())..]].concat());
    }
}
