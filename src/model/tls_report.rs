//! SMTP TLS reports: how many sessions to a domain's servers were safe in a period, and what failed.
//!
//! Way: `parse::tlsrpt` reads it, `pipeline` judges whether it is genuine, `store` keeps it.
//! Source: RFC 8460 section 4; the words are those of its registries.

use crate::model::{Text, Timestamp};
use std::net::IpAddr;

/// One report. Empty text and `None` mean that it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsReport {
    pub org_name: Text,
    pub report_id: Text,
    pub contact_info: Text,
    /// First moment of the period.
    pub begin: Option<Timestamp>,
    /// Last moment of the period.
    pub end: Option<Timestamp>,
    pub policies: Vec<TlsPolicy>,
}

/// The sessions to which one policy applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsPolicy {
    /// `sts`, `tlsa`, `no-policy-found`; lower case.
    pub policy_type: Text,
    /// Lower case, without the root's dot.
    pub domain: Text,
    /// The lines of the policy as the reporter found it.
    pub policy_strings: Vec<Text>,
    /// Patterns of the policy for host names, lower case.
    pub mx_hosts: Vec<Text>,
    /// Sessions that kept to the policy; `None` when the report says no number that can be read.
    pub successful: Option<u64>,
    /// Sessions that failed, those without details included; `None` as above.
    pub failed: Option<u64>,
    pub failures: Vec<TlsFailure>,
}

/// Sessions that failed in one way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFailure {
    /// Such as `certificate-expired` or `starttls-not-supported`; lower case.
    pub result_type: Text,
    pub sending_mta_ip: Option<IpAddr>,
    /// Lower case, without the root's dot.
    pub receiving_mx_hostname: Text,
    pub receiving_mx_helo: Text,
    pub receiving_ip: Option<IpAddr>,
    /// `None` when the report says no number that can be read.
    pub failed_sessions: Option<u64>,
    /// Where the reporter tells more, usually a URI.
    pub additional_information: Text,
    pub failure_reason_code: Text,
}
