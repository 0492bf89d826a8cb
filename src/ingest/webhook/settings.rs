//! The settings of the doors at work: secrets read, keys made ready.
//!
//! Way: `app` loads them at the start, so that a missing file or a broken key is told before the port opens.

use crate::config::{SecretError, SecretFrom, SecretWebhook, SignedWebhook, SnsWebhook, Webhooks};
use crate::ingest::webhook::certificate::{Certificates, Fetch, FolderFetch};
use crate::ingest::webhook::check::{Check, SnsCheck};
use crate::ingest::webhook::secret::SecretCheck;
use crate::ingest::webhook::signed::{KeyError, Keys, PublicKey, plain_key, svix_key};
use crate::parse::webhook::Provider;
use axum::http::HeaderName;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tolerances where the settings have none, in seconds; `config::Webhooks` gives the reasons.
const SNS_TOLERANCE: u32 = 21_600;
const SENDGRID_TOLERANCE: u32 = 86_400;
const MAILGUN_TOLERANCE: u32 = 28_800;
const RESEND_TOLERANCE: u32 = 300;
const POSTAL_TOLERANCE: u32 = 3600;
const STALWART_TOLERANCE: u32 = 3600;

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("`webhooks.{provider}.{key}` is empty: {remedy}")]
    Nothing { provider: &'static str, key: &'static str, remedy: &'static str },
    #[error("`webhooks.{provider}`: {fault}")]
    Secret { provider: &'static str, fault: SecretError },
    #[error("`webhooks.{provider}.keys`: key {number} cannot be used: {why}")]
    Key { provider: &'static str, number: usize, why: String },
    #[error("`webhooks.{provider}`: `user` and `passwords` need each other")]
    HalfLogin { provider: &'static str },
    #[error("`webhooks.{provider}.token_header` is `{name}`, which is no name of a header")]
    TokenHeader { provider: &'static str, name: String },
    #[error(
        "`webhooks.ses.topics` has `{topic}`; allowed: ARNs such as arn:aws:sns:us-east-1:123456789012:ses-events"
    )]
    Topic { topic: String },
}

/// The providers that may post, each with its check.
pub struct Settings {
    checks: BTreeMap<Provider, Check>,
}

impl Settings {
    /// Reads the secrets. `https` gets the certificates of SNS, unless a folder with them is set.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] says which setting is wrong and why.
    pub fn load(config: &Webhooks, https: &Arc<dyn Fetch>) -> Result<Self, SettingsError> {
        let mut checks = BTreeMap::new();
        if let Some(ses) = &config.ses {
            checks.insert(Provider::Ses, sns(ses, https)?);
        }
        let signed = [
            (Provider::Sendgrid, &config.sendgrid),
            (Provider::Mailgun, &config.mailgun),
            (Provider::Resend, &config.resend),
            (Provider::Postal, &config.postal),
            (Provider::Stalwart, &config.stalwart),
        ];
        for (provider, settings) in signed {
            if let Some(settings) = settings {
                checks.insert(provider, signed_check(provider, settings)?);
            }
        }
        let secret = [
            (Provider::Postmark, &config.postmark),
            (Provider::Sparkpost, &config.sparkpost),
            (Provider::Brevo, &config.brevo),
            (Provider::Mailjet, &config.mailjet),
        ];
        for (provider, settings) in secret {
            if let Some(settings) = settings {
                checks.insert(provider, Check::Secret(secret_check(provider.name(), settings)?));
            }
        }
        Ok(Self { checks })
    }

    pub(super) fn check(&self, provider: Provider) -> Option<&Check> {
        self.checks.get(&provider)
    }
}

fn sns(settings: &SnsWebhook, https: &Arc<dyn Fetch>) -> Result<Check, SettingsError> {
    if settings.topics.is_empty() {
        let remedy = "name the topics that may post; anyone can have one";
        return Err(SettingsError::Nothing { provider: "ses", key: "topics", remedy });
    }
    if let Some(topic) = settings.topics.iter().find(|topic| !is_topic(topic)) {
        return Err(SettingsError::Topic { topic: topic.clone() });
    }
    let fetch = match &settings.certificates_dir {
        Some(folder) => Arc::new(FolderFetch(folder.clone())),
        None => Arc::clone(https),
    };
    Ok(Check::Sns(SnsCheck {
        topics: settings.topics.clone(),
        certificates: Certificates::new(fetch),
        tolerance_seconds: settings.tolerance_seconds.unwrap_or(SNS_TOLERANCE),
    }))
}

/// `arn:PARTITION:sns:REGION:ACCOUNT:NAME`.
fn is_topic(arn: &str) -> bool {
    let parts: Vec<_> = arn.split(':').collect();
    parts.len() == 6 && parts[0] == "arn" && parts[2] == "sns" && parts.iter().all(|part| !part.is_empty())
}

fn signed_check(provider: Provider, settings: &SignedWebhook) -> Result<Check, SettingsError> {
    let name = provider.name();
    let texts = secrets(name, &settings.keys)?;
    if texts.is_empty() {
        let remedy = "give the key with which the provider signs";
        return Err(SettingsError::Nothing { provider: name, key: "keys", remedy });
    }
    let plain = || texts.iter().map(|text| plain_key(text)).collect();
    let (keys, tolerance) = match provider {
        Provider::Mailgun => (Keys::Mailgun(plain()), MAILGUN_TOLERANCE),
        Provider::Stalwart => (Keys::Stalwart(plain()), STALWART_TOLERANCE),
        Provider::Resend => (Keys::Resend(each(name, &texts, svix_key)?), RESEND_TOLERANCE),
        Provider::Sendgrid => (Keys::Sendgrid(each(name, &texts, PublicKey::point)?), SENDGRID_TOLERANCE),
        _ => (Keys::Postal(each(name, &texts, PublicKey::rsa)?), POSTAL_TOLERANCE),
    };
    let tolerance_seconds = settings.tolerance_seconds.unwrap_or(tolerance);
    Ok(Check::Signed { provider: name, keys, tolerance_seconds })
}

/// Makes a key of each text; the fault names the one that is none.
fn each<K>(
    provider: &'static str,
    texts: &[String],
    read: fn(&str) -> Result<K, KeyError>,
) -> Result<Vec<K>, SettingsError> {
    let numbered = (1..).zip(texts);
    let keys = numbered.map(|(number, text)| {
        read(text).map_err(|why| SettingsError::Key { provider, number, why: why.to_string() })
    });
    keys.collect()
}

fn secret_check(provider: &'static str, settings: &SecretWebhook) -> Result<SecretCheck, SettingsError> {
    if settings.user.is_some() == settings.passwords.is_empty() {
        return Err(SettingsError::HalfLogin { provider });
    }
    if settings.passwords.is_empty() && settings.tokens.is_empty() {
        let remedy = "choose a token, or a user and a password, and give it to the provider";
        return Err(SettingsError::Nothing { provider, key: "tokens", remedy });
    }
    let user = settings.user.as_deref().unwrap_or_default();
    let passwords = secrets(provider, &settings.passwords)?;
    let logins: Vec<_> = passwords.into_iter().map(|password| format!("{user}:{password}")).collect();
    let tokens = secrets(provider, &settings.tokens)?;
    let header = settings.token_header.as_ref().map(|name| {
        let fault = |_| SettingsError::TokenHeader { provider, name: name.clone() };
        HeaderName::from_bytes(name.as_bytes()).map_err(fault)
    });
    Ok(SecretCheck::new(provider, &logins, &tokens, header.transpose()?))
}

fn secrets(provider: &'static str, from: &[SecretFrom]) -> Result<Vec<String>, SettingsError> {
    from.iter().map(|from| from.read().map_err(|fault| SettingsError::Secret { provider, fault })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn load(config: &str) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("empty", "\n"), ("text", "secret\n"), ("large", &"x".repeat(17_000))] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let config = config.replace("DIR", folder.path().to_str().unwrap());
        let config: Webhooks = toml::from_str(&config).map_err(|fault| fault.to_string())?;
        let none: Arc<dyn Fetch> = Arc::new(FolderFetch(PathBuf::new()));
        Settings::load(&config, &none).map(drop).map_err(|fault| fault.to_string())
    }

    #[test]
    fn what_is_wrong_is_told_by_its_setting() {
        assert_eq!(load("stalwart = { keys = [{ file = 'DIR/text' }] }"), Ok(()));
        assert_eq!(load("brevo = { tokens = [{ file = 'DIR/text' }] }"), Ok(()));
        for (config, told) in [
            ("mailgun = {}", "`webhooks.mailgun.keys` is empty"),
            ("mailgun = { keys = [{ file = 'DIR/none' }] }", "none cannot be read"),
            ("mailgun = { keys = [{ file = 'DIR/empty' }] }", "empty is empty, no text"),
            ("mailgun = { keys = [{ file = 'DIR/large' }] }", "longer than 16384 bytes"),
            (
                "mailgun = { keys = [{ env = 'RELAYLENS_NO_SUCH' }] }",
                "the variable RELAYLENS_NO_SUCH is not set",
            ),
            ("mailgun = { keys = ['secret'] }", "expected `file` or `env`"),
            (
                "resend = { keys = [{ file = 'DIR/text' }] }",
                "`webhooks.resend.keys`: key 1 cannot be used: it begins with no `whsec_`",
            ),
            ("postal = { keys = [{ file = 'DIR/text' }] }", "key 1 cannot be used: it is no public key"),
            ("postmark = { user = 'hook' }", "`user` and `passwords` need each other"),
            ("postmark = { passwords = [{ file = 'DIR/text' }] }", "`user` and `passwords` need each other"),
            ("brevo = {}", "`webhooks.brevo.tokens` is empty"),
            ("brevo = { tokens = [{ file = 'DIR/text' }], token_header = 'a b' }", "no name of a header"),
            ("ses = {}", "`webhooks.ses.topics` is empty"),
            ("ses = { topics = ['ses-events'] }", "`webhooks.ses.topics` has `ses-events`"),
            ("sparkpst = {}", "unknown field `sparkpst`"),
        ] {
            let fault = load(config).unwrap_err();
            assert!(fault.contains(told), "{config}: {fault}");
        }
    }

    #[test]
    fn a_key_of_the_wrong_kind_is_told_at_the_start() {
        let point = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\
                     axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==";
        assert!(PublicKey::point(point).is_ok());
        let fault = PublicKey::rsa(point).map(drop).unwrap_err().to_string();
        assert!(fault.contains("rsaEncryption"), "{fault}");
    }
}
