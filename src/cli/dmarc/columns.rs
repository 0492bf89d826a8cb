//! The columns of the CSV.

use crate::store::query::DmarcRecordRow;
use jiff::{Timestamp, tz::TimeZone};

/// Its name, and its value in a row.
type Column = (&'static str, fn(&DmarcRecordRow) -> String);

pub(super) const COLUMNS: &[Column] = &[
    ("day", |r| time(r.day_unix, "%Y-%m-%d")),
    ("policy_domain", |r| r.policy_domain.clone()),
    ("source_ip", |r| r.source_ip.clone()),
    ("messages", |r| r.messages.to_string()),
    ("disposition", |r| r.disposition.clone()),
    ("is_dkim_aligned", |r| r.is_dkim_aligned.to_string()),
    ("is_spf_aligned", |r| r.is_spf_aligned.to_string()),
    ("is_aligned", |r| r.is_aligned().to_string()),
    ("header_from", |r| r.header_from.clone()),
    ("envelope_from", |r| r.envelope_from.clone()),
    ("envelope_to", |r| r.envelope_to.clone()),
    ("override_types", |r| r.override_types.join(" ")),
    ("override_comments", |r| r.override_comments.join(" ")),
    ("dkim_domains", |r| r.dkim_domains.join(" ")),
    ("dkim_selectors", |r| r.dkim_selectors.join(" ")),
    ("dkim_results", |r| r.dkim_results.join(" ")),
    ("spf_domain", |r| r.spf_domain.clone()),
    ("spf_scope", |r| r.spf_scope.clone()),
    ("spf_result", |r| r.spf_result.clone()),
    ("warnings", |r| r.warnings.join("; ")),
    ("host", |r| r.host.clone()),
    ("base_domain", |r| r.base_domain.clone()),
    ("source_name", |r| r.source_name.clone()),
    ("source_kind", |r| r.source_kind.clone()),
    ("asn", |r| if r.asn == 0 { String::new() } else { r.asn.to_string() }),
    ("asn_name", |r| r.asn_name.clone()),
    ("country", |r| r.country.clone()),
    ("reporter", |r| r.reporter.clone()),
    ("org_name", |r| r.org_name.clone()),
    ("email", |r| r.email.clone()),
    ("report_id", |r| r.report_id.clone()),
    ("begin_time", |r| time(i64::from(r.begin_unix), "%Y-%m-%dT%H:%M:%SZ")),
    ("end_time", |r| time(i64::from(r.end_unix), "%Y-%m-%dT%H:%M:%SZ")),
    ("p", |r| r.p.clone()),
    ("sp", |r| r.sp.clone()),
    ("np", |r| r.np.clone()),
    ("pct", |r| r.pct.map(|pct| pct.to_string()).unwrap_or_default()),
    ("adkim", |r| r.adkim.clone()),
    ("aspf", |r| r.aspf.clone()),
    ("report_key", |r| r.report_key.clone()),
];

/// Empty when the report says no time.
fn time(unix: i64, pattern: &str) -> String {
    let at = Timestamp::from_second(unix).ok().filter(|_| unix > 0);
    at.map(|at| at.to_zoned(TimeZone::UTC).strftime(pattern).to_string()).unwrap_or_default()
}
