//! The forms of the page: each is a POST that changes something by the [`Desk`] and leads back to a page that says so.
//!
//! That it was our page that sent them is checked before (`app::access`): browsers name the site that began a request.

use crate::model::suppression::{MailType, Reason, RunId};
use crate::model::{Caller, normalize_address};
use crate::suppression::imports::{NAME_BYTES_MAX, Order};
use crate::web::SharedSite;
use crate::web::api::suppressions::{reason_of, run_of, scope_of, time_of};
use crate::web::desk::{Desk, Did, NewEntry, PAGE, Which};
use crate::web::error::PageError;
use crate::web::pages::suppressions::{PATH, run_link};
use crate::web::params::Link;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::response::Redirect;
use uuid::Uuid;

/// What the form offers as reason. Bounces are found by rules.
pub(super) const REASONS: [Reason; 4] =
    [Reason::Manual, Reason::Unsubscribe, Reason::Complaint, Reason::Compliance];

/// What was done, by its key in the address, in words.
const DONE: [(&str, &str); 11] = [
    ("added", "Added to the list."),
    ("extended", "It was on the list; its end has moved."),
    ("known", "It was on the list already, at least as long. Nothing was changed."),
    ("lifted", "Lifted. What was observed until now does not bring it back."),
    ("absent", "There was nothing to lift."),
    ("released", "Released: what was held is on the list now."),
    ("dismissed", "Dismissed: nothing of it is suppressed."),
    ("undone", "Undone: everything stands as if the run had never been."),
    ("not_undone", "There was nothing left to undo."),
    ("handed_in", "The file is taken in; this page shows how far it is."),
    ("again", "It will be sent again at once."),
];

pub(super) fn done_words(key: &str) -> Option<&'static str> {
    DONE.iter().find(|(known, _)| *known == key).map(|(_, words)| *words)
}

/// The fields of a form.
struct Form(Vec<(String, String)>);

impl Form {
    fn read(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// A field without blanks around it; empty when it was not sent.
    fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    fn scope(&self) -> Result<crate::model::suppression::Scope, PageError> {
        scope_of(self.text("scope"), self.text("tenant"), self.text("name"))
    }

    fn mail_type(&self) -> MailType {
        MailType::from_name(self.text("type")).unwrap_or_default()
    }

    fn end(&self) -> Result<Option<crate::model::Timestamp>, PageError> {
        match self.text("expires") {
            "" => Ok(None),
            // What a browser's field for a day gives.
            day => time_of("expires", &format!("{day}T00:00:00Z")).map(Some),
        }
    }
}

/// Adds, lifts, or takes a pasted list in.
pub(super) async fn change(
    site: SharedSite,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Redirect, PageError> {
    let form = Form::read(&body);
    let desk = Desk::of(&site, &caller, PAGE);
    match form.text("do") {
        "add" => {
            let did = desk.add(new_entry(&form)?).await?;
            let done = match did {
                Did { added: 1.., .. } => "added",
                Did { extended: 1.., .. } => "extended",
                _ => "known",
            };
            Ok(back_to_address(&form, done))
        }
        "lift" => {
            let which = Which {
                reason: Some(reason_of(form.text("reason"))?),
                scope: Some(form.scope()?),
                mail_type: Some(form.mail_type()),
            };
            let did = desk.lift(form.text("address"), form.text("note"), &which).await?;
            Ok(back_to_address(&form, if did.lifted > 0 { "lifted" } else { "absent" }))
        }
        "import" => {
            let name = form.text("file_name");
            let name = name[..name.floor_char_boundary(NAME_BYTES_MAX)].into();
            let order = desk.order(name, form.scope()?, !form.text("dry_run").is_empty());
            let order = Order { mail_type: form.mail_type(), expires: form.end()?, ..order };
            let report = desk.import(order, Body::from(form.text("rows").to_owned())).await?;
            Ok(to(run_link(report.order.run.0), "handed_in"))
        }
        _ => Err(PageError::Bad("The form says nothing of what is to be done.".to_owned())),
    }
}

fn new_entry(form: &Form) -> Result<NewEntry, PageError> {
    Ok(NewEntry {
        address: form.text("address").into(),
        scope: form.scope()?,
        mail_type: form.mail_type(),
        reason: reason_of(form.text("reason"))?,
        expires: form.end()?,
        note: form.text("note").into(),
    })
}

/// Lets go of what the burst guard holds, or forgets it.
pub(super) async fn decide(
    site: SharedSite,
    Extension(caller): Extension<Caller>,
    Path(review): Path<String>,
    body: Bytes,
) -> Result<Redirect, PageError> {
    let form = Form::read(&body);
    let review = Uuid::parse_str(&review).map_err(|_| PageError::NotFound("such review"))?;
    let is_released = match form.text("decision") {
        "release" => true,
        "dismiss" => false,
        _ => return Err(PageError::Bad("Choose “release” or “dismiss”.".to_owned())),
    };
    Desk::of(&site, &caller, PAGE).decide(review, is_released, form.text("note")).await?;
    Ok(to(Link::to(PATH), if is_released { "released" } else { "dismissed" }))
}

/// Takes a run back.
pub(super) async fn undo(
    site: SharedSite,
    Extension(caller): Extension<Caller>,
    Path(run): Path<String>,
    body: Bytes,
) -> Result<Redirect, PageError> {
    let RunId(run) = run_of(&run)?;
    let did = Desk::of(&site, &caller, PAGE).undo(RunId(run), Form::read(&body).text("note")).await?;
    Ok(to(run_link(run), if did.changes() > 0 { "undone" } else { "not_undone" }))
}

/// Has a dead letter sent again.
pub(super) async fn send_again(
    site: SharedSite,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Redirect, PageError> {
    let form = Form::read(&body);
    let letter = Uuid::parse_str(form.text("letter")).map_err(|_| PageError::NotFound("such dead letter"))?;
    Desk::of(&site, &caller, PAGE).send_again(form.text("webhook"), letter).await?;
    Ok(to(Link::to("/suppressions/webhooks"), "again"))
}

fn back_to_address(form: &Form, done: &str) -> Redirect {
    let address = normalize_address(form.text("address"));
    to(Link::to(PATH).with("address", address.to_string()), done)
}

/// 303: the browser asks for the page anew, and a reload changes nothing.
fn to(link: Link, done: &str) -> Redirect {
    Redirect::to(&link.with("done", done).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_by_its_fields() {
        let form = Form::read(
            b"address=+Ann%40B.example+&reason=complaint&scope=list&name=a+list&expires=2026-12-31",
        );
        let entry = new_entry(&form).unwrap();
        assert_eq!((entry.address.as_str(), entry.reason), ("Ann@B.example", Reason::Complaint));
        assert_eq!(entry.expires.unwrap().to_string(), "2026-12-31T00:00:00Z");
        assert!(new_entry(&Form::read(b"address=a%40b.example&reason=moon")).is_err());
    }

    #[test]
    fn every_way_back_says_what_was_done() {
        let back = back_to_address(&Form::read(b"address=A%2Bx%40b.example"), "added");
        assert!(format!("{back:?}").contains("address=a%2Bx%40b.example&done=added"), "{back:?}");
        assert_eq!(done_words("known"), Some(DONE[2].1));
        assert_eq!(done_words("moon"), None);
    }
}
