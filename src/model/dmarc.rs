//! DMARC aggregate reports: what a receiver says of a domain's mail in a period, one record for each source and result.
//!
//! Way: `parse::dmarc` fills head and records, `pipeline` judges whether the report is genuine, `store` keeps both.
//! Source: RFC 9990 (aggregate reporting, 2026), which obsoletes RFC 7489 appendix C; most reporters still write the
//! older form.
//! Not here: failure reports on single messages (`complaint`), TLS reports (`tls_report`).

use crate::model::named::named;
use crate::model::{Text, Timestamp, Warning};
use std::net::IpAddr;

named! {
    /// What a domain asks of receivers for mail that fails (`p`, `sp`, `np`).
    PolicyAction { None = "none", Quarantine = "quarantine", Reject = "reject" }

    /// How exactly an identifier must match the domain in `From` (`adkim`, `aspf`).
    AlignmentMode { Relaxed = "r", Strict = "s" }

    /// How the receiver found the policy record (`discovery_method`).
    PolicyDiscovery { PublicSuffixList = "psl", TreeWalk = "treewalk" }

    /// What the receiver did with the mail of a record.
    Disposition {
        None = "none",
        /// The mail passed; RFC 7489 reporters say `none` for it.
        Pass = "pass",
        Quarantine = "quarantine",
        Reject = "reject",
        /// Said in no word that we know; a warning of the record has the word.
        Unknown = "unknown",
    }

    /// Why the receiver did something else than the policy asks.
    OverrideType {
        Forwarded = "forwarded",
        LocalPolicy = "local_policy",
        MailingList = "mailing_list",
        Other = "other",
        PolicyTestMode = "policy_test_mode",
        SampledOut = "sampled_out",
        TrustedForwarder = "trusted_forwarder",
    }

    /// What a DKIM or SPF check gave, aligned or not.
    AuthResult {
        None = "none",
        Pass = "pass",
        Fail = "fail",
        SoftFail = "softfail",
        Neutral = "neutral",
        /// A signature that the receiver does not accept; DKIM only.
        Policy = "policy",
        TempError = "temperror",
        PermError = "permerror",
        /// Said in no word that we know; a warning of the record has the word.
        Unknown = "unknown",
    }

    /// Which identity SPF was asked for.
    SpfScope { Mfrom = "mfrom", Helo = "helo" }
}

/// One report: its head and its sums. The records are handed out one by one, as they are read.
///
/// An empty text is one that the report does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DmarcReport {
    /// Version of the report format; RFC 7489 and RFC 9990 both say `1.0`.
    pub version: Text,
    /// As the report says it.
    pub org_name: Text,
    /// Who reports, for grouping and for telling duplicates: the registered domain when `org_name` is a host name, that
    /// of `email` when it is empty, else `org_name` itself.
    pub reporter: Text,
    pub email: Text,
    pub extra_contact_info: Text,
    /// Without blanks and without angle brackets around it.
    pub report_id: Text,
    /// First second of the period.
    pub begin: Option<Timestamp>,
    /// Last second of the period: most reporters end at 23:59:59, some at the next midnight.
    pub end: Option<Timestamp>,
    /// What went wrong at the reporter.
    pub errors: Vec<Text>,
    /// The software that wrote the report (RFC 9990).
    pub generator: Text,
    pub policy: DmarcPolicy,
    pub totals: DmarcTotals,
    /// Whether the report was read to its end. One that was cut off holds the records before the cut.
    pub is_complete: bool,
}

/// The policy that the receiver found for the domain (`policy_published`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DmarcPolicy {
    /// Lower case.
    pub domain: Text,
    pub p: Option<PolicyAction>,
    /// For subdomains.
    pub sp: Option<PolicyAction>,
    /// For subdomains that do not exist (RFC 9989).
    pub np: Option<PolicyAction>,
    /// Share of the mail that the policy is for, in percent; RFC 9989 knows it no more.
    pub pct: Option<u8>,
    pub adkim: Option<AlignmentMode>,
    pub aspf: Option<AlignmentMode>,
    /// When the domain wants failure reports: `0`, `1`, `d`, `s`, or several with colons between.
    pub fo: Text,
    /// Whether the domain only tries the policy out (`t=y`, RFC 9989).
    pub testing: Option<bool>,
    pub discovery_method: Option<PolicyDiscovery>,
}

/// The messages of one source with one result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DmarcRecord {
    /// The address that sent; IPv4 is never written as IPv6 here. `None` when the report says none that can be read.
    pub source_ip: Option<IpAddr>,
    /// How many messages. `None` when the report says no number of them that can be read.
    pub count: Option<u64>,
    pub disposition: Disposition,
    /// Whether a valid DKIM signature aligned with the domain in `From` (`policy_evaluated/dkim`).
    pub is_dkim_aligned: bool,
    /// Whether SPF passed for a domain that aligned with that in `From` (`policy_evaluated/spf`).
    pub is_spf_aligned: bool,
    pub reasons: Vec<PolicyOverride>,
    /// Domain in `From`, lower case; the next two likewise.
    pub header_from: Text,
    pub envelope_from: Text,
    /// Domain of the recipient.
    pub envelope_to: Text,
    pub dkim: Vec<DkimCheck>,
    pub spf: Vec<SpfCheck>,
    /// What could not be read as it stands, or was odd.
    pub warnings: Vec<Warning>,
}

impl DmarcRecord {
    /// Whether the mail passed DMARC: either identifier is enough (RFC 9989).
    pub const fn is_aligned(&self) -> bool {
        self.is_dkim_aligned || self.is_spf_aligned
    }
}

impl Default for DmarcRecord {
    fn default() -> Self {
        Self {
            source_ip: None,
            count: None,
            disposition: Disposition::None,
            is_dkim_aligned: false,
            is_spf_aligned: false,
            reasons: Vec::new(),
            header_from: Text::default(),
            envelope_from: Text::default(),
            envelope_to: Text::default(),
            dkim: Vec::new(),
            spf: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyOverride {
    pub kind: OverrideType,
    pub comment: Text,
}

/// One DKIM signature that the receiver checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimCheck {
    /// Of the signer, lower case.
    pub domain: Text,
    pub selector: Text,
    pub result: AuthResult,
    pub human_result: Text,
}

/// One SPF check of the receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpfCheck {
    /// Lower case.
    pub domain: Text,
    pub scope: Option<SpfScope>,
    pub result: AuthResult,
    pub human_result: Text,
}

/// Sums over the records of a report. They stop at the largest number instead of wrapping: counts may be absurd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DmarcTotals {
    pub records: u64,
    /// Records with warnings of their own.
    pub odd_records: u64,
    pub messages: u64,
    pub dkim_aligned: u64,
    pub spf_aligned: u64,
    pub dmarc_aligned: u64,
    /// Messages by disposition, in the order of [`Disposition::ALL`].
    by_disposition: [u64; Disposition::ALL.len()],
}

impl DmarcTotals {
    pub fn add(&mut self, record: &DmarcRecord) {
        let messages = record.count.unwrap_or(0);
        let add = |sum: &mut u64, counts: bool| *sum = sum.saturating_add(if counts { messages } else { 0 });
        self.records += 1;
        self.odd_records += u64::from(!record.warnings.is_empty());
        add(&mut self.messages, true);
        add(&mut self.dkim_aligned, record.is_dkim_aligned);
        add(&mut self.spf_aligned, record.is_spf_aligned);
        add(&mut self.dmarc_aligned, record.is_aligned());
        add(&mut self.by_disposition[record.disposition as usize], true);
    }

    /// Messages by disposition, those without any left out.
    pub fn dispositions(&self) -> impl Iterator<Item = (Disposition, u64)> {
        Disposition::ALL.iter().copied().zip(self.by_disposition).filter(|(_, messages)| *messages > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_absurd_counts_stop_at_the_largest_number() {
        let mut totals = DmarcTotals::default();
        let record = DmarcRecord { count: Some(u64::MAX), is_spf_aligned: true, ..DmarcRecord::default() };
        totals.add(&record);
        totals.add(&record);
        assert_eq!((totals.records, totals.messages, totals.dmarc_aligned), (2, u64::MAX, u64::MAX));
        assert_eq!(totals.dispositions().collect::<Vec<_>>(), [(Disposition::None, u64::MAX)]);
    }

    #[test]
    fn names_are_read_back() {
        for disposition in Disposition::ALL {
            assert_eq!(Disposition::from_name(disposition.name()), Some(*disposition));
        }
        for result in AuthResult::ALL {
            assert_eq!(AuthResult::from_name(result.name()), Some(*result));
        }
    }
}
