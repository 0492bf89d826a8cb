//! Questions about blocklists and the DNS. Without a range an answer is about 30 days; `subject` narrows it to one.

use crate::store::query::{DnsChangeRow, DnsFindingRow, ListTestRow, ListingChangeRow, ListingRow};
use crate::web::SharedSite;
use crate::web::Site;
use crate::web::api::{Asked, ROWS_MAX};
use crate::web::error::{ApiError, PageError};
use crate::web::params::{Extra, Params, ParamsError};
use crate::web::warmup::{WarmupStatus, statuses};
use axum::extract::{Path, RawQuery};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use std::sync::Arc;

const DAY_S: u32 = 86_400;

/// What was not checked for this long, in seconds, is watched no more.
const WATCHED_S: i64 = 8 * 86_400;

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/listings", get(listings))
        .route("/dns", get(dns))
        .route("/warmups", get(warmups))
        .route("/warmups/{subject}", get(warmup))
}

fn parse(site: &Site, query: Option<String>) -> Result<Params, ParamsError> {
    Params::of_reports(&query.unwrap_or_default(), site.now_unix(), &[Extra::One("subject")])
}

#[derive(Debug, Serialize)]
struct ListingsAnswer {
    range: Asked,
    /// As it stands now, on each list that was asked.
    rows: Vec<ListingRow>,
    /// In the range, newest first.
    changes: Vec<ListingChangeRow>,
    lists: Vec<ListTestRow>,
}

async fn listings(site: SharedSite, RawQuery(query): RawQuery) -> Result<Json<ListingsAnswer>, ApiError> {
    let params = parse(&site, query)?;
    let (range, subject, store) = (params.filter().range, params.extra("subject"), site.store());
    let (mut rows, changes, lists) = tokio::try_join!(
        store.listings(site.now_unix() - WATCHED_S),
        store.listing_changes(range, subject, ROWS_MAX),
        store.list_tests(site.now_unix()),
    )?;
    rows.retain(|row| subject.is_none_or(|subject| row.subject == subject));
    Ok(Json(ListingsAnswer { range: Asked::of(range, DAY_S), rows, changes, lists }))
}

#[derive(Debug, Serialize)]
struct DnsAnswer {
    range: Asked,
    /// The newest snapshot of each subject.
    rows: Vec<DnsFindingRow>,
    /// In the range, newest first.
    changes: Vec<DnsChangeRow>,
}

async fn dns(site: SharedSite, RawQuery(query): RawQuery) -> Result<Json<DnsAnswer>, ApiError> {
    let params = parse(&site, query)?;
    let (range, subject, store) = (params.filter().range, params.extra("subject"), site.store());
    let (rows, changes) = tokio::try_join!(
        store.dns_findings(site.now_unix() - WATCHED_S, subject),
        store.dns_changes(range, subject, ROWS_MAX),
    )?;
    Ok(Json(DnsAnswer { range: Asked::of(range, DAY_S), rows, changes }))
}

#[derive(Debug, Serialize)]
struct WarmupsAnswer {
    items: Vec<WarmupStatus>,
}

/// All plans, as they stand now.
async fn warmups(site: SharedSite) -> Result<Json<WarmupsAnswer>, ApiError> {
    let items = statuses(&site, None).await?.into_iter().map(|(_, status)| status).collect();
    Ok(Json(WarmupsAnswer { items }))
}

/// The plans of one address or domain: what a relay asks before it sends more.
async fn warmup(site: SharedSite, Path(subject): Path<String>) -> Result<Json<WarmupsAnswer>, ApiError> {
    let items: Vec<_> =
        statuses(&site, Some(&subject)).await?.into_iter().map(|(_, status)| status).collect();
    if items.is_empty() {
        return Err(PageError::NotFound("such warm-up plan").into());
    }
    Ok(Json(WarmupsAnswer { items }))
}
