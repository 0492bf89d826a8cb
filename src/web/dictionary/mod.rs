//! The metric dictionary: what each figure means, how it is worked out, and from where on it is too high.
//!
//! Way: cards, column heads and tooltips, the limits drawn into charts, and `/help/metrics` all read it here, so that a
//! figure has one name and one meaning on every page.
//! Source: the limits are those that mailbox providers and sending services publish; each names its own.

mod feedback_loops;
mod metrics;
mod outcomes;

pub(crate) use feedback_loops::{FeedbackLoop, feedback_loop, reporting_providers};
pub(crate) use metrics::{
    BLOCK, COMPLAINT, COVERED_COMPLAINT, DEFERRAL, DELIVERY, HARD, LATENCY_P50, LATENCY_P95, METRICS,
    RECOVERY, SOFT, VOLUME,
};
pub(crate) use outcomes::{OUTCOMES, group_meaning, reply_key};

use crate::store::query::Outcomes;
use crate::web::format;

/// Fewer messages than this are not judged: 1 of 20 is 5 %, and says nothing.
///
/// Source: coss.com judges its senders from 200 recipients on.
pub(crate) const JUDGED_FROM: u64 = 200;

/// What a rate divides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ratio {
    pub(crate) part: u64,
    pub(crate) whole: u64,
}

impl Ratio {
    pub(crate) fn share(self) -> Option<f64> {
        (self.whole > 0).then(|| format::float(self.part) / format::float(self.whole))
    }
}

/// How serious it is to pass a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Advised,
    Review,
}

/// A published limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limit {
    /// A share of one; milliseconds for latencies.
    pub(crate) value: f64,
    pub(crate) level: Level,
    pub(crate) source: &'static str,
}

/// One figure of the product.
#[derive(Debug)]
pub(crate) struct Metric {
    /// Names the metric in URLs, classes and chart series.
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    /// The name in a column head.
    pub(crate) short: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) definition: &'static str,
    pub(crate) formula: &'static str,
    pub(crate) decimals: usize,
    pub(crate) higher_is_better: bool,
    pub(crate) limits: &'static [Limit],
    /// The search on `/messages` that finds what the figure counts.
    pub(crate) search: &'static [(&'static str, &'static str)],
    /// How to work it out, where it is a rate of outcomes.
    ratio: Option<fn(&Outcomes) -> Ratio>,
}

/// What a figure amounts to, in words and as one of four tones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// `good`, `warn`, `bad` or `none`: the class that tints it.
    pub(crate) tone: &'static str,
    pub(crate) words: String,
}

impl Metric {
    pub(crate) fn ratio(&self, outcomes: &Outcomes) -> Ratio {
        self.ratio.map_or(Ratio { part: 0, whole: 0 }, |ratio| ratio(outcomes))
    }

    pub(crate) fn share(&self, outcomes: &Outcomes) -> Option<f64> {
        self.ratio(outcomes).share()
    }

    pub(crate) fn text(&self, outcomes: &Outcomes) -> String {
        format::percent(self.share(outcomes), self.decimals)
    }

    /// A limit with its unit.
    pub(crate) fn limit_text(&self, limit: &Limit) -> String {
        if self.unit == "%" {
            format::percent_limit(limit.value)
        } else {
            format::duration_limit(limit.value)
        }
    }

    /// A limit as a chart labels it: `hard 5 %, review`.
    pub(crate) fn limit_label(&self, limit: &Limit) -> String {
        let level = if limit.level == Level::Advised { "advised" } else { "review" };
        format!("{level} {}", self.limit_text(limit))
    }

    fn is_beyond(&self, value: f64, limit: &Limit) -> bool {
        if self.higher_is_better { value < limit.value } else { value >= limit.value }
    }

    /// Judges a value that `messages` messages went into.
    pub(crate) fn judge(&self, value: Option<f64>, messages: u64) -> Verdict {
        let Some(value) = value else {
            return Verdict { tone: "none", words: "no data".to_owned() };
        };
        if self.limits.is_empty() {
            return Verdict { tone: "none", words: "no agreed limit".to_owned() };
        }
        if messages < JUDGED_FROM {
            return Verdict { tone: "none", words: format!("under {JUDGED_FROM} messages: not judged") };
        }
        let passed =
            self.limits.iter().filter(|limit| self.is_beyond(value, limit)).max_by_key(|limit| limit.level);
        let side = |beyond: bool| if beyond == self.higher_is_better { "below" } else { "above" };
        match passed {
            Some(limit) => Verdict {
                tone: if limit.level == Level::Review { "bad" } else { "warn" },
                words: format!("{} {}", side(true), self.limit_label(limit)),
            },
            None => Verdict {
                tone: "good",
                words: format!("{} {}", side(false), self.limit_label(&self.limits[0])),
            },
        }
    }

    /// The tone of a value in a table cell; empty when it is well or cannot be judged.
    pub(crate) fn cell_tone(&self, outcomes: &Outcomes) -> &'static str {
        let ratio = self.ratio(outcomes);
        match self.judge(ratio.share(), ratio.whole).tone {
            tone @ ("warn" | "bad") => tone,
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Outcomes = Outcomes {
        accepted: 1_000,
        delivered: 900,
        deferred: 100,
        first_deferred: 60,
        recovered: 50,
        hard: 30,
        soft: 10,
        block: 40,
        other: 5,
        expired: 15,
        complained: 9,
        unsubscribed: 0,
        suppressed: 0,
        rejected: 0,
    };

    #[test]
    fn the_outcomes_make_up_what_was_sent() {
        assert_eq!(OUTCOMES.iter().map(|outcome| (outcome.of)(&SAMPLE)).sum::<u64>(), SAMPLE.sent());
    }

    #[test]
    fn rates_divide_what_their_formula_says() {
        assert_eq!(DELIVERY.ratio(&SAMPLE), Ratio { part: 900, whole: 1_000 });
        assert_eq!(HARD.ratio(&SAMPLE), Ratio { part: 30, whole: 1_000 });
        assert_eq!(DEFERRAL.ratio(&SAMPLE), Ratio { part: 100, whole: 1_085 });
        assert_eq!(COMPLAINT.ratio(&SAMPLE), Ratio { part: 9, whole: 900 });
    }

    #[test]
    fn nothing_sent_is_no_rate() {
        assert_eq!(DELIVERY.share(&Outcomes::default()), None);
        assert_eq!(DELIVERY.judge(None, 0).words, "no data");
    }

    #[track_caller]
    fn check(metric: &Metric, value: f64, messages: u64, tone: &str, words: &str) {
        let verdict = metric.judge(Some(value), messages);
        assert_eq!((verdict.tone, verdict.words.replace('\u{202f}', " ").as_str()), (tone, words));
    }

    #[test]
    fn a_value_is_judged_by_the_worst_limit_that_it_passes() {
        check(&HARD, 0.01, 1_000, "good", "below advised 2 %");
        check(&HARD, 0.02, 1_000, "warn", "above advised 2 %");
        check(&HARD, 0.07, 1_000, "bad", "above review 5 %");
        check(&DELIVERY, 0.99, 1_000, "good", "above advised 98 %");
        check(&DELIVERY, 0.90, 1_000, "bad", "below review 95 %");
    }

    #[test]
    fn few_messages_are_not_judged() {
        check(&HARD, 0.5, 10, "none", "under 200 messages: not judged");
        check(&SOFT, 0.5, 10_000, "none", "no agreed limit");
    }
}
