//! Answers over time, set out on all steps of a chart: the store leaves out steps without mail.

use crate::store::query::{Latencies, LatenciesAt, Outcomes, OutcomesAt};
use crate::web::dictionary::Metric;
use crate::web::format;
use std::collections::BTreeMap;

/// Counts; a step without mail counts zero.
pub(crate) fn counts(steps: &[i64], rows: &[OutcomesAt], of: impl Fn(&Outcomes) -> u64) -> Vec<Option<f64>> {
    let known: BTreeMap<_, _> = rows.iter().map(|row| (row.at_unix, of(&row.outcomes))).collect();
    steps.iter().map(|at| Some(format::float(known.get(at).copied().unwrap_or(0)))).collect()
}

/// A rate in percent; a step without mail has none.
pub(crate) fn rates(steps: &[i64], rows: &[OutcomesAt], metric: &Metric) -> Vec<Option<f64>> {
    let known: BTreeMap<_, _> = rows.iter().map(|row| (row.at_unix, metric.share(&row.outcomes))).collect();
    steps.iter().map(|at| known.get(at).copied().flatten().map(|share| share * 100.0)).collect()
}

/// A latency quantile in milliseconds; a step without deliveries has none.
pub(crate) fn quantiles(steps: &[i64], rows: &[LatenciesAt], q: f64) -> Vec<Option<f64>> {
    let known: BTreeMap<_, _> = rows.iter().map(|row| (row.at_unix, row.latencies.quantile_ms(q))).collect();
    steps.iter().map(|at| known.get(at).copied().flatten()).collect()
}

/// The outcomes of all steps together.
pub(crate) fn total(rows: &[OutcomesAt]) -> Outcomes {
    rows.iter().fold(Outcomes::default(), |sum, row| add(&sum, &row.outcomes))
}

/// The latencies of all steps together.
pub(crate) fn total_latencies(rows: &[LatenciesAt]) -> Latencies {
    let mut sum: BTreeMap<u8, u64> = BTreeMap::new();
    for (bucket, deliveries) in rows.iter().flat_map(|row| &row.latencies.buckets) {
        *sum.entry(*bucket).or_default() += deliveries;
    }
    Latencies { buckets: sum.into_iter().collect() }
}

const fn add(a: &Outcomes, b: &Outcomes) -> Outcomes {
    Outcomes {
        accepted: a.accepted + b.accepted,
        delivered: a.delivered + b.delivered,
        deferred: a.deferred + b.deferred,
        first_deferred: a.first_deferred + b.first_deferred,
        recovered: a.recovered + b.recovered,
        hard: a.hard + b.hard,
        soft: a.soft + b.soft,
        block: a.block + b.block,
        other: a.other + b.other,
        expired: a.expired + b.expired,
        complained: a.complained + b.complained,
        unsubscribed: a.unsubscribed + b.unsubscribed,
        suppressed: a.suppressed + b.suppressed,
        rejected: a.rejected + b.rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::dictionary::HARD;

    fn row(at_unix: i64, delivered: u64, hard: u64) -> OutcomesAt {
        OutcomesAt { at_unix, outcomes: Outcomes { delivered, hard, ..Outcomes::default() } }
    }

    #[test]
    fn a_step_without_mail_counts_zero_but_has_no_rate() {
        let rows = [row(60, 90, 10)];
        assert_eq!(counts(&[0, 60], &rows, |o| o.hard), [Some(0.0), Some(10.0)]);
        assert_eq!(rates(&[0, 60], &rows, &HARD), [None, Some(10.0)]);
    }

    #[test]
    fn steps_add_up() {
        let sum = total(&[row(0, 1, 2), row(60, 3, 4)]);
        assert_eq!((sum.delivered, sum.hard, sum.sent()), (4, 6, 10));
    }
}
