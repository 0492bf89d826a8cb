//! Judgements: few messages say little, usual peaks are no incidents, real ones are.

use super::*;
use crate::alert::rules::Rules;

fn rule(name: &str) -> Rule {
    Rules::shipped().get(name).expect("a shipped rule").clone()
}

fn reading(now: Sample, past: &[Sample]) -> Reading {
    Reading { now, past: past.to_vec(), ..Reading::default() }
}

#[track_caller]
fn check(name: &str, now: Sample, past: &[Sample], expect: Verdict) {
    let judged = judge(&rule(name), &reading(now, past));
    assert_eq!(judged.verdict, expect, "{name}: {judged:?}");
}

/// Eight weeks of 1,000 attempts, about 2 % of them put off.
fn calm() -> Vec<Sample> {
    [18.0, 22.0, 20.0, 25.0, 15.0, 21.0, 19.0, 20.0].map(|part| Sample::share(part, 1_000.0)).to_vec()
}

#[test]
fn a_share_far_over_the_usual_one_is_an_incident() {
    check("deferral_spike", Sample::share(400.0, 1_000.0), &calm(), Verdict::Breach);
    check("deferral_spike", Sample::share(40.0, 1_000.0), &calm(), Verdict::Clear);
}

#[test]
fn one_failure_of_five_says_nothing() {
    for name in ["deferral_spike", "block_rate", "hard_bounce_rate", "block_on_ip"] {
        check(name, Sample::share(1.0, 5.0), &calm(), Verdict::Unknown);
    }
    // A user who lowers the limits is still protected by the interval.
    let bold = Rule { min_volume: 0, min_part: 0, above: Some(0.10), baseline: None, ..rule("block_rate") };
    assert_eq!(judge(&bold, &reading(Sample::share(1.0, 5.0), &[])).verdict, Verdict::Clear);
}

#[test]
fn a_peak_of_every_monday_is_usual() {
    let mondays: Vec<_> = [310.0, 290.0, 330.0, 280.0, 300.0, 320.0, 270.0, 305.0]
        .map(|part| Sample::share(part, 1_000.0))
        .into();
    check("deferral_spike", Sample::share(330.0, 1_000.0), &mondays, Verdict::Clear);
}

#[test]
fn mail_that_has_stopped_is_an_incident_and_a_small_stream_is_not() {
    let busy = [500.0, 520.0, 480.0, 510.0, 490.0, 505.0].map(Sample::count);
    check("volume_drop", Sample::count(0.0), &busy, Verdict::Breach);
    check("volume_drop", Sample::count(460.0), &busy, Verdict::Clear);
    let small = [3.0, 5.0, 2.0, 4.0, 6.0, 1.0].map(Sample::count);
    check("volume_drop", Sample::count(0.0), &small, Verdict::Unknown);
}

#[test]
fn without_four_weeks_a_baseline_says_nothing() {
    check("deferral_spike", Sample::share(900.0, 1_000.0), &calm()[..3], Verdict::Unknown);
}

#[test]
fn a_limit_must_be_passed_for_sure() {
    check("complaint_rate_critical", Sample::share(4.0, 1_200.0), &[], Verdict::Clear);
    check("complaint_rate_critical", Sample::share(60.0, 10_000.0), &[], Verdict::Breach);
    check("complaint_rate_critical", Sample::share(33.0, 10_000.0), &[], Verdict::Clear);
}

#[test]
fn a_source_may_be_as_silent_as_it_was_before() {
    let silence = |seconds: f64, usual: f64| Reading {
        now: Sample { part: seconds, whole: 1.0 },
        above_at_least: Some(usual),
        ..Reading::default()
    };
    let rule = rule("source_silence");
    assert_eq!(judge(&rule, &silence(30_000.0, 100_000.0)).verdict, Verdict::Clear);
    assert_eq!(judge(&rule, &silence(30_000.0, 7_200.0)).verdict, Verdict::Breach);
}

#[test]
fn the_expected_band_holds_the_middle() {
    let judged = judge(&rule("deferral_spike"), &reading(Sample::share(400.0, 1_000.0), &calm()));
    let expected = judged.expected.unwrap();
    assert!(expected.low <= 0.02 && 0.02 <= expected.high && expected.high < 0.05, "{expected:?}");
}
