//! Queue ids: what is one, and when its message arrived.
//!
//! Way: `line` asks whether a line begins with a queue id, `state` asks a long one for its arrival time.
//! Source: Postfix `src/global/mail_queue.h`. A short id is five or more hex digits of microseconds and the
//! inode in hex. A long id (`enable_long_queue_ids`, since 2.9) is in base 52: six or more digits of seconds,
//! four of microseconds, `z`, and the inode in base 51.

use crate::model::Timestamp;

/// Longest queue id read, in bytes: 64-bit numbers in both forms need no more than 24.
const QUEUE_ID_BYTES_MAX: usize = 32;

/// Shortest one: five digits of microseconds and one of the inode.
const QUEUE_ID_BYTES_MIN: usize = 6;

/// Digits of the microseconds in a long id, and the fewest of the seconds.
const MICROS_DIGITS: usize = 4;
const SECONDS_DIGITS_MIN: usize = 6;

/// Digits and letters without the vowels, so that no id spells a word.
const BASE_52: &[u8; 52] = b"0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

/// Value of each byte as a base-52 digit; 255 for a byte that is none.
const BASE_52_VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut at = 0;
    while at < BASE_52.len() {
        #[expect(clippy::cast_possible_truncation, reason = "below 52")]
        let value = at as u8;
        values[BASE_52[at] as usize] = value;
        at += 1;
    }
    values
};

/// Whether the text is a queue id of either form. Words such as `warning` are none: no form has small vowels.
pub(crate) fn is_queue_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    if !(QUEUE_ID_BYTES_MIN..=QUEUE_ID_BYTES_MAX).contains(&bytes.len()) {
        return false;
    }
    bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')) || long_id_time_digits(bytes).is_some()
}

/// Returns when the message of a long id arrived, to the microsecond; `None` for a short id.
pub(crate) fn arrival(queue_id: &str) -> Option<Timestamp> {
    let (seconds, micros) = long_id_time_digits(queue_id.as_bytes())?;
    let micros = base_52(micros).filter(|micros| *micros < 1_000_000)?;
    base_52(seconds)?.checked_mul(1_000_000)?.checked_add(micros).map(Timestamp)
}

/// Splits a long id into its digits of seconds and of microseconds.
fn long_id_time_digits(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if !bytes.iter().all(|byte| BASE_52_VALUES[usize::from(*byte)] != u8::MAX) {
        return None;
    }
    // the last `z` is the separator: the inode behind it has none, the time before it may
    let separator = memchr::memrchr(b'z', bytes)?;
    let has_inode = separator + 1 < bytes.len();
    let seconds_end = separator.checked_sub(MICROS_DIGITS)?;
    (has_inode && seconds_end >= SECONDS_DIGITS_MIN)
        .then(|| (&bytes[..seconds_end], &bytes[seconds_end..separator]))
}

fn base_52(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |number, digit| {
        number.checked_mul(52)?.checked_add(i64::from(BASE_52_VALUES[usize::from(*digit)]))
    })
}

#[cfg(test)]
mod tests {
    use super::{arrival, is_queue_id};

    #[track_caller]
    fn check(queue_id: &str, expect: Option<&str>) {
        assert!(is_queue_id(queue_id), "{queue_id}");
        assert_eq!(arrival(queue_id).map(|at| at.to_string()).as_deref(), expect, "{queue_id}");
    }

    #[test]
    fn a_long_id_tells_the_arrival_to_the_microsecond() {
        check("4jWWkP3dQqz1TNHd", Some("2026-11-20T23:29:01.512243Z"));
        check("4jWWbg1x0Bz1T1C5", Some("2026-11-20T23:23:11.273114Z"));
    }

    #[test]
    fn a_short_id_tells_no_arrival() {
        check("3F1A22C0E5", None);
        check("0000B6", None);
    }

    #[test]
    fn a_word_is_no_queue_id() {
        for word in ["warning", "fatal", "NOQUEUE", "statistics", "", "12AB", "4jWWbg1x0B", "4jWWbg1x0Bz"] {
            assert!(!is_queue_id(word), "{word}");
        }
    }

    #[test]
    fn digits_too_large_for_a_time_tell_none() {
        assert_eq!(arrival("yyyyyyyyyyyyyyyyyyyyyyzB"), None);
        assert_eq!(arrival("4jWWbgyyyyzB"), None, "over 999 999 microseconds");
    }
}
