//! Rules: the shipped ones are sound, a user's replace them, and faults are told.

use super::*;

#[test]
fn the_shipped_rules_can_be_read_and_have_advice() {
    let rules = Rules::shipped();
    for rule in &rules.rules {
        assert!(!rule.advice.is_empty(), "{} says nothing of what to do", rule.name);
        assert!(rule.channels.is_empty(), "{}: a shipped rule cannot know channels", rule.name);
    }
    for metric in Metric::ALL {
        assert!(rules.rules.iter().any(|rule| rule.metric == *metric), "no rule watches {metric}");
    }
    for inhibition in &rules.inhibit {
        for name in inhibition.targets.iter().chain([&inhibition.source]) {
            assert!(rules.get(name).is_some(), "`{name}` is inhibited and is no rule");
        }
    }
}

const OWN: &str = "[[rules]]\nname = \"block_rate\"\ntitle = \"Mine\"\nmetric = \"block\"\nwindow = \"1h\"\nabove = 0.5\nseverity = \"info\"\n";

#[test]
fn a_rule_of_a_shipped_name_replaces_it() {
    let rules = Rules::with_overlay(OWN).unwrap();
    assert_eq!(rules.rules.len(), Rules::shipped().rules.len());
    assert_eq!(rules.get("block_rate").unwrap().title, "Mine");
}

#[track_caller]
fn check(text: &str, part: &str) {
    let fault = Rules::with_overlay(text).unwrap_err().to_string();
    assert!(fault.contains(part), "{fault}");
}

#[test]
fn faults_name_the_rule_and_what_to_change() {
    check("[[rules]]\nname = \"x\"\n", "missing field");
    check(&OWN.replace("above", "aboev"), "aboev");
    check(&OWN.replace("1h", "8d"), "rule `block_rate`: `window` takes 5m to 7d");
    check(&OWN.replace("above = 0.5\n", ""), "needs `above`, `below` or `baseline`");
    check(&OWN.repeat(2), "stands there twice");
    check(&OWN.replace("above = 0.5", "by = [\"ip\", \"pool\", \"stream\"]\nabove = 0.5"), "at most two");
    let lag = OWN
        .replace("\"block\"", "\"ingest_lag\"")
        .replace("above = 0.5", "baseline = { direction = \"up\", change = 0.5 }");
    check(&lag, "no history");
}

#[test]
fn a_rule_names_channels_that_are_there() {
    let mut rules = Rules::with_overlay(OWN).unwrap();
    rules.rules[0].channels = vec!["team".to_owned()];
    assert!(rules.check_channels(&["team"]).is_ok());
    let fault = rules.check_channels(&["other"]).unwrap_err().to_string();
    assert!(fault.contains("`block_rate`") && fault.contains("`team`"), "{fault}");
}
