//! The name of a figure that tells its definition when one points at it or moves the focus to it.

use crate::web::dictionary::Metric;
use askama::Template;

#[derive(Debug, Clone, Copy, Template)]
#[template(path = "parts/term.html")]
pub(crate) struct Term {
    name: &'static str,
    metric: &'static Metric,
}

impl askama::filters::HtmlSafe for Term {}

impl Term {
    /// With the full name.
    pub(crate) const fn full(metric: &'static Metric) -> Self {
        Self { name: metric.name, metric }
    }

    /// With the name for a column head.
    pub(crate) const fn head(metric: &'static Metric) -> Self {
        Self { name: metric.short, metric }
    }
}
