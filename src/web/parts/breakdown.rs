//! Mail by one dimension, such as by provider, with all rates: on the overview and on the provider page.

use crate::store::query::{Dimension, Latencies, Outcomes, OutcomesOf};
use crate::web::dictionary::{BLOCK, COMPLAINT, DEFERRAL, DELIVERY, HARD, LATENCY_P95, Metric, SOFT, VOLUME};
use crate::web::format;
use crate::web::params::{Link, NO_VALUE, Params, dimension_label};
use crate::web::parts::{Cell, Column, Difference, Row, Table, Term};
use std::collections::BTreeMap;

/// One row a value of the dimension, with the change against the period before. Mail that was only accepted so far, and
/// so has no provider or address yet, gets no row: it would be one of zeros.
pub(crate) fn breakdown_table(
    params: &Params,
    dimension: Dimension,
    rows: &[OutcomesOf],
    before: &[OutcomesOf],
    latencies: &[(String, Latencies)],
) -> Table {
    let before: BTreeMap<_, _> = before.iter().map(|row| (row.value.as_str(), &row.outcomes)).collect();
    let latencies: BTreeMap<_, _> =
        latencies.iter().map(|(value, latencies)| (value.as_str(), latencies)).collect();
    let largest = rows.iter().map(|row| row.outcomes.sent()).max().unwrap_or(0);
    let head = |metric| Column::metric(Term::head(metric));
    let mut columns = vec![Column::text(dimension_label(dimension)), head(&VOLUME)];
    columns.extend([&DELIVERY, &HARD, &BLOCK, &SOFT, &DEFERRAL, &COMPLAINT, &LATENCY_P95].map(head));
    let row = |row: &OutcomesOf| {
        let link = params.link("/messages").only(dimension, &row.value);
        let before = before.get(row.value.as_str()).copied();
        let p95_ms = latencies.get(row.value.as_str()).and_then(|latencies| latencies.quantile_ms(0.95));
        Row::new(cells(row, &link, before, p95_ms, largest))
    };
    let empty = "No message ended its way in this range.";
    Table::new(
        format!("{} by volume", dimension_label(dimension)),
        columns,
        rows.iter().filter(|row| is_told(&row.outcomes)).map(row).collect(),
        empty,
    )
}

/// Whether any column has something to say.
const fn is_told(outcomes: &Outcomes) -> bool {
    outcomes.sent() + outcomes.deferred + outcomes.complained > 0
}

fn cells(
    row: &OutcomesOf,
    link: &Link,
    before: Option<&Outcomes>,
    p95_ms: Option<f64>,
    largest: u64,
) -> Vec<Cell> {
    let name = if row.value.is_empty() { NO_VALUE } else { &row.value };
    let sent = row.outcomes.sent();
    let rate = |metric: &Metric| {
        Cell::figure(metric.text(&row.outcomes))
            .tone(metric.cell_tone(&row.outcomes))
            .link(&link.clone().with_all(metric.search))
            .difference(before.and_then(|before| Difference::of_rate(metric, &row.outcomes, before)))
    };
    vec![
        Cell::text(name).link(link),
        Cell::count(sent)
            .bar(sent, largest, "sent")
            .difference(before.and_then(|before| Difference::of_count(sent, before.sent()))),
        rate(&DELIVERY),
        rate(&HARD),
        rate(&BLOCK),
        rate(&SOFT),
        rate(&DEFERRAL),
        rate(&COMPLAINT),
        Cell::figure(format::duration_ms_or_none(p95_ms)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_that_was_only_accepted_is_not_told() {
        let none = Outcomes::default();
        assert!(!is_told(&Outcomes { accepted: 9, suppressed: 9, ..none }));
        for outcomes in [
            Outcomes { delivered: 1, ..none },
            Outcomes { deferred: 1, ..none },
            Outcomes { complained: 1, ..none },
        ] {
            assert!(is_told(&outcomes), "{outcomes:?}");
        }
    }
}
