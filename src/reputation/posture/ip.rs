//! What receivers find of a sending address: its name, whether the name leads back, the greeting.
//!
//! Source: Gmail's sender guidelines (support.google.com 81126, copy of 2026): PTR and forward DNS must match; RFC 1912
//! section 2.1; RFC 5321 section 4.1.4 for the greeting.

use crate::model::{PostureCheck, PostureState};
use crate::reputation::posture::finding::{Faults, Finding};
use crate::reputation::{Answer, Dns};
use std::net::IpAddr;

/// Names of one address that are looked at: Gmail reads no more than a few.
const NAMES_MAX: usize = 5;

/// Words in names that providers give to whole networks.
const GENERIC_WORDS: [&str; 9] =
    ["dynamic", "dyn", "dhcp", "dsl", "pool", "ppp", "broadband", "dialup", "customer"];

/// Asks and judges. `ehlo` is the name by which the address greets, where the settings say it.
pub async fn look_at_ip(dns: &Dns, ip: IpAddr, ehlo: Option<&str>) -> Vec<Finding> {
    let names = dns.ptr(ip).await;
    let mut confirmed = Vec::new();
    let mut is_known = true;
    if let Answer::Found(names) = &names {
        for name in names.iter().take(NAMES_MAX) {
            match dns.addresses(name).await {
                Answer::Found(addresses) if addresses.contains(&ip) => confirmed.push(name.clone()),
                Answer::Unknown(_) => is_known = false,
                _ => {}
            }
        }
    }
    let mut findings = vec![judge_ptr(ip, &names, &confirmed, is_known)];
    if let Some(ehlo) = ehlo {
        let ehlo = ehlo.to_ascii_lowercase();
        findings.push(judge_ehlo(ip, &ehlo, &dns.addresses(&ehlo).await, &confirmed));
    }
    findings
}

fn judge_ptr(ip: IpAddr, names: &Answer<Vec<String>>, confirmed: &[String], is_known: bool) -> Finding {
    let check = PostureCheck::Ptr;
    let names = match names {
        Answer::Unknown(why) => return Finding::unknown(check, why),
        Answer::Nothing => {
            return Finding::new(
                check,
                PostureState::Fail,
                "the address has no name (PTR): Gmail and others refuse its mail",
            );
        }
        Answer::Found(names) => names,
    };
    let mut sorted = names.clone();
    sorted.sort();
    let value = sorted.join(", ");
    let Some(name) = confirmed.first() else {
        if !is_known {
            return Finding::unknown(check, "the name could not be looked up").value(value);
        }
        let told = format!("{value} does not lead back to {ip}: the name needs an address record with it");
        return Finding::new(check, PostureState::Fail, told).value(value);
    };
    let mut faults = Faults::default();
    if is_generic(name, ip) {
        faults.warn(format!("{name} looks like a name of a whole network: give the address one of its own"));
    }
    if names.len() > 1 {
        faults.warn("the address has several names: one is enough, and receivers may take any");
    }
    faults.finding(check, format!("{name} leads back to the address")).value(value)
}

fn judge_ehlo(ip: IpAddr, ehlo: &str, addresses: &Answer<Vec<IpAddr>>, confirmed: &[String]) -> Finding {
    let check = PostureCheck::Ehlo;
    let finding = match addresses {
        Answer::Unknown(why) => Finding::unknown(check, why),
        Answer::Nothing => Finding::new(check, PostureState::Fail, "the name does not exist in the DNS"),
        Answer::Found(addresses) if !addresses.contains(&ip) => {
            Finding::new(check, PostureState::Warn, format!("the name does not lead to {ip}"))
        }
        Answer::Found(_) if !confirmed.iter().any(|name| name == ehlo) => {
            Finding::new(check, PostureState::Warn, "the address goes by another name than it greets with")
        }
        Answer::Found(_) => Finding::new(check, PostureState::Pass, "greeting, name and address agree"),
    };
    finding.value(ehlo)
}

/// Whether a name has the address in it, or a word of networks.
fn is_generic(name: &str, ip: IpAddr) -> bool {
    let words: Vec<&str> = name.split(['.', '-', '_']).collect();
    let has_word =
        words.iter().any(|word| GENERIC_WORDS.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit())));
    let IpAddr::V4(ip) = ip else { return has_word };
    let octets = ip.octets().map(|octet| octet.to_string());
    let numbers = words.iter().filter(|word| octets.iter().any(|octet| octet == *word)).count();
    let [a, b, c, d] = ip.octets();
    let joined = format!("{a:03}{b:03}{c:03}{d:03}");
    has_word || numbers >= 3 || name.contains(&joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    #[test]
    fn a_name_must_lead_back() {
        let found = Answer::Found(vec!["mx1.shop.example".to_owned()]);
        let state = |confirmed: &[String], is_known| judge_ptr(IP, &found, confirmed, is_known).state;
        assert_eq!(state(&["mx1.shop.example".to_owned()], true), PostureState::Pass);
        assert_eq!(state(&[], true), PostureState::Fail);
        assert_eq!(state(&[], false), PostureState::Unknown);
        assert_eq!(judge_ptr(IP, &Answer::Nothing, &[], true).state, PostureState::Fail);
    }

    #[test]
    fn names_of_networks_are_known() {
        for name in [
            "192-0-2-7.isp.example",
            "7.2.0.192.rev.isp.example",
            "dsl17.isp.example",
            "ip192000002007.isp.example",
        ] {
            assert!(is_generic(name, IP), "{name}");
        }
        for name in ["mx1.shop.example", "out-7.shop.example", "mail.dynamics-shop.example"] {
            assert!(!is_generic(name, IP), "{name}");
        }
    }

    #[test]
    fn a_greeting_must_lead_to_the_address_and_be_its_name() {
        let confirmed = ["mx1.shop.example".to_owned()];
        let state = |ehlo: &str, answer: &Answer<Vec<IpAddr>>| judge_ehlo(IP, ehlo, answer, &confirmed).state;
        assert_eq!(state("mx1.shop.example", &Answer::Found(vec![IP])), PostureState::Pass);
        assert_eq!(state("other.shop.example", &Answer::Found(vec![IP])), PostureState::Warn);
        assert_eq!(state("mx1.shop.example", &Answer::Nothing), PostureState::Fail);
    }
}
