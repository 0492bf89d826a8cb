//! Files of rows: handed in, and how far they are.

use crate::model::suppression::MailType;
use crate::model::{Caller, Text};
use crate::suppression::imports::{NAME_BYTES_MAX, Order, Report};
use crate::web::SharedSite;
use crate::web::api::suppressions::{query, run_of, scope_of, time_of};
use crate::web::desk::{API, Desk};
use crate::web::error::{ApiError, PageError};
use axum::body::Body;
use axum::extract::Path;
use axum::http::{StatusCode, Uri};
use axum::{Extension, Json};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ImportQuery {
    name: Text,
    dry_run: bool,
    scope: String,
    tenant: String,
    /// Of the stream or list.
    scope_name: String,
    r#type: MailType,
    expires: String,
}

/// Takes the file in; 202 when it is safe and will be done.
pub(super) async fn accept(
    site: SharedSite,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    body: Body,
) -> Result<(StatusCode, Json<Report>), ApiError> {
    let asked: ImportQuery = query(&uri)?;
    if asked.name.len() > NAME_BYTES_MAX {
        return Err(PageError::Bad(format!("`name` is too long: at most {NAME_BYTES_MAX} bytes.")).into());
    }
    let scope = scope_of(&asked.scope, &asked.tenant, &asked.scope_name)?;
    let expires = (!asked.expires.is_empty()).then(|| time_of("expires", &asked.expires)).transpose()?;
    let desk = Desk::of(&site, &caller, API);
    let order = Order { mail_type: asked.r#type, expires, ..desk.order(asked.name, scope, asked.dry_run) };
    Ok((StatusCode::ACCEPTED, Json(desk.import(order, body).await?)))
}

/// All that are known, the newest first, without their faults.
pub(super) async fn all(site: SharedSite) -> Json<serde_json::Value> {
    let mut reports = site.imports().reports();
    for report in &mut reports {
        report.progress.faults.clear();
    }
    Json(serde_json::json!({ "rows": reports }))
}

pub(super) async fn one(site: SharedSite, Path(run): Path<String>) -> Result<Json<Report>, ApiError> {
    let report = site.imports().report(run_of(&run)?);
    Ok(Json(report.ok_or(PageError::NotFound("such import"))?))
}
