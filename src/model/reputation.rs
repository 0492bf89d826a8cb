//! What is known of the reputation of a sending address or domain: its listings and its DNS.
//!
//! Way: `reputation` asks and judges, `store` keeps the judgement under these names, pages and alerts read it.

use super::named::named;

named! {
    /// What a blocklist says of a subject. Only an answer that can be believed is one of the last two: a list that is
    /// down, refuses us, answers for everything or is over its budget says nothing.
    ListState: i8 {
        Unknown = 0, "unknown";
        Clean = 1, "clean";
        Listed = 2, "listed";
    }
}

named! {
    /// How a check of the DNS came out.
    PostureState: i8 {
        /// Nobody could say: the name server did not answer, or nothing tells it.
        Unknown = 0, "unknown";
        Pass = 1, "pass";
        /// Not there, and not needed.
        Info = 2, "info";
        Warn = 3, "warn";
        Fail = 4, "fail";
    }
}

named! {
    /// What a blocklist is asked about.
    ListKind {
        Ip4 = "ip4",
        Ip6 = "ip6",
        Domain = "domain",
    }

    /// What the test of a list came to; see RFC 5782 section 5.
    ListTest {
        /// It lists what it must and does not what it must not: its answers count.
        Passed = "passed",
        /// The entry that it must have is missing: the zone is empty, retired or moved.
        Empty = "empty",
        /// It lists what it must not: it answers for everything.
        Wildcard = "wildcard",
        /// It answers with an error code: this resolver, key or volume is not welcome.
        Refused = "refused",
        /// No answer came, or the name server failed.
        Silent = "silent",
    }

    /// One thing that is looked at in the DNS of a subject. Of some there are several, told apart by what they are
    /// about: a selector, a server, a path.
    PostureCheck {
        Spf = "spf",
        SpfLookups = "spf_lookups",
        SpfSender = "spf_sender",
        Dkim = "dkim",
        Dmarc = "dmarc",
        DmarcReports = "dmarc_reports",
        Mx = "mx",
        MtaSts = "mta_sts",
        TlsRpt = "tls_rpt",
        Dane = "dane",
        Bimi = "bimi",
        Ptr = "ptr",
        Ehlo = "ehlo",
        PathSpf = "path_spf",
        PathDkim = "path_dkim",
        PathDmarc = "path_dmarc",
    }
}

/// What kind of subject a name is: an address, or a domain.
pub fn list_kind(subject: &str) -> ListKind {
    match subject.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => ListKind::Ip4,
        Ok(std::net::IpAddr::V6(_)) => ListKind::Ip6,
        Err(_) => ListKind::Domain,
    }
}

/// The subject as it is kept: a domain in lower case without its last dot, an address in its usual form.
pub fn subject_name(text: &str) -> String {
    let text = text.trim();
    match text.parse::<std::net::IpAddr>() {
        Ok(ip) => ip.to_canonical().to_string(),
        Err(_) => text.trim_end_matches('.').to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_one_name_and_one_kind() {
        assert_eq!(subject_name(" Shop.Example. "), "shop.example");
        assert_eq!(subject_name("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(list_kind("192.0.2.1"), ListKind::Ip4);
        assert_eq!(list_kind("2001:db8::1"), ListKind::Ip6);
        assert_eq!(list_kind("shop.example"), ListKind::Domain);
    }
}
