//! Runs and their undo, what the burst guard holds, receivers of webhooks, and the audit log.

use crate::model::Caller;
use crate::model::suppression::{Change, LogRecord, Seq};
use crate::store::query::{AuditRow, AuditSearch};
use crate::store::{ReviewRow, RunRow};
use crate::suppression::feed::line::RecordLine;
use crate::suppression::hooks::{DeadLetter, HookStatus};
use crate::web::SharedSite;
use crate::web::api::suppressions::{json, query, run_of};
use crate::web::desk::{API, Desk, Did};
use crate::web::error::{ApiError, PageError};
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Rows of an answer that has no pages.
const ROWS_MAX: u32 = 200;
/// Addresses of one review that are told.
const HELD_MAX: u32 = 1_000;
/// Entries of the audit log in one answer.
const AUDIT_ROWS_MAX: u32 = 1_000;

#[derive(Serialize)]
pub(super) struct Rows<T> {
    rows: Vec<T>,
}

#[derive(Serialize)]
pub(super) struct RunTold {
    run: Uuid,
    kind: &'static str,
    name: String,
    actor: String,
    state: &'static str,
    begun: String,
    rows: u64,
    faults: u64,
    added: u64,
    lifted: u64,
    undone_by: Option<Uuid>,
}

impl From<RunRow> for RunTold {
    fn from(row: RunRow) -> Self {
        let RunRow { entry, added, lifted, undone_by } = row;
        Self {
            run: entry.run.0,
            kind: entry.kind.name(),
            name: entry.name.to_string(),
            actor: entry.actor.to_string(),
            state: entry.state.name(),
            begun: entry.begun.to_string(),
            rows: entry.rows,
            faults: entry.faults,
            added,
            lifted,
            undone_by: undone_by.map(|run| run.0),
        }
    }
}

pub(super) async fn all(site: SharedSite) -> Result<Json<Rows<RunTold>>, ApiError> {
    let runs = site.store().suppression_runs(ROWS_MAX).await?;
    Ok(Json(Rows { rows: runs.into_iter().map(RunTold::from).collect() }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NoteBody {
    note: String,
}

pub(super) async fn undo(
    site: SharedSite,
    Extension(caller): Extension<Caller>,
    Path(run): Path<String>,
    body: Bytes,
) -> Result<Json<Did>, ApiError> {
    let NoteBody { note } = if body.is_empty() { NoteBody::default() } else { json(&body)? };
    Ok(Json(Desk::of(&site, &caller, API).undo(run_of(&run)?, &note).await?))
}

#[derive(Serialize)]
pub(super) struct ReviewTold {
    review: Uuid,
    receiver: String,
    begun: String,
    failing: u32,
    outcomes: u32,
    held: u64,
    left_out: u64,
    is_open: bool,
    state: &'static str,
    decided_by: String,
    note: String,
}

impl From<ReviewRow> for ReviewTold {
    fn from(row: ReviewRow) -> Self {
        Self {
            review: row.review,
            receiver: row.receiver.to_string(),
            begun: row.begun.to_string(),
            failing: row.failing,
            outcomes: row.outcomes,
            held: row.held,
            left_out: row.left_out,
            is_open: row.is_open,
            state: row.state.name(),
            decided_by: row.decided_by.to_string(),
            note: row.note.to_string(),
        }
    }
}

pub(super) async fn reviews(site: SharedSite) -> Result<Json<Rows<ReviewTold>>, ApiError> {
    let reviews = site.list().reviews(ROWS_MAX).await.map_err(PageError::from)?;
    Ok(Json(Rows { rows: reviews.into_iter().map(ReviewTold::from).collect() }))
}

/// What a review would put onto the list; a place in the log it has not yet.
pub(super) async fn held(site: SharedSite, Path(review): Path<String>) -> Result<Response, ApiError> {
    let review = review_of(&review)?;
    let held = site.list().held(review, HELD_MAX).await.map_err(PageError::from)?;
    let record = |change: Change| LogRecord { seq: Seq::default(), change };
    let records: Vec<LogRecord> = held.into_iter().map(|row| record(row.change)).collect();
    let rows = records.iter().map(RecordLine::from).collect();
    Ok(Json(Rows { rows }).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DecideBody {
    /// `true` suppresses what is held, `false` forgets it.
    release: bool,
    #[serde(default)]
    note: String,
}

pub(super) async fn decide(
    site: SharedSite,
    Extension(caller): Extension<Caller>,
    Path(review): Path<String>,
    body: Bytes,
) -> Result<Json<Did>, ApiError> {
    let DecideBody { release, note } = json(&body)?;
    let desk = Desk::of(&site, &caller, API);
    Ok(Json(desk.decide(review_of(&review)?, release, &note).await?))
}

fn review_of(text: &str) -> Result<Uuid, PageError> {
    Uuid::parse_str(text).map_err(|_| PageError::NotFound("such review"))
}

pub(super) async fn hooks(site: SharedSite) -> Json<Rows<HookStatus>> {
    Json(Rows { rows: site.hooks().iter().map(crate::suppression::hooks::Hook::status).collect() })
}

pub(super) async fn dead_letters(
    site: SharedSite,
    Path(name): Path<String>,
) -> Result<Json<Rows<DeadLetter>>, ApiError> {
    let hook = site.hooks().iter().find(|hook| hook.status().name == name);
    let hook = hook.ok_or(PageError::NotFound("such webhook"))?;
    Ok(Json(Rows { rows: hook.dead_letters().map_err(PageError::from)? }))
}

pub(super) async fn send_again(
    site: SharedSite,
    Extension(caller): Extension<Caller>,
    Path((name, letter)): Path<(String, String)>,
) -> Result<axum::http::StatusCode, ApiError> {
    let letter = Uuid::parse_str(&letter).map_err(|_| PageError::NotFound("such dead letter"))?;
    Desk::of(&site, &caller, API).send_again(&name, letter).await?;
    Ok(axum::http::StatusCode::ACCEPTED)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AuditQuery {
    actor: Option<String>,
    action: Option<String>,
    limit: Option<u32>,
}

pub(super) async fn audit(site: SharedSite, uri: Uri) -> Result<Json<Rows<AuditRow>>, ApiError> {
    let AuditQuery { actor, action, limit } = query(&uri)?;
    let limit = limit.unwrap_or(100).clamp(1, AUDIT_ROWS_MAX);
    let rows = site.store().audit(&AuditSearch { actor, action, before: None, limit }).await?;
    Ok(Json(Rows { rows }))
}
