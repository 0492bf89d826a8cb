//! DANE: TLSA records of mail servers. Pure.
//!
//! Source: RFC 7672 section 3.1 (for SMTP only the usages 2 and 3 count), RFC 6698 section 2.1.
//! Not here: whether DNSSEC signs the zone, which a resolver that does not validate cannot say, and whether the server's
//! certificate matches, which takes a session with it: TLS reports tell both (`/tls`).

use crate::model::{PostureCheck, PostureState};
use crate::reputation::Answer;
use crate::reputation::dns::Tlsa;
use crate::reputation::posture::finding::{Faults, Finding};

pub(super) fn judge(server: &str, answer: &Answer<Vec<Tlsa>>) -> Finding {
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
    let mut value: Vec<String> = records.iter().map(written).collect();
    value.sort();
    let well = "well formed; it counts when DNSSEC signs the zone and the certificate matches, which TLS reports tell";
    faults.finding(check, well).about(server).value(value.join(" | "))
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

    #[test]
    fn only_records_that_mail_servers_use_count() {
        let record = |usage, matching, length| Tlsa { usage, selector: 1, matching, data: vec![7; length] };
        let state = |records: Vec<Tlsa>| judge("mx.shop.example", &Answer::Found(records)).state;
        assert_eq!(state(vec![record(3, 1, 32)]), PostureState::Pass);
        assert_eq!(state(vec![record(1, 1, 32)]), PostureState::Fail);
        assert_eq!(state(vec![record(3, 1, 31)]), PostureState::Fail);
        assert_eq!(state(vec![record(3, 1, 32), record(0, 1, 32)]), PostureState::Warn);
    }
}
