//! SPF records: reading them. Pure.
//!
//! Source: RFC 7208. Macros are not expanded, as there is no message: such a term counts as a question that is not asked.

use std::net::IpAddr;

/// A record, read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SpfRecord {
    pub terms: Vec<Term>,
    /// `redirect=`, which counts when no term matches; none beside `all` (section 6.1).
    pub redirect: Option<String>,
    /// Terms that make a receiver give up with a permanent error (section 4.6).
    pub errors: Vec<String>,
}

/// `-all`, `include:_spf.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub qualifier: char,
    pub mechanism: Mechanism,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Ip(IpAddr),
    Include(String),
    /// `a` and `mx`, with the domain when it is another.
    A(Option<String>),
    Mx(Option<String>),
    Ptr,
    Exists(String),
}

impl Mechanism {
    /// Whether it asks the DNS, and counts towards the limit of ten (section 4.6.4).
    pub(super) const fn asks(&self) -> bool {
        !matches!(self, Self::All | Self::Ip(_))
    }
}

/// Whether a text is an SPF record (section 4.5).
pub(super) fn is_spf(text: &str) -> bool {
    let version = text.split(' ').next().unwrap_or_default();
    version.eq_ignore_ascii_case("v=spf1")
}

/// Reads a record; what cannot be read is named in its errors.
pub(super) fn parse(text: &str) -> SpfRecord {
    let mut record = SpfRecord::default();
    for word in text.split_ascii_whitespace().skip(1) {
        if let Some((name, value)) = modifier(word) {
            match name.to_ascii_lowercase().as_str() {
                "redirect" if record.redirect.is_none() => record.redirect = Some(value.to_ascii_lowercase()),
                "redirect" => record.errors.push("`redirect` stands twice".to_owned()),
                // `exp` and unknown ones change nothing (section 6).
                _ => {}
            }
            continue;
        }
        match term(word) {
            Some(term) => record.terms.push(term),
            None => record.errors.push(format!("`{word}` is no term of SPF")),
        }
    }
    if record.terms.iter().any(|term| term.mechanism == Mechanism::All) {
        record.redirect = None;
    }
    record
}

/// `name=value`, where the name has no mark of a mechanism.
fn modifier(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_name.then_some((name, value))
}

fn term(word: &str) -> Option<Term> {
    let qualifier = word.chars().next().filter(|first| "+-~?".contains(*first));
    let bare = if qualifier.is_some() { &word[1..] } else { word };
    let cut = bare.find([':', '/']).unwrap_or(bare.len());
    let (name, rest) = bare.split_at(cut);
    let argument = rest.strip_prefix(':');
    let domain = |text: &str| {
        let name = text.split('/').next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        (!name.is_empty()).then_some(name)
    };
    let own = || match argument {
        None => Some(None),
        Some(text) => domain(text).map(Some),
    };
    let mechanism = match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(domain(argument?)?),
        "a" => Mechanism::A(own()?),
        "mx" => Mechanism::Mx(own()?),
        "ptr" => Mechanism::Ptr,
        "exists" => Mechanism::Exists(domain(argument?)?),
        kind @ ("ip4" | "ip6") => Mechanism::Ip(network(argument?, kind == "ip4")?),
        _ => return None,
    };
    Some(Term { qualifier: qualifier.unwrap_or('+'), mechanism, text: word.to_owned() })
}

/// An address with an optional length of its prefix; only the address is kept.
fn network(text: &str, is_v4: bool) -> Option<IpAddr> {
    let (address, length) =
        text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().ok()?;
    let longest = if is_v4 { 32 } else { 128 };
    let is_length = length.is_none_or(|length| length.parse::<u8>().is_ok_and(|length| length <= longest));
    (address.is_ipv4() == is_v4 && is_length).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_in_any_case_with_their_qualifier() {
        let record = parse(
            "v=spf1 IP4:192.0.2.0/24 a mx:mail.shop.example/28 Include:_SPF.esp.example. -ALL exp=x.example",
        );
        let texts: Vec<_> =
            record.terms.iter().map(|term| (term.qualifier, term.mechanism.clone())).collect();
        assert_eq!(
            texts,
            [
                ('+', Mechanism::Ip("192.0.2.0".parse().unwrap())),
                ('+', Mechanism::A(None)),
                ('+', Mechanism::Mx(Some("mail.shop.example".to_owned()))),
                ('+', Mechanism::Include("_spf.esp.example".to_owned())),
                ('-', Mechanism::All),
            ]
        );
        assert!(record.errors.is_empty() && record.redirect.is_none());
    }

    #[test]
    fn a_redirect_counts_only_without_all() {
        assert_eq!(parse("v=spf1 redirect=_spf.shop.example").redirect.unwrap(), "_spf.shop.example");
        assert_eq!(parse("v=spf1 redirect=_spf.shop.example ~all").redirect, None);
    }

    #[test]
    fn what_is_no_term_is_named() {
        for bad in [
            "ip4:192.0.2",
            "ip4:192.0.2.0/33",
            "ip6:192.0.2.1",
            "include:",
            "include",
            "alll",
            "ipv4:192.0.2.1",
        ] {
            let record = parse(&format!("v=spf1 {bad} -all"));
            assert_eq!(record.errors.len(), 1, "{bad}: {record:?}");
        }
    }

    #[test]
    fn only_the_whole_version_is_spf() {
        assert!(is_spf("v=spf1") && is_spf("V=SPF1 -all"));
        assert!(!is_spf("v=spf10 -all") && !is_spf("spf2.0/mfrom -all"));
    }
}
