//! What the words around an address in a line make of it.
//!
//! Way: `prose` asks for every line that holds an address.

use crate::parse::dsn::address::{self, Found};
use crate::parse::dsn::phrases::{self, Marks};

/// The address that a line begins with, behind bullets, and what stands behind it.
pub(super) fn leading(line: &str) -> Option<(Found<'_>, &str)> {
    let bare = line.trim_start_matches(['*', '-', '>', '|', '+', '\u{2022}', '\u{b7}', ' ', '\t']);
    let found = address::leading(bare).or_else(|| named(bare))?;
    let rest = &bare[found.end..];
    // `bob@example.com wrote:` quotes somebody.
    let is_quote = [" wrote", " writes", " schrieb"].iter().any(|verb| rest.starts_with(verb));
    // A word that goes on without a blank: a URL, a message id in running text.
    let goes_on = rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '/');
    (!is_quote && !goes_on).then_some((found, rest))
}

/// `Bob Example <bob@example.com>`, `'Bob' (bob@example.com)`: a name of at most five words without a colon before an
/// address in brackets that ends the line.
fn named(line: &str) -> Option<Found<'_>> {
    const NAME_WORDS_MAX: usize = 5;
    let found = address::first(line)?;
    let (before, after) = (line[..found.begin].trim_end(), line[found.end..].trim());
    let in_round = before.ends_with(['(', '[']) && after.starts_with([')', ']']);
    let name = before.trim_end_matches(['(', '[']);
    let is_name = !name.contains([':', '.', ';', '=', ',', '?', '!', '、', '。', '，', '：'])
        && name.split_ascii_whitespace().count() <= NAME_WORDS_MAX
        && phrases::marks(name) == Marks::default();
    let ends = after.trim_start_matches([')', ']', ',', ';', '.', ':']).is_empty();
    ((found.is_bracketed || in_round) && is_name && ends).then_some(found)
}

/// `undeliverable to bob@example.com`: a line that says no more than that.
pub(super) fn is_short_telling(before: &str, after: &str) -> bool {
    const WORDS_MAX: usize = 5;
    let is_short = before.split_ascii_whitespace().count() <= WORDS_MAX;
    is_short
        && after.trim_matches(['.', ':', ';', ' ', '>']).is_empty()
        && phrases::marks(before).has(Marks::FAIL.with(Marks::REASON))
}

/// What a label in front of an address says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    Recipient,
    /// `To:` alone names whom the message was addressed to: one of them failed.
    To,
    Other,
}

/// Words in a label that make the address behind it a failed recipient.
const RECIPIENT_LABELS: [&str; 39] = [
    "recipient",
    "rcpt to",
    "unknown user",
    "unknown address",
    "user unknown",
    "unknown host",
    "invalid user",
    "invalid address",
    "invalid recipient",
    "invalid final delivery",
    "no such user",
    "mailbox full",
    "mailbox is full",
    "not found",
    "failed address",
    "failed to",
    "failed for",
    "delivery failed",
    "delivery failure",
    "delivered to",
    "deliver to",
    "delivery to",
    "undeliverable",
    "undelivered",
    "could not send",
    "attempts",
    "addressed to",
    "following address",
    "empfänger",
    "destinat",
    "宛先",
    "收件人",
    "수신자",
    "получател",
    "mottagare",
    "ontvanger",
    "odbiorc",
    "příjemc",
    "e-mail to",
];

/// Words in a label that make the address behind it somebody else.
const OTHER_LABELS: [&str; 8] = ["from", "sender", "reply", "return", "contact", "by", "report", "help"];

/// Longest label, in bytes: what is longer is a sentence that ends in a colon.
const LABEL_BYTES_MAX: usize = 90;

/// Reads the label that ends right before an address.
pub(super) fn label(before: &str) -> Option<Label> {
    let label = before.trim_end_matches(['<', '"', '\'', '(', '[', ' ']).strip_suffix([':', '=', '：'])?;
    let label = label.rsplit(['.', ';', ',']).next().unwrap_or(label).trim();
    if label.len() > LABEL_BYTES_MAX {
        return None;
    }
    let label = label.to_lowercase();
    let word = label.trim_matches(|letter: char| !letter.is_alphanumeric());
    if RECIPIENT_LABELS.iter().any(|known| word.contains(known)) {
        return Some(Label::Recipient);
    }
    if ["to", "an", "à", "para", "cc"].contains(&word) || word.ends_with(" to") {
        return Some(Label::To);
    }
    // A sentence that says what failed and ends in a colon: "Could not deliver mail to this user:".
    let is_short = word.split_ascii_whitespace().count() <= 3;
    if !is_short && phrases::marks(word).has(Marks::FAIL.with(Marks::REASON)) {
        let is_other =
            OTHER_LABELS.iter().any(|other| word.split_ascii_whitespace().any(|one| one == *other));
        return Some(if is_other { Label::Other } else { Label::Recipient });
    }
    Some(Label::Other)
}

/// Whether the words right before an address make it the sender's or somebody's to ask.
pub(super) fn is_stranger_by(before: &str) -> bool {
    const WORDS: [&str; 16] = [
        "from",
        "by",
        "sender",
        "contact",
        "mailto",
        "write",
        "dear",
        "hello",
        "hi",
        "von",
        "postmaster",
        "ask",
        "at",
        "sender's",
        "return-path",
        "reply",
    ];
    before.rsplit([' ', '\t', '<', '(', ':', ',']).filter(|word| !word.is_empty()).take(2).any(|word| {
        WORDS.iter().any(|stranger| stranger.eq_ignore_ascii_case(word.trim_matches(['"', '\'', '.'])))
    })
}
