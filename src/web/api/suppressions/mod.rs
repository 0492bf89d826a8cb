//! `/api/v1/suppressions`: ask, change and follow the list.
//!
//! | request | what |
//! | --- | --- |
//! | `GET /{address}?tenant=&stream=&list=&type=` | the decision, all entries that match, what decides, its evidence |
//! | `POST /check` | up to 10,000 addresses, out of memory |
//! | `GET ?after=&limit=&reason=` | living entries by address |
//! | `POST`, `DELETE /{address}?note=`, `POST /bulk` | add, lift, both for up to 10,000 |
//! | `GET /snapshot?format=&identity=`, `GET /export/{shape}` | the whole list, with `ETag`; in the shapes of others |
//! | `GET /changes?cursor=&wait_s=`, `GET /stream` | the log from a cursor on: long poll, server-sent events |
//! | `POST /imports?name=&dry_run=`, `GET /imports/{run}` | a file of rows, and how far it is |
//! | `GET /runs`, `POST /runs/{run}/undo` | what can be taken back as a whole |
//! | `POST /simulate?days=` | whom changed rules would add or free; nothing is written |
//! | `GET /reviews`, `POST /reviews/{review}` | what the burst guard holds |
//! | `GET /webhooks`, `POST /webhooks/{name}/{letter}` | receivers, and their dead letters |
//!
//! Times here are RFC 3339. Changes need the scope `write`, those of compliance entries `admin`; each stands in the
//! audit log. A list that is not loaded answers 503: who asks before sending lets mail through then.

mod change;
mod entries;
mod files;
mod follow;
mod imports;
mod runs;
mod simulate;

use crate::model::suppression::{MailType, Question, Reason, RunId, Scope};
use crate::model::{Text, Timestamp, normalize_address};
use crate::web::Site;
use crate::web::error::PageError;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Query};
use axum::http::Uri;
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

pub(crate) use follow::FOLLOWERS_MAX;

/// Largest body of a check or bulk request, in bytes: 10,000 entries with addresses and notes at their limits.
const BODY_BYTES_MAX: usize = 16 << 20;

pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/suppressions", get(entries::list).post(change::add))
        .route("/suppressions/check", post(entries::check))
        .route("/suppressions/bulk", post(change::bulk))
        .route("/suppressions/snapshot", get(files::snapshot))
        .route("/suppressions/export/{shape}", get(files::export))
        .route("/suppressions/changes", get(follow::changes))
        .route("/suppressions/stream", get(follow::stream))
        .route("/suppressions/runs", get(runs::all))
        .route("/suppressions/runs/{run}/undo", post(runs::undo))
        .route("/suppressions/simulate", post(simulate::run))
        .route("/suppressions/reviews", get(runs::reviews))
        .route("/suppressions/reviews/{review}", get(runs::held).post(runs::decide))
        .route("/suppressions/webhooks", get(runs::hooks))
        .route("/suppressions/webhooks/{name}", get(runs::dead_letters))
        .route("/suppressions/webhooks/{name}/{letter}", post(runs::send_again))
        .route("/suppressions/imports/{run}", get(imports::one))
        .route("/suppressions/{address}", get(entries::explain).delete(change::lift))
        .route("/audit", get(runs::audit))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        // An import is written to disk as it comes, and has a limit of its own.
        .route("/suppressions/imports", get(imports::all).post(imports::accept))
}

/// Reads a query string; an unknown parameter is an error, because it would be silently left out.
fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, PageError> {
    let read = Query::<T>::try_from_uri(uri);
    read.map(|Query(query)| query).map_err(|error| PageError::Bad(error.body_text()))
}

/// Reads a body of JSON.
fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, PageError> {
    serde_json::from_slice(body)
        .map_err(|error| PageError::Bad(format!("The body is not what is wanted: {error}.")))
}

/// For whom mail is sent, as callers say it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct About {
    tenant: Text,
    stream: Text,
    list: Text,
    r#type: MailType,
}

impl About {
    fn question(self, address: &str) -> Question {
        let Self { tenant, stream, list, r#type: mail_type } = self;
        Question { address: normalize_address(address), tenant, stream, list, mail_type }
    }
}

/// How far an entry reaches, as callers say it; everywhere when they say nothing.
pub(crate) fn scope_of(scope: &str, tenant: &str, name: &str) -> Result<Scope, PageError> {
    let wanted = || {
        PageError::Bad(format!(
            "`scope={scope}` cannot be: write `global`, `tenant`, or `stream` or `list` with its `name`."
        ))
    };
    match scope {
        "" | "global" if !tenant.is_empty() || !name.is_empty() => Err(PageError::Bad(
            "A tenant or name needs its `scope`: `tenant`, `stream` or `list`.".to_owned(),
        )),
        "" => Ok(Scope::Global),
        scope => Scope::from_parts(scope, tenant, name).ok_or_else(wanted),
    }
}

pub(crate) fn reason_of(name: &str) -> Result<Reason, PageError> {
    Reason::from_name(name).ok_or_else(|| {
        let known: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        PageError::Bad(format!("`reason={name}` cannot be: choose one of {}.", known.join(", ")))
    })
}

/// Reads an RFC 3339 time.
pub(crate) fn time_of(name: &str, text: &str) -> Result<Timestamp, PageError> {
    Timestamp::parse_rfc3339(text).map_err(|_| {
        PageError::Bad(format!("`{name}={text}` cannot be: write a time such as `2026-12-31T00:00:00Z`."))
    })
}

pub(crate) fn run_of(text: &str) -> Result<RunId, PageError> {
    uuid::Uuid::parse_str(text).map(RunId).map_err(|_| PageError::NotFound("such run"))
}
