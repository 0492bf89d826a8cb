//! The head of a report: who reports, for which period, on which policy.
//!
//! Way: `assemble` hands in the values of `report_metadata` and `policy_published`, and takes the report when it ends.

use super::element::Element;
use super::oddity::{warn, warn_value};
use super::reporter::reporter;
use super::value::{self, Value};
use super::word;
use crate::model::{DmarcPolicy, DmarcReport, DmarcTotals, Parsed, Text, Timestamp, Warning};

/// Most `error` elements of one report that are kept; RFC 9990 lets reporters write any number.
const ERRORS_MAX: usize = 16;

/// The head of the report that is read.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) report: DmarcReport,
    pub(super) warnings: Vec<Warning>,
    /// The policy until its element closes.
    policy: DmarcPolicy,
    has_metadata: bool,
    has_policy: bool,
    /// Whether something that only a report has was read.
    has_substance: bool,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            report: DmarcReport { is_complete: true, ..DmarcReport::default() },
            warnings: Vec::new(),
            policy: DmarcPolicy::default(),
            has_metadata: false,
            has_policy: false,
            has_substance: false,
        }
    }
}

impl Head {
    pub(super) const fn has_metadata(&self) -> bool {
        self.has_metadata
    }

    pub(super) fn warn(&mut self, text: impl Into<Text>) {
        warn(&mut self.warnings, text);
    }

    /// The report ended in the middle.
    pub(super) fn cut_off(&mut self, why: impl Into<Text>) {
        self.report.is_complete = false;
        self.warn(why);
    }

    pub(super) fn open(&mut self, element: Element) {
        match element {
            Element::Metadata => self.has_metadata = true,
            Element::Policy => self.policy = DmarcPolicy::default(),
            _ => {}
        }
    }

    /// Takes the value of a leaf.
    pub(super) fn take(&mut self, element: Element, value: &str) {
        match element {
            Element::Version => self.report.version = value.into(),
            Element::OrgName => self.report.org_name = value.into(),
            Element::Email => self.report.email = value.into(),
            Element::ExtraContactInfo => self.report.extra_contact_info = value.into(),
            Element::ReportId => {
                let bare = value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
                self.report.report_id = bare.unwrap_or(value).trim().into();
                self.has_substance |= !self.report.report_id.is_empty();
            }
            Element::Generator => self.report.generator = value.into(),
            Element::Error if value.is_empty() => {}
            Element::Error if self.report.errors.len() < ERRORS_MAX => self.report.errors.push(value.into()),
            Element::Error => self.warn("more errors than are kept"),
            Element::Begin => self.report.begin = self.time(element, value),
            Element::End => self.report.end = self.time(element, value),
            element => self.take_policy(element, value),
        }
    }

    fn time(&mut self, element: Element, value: &str) -> Option<Timestamp> {
        let at = keep(value::time(value), &mut self.warnings, element, value);
        self.has_substance |= at.is_some();
        at
    }

    fn take_policy(&mut self, element: Element, value: &str) {
        let (policy, warnings) = (&mut self.policy, &mut self.warnings);
        // Reporters write empty elements for what the policy record does not say.
        if value.is_empty() && element != Element::PolicyDomain {
            return;
        }
        let is_read = match element {
            Element::PolicyDomain => {
                policy.domain = domain(value);
                true
            }
            Element::Fo => {
                policy.fo = value.into();
                true
            }
            Element::Pct => {
                let count = keep(value::count(value), warnings, element, value);
                policy.pct = count.and_then(|pct| u8::try_from(pct).ok()).filter(|pct| *pct <= 100);
                policy.pct.is_some() || count.is_none()
            }
            Element::P => set(&mut policy.p, word::policy_action(value)),
            Element::Sp => set(&mut policy.sp, word::policy_action(value)),
            Element::Np => set(&mut policy.np, word::policy_action(value)),
            Element::Adkim => set(&mut policy.adkim, word::alignment_mode(value)),
            Element::Aspf => set(&mut policy.aspf, word::alignment_mode(value)),
            Element::Testing => set(&mut policy.testing, word::yes_or_no(value)),
            Element::DiscoveryMethod => set(&mut policy.discovery_method, word::policy_discovery(value)),
            _ => true,
        };
        if !is_read {
            warn_value(warnings, element.name(), value, "is none that we know");
        }
    }

    /// Ends `policy_published`. A policy for another domain that follows records begins another report with the same
    /// metadata, which then takes the place of this one: this one is given back.
    pub(super) fn close_policy(&mut self) -> Option<Self> {
        let policy = std::mem::take(&mut self.policy);
        self.has_substance |= !policy.domain.is_empty();
        let is_another = self.has_policy && policy.domain != self.report.policy.domain;
        self.has_policy = true;
        if is_another && self.report.totals.records > 0 {
            let report = DmarcReport { policy, totals: DmarcTotals::default(), ..self.report.clone() };
            let next = Self { report, has_metadata: true, has_policy: true, ..Self::default() };
            return Some(std::mem::replace(self, next));
        }
        if is_another {
            self.warn("`policy_published` is there twice before the records: the last one counts");
        }
        self.report.policy = policy;
        None
    }

    /// The report, when there is anything in it that only a report has: some of it may be missing.
    pub(super) fn finish(mut self) -> Option<Parsed<DmarcReport>> {
        if !self.has_substance && self.report.totals.records == 0 {
            return None;
        }
        let report = &mut self.report;
        report.reporter = reporter(&report.org_name, &report.email);
        for (element, is_missing) in [
            ("org_name", report.org_name.is_empty()),
            ("report_id", report.report_id.is_empty()),
            ("begin", report.begin.is_none()),
            ("end", report.end.is_none()),
            ("domain", report.policy.domain.is_empty()),
            ("record", report.totals.records == 0),
        ] {
            if is_missing {
                warn(&mut self.warnings, format!("the report has no `{element}` that can be read"));
            }
        }
        if report.begin.zip(report.end).is_some_and(|(begin, end)| end < begin) {
            warn(&mut self.warnings, "the report ends before it begins");
        }
        Some(Parsed { record: self.report, warnings: self.warnings })
    }
}

/// Domains are compared without regard to case and to a final dot.
pub(super) fn domain(value: &str) -> Text {
    let value = value.strip_suffix('.').unwrap_or(value);
    if value.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        return value.to_lowercase().into();
    }
    value.into()
}

/// The value, if it was read; with a warning when it was not read plainly.
pub(super) fn keep<T>(
    read: Value<T>,
    warnings: &mut Vec<Warning>,
    element: Element,
    text: &str,
) -> Option<T> {
    match read {
        Value::Plain(value) => Some(value),
        Value::Odd(value, what) => {
            warn_value(warnings, element.name(), text, what);
            Some(value)
        }
        Value::Bad(what) => {
            warn_value(warnings, element.name(), text, what);
            None
        }
    }
}

fn set<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    *place = value;
    place.is_some()
}
