//! The freshness strip: how old the newest event is, so that "no bounces" and "no data" are never mistaken.

use crate::store::query::SourceFreshness;
use crate::web::format;

/// Without an event for this long the strip warns: a relay that sends at all says something in a quarter of an hour.
pub(crate) const STALE_AFTER_S: i64 = 15 * 60;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Strip {
    /// `fresh` or `stale`.
    pub(crate) tone: &'static str,
    pub(crate) text: String,
}

impl Strip {
    pub(crate) fn is_stale(&self) -> bool {
        self.tone == "stale"
    }

    /// `None` when nothing was ever stored: then the page shows the first steps instead.
    pub(crate) fn of(sources: &[SourceFreshness], now_unix: i64) -> Option<Self> {
        let newest = newest_unix(sources)?;
        let count = sources.len();
        let plural = if count == 1 { "" } else { "s" };
        if now_unix - newest <= STALE_AFTER_S {
            let text = format!("Newest event {}, from {count} source{plural}", format::ago(newest, now_unix));
            return Some(Self { tone: "fresh", text });
        }
        let text = format!(
            "Stale: no event for {}. The newest is of {} UTC. Figures after it are missing, not zero.",
            format::duration_s(now_unix - newest),
            format::minute(newest)
        );
        Some(Self { tone: "stale", text })
    }
}

/// When the newest event of all sources happened.
pub(crate) fn newest_unix(sources: &[SourceFreshness]) -> Option<i64> {
    sources.iter().map(|source| source.last_event_us.div_euclid(1_000_000)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last_event_us: i64) -> SourceFreshness {
        SourceFreshness { last_event_us, ..SourceFreshness::default() }
    }

    #[test]
    fn the_newest_source_counts() {
        let strip = Strip::of(&[source(1_000_000), source(900_000_000)], 1_000).unwrap();
        assert_eq!(
            (strip.tone, strip.text.replace('\u{202f}', " ").as_str()),
            ("fresh", "Newest event 1 min ago, from 2 sources")
        );
    }

    #[test]
    fn silence_is_stale() {
        assert_eq!(Strip::of(&[source(0)], STALE_AFTER_S + 1).unwrap().tone, "stale");
        assert_eq!(Strip::of(&[], 0), None);
    }
}
