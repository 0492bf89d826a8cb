//! What the pages and questions about DMARC and TLS reports take.

use crate::store::query::ReportFilter;
use crate::web::params::{Extra, Params, ParamsError};

/// Shown when an address has no range: receivers report a day or two later, and sources are judged over a month.
const DEFAULT_RANGE: &str = "range=30d";

impl Params {
    /// Reads a query string of a page about reports, which shows 30 days where the address has no range.
    ///
    /// # Errors
    ///
    /// As [`Params::parse`].
    pub(crate) fn of_reports(query: &str, now_unix: i64, extras: &[Extra]) -> Result<Self, ParamsError> {
        let is_range = |name: &str| matches!(name, "range" | "from" | "to");
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        if pairs.any(|(name, value)| is_range(&name) && !value.trim().is_empty()) {
            return Self::parse(query, now_unix, extras);
        }
        let joint = if query.is_empty() { "" } else { "&" };
        Self::parse(&format!("{query}{joint}{DEFAULT_RANGE}"), now_unix, extras)
    }

    /// The part of the filter that reports know: range and policy domains.
    pub(crate) fn reports(&self) -> ReportFilter {
        ReportFilter { range: self.filter().range, domains: self.filter().domain.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_range_a_page_about_reports_shows_a_month() {
        let days = |query: &str| {
            let params = Params::of_reports(query, 1_785_585_270, &[]).unwrap();
            (params.reports().range.seconds() / 86_400, params.reports().domains)
        };
        assert_eq!(days(""), (30, vec![]));
        assert_eq!(days("domain=shop.example"), (30, vec!["shop.example".to_owned()]));
        assert_eq!(days("domain=shop.example&range=7d"), (7, vec!["shop.example".to_owned()]));
        assert_eq!(days("range=&from="), (30, vec![]));
    }
}
