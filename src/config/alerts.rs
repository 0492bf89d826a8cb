//! Settings of the alerts: how often, and to whom.
//!
//! ```toml
//! [alerts]
//! external_url = "https://relaylens.example.com"
//!
//! [[alerts.channels]]
//! name = "on-call"
//! kind = "pagerduty"
//! key = { file = "/etc/relaylens/pagerduty.key" }
//!
//! [[alerts.channels]]
//! name = "team"
//! kind = "email"
//! from = "relaylens@example.com"
//! to = ["deliverability@example.com"]
//! smtp = "smtp://127.0.0.1:25"
//! ```
//!
//! What is watched stands in rules of its own, see `alerts.rules_file`.

use crate::config::SecretFrom;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Rules, their evaluation, and the channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Whether rules are evaluated. Default true.
    pub enabled: bool,
    /// TOML file of your own rules; one with the name of a shipped rule replaces it. Default none.
    pub rules_file: Option<PathBuf>,
    /// Seconds between evaluations. Default 60, 10 to 3600: a deferral spike is told within minutes.
    pub evaluate_seconds: u32,
    /// Seconds by which windows end before now, so that events on their way are counted. Default 60, at most 3600.
    pub settle_seconds: u32,
    /// Seconds that the first incident of a rule waits for others, so that they become one message. Default 30, at most
    /// 600; Alertmanager's `group_wait`.
    pub group_wait_seconds: u32,
    /// Seconds between two messages to a channel about incidents of one rule; what comes meanwhile becomes one. Default
    /// 300, at most 3600; Alertmanager's `group_interval`.
    pub group_interval_seconds: u32,
    /// Where people reach these pages, for links in messages. Default none: messages have no links.
    pub external_url: Option<String>,
    /// Who is told. A rule names its channels, or takes all.
    pub channels: Vec<Channel>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            enabled: true,
            rules_file: None,
            evaluate_seconds: 60,
            settle_seconds: 60,
            group_wait_seconds: 30,
            group_interval_seconds: 300,
            external_url: None,
            channels: Vec::new(),
        }
    }
}

/// One way to tell somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Your name for it; unique. Rules route by it.
    pub name: String,
    #[serde(flatten)]
    pub way: Way,
}

/// How a channel tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Way {
    Email {
        from: String,
        /// At most 10, as many as a team has; more belong on a mailing list.
        to: Vec<String>,
        /// `smtp://host:port` (plain, for a relay on this machine or network), `smtp://host?tls=required` (STARTTLS) or
        /// `smtps://host`.
        smtp: String,
        #[serde(default)]
        user: Option<String>,
        #[serde(default)]
        password: Option<SecretFrom>,
    },
    /// An incoming webhook; its URL is the secret.
    Slack { url: SecretFrom },
    /// A workflow webhook that takes an adaptive card; its URL is the secret.
    Teams { url: SecretFrom },
    /// Events API v2.
    PagerDuty {
        /// The integration's routing key.
        key: SecretFrom,
        /// Default `https://events.pagerduty.com`.
        #[serde(default)]
        endpoint: Option<String>,
    },
    Opsgenie {
        /// The API key of the integration.
        key: SecretFrom,
        /// Default `https://api.opsgenie.com`; in Europe `https://api.eu.opsgenie.com`.
        #[serde(default)]
        endpoint: Option<String>,
    },
    /// A POST in the shape of Prometheus Alertmanager's webhook, version 4.
    Webhook {
        url: String,
        /// Signs each body, see the header `X-Relaylens-Signature`. Default none.
        #[serde(default)]
        key: Option<SecretFrom>,
    },
}

impl Way {
    /// The word in the settings and on the pages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Email { .. } => "email",
            Self::Slack { .. } => "slack",
            Self::Teams { .. } => "teams",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Opsgenie { .. } => "opsgenie",
            Self::Webhook { .. } => "webhook",
        }
    }
}

/// Most channels. Each has its own queue and pace.
const CHANNELS_MAX: usize = 50;

/// Most addresses of a mail channel.
const ADDRESSES_MAX: usize = 10;

impl Alerts {
    /// Says what the types cannot: the setting and what to change.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if !(10..=3600).contains(&self.evaluate_seconds) {
            return Err(("alerts.evaluate_seconds", "10 to 3600".to_owned()));
        }
        if self.settle_seconds > 3600 {
            return Err(("alerts.settle_seconds", "at most 3600".to_owned()));
        }
        if self.group_wait_seconds > 600 {
            return Err(("alerts.group_wait_seconds", "at most 600".to_owned()));
        }
        if self.group_interval_seconds > 3600 {
            return Err(("alerts.group_interval_seconds", "at most 3600".to_owned()));
        }
        if self.channels.len() > CHANNELS_MAX {
            return Err(("alerts.channels", format!("at most {CHANNELS_MAX}")));
        }
        for (index, channel) in self.channels.iter().enumerate() {
            let is_taken = self.channels[..index].iter().any(|other| other.name == channel.name);
            if channel.name.is_empty() || is_taken {
                let message = format!("channel `{}` needs a name that no other has", channel.name);
                return Err(("alerts.channels", message));
            }
            if let Way::Email { to, .. } = &channel.way
                && !(1..=ADDRESSES_MAX).contains(&to.len())
            {
                let message =
                    format!("channel `{}`: `to` takes 1 to {ADDRESSES_MAX} addresses", channel.name);
                return Err(("alerts.channels", message));
            }
        }
        Ok(())
    }
}
