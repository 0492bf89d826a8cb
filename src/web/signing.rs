//! `POST /v1/return-path`: signed return paths and references, for relays and applications that ask for each message.
//!
//! One object, or an array of up to [`ITEMS_MAX`]; the answer has the same shape. All are signed or none.
//!
//! | asked | |
//! | --- | --- |
//! | `recipient` | whom the return path is for; without one it stands for all recipients of the message |
//! | `id` | the sender's own id of the message; made up if not given |
//! | `domain` | in place of `return_path.domain`, for senders with bounce domains of their own |
//!
//! Whoever may sign can make bounces that are believed, so it needs the scope `write`, as handing in events does.
//! Way: `app` merges [`signing_routes`] behind its access check. Not here: what a mark is (`model::return_path`), the
//! same on the command line (`relaylens verp`), the check when it comes back (`pipeline::feedback`).

use crate::model::{Keyring, Mark, Text, Timestamp, normalize_address};
use crate::web::error::{ApiError, PageError};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// Most items of one request: a campaign's next minutes, signed in some 50 ms.
const ITEMS_MAX: usize = 10_000;

/// Largest body, in bytes: as many items with addresses at their limits.
const BODY_BYTES_MAX: usize = 8 << 20;

/// Longest domain, RFC 1035 section 2.3.4.
const DOMAIN_BYTES_MAX: usize = 253;

/// By what return paths are signed.
#[derive(Debug, Clone)]
pub struct Signer {
    /// Without keys every request is refused.
    pub keys: Option<Keyring>,
    /// The domain of return paths that name none.
    pub domain: Option<Text>,
    pub clock: fn() -> Timestamp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    id: Option<String>,
    #[serde(default)]
    recipient: String,
    domain: Option<String>,
}

#[derive(Serialize)]
struct Signed {
    id: Text,
    recipient: Text,
    /// None without a domain: then the reference alone can be used.
    return_path: Option<Text>,
    /// The value for `X-Relaylens-Ref` and `CFBL-Feedback-ID`.
    reference: Text,
}

/// The route; `app` lets in who may write.
pub fn signing_routes(signer: Signer) -> Router {
    Router::new()
        .route("/v1/return-path", post(sign))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(signer))
}

async fn sign(State(signer): State<Arc<Signer>>, body: Bytes) -> Result<Response, ApiError> {
    let is_array = body.trim_ascii_start().starts_with(b"[");
    if !is_array {
        return Ok(Json(signer.sign(&read(&body)?)?).into_response());
    }
    let asked: Vec<Asked> = read(&body)?;
    if asked.len() > ITEMS_MAX {
        let told = format!("{} items are too many; send at most {ITEMS_MAX} at once.", asked.len());
        return Err(PageError::Bad(told).into());
    }
    let mut answers = Vec::with_capacity(asked.len());
    for (number, item) in (1..).zip(&asked) {
        let told = |error| PageError::Bad(format!("Item {number}: {error}"));
        answers.push(signer.sign(item).map_err(told)?);
    }
    Ok(Json(answers).into_response())
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, PageError> {
    serde_json::from_slice(body)
        .map_err(|error| PageError::Bad(format!("The body is not what is wanted: {error}.")))
}

impl Signer {
    fn sign(&self, asked: &Asked) -> Result<Signed, PageError> {
        let Some(keys) = &self.keys else {
            return Err(PageError::Refused("`return_path.keys_file` is not set".to_owned()));
        };
        let recipient = normalize_address(&asked.recipient);
        if !recipient.is_empty() && !recipient.contains('@') {
            return Err(PageError::Bad("`recipient` is no address: write `name@domain`.".to_owned()));
        }
        let domain = match &asked.domain {
            Some(domain) if !is_domain(domain) => {
                return Err(PageError::Bad(
                    "`domain` is none: write one such as `bounce.example.com`.".to_owned(),
                ));
            }
            Some(domain) => Some(Text::from(domain).to_lowercase()),
            None => self.domain.clone(),
        };
        let id = asked.id.clone().unwrap_or_else(|| Uuid::new_v4().simple().to_string());
        let mark = Mark::sign(keys, &id, &recipient, (self.clock)())
            .map_err(|error| PageError::Bad(format!("`id`: {error}.")))?;
        let return_path = domain.map(|domain| mark.return_path(&domain));
        Ok(Signed { reference: mark.reference(), return_path, recipient, id: mark.id })
    }
}

/// Letters, digits, hyphens and dots: what goes into an address unquoted.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= DOMAIN_BYTES_MAX && text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MarkCheck;
    use axum::http::{Request, StatusCode};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

    fn signer() -> Signer {
        let keys = Keyring::parse("a 0123456789abcdef0123456789abcdef").ok();
        Signer { keys, domain: Some("bounce.example".into()), clock: || NOW }
    }

    async fn ask(signer: Signer, body: &str) -> (StatusCode, serde_json::Value) {
        let request = Request::post("/v1/return-path").body(axum::body::Body::from(body.to_owned()));
        let answer = signing_routes(signer).oneshot(request.unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn one_and_many_are_signed_for_their_recipients() {
        let keys = signer().keys.unwrap();
        let (status, one) = ask(signer(), r#"{"id":"m1","recipient":"Ann@Example.net"}"#).await;
        assert_eq!((status, &one["recipient"]), (StatusCode::OK, &"ann@example.net".into()), "{one}");
        let mark = Mark::of_return_path(one["return_path"].as_str().unwrap()).unwrap();
        assert_eq!(mark.check(&keys, "ann@example.net", NOW, 30), MarkCheck::Recipient);
        assert_eq!(Mark::of_reference(one["reference"].as_str().unwrap()), Some(mark));

        let (_, many) = ask(signer(), r#" [{"recipient":"a@x.example"},{"domain":"B.Other.example"}]"#).await;
        let path = many[1]["return_path"].as_str().unwrap();
        assert!(path.ends_with("@b.other.example"), "{many}");
        let check = Mark::of_return_path(path).unwrap().check(&keys, "any@x.example", NOW, 30);
        assert_eq!(check, MarkCheck::Message);
        assert_ne!(many[0]["id"], many[1]["id"], "an id is made up for each");
    }

    #[tokio::test]
    async fn what_cannot_be_signed_is_told_with_its_place() {
        for (body, wanted) in [
            (r#"{"id":"UPPER"}"#, "`id`"),
            (r#"{"recipient":"nobody"}"#, "`recipient`"),
            (r#"{"domain":"a b"}"#, "`domain`"),
            (r#"{"domain":"-"}"#, "`domain`"),
            (r#"{"to":"a@x.example"}"#, "`to`"),
            (r#"[{},{"id":"-"}]"#, "Item 2"),
        ] {
            let (status, told) = ask(signer(), body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
            assert!(told["error"]["message"].as_str().unwrap().contains(wanted), "{body}: {told}");
        }
        let many = format!("[{}]", vec!["{}"; ITEMS_MAX + 1].join(","));
        assert_eq!(ask(signer(), &many).await.0, StatusCode::BAD_REQUEST);
        let (status, told) = ask(Signer { keys: None, ..signer() }, "{}").await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{told}");
    }

    #[tokio::test]
    async fn without_a_domain_there_is_a_reference_alone() {
        let (_, one) = ask(Signer { domain: None, ..signer() }, "{}").await;
        assert!(one["return_path"].is_null() && one["reference"].is_string(), "{one}");
    }
}
