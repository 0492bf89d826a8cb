//! Does mail of a domain pass SPF from each address that sends it? The check that receivers run, run for each pair.
//!
//! Source: RFC 7208 section 2.6 (results); the record is followed by `mail-auth`, macros included.
//! Not here: whether the record is well made (`spf_tree`), and what receivers saw (DMARC reports).

use crate::model::{PostureCheck, PostureState};
use crate::reputation::Dns;
use crate::reputation::dns::SpfMemo;
use crate::reputation::posture::finding::Finding;
use mail_auth::SpfResult;
use std::net::IpAddr;

/// An address that sent mail for a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpfSender {
    pub ip: IpAddr,
    /// The name by which it greets; the domain where it is not known.
    pub ehlo: Option<String>,
    /// Messages of the last 30 days; zero where nobody counted.
    pub messages: u64,
}

/// Asks and judges. Each address but the first costs no question where the record names networks, and few where it names
/// hosts.
pub(super) async fn look_at_senders(dns: &Dns, domain: &str, senders: &[SpfSender]) -> Vec<Finding> {
    let (memo, mut findings) = (SpfMemo::default(), Vec::new());
    for sender in senders {
        let ehlo = sender.ehlo.as_deref().unwrap_or(domain);
        let result = dns.spf(sender.ip, ehlo, domain, &memo).await;
        findings.push(judge(domain, sender, result));
    }
    findings
}

fn judge(domain: &str, sender: &SpfSender, result: SpfResult) -> Finding {
    let check = PostureCheck::SpfSender;
    let mail = match sender.messages {
        0 => String::new(),
        1 => ", and 1 message of 30 days came from it".to_owned(),
        count => format!(", and {count} messages of 30 days came from it"),
    };
    let refused = |word: &str, why: &str| {
        let told = format!("{word}: {why}{mail}; name the address in the record, or send by another");
        Finding::new(check, PostureState::Fail, told).value(word)
    };
    let finding = match result {
        SpfResult::Pass => {
            Finding::new(check, PostureState::Pass, format!("passes SPF of {domain}")).value("pass")
        }
        SpfResult::Fail => refused("fail", "the record forbids it"),
        SpfResult::SoftFail => refused("softfail", "the record does not let it send"),
        SpfResult::Neutral => refused("neutral", "the record does not name it"),
        SpfResult::None => refused("none", "there is no record"),
        SpfResult::PermError => {
            let told = format!("permerror: receivers cannot follow the record{mail}; mend the record");
            Finding::new(check, PostureState::Fail, told).value("permerror")
        }
        SpfResult::TempError => Finding::unknown(check, "a part of the record was not answered"),
    };
    finding.about(sender.ip.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pass_passes_and_silence_is_unknown() {
        let sender = SpfSender { ip: "192.0.2.7".parse().unwrap(), ehlo: None, messages: 12 };
        let judged = |result| {
            let finding = judge("shop.example", &sender, result);
            (finding.state, finding.value)
        };
        for (result, state, value) in [
            (SpfResult::Pass, PostureState::Pass, "pass"),
            (SpfResult::Fail, PostureState::Fail, "fail"),
            (SpfResult::SoftFail, PostureState::Fail, "softfail"),
            (SpfResult::Neutral, PostureState::Fail, "neutral"),
            (SpfResult::None, PostureState::Fail, "none"),
            (SpfResult::PermError, PostureState::Fail, "permerror"),
            (SpfResult::TempError, PostureState::Unknown, ""),
        ] {
            assert_eq!(judged(result), (state, value.to_owned()));
        }
        assert!(judge("shop.example", &sender, SpfResult::Fail).told.contains("12 messages"));
    }
}
