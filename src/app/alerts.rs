//! The alerts of a server: rules, channels, and the two tasks that evaluate and tell.

use crate::alert::notify::{Channels, Outbox, Poster};
use crate::alert::{Alerts, Rules, StoreFigures};
use crate::app::status::now;
use crate::app::tls::client_tls;
use crate::config;
use crate::model::subject_name;
use crate::store::Store;
use crate::web::StatusSource;
use anyhow::Context;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The shipped rules, with the user's over them.
fn rules(settings: &config::Alerts) -> anyhow::Result<Rules> {
    let rules = match &settings.rules_file {
        None => Rules::shipped(),
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("`alerts.rules_file` {} cannot be read", file.display()))?;
            Rules::with_overlay(&text).with_context(|| format!("`alerts.rules_file` {}", file.display()))?
        }
    };
    let channels: Vec<&str> = settings.channels.iter().map(|channel| channel.name.as_str()).collect();
    rules.check_channels(&channels)?;
    Ok(rules)
}

fn channels(settings: &config::Alerts) -> anyhow::Result<Channels> {
    Channels::load(settings, Poster::new(client_tls(None)?)).context("`alerts.channels`")
}

/// Reads rules and secrets, as [`open`] will.
pub(super) fn check(settings: &config::Alerts) -> anyhow::Result<()> {
    rules(settings)?;
    channels(settings)?;
    Ok(())
}

/// Sends a channel of the settings an example, from this process.
///
/// # Errors
///
/// When the settings cannot be used, or with what the channel said.
pub(crate) async fn test_channel(settings: &config::Alerts, name: &str) -> anyhow::Result<()> {
    let sent = channels(settings)?.test(name, now()).await;
    sent.with_context(|| format!("channel `{name}`"))
}

/// Alerts of the shipped rules that nobody evaluates and nobody is told of: for pages beside no server.
pub(crate) fn without_channels(store: Store) -> anyhow::Result<Arc<Alerts>> {
    let channels = Arc::new(channels(&config::Alerts::default())?);
    let figures = StoreFigures::new(store.clone(), || 0.0);
    Ok(Arc::new(Alerts::new(store, figures, Rules::shipped(), channels, 0)))
}

/// Opens the alerts and starts their tasks, where the settings want them to be evaluated.
pub(super) fn open(
    config: &config::Config,
    store: Store,
    status: &StatusSource,
    stopped: &watch::Receiver<bool>,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<Arc<Alerts>> {
    let (settings, status) = (&config.alerts, status.clone());
    let planned = config.reputation.warmups.iter().map(|plan| subject_name(&plan.subject));
    let figures = StoreFigures::new(store.clone(), move || status.read().pipeline_lag_s).planned(planned);
    let channels = Arc::new(channels(settings)?);
    let alerts =
        Alerts::new(store.clone(), figures, rules(settings)?, Arc::clone(&channels), settings.settle_seconds);
    let alerts = Arc::new(alerts);
    if settings.enabled {
        let pause = Duration::from_secs(settings.evaluate_seconds.into());
        let (evaluating, ends) = (Arc::clone(&alerts), stopped.clone());
        tasks.spawn(async move {
            evaluating.run(pause, now, ends).await;
            Ok(())
        });
        let outbox = Outbox::new(store, channels, alerts.wake());
        let ends = stopped.clone();
        tasks.spawn(async move {
            outbox.run(now, ends).await;
            Ok(())
        });
    }
    Ok(alerts)
}
