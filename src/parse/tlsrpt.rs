//! SMTP TLS reports: JSON in, one report out.
//!
//! Way: `report` unpacks the document, this reads it, `pipeline` judges whether it is genuine.
//! Source: RFC 8460 section 4.4, and the forms that reporters were seen to send: one text where a list belongs, numbers
//! in quotes, empty addresses, dates without time, missing contact, policy domain and sending address.
//! Not here: unpacking (`archive`).
//!
//! A value that cannot be read is none, with a warning; it is never zero, nor 1970.

#[cfg(test)]
mod tests;
mod wire;

use crate::model::{Parsed, RejectReason, Text, TlsFailure, TlsPolicy, TlsReport};
use crate::parse::Reject;
use crate::parse::archive::reject_of;
use crate::parse::ndjson::value::host;
use crate::parse::text::lossy;
use std::cell::RefCell;
use std::io::{BufRead, Read};
use wire::{Edge, Object};

/// Largest report read, in bytes: ten times what a day of failures at a large provider fills, with an entry for each pair
/// of servers.
pub const TLS_REPORT_BYTES_MAX: u64 = 16 << 20;

/// Most failures kept of a report, over all policies. Twenty times [`POLICIES_MAX`]; beyond that, sums must do.
const FAILURES_MAX: usize = 20 * POLICIES_MAX;

/// Most policies kept of a report: a reporter has one or two for a domain.
const POLICIES_MAX: usize = 1000;

/// Most lines of a policy and patterns for hosts kept, each.
const LINES_MAX: usize = 64;

/// Reads a report.
///
/// # Errors
///
/// - `TooLarge` above [`TLS_REPORT_BYTES_MAX`], and the reject that the source gives when a limit is exceeded.
/// - `Syntax` when it is no JSON, ends too early, or stands in a broken archive: half a report counts nothing.
/// - `UnknownType` when it is JSON, but no TLS report.
pub fn read(source: &mut dyn BufRead) -> Result<Parsed<TlsReport>, Reject> {
    let mut bytes = Vec::new();
    source.take(TLS_REPORT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(reject_of)?;
    if bytes.len() as u64 > TLS_REPORT_BYTES_MAX {
        let message =
            format!("the TLS report is larger than {TLS_REPORT_BYTES_MAX} bytes, the most that is read");
        return Err(Reject::new(RejectReason::TooLarge, message));
    }
    let text = lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}').trim();
    let warnings = RefCell::default();
    let root = Object::root(text, &warnings)?;
    if !is_report(&root) {
        let message =
            Text::const_new("JSON without `policies` and without the head of a TLS report (RFC 8460)");
        return Err(Reject::new(RejectReason::UnknownType, message));
    }
    let record = report(&root);
    drop(root);
    Ok(Parsed { record, warnings: warnings.into_inner() })
}

/// Whether JSON with these names is a TLS report: what it counts, or two of what its head must have.
fn is_report(root: &Object<'_, '_>) -> bool {
    let head = ["organization-name", "date-range", "report-id", "contact-info"];
    root.has("policies") || head.iter().filter(|name| root.has(name)).count() > 1
}

fn report(root: &Object<'_, '_>) -> TlsReport {
    let mut report = TlsReport {
        org_name: root.text("organization-name"),
        report_id: root.text("report-id"),
        // RFC 8460 section 4.4 asks for it; reporters leave it out, or say null.
        contact_info: root.text("contact-info"),
        ..TlsReport::default()
    };
    root.expect("organization-name", !report.org_name.is_empty());
    root.expect("report-id", !report.report_id.is_empty());
    if let Some(range) = root.object("date-range") {
        report.begin = range.time("start-datetime", Edge::Begin);
        report.end = range.time("end-datetime", Edge::End);
    }
    let mut failures_left = FAILURES_MAX;
    let policies = root.objects("policies", POLICIES_MAX);
    report.policies = policies.iter().map(|entry| policy(entry, &mut failures_left)).collect();
    root.expect("policies", !report.policies.is_empty());
    if report.begin.zip(report.end).is_some_and(|(begin, end)| end < begin) {
        root.warn("`end-datetime` is before `start-datetime`");
    }
    report
}

fn policy(entry: &Object<'_, '_>, failures_left: &mut usize) -> TlsPolicy {
    let mut read = TlsPolicy::default();
    if let Some(policy) = entry.object("policy") {
        read.policy_type = policy.word("policy-type");
        read.domain = policy.host("policy-domain");
        policy.expect("policy-domain", !read.domain.is_empty());
        read.policy_strings = policy.texts("policy-string", LINES_MAX);
        read.mx_hosts = policy.texts("mx-host", LINES_MAX).iter().map(|pattern| host(pattern)).collect();
    }
    if let Some(summary) = entry.object("summary") {
        read.successful = summary.count("total-successful-session-count");
        read.failed = summary.count("total-failure-session-count");
    }
    read.failures = entry.objects("failure-details", *failures_left).iter().map(failure).collect();
    *failures_left -= read.failures.len();
    read
}

fn failure(entry: &Object<'_, '_>) -> TlsFailure {
    TlsFailure {
        result_type: entry.word("result-type"),
        sending_mta_ip: entry.address("sending-mta-ip"),
        receiving_mx_hostname: entry.host("receiving-mx-hostname"),
        receiving_mx_helo: entry.text("receiving-mx-helo"),
        receiving_ip: entry.address("receiving-ip"),
        failed_sessions: entry.count("failed-session-count"),
        additional_information: entry.text("additional-information"),
        failure_reason_code: entry.text("failure-reason-code"),
    }
}
