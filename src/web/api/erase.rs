//! `POST /api/v1/erase`: forgets an address.

use crate::model::Caller;
use crate::store::Erased;
use crate::suppression::index::sha256_of;
use crate::web::SharedSite;
use crate::web::desk::{API, Desk};
use crate::web::error::{ApiError, PageError};
use axum::body::Bytes;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    address: String,
}

/// What was deleted.
#[derive(Serialize)]
pub(super) struct Answer {
    /// The name under which what suppressed the address goes on.
    hash: String,
    events: u64,
    mails: u64,
    rejects: u64,
    records: u64,
}

pub(super) async fn erase(
    site: SharedSite,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Answer>, ApiError> {
    let Asked { address } = serde_json::from_slice(&body)
        .map_err(|error| PageError::Bad(format!("The body is not what is wanted: {error}.")))?;
    if !address.contains('@') {
        return Err(PageError::Bad("`address` is no address: write `name@domain`.".to_owned()).into());
    }
    let hash = sha256_of(&address);
    let Erased { events, mails, rejects, records } =
        Desk::of(&site, &caller, API).erase(&address, hash.clone()).await?;
    Ok(Json(Answer { hash: hash.into(), events, mails, rejects, records }))
}
