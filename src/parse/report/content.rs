//! What bytes are, from the first of them: an archive, a report, or something else.
//!
//! Source: RFC 1952 section 2.3.1 (gzip), APPNOTE.TXT 4.3.7 (zip); the elements and keys that RFC 7489, RFC 9990 and
//! RFC 8460 require.

use super::ReportFormat;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

/// How much of a text is looked at, in bytes: prose before the report, comments and a schema have room in it.
pub(super) const LOOK_BYTES_MAX: usize = 16 * 1024;

/// Blanks that may stand before the first character, in bytes.
const FIRST_BYTES_MAX: usize = 256;

/// Base64 of gzip, of zip, of `<?x`, `<fee` and of a byte order mark.
const BASE64_STARTS: [&[u8]; 5] = [b"H4sI", b"UEsD", b"PD94", b"PGZl", b"77u/"];

/// Padding is often cut off with the end of the part.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Gzip or zip.
    Archive,
    Report(ReportFormat),
    Other,
}

impl Kind {
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, ..] | [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Archive,
            _ if is_tls(bytes) => Self::Report(ReportFormat::Tls),
            _ if is_dmarc(bytes) => Self::Report(ReportFormat::Dmarc),
            _ => Self::Other,
        }
    }

    pub(super) const fn report(self) -> Option<ReportFormat> {
        match self {
            Self::Report(format) => Some(format),
            Self::Archive | Self::Other => None,
        }
    }
}

/// Whether the first character is one that XML or JSON begins with.
pub(super) fn begins_as_report(bytes: &[u8]) -> bool {
    first(bytes) == Some(b'<') || is_json(bytes)
}

pub(super) fn is_json(bytes: &[u8]) -> bool {
    matches!(first(bytes), Some(b'{' | b'['))
}

/// The first character that is no blank.
fn first(bytes: &[u8]) -> Option<u8> {
    let start = text(&bytes[..bytes.len().min(FIRST_BYTES_MAX)]);
    start.trim_ascii_start().first().copied()
}

fn is_tls(bytes: &[u8]) -> bool {
    if !is_json(bytes) {
        return false;
    }
    let look = text(&bytes[..bytes.len().min(LOOK_BYTES_MAX)]);
    let keys: [&[u8]; 4] = [b"\"organization-name\"", b"\"report-id\"", b"\"date-range\"", b"\"policies\""];
    keys.iter().filter(|key| memchr::memmem::find(&look, key).is_some()).count() >= 2
}

/// Whether a `feedback` element begins, and one that only a report has: mails have `feedback` of other kinds.
fn is_dmarc(bytes: &[u8]) -> bool {
    let look = text(&bytes[..bytes.len().min(LOOK_BYTES_MAX)]);
    // Looked for by the last letter: few words have a `k`, and much has a `<`.
    let begins = |name: &[u8]| {
        let [first @ .., last] = name else { return false };
        memchr::memchr2_iter(*last, last.to_ascii_uppercase(), &look).any(|end| {
            let behind = look.get(end + 1);
            let goes_on = behind.is_some_and(|b| matches!(b, b'-' | b'_') || b.is_ascii_alphabetic());
            let Some(begin) = end.checked_sub(first.len()).filter(|begin| *begin > 0 && !goes_on) else {
                return false;
            };
            matches!(look[begin - 1], b'<' | b':') && look[begin..end].eq_ignore_ascii_case(first)
        })
    };
    begins(b"feedback") && (begins(b"report_metadata") || begins(b"policy_published") || begins(b"record"))
}

/// The bytes without a byte order mark, and as ASCII when they are UTF-16: without its zeros.
fn text(bytes: &[u8]) -> Cow<'_, [u8]> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => rest.into(),
        [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] => without_zeros(rest).into(),
        [0, 1..=0x7f, ..] | [1..=0x7f, 0, ..] => without_zeros(bytes).into(),
        _ => bytes.into(),
    }
}

fn without_zeros(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| *byte != 0).collect()
}

/// Decodes a part that is base64 and does not say so, or is broken base64, when a report or an archive begins in it.
pub(super) fn without_base64(bytes: &[u8]) -> Option<Vec<u8>> {
    let start = bytes.trim_ascii_start();
    if !BASE64_STARTS.iter().any(|known| start.starts_with(known)) {
        return None;
    }
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let letters = start.iter().copied().take_while(|byte| is_letter(byte) || byte.is_ascii_whitespace());
    let letters: Vec<u8> = letters.filter(is_letter).collect();
    // A last letter by itself tells no byte.
    let whole = letters.len() - usize::from(letters.len() % 4 == 1);
    LENIENT.decode(&letters[..whole]).ok()
}
