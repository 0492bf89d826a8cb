//! What a query string may say, and what is told when it says something else.

use super::*;
use crate::web::format;
use crate::web::params::range::chart_step_s;

/// 2026-08-01 11:54:30 UTC.
const NOW: i64 = 1_785_585_270;

const EXTRAS: &[Extra] = &[Extra::One("view"), Extra::Many("type")];

#[track_caller]
fn parse(query: &str) -> Params {
    Params::parse(query, NOW, EXTRAS).unwrap()
}

#[track_caller]
fn check_error(query: &str, expect: &str) {
    let error = Params::parse(query, NOW, EXTRAS).unwrap_err().to_string();
    assert!(error.contains(expect), "{query}: {error}");
}

#[test]
fn without_a_range_the_last_day_is_shown() {
    let params = parse("");
    assert!(params.range().is_preset(Preset::Day));
    assert_eq!(format::minute(params.filter().range.to_unix), "2026-08-01 11:55");
    assert_eq!(format::minute(params.filter().range.from_unix), "2026-07-31 11:45");
}

#[test]
fn a_custom_range_is_read_in_utc() {
    let params = parse("from=2026-07-01T10:00&to=2026-07-01T12:30Z");
    assert_eq!(params.filter().range.seconds(), 9_000);
    assert_eq!(params.range().pairs()[0].1, "2026-07-01T10:00");
    assert_eq!(parse("from=2026-07-01&to=2026-07-02").filter().range.seconds(), 86_400);
}

#[test]
fn values_of_a_dimension_are_kept_once_each() {
    let params = parse("provider=gmail&provider=yahoo&provider=gmail&pool=(none)&ip=");
    assert_eq!(params.filter().provider, ["gmail", "yahoo"]);
    assert_eq!(params.filter().pool, [""]);
    assert!(params.filter().ip.is_empty());
    assert!(params.is_filtered());
}

#[test]
fn what_a_page_does_not_take_is_an_error_that_says_what_it_takes() {
    check_error("colour=red", "no parameter `colour` here; this page takes range, from, to, provider");
    check_error("view=a&view=b", "`view` stands more than once");
    check_error("range=1h&range=6h", "`range` stands more than once");
}

#[test]
fn a_bad_range_is_an_error_that_says_what_to_change() {
    check_error("range=2h", "choose one of 1h, 6h, 24h, 7d, 30d");
    check_error("from=yesterday", "write a UTC time such as");
    check_error("to=2026-07-01", "it needs a `from`");
    check_error("from=2026-07-02&to=2026-07-01", "later than `from`");
    check_error("from=2020-07-02&to=2026-07-01", "400 days at most");
    check_error("range=1h&from=2026-07-01", "take `range` away");
}

#[test]
fn a_query_has_bounds() {
    check_error(&"x".repeat(QUERY_BYTES_MAX + 1), "limit is 8192");
    check_error(&format!("provider={}", "x".repeat(VALUE_BYTES_MAX + 1)), "limit is 998");
    let many = (0..=VALUES_MAX).map(|n| format!("ip={n}")).collect::<Vec<_>>().join("&");
    check_error(&many, "`ip` has more than 50 values");
}

#[test]
fn a_link_keeps_the_whole_state() {
    let params = parse("range=7d&provider=gmail&pool=(none)&view=rates");
    assert_eq!(params.link("/bounces").to_string(), "/bounces?range=7d&provider=gmail&pool=%28none%29");
    assert_eq!(params.here("/").to_string(), "/?range=7d&provider=gmail&pool=%28none%29&view=rates");
    let narrowed =
        params.link("/messages").only(Dimension::Provider, "yahoo").without_value(Dimension::Pool, "");
    assert_eq!(narrowed.to_string(), "/messages?range=7d&provider=yahoo");
}

#[test]
fn a_link_that_is_parsed_again_is_the_same_question() {
    let params =
        parse("from=2026-07-01T10:00&to=2026-07-01T12:30&domain=a%26b.example&type=bounced&type=expired");
    let link = params.here("/messages").to_string();
    let again = parse(link.split_once('?').unwrap().1);
    assert_eq!(again.filter(), params.filter());
    assert_eq!(again.extras("type").collect::<Vec<_>>(), ["bounced", "expired"]);
}

#[test]
fn a_chart_link_leaves_its_range_open() {
    assert_eq!(
        parse("ip=192.0.2.1").link("/messages").with_range_open(),
        "/messages?ip=192.0.2.1&from={from}&to={to}"
    );
}

#[test]
fn a_choice_falls_back_to_the_first() {
    assert_eq!(parse("").choice("view", &["volume", "rates"]), Ok("volume"));
    assert_eq!(parse("view=rates").choice("view", &["volume", "rates"]), Ok("rates"));
    assert!(parse("view=x").choice("view", &["volume", "rates"]).is_err());
}

#[test]
fn charts_have_no_more_steps_than_they_have_room_for() {
    for (range_s, step_s) in
        [(3_600, 60), (21_600, 300), (86_400, 900), (604_800, 3_600), (2_592_000, 21_600)]
    {
        assert_eq!(chart_step_s(range_s), step_s);
    }
}

#[test]
fn only_the_running_step_of_a_preset_is_unfinished() {
    let params = parse("range=1h");
    let range = params.range();
    let steps = range.steps(range.step_s());
    assert_eq!(steps.len(), 60);
    let unfinished: Vec<_> = steps.iter().filter(|at| !range.is_whole(**at, 60)).collect();
    assert_eq!(unfinished, [&(NOW - 30)]);
}

#[test]
fn hourly_questions_take_whole_hours() {
    let hours = parse("from=2026-07-01T10:10&to=2026-07-01T12:00").by_whole_hours().range;
    assert_eq!(
        (format::clock(hours.from_unix), format::clock(hours.to_unix)),
        ("10:00".into(), "12:00".into())
    );
}
