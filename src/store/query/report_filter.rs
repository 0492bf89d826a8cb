//! What part of the DMARC and TLS reports a question is about.

use crate::store::query::TimeRange;
use crate::store::query::question::{Question, Sql};
use serde::{Deserialize, Serialize};

const DAY_S: i64 = 86_400;

/// Which reports a question is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFilter {
    /// Answers are by whole days, UTC: the range is widened to them.
    pub range: TimeRange,
    /// Policy domains; empty takes all.
    pub domains: Vec<String>,
}

impl ReportFilter {
    /// The range widened to whole days.
    pub const fn days(&self) -> TimeRange {
        TimeRange {
            from_unix: self.range.from_unix.div_euclid(DAY_S) * DAY_S,
            to_unix: (self.range.to_unix + DAY_S - 1).div_euclid(DAY_S) * DAY_S,
        }
    }

    /// A question over rows of a report table (`r`), narrowed to this filter and `more` conditions.
    pub(super) fn sql(&self, text: &'static str, rows: &'static str, more: &[&'static str]) -> Sql {
        let mut conditions = more.to_vec();
        if !self.domains.is_empty() {
            conditions.push("r.policy_domain IN {domains:Array(String)}");
        }
        Sql::of(text).with_rows(rows, &conditions)
    }
}

impl Question {
    /// Gives range and domains of a [`ReportFilter`].
    pub(super) fn reports(self, filter: &ReportFilter) -> Self {
        self.range(filter.days()).param("domains", &filter.domains)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_widened_to_whole_days() {
        let range = TimeRange { from_unix: DAY_S + 5, to_unix: 2 * DAY_S + 1 };
        let filter = ReportFilter { range, domains: Vec::new() };
        assert_eq!(filter.days(), TimeRange { from_unix: DAY_S, to_unix: 3 * DAY_S });
        let whole = ReportFilter { range: filter.days(), domains: Vec::new() };
        assert_eq!(whole.days(), whole.range);
    }
}
