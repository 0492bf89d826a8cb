//! One record of a report while it is read, and what it lacks when it closes.
//!
//! Way: `assemble` hands in the values below `record` and takes the record when it closes. The record is one and the same
//! for the whole report, so that its lists and texts keep their room.

use super::element::Element;
use super::head::{domain, keep};
use super::oddity::{warn, warn_value};
use super::value;
use super::word;
use crate::model::{
    AuthResult, Disposition, DkimCheck, DmarcRecord, OverrideType, PolicyOverride, SpfCheck, Text, Warning,
};

/// Most DKIM results kept of one record: RFC 9990 section 3.1.1.11 allows 100. Likewise for SPF results and reasons, of
/// which it allows one and a handful.
const LIST_MAX: usize = 100;

/// The record that is read.
#[derive(Debug, Default)]
pub(super) struct OpenRecord {
    record: DmarcRecord,
    /// Which of [`Required`] were there.
    seen: u8,
    has_results: bool,
    /// Whether the entry that is read has no room in its list.
    is_overfull: bool,
}

/// What every record must say.
#[derive(Debug, Clone, Copy)]
enum Required {
    SourceIp,
    Count,
    Disposition,
    Dkim,
    Spf,
    HeaderFrom,
}

impl Required {
    /// Each with what is said when it was not there.
    const ALL: [(Self, Text); 6] = [
        (Self::SourceIp, Text::const_new("`row/source_ip` is missing")),
        (Self::Count, Text::const_new("`row/count` is missing")),
        (Self::Disposition, Text::const_new("`policy_evaluated/disposition` is missing or empty")),
        (Self::Dkim, Text::const_new("`policy_evaluated/dkim` is missing or empty")),
        (Self::Spf, Text::const_new("`policy_evaluated/spf` is missing or empty")),
        (Self::HeaderFrom, Text::const_new("`identifiers/header_from` is missing or empty")),
    ];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl OpenRecord {
    pub(super) fn clear(&mut self) {
        self.seen = 0;
        self.has_results = false;
        let record = &mut self.record;
        record.source_ip = None;
        record.count = None;
        record.disposition = Disposition::None;
        record.is_dkim_aligned = false;
        record.is_spf_aligned = false;
        record.reasons.clear();
        record.header_from.clear();
        record.envelope_from.clear();
        record.envelope_to.clear();
        record.dkim.clear();
        record.spf.clear();
        record.warnings.clear();
    }

    /// Whether the last of its parts was there.
    pub(super) const fn has_results(&self) -> bool {
        self.has_results
    }

    pub(super) const fn warnings(&mut self) -> &mut Vec<Warning> {
        &mut self.record.warnings
    }

    /// Begins an element that holds others: most are entries of a list.
    pub(super) fn open(&mut self, element: Element) {
        self.has_results |= element == Element::AuthResults;
        let record = &mut self.record;
        let full = match element {
            Element::Reason => push(&mut record.reasons, || PolicyOverride {
                kind: OverrideType::Other,
                comment: Text::default(),
            }),
            Element::Dkim => push(&mut record.dkim, || DkimCheck {
                domain: Text::default(),
                selector: Text::default(),
                result: AuthResult::Unknown,
                human_result: Text::default(),
            }),
            Element::Spf => push(&mut record.spf, || SpfCheck {
                domain: Text::default(),
                scope: None,
                result: AuthResult::Unknown,
                human_result: Text::default(),
            }),
            _ => return,
        };
        self.is_overfull = full;
        if full {
            warn(&mut record.warnings, format!("`{}` is there more than {LIST_MAX} times", element.name()));
        }
    }

    /// Takes the value of a leaf.
    pub(super) fn take(&mut self, element: Element, value: &str) {
        let record = &mut self.record;
        let required = match element {
            Element::SourceIp => {
                record.source_ip = keep(value::address(value), &mut record.warnings, element, value);
                Required::SourceIp
            }
            Element::Count => {
                record.count = keep(value::count(value), &mut record.warnings, element, value);
                Required::Count
            }
            Element::Disposition if !value.is_empty() => {
                record.disposition = word::disposition(value).unwrap_or_else(|| {
                    warn_value(&mut record.warnings, element.name(), value, "is none that we know");
                    Disposition::Unknown
                });
                Required::Disposition
            }
            Element::EvaluatedDkim if !value.is_empty() => {
                record.is_dkim_aligned = is_pass(&mut record.warnings, element, value);
                Required::Dkim
            }
            Element::EvaluatedSpf if !value.is_empty() => {
                record.is_spf_aligned = is_pass(&mut record.warnings, element, value);
                Required::Spf
            }
            Element::HeaderFrom if !value.is_empty() => {
                record.header_from = domain(value);
                Required::HeaderFrom
            }
            Element::EnvelopeFrom => return record.envelope_from = domain(value),
            Element::EnvelopeTo => return record.envelope_to = domain(value),
            element => return self.take_entry(element, value),
        };
        self.seen |= required.bit();
    }

    /// Takes a value of the entry that was opened last.
    fn take_entry(&mut self, element: Element, value: &str) {
        if self.is_overfull {
            return;
        }
        let DmarcRecord { reasons, dkim, spf, warnings, .. } = &mut self.record;
        match (element, reasons.last_mut(), dkim.last_mut(), spf.last_mut()) {
            (Element::ReasonType, Some(reason), ..) => {
                reason.kind = word::override_type(value).unwrap_or_else(|| {
                    warn_value(warnings, "reason/type", value, "is none that we know");
                    OverrideType::Other
                });
            }
            (Element::ReasonComment, Some(reason), ..) => reason.comment = value.into(),
            (Element::DkimDomain, _, Some(dkim), _) => dkim.domain = domain(value),
            (Element::DkimSelector, _, Some(dkim), _) => dkim.selector = value.into(),
            (Element::DkimResult, _, Some(dkim), _) => {
                dkim.result = auth_result(warnings, "dkim/result", value);
            }
            (Element::DkimHumanResult, _, Some(dkim), _) => dkim.human_result = value.into(),
            (Element::SpfDomain, .., Some(spf)) => spf.domain = domain(value),
            (Element::SpfScope, .., Some(spf)) => {
                spf.scope = word::spf_scope(value);
                if spf.scope.is_none() && !value.is_empty() {
                    warn_value(warnings, "spf/scope", value, "is none that we know");
                }
            }
            (Element::SpfResult, .., Some(spf)) => spf.result = auth_result(warnings, "spf/result", value),
            (Element::SpfHumanResult, .., Some(spf)) => spf.human_result = value.into(),
            _ => {}
        }
    }

    /// The record as it is, with what it lacks said.
    pub(super) fn close(&mut self) -> &DmarcRecord {
        for (required, missing) in Required::ALL {
            if self.seen & required.bit() == 0 {
                warn(&mut self.record.warnings, missing);
            }
        }
        &self.record
    }
}

/// Adds an entry; tells whether the list was full already.
fn push<T>(list: &mut Vec<T>, entry: impl FnOnce() -> T) -> bool {
    if list.len() >= LIST_MAX {
        return true;
    }
    list.push(entry());
    false
}

/// `pass`; any other result is none, and what is no result is said.
fn is_pass(warnings: &mut Vec<Warning>, element: Element, value: &str) -> bool {
    match word::auth_result(value) {
        Some(AuthResult::Pass) => return true,
        Some(AuthResult::Unknown) | None => {
            warn_value(warnings, element.name(), value, "is no result that we know: taken as not aligned");
        }
        Some(_) => {}
    }
    false
}

fn auth_result(warnings: &mut Vec<Warning>, element: &str, value: &str) -> AuthResult {
    word::auth_result(value).unwrap_or_else(|| {
        warn_value(warnings, element, value, "is no result that we know");
        AuthResult::Unknown
    })
}
