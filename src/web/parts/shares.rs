//! How a whole falls into parts: one bar and its legend with counts.

use crate::web::format;
use askama::Template;

/// One part of the whole.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    pub(crate) key: &'static str,
    pub(crate) label: &'static str,
    pub(crate) count: u64,
    pub(crate) href: String,
}

#[derive(Debug, Clone, Template)]
#[template(path = "parts/shares.html")]
pub(crate) struct Shares {
    label: &'static str,
    spans: Vec<Span>,
    empty: &'static str,
}

impl askama::filters::HtmlSafe for Shares {}

#[derive(Debug, Clone)]
struct Span {
    key: &'static str,
    label: &'static str,
    href: String,
    count: String,
    percent: String,
    /// Where the span begins and how wide it is, in percent of the bar.
    x: String,
    width: String,
}

impl Shares {
    pub(crate) fn of(label: &'static str, shares: Vec<Share>, empty: &'static str) -> Self {
        let total: u64 = shares.iter().map(|share| share.count).sum();
        if total == 0 {
            return Self { label, spans: Vec::new(), empty };
        }
        let mut begin = 0.0;
        let span = |share: Share| {
            let part = format::float(share.count) / format::float(total);
            let span = Span {
                key: share.key,
                label: share.label,
                href: share.href,
                count: format::count(share.count),
                percent: format::percent(Some(part), 1),
                x: format!("{:.2}", begin * 100.0),
                width: format!("{:.2}", part * 100.0),
            };
            begin += part;
            span
        };
        Self { label, spans: shares.into_iter().map(span).collect(), empty }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spans_fill_the_bar() {
        let share = |key, count| Share { key, label: key, count, href: String::new() };
        let shares = Shares::of("Retries", vec![share("delivered", 3), share("expired", 1)], "");
        let spans: Vec<_> = shares.spans.iter().map(|span| (span.x.as_str(), span.width.as_str())).collect();
        assert_eq!(spans, [("0.00", "75.00"), ("75.00", "25.00")]);
    }

    #[test]
    fn nothing_has_no_parts() {
        assert!(Shares::of("Retries", Vec::new(), "Nothing waits.").to_string().contains("Nothing waits."));
    }
}
