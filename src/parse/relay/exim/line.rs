//! The text of a line: what it says of its message.
//!
//! Way: `head` leaves the text, this module reads it, `apply` acts on it.
//! Source: Exim's specification, section "Log line flags"; `src/deliver.c` for the words.
//! Not here: fields (`fields`), replies (`reply`), what the lines mean together (`apply`).

use super::fields::{self, Fields};
use crate::parse::relay::cut::{at_byte, at_pair};
use memchr::memmem;

/// A line that tells something of mail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Arrival {
        sender: &'a str,
        fields: Fields<'a>,
    },
    Delivery {
        address: Address<'a>,
        fields: Fields<'a>,
        is_real: bool,
    },
    Failure {
        address: Address<'a>,
        fields: Fields<'a>,
        text: &'a str,
    },
    Deferral {
        address: Address<'a>,
        fields: Fields<'a>,
        text: &'a str,
    },
    /// Gone from the queue.
    Completed,
    /// An administrator took it out of the queue.
    Removed,
    Refusal(Refusal<'a>),
}

/// Whom a delivery line is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    pub(crate) recipient: &'a str,
    /// As the sender gave it, when it became another.
    pub(crate) original: &'a str,
    /// `:blackhole:`: the relay was told to throw it away.
    pub(crate) is_blackhole: bool,
}

/// A recipient or message that the relay's own server refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal<'a> {
    pub(crate) command: &'a str,
    pub(crate) recipient: &'a str,
    pub(crate) fields: Fields<'a>,
    /// The sender of a refused MAIL, else empty: fields have it.
    pub(crate) sender: &'a str,
    pub(crate) is_for_now: bool,
    pub(crate) text: &'a str,
}

/// Reads the text behind the message id, which is empty on a line about none; `None` when it tells nothing of mail.
pub(crate) fn read<'a>(message_id: &str, text: &'a str) -> Option<Line<'a>> {
    if message_id.is_empty() {
        return read_refusal(text).map(Line::Refusal);
    }
    let (flag, rest) = at_byte(text, b' ').unwrap_or((text, ""));
    match flag {
        "<=" | "(=" => {
            let (sender, rest) = split_sender(rest);
            Some(Line::Arrival { sender, fields: fields::read(rest).0 })
        }
        "=>" | "->" | ">>" | "*>" => {
            let (address, rest) = split_address(rest);
            Some(Line::Delivery { address, fields: fields::read(rest).0, is_real: flag != "*>" })
        }
        "**" => {
            let (address, rest) = split_address(rest);
            let (fields, text) = fields::read(rest);
            Some(Line::Failure { address, fields, text })
        }
        "==" => {
            let (address, rest) = split_address(rest);
            let (fields, text) = fields::read(rest);
            Some(Line::Deferral { address, fields, text })
        }
        "Completed" => Some(Line::Completed),
        "removed" if rest.starts_with("by ") => Some(Line::Removed),
        _ => read_refusal(text).map(Line::Refusal),
    }
}

/// Splits the sender of an arrival off. It stands bare, so a quoted local part may hold blanks.
fn split_sender(text: &str) -> (&str, &str) {
    const FIELDS: [&str; 4] = [" H=", " U=", " P=", " R="];
    if !text.starts_with('"') {
        return at_byte(text, b' ').unwrap_or((text, ""));
    }
    let end = FIELDS.iter().filter_map(|field| text.find(field)).min().unwrap_or(text.len());
    text.split_at(end)
}

/// Splits the address of a delivery line off; what stands behind begins with a field or, after `:`, a text.
///
/// An address may hold blanks: Exim logs a quoted local part without its quotes when it is the final one
/// (`odd name@b.example <"odd name"@b.example>`), and a pipe with its arguments. So the fields that may follow are
/// looked for.
fn split_address(text: &str) -> (Address<'_>, &str) {
    let end = address_end(text);
    let (address, rest) = text.split_at(end);
    (read_address(address), rest)
}

fn address_end(text: &str) -> usize {
    const BLACKHOLE: &[u8] = b":blackhole:";
    const FIELDS: [&[u8]; 3] = [b"R=", b"F=<", b"P=<"];
    const WORDS: [&[u8]; 3] = [b"T=", b"routing defer (", b"defer ("];
    let bytes = text.as_bytes();
    for at in memchr::memchr2_iter(b' ', b':', bytes) {
        let behind = &bytes[at + 1..];
        let ends = match bytes[at] {
            // `:blackhole: <…>` has such a colon too
            b':' => !BLACKHOLE.starts_with(&bytes[..=at]) && matches!(behind.first(), None | Some(b' ')),
            _ => FIELDS.iter().chain(&WORDS).any(|field| behind.starts_with(field)),
        };
        if ends {
            return at;
        }
    }
    bytes.len()
}

/// Reads `final`, `final <original>`, `final (parent) <original>`.
fn read_address(text: &str) -> Address<'_> {
    let is_blackhole = text.starts_with(":blackhole:");
    let Some((last, original)) = text.strip_suffix('>').and_then(|text| text.split_once(" <")) else {
        return Address { recipient: text, original: "", is_blackhole };
    };
    let last = at_pair(last, *b" (").map_or(last, |(last, _)| last);
    let is_address = last.contains('@') && !last.starts_with(['|', '/', ':']);
    // a quoted local part is the same address once more
    if is_address && !original.starts_with('"') {
        Address { recipient: last, original, is_blackhole }
    } else {
        Address { recipient: original, original: "", is_blackhole }
    }
}

/// Reads `H=… F=<…> [temporarily ]rejected RCPT <…>: text` and its like; `None` for what is about no mail.
fn read_refusal(text: &str) -> Option<Refusal<'_>> {
    if !text.starts_with("H=") && !text.starts_with("U=") {
        return None;
    }
    let at = memmem::find(text.as_bytes(), b" rejected ")?;
    let (front, what) = (&text[..at], &text[at + " rejected ".len()..]);
    let (front, is_for_now) =
        front.strip_suffix(" temporarily").map_or((front, false), |front| (front, true));
    let (what, text) = split_refusal(what);
    let (command, argument) = at_byte(what, b' ').unwrap_or((what, ""));
    let address =
        argument.strip_prefix('<').and_then(|address| address.strip_suffix('>')).unwrap_or_default();
    let (command, recipient, sender) = match command {
        "RCPT" => (command, address, ""),
        "MAIL" => (command, "", address),
        "DATA" => (command, "", ""),
        // `after DATA`, `during MIME ACL checks`
        "after" | "during" => ("end of DATA", "", ""),
        _ => return None,
    };
    let (fields, _) = fields::read(front);
    Some(Refusal { command, recipient, fields, sender, is_for_now, text })
}

/// Splits `RCPT <a@b.example>: text`.
fn split_refusal(text: &str) -> (&str, &str) {
    if let Some((front, rest)) = text.split_once(">: ")
        && front.contains('<')
    {
        return (&text[..=front.len()], rest);
    }
    at_pair(text, *b": ").unwrap_or((text.strip_suffix(':').unwrap_or(text), ""))
}

#[cfg(test)]
mod tests {
    use super::{Address, Line, Refusal, read};

    const ID: &str = "1xUcxr-0003cf-25";

    #[track_caller]
    fn check_address(text: &str, recipient: &str, original: &str) {
        for behind in
            ["", " R=out T=smtp", " F=<s@a.example> R=out", ": Unrouteable", " routing defer (-52): a"]
        {
            let line = format!("== {text}{behind}");
            let Some(Line::Deferral { address: Address { recipient: got, original: from, .. }, .. }) =
                read(ID, &line)
            else {
                panic!("{line}")
            };
            assert_eq!((got, from), (recipient, original), "{line}");
        }
    }

    #[test]
    fn every_form_of_an_address_is_read() {
        check_address("r@b.example", "r@b.example", "");
        check_address("r@b.example <team@a.example>", "r@b.example", "team@a.example");
        check_address("r@b.example (mid@a.example) <team@a.example>", "r@b.example", "team@a.example");
        check_address("paul <paul@a.example>", "paul@a.example", "");
        check_address("|/usr/bin/vacation -x p@q <paul@a.example>", "paul@a.example", "");
        check_address("/var/mail/paul <paul@a.example>", "paul@a.example", "");
        check_address(":blackhole: <ivy@a.example>", "ivy@a.example", "");
        check_address("odd, x=1>@b.example <\"odd, x=1>\"@b.example>", "\"odd, x=1>\"@b.example", "");
    }

    #[test]
    fn refusals_at_the_door_are_read() {
        let text =
            "H=(app) [192.0.2.9] F=<s@a.example> temporarily rejected RCPT <r@b.example>: 4.7.1 later: x";
        let Some(Line::Refusal(Refusal { command, recipient, fields, is_for_now, text, .. })) =
            read("", text)
        else {
            panic!()
        };
        assert_eq!((command, recipient, fields.sender), ("RCPT", "r@b.example", "s@a.example"));
        assert_eq!((fields.ip, is_for_now, text), ("192.0.2.9".parse().ok(), true, "4.7.1 later: x"));
        let text = "H=app [192.0.2.9]:99 F=<s@a.example> A=plain:shop rejected after DATA: spam";
        let Some(Line::Refusal(refusal)) = read(ID, text) else { panic!() };
        assert_eq!((refusal.command, refusal.text, refusal.is_for_now), ("end of DATA", "spam", false));
        let Some(Line::Refusal(refusal)) = read("", "H=[192.0.2.9] rejected MAIL <s@a.example>: no") else {
            panic!()
        };
        assert_eq!((refusal.sender, refusal.text), ("s@a.example", "no"));
    }

    #[test]
    fn other_lines_tell_nothing() {
        for text in [
            "H=[192.0.2.9] rejected connection in \"connect\" ACL",
            "H=[192.0.2.9] rejected EHLO or HELO x: no",
            "Start queue run: pid=1",
            "SMTP connection from [192.0.2.9] lost",
            "",
        ] {
            assert_eq!(read("", text), None, "{text}");
        }
        for text in [
            "H=mx1.b.example [192.0.2.1]:25: SMTP error from remote mail server after end of data: 421 no",
            "H=mx1.b.example [192.0.2.1] Connection refused",
            "Frozen (delivery error message)",
            "Message is frozen",
            "cancelled by root",
            "Spool file is locked (another process is handling this message)",
            "",
        ] {
            assert_eq!(read(ID, text), None, "{text}");
        }
    }
}
