//! The text of a failure or delay, and the confirmation of a delivery: who said what.
//!
//! Way: `line` leaves the text, this module reads the reply in it.
//! Source: Exim `src/transports/smtp.c` and `lmtp.c` for the frames, `src/string.c` (`string_printing`) for the
//! escapes: a line end is `\n`, a byte that is not printable `\ooo` in octal, unless `print_topbitchars` is set.

use crate::model::{SmtpReply, SmtpStage};
use crate::parse::relay::reply::{leading_code, of_lines, one_line, split_enhanced};
use std::borrow::Cow;

/// A reply, and whether another server gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) reply: SmtpReply,
    pub(crate) is_remote: bool,
}

/// Reads the text behind a failure or delay.
pub(crate) fn read(text: &str) -> Told {
    const FRAMES: [&str; 3] = [
        "SMTP error from remote mail server after ",
        "LMTP error from remote mail server after ",
        "LMTP error after ",
    ];
    let text = without_times(text);
    if let Some(rest) = FRAMES.iter().find_map(|frame| text.strip_prefix(frame)) {
        let (command, words) = split_command(rest);
        return Told { reply: SmtpReply { stage: stage_of(command), ..read_words(words) }, is_remote: true };
    }
    let (enhanced, words) = split_enhanced(text);
    let reply =
        SmtpReply { code: 0, enhanced, text: one_line(&unescaped(words)), stage: stage_of_trouble(text) };
    Told { reply, is_remote: false }
}

/// Reads the confirmation of a delivery (`C=`): what the server said in the end.
pub(crate) fn read_confirmation(text: &str) -> SmtpReply {
    read_words(text)
}

/// Reads the words of a reply, which may have several lines.
fn read_words(words: &str) -> SmtpReply {
    let words = unescaped(words);
    of_lines(words.split('\n'))
}

/// Splits `RCPT TO:<r@b.example>: 550 no` before the code; what precedes is the command.
fn split_command(text: &str) -> (&str, &str) {
    let before_code =
        memchr::memmem::find_iter(text.as_bytes(), b": ").find(|at| leading_code(&text[at + 2..]).is_some());
    match before_code.or_else(|| text.find(": ")) {
        Some(at) => (&text[..at], &text[at + 2..]),
        None => (text, ""),
    }
}

/// Returns the stage of a command, by its first words.
fn stage_of(command: &str) -> SmtpStage {
    const COMMANDS: [(&str, SmtpStage); 13] = [
        ("RCPT", SmtpStage::Rcpt),
        ("end of data", SmtpStage::Dot),
        ("sending data block", SmtpStage::Data),
        ("MAIL", SmtpStage::Mail),
        ("DATA", SmtpStage::Data),
        ("BDAT", SmtpStage::Data),
        ("initial connection", SmtpStage::Banner),
        ("EHLO", SmtpStage::Ehlo),
        ("HELO", SmtpStage::Ehlo),
        ("LHLO", SmtpStage::Ehlo),
        ("STARTTLS", SmtpStage::Tls),
        ("AUTH", SmtpStage::Auth),
        ("authentication", SmtpStage::Auth),
    ];
    let command = command.strip_prefix("pipelined ").unwrap_or(command);
    let found = COMMANDS.iter().find(|(name, _)| command.starts_with(name));
    found.map_or(SmtpStage::Unknown, |(_, stage)| *stage)
}

/// Returns the stage at which the relay itself met trouble, by its phrase.
fn stage_of_trouble(text: &str) -> SmtpStage {
    const CONNECTION: [&str; 5] = [
        "Connection refused",
        "Connection timed out",
        "No route to host",
        "Network is unreachable",
        "Connection reset by peer",
    ];
    if let Some((_, command)) = text.split_once("closed connection in response to ") {
        return stage_of(command);
    }
    if let Some(command) = text.strip_prefix("SMTP timeout after ") {
        return stage_of(command);
    }
    if CONNECTION.iter().any(|phrase| text.starts_with(phrase)) {
        return SmtpStage::Connect;
    }
    if text.contains("TLS session") { SmtpStage::Tls } else { SmtpStage::Unknown }
}

/// Cuts ` DT=0.001s` and its like off the end.
fn without_times(text: &str) -> &str {
    let mut text = text.trim_ascii_end();
    while let Some((front, word)) = text.rsplit_once(' ')
        && (word.starts_with("DT=") || word.starts_with("QT="))
    {
        text = front.trim_ascii_end();
    }
    text
}

/// Undoes the escapes of a log.
fn unescaped(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, behind @ ..] = rest {
        let (byte, length) = if *byte == b'\\' { escape(behind) } else { (*byte, 0) };
        bytes.push(byte);
        rest = &behind[length..];
    }
    Cow::Owned(
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

/// Returns what stands for the escape behind a backslash, and its length; the backslash itself when it is none.
const fn escape(behind: &[u8]) -> (u8, usize) {
    match behind {
        [b'n', ..] => (b'\n', 1),
        [b't' | b'r' | b'b' | b'v' | b'f', ..] => (b' ', 1),
        [quoted @ (b'\\' | b'"'), ..] => (*quoted, 1),
        [high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', ..] => {
            ((*high - b'0') * 64 + (*middle - b'0') * 8 + (*low - b'0'), 3)
        }
        _ => (b'\\', 0),
    }
}

#[cfg(test)]
mod tests {
    use super::{read, read_confirmation};
    use crate::model::SmtpStage;

    #[track_caller]
    fn check(text: &str, code: u16, enhanced: &str, stage: SmtpStage, expect: &str) {
        let told = read(text);
        assert_eq!(
            (told.reply.code, told.reply.text.as_str(), told.reply.stage),
            (code, expect, stage),
            "{text}"
        );
        assert_eq!(told.reply.enhanced.map(|code| code.to_string()).unwrap_or_default(), enhanced, "{text}");
        assert_eq!(told.is_remote, code != 0, "{text}");
    }

    #[test]
    fn a_reply_is_read_without_its_frame() {
        const FRAME: &str = "SMTP error from remote mail server after ";
        check(
            &format!(
                r"{FRAME}RCPT TO:<r@b.example>: 550-5.1.1 no such\n550-5.1.1 user 550 \n550 5.1.1  here DT=0.000s"
            ),
            550,
            "5.1.1",
            SmtpStage::Rcpt,
            "no such user 550 here",
        );
        check(
            &format!("{FRAME}pipelined MAIL FROM:<s@a.example> SIZE=1414: 421 4.7.0 [TSS04] later: x"),
            421,
            "4.7.0",
            SmtpStage::Mail,
            "[TSS04] later: x",
        );
        check(
            &format!("{FRAME}initial connection: 554 5.7.1 [CS01] no"),
            554,
            "5.7.1",
            SmtpStage::Banner,
            "[CS01] no",
        );
        check(&format!("{FRAME}end of data: 552 1 aborted"), 552, "", SmtpStage::Dot, "1 aborted");
        check(
            &format!("{FRAME}RCPT TO:<r@b.example>: host mx.b.example [192.0.2.1]: 550 old form"),
            550,
            "",
            SmtpStage::Rcpt,
            "old form",
        );
        check("LMTP error after RCPT TO:<r@b.example>: 550 5.1.1 no", 550, "5.1.1", SmtpStage::Rcpt, "no");
    }

    #[test]
    fn what_the_relay_found_out_itself_has_no_code() {
        check("Connection refused DT=0.000s", 0, "", SmtpStage::Connect, "Connection refused");
        let lost = "Remote host closed connection in response to end of data";
        check(lost, 0, "", SmtpStage::Dot, lost);
        check("5.7.1 Recipient suppressed DT=0.000s", 0, "5.7.1", SmtpStage::Unknown, "Recipient suppressed");
        check("", 0, "", SmtpStage::Unknown, "");
    }

    #[test]
    fn escapes_are_undone() {
        let text = r"SMTP error from remote mail server after RCPT TO:<r@b.example>: 550 5.1.1 bo\303\256te \302\273 \\ \q \";
        check(text, 550, "5.1.1", SmtpStage::Rcpt, "bo\u{ee}te \u{bb} \\ \\q \\");
        let reply = read_confirmation(r#"250-2.0.0 first \"x\"\n250 2.0.0 Ok: queued"#);
        assert_eq!((reply.code, reply.text.as_str()), (250, "first \"x\" Ok: queued"));
        assert_eq!(read_confirmation(r"250 \377").text, "\u{fffd}");
    }
}
