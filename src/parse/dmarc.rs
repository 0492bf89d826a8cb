//! DMARC aggregate reports: XML in, records out, one at a time.
//!
//! Way: `report` finds and unpacks the document, this reads it, the caller's [`RecordSink`] takes its records.
//! Source: RFC 9990 (2026) with its schema, RFC 7489 appendix C for the reporters that keep to it, and the forms that
//! reporters were seen to send.
//! Not here: unpacking (`archive`), finding reports in mails (`report`), whether a report is genuine (`pipeline`).
//!
//! A document of any size is read in a fixed amount of memory: `text` makes UTF-8 of it, `scan` finds the markup in windows
//! of that, `assemble` puts `head` and `record` together from it. A value that cannot be read is none, with a
//! warning in the record or report that it is of; it is never zero, nor 1970. What is missing is read as missing.

mod assemble;
mod element;
mod head;
pub(in crate::parse) mod oddity;
mod record;
mod reporter;
mod scan;
#[cfg(test)]
mod tests;
mod text;
pub(in crate::parse) mod value;
mod word;

use crate::model::{DmarcRecord, DmarcReport, Parsed, RejectReason, Text};
use crate::parse::Reject;
use assemble::Assembler;
use std::io::Read;
use text::TextReader;

/// Longest value of an element, in bytes; the rest is cut with a warning. Names, ids and domains stay far below (255 bytes
/// for a domain, RFC 1035 section 2.3.4), comments are prose of a line or two.
pub const VALUE_BYTES_MAX: usize = 1024;

/// Takes the records of reports as they are read.
pub trait RecordSink {
    /// One record. `report` is its head as far as it was read, which is all of it in every report that keeps to the schema.
    /// Both may be used again for the next record.
    fn record(&mut self, report: &DmarcReport, record: &DmarcRecord);

    /// The report to which the records since the last end belong.
    fn end(&mut self, _report: &Parsed<DmarcReport>) {}

    /// The records since the last end belong to no report: what they stood in is rejected.
    fn discard(&mut self) {}
}

/// For whom heads and sums are enough.
impl RecordSink for () {
    fn record(&mut self, _report: &DmarcReport, _record: &DmarcRecord) {}
}

/// Reads a document to its end. It gives more than one report when it has several roots, or policies of several domains.
///
/// A document that is cut off, or whose archive breaks in the middle, gives the records before that; its report is not
/// `is_complete`.
///
/// # Errors
///
/// - `UnknownType` when there is no `feedback` element: the document is no DMARC aggregate report.
/// - `MissingField` when there is one, but nothing of a report in it.
/// - `Syntax` when the source breaks before anything was read.
/// - The reject that the source gives, within an I/O error, when a limit is exceeded.
pub fn read(source: &mut dyn Read, sink: &mut dyn RecordSink) -> Result<Vec<Parsed<DmarcReport>>, Reject> {
    let mut text = TextReader::new(source);
    let mut assembler = Assembler::new(sink);
    let broken = match scan::scan(&mut text, &mut assembler) {
        Ok(()) => None,
        Err(error) => match error.downcast::<Reject>() {
            Ok(reject) => {
                assembler.discard();
                return Err(reject);
            }
            Err(error) => Some(format!("the archive is broken here, what comes before was read: {error}")),
        },
    };
    let ended = assembler.finish_document(broken.as_deref());
    match (ended.reports.is_empty(), broken, ended.has_root) {
        (false, ..) => Ok(ended.reports),
        (_, Some(broken), _) => Err(Reject::new(RejectReason::Syntax, broken)),
        (_, None, true) => Err(Reject::new(
            RejectReason::MissingField,
            Text::const_new(
                "`feedback` has no report_id, no date_range, no policy domain and no record: nothing to keep",
            ),
        )),
        (_, None, false) => Err(Reject::new(
            RejectReason::UnknownType,
            Text::const_new("no `feedback` element: not a DMARC aggregate report"),
        )),
    }
}
