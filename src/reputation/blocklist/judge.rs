//! Which name asks a list about a subject, and what its answer means. Pure.

use crate::model::{ListKind, ListState};
use crate::reputation::blocklist::registry::{BlockList, Match, Meaning};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub state: ListState,
    /// Names of the codes, in the order of the registry: `SBL`, `PH`.
    pub codes: Vec<String>,
    /// Why nothing can be believed; empty when it can.
    pub reason: String,
}

impl Verdict {
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self { state: ListState::Unknown, codes: Vec::new(), reason: reason.into() }
    }

    pub const fn clean() -> Self {
        Self { state: ListState::Clean, codes: Vec::new(), reason: String::new() }
    }
}

/// The name to ask: reversed octets (RFC 5782 section 2.1), reversed nibbles (2.4), or the domain itself (2.3).
pub fn question(subject: &str, zone: &str) -> String {
    let mut name = String::with_capacity(subject.len() + zone.len() + 64);
    match subject.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            let [a, b, c, d] = ip.octets();
            // writing to a String cannot fail
            let _ = write!(name, "{d}.{c}.{b}.{a}.{zone}");
        }
        Ok(IpAddr::V6(ip)) => {
            for byte in ip.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", byte & 15, byte >> 4);
            }
            name.push_str(zone);
        }
        Err(_) => {
            let _ = write!(name, "{subject}.{zone}");
        }
    }
    name
}

/// What a list must have and must not have, by which it is tested (RFC 5782 section 5): subjects, not names.
pub fn test_names(list: &BlockList, kind: ListKind) -> (&str, &str) {
    match (&list.test, kind) {
        (Some(names), _) => (&names.listed, &names.clean),
        (None, ListKind::Ip4) => ("127.0.0.2", "127.0.0.1"),
        (None, ListKind::Ip6) => ("::ffff:7f00:2", "::ffff:7f00:1"),
        (None, ListKind::Domain) => ("test", "invalid"),
    }
}

/// Judges the addresses that a list answered with.
///
/// An address outside 127.0.0.0/8 is none of the list's: a resolver that redirects, or a domain that was sold. One in
/// 127.255.255.0/24 is an error code (Spamhaus, Validity and others use it). A code that the registry does not know says
/// nothing either: its meaning may be "whitelisted".
pub fn judge(list: &BlockList, answers: &[Ipv4Addr]) -> Verdict {
    let mut found: Vec<(usize, &str, Meaning)> = Vec::new();
    for answer in answers {
        let [first, second, third, _] = answer.octets();
        if first != 127 {
            return Verdict::unknown(format!("{answer} is outside 127.0.0.0/8: no answer of a blocklist"));
        }
        if (second, third) == (255, 255) {
            return Verdict::unknown(error_code(*answer));
        }
        let known = list.codes.iter().enumerate().filter(|(_, code)| code.r#match.takes(*answer));
        let before = found.len();
        found.extend(known.map(|(at, code)| (at, code.name.as_str(), code.meaning)));
        if found.len() == before {
            return Verdict::unknown(format!("{answer} is a code that the registry does not know"));
        }
    }
    // A name that names a refusal makes all of the answer worthless.
    if let Some((_, name, _)) = found.iter().find(|(_, _, meaning)| *meaning == Meaning::Refused) {
        return Verdict::unknown(format!("the list refuses to answer: {name}"));
    }
    found.retain(|(_, _, meaning)| *meaning == Meaning::Listed);
    if found.is_empty() {
        return Verdict::clean();
    }
    found.sort_unstable();
    found.dedup();
    let codes = found.into_iter().map(|(_, name, _)| name.to_owned()).collect();
    Verdict { state: ListState::Listed, codes, reason: String::new() }
}

/// Source: docs.spamhaus.com, "DNSBL return codes", seen in copies of 2026.
fn error_code(answer: Ipv4Addr) -> String {
    let meaning = match answer.octets()[3] {
        252 => "the zone's name is mistyped",
        254 => "this resolver is a public one, or has no name of its own",
        255 => "too many questions, or not registered",
        _ => "an error of the list",
    };
    format!("{answer}: {meaning}")
}

impl Match {
    /// Whether a code takes an answer.
    pub(super) fn takes(&self, answer: Ipv4Addr) -> bool {
        match self {
            Self::Any => true,
            Self::Range(first, last) => (*first..=*last).contains(&answer),
            // Bits stand in the last octet; 127.0.0.1 alone is an error for some, and then a bit of its own.
            Self::Bit(bit) => answer.octets()[..3] == [127, 0, 0] && answer.octets()[3] & bit != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reputation::blocklist::Registry;

    fn list(name: &str) -> BlockList {
        Registry::shipped().lists.into_iter().find(|list| list.name == name).unwrap()
    }

    #[track_caller]
    fn check(name: &str, answers: &[[u8; 4]], state: ListState, codes: &[&str]) {
        let answers: Vec<_> = answers.iter().map(|octets| Ipv4Addr::from(*octets)).collect();
        let verdict = judge(&list(name), &answers);
        assert_eq!(
            (verdict.state, &verdict.codes[..]),
            (state, &codes.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>()[..]),
            "{verdict:?}"
        );
        assert_eq!(verdict.reason.is_empty(), state != ListState::Unknown);
    }

    #[test]
    fn names_are_reversed_by_octets_and_by_nibbles() {
        assert_eq!(question("192.0.2.7", "bl.example"), "7.2.0.192.bl.example");
        assert_eq!(
            question("2001:db8::1", "bl.example"),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example"
        );
        assert_eq!(question("shop.example", "bl.example"), "shop.example.bl.example");
    }

    #[test]
    fn codes_are_named_and_several_are_all_told() {
        check("spamhaus-zen", &[[127, 0, 0, 2], [127, 0, 0, 4]], ListState::Listed, &["SBL", "XBL"]);
        check("spamhaus-zen", &[[127, 0, 0, 10]], ListState::Listed, &["PBL"]);
    }

    #[test]
    fn error_codes_and_foreign_answers_are_unknown_even_beside_a_listing() {
        for answer in [[127, 255, 255, 252], [127, 255, 255, 254], [127, 255, 255, 255], [192, 0, 2, 1]] {
            check("spamhaus-zen", &[answer], ListState::Unknown, &[]);
            check("spamhaus-zen", &[[127, 0, 0, 2], answer], ListState::Unknown, &[]);
        }
    }

    #[test]
    fn bits_are_read_as_bits() {
        check("surbl", &[[127, 0, 0, 8 + 64]], ListState::Listed, &["phishing", "abuse"]);
        check("surbl", &[[127, 0, 0, 1]], ListState::Unknown, &[]);
        check("uribl", &[[127, 0, 0, 1]], ListState::Unknown, &[]);
        check("uribl", &[[127, 0, 0, 2 + 8]], ListState::Listed, &["black", "red"]);
    }

    #[test]
    fn a_good_reputation_is_no_listing() {
        check("mailspike", &[[127, 0, 0, 18]], ListState::Clean, &[]);
        check("mailspike", &[[127, 0, 0, 12]], ListState::Listed, &["poor"]);
    }

    #[test]
    fn a_code_that_nobody_knows_says_nothing() {
        check("spamhaus-zen", &[[127, 0, 9, 9]], ListState::Unknown, &[]);
    }
}
