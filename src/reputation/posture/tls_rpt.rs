//! TLS-RPT: whether others report how TLS to our servers goes. Pure.
//!
//! Source: RFC 8460 section 3.

use crate::model::{PostureCheck, PostureState};
use crate::reputation::Answer;
use crate::reputation::posture::finding::Finding;
use crate::reputation::posture::tags::{of_version, tag, tags};

pub(super) fn judge(texts: &Answer<Vec<String>>) -> Finding {
    let check = PostureCheck::TlsRpt;
    let texts = match texts {
        Answer::Unknown(why) => return Finding::unknown(check, why),
        Answer::Nothing => &Vec::new(),
        Answer::Found(texts) => texts,
    };
    let finding = match of_version(texts, "TLSRPTv1")[..] {
        [] => {
            return Finding::new(
                check,
                PostureState::Info,
                "not published: nobody tells when TLS to your servers fails",
            );
        }
        [record] => {
            let tags = tags(record);
            let uris: Vec<&str> = tag(&tags, "rua").unwrap_or_default().split(',').map(str::trim).collect();
            let is_place = |uri: &&&str| uri.starts_with("mailto:") || uri.starts_with("https:");
            match uris.iter().find(|uri| !is_place(uri)) {
                None => Finding::new(check, PostureState::Pass, format!("reports go to {}", uris.join(", "))),
                Some(uri) => Finding::new(
                    check,
                    PostureState::Fail,
                    format!("`{uri}` in `rua` is no `mailto:` or `https:` address"),
                ),
            }
        }
        _ => Finding::new(check, PostureState::Fail, "several records stand here: none counts"),
    };
    finding.value(texts.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_need_a_place_to_go() {
        let state = |text: &str| judge(&Answer::Found(vec![text.to_owned()])).state;
        assert_eq!(
            state("v=TLSRPTv1; rua=mailto:tls@shop.example,https://shop.example/tls"),
            PostureState::Pass
        );
        assert_eq!(state("v=TLSRPTv1; rua=tls@shop.example"), PostureState::Fail);
        assert_eq!(state("v=TLSRPTv1"), PostureState::Fail);
        assert_eq!(judge(&Answer::Nothing).state, PostureState::Info);
    }
}
