//! The log from a cursor on, for those who keep a copy: asked in turns that wait, or as a stream of server-sent events.
//!
//! A record comes once for each cursor; records of one writer come in order. Who begins takes a snapshot and the cursor
//! in its `relaylens-cursor`, and goes on from there.
//! Source: server-sent events, html.spec.whatwg.org section 9.2 (`Last-Event-ID` resumes).

use crate::model::suppression::LogRecord;
use crate::store::StoreError;
use crate::suppression::feed::line::RecordLine;
use crate::suppression::sequence::Cursor;
use crate::web::SharedSite;
use crate::web::Site;
use crate::web::api::suppressions::query;
use crate::web::error::{ApiError, PageError};
use axum::Json;
use axum::http::{HeaderMap, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Most answers at a time that wait for changes: each holds a connection.
pub(crate) const FOLLOWERS_MAX: usize = 1_000;

/// Most records of one answer, and of one question to the store.
const RECORDS_MAX: u32 = 10_000;
const RECORDS_DEFAULT: u32 = 1_000;

/// Longest wait for a change, in seconds: below the minute after which proxies commonly give up.
const WAIT_S_MAX: u64 = 50;

/// A stream that is silent sends a comment, so that proxies keep it and a broken one is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Instead of a cursor: what changes from now on.
const NOW: &str = "now";

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ChangesQuery {
    cursor: String,
    limit: Option<u32>,
    wait_s: u64,
}

/// The next records. Without any, waits up to `wait_s` seconds for one.
pub(super) async fn changes(site: SharedSite, uri: Uri) -> Result<Response, ApiError> {
    let asked: ChangesQuery = query(&uri)?;
    let limit = asked.limit.unwrap_or(RECORDS_DEFAULT);
    if !(1..=RECORDS_MAX).contains(&limit) {
        return Err(PageError::Bad(format!("`limit={limit}` cannot be: write 1 to {RECORDS_MAX}.")).into());
    }
    let mut follower = Follower::new(&site, &asked.cursor)?;
    let wait = Duration::from_secs(asked.wait_s.min(WAIT_S_MAX));
    let waited = tokio::time::timeout(wait, follower.records(limit)).await;
    let records = match waited {
        Ok(records) => records?,
        // The wait is over, or there was none: what stands there now.
        Err(_) => follower.take(limit).await?,
    };
    let rows: Vec<RecordLine<'_>> = records.iter().map(RecordLine::from).collect();
    let answer = serde_json::json!({
        "rows": rows, "cursor": follower.cursor.to_string(), "more": records.len() >= limit as usize,
    });
    Ok(Json(answer).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StreamQuery {
    cursor: String,
}

/// Records as they come: each event is named `change`, its data is the record, its id the cursor behind it.
pub(super) async fn stream(site: SharedSite, headers: HeaderMap, uri: Uri) -> Result<Response, ApiError> {
    let asked: StreamQuery = query(&uri)?;
    let resumed = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let follower = Follower::new(&site, resumed.unwrap_or(&asked.cursor))?;
    let events = stream::try_unfold((follower, VecDeque::new()), |(mut follower, mut waiting)| async move {
        if waiting.is_empty() {
            waiting.extend(follower.records(RECORDS_DEFAULT).await?);
        }
        let Some(record) = waiting.pop_front() else { return Ok::<_, StoreError>(None) };
        follower.told.pass(record.seq);
        let event = Event::default().event("change").id(follower.told.to_string());
        // A record of texts and numbers is always JSON.
        let event = event.json_data(RecordLine::from(&record)).unwrap_or_default();
        Ok(Some((event, (follower, waiting))))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// Somebody who follows the log.
struct Follower {
    site: Arc<Site>,
    changed: watch::Receiver<u64>,
    stopped: watch::Receiver<bool>,
    /// Up to where the log was read, and up to where it was told.
    cursor: Cursor,
    told: Cursor,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn new(site: &SharedSite, cursor: &str) -> Result<Self, PageError> {
        let cursor = match cursor {
            NOW => site.list().cursor(),
            text => text.parse::<Cursor>().map_err(|error| PageError::Bad(format!("{error}.")))?,
        };
        let place = Arc::clone(&site.followers)
            .try_acquire_owned()
            .map_err(|_| PageError::Busy("A thousand callers follow the list already, which is the most."))?;
        Ok(Self {
            site: Arc::clone(site),
            changed: site.list().changed(),
            stopped: site.stopped(),
            told: cursor.clone(),
            cursor,
            _place: place,
        })
    }

    /// The next records, when there are some; none only when the process ends.
    async fn records(&mut self, limit: u32) -> Result<Vec<LogRecord>, StoreError> {
        loop {
            // Marked before the store is asked: what comes in between wakes the wait.
            self.changed.mark_unchanged();
            let records = self.take(limit).await?;
            if !records.is_empty() {
                return Ok(records);
            }
            tokio::select! {
                moved = self.changed.changed() => if moved.is_err() { return Ok(Vec::new()) },
                _ = self.stopped.wait_for(|stop| *stop) => return Ok(Vec::new()),
            }
        }
    }

    /// The records that stand behind the cursor now.
    async fn take(&mut self, limit: u32) -> Result<Vec<LogRecord>, StoreError> {
        let mut records = self.site.store().suppressions_since(self.cursor.places(), limit).await?;
        let mut cursor = self.cursor.clone();
        records.retain(|record| cursor.pass(record.seq));
        self.cursor = cursor;
        Ok(records)
    }
}
