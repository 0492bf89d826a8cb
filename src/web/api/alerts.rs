//! Incidents and annotations.

use crate::alert::{DeskError, Incident, Labels, NewAnnotation};
use crate::model::Timestamp;
use crate::store::query::AnnotationOf;
use crate::web::api::{Asked, limit, parse};
use crate::web::error::{ApiError, PageError};
use crate::web::params::Extra;
use crate::web::{SharedSite, Site};
use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most incidents and annotations of one answer.
const ROWS_MAX: u32 = 1_000;

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/alerts", get(open))
        .route("/alerts/test-channel", post(test_channel))
        .route("/incidents", get(incidents))
        .route("/annotations", get(annotations).post(annotate))
}

#[derive(Debug, Serialize)]
struct OpenAnswer {
    /// When the rules were evaluated last; `null` before the first time.
    evaluated_unix: Option<i64>,
    rows: Vec<Incident>,
}

/// What is pending or firing, as the last evaluation left it.
async fn open(site: SharedSite) -> Json<OpenAnswer> {
    let board = site.alerts().board();
    Json(OpenAnswer { evaluated_unix: board.at.map(Timestamp::seconds), rows: board.open.clone() })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestAsked {
    channel: String,
}

#[derive(Debug, Serialize)]
struct Tested {
    channel: String,
    is_taken: bool,
}

/// `POST` with `{"channel": NAME}`: sends the channel an example. What it says against it is the error.
async fn test_channel(site: SharedSite, body: Bytes) -> Result<Json<Tested>, ApiError> {
    let refused = |text: String| ApiError::from(PageError::Refused(text));
    let TestAsked { channel } =
        serde_json::from_slice(&body).map_err(|fault| refused(format!("name a channel: {fault}")))?;
    let now = Timestamp::from_seconds(site.now_unix());
    let sent = site.alerts().test_channel(&channel, now).await;
    sent.map_err(|error| refused(format!("channel `{channel}`: {error}")))?;
    Ok(Json(Tested { channel, is_taken: true }))
}

#[derive(Debug, Serialize)]
struct Answer<T> {
    range: Asked,
    rows: Vec<T>,
}

/// Incidents that are open, or ended since the range began; newest first.
async fn incidents(site: SharedSite, RawQuery(query): RawQuery) -> Result<Json<Answer<Incident>>, ApiError> {
    let params = parse(&site, query, &[Extra::One("limit")])?;
    let most = limit(&params, 100, ROWS_MAX)?;
    let range = params.filter().range;
    let rows = site.alerts().history(range.from_unix, most).await?;
    Ok(Json(Answer { range: Asked::of(range, params.range().step_s()), rows }))
}

/// Annotations that touch the range, oldest first.
async fn annotations(
    site: SharedSite,
    RawQuery(query): RawQuery,
) -> Result<Json<Answer<AnnotationOf>>, ApiError> {
    let params = parse(&site, query, &[Extra::One("limit")])?;
    let most = limit(&params, 100, ROWS_MAX)?;
    let range = params.filter().range;
    let rows = site.alerts().annotations(range, most).await?;
    Ok(Json(Answer { range: Asked::of(range, params.range().step_s()), rows }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    title: String,
    author: String,
    #[serde(default)]
    text: String,
    /// RFC 3339; now, if not given.
    at: Option<String>,
    /// RFC 3339; the same moment, if not given.
    until: Option<String>,
    /// Which mail it is about, such as `{"provider": "google"}`.
    #[serde(default)]
    labels: Labels,
}

#[derive(Debug, Serialize)]
struct Noted {
    annotation_id: String,
}

/// `POST` with a JSON object: title and author, and what else there is to say.
async fn annotate(site: SharedSite, body: Bytes) -> Result<(StatusCode, Json<Noted>), ApiError> {
    let refused = |text: String| ApiError::from(PageError::Refused(text));
    let posted: Posted = serde_json::from_slice(&body)
        .map_err(|fault| refused(format!("the body is no annotation: {fault}")))?;
    let time = |text: &Option<String>| {
        let read = |text: &String| {
            Timestamp::parse_rfc3339(text)
                .map_err(|_| refused(format!("`{text}` is no time such as 2026-01-31T12:00:00Z")))
        };
        text.as_ref().map(read).transpose()
    };
    let new = NewAnnotation {
        at: time(&posted.at)?.unwrap_or(Timestamp::from_seconds(site.now_unix())),
        until: time(&posted.until)?,
        title: posted.title,
        text: posted.text,
        author: posted.author,
        labels: posted.labels,
    };
    match site.alerts().annotate(new).await {
        Ok(id) => {
            let annotation_id = uuid::Uuid::from_u128(id).to_string();
            Ok((StatusCode::CREATED, Json(Noted { annotation_id })))
        }
        Err(DeskError::Store(error)) => Err(error.into()),
        Err(other) => Err(refused(other.to_string())),
    }
}
