//! Whole mails in, kind and recipients out: every form that the readers know, and mails that are none.
//!
//! The mails stand in `tests/data/mail`; its README says where each came from.

use crate::model::{MailKind, NoticeAction};
use crate::parse::mail::{self, Content, LINES_MAX, MAIL_BYTES_MAX, MESSAGES_MAX};
use proptest::prelude::*;
use std::path::PathBuf;

/// Mail, the reader of its recipients, and each recipient with what it was sent to, action, status and code.
const NOTICES: &[(&str, &str, &str)] = &[
    ("aol-screen-name", "prose", "bobscreen@aol.example failed - -; annscreen@aol.example failed - -"),
    ("barracuda-blocked", "prose", "bob@example.com failed - -"),
    ("bracketed-list", "prose", "bob@example.com failed - -; ann@example.net failed - -"),
    ("chinese-tuixin", "prose", "bob@example.com failed - -"),
    ("communigate-failed-to-deliver", "prose", "bob@example.com failed 5.1.1 550"),
    ("courier-transcript", "courier", "bob@example.com failed 5.1.1 550"),
    ("delivery-notifications", "sendmail", "bob@example.com failed - 550"),
    ("domino-not-listed", "domino", "bob@example.com failed - -"),
    ("dutch-bezorgd", "prose", "bob@example.com failed - -"),
    ("exchange-html-only", "exchange", "bob@example.com failed 5.1.10 550"),
    ("exchange-imcea", "exchange", "bob@example.com failed 5.1.1 550"),
    ("exchange55-on-date", "exchange", "bob@example.com failed - -; ann@example.com failed - -"),
    (
        "exim-router-text",
        "exim",
        "bob@example.com for list@example.org failed 5.1.1 550; ann@example.net failed - -",
    ),
    ("exim-warning", "exim", "bob@example.com delayed 4.2.1 451"),
    ("french-remise", "prose", "bob@example.com failed 5.2.2 552"),
    ("german-webmail", "prose", "bob@example.com failed 5.1.1 550"),
    ("gmail-address-not-found", "gmail", "bob@example.com failed 5.1.1 550"),
    ("google-delay", "gmail", "bob@example.com delayed - -"),
    ("groupwise-bare-user", "groupwise", "bob@example.com failed - -; ann@gw.example.com failed - -"),
    ("headless-body", "rfc3464", "bob@example.com failed 5.1.1 550"),
    ("hmailserver-sent", "exchange", "bob@example.com failed 5.1.1 550"),
    ("imail-full", "imail", "bob@example.com failed - -"),
    ("imail-invalid-userid", "imail", "bob@example.com failed - -"),
    ("imail-undeliverable-to", "imail", "bob@example.com failed - -; ann@example.net failed - -"),
    ("interscan-end-of-message", "prose", "bob@example.com failed 5.1.1 550"),
    ("italian-recapito", "prose", "bob@example.com failed - -"),
    ("japanese-atesaki", "prose", "bob@example.com failed - 550"),
    ("korean-return", "prose", "bob@example.com failed 5.1.1 550"),
    ("llnl-not-recognized", "prose", "bob@example.com failed - -"),
    ("mailenable-recipient", "prose", "bob@example.com failed 5.1.1 550"),
    ("mdaemon-transcript", "mdaemon", "bob@example.com failed 5.1.1 550"),
    ("mime-lost-head", "qmail", "bob@example.com failed 5.1.1 550"),
    ("netscape-no-response", "netscape", "bob@example.com failed - -"),
    ("netscape-several", "netscape", "bob@example.com failed 5.1.1 -; ann@example.com failed 5.2.2 -"),
    ("netscape-unknown", "netscape", "bob@example.com failed - -"),
    ("numbered-list", "prose", "bob@example.com failed - -; ann@example.net failed - -"),
    ("over-quota-above", "netscape", "bob@example.com failed - -"),
    ("portuguese-devolvida", "prose", "bob@example.com failed 5.2.2 552"),
    ("postfix-lab-delayed-busy", "rfc3464", "frank@busy.test delayed 4.3.2 421"),
    (
        "postfix-lab-failed-dsn-fail",
        "rfc3464",
        "nouser@gmail.test for orig-nouser@example.com failed 5.1.1 550",
    ),
    ("postfix-lab-failed-gmail-nouser", "rfc3464", "nouser@gmail.test failed 5.1.1 550"),
    ("postfix-lab-failed-ok-multi", "rfc3464", "nouser@gmail.test failed 5.1.1 550"),
    ("postfix-lab-failed-utf8text", "rfc3464", "utf8@flaky.test failed 5.1.1 550"),
    ("postfix-lab-relayed-dsn-success", "rfc3464", "kim@flaky.test for kim+orig@example.com relayed 2.0.0 -"),
    (
        "postfix-text-folded",
        "postfix",
        "bob@example.com for list@example.org failed 5.1.1 550; ann@example.net failed - -",
    ),
    ("qmail-several", "qmail", "bob@example.com failed 5.1.1 550; ann@example.net failed 5.1.2 -"),
    ("qmail-sorry-local", "qmail", "bob@example.com failed - -"),
    ("reason-then-address", "prose", "bob@example.com failed - -"),
    ("report-base64-status", "rfc3464", "bob@example.com failed 5.1.1 550"),
    (
        "report-delayed-and-failed",
        "rfc3464",
        "bob@example.com failed 5.1.1 550; ann@example.net delayed 4.4.1 -",
    ),
    ("report-nested-forward", "rfc3464", "bob@example.com failed 5.1.1 550"),
    ("report-no-boundary-declared", "rfc3464", "bob@example.com failed 5.1.1 550"),
    ("report-relayed", "rfc3464", "bob@example.com relayed 2.0.0 -"),
    ("report-status-as-text", "rfc3464", "bob@example.com failed 5.1.1 550"),
    ("report-utf8", "rfc3464", "jörg@example.com failed 5.6.7 -"),
    ("russian-nedostavleno", "prose", "bob@example.com failed 5.1.1 550"),
    (
        "sendmail-several",
        "sendmail",
        "bob@example.com failed 5.1.1 550; ann@example.net for list@example.org failed 5.2.2 552",
    ),
    ("sendmail-warning", "sendmail", "bob@example.com delayed - -"),
    ("sentence-no-longer", "prose", "bob@example.com failed - -"),
    ("sentence-quota", "prose", "bob@example.com failed - -"),
    ("sentence-sorry", "prose", "bob@example.com failed - -"),
    ("spanish-entrega", "prose", "bob@example.com failed - 550"),
    ("stars-failed", "prose", "bob@example.com failed - -"),
    ("sun-recipient-address", "messaging_server", "bob@example.com failed 5.1.1 550"),
    ("surgemail-list", "prose", "bob@example.com failed - 550"),
    ("symantec-undeliverable", "prose", "bob@example.com failed - -"),
    ("table-html", "prose", "bob@example.com failed 5.1.1 550"),
    ("table-of-reasons", "prose", "bob@example.com failed 5.1.0 550"),
    ("tencent-chinese", "prose", "bob@example.com failed - 550"),
    ("unable-and-other", "prose", "bob@example.com failed - -; ann@example.net failed - 552"),
    ("was-addressed-to", "prose", "bob@example.com failed 5.1.1 -"),
    ("with-hint-on-support", "prose", "bob@example.com failed - -"),
    ("x400-no-address", "prose", "bob@example.com failed - -"),
    ("yale-bare-user", "prose", "bob@example.com failed - -"),
    ("zmailer-control-data", "zmailer", "bob@example.com failed 5.1.1 550"),
    ("zmailer-failed", "prose", "bob@example.com failed - -"),
];

/// Mails that are no notice, each with what it is.
const OTHERS: &[(&str, MailKind)] = &[
    ("has-moved-auto", MailKind::AutoReply),
    ("not-challenge-boxbe", MailKind::Challenge),
    ("not-challenge-confirm", MailKind::Challenge),
    ("not-digest", MailKind::Other),
    ("not-help-desk", MailKind::Other),
    ("not-list-bounce-probe", MailKind::Other),
    ("not-list-moderation", MailKind::Other),
    ("not-newsletter-on-bounces", MailKind::Other),
    ("not-out-of-office-null", MailKind::AutoReply),
    ("not-quarantine", MailKind::Other),
    ("not-question", MailKind::Other),
    ("not-read-receipt", MailKind::AutoReply),
    ("not-receipt-shop", MailKind::Other),
    ("not-subscribed", MailKind::Other),
    ("not-unsubscribe", MailKind::Unsubscribe),
    ("not-vacation-german", MailKind::AutoReply),
    ("not-vacation", MailKind::AutoReply),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/mail")
}

fn data(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.eml"))).unwrap()
}

fn told(bytes: &[u8]) -> String {
    match mail::read(bytes).unwrap().content {
        Content::Notice(notice) => {
            let recipients = notice.recipients.iter().map(|one| {
                let status = one.status().map_or("-".to_owned(), |status| status.to_string());
                let code = if one.reply.code == 0 { "-".to_owned() } else { one.reply.code.to_string() };
                let sent_to = if one.original_recipient.is_empty() {
                    String::new()
                } else {
                    format!(" for {}", one.original_recipient)
                };
                format!("{}{sent_to} {} {status} {code}", one.final_recipient, one.action.name())
            });
            format!("{}: {}", notice.format, recipients.collect::<Vec<_>>().join("; "))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn every_form_of_a_notice_is_read() {
    for (name, format, recipients) in NOTICES {
        assert_eq!(told(&data(name)), format!("{format}: {recipients}"), "{name}");
    }
}

#[test]
fn what_is_no_notice_is_none() {
    for (name, kind) in OTHERS {
        assert_eq!(mail::read(&data(name)).unwrap().kind(), *kind, "{name}");
    }
}

#[test]
fn every_mail_of_the_folder_is_expected() {
    let known = |name: &str| {
        NOTICES.iter().any(|(one, ..)| *one == name) || OTHERS.iter().any(|(one, _)| *one == name)
    };
    let names =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let unknown: Vec<_> = names
        .filter_map(|name| name.strip_suffix(".eml").map(str::to_owned))
        .filter(|name| !known(name))
        .collect();
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn line_ends_of_the_wire_change_nothing() {
    for (name, format, recipients) in NOTICES {
        let bytes = data(name);
        let wire: Vec<u8> = bytes
            .iter()
            .flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] })
            .collect();
        assert_eq!(told(&wire), format!("{format}: {recipients}"), "{name}");
    }
}

#[test]
fn the_kind_follows_from_the_actions() {
    let kind = |name| mail::read(&data(name)).unwrap().kind();
    assert_eq!(kind("report-delayed-and-failed"), MailKind::Bounce);
    assert_eq!(kind("exim-warning"), MailKind::DelayNotice);
    assert_eq!(kind("report-relayed"), MailKind::DeliveryNotice);
}

#[test]
fn the_way_back_to_the_message_is_read() {
    for name in ["report-base64-status", "qmail-several", "sendmail-several", "netscape-several"] {
        let Content::Notice(notice) = mail::read(&data(name)).unwrap().content else { panic!("{name}") };
        assert_eq!(notice.returned.message_id, "1@example.org", "{name}");
        assert_eq!(notice.returned.from, "news@example.org", "{name}");
    }
    let Content::Notice(notice) = mail::read(&data("postfix-lab-failed-dsn-fail")).unwrap().content else {
        panic!()
    };
    let recipient = &notice.recipients[0];
    assert_eq!(recipient.action, NoticeAction::Failed);
    assert!(
        notice.arrival.is_some() && !notice.reporting_mta.is_empty() && !notice.returned.queue_ids.is_empty()
    );
}

#[test]
fn a_mail_beyond_a_limit_is_refused() {
    let nested = "Content-Type: message/rfc822\n\n".repeat(MESSAGES_MAX + 1);
    let disguised = "Content-Type: Message/RFC822\n\n".repeat(100_000);
    let lines = "a:\n".repeat(LINES_MAX + 1);
    let large = vec![b'a'; MAIL_BYTES_MAX + 1];
    for bytes in [nested.as_bytes(), disguised.as_bytes(), lines.as_bytes(), &large] {
        assert_eq!(mail::read(bytes).unwrap_err().reason.name(), "too_large");
    }
    assert_eq!(mail::read(b"").unwrap_err().reason.name(), "syntax");
}

#[test]
fn a_report_that_names_nobody_is_broken() {
    let text = "From: MAILER-DAEMON@example.net\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
                --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n--b--\n";
    let mail = mail::read(text.as_bytes()).unwrap();
    assert!(matches!(mail.content, Content::Broken(MailKind::Bounce, _)));
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = mail::read(&bytes);
    }

    /// Cuts and splices of mails that the readers know reach deeper than random bytes.
    #[test]
    fn no_damage_is_too_odd(
        first in 0..NOTICES.len(),
        second in 0..NOTICES.len(),
        cut in any::<prop::sample::Index>(),
        resume in any::<prop::sample::Index>(),
        noise in "[\\x00-\\x7fäö例（\u{2019}]{0,12}",
    ) {
        let (first, second) = (data(NOTICES[first].0), data(NOTICES[second].0));
        let mut bytes = first[..cut.index(first.len())].to_vec();
        bytes.extend_from_slice(noise.as_bytes());
        bytes.extend_from_slice(&second[resume.index(second.len())..]);
        let _ = mail::read(&bytes);
    }
}
