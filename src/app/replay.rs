//! Reads rejects again, after a fix of the reader or its settings.

use crate::ingest::{Batch, Intake};
use crate::model::{RejectReason, SourceKind, SourceRef, Text, Timestamp};
use crate::store::query::RejectRow;
use crate::store::{RejectEntry, Store};

/// Rejects taken at once.
const PAGE_ROWS: u32 = 200;

/// What a replay did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Replayed {
    /// Items put into the spool again. Those that still cannot be read come back as new rejects.
    pub items: u64,
    /// Rejects of which not all bytes were kept: they stay.
    pub cut: u64,
}

/// Puts all open rejects of a kind of source and a reason (`None`: all) into the spool again, then marks them.
///
/// A crash between the two puts them in twice, which the pipeline notices by their event ids.
///
/// # Errors
///
/// When the store or the spool refuses; what was put in and marked by then stays so.
pub async fn replay(
    store: &Store,
    intake: &Intake,
    kind: Option<&str>,
    reason: Option<&str>,
) -> anyhow::Result<Replayed> {
    let mut done = Replayed::default();
    let started = intake.now();
    let mut before: Option<(i64, String)> = None;
    loop {
        let page = store.rejects(kind, reason, PAGE_ROWS, before.clone()).await?;
        let Some(last) = page.last() else { return Ok(done) };
        before = Some((last.received_time_us, last.reject_id.clone()));
        let mut marked = Vec::new();
        for row in page.iter().filter(|row| row.state == "open" && row.received_time_us < started.0) {
            // The page holds only the first bytes of each.
            let Some(whole) = store.reject(&row.reject_id).await? else { continue };
            if whole.bytes.len() as u64 != whole.size_bytes {
                done.cut += 1;
                continue;
            }
            let Some(entry) = replayed_entry(&whole) else { continue };
            let batch = Batch {
                source: entry.source.clone(),
                received: entry.received,
                file: Text::default(),
                offset: entry.file_offset,
                payload: entry.bytes.clone().into(),
            };
            done.items += intake.accept(&batch).await?;
            marked.push(entry);
        }
        if !marked.is_empty() {
            store.insert_rejects(&marked).await?;
        }
    }
}

/// The reject's row in its new state. `None` for a source of a kind that this version does not know.
fn replayed_entry(row: &RejectRow) -> Option<RejectEntry> {
    let kind = SourceKind::from_name(&row.source_kind)?;
    Some(RejectEntry {
        reject_id: uuid::Uuid::parse_str(&row.reject_id).ok()?.as_u128(),
        version: 2,
        state: 2,
        received: Timestamp(row.received_time_us),
        source: SourceRef { kind, name: row.source.as_str().into() },
        reason: RejectReason::from_name(&row.reason)?,
        message: row.message.as_str().into(),
        size_bytes: row.size_bytes,
        file_offset: row.file_offset,
        bytes: row.bytes.clone(),
    })
}
