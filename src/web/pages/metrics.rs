//! `/help/metrics`: what does each figure mean, and who says what is too much?

use crate::model::{BounceGroup, BounceReason};
use crate::web::SharedSite;
use crate::web::dictionary::{JUDGED_FROM, METRICS, Metric, group_meaning};
use crate::web::error::PageError;
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Table};
use askama::Template;
use axum::response::Html;

#[derive(Template)]
#[template(path = "pages/metrics.html")]
struct MetricsPage {
    layout: Layout,
    judged_from: u64,
    metrics: Vec<Entry>,
    colours: Vec<(&'static str, &'static str)>,
    groups: Table,
}

struct Entry {
    metric: &'static Metric,
    limits: Vec<(String, &'static str)>,
}

/// What each colour stands for, on every page.
const COLOURS: [(&str, &str); 9] = [
    ("delivered", "delivered"),
    ("deferred", "deferred: will be tried again"),
    ("soft", "soft bounce"),
    ("hard", "hard bounce"),
    ("block", "block"),
    ("complaint", "complaint"),
    ("expired", "expired: retries ran out"),
    ("suppressed", "suppressed or dropped before sending"),
    ("other", "all else"),
];

pub(crate) async fn show(site: SharedSite) -> Result<Html<String>, PageError> {
    Ok(Html(page(Layout::plain(&site, NavPage::Help, "What the figures mean")).render()?))
}

fn page(layout: Layout) -> MetricsPage {
    let limits = |metric: &Metric| {
        metric.limits.iter().map(|limit| (metric.limit_label(limit), limit.source)).collect()
    };
    MetricsPage {
        layout,
        judged_from: JUDGED_FROM,
        metrics: METRICS.into_iter().map(|metric| Entry { metric, limits: limits(metric) }).collect(),
        colours: COLOURS.into(),
        groups: group_table(),
    }
}

fn group_table() -> Table {
    let columns = vec![Column::text("Group"), Column::text("Means"), Column::text("Reasons")];
    let reasons = |group: BounceGroup| {
        let of_group = BounceReason::ALL.iter().filter(|reason| reason.group() == group);
        of_group.map(|reason| reason.name()).collect::<Vec<_>>().join(", ")
    };
    let row = |group: &BounceGroup| {
        Row::new(vec![
            Cell::text(group.name()).key(group.name()),
            Cell::text(group_meaning(*group)),
            Cell::text(reasons(*group)),
        ])
    };
    Table::new("Bounce groups and their reasons", columns, BounceGroup::ALL.iter().map(row).collect(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_stands_there_with_its_formula_and_sources() {
        let html = page(Layout::bare("Metrics")).render().unwrap();
        for metric in METRICS {
            assert!(html.contains(&format!("id=\"{}\"", metric.key)), "{}", metric.key);
        }
        assert!(html.contains("delivered ÷ sent") && html.contains("Gmail sender guidelines"));
    }
}
