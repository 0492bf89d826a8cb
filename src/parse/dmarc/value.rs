//! The values of a report: counts, times, addresses and words, as reporters really write them.
//!
//! Way: `assemble` hands in the text of an element, without blanks around it.
//! Source: RFC 9990 appendix A; the forms beside it are those that reporters were seen to send.
//! Not here: what becomes of a value that cannot be read; `assemble` makes a warning of it.

use crate::model::Timestamp;
use std::net::{IpAddr, Ipv4Addr};

/// A count above this is believed, but said aloud: one sender, one result, 11,000 messages in each second of a day.
const COUNT_PLAUSIBLE_MAX: u64 = 1_000_000_000;

/// Numbers from here on are milliseconds: as seconds this is the year 5138.
const SECONDS_MAX: i64 = 100_000_000_000;

/// Likewise for microseconds.
const MILLIS_MAX: i64 = SECONDS_MAX * 1000;

/// A value as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::parse) enum Value<T> {
    Plain(T),
    /// Read, but not as the schema has it; with what is odd.
    Odd(T, &'static str),
    /// Not read; with why.
    Bad(&'static str),
}

/// How many messages.
pub(in crate::parse) fn count(text: &str) -> Value<u64> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if let Ok(count) = digits.parse::<u64>() {
        return plausible(count, count > COUNT_PLAUSIBLE_MAX);
    }
    let number = match without_separators(digits) {
        Some(joined) => joined.parse::<f64>(),
        None => digits.parse::<f64>(),
    };
    match number {
        Ok(number) if number < 0.0 => Value::Bad("is negative"),
        // From 2^53 on a float tells no number exactly.
        Ok(number) if number.fract() == 0.0 && number < 9_007_199_254_740_992.0 => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just above")]
            let count = number as u64;
            plausible(count, true)
        }
        Ok(number) if number.is_finite() && number.fract() != 0.0 => Value::Bad("is no whole number"),
        _ if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Value::Bad("is larger than any count can be")
        }
        _ => Value::Bad("is no number"),
    }
}

fn plausible(count: u64, is_odd: bool) -> Value<u64> {
    match (count > COUNT_PLAUSIBLE_MAX, is_odd) {
        (true, _) => Value::Odd(count, "is more than one source sends in a day"),
        (false, true) => Value::Odd(count, "is not written as a whole number"),
        (false, false) => Value::Plain(count),
    }
}

/// `1,000` and `1 000 000` without what stands between the groups of three.
fn without_separators(digits: &str) -> Option<String> {
    let separator =
        digits.chars().find(|c| !c.is_ascii_digit()).filter(|c| ",' _\u{a0}\u{202f}".contains(*c))?;
    let mut groups = digits.split(separator);
    let is_first_right = groups.next().is_some_and(|first| matches!(first.len(), 1..=3));
    (is_first_right && groups.all(|group| group.len() == 3)).then(|| digits.replace(separator, ""))
}

/// A point in time: seconds since 1970 by the schema; also with a fraction, in milliseconds, and as ISO 8601.
pub(in crate::parse) fn time(text: &str) -> Value<Timestamp> {
    match text.parse::<i64>() {
        Ok(seconds @ 1..SECONDS_MAX) => Value::Plain(Timestamp::from_seconds(seconds)),
        Ok(millis @ SECONDS_MAX..MILLIS_MAX) => {
            Value::Odd(Timestamp::from_millis(millis), "is in milliseconds")
        }
        Ok(micros @ MILLIS_MAX..=i64::MAX) if micros / 1000 < MILLIS_MAX => {
            Value::Odd(Timestamp(micros), "is in microseconds")
        }
        Ok(i64::MIN..=0) => Value::Bad("is before any report"),
        Ok(_) => Value::Bad("is after any report"),
        Err(_) => time_with_fraction(text).unwrap_or_else(|| time_of_day(text)),
    }
}

fn time_with_fraction(text: &str) -> Option<Value<Timestamp>> {
    let seconds: f64 = text.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
    let is_plausible = seconds >= 1.0 && seconds < SECONDS_MAX as f64;
    if !is_plausible {
        return Some(Value::Bad("is no time of a report"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked just above")]
    let seconds = seconds as i64;
    Some(Value::Odd(Timestamp::from_seconds(seconds), "is not written as a whole number"))
}

/// `2026-01-31T00:00:00Z`, with an offset, without one (UTC then), with a blank between, without the time of day.
fn time_of_day(text: &str) -> Value<Timestamp> {
    let at = text.parse::<jiff::Timestamp>().or_else(|_| {
        let civil = text.parse::<jiff::civil::DateTime>()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp())
    });
    match at {
        Ok(at) if at.as_second() > 0 => Value::Odd(at.into(), "is not in seconds since 1970"),
        Ok(_) => Value::Bad("is before any report"),
        Err(_) => Value::Bad("is no time"),
    }
}

/// The address of a source. IPv4 within IPv6 (`::ffff:192.0.2.1`) is IPv4.
pub(in crate::parse) fn address(text: &str) -> Value<IpAddr> {
    match text.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => Value::Odd(ip, "is no address that sends"),
        Ok(ip) => Value::Plain(ip.to_canonical()),
        Err(_) => odd_address(text),
    }
}

fn odd_address(text: &str) -> Value<IpAddr> {
    let text = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let text = match text.split_at_checked(5) {
        Some((tag, rest)) if tag.eq_ignore_ascii_case("ipv6:") => rest,
        _ => text,
    };
    let (text, prefix) = text.split_once('/').map_or((text, None), |(text, prefix)| (text, Some(prefix)));
    let (text, _zone) = text.split_once('%').unwrap_or((text, ""));
    let ip = text.parse::<IpAddr>().ok().or_else(|| with_leading_zeros(text).map(IpAddr::V4));
    match (ip, prefix) {
        (None, _) => Value::Bad("is no address"),
        (Some(ip), None) => Value::Odd(ip.to_canonical(), "is not written as an address is"),
        (Some(ip @ IpAddr::V4(_)), Some("32")) | (Some(ip @ IpAddr::V6(_)), Some("128")) => {
            Value::Odd(ip.to_canonical(), "is written as a network of one address")
        }
        (Some(_), Some(_)) => Value::Bad("is a network, no address"),
    }
}

/// `192.000.002.001`, each part decimal: that is what reporters mean who pad with zeros, never octal.
fn with_leading_zeros(text: &str) -> Option<Ipv4Addr> {
    let mut parts = text.split('.').map(|part| {
        let is_number = matches!(part.len(), 1..=3) && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse::<u8>().ok()).flatten()
    });
    let mut next = || parts.next().flatten();
    let octets = [next()?, next()?, next()?, next()?];
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_count(text: &str, expect: Result<(u64, bool), ()>) {
        let got = match count(text) {
            Value::Plain(count) => Ok((count, false)),
            Value::Odd(count, _) => Ok((count, true)),
            Value::Bad(_) => Err(()),
        };
        assert_eq!(got, expect, "count was {text:?}");
    }

    #[test]
    fn counts_are_read_as_they_are_meant() {
        check_count("12", Ok((12, false)));
        check_count("0", Ok((0, false)));
        for (text, expect) in [("12.0", 12), ("1e3", 1000), ("1,000", 1000), ("1 234 567", 1_234_567)] {
            check_count(text, Ok((expect, true)));
        }
    }

    #[test]
    fn absurd_counts_are_kept_and_said() {
        check_count("1000000000", Ok((1_000_000_000, false)));
        check_count("4294967296", Ok((1 << 32, true)));
        check_count("9223372036854775808", Ok((1 << 63, true)));
    }

    #[test]
    fn what_is_no_count_is_not_read_as_one() {
        for text in [
            "",
            "abc",
            "-5",
            "-0.5",
            "12.5",
            "1,00",
            "1,0000",
            "18446744073709551616",
            "1e400",
            "NaN",
            "inf",
            "0x10",
        ] {
            check_count(text, Err(()));
        }
    }

    #[track_caller]
    fn check_time(text: &str, expect: Option<&str>) {
        let got = match time(text) {
            Value::Plain(at) | Value::Odd(at, _) => Some(at.to_string()),
            Value::Bad(_) => None,
        };
        assert_eq!(got.as_deref(), expect, "time was {text:?}");
    }

    #[test]
    fn times_are_read_in_every_form_that_tells_one() {
        let midnight = Some("2026-01-01T00:00:00Z");
        assert_eq!(time("1767225600"), Value::Plain(Timestamp::from_seconds(1_767_225_600)));
        for text in [
            "1767225600.0",
            "1767225600.75",
            "1767225600000",
            "1767225600000000",
            "2026-01-01T00:00:00Z",
            "2026-01-01T01:00:00+01:00",
            "2026-01-01 00:00:00",
            "2026-01-01",
        ] {
            assert!(matches!(time(text), Value::Odd(..)), "time was {text:?}");
            check_time(text, midnight);
        }
    }

    #[test]
    fn what_is_no_time_is_never_1970() {
        for text in
            ["", "0", "-1", "0.0", "-1.5", "abc", "NaN", "99999999999999999999", "1e300", "2026-13-01"]
        {
            check_time(text, None);
        }
    }

    #[track_caller]
    fn check_address(text: &str, expect: Option<&str>) {
        let got = match address(text) {
            Value::Plain(ip) | Value::Odd(ip, _) => Some(ip.to_string()),
            Value::Bad(_) => None,
        };
        assert_eq!(got.as_deref(), expect, "address was {text:?}");
    }

    #[test]
    fn addresses_are_read_in_every_form_that_tells_one() {
        check_address("192.0.2.1", Some("192.0.2.1"));
        check_address("2001:DB8::1", Some("2001:db8::1"));
        check_address("::ffff:192.0.2.1", Some("192.0.2.1"));
        check_address("192.000.002.001", Some("192.0.2.1"));
        check_address("[192.0.2.1]", Some("192.0.2.1"));
        check_address("IPv6:2001:db8::1", Some("2001:db8::1"));
        check_address("fe80::1%eth0", Some("fe80::1"));
        check_address("192.0.2.1/32", Some("192.0.2.1"));
        assert!(matches!(address("0.0.0.0"), Value::Odd(..)));
    }

    #[test]
    fn what_is_no_address_is_not_read_as_one() {
        for text in
            ["", "x.x.x.x", "192.0.2.0/24", "192.0.2", "192.0.2.256", "1.2.3.4.5", "unknown", "0192.0.2.1"]
        {
            check_address(text, None);
        }
    }
}
