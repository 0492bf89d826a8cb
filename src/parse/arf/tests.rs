//! Feedback reports in every form, by the fixtures of `tests/data/complaints`.

use super::*;
use crate::model::{Clarity, FeedbackType, NamedBy};
use crate::parse::mail::reader;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/data/complaints/", $name, ".eml"))
    };
}

fn read_mail(mail: &str) -> Option<Result<Parsed<Complaint>, Reject>> {
    reader::MAIL.parse(mail).and_then(|message| read(&message))
}

#[track_caller]
fn parsed(mail: &str) -> Parsed<Complaint> {
    read_mail(mail).expect("it is a report").expect("it can be read")
}

/// Reads a report without warnings, with line ends of either kind.
#[track_caller]
fn complaint(mail: &str) -> Complaint {
    let Parsed { record, warnings } = parsed(mail);
    assert_eq!(warnings, []);
    assert_eq!(parsed(&mail.replace('\n', "\r\n")).record, record, "with CRLF");
    record
}

#[track_caller]
fn check_recipients(complaint: &Complaint, expect: &[(&str, NamedBy, Clarity)]) {
    let got: Vec<_> =
        complaint.recipients.iter().map(|one| (one.address.as_str(), one.named_by, one.clarity)).collect();
    assert_eq!(got, expect);
}

const BOB: (&str, NamedBy, Clarity) = ("bob@provider.example", NamedBy::OriginalRcptTo, Clarity::Clear);

/// The sent message is found by what every fixture with its header brings back.
#[track_caller]
fn check_returned(complaint: &Complaint) {
    let returned = &complaint.returned;
    assert_eq!(returned.message_id, "offer-812@example.com");
    assert_eq!(returned.return_path, "b-7f3a@bounce.example.com");
    assert_eq!((returned.from.as_str(), returned.subject.as_str()), ("news@example.com", "Spring offers"));
    assert_eq!(returned.queue_ids, ["4ZQ1aB2cD3", "3F2A14C0"]);
    assert_eq!(returned.list_id, "offers.example.com");
    assert_eq!(returned.feedback_id, "spring:812:offers:example");
    assert_eq!(returned.cfbl_feedback_id, "111:222:333:4444");
    assert_eq!(returned.relaylens_ref, "1.eyJtIjoiODEyIn0.c2ln");
}

fn arrival() -> Option<crate::model::Timestamp> {
    crate::model::Timestamp::parse_rfc3339("2026-03-04T09:58:00Z").ok()
}

#[test]
fn a_plain_report_is_read() {
    let complaint = complaint(fixture!("yahoo-clear"));
    assert_eq!(complaint.format, ComplaintFormat::Arf);
    assert_eq!(complaint.feedback_type, FeedbackType::Abuse);
    assert_eq!(
        (complaint.user_agent.as_str(), complaint.version.as_str()),
        ("Yahoo!-Mail-Feedback/2.0", "0.1")
    );
    assert_eq!(complaint.original_mail_from, "b-7f3a@bounce.example.com");
    assert_eq!(complaint.reported_domains, ["example.com"]);
    assert_eq!(
        complaint.authentication_results,
        ["mx1.provider.example; dkim=pass header.i=@example.com; spf=pass smtp.mailfrom=bounce.example.com"]
    );
    assert_eq!((complaint.arrival, complaint.incidents), (arrival(), 1));
    check_recipients(&complaint, &[BOB]);
    check_returned(&complaint);
}

#[test]
fn a_hashed_recipient_is_told_from_a_clear_one() {
    let complaint = complaint(fixture!("validity-hashed"));
    let hash = "0f343b0931126a20f133d67c2b018a3b@provider.example";
    check_recipients(&complaint, &[(hash, NamedBy::OriginalRcptTo, Clarity::Hashed)]);
    assert_eq!(complaint.clarity(), Some(Clarity::Hashed));
    assert_eq!(complaint.source_ip, "192.0.2.25".parse().ok());
    check_returned(&complaint);
}

#[test]
fn a_redacted_recipient_is_told_from_a_clear_one() {
    let complaint = complaint(fixture!("aol-redacted"));
    check_recipients(&complaint, &[("redacted@provider.example", NamedBy::ReturnedTo, Clarity::Redacted)]);
    assert_eq!(complaint.redacted_addresses, ["redacted", "redacted@"]);
    assert_eq!(complaint.arrival, arrival());
    check_returned(&complaint);
}

#[test]
fn a_report_with_the_header_alone_leads_to_the_message() {
    let complaint = complaint(fixture!("microsoft-headers-only"));
    check_recipients(&complaint, &[]);
    assert_eq!(complaint.clarity(), None);
    check_returned(&complaint);
}

#[test]
fn the_old_form_of_microsoft_is_read() {
    let complaint = complaint(fixture!("microsoft-jmrp"));
    assert_eq!((complaint.format, complaint.feedback_type), (ComplaintFormat::Jmrp, FeedbackType::Abuse));
    assert_eq!(complaint.source_ip, "192.0.2.25".parse().ok());
    check_recipients(
        &complaint,
        &[("bob@provider.example", NamedBy::OriginalRecipientHeader, Clarity::Clear)],
    );
    check_returned(&complaint);
}

#[test]
fn missing_blank_lines_lose_no_field() {
    for mail in [fixture!("spamexperts-no-blank-line"), fixture!("no-blank-line-before-fields")] {
        let complaint = complaint(mail);
        assert_eq!(complaint.feedback_type, FeedbackType::Abuse);
        assert_eq!(complaint.source_ip, "192.0.2.25".parse().ok());
        check_recipients(&complaint, &[BOB]);
        check_returned(&complaint);
    }
}

#[test]
fn a_report_in_base64_is_read() {
    let complaint = complaint(fixture!("base64"));
    assert_eq!(complaint.feedback_type, FeedbackType::Fraud);
    assert_eq!((complaint.source_ip, complaint.source_port), ("2001:db8::25".parse().ok(), Some(25025)));
    check_recipients(&complaint, &[BOB]);
    check_returned(&complaint);
}

#[test]
fn a_report_part_of_the_wrong_type_is_found_by_its_fields() {
    let complaint = complaint(fixture!("text-plain-report"));
    assert_eq!(complaint.feedback_type, FeedbackType::Abuse);
    check_recipients(&complaint, &[BOB]);
}

#[test]
fn fields_that_may_repeat_are_lists() {
    let complaint = complaint(fixture!("trap-several-recipients"));
    check_recipients(&complaint, &[BOB, ("ann@provider.example", NamedBy::OriginalRcptTo, Clarity::Clear)]);
    assert_eq!(complaint.incidents, 12);
    assert_eq!(complaint.original_mail_from, "");
    assert_eq!(complaint.original_envelope_id, "trap-77");
    assert_eq!(complaint.reporting_mta, "trap.provider.example");
    assert_eq!(complaint.reported_domains, ["example.com"]);
    assert_eq!(complaint.reported_uris, ["https://example.com/offers", "mailto:news@example.com"]);
    assert_eq!(complaint.arrival, arrival());
}

#[test]
fn fields_that_come_once_keep_their_first_value_and_bad_values_are_told() {
    let Parsed { record, warnings } = parsed(fixture!("repeated-fields"));
    assert_eq!((record.feedback_type, record.incidents), (FeedbackType::Abuse, 1));
    assert_eq!(record.original_mail_from, "b-7f3a@bounce.example.com");
    assert_eq!((record.source_ip, record.source_port, record.arrival), (None, None, None));
    let warnings: Vec<_> = warnings.iter().map(|warning| warning.0.as_str()).collect();
    assert_eq!(
        warnings,
        [
            "`feedback-type` is there more than once: the first one counts",
            "`incidents` is no number above 0: read as 1: `many`",
            "`source-ip` is no address: `unknown`",
            "`source-port` is no port: `99999`",
            "`arrival-date` is no time: `the other day`",
            "`original-mail-from` is there more than once: the first one counts",
        ]
    );
}

#[test]
fn an_opt_out_names_whom_to_remove() {
    let complaint = complaint(fixture!("opt-out"));
    assert_eq!(complaint.feedback_type, FeedbackType::OptOut);
    assert!(complaint.feedback_type.is_complaint());
    check_recipients(&complaint, &[("bob@provider.example", NamedBy::RemovalRecipient, Clarity::Clear)]);
}

#[test]
fn not_spam_in_any_letters_is_no_complaint() {
    let mail = fixture!("not-spam");
    assert_eq!(complaint(mail).feedback_type, FeedbackType::NotSpam);
    for word in ["not-spam", "Not-Spam", "notspam", "not_junk", "ham", "not-spam (moved)"] {
        let complaint = complaint(&mail.replace("not_spam", word));
        assert_eq!(complaint.feedback_type, FeedbackType::NotSpam, "{word}");
        assert!(!complaint.feedback_type.is_complaint());
    }
}

#[test]
fn a_type_that_nobody_registered_is_another_complaint() {
    for (word, warned) in [("xarf", true), ("other", false), ("", true)] {
        let Parsed { record, warnings } = parsed(&fixture!("not-spam").replace("not_spam", word));
        assert_eq!((record.feedback_type, record.feedback_word.as_str()), (FeedbackType::Other, word));
        assert_eq!(!warnings.is_empty(), warned, "{warnings:?}");
    }
}

#[test]
fn a_forwarded_report_is_found() {
    let forwarded = complaint(fixture!("forwarded"));
    assert_eq!(forwarded, complaint(fixture!("yahoo-clear")));
}

#[test]
fn a_dmarc_failure_is_read() {
    let complaint = complaint(fixture!("dmarc-failure"));
    assert_eq!(complaint.feedback_type, FeedbackType::AuthFailure);
    let failure = &complaint.failure;
    assert_eq!((failure.kind.as_str(), failure.delivery_result.as_str()), ("dmarc", "reject"));
    assert_eq!(failure.aligned.as_deref(), Some(&[Text::from("spf"), Text::from("dkim")][..]));
    assert_eq!(failure.spf_dns, ["txt : elsewhere.example : \"v=spf1 ip4:198.51.100.0/24 -all\""]);
    assert_eq!(complaint.returned.message_id, "forged-1@elsewhere.example");
    assert_eq!(complaint.returned.from, "news@example.com");
    check_recipients(&complaint, &[BOB]);
}

#[test]
fn a_dkim_failure_is_read() {
    let complaint = complaint(fixture!("dkim-failure"));
    let failure = &complaint.failure;
    assert_eq!(failure.kind, "bodyhash");
    assert_eq!(failure.aligned.as_deref(), Some(&[][..]));
    assert_eq!((failure.dkim_domain.as_str(), failure.dkim_selector.as_str()), ("example.com", "s2026"));
    assert_eq!(failure.dkim_identity, "@example.com");
    assert!(failure.dkim_dns.starts_with("v=DKIM1;"), "{}", failure.dkim_dns);
    assert_eq!(complaint.original_envelope_id, "4ZQ1aB2cD3");
    check_returned(&complaint);
}

#[test]
fn a_failure_in_words_is_read() {
    let complaint = complaint(fixture!("exim-failure-in-words"));
    assert_eq!(
        (complaint.format, complaint.feedback_type),
        (ComplaintFormat::Prose, FeedbackType::AuthFailure)
    );
    assert_eq!(complaint.source_ip, "198.51.100.77".parse().ok());
    assert_eq!(complaint.reported_domains, ["example.com"]);
    assert_eq!(complaint.failure.kind, "dmarc");
    assert_eq!(complaint.failure.aligned.as_deref(), Some(&[Text::from("dkim")][..]));
    assert_eq!(complaint.arrival, arrival());
    assert_eq!(complaint.returned.message_id, "forged-2@elsewhere.example");
    check_recipients(&complaint, &[("bob@provider.example", NamedBy::ReturnedTo, Clarity::Clear)]);
}

#[test]
fn a_report_without_fields_is_mine_but_broken() {
    let reject = read_mail(fixture!("no-fields")).expect("it is a report").unwrap_err();
    assert_eq!(reject.reason, RejectReason::MissingField);
}

#[test]
fn other_mail_is_not_mine() {
    let plain =
        "From: ann@example.com\nSubject: hello\n\nFeedback-Type: abuse\nVersion: 1\nWhat does that mean?\n";
    assert_eq!(read_mail(plain), None);
    // A notice brings a report back that could not be delivered: the notice is what came.
    let report = fixture!("yahoo-clear");
    let notice = format!(
        "From: <>\nContent-Type: multipart/report; report-type=delivery-status; boundary=n\n\n--n\nContent-Type: \
         message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n--n\nContent-Type: message/rfc822\n\n{report}\n--n--\n"
    );
    assert_eq!(read_mail(&notice), None);
}

#[test]
fn a_report_cut_anywhere_makes_no_panic() {
    for mail in [fixture!("yahoo-clear"), fixture!("microsoft-jmrp"), fixture!("exim-failure-in-words")] {
        for end in 0..mail.len() {
            let _ = read_mail(&mail[..end]);
        }
    }
}

#[test]
fn reports_within_reports_end() {
    let mut mail = fixture!("yahoo-clear").to_owned();
    for level in 0..200 {
        mail = format!(
            "Content-Type: multipart/mixed; boundary=l{level}\n\n--l{level}\nContent-Type: message/rfc822\n\n{mail}\n--l{level}--\n"
        );
    }
    assert_eq!(read_mail(&mail), None);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(fields in "(?s).{0,600}", head in "[ -~\r\n]{0,200}") {
        let mail = format!("{head}\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\
            Content-Type: message/feedback-report\n\n{fields}\n--b\nContent-Type: text/rfc822-headers\n\n{head}\n--b--\n");
        let _ = read_mail(&mail);
        let _ = read_mail(&fields);
        Draft::read(&fields);
    }
}
