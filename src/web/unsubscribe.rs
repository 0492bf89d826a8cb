//! `/unsubscribe/TOKEN`: how a recipient leaves, by one click in the mailbox or by a button on a page. Open to the
//! world: the token, which is signed and expires, is the access, and opens nothing else.
//!
//! GET changes nothing, because scanners follow links; POST does. Source: RFC 8058 section 3.
//! Way: `app` merges [`unsubscribe_routes`] outside of the access check, and takes in what [`Leave`] is given.
//! Not here: how a token is made ([`crate::suppression::unsubscribe`]).

use crate::model::{Keyring, Text, Timestamp};
use crate::suppression::unsubscribe::{Leaving, TokenError, is_one_click};
use crate::web::assets;
use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use futures_util::future::BoxFuture;
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use tower_http::set_header::SetResponseHeaderLayer;

/// Longest body of a click, in bytes: a form of one field, as multipart with its boundaries.
const BODY_BYTES_MAX: usize = 4 * 1024;

/// Clicks of the last minute that are known again, so that whoever has one link cannot fill the spool with it.
const CLICKS_KEPT: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

/// What the button of the page sends.
const CONFIRMED: &[u8] = b"confirm=yes";

/// Takes in that somebody leaves; `how` is `one_click` or `page`. Returns when it is safe.
pub type Leave =
    Arc<dyn Fn(Leaving, &'static str) -> BoxFuture<'static, Result<(), LeaveRefused>> + Send + Sync>;

/// It could not be taken in now; the log tells why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaveRefused;

/// What the door needs.
#[derive(Clone)]
pub struct UnsubscribeDoor {
    /// Without keys, no link is ours.
    pub keys: Option<Keyring>,
    pub clock: fn() -> Timestamp,
    pub leave: Leave,
}

struct Door {
    inner: UnsubscribeDoor,
    /// Token and minute of the newest clicks.
    clicks: Mutex<LruCache<(String, i64), ()>>,
}

#[derive(Template)]
#[template(path = "pages/unsubscribe.html")]
struct UnsubscribePage {
    assets: &'static str,
    title: &'static str,
    text: String,
    /// Shown as a button that asks for it.
    button: Option<&'static str>,
}

/// The routes for recipients, with their own headers: nothing is kept by caches, and the link is told to nobody.
pub fn unsubscribe_routes(door: UnsubscribeDoor) -> Router {
    let door = Arc::new(Door { inner: door, clicks: Mutex::new(LruCache::new(CLICKS_KEPT)) });
    let set = |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    Router::new()
        .route("/unsubscribe/{token}", get(ask).post(leave))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(set(header::CACHE_CONTROL, "no-store"))
        .layer(set(header::REFERRER_POLICY, "no-referrer"))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::CONTENT_SECURITY_POLICY, super::CONTENT_SECURITY_POLICY))
        .with_state(door)
}

async fn ask(State(door): State<Arc<Door>>, Path(token): Path<String>) -> Response {
    match door.read(&token) {
        Ok(leaving) => {
            let text = format!("{} will get no more {}.", leaving.address, what(&leaving));
            page(StatusCode::OK, "Unsubscribe?", text, Some("Unsubscribe"))
        }
        Err(error) => refused(&error),
    }
}

async fn leave(
    State(door): State<Arc<Door>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let leaving = match door.read(&token) {
        Ok(leaving) => leaving,
        Err(error) => return refused(&error),
    };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let how = if is_one_click(content_type.unwrap_or_default(), &body) {
        "one_click"
    } else if body.trim_ascii() == CONFIRMED {
        "page"
    } else {
        let text = "Nothing was changed: this request is neither a click of a mailbox nor of the button.";
        return page(StatusCode::BAD_REQUEST, "Not understood", text.to_owned(), Some("Unsubscribe"));
    };
    let text = format!("{} gets no more {}.", leaving.address, what(&leaving));
    if !door.knows_click(&token) {
        if (door.inner.leave)(leaving, how).await.is_err() {
            let text = "This could not be taken in just now. Please try again in a few minutes.";
            let answer =
                page(StatusCode::SERVICE_UNAVAILABLE, "Try again", text.to_owned(), Some("Unsubscribe"));
            return ([(header::RETRY_AFTER, "60")], answer).into_response();
        }
        door.note_click(token);
    }
    page(StatusCode::OK, "Unsubscribed", text, None)
}

impl Door {
    fn read(&self, token: &str) -> Result<Leaving, TokenError> {
        let keys = self.inner.keys.as_ref().ok_or(TokenError::Wrong)?;
        Leaving::read(token, keys, (self.inner.clock)())
    }

    /// Whether a click of the link was taken in in this minute.
    fn knows_click(&self, token: &str) -> bool {
        let key = (token.to_owned(), self.minute());
        self.clicks.lock().unwrap_or_else(PoisonError::into_inner).contains(&key)
    }

    fn note_click(&self, token: String) {
        let key = (token, self.minute());
        self.clicks.lock().unwrap_or_else(PoisonError::into_inner).put(key, ());
    }

    fn minute(&self) -> i64 {
        (self.inner.clock)().seconds().div_euclid(60)
    }
}

/// What is left, in the words of the link.
fn what(leaving: &Leaving) -> String {
    let named = |name: &Text| (!name.is_empty()).then(|| format!("mail of “{name}”"));
    named(&leaving.list).or_else(|| named(&leaving.stream)).unwrap_or_else(|| "marketing mail".to_owned())
}

fn refused(error: &TokenError) -> Response {
    let status = match error {
        TokenError::Expired => StatusCode::GONE,
        TokenError::BadField | TokenError::Malformed | TokenError::Wrong => StatusCode::NOT_FOUND,
    };
    let mut text = error.to_string();
    text[..1].make_ascii_uppercase();
    text.push('.');
    page(status, "This link does not work", text, None)
}

fn page(status: StatusCode, title: &'static str, text: String, button: Option<&'static str>) -> Response {
    match (UnsubscribePage { assets: assets::base(), title, text, button }).render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => (status, title).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tower::ServiceExt;

    static TAKEN: AtomicUsize = AtomicUsize::new(0);

    fn keys() -> Keyring {
        Keyring::parse("a 0123456789abcdef0123").unwrap()
    }

    fn router() -> Router {
        let leave: Leave = Arc::new(|_, _| {
            TAKEN.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(()) })
        });
        unsubscribe_routes(UnsubscribeDoor { keys: Some(keys()), clock: || Timestamp(0), leave })
    }

    fn token(day: i64) -> String {
        let leaving =
            Leaving { address: "ann@b.example".into(), list: "a <list>".into(), ..Leaving::default() };
        leaving.token(&keys(), Timestamp::from_seconds(day * 86_400)).unwrap()
    }

    async fn answer(method: &str, token: &str, body: &'static str) -> (u16, String) {
        let request = Request::builder().method(method).uri(format!("/unsubscribe/{token}"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = router().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_link_that_is_followed_asks_and_a_click_leaves() {
        let (status, text) = answer("GET", &token(1), "").await;
        assert!(status == 200 && text.contains("<button") && text.contains("a &#60;list&#62;"), "{text}");
        assert_eq!(TAKEN.load(Ordering::Relaxed), 0, "GET must change nothing");
        for body in ["List-Unsubscribe=One-Click", "confirm=yes"] {
            let (status, text) = answer("POST", &token(1), body).await;
            assert!(status == 200 && text.contains("Unsubscribed"), "{status} {text}");
        }
        assert_eq!(TAKEN.load(Ordering::Relaxed), 2);
        assert_eq!(answer("POST", &token(1), "x=1").await.0, 400);
    }

    #[tokio::test]
    async fn a_link_that_is_not_ours_or_expired_is_told_apart() {
        assert_eq!(answer("GET", "x.1a.y", "").await.0, 404);
        assert_eq!(answer("POST", &token(-1), "confirm=yes").await.0, 410);
    }
}
