//! The text in parentheses behind a status: who said it, with which codes, at which stage.
//!
//! Way: `apply` hands the text of a delivery or a refusal in and puts the reply into the event.
//! Source: Postfix `src/smtp/smtp_proto.c`, `smtp_connect.c` and `smtp_trouble.c` for the phrases around a
//! reply.
//! Not here: what a reply means (`classify`).

use crate::model::{SmtpReply, SmtpStage};
use crate::parse::relay::cut::{at_last_byte, at_pair};
use crate::parse::relay::reply::{leading_code, one_line, split_enhanced, unfold};

/// A reply, and whether another server gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) reply: SmtpReply,
    /// False for what the relay found out itself: no answer, no DNS entry, its own policy.
    pub(crate) is_remote: bool,
}

/// The queue manager puts this before the last reply of a destination that it lets rest.
const SUSPENDED: &str = "delivery temporarily suspended: ";

/// Reads the text behind a delivery status, without its parentheses.
///
/// `agent_is_client` tells that the agent speaks SMTP or LMTP, so that a text which begins with a code is an
/// answer that it got.
pub(crate) fn read_delivery(text: &str, agent_is_client: bool) -> Told {
    let text = text.strip_prefix(SUSPENDED).unwrap_or(text);
    if let Some((words, stage)) = after_host(text) {
        let (words, stage_told) = split_stage(words);
        let stage = if stage == SmtpStage::Unknown { stage_told } else { stage };
        return Told { reply: SmtpReply { stage, ..unfold(words) }, is_remote: true };
    }
    if leading_code(text).is_some() {
        return Told { reply: unfold(text), is_remote: agent_is_client };
    }
    let reply = SmtpReply { text: one_line(text), stage: stage_of_trouble(text), ..SmtpReply::default() };
    Told { reply, is_remote: false }
}

/// Reads the reply that the relay's own server gave: `550 5.1.1 text`, `5.7.1 text` or text alone.
pub(crate) fn read_refusal(text: &str, stage: SmtpStage) -> SmtpReply {
    if leading_code(text).is_some() {
        return SmtpReply { stage, ..unfold(text) };
    }
    let (enhanced, text) = split_enhanced(text);
    SmtpReply { code: 0, enhanced, text: one_line(text), stage }
}

/// Cuts `host mx[ip] said: ` and its like off; the stage where the phrase itself tells it.
fn after_host(text: &str) -> Option<(&str, SmtpStage)> {
    const AUTH: &str = "SASL authentication failed; server ";
    if let Some(rest) = text.strip_prefix("host ") {
        let (_, rest) = at_pair(rest, *b"] ")?;
        if let Some(words) = rest.strip_prefix("said: ") {
            return Some((words, SmtpStage::Unknown));
        }
        return rest.strip_prefix("refused to talk to me: ").map(|words| (words, SmtpStage::Banner));
    }
    let (_, words) = text.strip_prefix(AUTH)?.split_once("] said: ")?;
    Some((words, SmtpStage::Auth))
}

/// Splits ` (in reply to RCPT TO command)` off the end. A line that was cut has none, or half of one.
fn split_stage(words: &str) -> (&str, SmtpStage) {
    if let Some((words, clause)) = at_last_byte(words, b'(')
        && let Some(command) = clause.strip_prefix("in reply to ")
    {
        return (words, stage_of_command(command));
    }
    (words, SmtpStage::Unknown)
}

/// Returns the stage of a command, which may have more words behind it.
pub(crate) fn stage_of_command(command: &str) -> SmtpStage {
    const COMMANDS: &[(&str, SmtpStage)] = &[
        ("RCPT", SmtpStage::Rcpt),
        ("end of DATA", SmtpStage::Dot),
        ("END-OF-MESSAGE", SmtpStage::Dot),
        ("MAIL", SmtpStage::Mail),
        ("DATA", SmtpStage::Data),
        ("BDAT", SmtpStage::Data),
        ("EHLO", SmtpStage::Ehlo),
        ("HELO", SmtpStage::Ehlo),
        ("LHLO", SmtpStage::Ehlo),
        ("STARTTLS", SmtpStage::Tls),
        ("AUTH", SmtpStage::Auth),
        ("CONNECT", SmtpStage::Connect),
    ];
    COMMANDS
        .iter()
        .find(|(name, _)| command.starts_with(name))
        .map_or(SmtpStage::Unknown, |(_, stage)| *stage)
}

/// Returns the stage at which the relay's own client met trouble, by its phrase.
fn stage_of_trouble(text: &str) -> SmtpStage {
    const BEGINNINGS: &[(&str, SmtpStage)] = &[
        ("connect to ", SmtpStage::Connect),
        ("TLS is required", SmtpStage::Tls),
        ("Cannot start TLS", SmtpStage::Tls),
        ("Server certificate", SmtpStage::Tls),
        ("SASL authentication failed", SmtpStage::Auth),
    ];
    const WHILE: &[(&str, SmtpStage)] = &[
        ("receiving the initial server greeting", SmtpStage::Banner),
        ("performing the EHLO", SmtpStage::Ehlo),
        ("performing the HELO", SmtpStage::Ehlo),
        ("performing the LHLO", SmtpStage::Ehlo),
        ("receiving the STARTTLS", SmtpStage::Tls),
        ("sending MAIL FROM", SmtpStage::Mail),
        ("sending RCPT TO", SmtpStage::Rcpt),
        ("sending DATA command", SmtpStage::Data),
        ("sending message body", SmtpStage::Data),
        ("sending end of data", SmtpStage::Dot),
    ];
    let stage_in = |table: &[(&str, SmtpStage)], text: &str| {
        table.iter().find(|(phrase, _)| text.starts_with(phrase)).map(|(_, stage)| *stage)
    };
    let broke_off = text.starts_with("lost connection with ") || text.starts_with("conversation with ");
    let found = match text.split_once(" while ") {
        Some((_, doing)) if broke_off => stage_in(WHILE, doing),
        _ => stage_in(BEGINNINGS, text),
    };
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{read_delivery, read_refusal};
    use crate::model::{REPLY_BYTES_MAX, SmtpStage};

    #[track_caller]
    fn check(text: &str, code: u16, enhanced: &str, stage: SmtpStage, expect: &str) {
        let told = read_delivery(text, true);
        assert_eq!(told.reply.code, code, "{text}");
        assert_eq!(told.reply.enhanced.map(|code| code.to_string()).unwrap_or_default(), enhanced, "{text}");
        assert_eq!(told.reply.stage, stage, "{text}");
        assert_eq!(told.reply.text, expect, "{text}");
        assert_eq!(told.is_remote, code != 0, "{text}");
    }

    #[test]
    fn a_reply_is_read_without_its_frame() {
        check("250 2.0.0 Ok:  queued as 17", 250, "2.0.0", SmtpStage::Unknown, "Ok: queued as 17");
        check(
            "host mx.example[192.0.2.1] said: 550 5.1.1 unknown (in reply to RCPT TO command)",
            550,
            "5.1.1",
            SmtpStage::Rcpt,
            "unknown",
        );
        check(
            "host mx.example[private/lmtp] said: 452 4.2.2 full (see help) (in reply to end of DATA command)",
            452,
            "4.2.2",
            SmtpStage::Dot,
            "full (see help)",
        );
        check(
            "SASL authentication failed; server mx.example[192.0.2.1] said: 535 5.7.8 no",
            535,
            "5.7.8",
            SmtpStage::Auth,
            "no",
        );
        check(
            "delivery temporarily suspended: host mx.example[2001:db8::1] refused to talk to me: 421 later",
            421,
            "",
            SmtpStage::Banner,
            "later",
        );
    }

    #[test]
    fn the_lines_of_a_reply_are_joined() {
        check(
            "550-5.7.26 mail of 550 senders 550-5.7.26 \u{20ac}  two 550 5.7.26 three",
            550,
            "5.7.26",
            SmtpStage::Unknown,
            "mail of 550 senders \u{20ac} two three",
        );
        check("550-5.1.1 a 550-5.1.1 b 550 5.1.1 c", 550, "5.1.1", SmtpStage::Unknown, "a b c");
        check("421-a 421-b 421", 421, "", SmtpStage::Unknown, "a b");
        check("421-a 422 b", 421, "", SmtpStage::Unknown, "a 422 b");
        check("421-", 421, "", SmtpStage::Unknown, "");
        check("421", 421, "", SmtpStage::Unknown, "");
    }

    #[test]
    fn what_the_relay_found_out_itself_has_no_code() {
        let lost = |doing: &str| format!("lost connection with mx.example[192.0.2.1] while {doing}");
        for (doing, stage) in [
            ("receiving the initial server greeting", SmtpStage::Banner),
            ("performing the EHLO handshake", SmtpStage::Ehlo),
            ("sending RCPT TO", SmtpStage::Rcpt),
            ("sending message body", SmtpStage::Data),
            ("sending end of data -- message may be sent more than once", SmtpStage::Dot),
        ] {
            check(&lost(doing), 0, "", stage, &lost(doing));
        }
        for (text, stage) in [
            ("connect to mx.example[192.0.2.1]:25: Connection refused", SmtpStage::Connect),
            ("Host or domain name not found. Name service error for name=a.example", SmtpStage::Unknown),
            ("TLS is required, but was not offered by host mx.example[192.0.2.1]", SmtpStage::Tls),
            ("mail for a.example loops back to myself", SmtpStage::Unknown),
            ("55 recipients", SmtpStage::Unknown),
        ] {
            check(text, 0, "", stage, text);
        }
    }

    #[test]
    fn a_reply_that_was_cut_keeps_what_is_there() {
        check("host mx.example[192.0.2.1] said: 550 5.1", 550, "", SmtpStage::Unknown, "5.1");
        check("host mx.example[192.0.2.1] said: 550-5.1.1 a 55", 550, "5.1.1", SmtpStage::Unknown, "a 55");
        check("host mx.example[192.0.2.1] said: 550 a (in reply to RC", 550, "", SmtpStage::Unknown, "a");
    }

    #[test]
    fn long_texts_end_between_two_characters() {
        let text = format!("550-{} 550 {}", "a".repeat(REPLY_BYTES_MAX - 2), "\u{20ac}".repeat(2));
        assert_eq!(read_delivery(&text, true).reply.text.len(), REPLY_BYTES_MAX - 1);
        let text = format!("550 a{}", "\u{20ac}".repeat(REPLY_BYTES_MAX));
        assert!(read_delivery(&text, true).reply.text.len() <= REPLY_BYTES_MAX);
    }

    #[test]
    fn the_relays_own_refusals_may_have_any_code() {
        let reply = read_refusal("550 5.7.1 <a@b.example>: no", SmtpStage::Rcpt);
        assert_eq!((reply.code, reply.text.as_str()), (550, "<a@b.example>: no"));
        let reply = read_refusal("5.7.1 Command rejected", SmtpStage::Dot);
        assert_eq!((reply.code, reply.enhanced.unwrap().subject), (0, 7));
        assert_eq!(read_refusal("no", SmtpStage::Dot).text, "no");
    }
}
