//! `relaylens serve`.

use crate::app;
use crate::cli::{Common, Listen, say};
use anyhow::Context;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

const AFTER_HELP: &str = "\
Point a relay at it:
  Postfix    [[sources.postfix]] name = \"mx1\", path = \"/var/log/mail.log\" in relaylens.toml
  KumoMTA    [[sources.kumomta]] name = \"kumo1\", dir = \"/var/log/kumomta\", or the log hook in integrations/kumomta
  any other  POST events as NDJSON to /v1/events

Stop it with Ctrl-C or SIGTERM: what it has accepted is on disk, and the next start goes on from there.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    listen: Listen,
    /// Open the embedded engine for reading to curl or Grafana, such as 127.0.0.1:8123; needs --embedded-token-file.
    /// Whoever holds the token can read every file that relaylens can
    #[arg(long, value_name = "ADDRESS")]
    embedded_listen: Option<SocketAddr>,
    /// File with the token for --embedded-listen
    #[arg(long, value_name = "FILE")]
    embedded_token_file: Option<PathBuf>,
}

pub(super) async fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let config = args.common.settings_with(|config| {
        config.http.listen = args.listen.listen.unwrap_or(config.http.listen);
        config.embedded.listen = args.embedded_listen.or(config.embedded.listen);
        config.embedded.token_file = args.embedded_token_file.clone().or(config.embedded.token_file.take());
    })?;
    let served = app::serve(&config, None).await?;
    say(&format!("relaylens {} is ready: {}/", env!("CARGO_PKG_VERSION"), served.url));
    served.run_until(stop_signal()?).await
}

/// Comes with the first SIGINT or SIGTERM.
pub(super) fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be caught")?;
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be caught")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
    })
}
