//! Those who hand lists in and those who follow the list: imports, and webhooks that go out.

use crate::app::database::read_secret;
use crate::app::tls::client_tls;
use crate::config::{Config, FeedWebhook};
use crate::suppression::hooks::{Hook, HookSettings, line};
use crate::suppression::imports::Imports;
use crate::suppression::list::List;
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::Uri;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Least length of a signature's secret, in bytes (Standard Webhooks: 24 to 64).
const SECRET_BYTES_MIN: usize = 24;

/// Marks a secret that is written in base 64 (Standard Webhooks).
const SECRET_PREFIX: &str = "whsec_";

/// Imports and receivers of one process.
pub(super) struct Feed {
    pub(super) imports: Imports,
    pub(super) hooks: Vec<Hook>,
}

impl Feed {
    pub(super) fn open(config: &Config, list: &List) -> anyhow::Result<Self> {
        let imports = Imports::open(config.data_dir.join("imports"), list.clone())?;
        let settings = settings(&config.feed.webhooks)?;
        if settings.is_empty() {
            return Ok(Self { imports, hooks: Vec::new() });
        }
        let (line, dir) = (line(client_tls(None)?), config.data_dir.join("webhooks"));
        let open = |settings| Hook::open(settings, &dir, list.clone(), line.clone());
        let hooks = settings.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { imports, hooks })
    }

    /// Works through imports alone: a command tells no receiver, which the server does later.
    pub(super) fn start_imports(
        &self,
        stopped: &watch::Receiver<bool>,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) {
        let (imports, stop) = (self.imports.clone(), stopped.clone());
        tasks.spawn(async move {
            imports.run(stop).await;
            Ok(())
        });
    }

    pub(super) fn start(&self, stopped: &watch::Receiver<bool>, tasks: &mut JoinSet<anyhow::Result<()>>) {
        self.start_imports(stopped, tasks);
        for hook in &self.hooks {
            let (hook, stop) = (hook.clone(), stopped.clone());
            tasks.spawn(async move {
                hook.run(stop).await;
                Ok(())
            });
        }
    }
}

/// The receivers of the settings, with their secrets.
pub(super) fn settings(hooks: &[FeedWebhook]) -> anyhow::Result<Vec<HookSettings>> {
    let read = |hook: &FeedWebhook| {
        let url: Uri =
            hook.url.parse().context("`url` is no URL; write one such as `https://crm.example.com/hook`")?;
        anyhow::ensure!(
            matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some(),
            "`url` begins with `https://` or `http://`, and names a host"
        );
        let secret = secret_of(&read_secret(&hook.secret_file)?)?;
        let give_up_s = i64::from(hook.give_up_hours) * 3_600;
        anyhow::Ok(HookSettings { name: hook.name.as_str().into(), url, secret, give_up_s })
    };
    hooks.iter().map(|hook| read(hook).with_context(|| format!("`feed.webhooks` `{}`", hook.name))).collect()
}

fn secret_of(text: &str) -> anyhow::Result<Vec<u8>> {
    let secret = match text.strip_prefix(SECRET_PREFIX) {
        Some(text) => BASE64.decode(text).context("the secret after `whsec_` is no base 64")?,
        None => text.as_bytes().to_vec(),
    };
    anyhow::ensure!(
        secret.len() >= SECRET_BYTES_MIN,
        "the secret has {} bytes and needs {SECRET_BYTES_MIN}: make one with `openssl rand -base64 32`",
        secret.len()
    );
    Ok(secret)
}
