//! The days that the messages of a report fall on.

use crate::model::Timestamp;
use crate::pipeline::reports::plausible::PERIOD_S_MAX;

const DAY_S: i64 = 86_400;

/// Spreads messages evenly over the days of a period; what does not divide goes to the first ones. A period of up to a
/// day counts for the day in which it begins.
pub(super) fn split(begin: Timestamp, end: Option<Timestamp>, messages: u64) -> Vec<(u16, u64)> {
    let day_of = |seconds: i64| seconds.div_euclid(DAY_S);
    let first = day_of(begin.seconds());
    let length_s = end.map_or(0, |end| end.seconds().saturating_sub(begin.seconds()));
    // Ends at 23:59:59, or at the next midnight: both are one day.
    let days = if (0..=PERIOD_S_MAX).contains(&length_s) { (length_s + DAY_S / 2) / DAY_S } else { 1 };
    let days = u64::try_from(days.max(1)).unwrap_or(1);
    (0..days)
        .map(|day| {
            let share = messages / days + u64::from(day < messages % days);
            (u16::try_from(first + day.cast_signed()).unwrap_or(0), share)
        })
        .filter(|(_, share)| *share > 0 || days == 1)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hours: i64, messages: u64, expect: &[u64]) {
        let begin = Timestamp::from_seconds(20_000 * DAY_S);
        let end = Timestamp::from_seconds(20_000 * DAY_S + hours * 3600 - 1);
        let got = split(begin, Some(end), messages);
        assert_eq!(got.iter().map(|(_, share)| *share).collect::<Vec<_>>(), expect, "{hours} hours");
        assert_eq!(got.iter().map(|(_, share)| share).sum::<u64>(), messages);
        assert!(got.iter().all(|(day, _)| (20_000..20_100).contains(day)));
    }

    #[test]
    fn a_report_over_days_is_spread_and_its_total_is_kept() {
        check(24, 7, &[7]);
        check(25, 7, &[7]);
        check(48, 7, &[4, 3]);
        check(168, 7, &[1, 1, 1, 1, 1, 1, 1]);
        check(168, 2, &[1, 1]);
        check(1, 0, &[0]);
        check(24, u64::MAX, &[u64::MAX]);
    }

    #[test]
    fn a_period_without_an_end_or_turned_round_is_one_day() {
        let begin = Timestamp::from_seconds(20_000 * DAY_S);
        assert_eq!(split(begin, None, 5), [(20_000, 5)]);
        assert_eq!(split(begin, Some(Timestamp::from_seconds(5)), 5), [(20_000, 5)]);
    }
}
