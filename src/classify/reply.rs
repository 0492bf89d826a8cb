//! One reply on one line: reads the codes at its front and drops those that a multi-line reply repeats inside.
//!
//! Way: `template` and `bounce` look at a reply only through [`fold`].
//! Source: RFC 5321 section 4.2.1 (`550-5.1.1 first line`, `550 5.1.1 last line`); qmail's `(#5.1.1)` at the end
//! (RFC 1893 wording of its time).
//! Not here: the `smtp;` in front of a Diagnostic-Code field (`parse`).

use crate::model::EnhancedCode;
use std::borrow::Cow;

/// A reply without the codes of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folded<'a> {
    /// The three-digit code, or 0 when the text does not begin with one.
    pub(super) code: u16,
    pub(super) enhanced: Option<EnhancedCode>,
    pub(super) text: Cow<'a, str>,
}

/// Reads the codes in front of `text` and drops them wherever a later line of the same reply repeats them.
///
/// `code` is what the caller knows already, or 0; it lets the lines of a reply be found whose first code was cut.
pub(super) fn fold(text: &str, code: u16) -> Folded<'_> {
    let mut rest = text.trim();
    let mut found = Folded { code: 0, enhanced: None, text: Cow::Borrowed("") };
    // Some servers say their code twice: `550 550 5.1.1 user unknown`.
    while let Some((line_code, after)) = line_code(rest) {
        if found.code != 0 && line_code != found.code {
            break;
        }
        found.code = line_code;
        rest = after;
    }
    if let Some((enhanced, after)) = enhanced_prefix(rest) {
        found.enhanced = Some(enhanced);
        rest = after;
    } else {
        found.enhanced = hash_code(rest);
    }
    let known = if found.code == 0 { code } else { found.code };
    found.text = if known == 0 { Cow::Borrowed(rest) } else { drop_repeats(rest, known) };
    found
}

/// Reads `550 `, `550-` or a bare `550`; returns the code and what follows.
fn line_code(text: &str) -> Option<(u16, &str)> {
    let bytes = text.as_bytes();
    let digits = bytes.get(..3)?;
    if !(b'2'..=b'5').contains(&digits[0]) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    match bytes.get(3) {
        Some(b' ' | b'-') => {}
        // A bare `255` is a local agent's exit status.
        None if digits[0] >= b'4' => {}
        _ => return None,
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    Some((code, text.get(4..).unwrap_or("").trim_start()))
}

/// Reads `5.1.1` or Cisco's `#5.1.1`; returns the code and what follows.
fn enhanced_prefix(text: &str) -> Option<(EnhancedCode, &str)> {
    let bare = text.strip_prefix('#').unwrap_or(text);
    let (enhanced, length) = EnhancedCode::parse_prefix(bare)?;
    Some((enhanced, bare[length..].trim_start()))
}

/// Finds the status that qmail and its kin put at the end: `sorry, no mailbox here by that name (#5.1.1)`.
fn hash_code(text: &str) -> Option<EnhancedCode> {
    let at = text.rfind("(#")?;
    EnhancedCode::parse_prefix(&text[at + 2..]).map(|(enhanced, _)| enhanced)
}

/// Cuts `550-5.1.1`, `550-` and (once such a line was seen, or with a status behind it) `550 ` out of the text.
fn drop_repeats(text: &str, code: u16) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut kept: Option<String> = None;
    let (mut copied, mut many_lines) = (0, false);
    let starts = std::iter::once(0).chain(memchr::memchr2_iter(b' ', b'\n', bytes).map(|blank| blank + 1));
    for start in starts {
        let Some((_, after)) =
            line_code(&text[start..]).filter(|(found, _)| *found == code && start >= copied)
        else {
            continue;
        };
        let status = enhanced_prefix(after);
        let continued = bytes.get(start + 3) == Some(&b'-');
        if !(continued || many_lines || status.is_some()) {
            continue;
        }
        many_lines |= continued;
        let out = kept.get_or_insert_with(|| String::with_capacity(text.len()));
        out.push_str(&text[copied..start]);
        copied = text.len() - status.map_or(after, |(_, after)| after).len();
    }
    match kept {
        None => Cow::Borrowed(text),
        Some(mut out) => {
            out.push_str(&text[copied..]);
            Cow::Owned(out)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: u16, want: (u16, &str, &str)) {
        let folded = fold(text, code);
        let enhanced = folded.enhanced.map(|code| code.to_string()).unwrap_or_default();
        assert_eq!((folded.code, enhanced.as_str(), folded.text.as_ref()), want, "{text}");
    }

    #[test]
    fn the_codes_in_front_are_read() {
        check("550 5.1.1 User unknown", 0, (550, "5.1.1", "User unknown"));
        check("421 Try later", 0, (421, "", "Try later"));
        check("550 #5.1.0 Address rejected.", 0, (550, "5.1.0", "Address rejected."));
        check("550 550 5.1.1 twice", 0, (550, "5.1.1", "twice"));
        check("5.7.1 no reply code", 0, (0, "5.7.1", "no reply code"));
        check("550", 0, (550, "", ""));
        check("", 0, (0, "", ""));
    }

    #[test]
    fn a_status_at_the_end_is_read() {
        check("553 sorry, no such user (#5.1.1)", 0, (553, "5.1.1", "sorry, no such user (#5.1.1)"));
    }

    #[test]
    fn the_codes_of_later_lines_are_dropped() {
        check("550-5.1.1 one 550-5.1.1 two 550 5.1.1 three", 0, (550, "5.1.1", "one two three"));
        check("one 550-5.1.1 two 550 5.1.1 three", 550, (0, "", "one two three"));
        check("554-first 554 last", 0, (554, "", "first 554 last"));
        check("554-first 554-second 554 last", 0, (554, "", "first second last"));
    }

    #[test]
    fn a_number_in_a_sentence_stays() {
        check("552 limit is 552 bytes", 0, (552, "", "limit is 552 bytes"));
        check("5500 years", 0, (0, "", "5500 years"));
    }
}
