//! Whether the figures of a report can be, and whether they count.

use crate::model::{DmarcReport, Timestamp};
use crate::pipeline::reports::ReportOptions;
use crate::store::{ReportOrigin, Standing};

/// How far the end of a period may lie ahead of the report's arrival, in seconds: reporters' clocks and time zones.
const AHEAD_S_MAX: i64 = 2 * 86_400;

/// Longest period, in seconds: a quarter; the longest seen are of weeks.
pub(super) const PERIOD_S_MAX: i64 = 100 * 86_400;

/// Messages of one record, or sessions of one policy, that are believed: a tenth of all mail of a day in the world.
pub(super) const COUNT_MAX: u64 = 30_000_000_000;

pub(super) fn standing_of(options: &ReportOptions, origin: &ReportOrigin, report: &DmarcReport) -> Standing {
    if origin.standing != Standing::Counted {
        origin.standing
    } else if !options.is_ours(&report.policy.domain) {
        Standing::Foreign
    } else if !is_plausible(origin, report.begin, report.end) {
        Standing::Implausible
    } else {
        Standing::Counted
    }
}

/// Whether a period can be: it has ended, and was not absurdly long.
pub(super) fn is_plausible(origin: &ReportOrigin, begin: Option<Timestamp>, end: Option<Timestamp>) -> bool {
    let (Some(begin), Some(end)) = (begin, end) else { return false };
    let (begin, end) = (begin.seconds(), end.seconds());
    begin > 0
        && begin <= end
        && end - begin <= PERIOD_S_MAX
        && end <= origin.received.seconds().saturating_add(AHEAD_S_MAX)
}
