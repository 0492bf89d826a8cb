//! Which program wrote a notice in prose, by a phrase that it alone writes.
//!
//! Way: `dsn` names the format by it. The prose of all of them is read by `prose`; a format has a file of its own only
//! where that is not enough.
//! Source: beside each name.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::sync::LazyLock;

/// Programs by phrase; the first in the text counts.
const ROOMS: &[(&str, &str)] = &[
    // qmail-send(8) and its family; the texts stand in qmail-send.c's `injectbounce` as every such server sends them.
    ("qmail", "this is the qmail-send program"),
    ("qmail", "i'm afraid i wasn't able to deliver your message"),
    ("qmail", "hi. the mta program at"),
    ("qmail", "we're sorry. there's a problem with the e-mail address(es)"),
    // Postfix bounce(5), default templates.
    ("postfix", "this is the postfix program at host"),
    ("postfix", "this is the mail system at host"),
    // Exim specification, chapter "Customizing bounce and warning messages".
    ("exim", "this message was created automatically by mail delivery software"),
    ("exim", "this message was created automatically by the smtp relay"),
    // Sendmail operations guide, ErrorHeader and returned mail.
    ("sendmail", "----- transcript of session follows"),
    ("sendmail", "----- the following addresses had"),
    // OpenSMTPD smtpd(8), bounce.
    ("opensmtpd", "this is the mailer-daemon, please do not reply"),
    // DragonFly Mail Agent, dma(8).
    ("dma", "this is the dragonfly mail agent"),
    // Courier courier(8), "UNDELIVERABLE MAIL".
    ("courier", "undeliverable mail"),
    // Gmail, support.google.com/mail/answer/6596: the text form of before 2017 and that of today.
    ("gmail", "** address not found **"),
    ("gmail", "** message not delivered **"),
    ("gmail", "** message blocked **"),
    ("gmail", "** delivery incomplete **"),
    ("gmail", "technical details of permanent failure"),
    ("gmail", "technical details of temporary failure"),
    ("google_groups", "groups.google.com/support"),
    // Microsoft, learn.microsoft.com "Email non-delivery reports and SMTP errors".
    ("exchange", "diagnostic information for administrators"),
    ("exchange", "did not reach the following recipient(s)"),
    ("exchange", "did not reach some or all of the intended recipients"),
    // Yahoo! Mail's failure notice.
    ("yahoo", "sorry, we were unable to deliver your message to the following address"),
    ("yahoo", "unable to deliver message to the following address(es)"),
    // HCL Domino and Lotus Notes.
    ("domino", "----- failure reasons"),
    ("domino", "not listed in domino directory"),
    ("domino", "public name & address book"),
    // Sun Java System Messaging Server and PMDF before it.
    ("messaging_server", "this report relates to a message you sent with the following header fields"),
    // Netscape Messaging Server.
    ("netscape", "this message was undeliverable due to the following reason"),
    ("netscape", "your message was not delivered within"),
    // Novell GroupWise.
    ("groupwise", "the message that you sent was undeliverable to the following"),
    // Ipswitch IMail.
    ("imail", "invalid final delivery userid"),
    ("imail", "user mailbox exceeds allowed size"),
    ("imail", "delivery failed 20 attempts"),
    // ZMailer.
    ("zmailer", "this is a collection of reports about email delivery"),
    // Mimecast, community.mimecast.com "Email delivery failure".
    ("mimecast", "the problem appears to be"),
    // Zoho Mail.
    ("zoho", "error_code :"),
    // MDaemon.
    ("mdaemon", "had permanent fatal delivery errors"),
];

static SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(ROOMS.iter().map(|(_, phrase)| phrase))
        .expect("a fixed list of short phrases is a small automaton")
});

/// The name of the program whose phrase stands first in the text, or `prose`.
pub(super) fn name(text: &str) -> &'static str {
    SEARCH.find(text).map_or("prose", |found| ROOMS[found.pattern().as_usize()].0)
}
