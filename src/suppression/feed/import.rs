//! Lists of others, row by row: CSV with or without a head, lines of JSON, plain addresses.
//!
//! A row that cannot be read is told with its line and does not stop the others. Memory is that of one row.
//! Way: `web` and `cli` read rows, ask [`crate::suppression::fold::effect`] what each would do, and write or count.
//! Not here: what the columns mean (`row`).

use crate::model::suppression::{Change, Key, MailType, RunId, Scope};
use crate::model::{Text, Timestamp};
use crate::suppression::feed::csv;
use crate::suppression::feed::row::{Column, Values, change_of, is_address_like};
use crate::suppression::fold::Effect;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead, Read as _};

/// Longest row, in bytes: every column at its limit, several times.
pub const ROW_BYTES_MAX: usize = 16 * 1024;
/// Most columns of a head that are looked at.
const COLUMNS_MAX: usize = 200;
/// Most keys of a file that a [`Tally`] tells apart, 320 MB; a key that comes again after so many is counted again.
pub const TALLY_KEYS_MAX: usize = 20_000_000;
/// Most faults kept in a [`Tally`]; all are counted. More than a person reads.
pub const FAULTS_MAX: usize = 1_000;

/// What all rows of an import have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportPlan {
    pub scope: Scope,
    pub mail_type: MailType,
    pub expires: Option<Timestamp>,
    pub actor: Text,
    pub run: RunId,
    /// Whether rows may say `compliance`, which only an administrator can lift.
    pub is_admin: bool,
}

/// Why a row was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    #[error("the row is longer than {ROW_BYTES_MAX} bytes; is a quote missing before it?")]
    TooLong,
    #[error("the row is not UTF-8; save the file as UTF-8")]
    NotUtf8,
    #[error("the row is no CSV: a quote stands inside of a field, or is not closed")]
    NotCsv,
    #[error("the row is no JSON object: {0}")]
    NotJson(String),
    #[error("there is no address; name the column `address` or `email`")]
    NoAddress,
    #[error("`{0}` is no address: it needs one `@` with a name before and a domain after it")]
    BadAddress(Text),
    #[error("`{value}` is no {column}; {wanted}")]
    BadValue { column: &'static str, value: Text, wanted: &'static str },
    #[error("`compliance` needs an administrator, because only one can lift it")]
    NeedsAdmin,
}

/// One row of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it begins, counted from 1.
    pub line: u64,
    pub change: Result<Change, RowFault>,
}

/// Reads a file. An iterator: an error of the reader ends it.
pub struct ImportReader<R> {
    from: R,
    plan: ImportPlan,
    line: u64,
    layout: Layout,
    is_over: bool,
}

/// What is known of the file's form.
enum Layout {
    /// Nothing has been read yet.
    Unknown,
    Json,
    Csv {
        separator: char,
        columns: Vec<Option<Column>>,
    },
}

impl<R: BufRead> ImportReader<R> {
    pub const fn new(from: R, plan: ImportPlan) -> Self {
        Self { from, plan, line: 0, layout: Layout::Unknown, is_over: false }
    }

    /// Reads one row with its line, over several lines when a quote is open.
    fn row(&mut self) -> io::Result<Option<(u64, Result<String, RowFault>)>> {
        let mut bytes = Vec::new();
        let begun = self.line + 1;
        loop {
            let room = ROW_BYTES_MAX + 1 - bytes.len();
            let read = self.from.by_ref().take(room as u64).read_until(b'\n', &mut bytes)?;
            let has_ended = bytes.last() == Some(&b'\n');
            if bytes.is_empty() {
                return Ok(None);
            }
            if bytes.len() > ROW_BYTES_MAX {
                if !has_ended {
                    self.skip_line()?;
                }
                self.line += 1;
                return Ok(Some((begun, Err(RowFault::TooLong))));
            }
            self.line += u64::from(read > 0);
            let is_json = matches!(self.layout, Layout::Json) || bytes.starts_with(b"{");
            if read == 0 || !has_ended || is_json || !csv::is_open(&bytes) {
                break;
            }
        }
        let text = String::from_utf8(bytes).map_err(|_| RowFault::NotUtf8);
        Ok(Some((begun, text.map(|text| text.trim_end_matches(['\n', '\r']).to_owned()))))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let chunk = self.from.fill_buf()?;
            let (used, is_over) = match memchr::memchr(b'\n', chunk) {
                Some(at) => (at + 1, true),
                None => (chunk.len(), chunk.is_empty()),
            };
            self.from.consume(used);
            if is_over {
                return Ok(());
            }
        }
    }

    /// The change that a row asks for; `None` for a head or an empty row.
    fn read(&mut self, row: &str) -> Option<Result<Change, RowFault>> {
        let row = row.trim_start_matches('\u{feff}');
        if row.trim().is_empty() {
            return None;
        }
        if matches!(self.layout, Layout::Unknown) {
            let (layout, is_head) = layout_of(row);
            self.layout = layout;
            if is_head {
                return None;
            }
        }
        let values = match &self.layout {
            Layout::Csv { separator, columns } => of_csv(row, *separator, columns),
            Layout::Json | Layout::Unknown => of_json(row),
        };
        Some(values.and_then(|values| change_of(&values, &self.plan)))
    }
}

impl<R: BufRead> Iterator for ImportReader<R> {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<io::Result<Row>> {
        while !self.is_over {
            match self.row() {
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
                Ok(None) => self.is_over = true,
                Ok(Some((line, Err(fault)))) => return Some(Ok(Row { line, change: Err(fault) })),
                Ok(Some((line, Ok(row)))) => {
                    if let Some(change) = self.read(&row) {
                        return Some(Ok(Row { line, change }));
                    }
                }
            }
        }
        None
    }
}

/// What the first row tells of the file, and whether it is a head.
fn layout_of(row: &str) -> (Layout, bool) {
    if row.trim_start().starts_with('{') {
        return (Layout::Json, false);
    }
    // Of equally frequent ones the comma, which comes last.
    let separator = ['\t', ';', ','].into_iter().max_by_key(|separator| row.matches(*separator).count());
    let separator = separator.unwrap_or(',');
    let fields = csv::split(row, separator).unwrap_or_default();
    let columns: Vec<_> = fields.iter().take(COLUMNS_MAX).map(|field| Column::from_name(field)).collect();
    // Without a head: the address, then perhaps the reason, as Amazon and others have it.
    let is_head =
        columns.contains(&Some(Column::Address)) || !fields.iter().any(|field| is_address_like(field));
    let columns = if is_head { columns } else { vec![Some(Column::Address), Some(Column::Reason)] };
    (Layout::Csv { separator, columns }, is_head)
}

fn of_csv(row: &str, separator: char, columns: &[Option<Column>]) -> Result<Values, RowFault> {
    let mut values = Values::default();
    let fields = csv::split(row, separator).ok_or(RowFault::NotCsv)?;
    for (column, field) in columns.iter().zip(fields) {
        if let Some(column) = column {
            values.set(*column, field);
        }
    }
    Ok(values)
}

fn of_json(row: &str) -> Result<Values, RowFault> {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(row).map_err(|error| RowFault::NotJson(error.to_string()))?;
    let mut values = Values::default();
    for (name, value) in object {
        let Some(column) = Column::from_name(&name) else { continue };
        match value {
            serde_json::Value::String(text) => values.set(column, text),
            serde_json::Value::Number(number) => values.set(column, number.to_string()),
            _ => {}
        }
    }
    Ok(values)
}

/// What an import did, or would do.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub rows: u64,
    pub added: u64,
    pub extended: u64,
    /// Suppressed already, or twice in the file.
    pub known: u64,
    /// Removed before; the import does not bring them back.
    pub tombstoned: u64,
    pub faulty: u64,
    /// The first [`FAULTS_MAX`], with their lines.
    pub faults: Vec<(u64, RowFault)>,
    /// Hashes of the keys so far, because the list does not grow in a dry run.
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl Tally {
    pub fn fault(&mut self, line: u64, fault: RowFault) {
        self.rows += 1;
        self.faulty += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push((line, fault));
        }
    }

    /// Counts a row by what it does; whether it is worth a record.
    pub fn count(&mut self, key: &Key, effect: Effect) -> bool {
        self.rows += 1;
        let is_first = self.seen.len() >= TALLY_KEYS_MAX || self.seen.insert(self.hasher.hash_one(key));
        let counter = match effect {
            Effect::Adds if is_first => &mut self.added,
            Effect::Extends if is_first => &mut self.extended,
            Effect::Tombstone => &mut self.tombstoned,
            Effect::Adds | Effect::Extends | Effect::Known | Effect::Lifts | Effect::Absent => {
                &mut self.known
            }
        };
        *counter += 1;
        is_first && matches!(effect, Effect::Adds | Effect::Extends)
    }
}
