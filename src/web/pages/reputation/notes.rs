//! `POST /reputation/blocklists`: what a person did about a listing.

use crate::model::Timestamp;
use crate::store::ListingNoteEntry;
use crate::web::SharedSite;
use crate::web::error::PageError;
use crate::web::params::{Link, ParamsError};
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use std::collections::HashMap;

/// Longest field, in bytes: what the form lets through.
const FIELD_BYTES_MAX: usize = 2_000;

/// Keeps a note, and leads back to the board.
pub(crate) async fn add(site: SharedSite, headers: HeaderMap, body: Bytes) -> Result<Response, PageError> {
    if !is_same_site(&headers) {
        let text = "this form belongs to relaylens' own page\n";
        return Ok((StatusCode::FORBIDDEN, text).into_response());
    }
    let fields: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| {
        let text = fields.get(name).map(|text| text.trim()).unwrap_or_default();
        let is_well =
            !text.is_empty() && text.len() <= FIELD_BYTES_MAX && !text.chars().any(char::is_control);
        let change = format!("write a line of 1 to {FIELD_BYTES_MAX} bytes");
        if is_well { Ok(text.to_owned()) } else { Err(ParamsError::bad_value(name, text, change)) }
    };
    let (list, subject) = (field("list")?, field("subject")?);
    let note = ListingNoteEntry {
        at: Timestamp::from_seconds(site.now_unix()),
        subject: subject.clone(),
        author: field("author")?,
        text: field("text")?,
        list,
    };
    site.store().insert_listing_note(note).await?;
    let back = Link::to("/reputation/blocklists").with("subject", subject);
    Ok(Redirect::to(&back.to_string()).into_response())
}

/// Whether a form was sent by one of our own pages. Browsers say so themselves, in a header that no script can set: older
/// ones by `Origin` alone. A request without either is of no browser, and so of no page that could lead one astray.
fn is_same_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let (origin, host) = (text(header::ORIGIN.as_str()), text(header::HOST.as_str()));
    origin.is_none_or(|origin| origin.split_once("://").is_some_and(|(_, place)| Some(place) == host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&'static str, &'static str)]) -> bool {
        is_same_site(
            &pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
        )
    }

    #[test]
    fn a_form_of_another_site_is_refused() {
        assert!(check(&[("sec-fetch-site", "same-origin"), ("host", "localhost:8080")]));
        assert!(!check(&[("sec-fetch-site", "cross-site"), ("host", "localhost:8080")]));
        assert!(!check(&[("sec-fetch-site", "same-site")]));
        assert!(check(&[("origin", "http://localhost:8080"), ("host", "localhost:8080")]));
        assert!(!check(&[("origin", "https://evil.example"), ("host", "localhost:8080")]));
        assert!(!check(&[("origin", "null"), ("host", "localhost:8080")]));
        assert!(check(&[("host", "localhost:8080")]), "curl");
    }
}
