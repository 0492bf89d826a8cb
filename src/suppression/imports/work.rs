//! One import, chunk by chunk.

use crate::model::Timestamp;
use crate::model::suppression::{Change, RunKind, RunState};
use crate::store::RunEntry;
use crate::suppression::feed::import::{FAULTS_MAX, ImportReader, Row, Tally};
use crate::suppression::fold::effect;
use crate::suppression::imports::{ImportState, Imports, Report};
use crate::suppression::list::{List, ListError};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufReader, Seek};
use std::time::Duration;

/// Rows read, written and noted together: about a megabyte, and a tenth of a second.
const CHUNK_ROWS: usize = 10_000;

/// Pause before a chunk is written again that the database refused.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// What became of the rows so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Size of the file.
    pub bytes: u64,
    pub rows: u64,
    pub added: u64,
    pub extended: u64,
    /// Suppressed already, or twice in the file.
    pub known: u64,
    /// Removed before; the import does not bring them back.
    pub tombstoned: u64,
    pub faulty: u64,
    /// The first faults, with their lines.
    pub faults: Vec<Fault>,
    /// Bytes of the file that were read; some may not be worked through.
    pub bytes_read: u64,
    /// The last line that was worked through and noted.
    pub line: u64,
    pub changed: Timestamp,
}

/// A row that was not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub line: u64,
    pub message: String,
}

type Reader = ImportReader<BufReader<File>>;

impl Imports {
    /// Works through one import to its end.
    pub(super) async fn work(&self, mut report: Report) {
        report.state = ImportState::Running;
        self.put(report.clone());
        let done = self.work_through(&mut report).await;
        report.state = if done.is_ok() { ImportState::Done } else { ImportState::Failed };
        report.fault = done.err().unwrap_or_default();
        report.progress.changed = self.0.list.now();
        if !report.order.dry_run {
            self.tell_run(&report).await;
        }
        self.note(&report);
        self.forget_old();
    }

    async fn work_through(&self, report: &mut Report) -> Result<(), String> {
        if !report.order.dry_run {
            self.tell_run(report).await;
        }
        // What a row would do is told by the list as it stands.
        self.0.list.loaded().await.map_err(|error| error.to_string())?;
        let order = &report.order;
        let file = File::open(self.0.folder.rows(order.run)).map_err(unreadable)?;
        // Both have one position.
        let mut place = file.try_clone().map_err(unreadable)?;
        let mut reader = ImportReader::new(BufReader::new(file), order.plan());
        let mut tally = Tally::default();
        loop {
            let (back, chunk) = read_chunk(reader).await?;
            reader = back;
            let Some(last) = chunk.last().map(|row| row.line) else { return Ok(()) };
            if last <= report.progress.line {
                continue;
            }
            let changes = self.judge(chunk, report, &mut tally);
            if !report.order.dry_run {
                write(&self.0.list, changes).await?;
            }
            report.progress.line = last;
            report.progress.bytes_read = place.stream_position().map_err(unreadable)?;
            report.progress.changed = self.0.list.now();
            self.note(report);
        }
    }

    /// Counts the rows, and returns the changes that are worth a record.
    fn judge(&self, chunk: Vec<Row>, report: &mut Report, tally: &mut Tally) -> Vec<Change> {
        let now = self.0.list.now();
        let before = Counts::of(tally);
        let mut changes = Vec::new();
        for row in chunk {
            match row.change {
                Ok(change) => {
                    let effect = effect(&self.0.list.index().state(&change.key), &change, now);
                    if tally.count(&change.key, effect) {
                        changes.push(change);
                    }
                }
                Err(fault) => {
                    if report.progress.faults.len() < FAULTS_MAX {
                        let fault = Fault { line: row.line, message: fault.to_string() };
                        report.progress.faults.push(fault);
                    }
                    tally.fault(row.line, fault);
                }
            }
        }
        Counts::of(tally).since(before).add_to(&mut report.progress);
        changes
    }

    fn note(&self, report: &Report) {
        if let Err(error) = self.0.folder.note(report) {
            tracing::error!(%error, "how far an import is could not be noted; after a restart it begins earlier");
        }
        self.put(report.clone());
    }

    /// Tells the store of the run, so that it can be listed and undone. A failure costs its place in that list alone.
    async fn tell_run(&self, report: &Report) {
        let Report { order, state, progress, fault } = report;
        let run = RunEntry {
            run: order.run,
            kind: RunKind::Import,
            name: order.name.clone(),
            actor: order.actor.clone(),
            state: match state {
                ImportState::Waiting | ImportState::Running => RunState::Running,
                ImportState::Done => RunState::Done,
                ImportState::Failed => RunState::Failed,
            },
            begun: order.accepted,
            changed: self.0.list.now(),
            target: None,
            rows: progress.rows,
            faults: progress.faulty,
            note: fault.as_str().into(),
        };
        if let Err(error) = self.0.list.note_run(&run).await {
            tracing::warn!(%error, "an import could not be listed");
        }
    }
}

/// The counts of a [`Tally`], which lives as long as its import in one process, while the report lives longer.
#[derive(Clone, Copy)]
struct Counts([u64; 6]);

impl Counts {
    const fn of(tally: &Tally) -> Self {
        Self([tally.rows, tally.added, tally.extended, tally.known, tally.tombstoned, tally.faulty])
    }

    fn since(self, before: Self) -> Self {
        let mut grown = self.0;
        for (count, before) in grown.iter_mut().zip(before.0) {
            *count -= before;
        }
        Self(grown)
    }

    fn add_to(self, progress: &mut Progress) {
        let Progress { rows, added, extended, known, tombstoned, faulty, .. } = progress;
        for (total, grown) in [rows, added, extended, known, tombstoned, faulty].into_iter().zip(self.0) {
            *total += grown;
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn unreadable(error: std::io::Error) -> String {
    format!("the file cannot be read: {error}")
}

async fn read_chunk(mut reader: Reader) -> Result<(Reader, Vec<Row>), String> {
    let read = tokio::task::spawn_blocking(move || {
        let chunk: Result<Vec<Row>, _> = reader.by_ref().take(CHUNK_ROWS).collect();
        chunk.map(|chunk| (reader, chunk))
    });
    let read = read.await.map_err(|error| error.to_string())?;
    read.map_err(unreadable)
}

/// Writes a chunk, for as long as it takes the database to answer.
async fn write(list: &List, changes: Vec<Change>) -> Result<(), String> {
    if changes.is_empty() {
        return Ok(());
    }
    loop {
        match list.write(changes.clone()).await {
            Ok(_) => return Ok(()),
            Err(ListError::Store(error)) => {
                tracing::warn!(%error, "a chunk of an import waits for the database");
            }
            Err(ListError::NotLoaded) => {}
            Err(error) => return Err(error.to_string()),
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
}
