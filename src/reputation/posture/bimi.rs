//! BIMI: the sender's picture. Pure.
//!
//! Source: the BIMI group's draft (draft-brand-indicators-for-message-identification), and Gmail's and Apple's pages: both
//! show nothing without DMARC enforcement and a certificate.

use crate::model::{PostureCheck, PostureState};
use crate::reputation::Answer;
use crate::reputation::posture::finding::{Faults, Finding};
use crate::reputation::posture::tags::{of_version, tag, tags};

/// `policy` is what DMARC asks for, where that is known.
pub(super) fn judge(texts: &Answer<Vec<String>>, policy: Option<&str>) -> Finding {
    let check = PostureCheck::Bimi;
    let texts = match texts {
        Answer::Unknown(why) => return Finding::unknown(check, why),
        Answer::Nothing => &Vec::new(),
        Answer::Found(texts) => texts,
    };
    let record = match of_version(texts, "BIMI1")[..] {
        [] => return Finding::new(check, PostureState::Info, "not published: no picture beside your mail"),
        [record] => record,
        _ => {
            return Finding::new(check, PostureState::Fail, "several records stand here: none counts")
                .value(texts.join(" | "));
        }
    };
    let (tags, mut faults) = (tags(record), Faults::default());
    let picture = tag(&tags, "l").unwrap_or_default();
    let certificate = tag(&tags, "a").unwrap_or_default();
    if picture.is_empty() && certificate.is_empty() {
        return Finding::new(check, PostureState::Info, "declined: the record is empty on purpose")
            .value(record);
    }
    if !picture.is_empty() && !picture.starts_with("https://") {
        faults.fail("`l` must be an https address of an SVG Tiny PS picture");
    }
    if certificate.is_empty() {
        faults.warn("`a` is missing: Gmail and Apple show the picture only with a mark certificate");
    } else if !certificate.starts_with("https://") {
        faults.fail("`a` must be an https address of the certificate");
    }
    match policy {
        None | Some("quarantine" | "reject") => {}
        Some(_) => {
            faults.fail("DMARC asks for nothing: the picture is shown only with p=quarantine or reject");
        }
    }
    let finding = faults.finding(check, "picture and certificate are named");
    if policy.is_none() && finding.state != PostureState::Fail {
        return Finding::unknown(check, "whether DMARC is enforced, which it must be").value(record);
    }
    finding.value(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_needs_enforcement_and_a_certificate() {
        let state = |text: &str, policy| judge(&Answer::Found(vec![text.to_owned()]), policy).state;
        let whole = "v=BIMI1; l=https://shop.example/l.svg; a=https://shop.example/l.pem";
        assert_eq!(state(whole, Some("reject")), PostureState::Pass);
        assert_eq!(state(whole, Some("none")), PostureState::Fail);
        assert_eq!(state(whole, None), PostureState::Unknown);
        assert_eq!(state("v=BIMI1; l=https://shop.example/l.svg", Some("reject")), PostureState::Warn);
        assert_eq!(state("v=BIMI1; l=; a=", Some("none")), PostureState::Info);
        assert_eq!(
            state("v=BIMI1; l=http://shop.example/l.svg; a=https://shop.example/l.pem", Some("reject")),
            PostureState::Fail
        );
    }
}
