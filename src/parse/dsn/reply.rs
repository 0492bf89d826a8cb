//! The SMTP reply inside a diagnostic: code, status, text, and the step of the conversation that it answers.
//!
//! Way: every format hands the text that stands beside a recipient to [`read`]; `classify` reads the result.
//! Source: RFC 5321 section 4.2 (codes), RFC 3463 (status); qmail's `(#5.1.1)` at the end; Amazon SES' and Exchange's
//! expiry texts, which carry the last reply of the other side behind their own (`554 4.4.7 … <421 4.4.2 …>`,
//! `550 5.4.300 … -> 451 4.7.650 …`).
//! Not here: what a reply means (`classify`).

use crate::model::{EnhancedCode, REPLY_BYTES_MAX, SmtpReply, Text};
use crate::parse::dsn::step;

/// A code in a text, with what speaks for it being one.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    at: usize,
    code: u16,
    enhanced: Option<EnhancedCode>,
    weight: u8,
    /// What stands before it belongs to the diagnostic.
    keeps_words: bool,
}

/// Reads the reply in a text that is one line already, see [`unfold`].
pub(super) fn read(text: &str) -> SmtpReply {
    SmtpReply { stage: step::read(text), ..without_stage(text) }
}

/// As [`read`], for those who do not ask at which step it was given.
pub(super) fn without_stage(text: &str) -> SmtpReply {
    let candidates = candidates(text);
    let best = best(text, &candidates);
    let code = best.map_or(0, |best| best.code);
    let enhanced = best.and_then(|best| best.enhanced).or_else(|| lone_status(text, code));
    // What stands before the code is the reporting server's: "host mx.example.com said:".
    let kept = best.filter(|best| !best.keeps_words).map_or(text, |best| within_brackets(text, best.at));
    SmtpReply { code, enhanced, text: cut(without_step(kept)), ..SmtpReply::default() }
}

/// The text from `at` on, up to the end of the brackets or quotes that were opened for it: `(reason: 550 no)`,
/// `returned '550 no'`.
fn within_brackets(text: &str, at: usize) -> &str {
    const WORD_BYTES_MAX: usize = 16;
    let (before, kept) = text.split_at(at);
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b": ".contains(&byte));
    let opening = before
        .rfind(['(', '[', '<', '\'', '"'])
        .filter(|open| before.len() - open <= WORD_BYTES_MAX && is_word(&before[open + 1..]));
    let Some(open) = opening.map(|open| before.as_bytes()[open]) else { return kept };
    let close = match open {
        b'(' => b')',
        b'[' => b']',
        b'<' => b'>',
        quote => quote,
    };
    let mut depth = 1;
    for (at, byte) in kept.bytes().enumerate() {
        if byte == close
            && (open != close || kept.as_bytes().get(at + 1).is_none_or(|next| !next.is_ascii_alphanumeric()))
        {
            depth -= 1;
        } else if byte == open && open != close {
            depth += 1;
        }
        if depth == 0 {
            return &kept[..at];
        }
    }
    kept
}

/// Whether a text holds a code.
pub(super) fn has_code(text: &str) -> bool {
    !candidates(text).is_empty()
}

fn best(text: &str, candidates: &[Candidate]) -> Option<Candidate> {
    let first = candidates.iter().max_by_key(|one| (one.weight, std::cmp::Reverse(one.at)))?;
    // An expiry is the reporting server's own word; what the other side said last stands behind it.
    let is_expiry = |one: &Candidate| {
        let expired = [(4, 4, 7), (5, 4, 7), (5, 4, 300), (4, 4, 300)];
        one.enhanced.is_some_and(|code| expired.contains(&(code.class, code.subject, code.detail)))
    };
    let Some(last) = candidates.iter().rfind(|one| one.weight >= 2 && one.at > first.at) else {
        return Some(*first);
    };
    // `554 <bob@example.com>... 550 Host unknown`: Sendmail's code around the one that it was given.
    let between = &text[first.at..last.at];
    let is_wrapped = is_expiry(first) || between.contains("->") || between.ends_with("... ");
    Some(if is_wrapped { *last } else { *first })
}

/// All codes of a text, from left to right.
fn candidates(text: &str) -> Vec<Candidate> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = memchr::memchr2(b'4', b'5', &bytes[from..]).map(|at| from + at) {
        from = at + 1;
        let Some([class, tens, ones]) = bytes.get(at..at + 3).map(|code| [code[0], code[1], code[2]]) else {
            break;
        };
        // RFC 5321 section 4.2.1: the second digit is 0 to 5; real codes beyond 57x are not known.
        if !(b'0'..=b'7').contains(&tens) || !ones.is_ascii_digit() {
            continue;
        }
        let before = at.checked_sub(1).map(|at| bytes[at]);
        let begins = before.is_none_or(|before| b" \t<>\"'([:;=-{".contains(&before));
        let ends = bytes.get(at + 3).is_none_or(|next| b" \t-:;,<\"')]#>".contains(next))
            || bytes.get(at + 3) == Some(&b'.') && bytes.get(at + 4).is_none_or(u8::is_ascii_whitespace);
        if !begins || !ends {
            continue;
        }
        let code = u16::from(class - b'0') * 100 + u16::from(tens - b'0') * 10 + u16::from(ones - b'0');
        let enhanced = status_behind(&text[at + 3..]);
        let is_introduced = introduces(&text[..at]);
        let weight = match enhanced {
            Some(enhanced) if enhanced.class == class - b'0' => 4,
            Some(_) => 3,
            None if is_introduced || goes_on(&text[at + 3..]) => 2,
            None => 1,
        };
        // Plain words before a bare code are the diagnostic, too: "mail.local: unknown user: bob 554 <bob@…>...".
        let keeps_words = enhanced.is_none() && !is_introduced;
        found.push(Candidate { at, code, enhanced, weight, keeps_words });
        from = at + 3;
    }
    found
}

/// The status right behind a code: `550 5.1.1`, `550-5.1.1`, `550 #5.1.1`, `550-'5.2.2`, `550 550 5.1.1`, `550: 5.1.1`.
fn status_behind(after: &str) -> Option<EnhancedCode> {
    let mut rest = after;
    loop {
        rest = rest.trim_start_matches([' ', '-', '#', '\'', '"', ':', '<', '(', '[', '>']);
        if let Some((code, _)) = EnhancedCode::parse_prefix(rest) {
            return Some(code);
        }
        let is_code = rest.len() > 3
            && rest.as_bytes()[..3].iter().all(u8::is_ascii_digit)
            && b" -".contains(&rest.as_bytes()[3]);
        if !is_code {
            return None;
        }
        rest = &rest[3..];
    }
}

/// Whether what stands before a code says that it is a reply, and no number in a sentence.
fn introduces(before: &str) -> bool {
    const WORDS: [&str; 11] = [
        "said",
        "returned",
        "responded",
        "reply",
        "response",
        "error",
        "code",
        "reason",
        "was",
        "status",
        "smtp",
    ];
    let before = before.trim_end();
    if before.is_empty()
        || before.ends_with("...")
        || before.ends_with([':', '<', '>', '"', '\'', '(', '[', ';', '='])
    {
        return true;
    }
    let word = before.rsplit(' ').next().unwrap_or_default();
    WORDS.iter().any(|says| word.eq_ignore_ascii_case(says))
}

/// Whether what stands behind a code goes on as a reply does: `550-first line`, `550 <bob@example.com>`.
fn goes_on(after: &str) -> bool {
    let after = after.as_bytes();
    after.first() == Some(&b'-') && after.get(1).is_some_and(u8::is_ascii_alphanumeric)
        || after.get(..2) == Some(b" <")
}

/// A status that does not stand behind a code; `class_of` is the code, whose class it should have.
pub(super) fn lone_status(text: &str, class_of: u16) -> Option<EnhancedCode> {
    let bytes = text.as_bytes();
    let mut other = None;
    for point in memchr::memchr_iter(b'.', bytes) {
        let Some(at) = point.checked_sub(1) else { continue };
        let before = at.checked_sub(1).map(|at| bytes[at]);
        if !before.is_none_or(|before| b" #([<'\":;-=\t".contains(&before)) {
            continue;
        }
        let Some(status) = text.get(at..).and_then(EnhancedCode::parse_prefix).map(|(status, _)| status)
        else {
            continue;
        };
        if class_of == 0 || class_of / 100 == u16::from(status.class) {
            if status.class != 2 {
                return Some(status);
            }
        } else {
            other.get_or_insert(status);
        }
    }
    other
}

/// Drops Postfix' note of the step, `(in reply to RCPT TO command)`: it is no word of the other side.
fn without_step(text: &str) -> &str {
    text.rfind(" (in reply to ").map_or(text, |at| &text[..at])
}

/// One line out of lines: each run of blanks and line ends becomes one blank.
pub(super) fn unfold(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(2 * REPLY_BYTES_MAX));
    for word in text.split_ascii_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        // Twice the limit, because the reply proper may begin behind an introduction.
        if out.len() > 2 * REPLY_BYTES_MAX {
            break;
        }
    }
    out
}

/// The text within the limit of a reply.
fn cut(text: &str) -> Text {
    Text::from(text[..text.floor_char_boundary(REPLY_BYTES_MAX)].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: (u16, &str, &str)) {
        let reply = read(&unfold(text));
        let enhanced = reply.enhanced.map(|code| code.to_string()).unwrap_or_default();
        assert_eq!((reply.code, enhanced.as_str(), reply.text.as_str()), want, "{text}");
    }

    #[test]
    fn a_reply_is_read_behind_its_introduction() {
        check(
            "host mx.example.com[192.0.2.1] said: 550 5.1.1 <bob@example.com>: No\n user (in reply to RCPT TO command)",
            (550, "5.1.1", "550 5.1.1 <bob@example.com>: No user"),
        );
        check("Remote host said: 552 Error: quota", (552, "", "552 Error: quota"));
        check("(reason: 550 no (such) user) (expanded)", (550, "", "550 no (such) user"));
        check("returned '550 user doesn't exist'.", (550, "", "550 user doesn't exist"));
        check("550-first\n550-5.7.1 second\n550 last", (550, "5.7.1", "550-5.7.1 second 550 last"));
    }

    #[test]
    fn a_lone_status_is_read() {
        check(
            "Sorry, no mailbox here by that name. (#5.1.1)",
            (0, "5.1.1", "Sorry, no mailbox here by that name. (#5.1.1)"),
        );
        check("[#4.1.9].", (0, "4.1.9", "[#4.1.9]."));
        check("553 sorry (#5.7.1)", (553, "5.7.1", "553 sorry (#5.7.1)"));
    }

    #[test]
    fn numbers_of_a_sentence_are_no_codes() {
        check("retried for 432000 seconds", (0, "", "retried for 432000 seconds"));
        check("host 192.0.2.455 port 5500", (0, "", "host 192.0.2.455 port 5500"));
        check("Postfix 3.4.5 on 10.5.1.1", (0, "", "Postfix 3.4.5 on 10.5.1.1"));
        check("(000C05A6)", (0, "", "(000C05A6)"));
    }

    #[test]
    fn the_last_word_of_the_other_side_counts_behind_an_expiry() {
        check(
            "554 4.4.7 Message expired: unable to deliver in 840 minutes.<421 4.4.2 Connection timed out>",
            (421, "4.4.2", "421 4.4.2 Connection timed out"),
        );
        check(
            "550 5.4.300 Message expired -> 451 4.7.650 slow down",
            (451, "4.7.650", "451 4.7.650 slow down"),
        );
    }
}
