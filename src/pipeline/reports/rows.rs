//! The records of DMARC reports on their way into a batch.

use crate::model::{DmarcRecord, DmarcReport, Parsed};
use crate::parse::dmarc::RecordSink;
use crate::pipeline::reports::days::split;
use crate::pipeline::reports::plausible::{COUNT_MAX, standing_of};
use crate::pipeline::reports::{Fate, ReportOptions, dmarc_key, texts};
use crate::store::{
    Batch, BlockMark, DmarcRecordHead, DmarcRecordRow, DmarcReportRow, ReportOrigin, Standing,
};
use std::sync::Arc;

/// Takes the records of DMARC reports into a batch.
pub(super) struct Rows<'r, 'd> {
    options: &'r ReportOptions,
    origin: &'r ReportOrigin,
    batch: &'r mut Batch,
    decide: &'r mut (dyn FnMut(u128) -> Fate + 'd),
    /// Where the batch stood before this part.
    begin: (BlockMark, usize),
    /// The report under work.
    open: Option<Open>,
    /// Heads of the reports in order, the next one last, when they are known from a first reading.
    heads: Option<Vec<DmarcReport>>,
    pub(super) stored: u64,
    pub(super) is_out_of_order: bool,
}

/// A report whose records are coming in.
struct Open {
    head: Arc<DmarcRecordHead>,
    fate: Fate,
    mark: BlockMark,
}

impl<'r, 'd> Rows<'r, 'd> {
    pub(super) fn new(
        options: &'r ReportOptions,
        origin: &'r ReportOrigin,
        batch: &'r mut Batch,
        decide: &'r mut (dyn FnMut(u128) -> Fate + 'd),
    ) -> Self {
        let begin = (batch.dmarc_records.mark(), batch.dmarc_reports.len());
        let (open, heads) = (None, None);
        Self { options, origin, batch, decide, begin, open, heads, stored: 0, is_out_of_order: false }
    }

    /// Takes out what this part brought, and begins anew with heads that are known.
    pub(super) fn again(self, heads: Vec<DmarcReport>) -> Self {
        self.batch.dmarc_records.rewind(&self.begin.0);
        self.batch.dmarc_reports.truncate(self.begin.1);
        Self { heads: Some(heads), open: None, stored: 0, is_out_of_order: false, ..self }
    }

    fn open(&mut self, report: &DmarcReport) -> &Open {
        if self.open.is_none() {
            let known = self.heads.as_ref().and_then(|heads| heads.last());
            let report = known.unwrap_or(report);
            let origin = ReportOrigin {
                report_key: dmarc_key(report),
                standing: standing_of(self.options, self.origin, report),
                ..self.origin.clone()
            };
            let fate = (self.decide)(origin.report_key);
            let head = Arc::new(DmarcRecordHead {
                policy_domain: report.policy.domain.clone(),
                reporter: report.reporter.clone(),
                origin,
            });
            self.open = Some(Open { head, fate, mark: self.batch.dmarc_records.mark() });
        }
        self.open.as_ref().expect("it was put in just above")
    }
}

impl RecordSink for Rows<'_, '_> {
    fn record(&mut self, report: &DmarcReport, record: &DmarcRecord) {
        let (begin, end) = match self.heads.as_ref().and_then(|heads| heads.last()) {
            Some(head) => (head.begin, head.end),
            None => (report.begin, report.end),
        };
        let open = self.open(report);
        if open.fate != Fate::Store {
            return;
        }
        let mut head = Arc::clone(&open.head);
        let messages = record.count.unwrap_or(0);
        if messages > COUNT_MAX && head.origin.standing == Standing::Counted {
            Arc::make_mut(&mut head).origin.standing = Standing::Implausible;
        }
        let record = Arc::new(record.clone());
        for (day, messages) in split(begin.unwrap_or(head.origin.received), end, messages) {
            let row = DmarcRecordRow { head: Arc::clone(&head), day, messages, record: Arc::clone(&record) };
            self.batch.dmarc_records.push(&row);
        }
    }

    fn end(&mut self, report: &Parsed<DmarcReport>) {
        self.open(&report.record);
        let Some(open) = self.open.take() else { return };
        if let Some(heads) = &mut self.heads {
            heads.pop();
        } else if open.head.origin.report_key != dmarc_key(&report.record) {
            self.is_out_of_order = true;
        }
        if open.fate != Fate::Store {
            return;
        }
        let mut origin = open.head.origin.clone();
        if report.record.totals.messages > COUNT_MAX && origin.standing == Standing::Counted {
            origin.standing = Standing::Implausible;
        }
        self.stored += 1;
        let warnings = texts(&report.warnings);
        self.batch.dmarc_reports.push(DmarcReportRow { origin, report: report.record.clone(), warnings });
    }

    fn discard(&mut self) {
        if let Some(open) = self.open.take() {
            self.batch.dmarc_records.rewind(&open.mark);
        }
    }
}
