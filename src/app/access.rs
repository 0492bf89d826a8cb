//! Who may talk to the port, and that it is he who wants it.
//!
//! With tokens, every request must bring one; what changes something needs the scope `write`, and `web` asks for more
//! where more is at stake. Without tokens the port is on loopback, and the only stranger who can reach it is a web page
//! in the user's own browser: it comes with its own host name, which is refused.
//!
//! A browser sends a password or reaches loopback whatever page asked for it. So nothing is changed for a request that
//! another site's page began: browsers say so in `Sec-Fetch-Site` and `Origin`, which no page can set.
//! Source: Fetch Metadata (w3.org/TR/fetch-metadata), RFC 6454 section 7 (`Origin`).

use crate::app::tokens::{TokenDigest, digest};
use crate::model::{Caller, Role, Text};
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::net::IpAddr;
use std::sync::Arc;

/// Answers without a token, for load balancers and service managers.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// Style and scripts, which the page for recipients needs too; they tell nothing.
const OPEN_PREFIX: &str = "/assets/";

/// Questions that are too long for an address, and so are posted.
const POSTED_QUESTIONS: [&str; 1] = ["/api/v1/suppressions/check"];

/// Name in the audit log of whoever works at this machine.
const AT_THIS_MACHINE: Text = Text::const_new("local");

#[derive(Clone)]
pub(super) enum Access {
    Tokens(Arc<[(TokenDigest, Caller)]>),
    Loopback,
}

impl Access {
    /// Without any token, this machine alone has access.
    pub(super) fn of(tokens: Vec<(TokenDigest, Caller)>) -> Self {
        if tokens.is_empty() { Self::Loopback } else { Self::Tokens(tokens.into()) }
    }

    /// Who asks, when he may ask at all.
    fn caller(&self, request: &Request) -> Option<Caller> {
        match self {
            Self::Tokens(tokens) => {
                let given = digest(&given_token(request.headers())?);
                tokens.iter().find(|(known, _)| *known == given).map(|(_, caller)| caller.clone())
            }
            Self::Loopback => {
                let is_here = names_this_machine(request);
                is_here.then_some(Caller { name: AT_THIS_MACHINE, role: Role::Admin })
            }
        }
    }

    fn refusal(&self) -> Response {
        match self {
            Self::Tokens(_) => {
                let wanted = [(header::WWW_AUTHENTICATE, "Basic realm=\"relaylens\", charset=\"UTF-8\"")];
                let text = "give a token of `http.token_file` or `http.tokens_file`: as `Authorization: Bearer TOKEN`, or \
                            as the password\n";
                (StatusCode::UNAUTHORIZED, wanted, text).into_response()
            }
            Self::Loopback => {
                let text = "this port answers to `localhost` and to addresses alone; for another name set \
                            `http.token_file`\n";
                (StatusCode::FORBIDDEN, text).into_response()
            }
        }
    }
}

/// Lets the request through with its [`Caller`], or answers it.
pub(super) async fn check(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_open =
        path.starts_with(OPEN_PREFIX) || matches!(access, Access::Tokens(_)) && OPEN_PATHS.contains(&path);
    if is_open {
        return next.run(request).await;
    }
    let Some(caller) = access.caller(&request) else { return access.refusal() };
    let is_question = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method())
        || POSTED_QUESTIONS.contains(&path);
    if !is_question && !caller.may(Role::Write) {
        let text = "this token may only read; use one with the scope `write`\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    if !is_question && comes_from_another_site(request.headers()) {
        let text = "nothing is changed for a page of another site; open relaylens itself and try again\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Whether a browser says that a page of another site began the request. Other clients say nothing.
fn comes_from_another_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text("origin") else { return false };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_none() || authority != text("host")
}

/// The token of a bearer, or the password of any user.
fn given_token(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64.decode(rest.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(decoded[colon + 1..].to_vec())
}

/// Whether the request names this machine: `localhost` or a plain address.
fn names_this_machine(request: &Request) -> bool {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = named.or_else(|| request.uri().authority().map(Authority::as_str));
    let Some(authority) = authority else { return false };
    let Ok(uri) = authority.parse::<Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::{any, get};
    use axum::{Extension, Router};
    use tower::ServiceExt;

    fn tokens() -> Access {
        let token =
            |token: &str, role: Role| (digest(token.as_bytes()), Caller { name: role.name().into(), role });
        Access::of(vec![
            token("sesame", Role::Admin),
            token("writer", Role::Write),
            token("reader", Role::Read),
        ])
    }

    async fn status(access: Access, method: &str, uri: &str, headers: &[(&str, &str)]) -> StatusCode {
        let layer = axum::middleware::from_fn_with_state(access, check);
        let named = |Extension(caller): Extension<Caller>| async move { caller.name.to_string() };
        let routes = Router::new()
            .route("/", any(named))
            .route("/api/v1/suppressions/check", any(named))
            .route("/healthz", get(|| async { "ok" }))
            .route("/assets/a.css", get(|| async { "" }));
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        routes.layer(layer).oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn the_token_opens_as_bearer_and_as_password() {
        let basic = format!("Basic {}", BASE64.encode("anyone:sesame"));
        let get = |headers| status(tokens(), "GET", "/", headers);
        assert_eq!(get(&[("authorization", "Bearer sesame")]).await, StatusCode::OK);
        assert_eq!(status(tokens(), "GET", "/", &[("authorization", &basic)]).await, StatusCode::OK);
        assert_eq!(get(&[("authorization", "Bearer wrong")]).await, StatusCode::UNAUTHORIZED);
        assert_eq!(get(&[]).await, StatusCode::UNAUTHORIZED);
        for open in ["/healthz", "/assets/a.css"] {
            assert_eq!(status(tokens(), "GET", open, &[]).await, StatusCode::OK);
        }
    }

    #[tokio::test]
    async fn a_reader_asks_and_a_writer_changes() {
        let post = |path, token| status(tokens(), "POST", path, token);
        assert_eq!(post("/", &[("authorization", "Bearer reader")]).await, StatusCode::FORBIDDEN);
        assert_eq!(post("/", &[("authorization", "Bearer writer")]).await, StatusCode::OK);
        let question = post("/api/v1/suppressions/check", &[("authorization", "Bearer reader")]).await;
        assert_eq!(question, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_page_of_another_site_changes_nothing() {
        let post = async |headers: &[(&str, &str)]| {
            let host = ("host", "localhost:8080");
            let headers: Vec<_> = [host].into_iter().chain(headers.iter().copied()).collect();
            status(Access::Loopback, "POST", "/", &headers).await
        };
        assert_eq!(post(&[]).await, StatusCode::OK, "a command sends no such header");
        assert_eq!(post(&[("sec-fetch-site", "same-origin")]).await, StatusCode::OK);
        assert_eq!(post(&[("origin", "http://localhost:8080")]).await, StatusCode::OK);
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:9090"),
        ] {
            assert_eq!(post(&[(name, value)]).await, StatusCode::FORBIDDEN, "{name}: {value}");
        }
    }

    #[tokio::test]
    async fn on_loopback_a_foreign_host_name_is_refused() {
        let host = async |host| status(Access::Loopback, "GET", "/", &[("host", host)]).await;
        assert_eq!(host("localhost:8080").await, StatusCode::OK);
        assert_eq!(host("127.0.0.1:8080").await, StatusCode::OK);
        assert_eq!(host("[::1]:8080").await, StatusCode::OK);
        assert_eq!(host("rebound.example:8080").await, StatusCode::FORBIDDEN);
    }
}
