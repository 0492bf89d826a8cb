//! One try: a signed POST, and whether it was taken.

use crate::call::{Line, USER_AGENT};
use crate::model::Timestamp;
use crate::suppression::hooks::HookSettings;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper::{Request, header};
use sha2::Sha256;
use std::time::Duration;

/// How long a receiver may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// What sends the posts, trusting as `tls` says.
pub fn line(tls: rustls::ClientConfig) -> Line {
    Line::new(tls, ANSWER_WAIT)
}

/// Sends once.
///
/// # Errors
///
/// Why it was not taken, in words: anything but a 2xx is "not taken". A redirection is not followed: the receiver's
/// address stands in the settings.
pub(super) async fn send(
    line: &Line,
    settings: &HookSettings,
    id: uuid::Uuid,
    body: Bytes,
    now: Timestamp,
) -> Result<(), String> {
    let stamp = now.seconds().to_string();
    let request = Request::post(settings.url.clone())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, USER_AGENT)
        .header("webhook-id", id.to_string())
        .header("webhook-timestamp", &stamp)
        .header("webhook-signature", signature(&settings.secret, &id.to_string(), &stamp, &body))
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    let answer = line.call(request).await.map_err(|error| error.to_string())?;
    if answer.status.is_success() { Ok(()) } else { Err(format!("it answered {}", answer.status)) }
}

fn signature(secret: &[u8], id: &str, stamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a MAC key may have any length");
    for part in [id.as_bytes(), b".", stamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
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
