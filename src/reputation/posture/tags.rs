//! Lists of `tag=value`, as DKIM, DMARC, MTA-STS, TLS-RPT and BIMI records have them.
//!
//! Source: RFC 6376 section 3.2; the others take it over.

/// The tags of a record in their order. Names are in lower case; values have no blanks around them.
pub(super) fn tags(record: &str) -> Vec<(String, &str)> {
    let pairs = record.split(';').filter_map(|part| part.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim())).collect()
}

pub(super) fn tag<'a>(tags: &[(String, &'a str)], name: &str) -> Option<&'a str> {
    tags.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
}

/// The records that begin with a version tag, such as `v=DMARC1`: texts of other uses stand at the same name.
pub(super) fn of_version<'a>(texts: &'a [String], version: &str) -> Vec<&'a str> {
    let is_of = |text: &&String| {
        let first = text.split(';').next().unwrap_or_default();
        first
            .split_once('=')
            .is_some_and(|(name, value)| name.trim().eq_ignore_ascii_case("v") && value.trim() == version)
    };
    texts.iter().filter(is_of).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_with_any_blanks() {
        assert_eq!(tags("V=DMARC1 ; p = none;;x"), [("v".to_owned(), "DMARC1"), ("p".to_owned(), "none")]);
        assert_eq!(
            of_version(&["v=spf1 -all".to_owned(), "v = DMARC1; p=none".to_owned()], "DMARC1").len(),
            1
        );
        assert!(of_version(&["p=none; v=DMARC1".to_owned()], "DMARC1").is_empty(), "the version comes first");
    }
}
