//! Who is on the list, and why.

use crate::model::suppression::{Decision, Precedence, Question};
use crate::model::{ADDRESS_BYTES_MAX, Text, normalize_address};
use crate::store::query::EventRow;
use crate::suppression::feed::line::EntryLine;
use crate::suppression::list::ListError;
use crate::suppression::walk::Walk;
use crate::web::SharedSite;
use crate::web::api::suppressions::{About, json, query, reason_of};
use crate::web::desk::CHANGES_MAX;
use crate::web::error::{ApiError, PageError};
use axum::Json;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// Most entries of a page of the list.
const PAGE_MAX: usize = 1_000;

/// Most records that one page walks through: with a filter that takes few, the answer comes with less and goes on.
const WALK_MAX: u64 = 200_000;

#[derive(Serialize)]
struct ExplainAnswer<'a> {
    question: &'a Question,
    suppressed: bool,
    decided_by: Option<Precedence>,
    /// The deciding one first.
    matching: Vec<EntryLine<'a>>,
    /// Living entries of the address for other mail.
    other: Vec<EntryLine<'a>>,
    /// The events on which the deciding entry rests, as far as they are kept.
    evidence: Vec<EventRow>,
}

pub(super) async fn explain(
    site: SharedSite,
    Path(address): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let question = query::<About>(&uri)?.question(&address);
    check_address(&question.address)?;
    let decision = site.list().explain(&question).await.map_err(PageError::from)?;
    let Decision { suppressed, matching, decided_by, other } = &decision;
    let evidence = match matching.first() {
        Some(entry) => site.store().suppression_evidence(&entry.evidence, entry.observed).await?,
        None => Vec::new(),
    };
    let answer = ExplainAnswer {
        question: &question,
        suppressed: *suppressed,
        decided_by: *decided_by,
        matching: matching.iter().map(EntryLine::from).collect(),
        other: other.iter().map(EntryLine::from).collect(),
        evidence,
    };
    Ok(Json(answer).into_response())
}

fn check_address(address: &str) -> Result<(), PageError> {
    let is_hash = address.starts_with("sha256:") || address.starts_with("md5:");
    if address.len() <= ADDRESS_BYTES_MAX && (address.contains('@') || is_hash) {
        return Ok(());
    }
    Err(PageError::Bad(format!(
        "The path names no address: write `name@domain`, at most {ADDRESS_BYTES_MAX} bytes, with `@` as it is or as `%40`."
    )))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckBody {
    addresses: Vec<Text>,
    #[serde(default)]
    about: About,
}

#[derive(Serialize)]
struct CheckAnswer<'a> {
    /// Of the addresses, in their order.
    rows: Vec<Checked<'a>>,
    suppressed: u64,
}

#[derive(Serialize)]
struct Checked<'a> {
    address: &'a str,
    suppressed: bool,
    reason: Option<&'static str>,
    scope: Option<&'static str>,
    expires: Option<String>,
}

/// Answers out of memory; `GET /{address}` tells more of one.
pub(super) async fn check(site: SharedSite, body: Bytes) -> Result<Response, ApiError> {
    let CheckBody { addresses, about } = json(&body)?;
    if addresses.len() > CHANGES_MAX {
        let text = format!("{} addresses are too many: send at most {CHANGES_MAX}.", addresses.len());
        return Err(PageError::Bad(text).into());
    }
    let (index, now) = (site.list().index(), site.list().now());
    if !index.is_loaded() {
        return Err(PageError::from(ListError::NotLoaded).into());
    }
    let check = |address| {
        let hit = index.check(&about.clone().question(address), now);
        Checked {
            address,
            suppressed: hit.is_some(),
            reason: hit.as_ref().map(|hit| hit.reason.name()),
            scope: hit.as_ref().map(|hit| hit.scope.name()),
            expires: hit.and_then(|hit| hit.expires).map(|end| end.to_string()),
        }
    };
    let rows: Vec<Checked<'_>> = addresses.iter().map(|address| check(address)).collect();
    let suppressed = rows.iter().filter(|row| row.suppressed).count() as u64;
    Ok(Json(CheckAnswer { rows, suppressed }).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ListQuery {
    /// The last address of the page before.
    after: String,
    limit: Option<usize>,
    reason: Option<String>,
}

/// A page of the list: entries of whole addresses.
pub(super) async fn list(site: SharedSite, uri: Uri) -> Result<Response, ApiError> {
    let asked: ListQuery = query(&uri)?;
    let limit = asked.limit.unwrap_or(100);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(PageError::Bad(format!("`limit={limit}` cannot be: write 1 to {PAGE_MAX}.")).into());
    }
    let reason = asked.reason.as_deref().map(reason_of).transpose()?;
    let (now, until) = (site.list().now(), site.list().cursor());
    let mut walk = Walk::begin(site.store(), &normalize_address(&asked.after), now, until)?;
    let (mut found, mut next) = (Vec::new(), None);
    while let Some(stop) = walk.next().await? {
        found.extend(stop.entries.into_iter().filter(|entry| reason.is_none_or(|r| r == entry.key.reason)));
        if found.len() >= limit || walk.walked() >= WALK_MAX {
            next = Some(stop.address);
            break;
        }
    }
    let rows: Vec<EntryLine<'_>> = found.iter().map(EntryLine::from).collect();
    // The `after` of the next page; `null` on the last.
    Ok(Json(serde_json::json!({ "rows": rows, "next": next })).into_response())
}
