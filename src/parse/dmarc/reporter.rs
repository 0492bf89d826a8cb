//! Who a report is from, in one name for all of its mails.
//!
//! Source: the public suffix list, <https://publicsuffix.org>, as the `psl` crate has it.
//!
//! Large reporters write a host name (`mx3.eu.example.com`) or their name in changing case into `org_name`, and some leave
//! it empty. Reports of one period are told apart by the reporter, so all of these must give one name.

use crate::model::{Text, domain_of};

/// The registered domain when `org_name` is a host name, that of `email` when it is empty, else `org_name` itself.
pub(super) fn reporter(org_name: &str, email: &str) -> Text {
    if org_name.is_empty() {
        return registered_domain(domain_of(email)).unwrap_or_default();
    }
    registered_domain(org_name).unwrap_or_else(|| Text::new(org_name))
}

/// `None` for what is no host name of two labels or more.
fn registered_domain(name: &str) -> Option<Text> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_host = name.contains('.')
        && !name.contains(|c: char| c.is_ascii_punctuation() && !"-._".contains(c) || c.is_whitespace());
    let name = is_host.then(|| name.to_lowercase())?;
    psl::domain_str(&name).map(Text::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(org_name: &str, email: &str, expect: &str) {
        assert_eq!(reporter(org_name, email), expect, "org_name {org_name:?}, email {email:?}");
    }

    #[test]
    fn host_names_give_their_registered_domain() {
        check("mx3.eu.Example.com", "", "example.com");
        check("mail.example.co.uk", "", "example.co.uk");
        check("Example.Org.", "", "example.org");
    }

    #[test]
    fn other_names_stay_as_they_are() {
        check("Enterprise Example", "dmarc@example.com", "Enterprise Example");
        check("EXAMPLE-SES", "", "EXAMPLE-SES");
        check("example.cz a.s.", "", "example.cz a.s.");
        check("../../etc", "", "../../etc");
    }

    #[test]
    fn an_empty_name_gives_way_to_the_address() {
        check("", "administrator@mail.example.com", "example.com");
        check("", "nobody", "");
        check("", "", "");
    }
}
