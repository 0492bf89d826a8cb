//! The time at the head of a log line.
//!
//! Way: `header` cuts the stamp off the line, this module makes it a point in time; `exim` reads its own stamp and
//! asks for the zone alone.
//! Source: RFC 3164 section 4.1.2 (no year, no zone), RFC 3339; `maillog_file` of Postfix writes the first,
//! rsyslog of Debian 12 the second.
//! Not here: journal entries, which carry microseconds (`journal`).

use crate::model::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Bytes of a stamp such as `Nov 20 23:23:11`.
pub(crate) const SHORT_STAMP_BYTES: usize = 15;

/// How far a line may be ahead of its arrival here: another zone than the one set, or a clock that is wrong.
const AHEAD_MAX_MICROS: i64 = 86_400 * 1_000_000;

/// Clocks of the relay and of this host agree better than this.
const CLOCK_SLACK_MICROS: i64 = 300 * 1_000_000;

/// Shorter than every year by more than a change of the clocks.
const CERTAIN_YEAR_MICROS: i64 = 364 * 86_400 * 1_000_000;

/// February 29 may be up to eight years back (1896 to 1904, 2096 to 2104).
const YEARS_BACK_MAX: i16 = 8;

/// Reads stamps, and keeps the last one: a busy relay writes hundreds of lines in one second.
#[derive(Debug, Clone)]
pub(crate) struct StampReader {
    zone: TimeZone,
    last: Option<([u8; SHORT_STAMP_BYTES], Timestamp)>,
}

/// Why the first bytes of a line are no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StampError {
    /// They have another shape.
    NoStamp,
    /// They have the shape, but name no moment (February 30).
    NoSuchMoment,
}

/// The fields of a short stamp.
struct ShortStamp {
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
}

impl StampReader {
    /// Takes stamps without a zone to be in `zone`.
    pub(crate) const fn new(zone: TimeZone) -> Self {
        Self { zone, last: None }
    }

    /// Reads a stamp without a year: the latest such moment that is at most one day after `received`.
    ///
    /// So December read in January is last year's, and a clock that is hours ahead at New Year does no harm.
    ///
    /// # Errors
    ///
    /// [`StampError`]
    pub(crate) fn read_short(
        &mut self,
        stamp: [u8; SHORT_STAMP_BYTES],
        received: Timestamp,
    ) -> Result<Timestamp, StampError> {
        let limit = Timestamp(received.0.saturating_add(AHEAD_MAX_MICROS));
        if let Some((last, time)) = self.last
            && last == stamp
            // a year later there is another such moment, which might be meant
            && (0..CERTAIN_YEAR_MICROS).contains(&limit.0.saturating_sub(time.0))
        {
            return Ok(time);
        }
        let fields = ShortStamp::read(stamp).ok_or(StampError::NoStamp)?;
        let (time, is_certain) =
            self.latest_before(&fields, limit, received).ok_or(StampError::NoSuchMoment)?;
        self.last = is_certain.then_some((stamp, time));
        Ok(time)
    }

    /// Reads an RFC 3339 time. One without an offset is taken to be in the zone of this reader.
    pub(crate) fn read_long(&self, stamp: &str, received: Timestamp) -> Option<Timestamp> {
        if let Ok(time) = Timestamp::parse_rfc3339(stamp) {
            return Some(time);
        }
        let civil: DateTime = stamp.parse().ok()?;
        self.in_zone(civil, received).map(|(time, _)| time)
    }

    fn latest_before(
        &self,
        stamp: &ShortStamp,
        limit: Timestamp,
        received: Timestamp,
    ) -> Option<(Timestamp, bool)> {
        let year = jiff::Timestamp::from_microsecond(limit.0).ok()?.to_zoned(self.zone.clone()).year();
        (0..=YEARS_BACK_MAX)
            .filter_map(|back| {
                let ShortStamp { month, day, hour, minute, second } = *stamp;
                let civil = DateTime::new(year - back, month, day, hour, minute, second, 0).ok()?;
                self.in_zone(civil, received)
            })
            .find(|(time, _)| *time <= limit)
    }

    /// Returns the moment, and whether the zone has only one for that wall time.
    ///
    /// In the hour that an autumn night has twice, the later moment is taken unless it has not come yet:
    /// right for a log that is followed, one hour late for the first of the two hours of an old one.
    pub(crate) fn in_zone(&self, civil: DateTime, received: Timestamp) -> Option<(Timestamp, bool)> {
        let ambiguous = self.zone.to_ambiguous_timestamp(civil);
        let is_certain = !ambiguous.is_ambiguous();
        let later = Timestamp::from(ambiguous.later().ok()?);
        if is_certain || later.0 <= received.0.saturating_add(CLOCK_SLACK_MICROS) {
            return Some((later, is_certain));
        }
        ambiguous.earlier().ok().map(|earlier| (Timestamp::from(earlier), is_certain))
    }
}

fn month_of(stamp: &[u8; SHORT_STAMP_BYTES]) -> Option<i8> {
    Some(match &stamp[..3] {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

impl ShortStamp {
    fn read(stamp: [u8; SHORT_STAMP_BYTES]) -> Option<Self> {
        let has_shape = stamp.iter().enumerate().all(|(at, byte)| match at {
            0..3 => byte.is_ascii_alphabetic(),
            3 | 6 => *byte == b' ',
            4 => *byte == b' ' || byte.is_ascii_digit(),
            9 | 12 => *byte == b':',
            _ => byte.is_ascii_digit(),
        });
        if !has_shape {
            return None;
        }
        let digit =
            |at: usize| if stamp[at] == b' ' { 0 } else { stamp[at].wrapping_sub(b'0').cast_signed() };
        let number = |at: usize| digit(at) * 10 + digit(at + 1);
        // a leap second has no place in a day of 86 400 seconds
        let second = number(13).min(59);
        Some(Self { month: month_of(&stamp)?, day: number(4), hour: number(7), minute: number(10), second })
    }
}

#[cfg(test)]
mod tests {
    use super::StampReader;
    use crate::model::Timestamp;
    use jiff::tz::TimeZone;

    #[track_caller]
    fn check(zone: &TimeZone, stamp: &str, received: &str, expect: Option<&str>) {
        let mut reader = StampReader::new(zone.clone());
        let received = Timestamp::parse_rfc3339(received).unwrap();
        for round in ["first", "from the last one kept"] {
            let got = match stamp.as_bytes().try_into() {
                Ok(short) => reader.read_short(short, received).ok(),
                Err(_) => reader.read_long(stamp, received),
            };
            assert_eq!(
                got.map(|at| at.to_string()).as_deref(),
                expect,
                "{stamp} received {received}, {round}"
            );
        }
    }

    fn berlin() -> TimeZone {
        // written out, so that no zone database is needed
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    #[test]
    fn december_read_in_january_is_of_last_year() {
        check(&TimeZone::UTC, "Dec 31 23:59:58", "2027-01-01T00:00:02Z", Some("2026-12-31T23:59:58Z"));
        check(&TimeZone::UTC, "Jan  1 00:00:01", "2027-01-01T00:00:02Z", Some("2027-01-01T00:00:01Z"));
    }

    #[test]
    fn a_relay_clock_ahead_at_new_year_gives_next_year() {
        check(&TimeZone::UTC, "Jan  1 00:00:03", "2026-12-31T23:59:59Z", Some("2027-01-01T00:00:03Z"));
    }

    #[test]
    fn a_stamp_far_ahead_is_of_the_year_before() {
        check(&TimeZone::UTC, "Nov 22 10:00:00", "2026-11-20T00:00:00Z", Some("2025-11-22T10:00:00Z"));
    }

    #[test]
    fn the_29th_of_february_is_found_in_the_last_leap_year() {
        check(&TimeZone::UTC, "Feb 29 12:00:00", "2027-03-01T00:00:00Z", Some("2024-02-29T12:00:00Z"));
    }

    #[test]
    fn the_last_stamp_is_not_reused_a_year_later() {
        let mut reader = StampReader::new(TimeZone::UTC);
        let mut read =
            |received| reader.read_short(*b"Nov 20 10:00:00", Timestamp::parse_rfc3339(received).unwrap());
        assert_eq!(read("2025-11-20T10:00:00Z").unwrap().to_string(), "2025-11-20T10:00:00Z");
        assert_eq!(read("2026-11-20T10:00:00Z").unwrap().to_string(), "2026-11-20T10:00:00Z");
    }

    #[test]
    fn a_stamp_without_zone_is_in_the_zone_that_was_set() {
        check(&berlin(), "Jul  1 12:00:00", "2026-07-01T10:00:01Z", Some("2026-07-01T10:00:00Z"));
        check(&berlin(), "2026-07-01T12:00:00.5", "2026-07-01T10:00:01Z", Some("2026-07-01T10:00:00.5Z"));
    }

    #[test]
    fn the_hour_that_comes_twice_follows_the_arrival() {
        check(&berlin(), "Oct 25 02:30:00", "2026-10-25T00:30:01Z", Some("2026-10-25T00:30:00Z"));
        check(&berlin(), "Oct 25 02:30:00", "2026-10-25T01:30:01Z", Some("2026-10-25T01:30:00Z"));
    }

    #[test]
    fn long_stamps_keep_their_microseconds_and_offset() {
        let at = "2026-11-21T00:14:44Z";
        check(&TimeZone::UTC, "2026-11-21T00:14:43.933066+00:00", at, Some("2026-11-21T00:14:43.933066Z"));
        check(&TimeZone::UTC, "2026-11-21T02:14:43+02:00", at, Some("2026-11-21T00:14:43Z"));
        check(&TimeZone::UTC, "2026-11-21T00:14:43+0000", at, Some("2026-11-21T00:14:43Z"));
    }

    #[test]
    fn impossible_days_have_no_time() {
        check(&TimeZone::UTC, "Feb 30 12:00:00", "2027-03-01T00:00:00Z", None);
        check(&TimeZone::UTC, "2026-02-30T00:00:00Z", "2027-03-01T00:00:00Z", None);
        check(&TimeZone::UTC, "Nov 20 23:23:11", "9999-12-30T12:00:00Z", None);
    }
}
