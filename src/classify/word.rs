//! What kind of word is this? Tells ids, numbers, hosts and times from words and codes that mean something.
//!
//! Way: `template` takes a reply apart and asks here for the token of each word.
//! Source: the shapes of words in replies seen; each test names what it is for.
//! Not here: taking the text apart (`template`).

use crate::model::EnhancedCode;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Shortest word of letters that can be an id; below it a word is not looked at.
pub(super) const LETTERS_ID_MIN: usize = 14;

/// Hosts that are named for what they list or explain: which list refused is worth telling apart.
const KEPT_HOSTS: &[&str] = &[
    "spamhaus.org",
    "spamhaus.net",
    "spamcop.net",
    "barracudacentral.org",
    "sorbs.net",
    "abuseat.org",
    "surbl.org",
    "uribl.com",
    "proofpoint.com",
    "cloudmark.com",
    "senderscore.org",
    "senderscore.com",
    "invaluement.com",
    "mailspike.net",
    "mailspike.org",
    "uceprotect.net",
    "backscatterer.org",
    "spamrats.com",
    "0spam.org",
    "abusix.zone",
    "abusix.com",
    "gbudb.com",
    "surriel.com",
    "dronebl.org",
    "spfbl.net",
    "junkemailfilter.com",
    "trendmicro.com",
    "mail-abuse.com",
    "talosintelligence.com",
    "manitu.net",
];

/// The token for a word without joints such as `=` and `/`, and where in the word it begins; `None` when it stays.
pub(super) fn word_token(word: &str) -> Option<(usize, &'static str)> {
    if is_host(word) {
        return (!is_kept_host(word)).then_some((0, "{host}"));
    }
    if !word.bytes().any(|byte| byte.is_ascii_digit()) {
        return is_letters_id(word).then_some((0, "{id}"));
    }
    if let Some(token) = whole_token(word) {
        return Some((0, token));
    }
    if is_status(word) {
        return None;
    }
    if is_number(word) {
        return Some((0, "{num}"));
    }
    if is_code(word) {
        return None;
    }
    // `MCSpamSignature.sa.2.2`, `RFC.5321`
    match word.split_once('.') {
        Some((front, rest)) if is_plain(front) && !rest.is_empty() => {
            Some((front.len() + 1, if is_number(rest) { "{num}" } else { "{id}" }))
        }
        _ => Some((0, "{id}")),
    }
}

/// The token for one step of a link's path or query, or `None` when it stays.
pub(super) fn link_token(piece: &str) -> Option<&'static str> {
    /// Page numbers in help links have up to seven digits; what is longer is an id.
    const PAGE_DIGITS_MAX: usize = 7;
    /// Longest page name of words, such as `understanding-email-error-codes`.
    const PAGE_BYTES_MAX: usize = 40;
    let digits = piece.bytes().filter(u8::is_ascii_digit).count();
    if piece.contains('@') {
        Some("{email}")
    } else if digits == 0 && piece.len() <= PAGE_BYTES_MAX
        || digits == piece.len() && digits <= PAGE_DIGITS_MAX
    {
        None
    } else if let Some(token) = whole_token(piece) {
        Some(token)
    } else if is_page(piece) {
        None
    } else {
        Some(if is_host(piece) { "{host}" } else { "{id}" })
    }
}

/// The token of a word that is one value as a whole: an address, a time, a UUID.
pub(super) fn whole_token(word: &str) -> Option<&'static str> {
    let bytes = word.as_bytes();
    let first = *bytes.first()?;
    let (mut digits, mut dots, mut colons, mut dashes, mut others) = (0, 0, 0, 0, 0);
    for byte in bytes {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' => dots += 1,
            b':' => colons += 1,
            b'-' => dashes += 1,
            b'T' | b'Z' | b'+' => {}
            _ => others += 1,
        }
    }
    if dots == 3 && digits >= 4 && digits + dots == bytes.len() && word.parse::<Ipv4Addr>().is_ok() {
        return Some("{ip}");
    }
    if colons >= 2 && word.parse::<Ipv6Addr>().is_ok() {
        return Some("{ip}");
    }
    if others == 0 && digits >= 4 && first.is_ascii_digit() && (colons >= 1 || dashes == 2) {
        return Some("{time}");
    }
    if bytes.len() == 36 && dashes == 4 && uuid::Uuid::try_parse(word).is_ok() {
        return Some("{uuid}");
    }
    None
}

fn is_status(part: &str) -> bool {
    EnhancedCode::parse_prefix(part).is_some_and(|(_, length)| length == part.len())
}

/// A word of letters that is an id rather than a word: many capitals with few vowels, or far too long.
fn is_letters_id(word: &str) -> bool {
    /// The longest words in replies seen have 20 letters; German ones more, hence the distance.
    const WORD_BYTES_MAX: usize = 32;
    if word.len() < LETTERS_ID_MIN || !word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return false;
    }
    // AUTHENTICATION is a word; an id of capitals has few vowels.
    let vowels = word.bytes().filter(|byte| matches!(byte, b'A' | b'E' | b'I' | b'O' | b'U')).count();
    word.len() > WORD_BYTES_MAX
        || word.bytes().all(|byte| byte.is_ascii_uppercase()) && vowels * 4 < word.len()
}

/// Three letters or more and nothing else.
fn is_plain(part: &str) -> bool {
    part.len() >= 3 && part.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// `300`, `1.5`, `554.30`, `60s`, `5min`, `10MB`: an amount.
fn is_number(part: &str) -> bool {
    const UNITS: [&str; 16] =
        ["", "s", "sec", "secs", "m", "min", "mins", "h", "d", "b", "k", "kb", "mb", "gb", "ms", "th"];
    let digits_end =
        part.bytes().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')).count();
    part.as_bytes()[0].is_ascii_digit()
        && UNITS.iter().any(|unit| unit.eq_ignore_ascii_case(&part[digits_end..]))
}

/// A dotted name whose last label is of letters in one case: `mx1.example.org`, not `RESOLVER.ADR.RecipNotFound`.
fn is_host(part: &str) -> bool {
    let Some((front, top)) = part.rsplit_once('.') else { return false };
    let one_case = top.bytes().all(|byte| byte.is_ascii_lowercase())
        || top.bytes().all(|byte| byte.is_ascii_uppercase());
    (2..=24).contains(&top.len())
        && one_case
        && !front.is_empty()
        && front.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
        // `RESOLVER.ADR` and the like: a name all in capitals is a host only when something in it is not a word.
        && (top.as_bytes()[0].is_ascii_lowercase() || top.len() <= 3 && front.bytes().any(|byte| byte.is_ascii_digit() || byte == b'.'))
}

fn is_kept_host(host: &str) -> bool {
    KEPT_HOSTS.iter().any(|kept| {
        host.len() >= kept.len()
            && host.is_char_boundary(host.len() - kept.len())
            && host[host.len() - kept.len()..].eq_ignore_ascii_case(kept)
            && (host.len() == kept.len() || host.as_bytes()[host.len() - kept.len() - 1] == b'.')
    })
}

/// A server's own code rather than an id: capitals, then digits (`S3150`, `AS77712344`, `LPN007_416`, `VS98-IP0`),
/// or a short word with a number (`IPv6`, `utf-8`, `In-1310`, `RCP-P1`).
fn is_code(part: &str) -> bool {
    /// Longest code of capitals and digits, such as `S2017062302`.
    const CODE_BYTES_MAX: usize = 12;
    /// Longest short word; queue ids begin at 6 bytes, and hold more than one change from letter to digit.
    const SHORT_BYTES_MAX: usize = 7;
    let bytes = part.as_bytes();
    let letters = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let digits = bytes[letters..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = &bytes[letters + digits..];
    let shouted = bytes[..letters].iter().all(u8::is_ascii_uppercase);
    if (1..=8).contains(&letters) && shouted && digits > 0 && bytes.len() <= CODE_BYTES_MAX {
        return rest.is_empty() || matches!(rest[0], b'_' | b'-') && rest.len() <= 4;
    }
    if (2..=6).contains(&letters) && digits == 0 && matches!(rest.first(), Some(b'_' | b'-')) {
        // Facebook's `RCP-P1` has one more capital
        let number =
            if shouted && rest.len() > 2 && rest[1].is_ascii_uppercase() { &rest[2..] } else { &rest[1..] };
        return rest.len() <= 5 && number.iter().all(u8::is_ascii_digit);
    }
    bytes.len() <= SHORT_BYTES_MAX && (letters > 1 && digits <= 3 && rest.is_empty() || bytes.len() <= 5)
}

/// A page's name with a number in it: `HT204137`, `rfc7505`, `SLN3434.html`, `550-bl23.html`, `IB502`.
fn is_page(piece: &str) -> bool {
    let stem =
        piece.rsplit_once('.').map_or(piece, |(stem, ending)| if ending.len() <= 5 { stem } else { piece });
    stem.len() <= 12
        && (is_code(stem)
            || stem.split(['-', '_']).all(|word| {
                let letters = word.bytes().take_while(u8::is_ascii_alphabetic).count();
                word[letters..].bytes().all(|byte| byte.is_ascii_digit()) && word.len() - letters <= 7
            }))
}
