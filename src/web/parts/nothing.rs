//! What stands above the figures when the question matches no mail: why that may be, and where there is some.

use crate::store::query::Dimension;
use crate::web::params::{Link, Params};
use askama::Template;

#[derive(Debug, Clone, Template)]
#[template(path = "parts/nothing.html")]
pub(crate) struct Nothing {
    text: &'static str,
    unfiltered: Option<String>,
    newest: Option<String>,
}

impl askama::filters::HtmlSafe for Nothing {}

const DAY_S: i64 = 86_400;

impl Nothing {
    /// `newest_unix` is when the newest event of all happened.
    pub(crate) fn of(params: &Params, path: &str, newest_unix: Option<i64>) -> Self {
        let here = params.here(path).without("before");
        let unfilter = |link: Link, dimension: Dimension| link.without(dimension.name());
        let unfiltered =
            params.is_filtered().then(|| Dimension::ALL.into_iter().fold(here.clone(), unfilter).to_string());
        let newest = newest_unix
            .filter(|newest| *newest < params.filter().range.from_unix)
            .map(|newest| here.during(newest - DAY_S, newest + 60).to_string());
        let text = match (&unfiltered, &newest) {
            (Some(_), _) => "No message matches these filters in this range.",
            (None, Some(_)) => "No message ended its way in this range; the newest event is older.",
            (None, None) => "No message ended its way in this range.",
        };
        Self { text, unfiltered, newest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_785_585_270;

    #[test]
    fn filters_without_mail_can_be_taken_away() {
        let params = Params::parse("range=1h&provider=gmail", NOW, &[]).unwrap();
        let nothing = Nothing::of(&params, "/", Some(NOW));
        assert_eq!(nothing.unfiltered.as_deref(), Some("/?range=1h"));
        assert_eq!(nothing.newest, None);
    }

    #[test]
    fn a_range_after_all_mail_leads_to_the_newest() {
        let params = Params::parse("range=1h", NOW, &[]).unwrap();
        let newest = Nothing::of(&params, "/", Some(NOW - 7 * DAY_S)).newest.unwrap();
        assert_eq!(newest, "/?from=2026-07-24T11:54&to=2026-07-25T11:55");
    }
}
