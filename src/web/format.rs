//! How numbers, times and sizes are written: one way each, on every page, with their unit.
//!
//! Units follow the SI: a space before the unit, powers of 1000. The space is a narrow one that does not break.

/// Narrow no-break space, between a number and its unit.
const THIN: char = '\u{202f}';

/// Stands where there is nothing to divide by or no data: not the same as zero.
pub(crate) const NO_VALUE: &str = "–";

/// A whole number with a comma between groups of three digits.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number in three digits or so, with an SI prefix: `12.3 k`.
pub(crate) fn short_count(number: u64) -> String {
    if number < 10_000 { count(number) } else { with_prefix(float(number), "") }
}

/// A size in bytes, with an SI prefix: `1.5 MB`.
pub(crate) fn bytes(size_bytes: u64) -> String {
    if size_bytes < 1_000 { format!("{size_bytes}{THIN}B") } else { with_prefix(float(size_bytes), "B") }
}

fn with_prefix(value: f64, unit: &str) -> String {
    let (scaled, prefix) = match value {
        v if v >= 1e12 => (v / 1e12, "T"),
        v if v >= 1e9 => (v / 1e9, "G"),
        v if v >= 1e6 => (v / 1e6, "M"),
        v => (v / 1e3, "k"),
    };
    let decimals = match scaled {
        s if s >= 100.0 => 0,
        s if s >= 10.0 => 1,
        _ => 2,
    };
    format!("{scaled:.decimals$}{THIN}{prefix}{unit}")
}

/// A share of one as percent.
pub(crate) fn percent(share: Option<f64>, decimals: usize) -> String {
    share.map_or_else(|| NO_VALUE.to_owned(), |share| format!("{:.decimals$}{THIN}%", share * 100.0))
}

/// A limit as percent, without needless digits: `0.3 %`, `5 %`.
pub(crate) fn percent_limit(share: f64) -> String {
    let hundredths = (share * 10_000.0).round() / 100.0;
    format!("{hundredths}{THIN}%")
}

/// The difference of two shares in percentage points, with its sign.
pub(crate) fn points(difference: f64, decimals: usize) -> String {
    let value = difference * 100.0;
    let unit = 10_f64.powi(-i32::try_from(decimals).unwrap_or(2));
    if value.abs() < unit / 2.0 {
        return format!("±0{THIN}pp");
    }
    format!("{}{:.decimals$}{THIN}pp", sign(value), value.abs())
}

/// A relative difference as percent, with its sign.
pub(crate) fn relative(ratio: f64) -> String {
    let value = (ratio - 1.0) * 100.0;
    if value.abs() < 0.05 {
        return format!("±0{THIN}%");
    }
    let decimals = usize::from(value.abs() < 10.0);
    format!("{}{:.decimals$}{THIN}%", sign(value), value.abs())
}

const fn sign(value: f64) -> char {
    if value < 0.0 { '−' } else { '+' }
}

/// A duration given in milliseconds, in the unit that leaves one to three digits before the point.
pub(crate) fn duration_ms(duration_ms: f64) -> String {
    let (value, unit) = match duration_ms {
        ms if ms < 1_000.0 => (ms, "ms"),
        ms if ms < 60_000.0 => (ms / 1_000.0, "s"),
        ms if ms < 3_600_000.0 => (ms / 60_000.0, "min"),
        ms if ms < 86_400_000.0 => (ms / 3_600_000.0, "h"),
        ms => (ms / 86_400_000.0, "d"),
    };
    let decimals = usize::from(unit != "ms" && value < 100.0);
    format!("{value:.decimals$}{THIN}{unit}")
}

pub(crate) fn duration_ms_or_none(duration_ms: Option<f64>) -> String {
    duration_ms.map_or_else(|| NO_VALUE.to_owned(), self::duration_ms)
}

/// A duration given in whole seconds: no tenths of seconds or minutes, which nobody asked for.
pub(crate) fn duration_s(seconds: i64) -> String {
    match seconds.unsigned_abs() {
        seconds @ 0..60 => format!("{seconds}{THIN}s"),
        seconds @ 60..3_600 => format!("{}{THIN}min", seconds / 60),
        seconds => duration_ms(float(seconds) * 1_000.0),
    }
}

/// A limit in milliseconds, without needless digits: `10 s`.
pub(crate) fn duration_limit(limit_ms: f64) -> String {
    duration_ms(limit_ms).replace(".0", "")
}

/// How long ago `at_unix` was, seen from `now_unix`; the future counts as now.
pub(crate) fn ago(at_unix: i64, now_unix: i64) -> String {
    let seconds = now_unix - at_unix;
    if seconds < 5 { "just now".to_owned() } else { format!("{} ago", duration_s(seconds)) }
}

/// Both codes of a reply, as far as there are any.
pub(crate) fn reply_code(smtp_code: u16, enhanced_code: &str) -> String {
    match (smtp_code, enhanced_code) {
        (0, "") => "no code".to_owned(),
        (0, enhanced) => enhanced.to_owned(),
        (code, enhanced) => format!("{code} {enhanced}").trim_end().to_owned(),
    }
}

fn civil(unix: i64) -> Option<jiff::civil::DateTime> {
    jiff::Timestamp::from_second(unix).ok().map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).datetime())
}

fn strftime(unix: i64, pattern: &str) -> String {
    civil(unix).map_or_else(|| NO_VALUE.to_owned(), |at| at.strftime(pattern).to_string())
}

/// `2026-08-01 12:34`, in UTC.
pub(crate) fn minute(unix: i64) -> String {
    strftime(unix, "%Y-%m-%d %H:%M")
}

/// `08-01 12:34`, in UTC: for dense lists whose year is plain.
pub(crate) fn short_minute(unix: i64) -> String {
    strftime(unix, "%m-%d %H:%M")
}

/// `12:34`, in UTC.
pub(crate) fn clock(unix: i64) -> String {
    strftime(unix, "%H:%M")
}

/// `Sat 1 Aug`, in UTC.
pub(crate) fn day(unix: i64) -> String {
    strftime(unix, "%a %-d %b")
}

/// `2026-08-01T12:34`, in UTC: the form of `from` and `to` in a URL and of the browser's date field.
pub(crate) fn url_minute(unix: i64) -> String {
    strftime(unix, "%Y-%m-%dT%H:%M")
}

/// `2026-08-01 12:34:56.123`, in UTC, from microseconds.
pub(crate) fn instant_us(at_us: i64) -> String {
    let whole = strftime(at_us.div_euclid(1_000_000), "%Y-%m-%d %H:%M:%S");
    format!("{whole}.{:03}", at_us.rem_euclid(1_000_000) / 1_000)
}

/// The nearest float; counts above 2^53 lose their last digits, which no page shows.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits at most")]
pub(crate) const fn float(number: u64) -> f64 {
    number as f64
}

/// Bytes as text: printable ASCII as it is, line ends and tabs kept, all else as `\x1b`. A line end may be CR LF.
pub(crate) fn printable(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => {}
            b'\\' => text.push_str("\\\\"),
            b'\n' | b'\t' | b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                // writing to a String cannot fail
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(THIN, " ")
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
    }

    #[test]
    fn large_counts_carry_an_si_prefix() {
        assert_eq!(short_count(9_999), "9,999");
        assert_eq!(plain(&short_count(12_345)), "12.3 k");
        assert_eq!(plain(&short_count(1_234_567)), "1.23 M");
        assert_eq!(plain(&bytes(999)), "999 B");
        assert_eq!(plain(&bytes(64_000_000)), "64.0 MB");
    }

    #[test]
    fn durations_choose_their_unit() {
        for (ms, text) in [
            (320.0, "320 ms"),
            (4_200.0, "4.2 s"),
            (210_000.0, "3.5 min"),
            (7_560_000.0, "2.1 h"),
            (1.21e8, "1.4 d"),
        ] {
            assert_eq!(plain(&duration_ms(ms)), text);
        }
    }

    #[test]
    fn no_data_is_not_zero_percent() {
        assert_eq!(percent(None, 2), NO_VALUE);
        assert_eq!(plain(&percent(Some(0.0), 2)), "0.00 %");
    }

    #[test]
    fn differences_carry_a_sign_unless_they_vanish() {
        assert_eq!(plain(&points(0.0042, 2)), "+0.42 pp");
        assert_eq!(plain(&points(-0.0042, 2)), "−0.42 pp");
        assert_eq!(plain(&points(-0.000_01, 2)), "±0 pp");
        assert_eq!(plain(&relative(1.25)), "+25 %");
        assert_eq!(plain(&relative(0.955)), "−4.5 %");
    }

    #[test]
    fn limits_have_no_needless_digits() {
        assert_eq!(plain(&percent_limit(0.003)), "0.3 %");
        assert_eq!(plain(&percent_limit(0.05)), "5 %");
    }

    #[test]
    fn times_are_in_utc() {
        assert_eq!(minute(1_785_585_240), "2026-08-01 11:54");
        assert_eq!(url_minute(1_785_585_240), "2026-08-01T11:54");
        assert_eq!(instant_us(1_785_585_240_123_456), "2026-08-01 11:54:00.123");
        assert_eq!(ago(100, 102), "just now");
        assert_eq!(plain(&ago(0, 180)), "3 min ago");
        assert_eq!(plain(&duration_s(5_400)), "1.5 h");
        assert_eq!(plain(&duration_limit(10_000.0)), "10 s");
    }

    #[test]
    fn bytes_that_do_not_print_are_escaped() {
        assert_eq!(printable(b"a\x1b\\\xff\n"), "a\\x1b\\\\\\xff\n");
    }
}
