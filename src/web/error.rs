//! What a page or the API answers when it cannot answer: the one place where an error gets its status.

use crate::model::with_causes;
use crate::store::StoreError;
use crate::suppression::hooks::HookError;
use crate::suppression::imports::ImportError;
use crate::suppression::list::ListError;
use crate::web::params::ParamsError;
use crate::web::parts::Layout;
use askama::Template;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

/// All that a page can answer instead of itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    #[error("the address asks for something that this page cannot show")]
    Params(#[from] ParamsError),
    /// What a person asked for cannot be done; the text says why.
    #[error("{0}")]
    Refused(String),
    #[error("there is no {0}")]
    NotFound(&'static str),
    #[error("the store did not answer")]
    Store(#[from] StoreError),
    #[error("the page could not be drawn")]
    Render(#[from] askama::Error),
    #[error("the list refused")]
    List(#[from] ListError),
    #[error("the import was not taken")]
    Import(#[from] ImportError),
    #[error("the state of a webhook could not be used")]
    Hook(#[from] HookError),
    /// What was sent cannot be understood.
    #[error("{0}")]
    Bad(String),
    /// A limit is reached that ends by itself.
    #[error("{0}")]
    Busy(&'static str),
}

/// Title, text and what to do, as a reader may see it.
struct Told {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    text: String,
    advice: &'static str,
}

impl PageError {
    fn told(&self) -> Told {
        match self {
            Self::Params(error) => Told {
                status: StatusCode::BAD_REQUEST,
                code: "bad_request",
                title: "This address cannot be read",
                text: error.to_string(),
                advice: "Change that part of the address, or go back to the overview and choose anew.",
            },
            Self::Refused(why) => Told {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                code: "refused",
                title: "This was not done",
                text: format!("Nothing has changed: {why}."),
                advice: "Go back, change that, and send it again.",
            },
            Self::NotFound(what) => Told {
                status: StatusCode::NOT_FOUND,
                code: "not_found",
                title: "Not found",
                text: format!("There is no {what}."),
                advice: "It may have been removed by its retention time, or the address is mistyped.",
            },
            Self::Store(_) => Told {
                status: StatusCode::SERVICE_UNAVAILABLE,
                code: "store_unavailable",
                title: "The store does not answer",
                text: "ClickHouse did not answer this question. Events are still accepted and wait in the spool."
                    .to_owned(),
                advice: "Try again in a moment. The log says why it failed; /readyz says when it is back.",
            },
            Self::List(error) => told_of_list(error),
            Self::Import(error) => told_of_import(error),
            Self::Hook(_) => internal("The state of the webhook cannot be used"),
            Self::Bad(text) => Told {
                status: StatusCode::BAD_REQUEST,
                code: "bad_request",
                title: "This cannot be understood",
                text: text.clone(),
                advice: "Nothing was changed. Go back, mend it and send it again.",
            },
            Self::Busy(text) => Told {
                status: StatusCode::SERVICE_UNAVAILABLE,
                code: "busy",
                title: "Too much at once",
                text: (*text).to_owned(),
                advice: "Try again in a moment.",
            },
            Self::Render(_) => Told {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                code: "internal",
                title: "The page could not be drawn",
                text: "This is a fault of relaylens itself.".to_owned(),
                advice: "The log says more.",
            },
        }
    }

    /// Logs what the operator must know; mistyped addresses are the reader's own affair.
    fn log(&self) {
        let is_ours = match self {
            Self::Store(_) | Self::Render(_) | Self::Hook(_) => true,
            Self::List(error) => matches!(error, ListError::Store(_) | ListError::Full(_)),
            Self::Import(error) => matches!(error, ImportError::Disk { .. }),
            _ => false,
        };
        if is_ours {
            tracing::error!(error = with_causes(self), "page failed");
        }
    }
}

fn internal(title: &'static str) -> Told {
    Told {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        code: "internal",
        title,
        text: "This is a fault of relaylens or its machine.".to_owned(),
        advice: "The log says more.",
    }
}

fn told_of_list(error: &ListError) -> Told {
    let (status, code, title) = match error {
        ListError::Store(_) => {
            return Told {
                status: StatusCode::SERVICE_UNAVAILABLE,
                code: "store_unavailable",
                title: "The store does not answer",
                text: "ClickHouse did not take the change; it may have arrived or not.".to_owned(),
                advice: "Send the same again in a moment: what is there already is not done twice.",
            };
        }
        ListError::NotLoaded | ListError::Ended | ListError::NoWriter(_) | ListError::Full(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "not_ready", "The list cannot take this now")
        }
        ListError::TooMany { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_many", "Too many at once"),
        ListError::NeedsAdmin => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
        ListError::NeedsNote(_) => (StatusCode::BAD_REQUEST, "needs_note", "A note is needed"),
        ListError::Bad { .. } => (StatusCode::BAD_REQUEST, "bad_request", "This cannot be understood"),
        ListError::UnknownReview => (StatusCode::NOT_FOUND, "not_found", "Not found"),
        ListError::Decided(_) => (StatusCode::CONFLICT, "decided", "Decided already"),
    };
    Told { status, code, title, text: sentence(&error.to_string()), advice: "Nothing was changed." }
}

fn told_of_import(error: &ImportError) -> Told {
    let (status, code) = match error {
        ImportError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        ImportError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        ImportError::CutOff(_) => (StatusCode::BAD_REQUEST, "cut_off"),
        ImportError::Disk { .. } => return internal("The file could not be kept"),
    };
    let text = sentence(&error.to_string());
    Told { status, code, title: "The file was not taken", text, advice: "Nothing was imported." }
}

/// An error's text as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).chain(['.']).collect()
}

#[derive(Template)]
#[template(path = "pages/error.html")]
struct ErrorPage {
    layout: Layout,
    status: u16,
    title: &'static str,
    text: Vec<Span>,
    advice: &'static str,
}

/// A piece of text, set as code when it stood between backticks.
struct Span {
    is_code: bool,
    text: String,
}

fn spans(text: &str) -> Vec<Span> {
    let pieces = text.split('`').enumerate();
    pieces.map(|(index, piece)| Span { is_code: index % 2 == 1, text: piece.to_owned() }).collect()
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        self.log();
        let Told { status, title, text, advice, .. } = self.told();
        let page = ErrorPage {
            layout: Layout::bare(title),
            status: status.as_u16(),
            title,
            text: spans(&text),
            advice,
        };
        match page.render() {
            Ok(html) => (status, Html(html)).into_response(),
            Err(_) => (status, title).into_response(),
        }
    }
}

/// The same, told as JSON.
#[derive(Debug)]
pub(crate) struct ApiError(PageError);

impl<E: Into<PageError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

#[derive(serde::Serialize)]
struct ApiErrorBody {
    code: &'static str,
    message: String,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.0.log();
        let Told { status, code, text, .. } = self.0.told();
        let body = ApiErrorBody { code, message: text };
        (status, Json(std::collections::BTreeMap::from([("error", body)]))).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store_error() -> PageError {
        StoreError::Query { query: "outcome_totals", source: clickhouse::error::Error::RowNotFound }.into()
    }

    #[test]
    fn each_error_has_its_status() {
        let params = ParamsError::TooLong { bytes: 9_000 };
        assert_eq!(PageError::from(params).into_response().status(), StatusCode::BAD_REQUEST);
        assert_eq!(PageError::NotFound("page").into_response().status(), StatusCode::NOT_FOUND);
        assert_eq!(store_error().into_response().status(), StatusCode::SERVICE_UNAVAILABLE);
        let render = PageError::Render(askama::Error::Fmt);
        assert_eq!(render.into_response().status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn the_inner_text_of_a_store_error_is_not_shown() {
        assert!(!store_error().told().text.contains("outcome_totals"));
    }

    #[test]
    fn the_api_tells_the_same_status() {
        assert_eq!(
            ApiError::from(PageError::NotFound("message")).into_response().status(),
            StatusCode::NOT_FOUND
        );
    }
}
