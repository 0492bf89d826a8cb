//! The words of an SMTP reply, as logs write them.
//!
//! Way: the reader of a log cuts its own frame off (`host mx[ip] said: …`), this module reads what the other server
//! said.
//! Source: RFC 5321 section 4.2 for replies of several lines, RFC 3463 for enhanced codes.
//! Not here: what a reply means (`classify`).

use crate::model::{EnhancedCode, REPLY_BYTES_MAX, SmtpReply, SmtpStage, Text};
use memchr::memmem::Finder;

/// Reads a reply whose lines stand on one line: `550-5.1.1 aaa 550-5.1.1 bbb 550 5.1.1 ccc`.
///
/// The codes go, the texts are joined by one blank. The first enhanced code counts.
pub(crate) fn unfold(words: &str) -> SmtpReply {
    let Some((code, digits)) = leading_code(words) else {
        return SmtpReply { text: one_line(words), ..SmtpReply::default() };
    };
    let mut has_next = words.as_bytes().get(digits.len()) == Some(&b'-');
    let mut rest = words.get(digits.len() + 1..).unwrap_or_default();
    if !has_next {
        let (enhanced, text) = split_enhanced(rest);
        return SmtpReply { code, enhanced, text: one_line(text), stage: SmtpStage::Unknown };
    }
    let mut reply = SmtpReply { code, ..SmtpReply::default() };
    reply.text.reserve(rest.len().min(REPLY_BYTES_MAX));
    let finder = Finder::new(digits);
    loop {
        let next = if has_next { next_line(rest, &finder) } else { None };
        let (enhanced, line) = split_enhanced(next.map_or(rest, |at| &rest[..at]));
        reply.enhanced = reply.enhanced.or(enhanced);
        push_line(&mut reply.text, line);
        let Some(at) = next else { break };
        let separator = at + 1 + digits.len();
        has_next = rest.as_bytes().get(separator) == Some(&b'-');
        rest = rest.get(separator + 1..).unwrap_or_default();
    }
    reply
}

/// Reads a reply whose lines are known, each with its code: `550-5.1.1 aaa`, `550 5.1.1 bbb`.
pub(crate) fn of_lines<'a>(lines: impl Iterator<Item = &'a str>) -> SmtpReply {
    let mut reply = SmtpReply::default();
    for line in lines {
        let code = leading_code(line);
        let words = code.map_or(line, |(_, digits)| line.get(digits.len() + 1..).unwrap_or_default());
        let (enhanced, words) = split_enhanced(words);
        if reply.code == 0 {
            reply.code = code.map_or(0, |(code, _)| code);
        }
        reply.enhanced = reply.enhanced.or(enhanced);
        push_line(&mut reply.text, words);
    }
    reply
}

/// Returns where the next line of a reply begins: at the blank before its code.
///
/// `550-` always begins a line; `550 ` begins the last one, so not before another `550-`.
fn next_line(rest: &str, digits: &Finder<'_>) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut last = None;
    for at in digits.find_iter(bytes) {
        if at == 0 || bytes[at - 1] != b' ' {
            continue;
        }
        match bytes.get(at + digits.needle().len()) {
            Some(b'-') => return Some(at - 1),
            None | Some(b' ') => last = last.or(Some(at - 1)),
            Some(_) => {}
        }
    }
    last
}

/// Reads a three-digit code from the start, if nothing else can stand there.
pub(crate) fn leading_code(text: &str) -> Option<(u16, &str)> {
    let digits = text.get(..3)?;
    let is_code = matches!(digits.as_bytes(), [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9'])
        && matches!(text.as_bytes().get(3), None | Some(b' ' | b'-'));
    digits.parse().ok().filter(|_| is_code).map(|code| (code, digits))
}

/// Splits an enhanced code off the beginning.
pub(crate) fn split_enhanced(line: &str) -> (Option<EnhancedCode>, &str) {
    let line = line.trim_ascii_start();
    match EnhancedCode::parse_prefix(line) {
        Some((code, length)) => (Some(code), &line[length..]),
        None => (None, line),
    }
}

/// Returns the text with one blank between its words, at most [`REPLY_BYTES_MAX`] bytes.
pub(crate) fn one_line(text: &str) -> Text {
    let mut line = Text::default();
    push_line(&mut line, text);
    line
}

/// Appends the words of `line`, each after one blank, as far as [`REPLY_BYTES_MAX`] allows.
fn push_line(text: &mut Text, line: &str) {
    let line = line.trim_ascii();
    if has_single_blanks(line) {
        return push_word(text, line);
    }
    for word in line.split_ascii_whitespace() {
        push_word(text, word);
    }
}

fn push_word(text: &mut Text, word: &str) {
    let blank = if text.is_empty() { "" } else { " " };
    let room = REPLY_BYTES_MAX.saturating_sub(text.len() + blank.len());
    if room > 0 && !word.is_empty() {
        text.push_str(blank);
        text.push_str(&word[..word.floor_char_boundary(room)]);
    }
}

/// Whether the text is one line as it is, which most are.
fn has_single_blanks(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memmem::find(bytes, b"  ").is_none() && memchr::memchr3(b'\t', b'\n', b'\r', bytes).is_none()
}

#[cfg(test)]
mod tests {
    use super::of_lines;

    #[test]
    fn known_lines_are_joined_even_when_their_text_looks_like_a_line() {
        let reply = of_lines(["550-5.1.1 not 550 or", "550-5.1.1  ", "550 5.1.1 550 users"].into_iter());
        assert_eq!((reply.code, reply.text.as_str()), (550, "not 550 or 550 users"));
        assert_eq!(reply.enhanced.unwrap().to_string(), "5.1.1");
        assert_eq!(of_lines(["421 a", "b", "", "421"].into_iter()).text, "a b");
        assert_eq!(of_lines(std::iter::empty()).code, 0);
    }
}
