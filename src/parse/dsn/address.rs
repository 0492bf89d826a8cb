//! Mail addresses in running text: where they begin and end, and what they stand for.
//!
//! Way: the readers of fields, prose and transcripts ask here; what comes out is as `model::normalize_address` gives it.
//! Source: RFC 5321 section 4.1.2 (`Local-part`, `Quoted-string`, source routes in appendix C), RFC 6533 section 3
//! (`\x{…}` escapes), Microsoft's IMCEA encapsulation (MS-OXOABK and Exchange's address book: `_` for `/`, `+XX` for
//! other characters).

use crate::model::{Text, normalize_address};

/// Longest local part or domain looked at, in bytes: what is longer is no address, but text without blanks.
const SIDE_BYTES_MAX: usize = 320;

/// An address in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::parse) struct Found<'t> {
    /// As it stands in the text, without brackets around it.
    pub(super) text: &'t str,
    /// First byte, brackets and quotes around it included.
    pub(super) begin: usize,
    /// Behind its last byte, brackets and quotes around it included.
    pub(super) end: usize,
    pub(super) is_bracketed: bool,
}

impl Found<'_> {
    /// As it is stored and compared.
    pub(in crate::parse) fn normal(&self) -> Text {
        normal(self.text)
    }
}

/// The address as it is stored and compared: without a source route and without an encapsulation around it.
pub(super) fn normal(text: &str) -> Text {
    let text = text.trim_matches(['<', '>', ' ', '\t']);
    // RFC 5321 appendix C: `@relay.example,@hub.example:user@example.com`, the address behind the colon counts.
    let text = match text.strip_prefix('@').and_then(|route| route.split_once(':')) {
        Some((_, address)) => address,
        None => text,
    };
    // The route of UUCP's time, `@hub.example@user@example.com`, has no colon.
    let text = text.trim_start_matches('@');
    match unwrap_imcea(text) {
        Some(address) => normalize_address(&address),
        None => normalize_address(text),
    }
}

/// All addresses of a text, from left to right. The domain has a point or stands in square brackets.
pub(in crate::parse) fn find_all(text: &str) -> impl Iterator<Item = Found<'_>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(at) = memchr::memchr(b'@', text.as_bytes().get(from..)?) {
            let at = from + at;
            if let Some(found) = around(text, from, at) {
                from = found.end;
                return Some(found);
            }
            from = at + 1;
        }
        None
    })
}

/// The first address of a text.
pub(super) fn first(text: &str) -> Option<Found<'_>> {
    find_all(text).next()
}

/// The address that the text begins with, blanks aside.
pub(super) fn leading(text: &str) -> Option<Found<'_>> {
    let begin = text.len() - text.trim_start().len();
    first(text).filter(|found| found.begin == begin)
}

/// The address whose `@` stands at `at`, and of which nothing stands before `from`.
fn around(text: &str, from: usize, at: usize) -> Option<Found<'_>> {
    let begin = local_begin(text, from, at)?;
    let end = domain_end(text, at + 1)?;
    let bytes = text.as_bytes();
    let open = begin.checked_sub(1).filter(|open| *open >= from).map(|open| bytes[open]);
    let is_bracketed = open == Some(b'<') && bytes.get(end) == Some(&b'>');
    let is_quoted =
        matches!((open, bytes.get(end)), (Some(b'"' | b'\''), Some(close)) if Some(*close) == open);
    let around = usize::from(is_bracketed || is_quoted);
    Some(Found { text: &text[begin..end], begin: begin - around, end: end + around, is_bracketed })
}

/// Where the local part begins that ends before `at`.
fn local_begin(text: &str, from: usize, at: usize) -> Option<usize> {
    let floor = from.max(at.saturating_sub(SIDE_BYTES_MAX));
    let bytes = text.as_bytes();
    if at > floor && bytes[at - 1] == b'"' {
        // A quoted local part; no blank in it is looked for across lines.
        let open = memchr::memrchr(b'"', bytes.get(floor..at - 1)?)?;
        return Some(floor + open);
    }
    let mut begin = at;
    while begin > floor && is_local(bytes[begin - 1]) {
        begin -= 1;
    }
    while begin < at && !text.is_char_boundary(begin) {
        begin += 1;
    }
    // Prose without blanks goes right up to the address: 收件人地址（bob@example.com）.
    let local = &text[begin..at];
    let prose = local
        .char_indices()
        .rfind(|(_, letter)| is_prose(*letter))
        .map(|(at, letter)| at + letter.len_utf8());
    let is_whole = local.chars().all(char::is_alphanumeric);
    let local = prose.filter(|end| *end < local.len() || !is_whole).map_or(local, |end| &local[end..]);
    // Marks that are allowed in a local part, but never begin one in a notice: quoting, bullets, `mailto=`.
    let local = local.trim_start_matches(['\'', '`', '=', '*', '.', '-', '&', '|', '{', '}']);
    (!local.is_empty()).then_some(at - local.len())
}

/// Where the domain ends that begins at `begin`.
fn domain_end(text: &str, begin: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let rest = &bytes[begin..bytes.len().min(begin + SIDE_BYTES_MAX)];
    if rest.first() == Some(&b'[') {
        let close = memchr::memchr(b']', rest)?;
        let literal = &rest[1..close];
        let is_address = !literal.is_empty()
            && literal.iter().all(|byte| byte.is_ascii_hexdigit() || b".:IPv".contains(byte));
        return is_address.then_some(begin + close + 1);
    }
    let end = begin + rest.iter().position(|byte| !is_domain(*byte)).unwrap_or(rest.len());
    let end = text.floor_char_boundary(end);
    let domain = &text[begin..end];
    let follows_latin = |at: usize| domain[..at].ends_with(|letter: char| letter.is_ascii_alphanumeric());
    let prose = domain.char_indices().find(|(at, letter)| is_prose(*letter) && follows_latin(*at));
    let domain = prose.map_or(domain, |(at, _)| &domain[..at]).trim_end_matches(['.', '-', '_']);
    let first = *domain.as_bytes().first()?;
    (first != b'.' && domain.contains('.') && !domain.contains("..")).then_some(begin + domain.len())
}

/// `atext` of RFC 5322 and the full stop; bytes above ASCII are letters of other alphabets (RFC 6532).
fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte) || byte >= 0x80
}

/// Whether a letter is one of a script that is written without blanks, or a mark: in front of an address of Latin
/// letters it belongs to the sentence.
fn is_prose(letter: char) -> bool {
    letter >= '\u{2e80}' || !letter.is_ascii() && !letter.is_alphanumeric()
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_".contains(&byte) || byte >= 0x80
}

/// Opens `IMCEASMTP-user+40example+2Ecom@gateway.example.net`: Exchange wraps an address that is foreign to it.
fn unwrap_imcea(address: &str) -> Option<String> {
    let head = address.get(..5)?;
    if !head.eq_ignore_ascii_case("IMCEA") {
        return None;
    }
    let (kind, wrapped) = address.rsplit_once('@')?.0.split_once('-')?;
    if !kind[5..].eq_ignore_ascii_case("SMTP") {
        return None;
    }
    let mut bytes = Vec::with_capacity(wrapped.len());
    let mut rest = wrapped.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex = after
            .get(..2)
            .filter(|_| *byte == b'+')
            .and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match (hex, byte) {
            (Some(hex), _) => {
                bytes.push(hex);
                rest = &after[2..];
                continue;
            }
            (None, b'_') => bytes.push(b'/'),
            (None, byte) => bytes.push(*byte),
        }
        rest = after;
    }
    String::from_utf8(bytes).ok().filter(|address| address.contains('@'))
}

/// Opens the `\x{00E9}` escapes of RFC 6533 section 3 and the `+40` of RFC 3461's xtext is left alone: too many
/// addresses hold a plus sign.
pub(super) fn unescape_unitext(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains("\\x{") {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x{") {
        out.push_str(before);
        let letter = after.split_once('}').and_then(|(hex, after)| {
            let letter = char::from_u32(u32::from_str_radix(hex, 16).ok()?)?;
            Some((letter, after))
        });
        if let Some((letter, after)) = letter {
            out.push(letter);
            rest = after;
        } else {
            out.push_str("\\x{");
            rest = after;
        }
    }
    out.push_str(rest);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &[&str]) {
        let got: Vec<_> = find_all(text).map(|found| found.normal()).collect();
        assert_eq!(got, want, "text was {text:?}");
    }

    #[test]
    fn addresses_are_found_in_running_text() {
        check("<bob@example.com>: user unknown", &["bob@example.com"]);
        check("to bob@example.com, ann@example.net.", &["bob@example.com", "ann@example.net"]);
        check("'bob@example.com' [SMTP:ann@example.org]", &["bob@example.com", "ann@example.org"]);
        check("bob@example.com<mailto:bob@example.com>", &["bob@example.com", "bob@example.com"]);
        check("* bob+tag@mail.example.com (mail)", &["bob+tag@mail.example.com"]);
        check("\"a b\"@example.com and o'neill@example.com", &["\"a b\"@example.com", "o'neill@example.com"]);
        check("jörg@bücher.example", &["jörg@bücher.example"]);
        check("root@[192.0.2.1]", &["root@[192.0.2.1]"]);
        check("收件人地址（bob@example.com）不存在", &["bob@example.com"]);
        check("用户@例え.example", &["用户@例え.example"]);
        check("宛先bob@example.comは見つかりません", &["bob@example.com"]);
    }

    #[test]
    fn what_is_no_address_is_passed_over() {
        check("at @ noon, user@host, @example.com, a@b..c", &[]);
        check("@", &[]);
        check("é@", &[]);
    }

    #[test]
    fn source_routes_and_encapsulation_are_opened() {
        assert_eq!(normal("<@hub.example:bob@example.com>"), "bob@example.com");
        assert_eq!(normal("@hub.example,@b.example:bob@example.com"), "bob@example.com");
        assert_eq!(normal("IMCEASMTP-bob+40example+2Ecom@gw.example.net"), "bob@example.com");
        assert_eq!(normal("IMCEAEX-_O=ORG@example.net"), "imceaex-_o=org@example.net");
    }

    #[test]
    fn unitext_is_opened() {
        assert_eq!(unescape_unitext("j\\x{F6}rg@example.com"), "jörg@example.com");
        assert_eq!(unescape_unitext("\\x{110000}x\\x{"), "\\x{110000}x\\x{");
    }

    #[test]
    fn a_leading_address_begins_the_text() {
        assert_eq!(leading("  <bob@example.com>: no").map(|found| found.end), Some(19));
        assert_eq!(leading("to bob@example.com"), None);
    }
}
