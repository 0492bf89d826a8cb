//! What a mail's own head says of its kind, before its text is looked at.
//!
//! Way: `parse::mail` asks once; `parse::dsn` decides by it how much a text must say to be taken for a notice.
//! Source: RFC 5321 section 4.5.5 (null sender), RFC 3834 (`Auto-Submitted`), RFC 3464 section 2 (`report-type`),
//! Exim's `X-Failed-Recipients`; names and subjects as mail servers write them.

use crate::model::Text;
use crate::parse::dsn::phrases::{self, Marks};
use crate::parse::dsn::{address, returned};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use mail_parser::{HeaderName, HeaderValue, Message, MimeHeaders};
use std::sync::LazyLock;

/// See the module.
#[derive(Debug, Default, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one sign, and they come in any combination")]
pub(in crate::parse) struct Signs {
    /// From a mail server: `MAILER-DAEMON`, `postmaster`, `Mail Delivery System`.
    pub(in crate::parse) is_daemon: bool,
    /// `Return-Path: <>`, or of a mail server.
    pub(in crate::parse) is_null_path: bool,
    /// There is a `Return-Path` that leads to a person.
    has_path: bool,
    /// The subject answers another mail, or passes one on.
    is_answer: bool,
    is_forward: bool,
    pub(in crate::parse) subject: Marks,
    /// `multipart/report; report-type=delivery-status`.
    pub(in crate::parse) is_delivery_report: bool,
    /// `report-type=disposition-notification`: a read receipt.
    pub(in crate::parse) is_receipt: bool,
    /// `Auto-Submitted` says that a machine answers.
    pub(in crate::parse) is_auto_replied: bool,
    /// The subject, or another field, is an auto-reply's.
    pub(in crate::parse) is_auto_reply: bool,
    pub(in crate::parse) is_challenge: bool,
    /// The subject asks to be taken off a list, and nothing else.
    pub(in crate::parse) is_unsubscribe: bool,
    /// The subject is that of a summary of many mails: it names addresses, and some of them may have failed.
    pub(in crate::parse) is_digest: bool,
    /// There is no `From` at all: a mail without its head, or the start of one.
    pub(in crate::parse) is_headless: bool,
    /// Recipients in `X-Failed-Recipients`.
    pub(in crate::parse) failed: Vec<Text>,
    /// The mail's own sender and recipient.
    pub(in crate::parse) from: Text,
    pub(in crate::parse) to: Text,
}

impl Signs {
    pub(in crate::parse) fn of(message: &Message<'_>) -> Self {
        let mut signs = Self { is_headless: true, ..Self::default() };
        let Some(root) = message.parts.first() else { return signs };
        for header in &root.headers {
            match (&header.name, &header.value) {
                (HeaderName::From, value) => signs.read_from(value),
                (HeaderName::To, HeaderValue::Address(to)) if signs.to.is_empty() => {
                    signs.to = returned::address(to).unwrap_or_default();
                }
                (HeaderName::Subject, value) => signs.read_subject(value),
                (HeaderName::ReturnPath, value) => {
                    let path = returned::first_text(value).unwrap_or_default();
                    let is_null = path.is_empty() || is_daemon(&path);
                    signs.is_null_path |= is_null;
                    signs.has_path |= !is_null;
                }
                (HeaderName::ContentType, HeaderValue::ContentType(kind)) => {
                    let is = |name: &str| {
                        kind.attribute("report-type").is_some_and(|kind| kind.eq_ignore_ascii_case(name))
                    };
                    signs.is_delivery_report = is("delivery-status");
                    signs.is_receipt = is("disposition-notification");
                }
                (name, value) => signs.read_by_name(name.as_str(), value),
            }
        }
        signs.is_receipt |=
            message.parts.iter().any(|part| part.is_content_type("message", "disposition-notification"));
        signs
    }

    /// Whether anything speaks for a notice.
    pub(in crate::parse) fn any(&self) -> bool {
        self.count() > 0
    }

    /// How many independent signs speak for a notice.
    ///
    /// A subject alone does not where the mail has a return path to a person: people write about bounces, too.
    pub(in crate::parse) fn count(&self) -> u32 {
        let others = [
            self.is_daemon,
            self.is_null_path,
            self.is_delivery_report,
            !self.failed.is_empty(),
            self.is_headless,
        ];
        let others: u32 = others.into_iter().map(u32::from).sum();
        let by_subject = self.subject.has(Marks::FAIL.with(Marks::DELAY).with(Marks::SUCCESS))
            && !(others == 0 && (self.is_answer || self.has_path && !self.is_forward));
        others + u32::from(by_subject)
    }

    fn read_from(&mut self, value: &HeaderValue<'_>) {
        self.is_headless = false;
        let HeaderValue::Address(from) = value else {
            // `From: <>` is a server's.
            self.is_daemon |= value.is_empty();
            return;
        };
        let one = from.first();
        let name = one.and_then(|one| one.name()).unwrap_or_default();
        let sender = one.and_then(|one| one.address()).unwrap_or_default();
        self.is_daemon |= sender.is_empty() || is_daemon(sender) || is_daemon(name);
        self.from = returned::address(from).unwrap_or_default();
    }

    fn read_subject(&mut self, value: &HeaderValue<'_>) {
        let subject = returned::first_text(value).unwrap_or_default();
        self.subject = phrases::marks(&subject);
        let starts =
            |word: &str| subject.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        self.is_unsubscribe = UNSUBSCRIBE_SUBJECTS.iter().any(|word| starts(word));
        self.is_answer = ["re:", "aw:", "sv:", "antw:", "odp:"].iter().any(|word| starts(word));
        self.is_forward = ["fwd:", "fw:", "wg:", "tr:", "rv:", "enc:"].iter().any(|word| starts(word));
        self.is_auto_reply |= AUTO_REPLY.find(subject.as_str()).is_some_and(|found| found.start() == 0);
        // Behind a colon stands the subject of the message that failed.
        let own = subject.split(':').next().unwrap_or_default();
        self.is_digest = DIGEST.is_match(own);
        self.is_challenge |= CHALLENGE.is_match(own);
    }

    fn read_by_name(&mut self, name: &str, value: &HeaderValue<'_>) {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        let text = || returned::first_text(value).unwrap_or_default();
        if is("Auto-Submitted") {
            let word = text().to_lowercase();
            self.is_auto_replied |= word.starts_with("auto-replied");
        } else if is("X-Failed-Recipients") {
            self.failed.extend(address::find_all(&text()).map(|found| found.normal()));
        } else if is("X-Autoreply") || is("X-Autorespond") {
            self.is_auto_reply = true;
        }
    }
}

/// Names of mail servers, in addresses and beside them.
const DAEMONS: &[&str] = &[
    "mailer-daemon",
    "mailer daemon",
    "mailerdaemon",
    "mail-daemon",
    "maildaemon",
    "mdaemon",
    "postmaster",
    "post_master",
    "postoffice",
    "mail delivery",
    "mail deliver system",
    "mail.delivery",
    "maildelivery",
    "mail system",
    "mail administrator",
    "system administrator",
    "internet mail delivery",
    "microsoft exchange",
    "mail transport",
    "delivery subsystem",
    "delivery system",
    "bounce notification",
];

static DAEMON: LazyLock<AhoCorasick> = LazyLock::new(|| search(DAEMONS));

/// Whether a sender's address or name is a mail server's.
fn is_daemon(sender: &str) -> bool {
    // Of an address the local part counts: `bob@postmaster.example` is a person's.
    DAEMON.is_match(sender.split('@').next().unwrap_or_default())
}

/// How the subjects of answers by machines begin.
const AUTO_REPLY_SUBJECTS: &[&str] = &[
    "auto reply",
    "auto-reply",
    "autoreply",
    "auto:",
    "automatic reply",
    "automatic response",
    "automated reply",
    "automated response",
    "auto response",
    "auto-response",
    "autoresponse",
    "out of office",
    "out of the office",
    "on vacation",
    "vacation",
    "away from",
    "i am away",
    "i'm away",
    "i am out",
    "absence",
    "abwesend",
    "abwesenheit",
    "automatische antwort",
    "autom. antwort",
    "réponse automatique",
    "absent",
    "message d'absence",
    "respuesta automática",
    "fuera de la oficina",
    "resposta automática",
    "risposta automatica",
    "fuori sede",
    "automatisch antwoord",
    "afwezig",
    "automatiskt svar",
    "automatisk svar",
    "autosvar",
    "odpowiedź automatyczna",
    "автоответ",
    "自动回复",
    "自動返信",
    "自動応答",
    "不在",
    "thank you for contacting",
    "thank you for your email",
];

/// How the subjects of requests begin that mail programs send for a `List-Unsubscribe` address (RFC 2369).
const UNSUBSCRIBE_SUBJECTS: [&str; 3] = ["unsubscribe", "un-subscribe", "list-unsubscribe"];

/// What the subjects of challenges say.
const CHALLENGE_SUBJECTS: &[&str] = &[
    "please confirm your message",
    "please confirm your email",
    "confirm your message to",
    "verification needed",
    "requires verification",
    "sender verification",
    "sender address verification",
    "waiting for approval",
    "awaiting your verification",
    "pending verification",
    "challenge",
    "message you sent requires",
    "your email requires verification",
    "[boxbe]",
    "antispam uol",
    "anti-spam uol",
];

/// Words in the subjects of summaries that mail servers send.
const DIGESTS: &[&str] =
    &["summary", "digest", "statistic", "quarantine", "report for", "weekly", "monthly", "daily"];

static DIGEST: LazyLock<AhoCorasick> = LazyLock::new(|| search(DIGESTS));

static AUTO_REPLY: LazyLock<AhoCorasick> = LazyLock::new(|| search(AUTO_REPLY_SUBJECTS));

static CHALLENGE: LazyLock<AhoCorasick> = LazyLock::new(|| search(CHALLENGE_SUBJECTS));

fn search<'w>(words: impl IntoIterator<Item = &'w &'w str>) -> AhoCorasick {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(words)
        .expect("a fixed list of short phrases is a small automaton")
}
