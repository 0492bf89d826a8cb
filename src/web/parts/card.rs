//! A health card: one figure, what it amounts to, and how it stood in the period before.

use crate::store::query::Outcomes;
use crate::web::dictionary::{Metric, Ratio, Verdict};
use crate::web::format;
use crate::web::parts::Term;
use askama::Template;
use std::fmt::Write;

/// A change against the period before. Its tone says whether it is welcome, its arrow which way it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) text: String,
    /// `better`, `worse` or `same`.
    pub(crate) tone: &'static str,
    /// `▲`, `▼` or nothing.
    pub(crate) arrow: &'static str,
}

impl Difference {
    fn of(difference: f64, text: String, higher_is_better: Option<bool>) -> Self {
        let is_same = text.starts_with('±');
        let arrow = match difference {
            _ if is_same => "",
            d if d > 0.0 => "▲",
            _ => "▼",
        };
        let tone = match higher_is_better {
            Some(higher) if !is_same => {
                if (difference > 0.0) == higher {
                    "better"
                } else {
                    "worse"
                }
            }
            _ => "same",
        };
        Self { text, tone, arrow }
    }

    /// Of a rate, in percentage points. It has a tone only when it is more than chance explains.
    pub(crate) fn of_rate(metric: &Metric, now: &Outcomes, before: &Outcomes) -> Option<Self> {
        let (now, before) = (metric.ratio(now), metric.ratio(before));
        let difference = now.share()? - before.share()?;
        let text = format::points(difference, metric.decimals);
        Some(Self::of(difference, text, differs(now, before).then_some(metric.higher_is_better)))
    }

    /// Of a latency, in percent of what it was. It has a tone only when it is more than one bucket of the histogram.
    pub(crate) fn of_latency(now_ms: Option<f64>, before_ms: Option<f64>) -> Option<Self> {
        const BUCKET_RATIO: f64 = 1.19;
        let ratio = now_ms? / before_ms.filter(|before| *before > 0.0)?;
        let is_clear = !(1.0 / BUCKET_RATIO..=BUCKET_RATIO).contains(&ratio);
        Some(Self::of(ratio - 1.0, format::relative(ratio), is_clear.then_some(false)))
    }

    /// Of a count, in percent of what it was; more is neither better nor worse.
    pub(crate) fn of_count(now: u64, before: u64) -> Option<Self> {
        let ratio = (before > 0).then(|| format::float(now) / format::float(before))?;
        Some(Self::of(ratio - 1.0, format::relative(ratio), None))
    }
}

/// Whether two shares differ by more than chance explains: the two-proportion z test at 3 standard errors, which one of
/// 370 differences passes by chance. A page shows some fifty of them.
fn differs(now: Ratio, before: Ratio) -> bool {
    let (n, m) = (format::float(now.whole), format::float(before.whole));
    let pooled = format::float(now.part + before.part) / (n + m);
    let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    let difference = now.share().unwrap_or_default() - before.share().unwrap_or_default();
    difference.abs() > 3.0 * error
}

#[derive(Debug, Clone, Template)]
#[template(path = "parts/card.html")]
pub(crate) struct Card {
    pub(crate) term: Term,
    pub(crate) value: String,
    pub(crate) detail: String,
    pub(crate) difference: Option<Difference>,
    pub(crate) previous: String,
    pub(crate) verdict: Verdict,
    /// The colour of the line.
    pub(crate) key: &'static str,
    /// An SVG path in a box of 120 by 28; empty when there are too few points.
    pub(crate) line: String,
    pub(crate) href: String,
}

impl askama::filters::HtmlSafe for Card {}

const SPARK_WIDTH: f64 = 120.0;
const SPARK_HEIGHT: f64 = 28.0;

/// Most points of a sparkline: it shows the shape, and more would only show noise.
const SPARK_POINTS_MAX: usize = 36;

/// A line through the values, over the whole width, from zero (or `floor`) to the largest. Steps without data break it.
pub(crate) fn sparkline(values: &[Option<f64>], floor: f64) -> String {
    let per_point = values.len().div_ceil(SPARK_POINTS_MAX).max(1);
    let values: Vec<_> = values.chunks(per_point).map(mean).collect();
    let largest = values.iter().flatten().copied().fold(floor, f64::max);
    let span = largest - floor;
    if span <= 0.0 || values.iter().flatten().count() < 2 {
        return String::new();
    }
    let step = SPARK_WIDTH / format::float(values.len().saturating_sub(1).max(1) as u64);
    let mut path = String::new();
    let mut pen_is_up = true;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value else {
            pen_is_up = true;
            continue;
        };
        let x = step * format::float(index as u64);
        let y = SPARK_HEIGHT - 1.0 - (value.max(floor) - floor) / span * (SPARK_HEIGHT - 2.0);
        let command = if pen_is_up { 'M' } else { 'L' };
        // writing to a String cannot fail
        let _ = write!(path, "{command}{x:.1} {y:.1}");
        pen_is_up = false;
    }
    path
}

fn mean(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<_> = values.iter().flatten().collect();
    (!known.is_empty()).then(|| known.iter().copied().sum::<f64>() / format::float(known.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::dictionary::{DELIVERY, HARD};

    fn outcomes(delivered: u64, hard: u64) -> Outcomes {
        Outcomes { delivered, hard, ..Outcomes::default() }
    }

    #[test]
    fn a_difference_is_welcome_by_its_metric_and_not_by_its_sign() {
        let (now, before) = (outcomes(900, 100), outcomes(950, 50));
        let delivery = Difference::of_rate(&DELIVERY, &now, &before).unwrap();
        assert_eq!((delivery.tone, delivery.arrow), ("worse", "▼"));
        let hard = Difference::of_rate(&HARD, &now, &before).unwrap();
        assert_eq!((hard.tone, hard.arrow), ("worse", "▲"));
    }

    #[test]
    fn a_difference_within_chance_has_no_tone() {
        let (now, before) = (outcomes(990, 10), outcomes(988, 12));
        assert_eq!(Difference::of_rate(&HARD, &now, &before).unwrap().tone, "same");
        assert_eq!(Difference::of_latency(Some(110.0), Some(100.0)).unwrap().tone, "same");
        assert_eq!(Difference::of_latency(Some(150.0), Some(100.0)).unwrap().tone, "worse");
    }

    #[test]
    fn without_a_period_before_there_is_no_difference() {
        assert_eq!(Difference::of_rate(&HARD, &outcomes(1, 1), &Outcomes::default()), None);
        assert_eq!(Difference::of_count(5, 0), None);
        assert_eq!(Difference::of_latency(Some(1.0), None), None);
    }

    #[test]
    fn a_sparkline_breaks_where_data_is_missing() {
        let path = sparkline(&[Some(0.0), Some(1.0), None, Some(1.0)], 0.0);
        assert_eq!(path, "M0.0 27.0L40.0 1.0M120.0 1.0");
        assert_eq!(sparkline(&[Some(1.0)], 0.0), "");
    }
}
