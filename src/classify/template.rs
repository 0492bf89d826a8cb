//! The template of a reply: its text with everything that changes from message to message replaced by a token, so
//! that all replies of one kind group to one row.
//!
//! Tokens: `{ip}`, `{email}`, `{host}`, `{uuid}`, `{time}`, `{num}`, `{id}` (queue and session ids, hashes).
//! Kept: words, enhanced status codes, the servers' own short codes (`[TSS04]`, `(S3150)`, `LPN007_416`), help
//! links with their page numbers and `p=NoSuchUser` keys, and the names of block lists.
//!
//! Way: `bounce` matches its rules against the template, so one template has one verdict; `pipeline` stores its hash.
//! Source: made from replies seen; the recipe's idea (tokens by kind) is common to reply normalisers.
//! Not here: the meaning of the reply (`bounce`).

use crate::classify::reply;
use crate::classify::word::{LETTERS_ID_MIN, link_token, whole_token, word_token};
use crate::model::{REPLY_BYTES_MAX, Text};

/// Most parts that one word is taken apart into; real ones have up to five. Bounds the work on a hostile word such
/// as `a=a=a=…`.
const JOINTS_MAX: u8 = 8;
const ALPHA: u8 = 1;
const DIGIT: u8 = 2;
const DOT: u8 = 4;
/// `-` and `_`, which belong to a name.
const DASH: u8 = 8;
/// `=`, `:`, `/` and the like, which stand between two names or values.
const SPLIT: u8 = 16;
const AT: u8 = 32;
/// All bytes of letters outside ASCII, and a few signs.
const OTHER: u8 = 64;

/// What each byte is; 0 ends a word.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte: u8 = 0;
    loop {
        class[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => ALPHA,
            b'0'..=b'9' => DIGIT,
            b'.' => DOT,
            b'-' | b'_' => DASH,
            b':' | b'/' | b'=' | b'&' | b'?' | b'%' | b'+' | b'~' | b'\\' => SPLIT,
            b'@' => AT,
            b'$' | b'^' | 128.. => OTHER,
            _ => 0,
        };
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    class
};

/// Returns the template of a reply text. Codes in front of its lines are dropped; at most
/// [`REPLY_BYTES_MAX`] bytes of the text are read.
pub fn template(text: &str) -> Text {
    let mut out = String::with_capacity(text.len());
    write_template(&reply::fold(text, 0).text, &mut out);
    out.into()
}

/// Returns the hash of a template: the first eight bytes of its SHA-256, big-endian, so that it is the same for
/// every version and platform and can be computed outside (`sha256sum`). Never 0, which stands for "no reply".
pub fn template_hash(template: &str) -> u64 {
    use sha2::Digest;
    let digest: [u8; 32] = sha2::Sha256::digest(template.as_bytes()).into();
    let mut front = [0; 8];
    front.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(front).max(1)
}

/// Appends the template of `text`, which is folded already, to `out`.
pub(super) fn write_template(text: &str, out: &mut String) {
    let text = head(text.trim(), REPLY_BYTES_MAX);
    let bytes = text.as_bytes();
    let mut scan = Scan { text, copied: 0, out };
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let mut seen = 0;
        while let Some(byte) = bytes.get(at) {
            let class = CLASS[usize::from(*byte)];
            if class == 0 {
                break;
            }
            seen |= class;
            at += 1;
        }
        if start == at {
            at = scan.gap(at);
        } else if start > 0 && bytes[start - 1] == b'"' && bytes.get(at) == Some(&b'"') {
            // One word in quotes is the value of something: a user name, a header's content.
            scan.replace(start, at, "{id}");
        } else if seen != ALPHA || at - start >= LETTERS_ID_MIN {
            scan.word(start, at, seen);
        }
    }
    scan.out.push_str(&text[scan.copied..]);
}

/// The text under work. What stays is copied in one piece when something after it is replaced.
struct Scan<'a> {
    text: &'a str,
    /// Up to here the text is in `out`.
    copied: usize,
    out: &'a mut String,
}

impl Scan<'_> {
    fn replace(&mut self, start: usize, end: usize, token: &str) {
        self.out.push_str(&self.text[self.copied..start]);
        self.out.push_str(token);
        self.copied = end;
    }

    /// Passes what is between two words, a run of blanks as one; returns where the next word begins.
    fn gap(&mut self, start: usize) -> usize {
        let bytes = self.text.as_bytes();
        if !bytes[start].is_ascii_whitespace() && !bytes[start].is_ascii_control() {
            return start + 1;
        }
        let is_blank = |byte: &u8| byte.is_ascii_whitespace() || byte.is_ascii_control();
        let end = start + bytes[start..].iter().take_while(|byte| is_blank(byte)).count();
        if end > start + 1 || bytes[start] != b' ' {
            self.replace(start, end, " ");
        }
        end
    }

    /// Looks at one word, without its closing and opening punctuation.
    fn word(&mut self, mut start: usize, mut end: usize, seen: u8) {
        let bytes = self.text.as_bytes();
        while start < end && CLASS[usize::from(bytes[end - 1])] & (DOT | DASH | SPLIT) != 0 {
            end -= 1;
        }
        while start < end && CLASS[usize::from(bytes[start])] & (DOT | DASH | SPLIT) != 0 {
            start += 1;
        }
        if start == end {
            return;
        }
        if seen & (SPLIT | AT) == 0 {
            self.part(start, end);
        } else {
            self.compound(start, end, JOINTS_MAX);
        }
    }

    /// A word with `@` or joints: a link, an address, a time, `name=value`.
    fn compound(&mut self, start: usize, end: usize, joints_left: u8) {
        let core = &self.text[start..end];
        let bytes = core.as_bytes();
        let split = bytes.iter().position(|byte| CLASS[usize::from(*byte)] == SPLIT);
        if split.is_some_and(|at| core[at..].starts_with("://")) {
            return self.link(start, end);
        }
        if let Some(at) =
            bytes.iter().position(|byte| *byte == b'@').filter(|at| *at > 0 && at + 1 < bytes.len())
        {
            return self.address(start, start + at, end, joints_left);
        }
        if let Some(token) = whole_token(core) {
            return self.replace(start, end, token);
        }
        let Some(at) = split else { return self.part(start, end) };
        if joints_left == 0 {
            return self.replace(start, end, "{id}");
        }
        if at > 0 {
            self.part(start, start + at);
        }
        if start + at + 1 < end {
            self.compound(start + at + 1, end, joints_left - 1);
        }
    }

    /// A mail address whose `@` is at `at`; what stands before a `name=` and behind the domain is no part of it.
    fn address(&mut self, start: usize, at: usize, end: usize, joints_left: u8) {
        // `rcpt=user@example.org` keeps its name, a variable return path (`b-17=user@…`) is one address.
        let name = self.text[start..at].split_once('=').map_or("", |(name, _)| name);
        let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
        let from = if named { start + name.len() + 1 } else { start };
        // `user@example.org:blocked`
        let is_joint = |byte: &u8| CLASS[usize::from(*byte)] == SPLIT;
        let domain_end =
            self.text.as_bytes()[at..end].iter().position(is_joint).map_or(end, |joint| at + joint);
        self.replace(from, domain_end, "{email}");
        if domain_end + 1 < end {
            if joints_left == 0 {
                return self.replace(domain_end + 1, end, "{id}");
            }
            self.compound(domain_end + 1, end, joints_left - 1);
        }
    }

    /// A word without joints: a number, a host name, a status, a code, an id or a plain word.
    fn part(&mut self, start: usize, end: usize) {
        if let Some((offset, token)) = word_token(&self.text[start..end]) {
            self.replace(start + offset, end, token);
        }
    }

    /// A link: scheme, host and path stay, ids and addresses in path and query do not.
    fn link(&mut self, start: usize, end: usize) {
        let bytes = self.text.as_bytes();
        let is_joint = |byte: &u8| matches!(byte, b'/' | b'?' | b'&' | b'=');
        let next_joint = |from: usize| bytes[from..end].iter().position(is_joint).map_or(end, |at| from + at);
        let host = start + self.text[start..end].find("://").map_or(0, |at| at + 3);
        let mut at = next_joint(host);
        while at < end {
            let piece_end = next_joint(at + 1);
            if let Some(token) = link_token(&self.text[at + 1..piece_end]) {
                self.replace(at + 1, piece_end, token);
            }
            at = piece_end;
        }
    }
}

/// The first `bytes_max` bytes of `text`, ended at a character.
fn head(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, want: &str) {
        assert_eq!(template(text), want);
    }

    #[test]
    fn what_changes_from_message_to_message_becomes_a_token() {
        check("user unknown: <Bob@example.org>", "user unknown: <{email}>");
        check("rcpt=bob@example.org refused", "rcpt={email} refused");
        check("bounce+b-17=bob@example.org refused", "{email} refused");
        check("(bob@example.org:blocked)", "({email}:blocked)");
        check("client [192.0.2.25] and 2001:db8::25 refused", "client [{ip}] and {ip} refused");
        check("connect to mx1.example.org[192.0.2.1]:25: refused", "connect to {host}[{ip}]:{num}: refused");
        check("try in 300 seconds, or 5min, limit 10485760", "try in {num} seconds, or {num}, limit {num}");
        check("at 2025-01-01T00:00:00.000Z and 00:05:00", "at {time} and {time}");
        check("see 123e4567-e89b-12d3-a456-426614174000", "see {uuid}");
        check("queued as 4jWXqq4G67z1TBw6", "queued as {id}");
        check("unknown user: \"nobody\"", "unknown user: \"{id}\"");
        check("a1b2c3d4e5f6-7a8b9c0d1e2si3456789b3a.104 - gsmtp", "{id} - gsmtp");
        check("[AGT=PFA][MxId=11BA9B3FA168ABBF]", "[AGT=PFA][MxId={id}]");
    }

    #[test]
    fn what_has_a_meaning_stays() {
        for text in [
            "[TSS04] deferred",
            "on our block list (S3150)",
            "unavailable (S2017062302).",
            "Server busy. (AS77712344)",
            "LPN007_416 OFR_506",
            "rejected. AUP#In-1310",
            "said 5.7.606 of it",
            "VS98-IP0 deferred",
            "RESOLVER.ADR.RecipNotFound; not found",
            "STOREDRV.Deliver; recipient thread limit exceeded",
            "blocked using zen.spamhaus.org; IPv6",
            "AUTHENTICATION required",
            "https://support.google.com/mail/?p=NoSuchUser",
            "https://support.google.com/mail/answer/188131#authentication",
            "https://support.apple.com/en-us/HT204137",
            "boîte désactivée, пользователь не найден",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn links_keep_their_page_and_lose_their_values() {
        check("http://www.example.org/q?ip=192.0.2.1&c=rdns", "http://www.example.org/q?ip={ip}&c=rdns");
        check("see https://example.org/s/id?c=7y4ytdHbuOGv3O50NYT.", "see https://example.org/s/id?c={id}.");
        check("https://example.org/query/ip/192.0.2.25", "https://example.org/query/ip/{ip}");
    }

    #[test]
    fn the_codes_of_lines_and_runs_of_blanks_are_dropped() {
        check("550-5.1.1 The   account\r\n550 5.1.1\tis gone ", "The account is gone");
    }

    #[test]
    fn the_same_kind_of_reply_has_one_template() {
        let one = "Messages from 192.0.2.25 deferred - 4.16.55.1; see https://example.org/codes";
        let other = "Messages from 198.51.100.7 deferred - 4.16.51.1; see https://example.org/codes";
        assert_eq!(template_hash(&template(one)), template_hash(&template(other)));
    }

    #[test]
    fn the_hash_is_the_front_of_sha_256() {
        // printf 'Mailbox full' | sha256sum
        assert_eq!(template_hash("Mailbox full"), 0x62d0_54c9_9948_4a63);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_grow_without_bound(text in ".{0,300}|[ -~]{0,300}|[a-f0-9@=:/.-]{0,300}") {
            // The longest token replaces one byte at least: `{email}` by `a@b`, `{num}` by `1`.
            prop_assert!(template(&text).len() <= 5 * text.len());
        }
    }
}
