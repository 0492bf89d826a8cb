//! Times such as `30m`, as rules write them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of time in seconds, written `90s`, `30m`, `4h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(i64);

/// Unit and its seconds.
const UNITS: [(char, i64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Span {
    pub const fn of_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    pub const fn seconds(self) -> i64 {
        self.0
    }

    pub(super) const fn ten_minutes() -> Self {
        Self(600)
    }

    pub(super) const fn four_hours() -> Self {
        Self(4 * 3_600)
    }

    fn parse(text: &str) -> Option<Self> {
        let unit = text.chars().last()?;
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
        (0..=1_000_000).contains(&number).then(|| Self(number * seconds))
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = UNITS.iter().find(|(_, seconds)| self.0 != 0 && self.0 % seconds == 0);
        let (unit, seconds) = whole.unwrap_or(&('s', 1));
        write!(out, "{}{unit}", self.0 / seconds)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is no time such as `90s`, `30m`, `4h` or `7d`"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_written_as_it_is_read() {
        for (text, seconds) in [("90s", 90), ("30m", 1_800), ("4h", 14_400), ("7d", 604_800), ("0s", 0)] {
            assert_eq!(Span::parse(text), Some(Span(seconds)));
            assert_eq!(Span(seconds).to_string(), text);
        }
        for nonsense in ["", "m", "4", "-1m", "1w", "99999999999d"] {
            assert_eq!(Span::parse(nonsense), None, "{nonsense}");
        }
    }
}
