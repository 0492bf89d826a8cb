//! One line in any of Haraka's three forms: which message, which part of the program, what it says.
//!
//! Way: the reader cuts time and host off, this module reads the rest, `apply` acts on it.
//! Source: Haraka `logger.js`.

use crate::model::RejectReason;
use crate::parse::Reject;
use crate::parse::ndjson::value::{Value, json_reject};
use crate::parse::relay::cut::at_byte;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A line that may tell something of mail.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// `UUID`, `UUID.transaction` or `UUID.transaction.destination`; `-` for a line about none.
    pub(super) uuid: Cow<'a, str>,
    /// Whether the outbound part wrote it; else it was the server.
    pub(super) is_outbound: bool,
    pub(super) message: Cow<'a, str>,
    fields: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Whether the text is a line of the logger, without time and host.
pub(super) fn has_form(text: &str) -> bool {
    text.starts_with("{\"level\":")
        || text.starts_with("level=")
        || text.starts_with('[') && text.contains("] [")
}

/// Whether the line is an entry of the system's journal.
pub(super) fn is_of_journal(line: &str) -> bool {
    line.starts_with('{') && !has_form(line)
}

impl<'a> Entry<'a> {
    /// Reads a line; `None` for a part of the program that tells nothing of mail.
    ///
    /// # Errors
    ///
    /// [`RejectReason::Syntax`] for broken JSON.
    pub(super) fn read(text: &'a str) -> Result<Option<Self>, Reject> {
        if text.starts_with('{') {
            return Self::of_json(text);
        }
        if text.starts_with("level=") {
            return Ok(Self::of_logfmt(text));
        }
        Ok(Self::of_default(text))
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_ref())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| known == name)
    }

    /// `[NOTICE] [UUID.1] [core] recipient <r@b.example> code=OK msg=""`.
    fn of_default(text: &'a str) -> Option<Self> {
        let (_level, rest) = bracketed(text)?;
        let (uuid, rest) = bracketed(rest)?;
        let (origin, rest) = bracketed(rest)?;
        let is_outbound = is_outbound(origin)?;
        let rest = rest.trim_ascii_start();
        let has_fields = !is_outbound || rest.starts_with("delivered file=") || rest.starts_with("secured ");
        let at = if has_fields { message_length(rest) } else { rest.len() };
        Some(Self {
            uuid: uuid.into(),
            is_outbound,
            message: rest[..at].trim_ascii().into(),
            fields: pairs(&rest[at..]),
        })
    }

    fn of_logfmt(text: &'a str) -> Option<Self> {
        let mut entry = Self { fields: pairs(text), ..Self::default() };
        entry.is_outbound = is_outbound(entry.get("origin"))?;
        let take =
            |name: &str| entry.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        entry.uuid = take("uuid").unwrap_or_default();
        entry.message = take("message").unwrap_or_default();
        Some(entry)
    }

    fn of_json(text: &'a str) -> Result<Option<Self>, Reject> {
        let wire: BTreeMap<Cow<'a, str>, Value<'a>> =
            serde_json::from_str(text).map_err(|error| json_reject(&error))?;
        let text_of = |value: Value<'a>| match value {
            Value::Text(text) => text,
            Value::Bare(text) | Value::Nested(text) => Cow::Borrowed(text),
            Value::Null => Cow::Borrowed(""),
        };
        let fields = wire.into_iter().map(|(name, value)| (name, text_of(value))).collect();
        let mut entry = Self { fields, ..Self::default() };
        let Some(is_outbound) = is_outbound(entry.get("origin")) else { return Ok(None) };
        if !entry.has("uuid") {
            return Err(Reject::new(
                RejectReason::MissingField,
                "`uuid` is missing; a log line of Haraka has it",
            ));
        }
        entry.is_outbound = is_outbound;
        entry.uuid = entry.get("uuid").to_owned().into();
        entry.message = entry.get("message").to_owned().into();
        Ok(Some(entry))
    }
}

/// Whether the outbound part wrote a line; `None` for parts that tell nothing of mail.
fn is_outbound(origin: &str) -> Option<bool> {
    match origin {
        "core" => Some(false),
        "outbound" => Some(true),
        _ => None,
    }
}

fn bracketed(text: &str) -> Option<(&str, &str)> {
    at_byte(text.trim_ascii_start().strip_prefix('[')?, b']')
}

/// Returns where the first `name=` of a message begins. An address before it is passed over, since a quoted local part
/// may hold anything.
fn message_length(text: &str) -> usize {
    let skipped = text
        .find('<')
        .filter(|at| !text[..*at].contains('='))
        .map_or(0, |at| at + address_length(&text[at..]));
    let Some(equals) = memchr::memchr(b'=', &text.as_bytes()[skipped..]) else { return text.len() };
    text[..skipped + equals].rfind(' ').map_or(0, |blank| blank + 1).max(skipped)
}

/// Returns the length of `<"odd, x=1>"@b.example>` at the start, or 1 when it has no end.
fn address_length(text: &str) -> usize {
    let (mut in_quotes, mut is_escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_quotes = !in_quotes,
            b'>' if !in_quotes => return at + 1,
            _ => {}
        }
    }
    1
}

/// Splits `<r@b.example> rest` into the address without its brackets and the rest.
pub(super) fn split_address(text: &str) -> Option<(&str, &str)> {
    let length = address_length(text);
    let address = text.get(..length)?.strip_prefix('<')?.strip_suffix('>')?;
    Some((address, &text[length..]))
}

/// Reads `name=value name="value \"quoted\"" …`; words without `=` are passed over.
fn pairs(text: &str) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        let end = memchr::memchr2(b'=', b' ', rest.as_bytes()).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        if let Some(value) = behind.strip_prefix('=') {
            let (value, behind) = split_value(value);
            pairs.push((Cow::Borrowed(name), value));
            rest = behind.trim_ascii_start();
        } else {
            rest = behind.trim_ascii_start();
        }
    }
    pairs
}

fn split_value(text: &str) -> (Cow<'_, str>, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = at_byte(text, b' ').unwrap_or((text, ""));
        return (Cow::Borrowed(value), rest);
    };
    let mut value = Cow::Borrowed("");
    let mut from = 0;
    while let Some(at) = memchr::memchr2(b'"', b'\\', &quoted.as_bytes()[from..]).map(|at| from + at) {
        let piece = &quoted[from..at];
        if quoted.as_bytes()[at] == b'"' {
            return (if value.is_empty() { Cow::Borrowed(piece) } else { value + piece }, &quoted[at + 1..]);
        }
        let Some(escaped) = quoted[at + 1..].chars().next() else { break };
        value.to_mut().push_str(piece);
        value.to_mut().push(match escaped {
            'n' | 'r' => ' ',
            other => other,
        });
        from = at + 1 + escaped.len_utf8();
    }
    (value + &quoted[from..], "")
}

#[cfg(test)]
mod tests {
    use super::{Entry, split_address};

    #[track_caller]
    fn check(text: &str, uuid: &str, message: &str, fields: &[(&str, &str)]) {
        let entry = Entry::read(text).unwrap().unwrap();
        assert_eq!((entry.uuid.as_ref(), entry.message.as_ref()), (uuid, message), "{text}");
        for (name, value) in fields {
            assert!(entry.has(name), "{name} of {text}");
            assert_eq!(entry.get(name), *value, "{name} of {text}");
        }
    }

    #[test]
    fn the_three_forms_say_the_same() {
        let fields = [("code", "DENY"), ("msg", "say \"no\" x=1"), ("sender", "s@a.example")];
        let message = r#"recipient <"odd, x=1>"@b.example>"#;
        let rest = r#"code=DENY msg="say \"no\" x=1" sender=s@a.example"#;
        check(&format!("[NOTICE] [U.1] [core] {message} {rest}"), "U.1", message, &fields);
        let quoted = message.replace('"', "\\\"");
        check(
            &format!("level=NOTICE uuid=U.1 origin=core message=\"{quoted}\" {rest}"),
            "U.1",
            message,
            &fields,
        );
        check(
            &format!(
                r#"{{"level":"NOTICE","uuid":"U.1","origin":"core","message":"{quoted}","code":"DENY","msg":"say \"no\" x=1","sender":"s@a.example"}}"#
            ),
            "U.1",
            message,
            &fields,
        );
    }

    #[test]
    fn the_words_of_a_reply_are_no_fields() {
        let text = "recipient <r@b.example> rejected: 550 5.1.1 see x=1";
        check(&format!("[NOTICE] [U.1.1] [outbound] {text}"), "U.1.1", text, &[]);
        check(
            "[NOTICE] [U.1.1] [outbound]  delivered file=1_2 domain=b.example response=\"ok x=1\" rcpts=1/0/0",
            "U.1.1",
            "delivered",
            &[("file", "1_2"), ("response", "ok x=1"), ("rcpts", "1/0/0")],
        );
    }

    #[test]
    fn other_parts_of_the_program_tell_nothing() {
        for text in [
            "[INFO] [-] [plugins] loading relay",
            "[INFO] no",
            "level=INFO uuid=- origin=plugins message=x",
            "[a]",
        ] {
            assert_eq!(Entry::read(text).unwrap(), None, "{text}");
        }
        assert!(Entry::read("{\"level\":").is_err());
        assert!(Entry::read(r#"{"level":"INFO","origin":"core"}"#).is_err());
    }

    #[test]
    fn cut_lines_are_read_as_far_as_they_go() {
        let line =
            r#"[NOTICE] [U.1] [core] recipient <"odd, x=1>"@b.example> code=DENY msg="say \"no\"" é=é"#;
        for end in (0..line.len()).filter(|end| line.is_char_boundary(*end)) {
            let _ = Entry::read(&line[..end]);
        }
        assert_eq!(split_address("<a@b.example> rejected"), Some(("a@b.example", " rejected")));
        assert_eq!(split_address("<a@b.example"), None);
        assert_eq!(split_address(""), None);
    }
}
