//! Questions about single things: events, one message's life, sources and what they brought.

use crate::store::query::{
    EVENTS_PAGE_ROWS_MAX, EventRow, LedgerRow, RejectCount, RejectRow, SourceFreshness,
};
use crate::web::api::{Asked, limit, parse};
use crate::web::error::ApiError;
use crate::web::format;
use crate::web::params::{Extra, MessageSearch, RejectSearch, TRACE_EXTRAS, TraceKey};
use crate::web::{SharedSite, Status};
use axum::Json;
use axum::extract::RawQuery;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct EventsAnswer {
    range: Asked,
    rows: Vec<EventRow>,
    /// The `before` of the next page; `null` on the last.
    next: Option<String>,
}

pub(super) async fn events(
    site: SharedSite,
    RawQuery(query): RawQuery,
) -> Result<Json<EventsAnswer>, ApiError> {
    let extras: Vec<Extra> = MessageSearch::EXTRAS.iter().copied().chain([Extra::One("limit")]).collect();
    let params = parse(&site, query, &extras)?;
    let most = limit(&params, 100, EVENTS_PAGE_ROWS_MAX)?;
    let search = MessageSearch::of(&params)?.to_store(most);
    let rows = site.store().events(params.filter(), &search).await?;
    let next = MessageSearch::next(&rows, most);
    Ok(Json(EventsAnswer { range: Asked::of(params.filter().range, params.range().step_s()), rows, next }))
}

#[derive(Debug, Serialize)]
pub(super) struct TraceAnswer {
    rows: Vec<EventRow>,
}

pub(super) async fn trace(
    site: SharedSite,
    RawQuery(query): RawQuery,
) -> Result<Json<TraceAnswer>, ApiError> {
    let key = TraceKey::of(&parse(&site, query, TRACE_EXTRAS)?)?;
    let rows = site.store().trace(&key.relay, &key.queue_id, &key.message_id).await?;
    Ok(Json(TraceAnswer { rows }))
}

#[derive(Debug, Serialize)]
pub(super) struct LedgerAnswer {
    range: Asked,
    /// The counts since the process began; they must balance.
    status: Status,
    rows: Vec<LedgerRow>,
}

pub(super) async fn ledger(
    site: SharedSite,
    RawQuery(query): RawQuery,
) -> Result<Json<LedgerAnswer>, ApiError> {
    let params = parse(&site, query, &[])?;
    let step_s = params.range().step_s();
    let rows = site.store().ledger(&params.filter().range, step_s).await?;
    Ok(Json(LedgerAnswer { range: Asked::of(params.filter().range, step_s), status: site.status(), rows }))
}

#[derive(Debug, Serialize)]
pub(super) struct RejectsAnswer {
    counts: Vec<RejectCount>,
    rows: Vec<Reject>,
    next: Option<String>,
}

/// One item that could not be read.
#[derive(Debug, Serialize)]
struct Reject {
    id: String,
    state: String,
    received_time_us: i64,
    source_kind: String,
    source: String,
    reason: String,
    message: String,
    size_bytes: u64,
    file_offset: u64,
    /// The first bytes; what does not print is written as `\x1b`.
    text: String,
}

impl From<RejectRow> for Reject {
    fn from(row: RejectRow) -> Self {
        Self {
            id: row.reject_id,
            state: row.state,
            received_time_us: row.received_time_us,
            source_kind: row.source_kind,
            source: row.source,
            reason: row.reason,
            message: row.message,
            size_bytes: row.size_bytes,
            file_offset: row.file_offset,
            text: format::printable(&row.bytes),
        }
    }
}

pub(super) async fn rejects(
    site: SharedSite,
    RawQuery(query): RawQuery,
) -> Result<Json<RejectsAnswer>, ApiError> {
    let extras: Vec<Extra> = RejectSearch::EXTRAS.iter().copied().chain([Extra::One("limit")]).collect();
    let params = parse(&site, query, &extras)?;
    let most = limit(&params, 50, 200)?;
    let search = RejectSearch::of(&params)?;
    let (counts, rows) = tokio::try_join!(
        site.store().reject_counts(),
        site.store().rejects(
            search.source_kind.as_deref(),
            search.reason.as_deref(),
            most,
            search.before.clone()
        )
    )?;
    let next = RejectSearch::next(&rows, most);
    Ok(Json(RejectsAnswer { counts, rows: rows.into_iter().map(Reject::from).collect(), next }))
}

#[derive(Debug, Serialize)]
pub(super) struct SourcesAnswer {
    rows: Vec<SourceFreshness>,
}

pub(super) async fn sources(
    site: SharedSite,
    RawQuery(query): RawQuery,
) -> Result<Json<SourcesAnswer>, ApiError> {
    parse(&site, query, &[])?;
    Ok(Json(SourcesAnswer { rows: site.store().freshness().await? }))
}
