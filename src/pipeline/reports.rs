//! Reports on a period, DMARC aggregate and TLS: read as a stream, spread over days, each stored once.
//!
//! Way: `assemble` hands over a bare report, `feedback` the parts of a mail that hold reports. [`Rows`] puts the records
//! into the batch as they are read; a report that turns out to be known is taken out again.
//! Not here: unpacking and reading (`parse::report`), who sent the mail (`authenticate`).
//!
//! A report is the same as another when reporter, id, domain, begin and end are: some reporters use an id again on
//! another day.

mod days;
mod plausible;
mod rows;
mod tls;

use crate::model::{
    Complaint, DmarcReport, EventId, MailHead, SourceRef, Text, Timestamp, Warning, domain_of, is_under,
};
use crate::parse::archive::Limits;
use crate::parse::report::{self, ReportEnd, ReportPart};
use crate::parse::{Item, Reject};
use crate::pipeline::assemble::{Assembler, Tally};
use crate::pipeline::draft::{Draft, HeldReports};
use crate::pipeline::kept::{self, kept};
use crate::pipeline::known::Seen;
use crate::spool::Entry;
use crate::store::{Authenticity, Batch, DmarcFailureRow, MailEntry, ReportOrigin, Standing};
use rows::Rows;
use std::collections::HashSet;
use tls::add_tls;

/// What a report that came without a mail is kept as.
pub(super) const BARE_REPORT: &str = "report";

/// How reports are read and which are ours.
#[derive(Debug, Clone, Default)]
pub struct ReportOptions {
    pub limits: Limits,
    /// Lower case. Empty: all domains are ours.
    pub domains: Vec<String>,
}

impl ReportOptions {
    fn is_ours(&self, domain: &str) -> bool {
        self.domains.is_empty() || self.domains.iter().any(|own| is_under(domain, own))
    }
}

/// What is done with a report that has this key.
type Decide<'d> = &'d mut dyn FnMut(u128) -> Fate;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Store,
    Known,
    /// The store must be asked.
    Ask,
}

impl Assembler {
    /// Takes a bare report.
    pub(super) fn add_report(
        &mut self,
        draft: &mut Draft,
        entry: &Entry,
        item: &Item<'_>,
        tally: &mut Tally,
    ) -> Result<(), Reject> {
        let mail = kept(item, BARE_REPORT, &MailHead::default(), kept::REPORT_BYTES_MAX);
        self.add_parts(draft, entry, mail, &[item.bytes], tally)
    }

    /// Takes the reports of one mail or file, packed as they are.
    pub(super) fn add_parts(
        &mut self,
        draft: &mut Draft,
        entry: &Entry,
        mail: MailEntry,
        parts: &[&[u8]],
        tally: &mut Tally,
    ) -> Result<(), Reject> {
        let origin = self.origin(entry, &mail);
        let recent = &mut self.recent_reports;
        let mut unsure = HashSet::new();
        let mut decide = |key| match recent.see(key, entry.received, entry.received) {
            Seen::New => Fate::Store,
            Seen::Known => Fate::Known,
            Seen::Unsure => {
                unsure.insert(key);
                Fate::Ask
            }
        };
        let read = read_parts(&self.report_options, &origin, parts, &mut draft.batch, &mut decide);
        tally.events += read.stored;
        let is_any_unsure = !unsure.is_empty();
        if is_any_unsure {
            draft.hold_reports(HeldReports { entry: entry.clone(), keys: unsure });
        }
        if let Some(reject) = read.reject {
            return Err(reject);
        }
        // An item held back is counted when the store has answered.
        if read.stored > 0 {
            draft.keep_mail(mail);
            tally.counts.stored += 1;
        } else if !is_any_unsure {
            tally.counts.duplicate += 1;
        }
        Ok(())
    }

    pub(super) fn origin(&self, entry: &Entry, mail: &MailEntry) -> ReportOrigin {
        let verdict = self.verdicts.get(&entry.seq).cloned().unwrap_or_default();
        let is_forged = verdict.authenticity == Authenticity::Fail;
        ReportOrigin {
            report_key: 0,
            received: entry.received,
            source: SourceRef { kind: entry.source.kind, name: entry.source.name.clone() },
            mail_id: mail.mail_id,
            standing: if is_forged { Standing::Forged } else { Standing::Counted },
            authenticity: verdict.authenticity,
            evidence: verdict.evidence,
            ingest_node: self.ingest_node.clone(),
            ingest_seq: entry.seq,
        }
    }

    /// Takes a report of one message that failed authentication.
    pub(super) fn add_failure(
        &mut self,
        draft: &mut Draft,
        entry: &Entry,
        mail: MailEntry,
        (head, warnings): (&MailHead, &[Warning]),
        report: Complaint,
        tally: &mut Tally,
    ) {
        let mut origin = self.origin(entry, &mail);
        let event_time = report.arrival.or(head.date).unwrap_or(entry.received);
        origin.report_key = EventId::of([
            b"dmarc_failure".as_slice(),
            head.from.as_bytes(),
            report.returned.message_id.as_bytes(),
            report.failure.kind.as_bytes(),
            &event_time.0.to_be_bytes(),
            format!("{:?}", report.source_ip).as_bytes(),
        ])
        .0;
        if self.recent_reports.see(origin.report_key, entry.received, entry.received) == Seen::Known {
            tally.counts.duplicate += 1;
            return;
        }
        let mut row = DmarcFailureRow {
            origin,
            event_time,
            reporter: domain_of(&head.from).into(),
            report,
            warnings: texts(warnings),
        };
        if !self.report_options.is_ours(&row.policy_domain()) {
            row.origin.standing = Standing::Foreign;
        }
        draft.batch.dmarc_failures.push(row);
        draft.keep_mail(mail);
        tally.counts.stored += 1;
        tally.events += 1;
    }
}

/// What became of the reports of one mail.
#[derive(Default)]
pub(super) struct Read {
    pub(super) stored: u64,
    /// The first part that could not be read. What could be read of the others is stored all the same.
    reject: Option<Reject>,
}

/// Puts those of an entry's reports into the batch that the store did not know.
pub(super) fn add_wanted(
    options: &ReportOptions,
    origin: &ReportOrigin,
    parts: &[&[u8]],
    batch: &mut Batch,
    wanted: &HashSet<u128>,
) -> Read {
    let mut decide = |key| if wanted.contains(&key) { Fate::Store } else { Fate::Known };
    read_parts(options, origin, parts, batch, &mut decide)
}

fn read_parts(
    options: &ReportOptions,
    origin: &ReportOrigin,
    parts: &[&[u8]],
    batch: &mut Batch,
    decide: Decide<'_>,
) -> Read {
    let mut read = Read::default();
    for part in parts {
        let mut rows = Rows::new(options, origin, batch, decide);
        let ends = report::visit(part, &options.limits, &mut rows);
        let is_out_of_order = rows.is_out_of_order;
        let stored = rows.stored;
        if is_out_of_order {
            // A head behind its records: once more, with the heads that are known now.
            let heads = ends.iter().filter_map(|end| match end {
                Ok(ReportEnd::Dmarc(report)) => Some(report.record.clone()),
                _ => None,
            });
            let mut rows = rows.again(heads.rev().collect());
            report::visit(part, &options.limits, &mut rows);
            read.stored += rows.stored;
        } else {
            read.stored += stored;
        }
        for end in ends {
            match end {
                Ok(ReportEnd::Tls(report)) => {
                    read.stored += u64::from(add_tls(options, origin, batch, decide, report));
                }
                Ok(ReportEnd::Dmarc(_)) => {}
                Err(reject) => read.reject = read.reject.or(Some(reject)),
            }
        }
    }
    read
}

pub(super) fn texts(warnings: &[Warning]) -> Vec<Text> {
    warnings.iter().map(|warning| warning.0.clone()).collect()
}

/// The bytes of parts, as [`Assembler::add_parts`] takes them.
pub(super) fn bytes_of(parts: &[ReportPart]) -> Vec<&[u8]> {
    parts.iter().map(|part| part.bytes.as_slice()).collect()
}

fn dmarc_key(report: &DmarcReport) -> u128 {
    EventId::of([
        b"dmarc".as_slice(),
        report.reporter.as_bytes(),
        report.report_id.as_bytes(),
        report.policy.domain.as_bytes(),
        &time_bytes(report.begin),
        &time_bytes(report.end),
    ])
    .0
}

fn time_bytes(time: Option<Timestamp>) -> [u8; 8] {
    time.map_or(i64::MIN, |time| time.0).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_domains_of_ours_every_report_is() {
        assert!(ReportOptions::default().is_ours("any.example"));
        let options = ReportOptions { domains: vec!["shop.example".to_owned()], ..ReportOptions::default() };
        assert_eq!(["news.shop.example", "any.example"].map(|domain| options.is_ours(domain)), [true, false]);
    }
}
