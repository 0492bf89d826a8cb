//! Message ids of Exim: what is one, and when its message arrived.
//!
//! Source: Exim's specification, section "Message identification": `tttttt-pppppp-ss`, since 4.97
//! `tttttt-ppppppppppp-ssss`. The first part is the time of arrival in seconds, in base 62 (in base 36 on systems
//! whose file names know no case, which no relay of mail runs on).

use crate::model::Timestamp;

/// Lengths of the three parts, before and since 4.97.
const FORMS: [[usize; 3]; 2] = [[6, 6, 2], [6, 11, 4]];

/// Splits a message id and the blank after it off the front of a text.
pub(crate) fn split(text: &str) -> Option<(&str, &str)> {
    FORMS.iter().find_map(|form| {
        let length = form.iter().sum::<usize>() + 2;
        let bytes = text.as_bytes().get(..length)?;
        let mut parts = bytes.split(|byte| *byte == b'-');
        let has_form = form.iter().all(|digits| {
            let is_part = |part: &[u8]| part.len() == *digits && part.iter().all(u8::is_ascii_alphanumeric);
            parts.next().is_some_and(is_part)
        });
        let rest = text.get(length..).filter(|_| has_form)?;
        let rest = if rest.is_empty() { rest } else { rest.strip_prefix(' ')? };
        Some((&text[..length], rest))
    })
}

/// Returns when the message arrived, to the second.
pub(crate) fn arrival(message_id: &str) -> Option<Timestamp> {
    let digits = message_id.as_bytes().get(..FORMS[0][0])?;
    let seconds = digits.iter().try_fold(0_i64, |seconds, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            _ => return None,
        };
        Some(seconds * 62 + i64::from(value))
    })?;
    Some(Timestamp::from_seconds(seconds))
}

#[cfg(test)]
mod tests {
    use super::{arrival, split};

    #[test]
    fn both_forms_are_read_with_their_time() {
        for (text, id, rest) in [
            ("1xUcxr-0003cf-25 => a", "1xUcxr-0003cf-25", "=> a"),
            ("1xUcxr-0000000003c-0025 Completed", "1xUcxr-0000000003c-0025", "Completed"),
            ("1xUcxr-0003cf-25", "1xUcxr-0003cf-25", ""),
        ] {
            assert_eq!(split(text), Some((id, rest)), "{text}");
            assert_eq!(arrival(id).unwrap().to_string(), "2026-11-21T04:44:39Z");
        }
    }

    #[test]
    fn other_words_are_no_ids() {
        for text in ["", "H=(app1.sender.test) [127.0.0.1]", "1xUcxr-0003cf-2", "1xUcxr-0003cf-25x", "no-id"]
        {
            assert_eq!(split(text), None, "{text}");
        }
        assert_eq!(arrival("1xU"), None);
        assert_eq!(arrival("1xUcx\u{e9}"), None);
    }
}
