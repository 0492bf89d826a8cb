//! Who may talk to the port.
//!
//! With a token, every request must bring it. Without one the port is on loopback, and the only stranger who can reach
//! it is a web page in the user's own browser: it comes with its own host name, which is refused.

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;

/// Answers without a token, for load balancers and service managers.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];

#[derive(Clone)]
pub(super) enum Access {
    /// The digest of the token: comparing digests tells nothing of the token by its time.
    Token(Arc<[u8; 32]>),
    Loopback,
}

impl Access {
    pub(super) fn token(token: &str) -> Self {
        Self::Token(Arc::new(Sha256::digest(token).into()))
    }
}

pub(super) async fn check(State(access): State<Access>, request: Request, next: Next) -> Response {
    let allowed = match &access {
        Access::Token(_) if OPEN_PATHS.contains(&request.uri().path()) => true,
        Access::Token(digest) => given_token(&request).is_some_and(|given| digest_of(&given) == **digest),
        Access::Loopback => names_this_machine(&request),
    };
    if allowed {
        return next.run(request).await;
    }
    match access {
        Access::Token(_) => {
            let wanted = [(header::WWW_AUTHENTICATE, "Basic realm=\"relaylens\", charset=\"UTF-8\"")];
            let text =
                "give the token of `http.token_file`: as `Authorization: Bearer TOKEN`, or as the password\n";
            (StatusCode::UNAUTHORIZED, wanted, text).into_response()
        }
        Access::Loopback => {
            let text = "this port answers to `localhost` and to addresses alone; for another name set `http.token_file`\n";
            (StatusCode::FORBIDDEN, text).into_response()
        }
    }
}

fn digest_of(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The token of a bearer, or the password of any user.
fn given_token(request: &Request) -> Option<Vec<u8>> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
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
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    async fn status(access: Access, uri: &str, headers: &[(&str, &str)]) -> StatusCode {
        let layer = axum::middleware::from_fn_with_state(access, check);
        let routes =
            Router::new().route("/", get(|| async { "page" })).route("/healthz", get(|| async { "ok" }));
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        routes.layer(layer).oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn the_token_opens_as_bearer_and_as_password() {
        let access = || Access::token("sesame");
        let basic = format!("Basic {}", BASE64.encode("anyone:sesame"));
        assert_eq!(status(access(), "/", &[("authorization", "Bearer sesame")]).await, StatusCode::OK);
        assert_eq!(status(access(), "/", &[("authorization", &basic)]).await, StatusCode::OK);
        assert_eq!(
            status(access(), "/", &[("authorization", "Bearer wrong")]).await,
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(status(access(), "/", &[]).await, StatusCode::UNAUTHORIZED);
        assert_eq!(status(access(), "/healthz", &[]).await, StatusCode::OK);
    }

    #[tokio::test]
    async fn on_loopback_a_foreign_host_name_is_refused() {
        let host = |host| async move { status(Access::Loopback, "/", &[("host", host)]).await };
        assert_eq!(host("localhost:8080").await, StatusCode::OK);
        assert_eq!(host("127.0.0.1:8080").await, StatusCode::OK);
        assert_eq!(host("[::1]:8080").await, StatusCode::OK);
        assert_eq!(host("rebound.example:8080").await, StatusCode::FORBIDDEN);
    }
}
