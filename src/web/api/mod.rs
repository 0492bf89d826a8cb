//! The JSON API under `/api/v1`: the questions of the pages, with the same query string.
//!
//! An answer is `{ "range": …, "rows" or a name: … }`; an error is `{ "error": { "code", "message" } }`. Times are
//! seconds since 1970 unless their name says microseconds; counts are of messages, one for each recipient.

mod alerts;
mod erase;
mod items;
mod mail;
mod reports;
pub(crate) mod suppressions;

pub(crate) use suppressions::FOLLOWERS_MAX;
mod reputation;

use crate::store::query::TimeRange;
use crate::web::Site;
use crate::web::error::{ApiError, PageError};
use crate::web::params::{Extra, Params, ParamsError};
use axum::Router;
use axum::routing::{get, post};
use serde::Serialize;
use std::sync::Arc;

/// Most rows of an answer that has no pages.
const ROWS_MAX: u32 = 1_000;

pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/overview", get(mail::overview))
        .route("/outcomes", get(mail::outcomes))
        .route("/outcomes/by/{dimension}", get(mail::outcomes_by))
        .route("/latency", get(mail::latency))
        .route("/responses", get(mail::responses))
        .route("/bounces", get(mail::bounces))
        .route("/deferrals", get(mail::deferrals))
        .route("/events", get(items::events))
        .route("/trace", get(items::trace))
        .route("/ledger", get(items::ledger))
        .route("/rejects", get(items::rejects))
        .route("/sources", get(items::sources))
        .merge(alerts::routes())
        .merge(reports::routes())
        .merge(suppressions::routes())
        .route("/erase", post(erase::erase))
        .merge(reputation::routes())
        .fallback(async || ApiError::from(PageError::NotFound("such question")))
}

/// What an answer is about, as it was understood.
#[derive(Debug, Serialize)]
struct Asked {
    from_unix: i64,
    to_unix: i64,
    /// The step of series, in seconds.
    step_s: u32,
}

impl Asked {
    const fn of(range: TimeRange, step_s: u32) -> Self {
        Self { from_unix: range.from_unix, to_unix: range.to_unix, step_s }
    }
}

fn parse(site: &Site, query: Option<String>, extras: &[Extra]) -> Result<Params, ParamsError> {
    Params::parse(&query.unwrap_or_default(), site.now_unix(), extras)
}

/// Reads `limit`, which goes from 1 to `most`.
fn limit(params: &Params, default: u32, most: u32) -> Result<u32, ParamsError> {
    let Some(text) = params.extra("limit") else { return Ok(default) };
    let number = text.parse().ok().filter(|limit| (1..=most).contains(limit));
    number.ok_or_else(|| ParamsError::bad_value("limit", text, format!("write a number from 1 to {most}")))
}
