//! Tells people: by mail, Slack, Teams, `PagerDuty`, Opsgenie and webhook.
//!
//! Way: `desk` stores a step with the channels to tell; `outbox` finds it there, and tells each until it was taken once.
//! `parcel` says which steps become one message, and when; `message` and `digest` have the words, `post` and `email` put
//! them into the channel's shape.

mod digest;
mod email;
mod http;
mod message;
mod outbox;
mod parcel;
mod post;

pub use digest::{Digest, Notice};
pub use http::Poster;
pub use message::{Message, band_words, contributor_words, labels_words, minute, written};
pub use outbox::Outbox;
pub use post::{SIGNATURE_HEADER, TIMESTAMP_HEADER, signature};

use crate::alert::notify::email::Mailer;
use crate::alert::notify::parcel::Pace;
use crate::config::{Alerts, Channel, SecretFrom, Way};
use crate::model::Timestamp;

/// Where the providers' interfaces are, unless the settings name another place.
const PAGERDUTY: &str = "https://events.pagerduty.com";
const OPSGENIE: &str = "https://api.opsgenie.com";

/// Why a message did not go out. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    #[error("it could not be reached: {0}")]
    Unreachable(String),
    #[error("it answered {status}: {said}")]
    Refused { status: u16, said: String },
    #[error("{0}")]
    Settings(String),
    #[error("there is no channel of this name")]
    NoChannel,
}

impl NotifyError {
    /// Whether the next message to the same channel would fail as well.
    const fn is_of_the_channel(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Refused { status: 429 | 500..=599, .. })
    }
}

/// A setting that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("channel `{channel}`: {fault}")]
pub struct ChannelError {
    channel: String,
    fault: String,
}

/// The channels of the settings, ready to send.
pub struct Channels {
    poster: Poster,
    external_url: Option<String>,
    pace: Pace,
    all: Vec<(String, Sender)>,
}

/// A channel with its secrets read. Has no `Debug`, so that no log shows them.
enum Sender {
    Email(Box<Mailer>),
    Slack { url: String },
    Teams { url: String },
    PagerDuty { key: String, endpoint: String },
    Opsgenie { key: String, endpoint: String },
    Webhook { url: String, key: Option<String> },
}

impl Channels {
    /// Reads the secrets.
    ///
    /// # Errors
    ///
    /// [`ChannelError`], with the channel and what to change.
    pub fn load(settings: &Alerts, poster: Poster) -> Result<Self, ChannelError> {
        let all = settings.channels.iter().map(|channel| {
            let sender =
                sender(channel).map_err(|fault| ChannelError { channel: channel.name.clone(), fault })?;
            Ok((channel.name.clone(), sender))
        });
        let external_url = settings.external_url.clone();
        let pace = Pace {
            wait_s: settings.group_wait_seconds.into(),
            interval_s: settings.group_interval_seconds.into(),
        };
        Ok(Self { poster, external_url, pace, all: all.collect::<Result<_, _>>()? })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.all.iter().map(|(name, _)| name.as_str())
    }

    pub fn external_url(&self) -> Option<&str> {
        self.external_url.as_deref()
    }

    const fn pace(&self) -> Pace {
        self.pace
    }

    /// Whether a channel keeps incidents of its own, which want an event each.
    fn keeps_incidents(&self, name: &str) -> bool {
        let sender = self.all.iter().find(|(known, _)| known == name);
        matches!(sender, Some((_, Sender::PagerDuty { .. } | Sender::Opsgenie { .. })))
    }

    /// Sends an example, at once and without the outbox.
    ///
    /// # Errors
    ///
    /// [`NotifyError`], with what the channel said.
    pub async fn test(&self, name: &str, now: Timestamp) -> Result<(), NotifyError> {
        self.send(name, &Notice::one(Message::test(now, self.external_url()))).await
    }

    /// Tells one channel.
    ///
    /// # Errors
    ///
    /// [`NotifyError`].
    pub async fn send(&self, name: &str, notice: &Notice) -> Result<(), NotifyError> {
        let (_, sender) = self.all.iter().find(|(known, _)| known == name).ok_or(NotifyError::NoChannel)?;
        let post = match sender {
            Sender::Email(mailer) => return mailer.send(notice).await,
            Sender::Slack { url } => post::slack(url, notice),
            Sender::Teams { url } => post::teams(url, notice),
            Sender::PagerDuty { key, endpoint } => post::pagerduty(endpoint, key, notice),
            Sender::Opsgenie { key, endpoint } => post::opsgenie(endpoint, key, notice),
            Sender::Webhook { url, key } => {
                post::webhook(url, name, key.as_deref(), notice, notice.at().seconds())
            }
        };
        self.poster.send(post).await
    }
}

fn sender(channel: &Channel) -> Result<Sender, String> {
    let endpoint = |given: &Option<String>, usual: &str| given.clone().unwrap_or_else(|| usual.to_owned());
    Ok(match &channel.way {
        Way::Email { from, to, smtp, user, password } => {
            let login = match (user, password) {
                (Some(user), Some(password)) => Some((user.clone(), secret(password)?)),
                (None, None) => None,
                _ => return Err("`user` and `password` need each other".to_owned()),
            };
            Sender::Email(Box::new(Mailer::new(from, to, smtp, login)?))
        }
        Way::Slack { url } => Sender::Slack { url: address(secret(url)?)? },
        Way::Teams { url } => Sender::Teams { url: address(secret(url)?)? },
        Way::PagerDuty { key, endpoint: given } => {
            Sender::PagerDuty { key: secret(key)?, endpoint: address(endpoint(given, PAGERDUTY))? }
        }
        Way::Opsgenie { key, endpoint: given } => {
            Sender::Opsgenie { key: secret(key)?, endpoint: address(endpoint(given, OPSGENIE))? }
        }
        Way::Webhook { url, key } => {
            Sender::Webhook { url: address(url.clone())?, key: key.as_ref().map(secret).transpose()? }
        }
    })
}

/// Plain HTTP is for servers of one's own.
fn address(url: String) -> Result<String, String> {
    let is_known = url.starts_with("https://") || url.starts_with("http://");
    let can_be_asked = url.parse::<hyper::Uri>().is_ok_and(|uri| uri.host().is_some());
    if is_known && can_be_asked {
        Ok(url)
    } else {
        Err("its URL must begin with https:// or http://".to_owned())
    }
}

fn secret(from: &SecretFrom) -> Result<String, String> {
    from.read().map_err(|fault| fault.to_string())
}
