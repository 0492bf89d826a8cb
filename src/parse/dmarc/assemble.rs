//! Puts a report together from its tags and texts, record by record.
//!
//! Way: `scan` tells each tag and text in order, `head` and `record` take the values, the sink gets each record when it
//! closes.
//! Source: RFC 9990 sections 3.1 and appendix A (namespaces, extensions), RFC 7489 appendix C.
//!
//! The tree is read as it is meant: an element left open ends with the one around it, or where one begins that only
//! stands further out; an end tag of nothing is passed over. Elements that we do not know, and those of other
//! namespaces, are passed over with all that is in them. What stands around the root is not looked at.

use super::element::{Element, schema_name};
use super::head::Head;
use super::oddity::warn;
use super::record::OpenRecord;
use super::{RecordSink, VALUE_BYTES_MAX};
use crate::model::{DmarcReport, Parsed};
use quick_xml::events::attributes::Attributes;

/// Deepest element whose name is kept; the schemas need 7. What is deeper is counted and passed over.
const DEPTH_MAX: usize = 64;

/// Longest element name that is compared, in bytes: those of the schemas have up to 18.
const NAME_BYTES_MAX: usize = 64;

/// Most reports of one document; an honest one holds one.
const REPORTS_MAX: usize = 1000;

pub(super) struct Assembler<'a> {
    sink: &'a mut dyn RecordSink,
    reports: Vec<Parsed<DmarcReport>>,
    head: Head,
    record: OpenRecord,
    /// From the root inward.
    open: Vec<Open>,
    /// Open elements beyond [`DEPTH_MAX`].
    too_deep: u64,
    /// Of the leaf that is open.
    text: String,
    is_text_cut: bool,
    /// Prefix and default namespace of the root: those of the report.
    prefix: String,
    namespace: String,
    /// Whether there was a root element.
    has_root: bool,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    element: Element,
    /// Tells unknown elements apart; 0 for the others.
    name: u64,
}

impl<'a> Assembler<'a> {
    pub(super) fn new(sink: &'a mut dyn RecordSink) -> Self {
        Self {
            sink,
            reports: Vec::new(),
            head: Head::default(),
            record: OpenRecord::default(),
            open: Vec::with_capacity(DEPTH_MAX),
            too_deep: 0,
            text: String::new(),
            is_text_cut: false,
            prefix: String::new(),
            namespace: String::new(),
            has_root: false,
        }
    }

    #[inline]
    pub(super) fn start(&mut self, name: &str, attributes: &str) {
        match self.innermost().child(name) {
            Some(element) if element != Element::Feedback && attributes.is_empty() => self.begin(element, 0),
            _ => self.start_slowly(name, attributes),
        }
    }

    /// What is not the schema's name as it stands: the root, with attributes or prefix, in upper case, misplaced, unknown.
    #[cold]
    fn start_slowly(&mut self, name: &str, attributes: &str) {
        let here = self.innermost();
        let element = match here {
            Element::Document => self.root(name, attributes),
            Element::Unknown => None,
            _ if !self.is_ours(attributes) => None,
            _ => self.own_name(name).and_then(|name| here.child(&name).or_else(|| self.further_out(&name))),
        };
        match element {
            Some(element) => self.begin(element, 0),
            // Around the root anything may stand: a schema that was left open, an envelope.
            None if here == Element::Document => {}
            None => self.begin(Element::Unknown, hash(name)),
        }
    }

    fn root(&mut self, name: &str, attributes: &str) -> Option<Element> {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        if !local.eq_ignore_ascii_case(Element::Feedback.name()) {
            return None;
        }
        prefix.clone_into(&mut self.prefix);
        default_namespace(attributes).unwrap_or_default().clone_into(&mut self.namespace);
        Some(Element::Feedback)
    }

    /// Whether an element with these attributes is in the namespace of the report. Some writers say of every child that it
    /// is in none.
    fn is_ours(&self, attributes: &str) -> bool {
        default_namespace(attributes).is_none_or(|namespace| {
            namespace.is_empty()
                || namespace == self.namespace
                || namespace.starts_with("urn:ietf:params:xml:ns:dmarc-")
                || namespace.starts_with("http://dmarc.org/")
        })
    }

    /// The name as the schema has it; `None` when it is of another namespace. The older schema puts children into none.
    fn own_name(&self, name: &str) -> Option<String> {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let is_ours = (prefix.is_empty() || prefix == self.prefix) && local.len() <= NAME_BYTES_MAX;
        is_ours.then(|| schema_name(&local.to_ascii_lowercase()).to_owned())
    }

    /// An element that is no child of the innermost one, but of one around it: those between were left open.
    fn further_out(&mut self, name: &str) -> Option<Element> {
        let is_in_leaf = self.innermost().is_leaf();
        let (depth, element) = (0..self.open.len()).rev().find_map(|depth| {
            let parent = depth.checked_sub(1).map_or(Element::Document, |parent| self.open[parent].element);
            let element = parent.child(name)?;
            let is_sibling = is_in_leaf && depth + 1 == self.open.len();
            (is_sibling || !element.is_leaf()).then_some((depth, element))
        })?;
        if depth == 0 {
            self.head.cut_off("the report ends before `</feedback>`: another one begins");
        }
        self.close_to(depth);
        Some(element)
    }

    #[inline]
    fn innermost(&self) -> Element {
        self.open.last().map_or(Element::Document, |open| open.element)
    }

    fn begin(&mut self, element: Element, name: u64) {
        if self.open.len() >= DEPTH_MAX {
            if self.too_deep == 0 {
                self.head.warn(format!("elements deeper than {DEPTH_MAX} are not read"));
            }
            self.too_deep += 1;
            return;
        }
        self.open.push(Open { element, name });
        if element.is_leaf() {
            self.text.clear();
            self.is_text_cut = false;
            return;
        }
        match element {
            Element::Feedback => {
                if self.has_root {
                    self.finish();
                }
                self.has_root = true;
            }
            Element::Record => self.record.clear(),
            Element::Metadata => {
                // Metadata that follows records begins another report.
                if self.head.has_metadata() {
                    self.finish();
                }
                self.head.open(element);
            }
            Element::Policy => self.head.open(element),
            _ => self.record.open(element),
        }
    }

    #[inline]
    pub(super) fn text(&mut self, text: &str) {
        if !self.innermost().is_leaf() {
            return;
        }
        let text = if self.text.is_empty() { text.trim_ascii_start() } else { text };
        let room = VALUE_BYTES_MAX.saturating_sub(self.text.len());
        if text.len() <= room {
            return self.text.push_str(text);
        }
        let (taken, rest) = text.split_at(text.floor_char_boundary(room));
        self.text.push_str(taken);
        self.is_text_cut |= !rest.trim_end().is_empty();
    }

    #[inline]
    pub(super) fn end(&mut self, name: &str) {
        match self.open.last() {
            Some(open) if self.too_deep == 0 && open.element.name() == name => self.close(),
            _ => self.end_slowly(name),
        }
    }

    #[cold]
    fn end_slowly(&mut self, name: &str) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        let (own, hash) = (self.own_name(name), hash(name));
        let depth = self.open.iter().rposition(|open| match open.element {
            Element::Unknown => open.name == hash,
            element => own.as_deref() == Some(element.name()),
        });
        if let Some(depth) = depth {
            self.close_to(depth);
        }
    }

    /// Ends all elements deeper than `depth`, from the innermost outward.
    fn close_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            self.close();
        }
    }

    /// Ends the innermost element.
    fn close(&mut self) {
        let is_in_record = self.is_in_record();
        match self.open.pop().map_or(Element::Document, |open| open.element) {
            // Its report is finished with the document, or with the next root: what follows may tell that it is broken.
            Element::Feedback => {}
            Element::Record => self.close_record(),
            Element::Policy => {
                if let Some(before) = self.head.close_policy() {
                    self.finish_head(before);
                }
            }
            element if element.is_leaf() => self.take(element, is_in_record),
            _ => {}
        }
    }

    fn take(&mut self, element: Element, is_in_record: bool) {
        let value = self.text.trim_end();
        if self.is_text_cut {
            let warnings = if is_in_record { self.record.warnings() } else { &mut self.head.warnings };
            warn(warnings, format!("`{}` is longer than {VALUE_BYTES_MAX} bytes: cut there", element.name()));
        }
        if is_in_record {
            self.record.take(element, value);
        } else {
            self.head.take(element, value);
        }
    }

    fn is_in_record(&self) -> bool {
        self.open.get(1).is_some_and(|open| open.element == Element::Record)
    }

    fn close_record(&mut self) {
        let record = self.record.close();
        self.head.report.totals.add(record);
        self.sink.record(&self.head.report, record);
    }

    fn finish(&mut self) {
        let head = std::mem::take(&mut self.head);
        self.finish_head(head);
    }

    fn finish_head(&mut self, head: Head) {
        if self.reports.len() < REPORTS_MAX
            && let Some(report) = head.finish()
        {
            self.sink.end(&report);
            self.reports.push(report);
        } else {
            self.sink.discard();
        }
    }

    /// The document ended, or its source gave no more: `broken` says why.
    ///
    /// A report that is still open is finished with the records that were read. The last record is one of them when it lacks
    /// nothing but its end.
    pub(super) fn finish_document(mut self, broken: Option<&str>) -> Ended {
        if !self.open.is_empty() {
            if self.is_in_record() && self.open.len() == 2 && self.record.has_results() {
                self.close_record();
            } else if self.is_in_record() {
                self.head.warn("the last record is cut off: not read");
            }
            self.head.cut_off("the report ends before `</feedback>`");
        }
        if let Some(broken) = broken {
            self.head.cut_off(broken);
        }
        self.finish();
        Ended { reports: self.reports, has_root: self.has_root }
    }

    /// The source must not be read further: the records of the open report are of none.
    pub(super) fn discard(&mut self) {
        self.sink.discard();
    }

    pub(super) const fn has_root(&self) -> bool {
        self.has_root
    }

    pub(super) fn note(&mut self, oddity: &'static str) {
        self.head.warn(oddity);
    }

    /// What follows is not read.
    pub(super) fn cut_off(&mut self, why: &'static str) {
        self.head.cut_off(why);
    }
}

/// What a document held.
pub(super) struct Ended {
    pub(super) reports: Vec<Parsed<DmarcReport>>,
    /// Whether there was a root element of a report.
    pub(super) has_root: bool,
}

/// The default namespace that the attributes of a tag declare.
fn default_namespace(attributes: &str) -> Option<&str> {
    let mut attributes = Attributes::new(attributes, 0);
    let attribute =
        attributes.with_checks(false).flatten().find(|attribute| attribute.key.into_inner() == "xmlns")?;
    match attribute.value {
        std::borrow::Cow::Borrowed(value) => Some(value),
        std::borrow::Cow::Owned(_) => None,
    }
}

/// FNV-1a, 64 bits, of the first bytes of a name: enough to find the tag that an end tag is of.
fn hash(name: &str) -> u64 {
    let bytes = &name.as_bytes()[..name.len().min(NAME_BYTES_MAX)];
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
