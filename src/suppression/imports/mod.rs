//! Lists that somebody hands in as a file: kept on disk first, then worked through, and after a kill worked through
//! again from the last chunk that was noted.
//!
//! Rows of a chunk are written in one insert, whole or not at all; a chunk that was written and not noted is written
//! again, which does nothing, because its rows are known by then. So the log has all of an import in the end.
//!
//! Way: `web` hands over a body ([`Imports::accept`]), [`Imports::run`] works, pages and API ask for [`Report`]s.
//! Not here: what a row means ([`crate::suppression::feed::import`]); undoing ([`crate::suppression::list::List::undo`]).

mod folder;
mod work;

pub(in crate::suppression) use folder::write_whole;
pub use work::Progress;

use crate::model::suppression::{MailType, RunId, Scope};
use crate::model::{Text, Timestamp};
use crate::suppression::feed::import::ImportPlan;
use crate::suppression::imports::folder::Folder;
use crate::suppression::list::List;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, watch};

/// Largest file, in bytes: ten million rows of a hundred bytes. Whoever has more cuts it.
pub const FILE_BYTES_MAX: u64 = 1 << 30;
/// Most imports that wait or run; more are told to come again later.
pub const WAITING_MAX: usize = 20;
/// Reports kept, the newest ones: the log itself keeps what an import did.
pub const REPORTS_MAX: usize = 100;
/// Longest name of an import, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// What is to be imported, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub run: RunId,
    /// Such as the file's name.
    pub name: Text,
    pub actor: Text,
    pub is_admin: bool,
    #[serde(flatten)]
    pub scope: Scope,
    #[serde(rename = "type")]
    pub mail_type: MailType,
    pub expires: Option<Timestamp>,
    /// Counts alone; nothing is written.
    pub dry_run: bool,
    pub accepted: Timestamp,
}

impl Order {
    fn plan(&self) -> ImportPlan {
        ImportPlan {
            scope: self.scope.clone(),
            mail_type: self.mail_type,
            expires: self.expires,
            actor: self.actor.clone(),
            run: self.run,
            is_admin: self.is_admin,
        }
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    Waiting,
    Running,
    Done,
    /// Its file could not be read; what was written before stays, and can be undone.
    Failed,
}

/// One import, as it is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    #[serde(flatten)]
    pub order: Order,
    pub state: ImportState,
    #[serde(flatten)]
    pub progress: Progress,
    /// Why it failed; empty else.
    pub fault: String,
}

impl Report {
    const fn is_over(&self) -> bool {
        matches!(self.state, ImportState::Done | ImportState::Failed)
    }
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the file is larger than {FILE_BYTES_MAX} bytes; cut it and import the parts")]
    TooLarge,
    #[error("{WAITING_MAX} imports wait already; try again when one is done")]
    Busy,
    #[error("the file did not come whole: {0}")]
    CutOff(String),
    #[error("the file cannot be kept in {}", .path.display())]
    Disk {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// All imports of this process. Clones are handles of the same ones.
#[derive(Clone)]
pub struct Imports(Arc<Inner>);

struct Inner {
    folder: Folder,
    list: List,
    reports: Mutex<BTreeMap<RunId, Report>>,
    handed_in: Notify,
}

impl Imports {
    /// Opens the folder, with what was left undone in it.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn open(dir: PathBuf, list: List) -> Result<Self, ImportError> {
        let folder = Folder::open(dir)?;
        let mut reports = folder.reports()?;
        for report in reports.values_mut().filter(|report| !report.is_over()) {
            report.state = ImportState::Waiting;
        }
        Ok(Self(Arc::new(Inner { folder, list, reports: Mutex::new(reports), handed_in: Notify::new() })))
    }

    /// Takes a file in; when it returns, the file and the order are on disk, and the import will be done.
    ///
    /// # Errors
    ///
    /// [`ImportError`]: nothing was kept.
    pub async fn accept<E: std::fmt::Display>(
        &self,
        order: Order,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Report, ImportError> {
        if self.reports().iter().filter(|report| !report.is_over()).count() >= WAITING_MAX {
            return Err(ImportError::Busy);
        }
        let mut file = self.0.folder.begin(order.run).await?;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| ImportError::CutOff(error.to_string()))?;
            file.write(&chunk).await?;
        }
        let bytes = file.end().await?;
        let progress = Progress { bytes, ..Progress::default() };
        let report = Report { order, state: ImportState::Waiting, progress, fault: String::new() };
        self.0.folder.note(&report)?;
        self.put(report.clone());
        self.0.handed_in.notify_one();
        Ok(report)
    }

    /// All that is known, the newest first.
    pub fn reports(&self) -> Vec<Report> {
        let mut reports: Vec<Report> = self.locked().values().cloned().collect();
        reports.sort_by_key(|report| std::cmp::Reverse(report.order.accepted));
        reports
    }

    pub fn report(&self, run: RunId) -> Option<Report> {
        self.locked().get(&run).cloned()
    }

    /// Works through what waits, one after the other, until `stopped`. What is under way then goes on at the next start.
    pub async fn run(&self, mut stopped: watch::Receiver<bool>) {
        loop {
            let work = async {
                while let Some(report) = self.waiting() {
                    self.work(report).await;
                }
                self.0.handed_in.notified().await;
            };
            tokio::select! {
                () = work => {}
                _ = stopped.wait_for(|stop| *stop) => return,
            }
        }
    }

    fn waiting(&self) -> Option<Report> {
        self.reports().into_iter().rev().find(|report| !report.is_over())
    }

    fn put(&self, report: Report) {
        self.locked().insert(report.order.run, report);
    }

    /// Forgets the oldest reports beyond [`REPORTS_MAX`].
    fn forget_old(&self) {
        let old = self.reports().into_iter().filter(Report::is_over).skip(REPORTS_MAX);
        for report in old {
            self.locked().remove(&report.order.run);
            self.0.folder.forget(report.order.run);
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<RunId, Report>> {
        // Whoever panicked with the lock had whole reports in it.
        self.0.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
