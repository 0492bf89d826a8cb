//! MTA-STS: the record, and the policy behind it. Pure.
//!
//! Source: RFC 8461 sections 3.1 (record), 3.2 (policy) and 4.1 (matching of server names).

use crate::model::{PostureCheck, PostureState};
use crate::reputation::Answer;
use crate::reputation::posture::finding::{Faults, Finding};
use crate::reputation::posture::tags::{of_version, tag, tags};

/// Below a day a policy hardly protects: an attacker needs to hold out no longer.
const MAX_AGE_ADVISED_S: u64 = 86_400;

/// What the answer to the policy's URL was.
pub(super) type Fetched = Result<String, String>;

/// Whether there is a record, so that the policy must be fetched.
pub(super) fn has_record(texts: &Answer<Vec<String>>) -> bool {
    matches!(texts, Answer::Found(texts) if !of_version(texts, "STSv1").is_empty())
}

/// Judges record and policy. `servers` are the names of the MX records.
pub(super) fn judge(texts: &Answer<Vec<String>>, policy: Option<&Fetched>, servers: &[String]) -> Finding {
    let check = PostureCheck::MtaSts;
    let texts = match texts {
        Answer::Unknown(why) => return Finding::unknown(check, why),
        Answer::Nothing => &Vec::new(),
        Answer::Found(texts) => texts,
    };
    let record = match of_version(texts, "STSv1")[..] {
        [] => {
            return Finding::new(
                check,
                PostureState::Info,
                "not published: other servers may fall back to plain text",
            );
        }
        [record] => record,
        _ => {
            return Finding::new(check, PostureState::Fail, "several records stand here: none counts")
                .value(texts.join(" | "));
        }
    };
    let mut faults = Faults::default();
    let tags = tags(record);
    let id = tag(&tags, "id").unwrap_or_default();
    if id.is_empty() || id.len() > 32 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        faults.fail("`id` must be 1 to 32 letters and digits");
    }
    match policy {
        None => {}
        Some(Err(why)) => faults.fail(format!("the policy cannot be fetched: {why}")),
        Some(Ok(text)) => judge_policy(text, servers, &mut faults),
    }
    let value = match policy {
        Some(Ok(text)) => {
            format!("{record} | {}", text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
        }
        _ => record.to_owned(),
    };
    faults.finding(check, "record and policy agree with the mail servers").value(value)
}

fn judge_policy(text: &str, servers: &[String], faults: &mut Faults) {
    let pairs: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let one = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    if one("version") != Some("STSv1") {
        faults.fail("the policy has no `version: STSv1`");
    }
    match one("max_age").map(str::parse::<u64>) {
        Some(Ok(seconds)) if seconds > 31_557_600 => faults.fail("`max_age` is more than a year"),
        Some(Ok(seconds)) if seconds < MAX_AGE_ADVISED_S => faults.warn("`max_age` is less than a day"),
        Some(Ok(_)) => {}
        _ => faults.fail("`max_age` is no number"),
    }
    let mode = one("mode").unwrap_or_default();
    match mode {
        "enforce" => {}
        "testing" => faults.warn("mode testing: failures are reported, mail goes on"),
        "none" => return faults.warn("mode none: the policy is off"),
        _ => faults.fail("`mode` is none of enforce, testing and none"),
    }
    let patterns: Vec<&str> =
        pairs.iter().filter(|(name, _)| *name == "mx").map(|(_, value)| *value).collect();
    if patterns.is_empty() {
        faults.fail("the policy names no `mx`");
    }
    let strangers: Vec<&str> = servers
        .iter()
        .filter(|server| !patterns.iter().any(|pattern| matches(pattern, server)))
        .map(String::as_str)
        .collect();
    if !strangers.is_empty() {
        let told = format!("the policy does not name {}", strangers.join(", "));
        if mode == "enforce" {
            faults.fail(format!("{told}: mail to it is not delivered"));
        } else {
            faults.warn(told);
        }
    }
}

/// A pattern may have `*` for the first label, and for that alone.
fn matches(pattern: &str, server: &str) -> bool {
    let (pattern, server) = (pattern.to_ascii_lowercase(), server.to_ascii_lowercase());
    match pattern.strip_prefix("*.") {
        None => pattern == server,
        Some(rest) => server.split_once('.').is_some_and(|(_, parent)| parent == rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "version: STSv1\r\nmode: enforce\r\nmx: *.shop.example\r\nmax_age: 604800\r\n";

    #[track_caller]
    fn check(policy: &str, servers: &[&str], state: PostureState, told: &str) {
        let texts = Answer::Found(vec!["v=STSv1; id=20260801".to_owned()]);
        let servers: Vec<_> = servers.iter().map(|server| (*server).to_owned()).collect();
        let finding = judge(&texts, Some(&Ok(policy.to_owned())), &servers);
        assert_eq!(finding.state, state, "{finding:?}");
        assert!(finding.told.contains(told), "{finding:?}");
    }

    #[test]
    fn a_policy_must_name_the_servers() {
        check(POLICY, &["mx1.shop.example"], PostureState::Pass, "agree");
        check(POLICY, &["mx1.other.example"], PostureState::Fail, "mx1.other.example: mail");
        check(POLICY, &["a.b.shop.example"], PostureState::Fail, "a.b.shop.example");
        check(&POLICY.replace("enforce", "testing"), &["mx1.shop.example"], PostureState::Warn, "testing");
        check(&POLICY.replace("604800", "60"), &["mx1.shop.example"], PostureState::Warn, "max_age");
        check("", &[], PostureState::Fail, "version");
    }

    #[test]
    fn a_policy_that_is_not_there_is_a_fault_and_none_at_all_is_not() {
        let texts = Answer::Found(vec!["v=STSv1; id=1".to_owned()]);
        assert_eq!(judge(&texts, Some(&Err("404".to_owned())), &[]).state, PostureState::Fail);
        assert_eq!(judge(&Answer::Nothing, None, &[]).state, PostureState::Info);
        assert_eq!(judge(&Answer::Unknown("SERVFAIL".to_owned()), None, &[]).state, PostureState::Unknown);
    }
}
