//! Onto the list, and off it.

use crate::model::suppression::{Key, MailType, Reason};
use crate::model::{Caller, Text, normalize_address};
use crate::web::SharedSite;
use crate::web::api::suppressions::{json, query, reason_of, scope_of, time_of};
use crate::web::desk::{API, CHANGES_MAX, Desk, Did, NewEntry, Which};
use crate::web::error::{ApiError, PageError};
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::Uri;
use axum::{Extension, Json};
use serde::Deserialize;

/// An entry as callers write it; all but the address may be left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryBody {
    address: Text,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    tenant: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    r#type: MailType,
    /// `manual` when it is left out.
    reason: Option<Reason>,
    expires: Option<String>,
    #[serde(default)]
    note: Text,
}

impl EntryBody {
    fn entry(self) -> Result<NewEntry, PageError> {
        let expires = self.expires.filter(|text| !text.is_empty());
        Ok(NewEntry {
            scope: scope_of(&self.scope, &self.tenant, &self.name)?,
            mail_type: self.r#type,
            reason: self.reason.unwrap_or(Reason::Manual),
            expires: expires.map(|text| time_of("expires", &text)).transpose()?,
            address: self.address,
            note: self.note,
        })
    }

    /// The one entry that it names, to be lifted.
    fn removal(self) -> Result<(Key, Text), PageError> {
        let NewEntry { address, scope, mail_type, reason, note, .. } = self.entry()?;
        Ok((Key { address: normalize_address(&address), scope, mail_type, reason }, note))
    }
}

pub(super) async fn add(
    site: SharedSite,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Did>, ApiError> {
    let entry = json::<EntryBody>(&body)?.entry()?;
    Ok(Json(Desk::of(&site, &caller, API).add(entry).await?))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LiftQuery {
    note: String,
    reason: Option<String>,
    scope: Option<String>,
    tenant: String,
    name: String,
    r#type: Option<MailType>,
}

pub(super) async fn lift(
    site: SharedSite,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
    uri: Uri,
) -> Result<Json<Did>, ApiError> {
    let asked: LiftQuery = query(&uri)?;
    let scope = asked.scope.map(|scope| scope_of(&scope, &asked.tenant, &asked.name));
    let which = Which {
        reason: asked.reason.as_deref().map(reason_of).transpose()?,
        scope: scope.transpose()?,
        mail_type: asked.r#type,
    };
    Ok(Json(Desk::of(&site, &caller, API).lift(&address, &asked.note, &which).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BulkBody {
    /// What it is, for the list of runs.
    #[serde(default)]
    name: Text,
    #[serde(default)]
    add: Vec<EntryBody>,
    /// Each names one entry: its address, scope, type and reason.
    #[serde(default)]
    remove: Vec<EntryBody>,
}

pub(super) async fn bulk(
    site: SharedSite,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Did>, ApiError> {
    let BulkBody { name, add, remove } = json(&body)?;
    let given = add.len() + remove.len();
    if given > CHANGES_MAX {
        let text =
            format!("{given} changes are too many: send at most {CHANGES_MAX}, or a file as an import.");
        return Err(PageError::Bad(text).into());
    }
    let add = add.into_iter().map(EntryBody::entry).collect::<Result<_, _>>()?;
    let remove = remove.into_iter().map(EntryBody::removal).collect::<Result<_, _>>()?;
    Ok(Json(Desk::of(&site, &caller, API).bulk(name, add, remove).await?))
}
