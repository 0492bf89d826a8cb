//! The forms of the alert pages: acknowledge, silence, try a channel, note something.
//!
//! Way: a form posts here, the desk does it, and the browser is sent back to `/alerts`. Whether the request came from our
//! own page is asked in front of all routes (`app::access`).

use crate::alert::{DeskError, Matcher, NewAnnotation, Silence};
use crate::model::Timestamp;
use crate::web::SharedSite;
use crate::web::error::PageError;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Redirect;
use std::collections::HashMap;

/// What was done, by the word in the address.
const DONE: [(&str, &str); 5] = [
    ("acknowledged", "The incident is acknowledged; there are no more reminders."),
    ("silenced", "The silence is in force."),
    ("ended", "The silence has ended."),
    ("sent", "The channel took the test message."),
    ("noted", "The annotation is stored."),
];

/// The text for `?done=` of a page's address.
pub(super) fn done(query: &str) -> Option<&'static str> {
    let word = query.strip_prefix("done=")?;
    DONE.iter().find(|(known, _)| *known == word).map(|(_, text)| *text)
}

fn back(word: &str) -> Redirect {
    Redirect::to(&format!("/alerts?done={word}"))
}

fn fields(body: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(body).into_owned().collect()
}

fn field<'f>(fields: &'f HashMap<String, String>, name: &str) -> &'f str {
    fields.get(name).map(String::as_str).unwrap_or_default()
}

/// What a person got wrong is told to them; what the store got wrong is logged.
fn refused(error: DeskError) -> PageError {
    match error {
        DeskError::Store(error) => PageError::Store(error),
        other => PageError::Refused(other.to_string()),
    }
}

fn id(text: &str) -> Result<u128, PageError> {
    u128::from_str_radix(text, 16).map_err(|_| PageError::NotFound("such thing"))
}

/// `POST /alerts/acknowledge/{id}` with `by` and `comment`.
pub(super) async fn acknowledge(
    site: SharedSite,
    Path(incident): Path<String>,
    body: Bytes,
) -> Result<Redirect, PageError> {
    let fields = fields(&body);
    let now = Timestamp::from_seconds(site.now_unix());
    let done =
        site.alerts().acknowledge(id(&incident)?, field(&fields, "by"), field(&fields, "comment"), now).await;
    done.map_err(refused)?;
    Ok(back("acknowledged"))
}

/// `POST /alerts/silences/new` with `matchers`, `hours`, `by` and `comment`; or of a silence's id, to end it.
pub(super) async fn silence(
    site: SharedSite,
    Path(silence): Path<String>,
    body: Bytes,
) -> Result<Redirect, PageError> {
    let now = Timestamp::from_seconds(site.now_unix());
    if silence != "new" {
        site.alerts().end_silence(id(&silence)?, now).await.map_err(refused)?;
        return Ok(back("ended"));
    }
    let fields = fields(&body);
    let hours = field(&fields, "hours");
    let hours: u16 =
        hours.parse().map_err(|_| PageError::Refused(format!("`{hours}` is no number of hours")))?;
    let matchers = field(&fields, "matchers").split(',').map(str::trim).filter(|text| !text.is_empty());
    let matchers: Result<Vec<_>, _> = matchers.map(Matcher::parse).collect();
    let until = Timestamp::from_seconds(now.seconds() + 3_600 * i64::from(hours));
    let made = matchers.and_then(|matchers| {
        let id = uuid::Uuid::new_v4().as_u128();
        Silence::new(id, matchers, now, until, field(&fields, "by"), field(&fields, "comment"))
    });
    let silence = made.map_err(|error| refused(error.into()))?;
    site.alerts().silence(silence, now).await.map_err(refused)?;
    Ok(back("silenced"))
}

/// `POST /alerts/channels/{name}`: a test message.
pub(super) async fn test_channel(site: SharedSite, Path(name): Path<String>) -> Result<Redirect, PageError> {
    let now = Timestamp::from_seconds(site.now_unix());
    site.alerts().test_channel(&name, now).await.map_err(refused)?;
    Ok(back("sent"))
}

/// `POST /alerts/annotations/new` with `title`, `text` and `by`: of this moment.
pub(super) async fn annotate(
    site: SharedSite,
    Path(_): Path<String>,
    body: Bytes,
) -> Result<Redirect, PageError> {
    let fields = fields(&body);
    let new = NewAnnotation {
        at: Timestamp::from_seconds(site.now_unix()),
        title: field(&fields, "title").to_owned(),
        text: field(&fields, "text").to_owned(),
        author: field(&fields, "by").to_owned(),
        ..NewAnnotation::default()
    };
    site.alerts().annotate(new).await.map_err(refused)?;
    Ok(back("noted"))
}
