//! `POST /api/v1/suppressions/simulate`: whom changed rules would add to the list or free.

use crate::suppression::rules::{Proposal, Rules, RulesError};
use crate::suppression::simulate::{Simulated, simulate};
use crate::web::SharedSite;
use crate::web::api::suppressions::{json, query};
use crate::web::error::{ApiError, PageError};
use axum::Json;
use axum::body::Bytes;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// Most addresses told of each kind; all are counted.
const ROWS_MAX: usize = 10_000;
/// Most days that are looked at: what events are of use for.
const DAYS_MAX: u16 = 400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    #[serde(default = "quarter")]
    days: u16,
}

const fn quarter() -> u16 {
    90
}

/// Files of rules, as `suppression.rules_file` has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Those in force; the shipped ones when it is empty.
    #[serde(default)]
    present: String,
    changed: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    days: u16,
    events: u64,
    /// Entries that the rules in force, and the changed ones, make of these events.
    before: usize,
    after: usize,
    added: Told<'a>,
    freed: Told<'a>,
}

#[derive(Serialize)]
struct Told<'a> {
    count: usize,
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    address: &'a str,
    scope: &'static str,
    tenant: &'a str,
    name: &'a str,
    r#type: &'static str,
    reason: &'static str,
    rule: &'a str,
    expires: Option<String>,
}

pub(super) async fn run(site: SharedSite, uri: Uri, body: Bytes) -> Result<Response, ApiError> {
    let About { days } = query(&uri)?;
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(PageError::Bad(format!("`days` is 1 to {DAYS_MAX}.")).into());
    }
    let Asked { present, changed } = json(&body)?;
    let rules = |name: &str, text: &str| {
        let refused = |error: RulesError| PageError::Bad(format!("`{name}` cannot be used: {error}."));
        Rules::with_overlay(text).map_err(refused)
    };
    let both = (rules("present", &present)?, rules("changed", &changed)?);
    let Simulated { events, before, after, difference } =
        simulate(site.store(), both, days, site.list().now()).await?;
    let (added, freed) = (told(&difference.added), told(&difference.freed));
    Ok(Json(Answer { days, events, before, after, added, freed }).into_response())
}

fn told(proposals: &[Proposal]) -> Told<'_> {
    Told { count: proposals.len(), rows: proposals.iter().take(ROWS_MAX).map(Row::from).collect() }
}

impl<'a> From<&'a Proposal> for Row<'a> {
    fn from(proposal: &'a Proposal) -> Self {
        let (tenant, name) = proposal.key.scope.parts();
        Self {
            address: &proposal.key.address,
            scope: proposal.key.scope.name(),
            tenant,
            name,
            r#type: proposal.key.mail_type.name(),
            reason: proposal.key.reason.name(),
            rule: &proposal.rule,
            expires: proposal.expires.map(|end| end.to_string()),
        }
    }
}
