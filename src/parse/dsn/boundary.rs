//! Where the returned message begins within a text: what stands behind belongs to it, and is no word of the notice.
//!
//! Way: `page` cuts every text part here.
//! Source: RFC 5322 section 3.6 for the fields that only a message's head has; the marker lines are those that mail
//! servers write in front of what they send back.
//! Not here: reading the returned head (`returned`).

use crate::parse::text::{at_colon, lines, whole_lines};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::sync::LazyLock;

/// A marker line is short: a sentence that mentions the original message is no marker.
const MARKER_BYTES_MAX: usize = 120;

/// What marker lines say.
const MARKERS: &[&str] = &[
    "copy of the message",
    "copy of your message",
    "copy of the original",
    "copy of the mail",
    "copy of your original",
    "original message",
    "original mail",
    "original headers",
    "original e-mail",
    "original email",
    "your message follows",
    "unsent message",
    "message headers follow",
    "message header follows",
    "message text follows",
    "message body follows",
    "message follows",
    "headers follow",
    "header follows",
    "returned message",
    "returned mail",
    "returned text",
    "rejected message",
    "failed message",
    "bounced message",
    "bounced e-mail",
    "undelivered message",
    "undelivered mail",
    "undeliverable message",
    "header of the original",
    "headers of the original",
    "headers of the message",
    "header of the message",
    "first lines of the message",
    "start of message",
    "start of the message",
    "beginning of message",
    "text of your message",
    "text of message",
    "message that was not delivered",
    "message which could not be delivered",
    "message contents",
    "contents of your message",
    "ursprüngliche nachricht",
    "ursprünglichen nachricht",
    "originalnachricht",
    "kopie der nachricht",
    "kopie ihrer nachricht",
    "message original",
    "message d'origine",
    "copie du message",
    "copie de votre message",
    "mensaje original",
    "copia del mensaje",
    "mensagem original",
    "cópia da mensagem",
    "messaggio originale",
    "copia del messaggio",
    "oorspronkelijk bericht",
    "oprindelig",
    "исходное сообщение",
    "копия письма",
    "元のメッセージ",
    "元のメール",
    "原邮件",
    "原始邮件",
];

static SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(MARKERS)
        .expect("a fixed list of short phrases is a small automaton")
});

/// The part of the text that is the notice, and the part that is the returned message.
pub(super) fn split(text: &str) -> (&str, &str) {
    let mut run: Option<Run> = None;
    let mut begin = 0;
    let mut has_content = false;
    for line in whole_lines(text) {
        let next = begin + line.len();
        let bare = line.trim_end();
        if bare.is_empty() {
            run = None;
        } else if has_content && (is_marker(bare) || is_part_of_source(bare)) {
            return (&text[..begin], &text[next..]);
        } else if let Some(kind) = field_kind(bare) {
            let run = run.get_or_insert(Run { begin, fields: 0, is_head: false });
            run.fields += 1;
            run.is_head |= kind == FieldKind::HeadOnly;
        } else if bare.starts_with([' ', '\t']) {
            // Folded: as good as one more field for a lone `Received`.
            run = run.map(|run| Run { fields: run.fields + u8::from(run.fields == 1 && run.is_head), ..run });
        } else {
            run = None;
        }
        if let Some(run) = run.filter(|run| run.is_head && run.fields > 1) {
            return text.split_at(run.begin);
        }
        has_content |= bare.bytes().any(|byte| byte.is_ascii_alphanumeric() || byte >= 0x80);
        begin = next;
    }
    (text, "")
}

/// Consecutive lines that look like the fields of a head.
#[derive(Debug, Clone, Copy)]
struct Run {
    begin: usize,
    fields: u8,
    is_head: bool,
}

/// Whether the line says that the message comes next: it says little else, or stands between rules, or ends in a colon.
fn is_marker(line: &str) -> bool {
    const RULES: [char; 8] = ['-', '=', '*', '_', '+', '|', '~', '#'];
    let line = line.trim_start();
    let is_ruled = line.len() - line.trim_start_matches(RULES).len() > 2;
    let is_introduced = is_ruled || line.ends_with(':');
    // Most lines of prose are longer than what a marker says.
    if line.len() > MARKER_BYTES_MAX || !is_introduced && line.len() > 2 * LONGEST_BYTES + 8 {
        return false;
    }
    let bare = line.trim_matches(|letter: char| !letter.is_alphanumeric());
    SEARCH.find(bare).is_some_and(|found| is_introduced || 2 * (found.end() - found.start()) >= bare.len())
}

/// The longest of the markers, in bytes.
const LONGEST_BYTES: usize = 36;

/// MIME source in the open, where the boundary of the mail was lost: the part of the returned message begins.
fn is_part_of_source(line: &str) -> bool {
    let is_type = line.get(..13).is_some_and(|name| name.eq_ignore_ascii_case("content-type:"));
    is_type && {
        let kind = line[13..].trim_start();
        let starts =
            |prefix: &str| kind.get(..prefix.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(prefix));
        starts("message/rfc822")
            || starts("text/rfc822-headers")
            || starts("message/global") && !starts("message/global-delivery-status")
    }
}

/// Whether a text begins with a head, as far as its first lines tell.
pub(super) fn has_head(text: &str) -> bool {
    const LINES_MAX: usize = 12;
    lines(text).filter(|line| !line.trim().is_empty()).take(LINES_MAX).any(|line| field_kind(line).is_some())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FieldKind {
    /// Stands in the head of every message, and now and then in a notice's text.
    Usual,
    /// Stands in the head of a message alone.
    HeadOnly,
}

/// Whether a line begins with the name of a message's field.
fn field_kind(line: &str) -> Option<FieldKind> {
    const HEAD_ONLY: [&str; 9] = [
        "received",
        "return-path",
        "message-id",
        "dkim-signature",
        "mime-version",
        "delivered-to",
        "x-received",
        "domainkey-signature",
        "arc-seal",
    ];
    const USUAL: [&str; 13] = [
        "from",
        "to",
        "cc",
        "subject",
        "date",
        "sender",
        "reply-to",
        "content-type",
        "content-transfer-encoding",
        "list-id",
        "references",
        "in-reply-to",
        "feedback-id",
    ];
    let (name, _) = at_colon(line)?;
    let name = name.trim_end();
    let is = |names: &[&str]| names.iter().any(|one| one.eq_ignore_ascii_case(name));
    match name.len() {
        2..=25 if is(&HEAD_ONLY) => Some(FieldKind::HeadOnly),
        2..=25 if is(&USUAL) => Some(FieldKind::Usual),
        3..=40 if name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-")) => {
            Some(FieldKind::Usual)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, notice: &str) {
        assert_eq!(split(text).0, notice, "text was {text:?}");
    }

    #[test]
    fn marker_lines_end_the_notice() {
        check(
            "no such user\n--- Below this line is a copy of the message.\n\nSubject: x\n",
            "no such user\n",
        );
        check("no\n   ----- Unsent message follows -----\nx", "no\n");
        check("no\nOriginal message follows.\nx", "no\n");
        check("no\nOriginal message headers:\n\nx", "no\n");
        check("no\n|------------------------- Message text follows: ------------------------|\nx", "no\n");
    }

    #[test]
    fn no_marker_is_longer_than_said() {
        assert_eq!(MARKERS.iter().map(|marker| marker.len()).max(), Some(LONGEST_BYTES));
    }

    #[test]
    fn sentences_about_the_message_do_not() {
        let text = "The original message was received at Thu, 29 Apr 2010 23:34:45 +0900\nfrom example.com\n";
        check(text, text);
        let text =
            "below could not be delivered; a copy of the original message is kept for you, please read on\n";
        check(text, text);
    }

    #[test]
    fn the_head_of_a_message_ends_the_notice() {
        check("no\n\nReceived: from a\n by b\nSubject: x\n", "no\n\n");
        check("no\n\nFrom: a\nTo: b\nMessage-ID: <x@y>\n", "no\n\n");
        let text = "Your message\n  To: a\n  Subject: x\ndid not reach\n";
        check(text, text);
        let text = "Reporting-MTA: dns; a\nArrival-Date: x\n\nFinal-Recipient: rfc822; a@example.com\n";
        check(text, text);
    }

    #[test]
    fn mime_source_ends_the_notice() {
        check("no\n--b\nContent-Type: message/rfc822\n\nx", "no\n--b\n");
    }
}
