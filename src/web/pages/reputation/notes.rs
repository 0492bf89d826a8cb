//! `POST /reputation/blocklists`: what a person did about a listing.
//!
//! That it was our page that sent the form is checked before (`app::access`).

use crate::model::Caller;
use crate::web::SharedSite;
use crate::web::desk::{Desk, PAGE};
use crate::web::error::PageError;
use crate::web::params::{Link, ParamsError};
use axum::Extension;
use axum::body::Bytes;
use axum::response::Redirect;
use std::collections::HashMap;

/// Longest field, in bytes: what the form lets through, of letters with four bytes each.
const FIELD_BYTES_MAX: usize = 2_000;

/// Keeps a note in the name of who asks, and leads back to the board.
pub(super) async fn add(
    site: SharedSite,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Redirect, PageError> {
    let fields: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| {
        let text = fields.get(name).map(|text| text.trim()).unwrap_or_default();
        let is_well =
            !text.is_empty() && text.len() <= FIELD_BYTES_MAX && !text.chars().any(char::is_control);
        let change = format!("write a line of 1 to {FIELD_BYTES_MAX} bytes");
        if is_well { Ok(text.to_owned()) } else { Err(ParamsError::bad_value(name, text, change)) }
    };
    let (list, subject, text) = (field("list")?, field("subject")?, field("text")?);
    Desk::of(&site, &caller, PAGE).note_listing(list, subject.clone(), text).await?;
    Ok(Redirect::to(&Link::to("/reputation/blocklists").with("subject", subject).to_string()))
}
