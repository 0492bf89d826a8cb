//! TLS reports on their way into a batch.

use crate::model::{EventId, Parsed, TlsReport};
use crate::pipeline::reports::plausible::{COUNT_MAX, is_plausible};
use crate::pipeline::reports::{Decide, Fate, ReportOptions, texts, time_bytes};
use crate::store::{Batch, ReportOrigin, Standing, TlsFailureRow, TlsPolicyRow};

/// Adds a report unless it is known; says whether it did.
pub(super) fn add_tls(
    options: &ReportOptions,
    origin: &ReportOrigin,
    batch: &mut Batch,
    decide: Decide<'_>,
    report: Parsed<TlsReport>,
) -> bool {
    let Parsed { record: report, warnings } = report;
    let reporter = report.org_name.clone();
    let domain = report.policies.first().map_or("", |policy| policy.domain.as_str());
    let key = EventId::of([
        b"tls".as_slice(),
        reporter.as_bytes(),
        report.report_id.as_bytes(),
        domain.as_bytes(),
        &time_bytes(report.begin),
        &time_bytes(report.end),
    ])
    .0;
    if decide(key) != Fate::Store {
        return false;
    }
    let is_plausible = is_plausible(origin, report.begin, report.end);
    for (number, policy) in (0..).zip(report.policies) {
        let is_absurd = policy.successful.max(policy.failed).is_some_and(|sessions| sessions > COUNT_MAX);
        let standing = match (options.is_ours(&policy.domain), is_plausible && !is_absurd) {
            (false, _) => Standing::Foreign,
            (true, false) => Standing::Implausible,
            (true, true) => origin.standing,
        };
        let origin = ReportOrigin { report_key: key, standing, ..origin.clone() };
        batch.tls_failures.extend(policy.failures.iter().map(|failure| TlsFailureRow {
            origin: origin.clone(),
            reporter: reporter.clone(),
            begin: report.begin,
            policy_domain: policy.domain.clone(),
            policy_type: policy.policy_type.clone(),
            failure: failure.clone(),
        }));
        batch.tls_policies.push(TlsPolicyRow {
            origin,
            number,
            reporter: reporter.clone(),
            report_id: report.report_id.clone(),
            contact: report.contact_info.clone(),
            begin: report.begin,
            end: report.end,
            policy,
            warnings: texts(&warnings),
        });
    }
    true
}
