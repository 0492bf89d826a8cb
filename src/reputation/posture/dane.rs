//! DANE: TLSA records of mail servers, and whether DNSSEC vouches for them. Pure.
//!
//! Source: RFC 7672 sections 2.2 (without DNSSEC the records do not count; the MX record must be signed, too) and 3.1 (for
//! SMTP only the usages 2 and 3 count), RFC 6698 section 2.1.
//! Not here: whether the server's certificate matches, which takes a session with it: TLS reports tell (`/tls`).

use crate::model::{PostureCheck, PostureState};
use crate::reputation::Answer;
use crate::reputation::dns::{Signed, Tlsa};
use crate::reputation::posture::finding::{Faults, Finding};

/// What DNSSEC says of the two records that a sender needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vouched {
    pub(super) tlsa: Signed,
    pub(super) mx: Signed,
}

/// `vouched` is asked for only where there are records.
pub(super) fn judge(server: &str, answer: &Answer<Vec<Tlsa>>, vouched: Option<&Vouched>) -> Finding {
    let check = PostureCheck::Dane;
    let records = match answer {
        Answer::Unknown(why) => return Finding::unknown(check, why).about(server),
        Answer::Nothing => return Finding::new(check, PostureState::Info, "no TLSA record").about(server),
        Answer::Found(records) => records,
    };
    let mut faults = Faults::default();
    if !records.iter().any(is_usable) {
        faults.fail("no TLSA record can be used for mail: usage 2 or 3, a known selector, and a digest of the right length are needed");
    } else if let Some(bad) = records.iter().find(|record| !is_usable(record)) {
        faults.warn(format!("`{}` cannot be used for mail, and is passed over", written(bad)));
    }
    let mut unknown = None;
    match vouched.map(|vouched| &vouched.tlsa) {
        Some(Signed::Yes) => {}
        Some(Signed::No) => {
            faults
                .fail("the zone of the server is not signed (DNSSEC), so that no sender counts the records");
        }
        Some(Signed::Broken) => {
            faults.fail("the signatures (DNSSEC) do not hold: senders that check them cannot deliver at all");
        }
        Some(Signed::Unknown(why)) => unknown = Some(why.as_str()),
        None => unknown = Some("DNSSEC was not asked"),
    }
    match vouched.map(|vouched| &vouched.mx) {
        Some(Signed::No) => faults
            .warn("the MX record of the domain is not signed: who forges it leads mail past this server"),
        Some(Signed::Broken) => faults.fail("the signatures of the MX record do not hold"),
        _ => {}
    }
    let mut value: Vec<String> = records.iter().map(written).collect();
    value.sort();
    let well = "well formed, and signed up to the root; whether the certificate matches, TLS reports tell";
    let mut finding = faults.finding(check, well);
    if let Some(why) = unknown.filter(|_| finding.state != PostureState::Fail) {
        finding = Finding::unknown(check, &format!("whether DNSSEC signs the records: {why}"));
    }
    finding.about(server).value(value.join(" | "))
}

fn is_usable(record: &Tlsa) -> bool {
    let is_length = match record.matching {
        0 => !record.data.is_empty(),
        1 => record.data.len() == 32,
        2 => record.data.len() == 64,
        _ => false,
    };
    (2..=3).contains(&record.usage) && record.selector <= 1 && is_length
}

fn written(record: &Tlsa) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{} {} {} ", record.usage, record.selector, record.matching);
    for byte in &record.data {
        // writing to a String cannot fail
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(usage: u8, matching: u8, length: usize) -> Tlsa {
        Tlsa { usage, selector: 1, matching, data: vec![7; length] }
    }

    fn state(records: Vec<Tlsa>, tlsa: Signed, mx: Signed) -> PostureState {
        judge("mx.shop.example", &Answer::Found(records), Some(&Vouched { tlsa, mx })).state
    }

    #[test]
    fn only_records_that_mail_servers_use_count() {
        let signed = |records| state(records, Signed::Yes, Signed::Yes);
        assert_eq!(signed(vec![record(3, 1, 32)]), PostureState::Pass);
        assert_eq!(signed(vec![record(1, 1, 32)]), PostureState::Fail);
        assert_eq!(signed(vec![record(3, 1, 31)]), PostureState::Fail);
        assert_eq!(signed(vec![record(3, 1, 32), record(0, 1, 32)]), PostureState::Warn);
    }

    #[test]
    fn without_a_signature_nothing_passes() {
        let unknown = || Signed::Unknown("silence".to_owned());
        let of = |tlsa, mx| state(vec![record(3, 1, 32)], tlsa, mx);
        assert_eq!(of(Signed::No, Signed::No), PostureState::Fail);
        assert_eq!(of(Signed::Broken, Signed::Yes), PostureState::Fail);
        assert_eq!(of(Signed::Yes, Signed::No), PostureState::Warn);
        assert_eq!(of(unknown(), Signed::Yes), PostureState::Unknown);
        assert_eq!(
            state(vec![record(1, 1, 32)], unknown(), unknown()),
            PostureState::Fail,
            "malformed anyway"
        );
    }
}
