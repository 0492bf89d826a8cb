//! One try: a signed POST, and whether it was taken.

use crate::model::Timestamp;
use crate::suppression::hooks::HookSettings;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper::{Request, header};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sha2::Sha256;
use std::time::Duration;

/// How long a receiver may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// Posts over HTTP or HTTPS.
pub type Poster = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A poster that trusts as `tls` says.
pub fn client(tls: rustls::ClientConfig) -> Poster {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(ANSWER_WAIT));
    Client::builder(TokioExecutor::new()).build(HttpsConnector::from((tcp, tls)))
}

/// Sends once.
///
/// # Errors
///
/// Why it was not taken, in words: anything but a 2xx is "not taken". A redirection is not followed: the receiver's
/// address stands in the settings.
pub(super) async fn send(
    poster: &Poster,
    settings: &HookSettings,
    id: uuid::Uuid,
    body: Bytes,
    now: Timestamp,
) -> Result<(), String> {
    let stamp = now.seconds().to_string();
    let request = Request::post(settings.url.clone())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("relaylens/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", id.to_string())
        .header("webhook-timestamp", &stamp)
        .header("webhook-signature", signature(&settings.secret, &id.to_string(), &stamp, &body))
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    match tokio::time::timeout(ANSWER_WAIT, poster.request(request)).await {
        Err(_) => Err(format!("no answer within {} s", ANSWER_WAIT.as_secs())),
        Ok(Err(error)) => Err(chain(&error)),
        Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
        Ok(Ok(answer)) => Err(format!("it answered {}", answer.status())),
    }
}

fn signature(secret: &[u8], id: &str, stamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a MAC key may have any length");
    for part in [id.as_bytes(), b".", stamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification, in its section "Symmetric signatures".
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let secret = BASE64.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed =
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
