//! Providers that sign nothing: Postmark, `SparkPost`, Brevo, Mailjet. They show a secret that the operator chose.
//!
//! Source: postmarkapp.com/developer/webhooks (basic authentication, headers of one's own), developers.sparkpost.com
//! (basic authentication, OAuth 2.0 bearer tokens), developers.brevo.com and dev.mailjet.com (basic authentication in
//! the URL, which clients send as a header).
//! Not here: replays. Nothing in such a request is bound to its time; their events are known by their ids.

use crate::ingest::webhook::refusal::Refusal;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

/// The secrets of one provider.
///
/// Digests are kept and compared, not secrets: how long a comparison takes tells nothing about the secret.
pub(super) struct SecretCheck {
    pub(super) provider: &'static str,
    /// Of `user:password`.
    logins: Vec<Digest>,
    tokens: Vec<Digest>,
    token_header: Option<HeaderName>,
}

type Digest = [u8; 32];

impl SecretCheck {
    /// `logins` are `user:password` each.
    pub(super) fn new(
        provider: &'static str,
        logins: &[String],
        tokens: &[String],
        token_header: Option<HeaderName>,
    ) -> Self {
        let digests = |secrets: &[String]| secrets.iter().map(|secret| digest(secret.as_bytes())).collect();
        Self { provider, logins: digests(logins), tokens: digests(tokens), token_header }
    }

    /// Looks for a secret of ours in the head of a request: the body need not be taken in before.
    pub(super) fn verify(&self, headers: &HeaderMap, url_token: Option<&str>) -> Result<(), Refusal> {
        let authorization = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let own_header = self.token_header.as_ref().and_then(|name| headers.get(name));
        if authorization.is_none() && own_header.is_none() && url_token.is_none() {
            return Err(Refusal::NoCredentials {
                what: "a user and password, or a token",
                remedy: "give the webhook those of the settings of this provider",
            });
        }
        let shown = [own_header.map(HeaderValue::as_bytes), url_token.map(str::as_bytes)];
        let token = authorization.and_then(|value| after_scheme(value, b"bearer "));
        let login = authorization.and_then(|value| after_scheme(value, b"basic "));
        let login = login.and_then(|login| BASE64.decode(login.trim_ascii()).ok());
        let known = |digests: &[Digest], shown: &[u8]| digests.contains(&digest(shown));
        let right = login.is_some_and(|login| known(&self.logins, &login))
            || shown.into_iter().chain([token]).flatten().any(|token| known(&self.tokens, token));
        if right { Ok(()) } else { Err(Refusal::WrongSecret(self.provider)) }
    }
}

fn after_scheme<'v>(value: &'v [u8], scheme: &[u8]) -> Option<&'v [u8]> {
    let (given, rest) = value.split_at_checked(scheme.len())?;
    given.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn digest(secret: &[u8]) -> Digest {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &str)], url_token: Option<&str>) -> Result<(), &'static str> {
        let own = Some(HeaderName::from_static("x-hook"));
        let check = SecretCheck::new("brevo", &["hook:s3cret".to_owned()], &["t0ken".to_owned()], own);
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        check.verify(&headers.collect(), url_token).map_err(|refusal| refusal.code())
    }

    #[test]
    fn each_way_to_show_the_secret_opens() {
        assert_eq!(check(&[("authorization", "Basic aG9vazpzM2NyZXQ=")], None), Ok(()));
        assert_eq!(check(&[("authorization", "bearer t0ken")], None), Ok(()));
        assert_eq!(check(&[("x-hook", "t0ken")], None), Ok(()));
        assert_eq!(check(&[], Some("t0ken")), Ok(()));
    }

    #[test]
    fn nothing_else_does() {
        assert_eq!(check(&[], None), Err("no_credentials"));
        assert_eq!(check(&[("x-other", "t0ken")], None), Err("no_credentials"));
        for authorization in
            ["Basic aG9vazpzM2NyZXR4", "Basic !", "Basic", "Bearer hook:s3cret", "Bearer ", "t0ken", ""]
        {
            assert_eq!(check(&[("authorization", authorization)], None), Err("wrong_secret"));
        }
        assert_eq!(check(&[], Some("")), Err("wrong_secret"));
        assert_eq!(check(&[("x-hook", "hook:s3cret")], None), Err("wrong_secret"));
    }
}
