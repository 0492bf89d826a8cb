//! The words of a report: results, dispositions, policies, in whatever case and in the names of older schemas.
//!
//! Source: RFC 9990 appendix A, RFC 7489 appendix C; RFC 8601 section 2.7 for results, RFC 4408 and its drafts for the
//! older names of SPF results.

use crate::model::{
    AlignmentMode, AuthResult, Disposition, OverrideType, PolicyAction, PolicyDiscovery, SpfScope,
};

/// Longest word that is looked at, in bytes; no schema has one of more than 17.
const WORD_BYTES_MAX: usize = 32;

/// Reads a word by `from_name`; in lower case when it is not known as it stands.
fn word<T>(text: &str, from_name: impl Fn(&str) -> Option<T>) -> Option<T> {
    from_name(text).or_else(|| {
        let mut lower = [0; WORD_BYTES_MAX];
        let lower = lower.get_mut(..text.len())?;
        lower.copy_from_slice(text.as_bytes());
        lower.make_ascii_lowercase();
        from_name(str::from_utf8(lower).ok()?)
    })
}

pub(super) fn policy_action(text: &str) -> Option<PolicyAction> {
    word(text, PolicyAction::from_name)
}

pub(super) fn alignment_mode(text: &str) -> Option<AlignmentMode> {
    word(text, |text| match text {
        "relaxed" => Some(AlignmentMode::Relaxed),
        "strict" => Some(AlignmentMode::Strict),
        text => AlignmentMode::from_name(text),
    })
}

pub(super) fn policy_discovery(text: &str) -> Option<PolicyDiscovery> {
    word(text, PolicyDiscovery::from_name)
}

pub(super) fn yes_or_no(text: &str) -> Option<bool> {
    word(text, |text| match text {
        "y" | "yes" | "true" | "1" => Some(true),
        "n" | "no" | "false" | "0" => Some(false),
        _ => None,
    })
}

/// `unknown` is our own word for one that is none.
pub(super) fn disposition(text: &str) -> Option<Disposition> {
    word(text, Disposition::from_name).filter(|disposition| *disposition != Disposition::Unknown)
}

pub(super) fn override_type(text: &str) -> Option<OverrideType> {
    word(text, OverrideType::from_name)
}

pub(super) fn spf_scope(text: &str) -> Option<SpfScope> {
    word(text, |text| match text {
        "mailfrom" => Some(SpfScope::Mfrom),
        text => SpfScope::from_name(text),
    })
}

pub(super) fn auth_result(text: &str) -> Option<AuthResult> {
    word(text, |text| match text {
        "hardfail" => Some(AuthResult::Fail),
        "error" => Some(AuthResult::TempError),
        "unknown" | "invalid" => Some(AuthResult::PermError),
        text => AuthResult::from_name(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case() {
        assert_eq!(disposition("Quarantine"), Some(Disposition::Quarantine));
        assert_eq!(auth_result("PASS"), Some(AuthResult::Pass));
        assert_eq!(alignment_mode("Strict"), Some(AlignmentMode::Strict));
        assert_eq!(yes_or_no("Y"), Some(true));
    }

    #[test]
    fn older_names_are_known() {
        assert_eq!(auth_result("hardfail"), Some(AuthResult::Fail));
        assert_eq!(auth_result("unknown"), Some(AuthResult::PermError));
    }

    #[test]
    fn a_word_that_is_none_is_not_read() {
        assert_eq!(disposition("unknown"), None);
        assert_eq!(disposition(""), None);
        assert_eq!(auth_result(&"pass".repeat(1000)), None);
        assert_eq!(policy_action("quarantined"), None);
    }
}
