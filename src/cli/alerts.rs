//! `relaylens alerts`: tries out what alerts do.

use crate::app::{Handover, test_channel};
use crate::cli::remote::{Remote, well};
use crate::cli::{Common, say};
use axum::body::Body;
use axum::http::Method;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(super) enum Alerts {
    /// Send a channel of the settings an example message, as the button of the alerts page does
    TestChannel(TestChannel),
}

#[derive(Debug, Args)]
pub(super) struct TestChannel {
    #[command(flatten)]
    common: Common,
    /// Its name in `alerts.channels`
    name: String,
}

pub(super) async fn run(command: &Alerts) -> anyhow::Result<()> {
    let Alerts::TestChannel(TestChannel { common, name }) = command;
    let config = common.settings()?;
    match Handover::find(&config.data_dir) {
        // The running server has read the secrets: its answer counts.
        Some(server) => {
            let remote = Remote::to(&config, server)?;
            let asked = serde_json::json!({ "channel": name }).to_string();
            well(remote.send(Method::POST, "/api/v1/alerts/test-channel", Body::from(asked)).await?).await?;
        }
        None => test_channel(&config.alerts, name).await?,
    }
    say(&format!("channel `{name}` took the test message"));
    Ok(())
}
