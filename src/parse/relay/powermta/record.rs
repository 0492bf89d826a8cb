//! The columns of an accounting file, and one record in them.
//!
//! Way: the reader hands a header in and keeps the columns, then a line for each record.

use crate::model::{RejectReason, Text, Timestamp};
use crate::parse::Reject;
use crate::parse::csv;
use crate::parse::labels;
use crate::parse::ndjson::value::Value;
use std::borrow::Cow;
use std::net::IpAddr;

/// Most columns read of a header: the guide has 40 names for all records together, and headers of the message come on
/// top.
const COLUMNS_MAX: usize = 512;

macro_rules! columns {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// A column that the guide names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Column { $($variant),+ }

        impl Column {
            const COUNT: usize = [$(Self::$variant),+].len();

            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Versions differ in the case of a name (`envId`, `envid`).
            fn from_name(name: &str) -> Option<Self> {
                [$(Self::$variant),+].into_iter().find(|column| column.name().eq_ignore_ascii_case(name))
            }
        }
    };
}

columns! {
    Type = "type", TimeLogged = "timeLogged", TimeQueued = "timeQueued",
    TotalSecondsQueued = "totalSecondsQueued", Orig = "orig", Rcpt = "rcpt", Orcpt = "orcpt",
    DsnAction = "dsnAction", DsnStatus = "dsnStatus", DsnDiag = "dsnDiag", DsnMta = "dsnMta",
    DsnReportingMta = "dsnReportingMta", BounceCat = "bounceCat", SrcMta = "srcMta", DlvType = "dlvType",
    DlvSourceIp = "dlvSourceIp", DlvDestinationIp = "dlvDestinationIp", DlvSize = "dlvSize", Vmta = "vmta",
    VmtaPool = "vmtaPool", JobId = "jobId", EnvId = "envId", Queue = "queue", UserString = "userString",
    DlvTlsProtocol = "dlvTlsProtocol", DlvTlsCipher = "dlvTlsCipher", RcvSmtpUser = "rcvSmtpUser",
    RcvSourceIp = "rcvSourceIp", RepSourceIp = "repSourceIp", FeedbackType = "feedbackType",
    UserAgent = "userAgent", ReportingMta = "reportingMTA", ReportedDomain = "reportedDomain",
}

/// What stands where.
#[derive(Debug)]
pub(super) struct Columns {
    header: Text,
    places: Vec<Place>,
}

#[derive(Debug)]
enum Place {
    Known(Column),
    /// A header of the message, without `header_`.
    Header(Text),
    Other,
}

/// Whether a line names the columns, rather than holding a record.
pub(super) fn is_header(line: &str) -> bool {
    let first = line.split(',').next().unwrap_or_default();
    first.trim_ascii().trim_matches('"').eq_ignore_ascii_case("type")
}

impl Columns {
    /// Reads a header.
    ///
    /// # Errors
    ///
    /// [`RejectReason::Syntax`] or [`RejectReason::TooLarge`] when it is none.
    pub(super) fn read(line: &str) -> Result<Self, Reject> {
        let names = split(line)?;
        if names.len() >= COLUMNS_MAX {
            return Err(Reject::new(
                RejectReason::TooLarge,
                format!("the header has {} columns, the limit is {COLUMNS_MAX}", names.len()),
            ));
        }
        let place = |name: &Cow<'_, str>| match (Column::from_name(name), name.get(.."header_".len())) {
            (Some(column), _) => Place::Known(column),
            (None, Some(prefix)) if prefix.eq_ignore_ascii_case("header_") => {
                Place::Header(name["header_".len()..].into())
            }
            _ => Place::Other,
        };
        Ok(Self { header: line.into(), places: names.iter().map(place).collect() })
    }

    pub(super) fn header(&self) -> &str {
        &self.header
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`RejectReason::Syntax`] for a quote without an end, [`RejectReason::BadValue`] when the number of fields is
    /// another than that of the columns.
    pub(super) fn record<'a>(&'a self, line: &'a str) -> Result<Record<'a>, Reject> {
        let fields = split(line)?;
        if fields.len() != self.places.len() {
            return Err(Reject::new(
                RejectReason::BadValue,
                format!(
                    "the record has {} fields, the last header {} columns; a header that belongs to it must come before \
                     it, and no other file of the same source in between",
                    fields.len(),
                    self.places.len()
                ),
            ));
        }
        let mut record =
            Record { line, values: [const { Cow::Borrowed("") }; Column::COUNT], headers: Vec::new() };
        for (place, field) in self.places.iter().zip(fields) {
            match place {
                Place::Known(column) => record.values[*column as usize] = field,
                Place::Header(name) if !field.is_empty() => record.headers.push((name, field)),
                _ => {}
            }
        }
        Ok(record)
    }
}

/// One line, with its fields by name; those without a column are empty.
#[derive(Debug)]
pub(super) struct Record<'a> {
    line: &'a str,
    values: [Cow<'a, str>; Column::COUNT],
    headers: Vec<(&'a str, Cow<'a, str>)>,
}

impl Record<'_> {
    pub(super) const fn line(&self) -> &str {
        self.line
    }

    pub(super) fn get(&self, column: Column) -> &str {
        &self.values[column as usize]
    }

    pub(super) fn text(&self, column: Column) -> Text {
        let mut text = Text::default();
        labels::fill(&mut text, self.get(column));
        text
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_ref()))
    }

    pub(super) fn address(&self, column: Column) -> Result<Text, Reject> {
        self.value(column).address(column.name())
    }

    pub(super) fn ip(&self, column: Column) -> Result<Option<IpAddr>, Reject> {
        self.value(column).ip(column.name())
    }

    pub(super) fn size(&self, column: Column) -> Result<u32, Reject> {
        let size: Option<u64> = self.value(column).parse(column.name(), "a number of bytes")?;
        Ok(size.map_or(0, |size| u32::try_from(size).unwrap_or(u32::MAX)))
    }

    /// A number of seconds, as milliseconds.
    pub(super) fn seconds(&self, column: Column) -> Option<u32> {
        self.get(column).parse().ok().and_then(|seconds: u32| seconds.checked_mul(1_000))
    }

    /// A point in time near its arrival: with its zone (`2026-11-21 04:44:39+0100`), or seconds since 1970.
    pub(super) fn time(&self, column: Column, received: Timestamp) -> Result<Option<Timestamp>, Reject> {
        self.value(column).time(column.name(), received)
    }

    fn value(&self, column: Column) -> Value<'_> {
        Value::Text(Cow::Borrowed(self.get(column)))
    }
}

fn split(line: &str) -> Result<Vec<Cow<'_, str>>, Reject> {
    csv::fields(line, b',').ok_or_else(|| {
        Reject::new(RejectReason::Syntax, "a quoted value has no end on its line; was the line cut?")
    })
}
