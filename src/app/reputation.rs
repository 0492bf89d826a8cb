//! What blocklists and the DNS are asked with, by the settings; the watcher beside the server.

use crate::app::database::read_secret;
use crate::app::resolver::{forgetful_resolver, validating_resolver};
use crate::app::status::now;
use crate::app::tls::client_tls;
use crate::config::{Blocklists, Config};
use crate::reputation::Dns;
use crate::reputation::blocklist::{BlockList, Registry};
use crate::reputation::posture::PolicyFetch;
use crate::reputation::warmup::WarmupPlan;
use crate::reputation::watch::{Parts, Watcher};
use crate::store::Store;
use anyhow::Context;
use std::collections::BTreeMap;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Where an MTA-STS policy stands (RFC 8461 section 3.3).
const HTTPS_PORT: u16 = 443;

/// What asks.
pub(crate) struct Reputable {
    pub(crate) dns: Dns,
    pub(crate) policies: PolicyFetch,
    pub(crate) lists: Vec<BlockList>,
}

/// Makes it ready by the settings.
///
/// # Errors
///
/// When there is no name server to ask, or a file of the settings cannot be read.
pub(crate) fn reputable(config: &Config) -> anyhow::Result<Reputable> {
    let server = config.reputation.resolver;
    let unknown = "the system's name servers are not known; name one in `reputation.resolver`";
    let dns = Dns::new(forgetful_resolver(server).context(unknown)?);
    let dns = dns.validated_by(validating_resolver(server).context(unknown)?);
    let policies = PolicyFetch::new(&dns, client_tls(None)?, HTTPS_PORT);
    Ok(Reputable { dns, policies, lists: chosen_lists(&config.reputation.blocklists)? })
}

/// The lists that the settings choose, with their keys.
pub(super) fn chosen_lists(settings: &Blocklists) -> anyhow::Result<Vec<BlockList>> {
    let registry = match &settings.registry_file {
        None => Registry::shipped(),
        Some(file) => {
            let about = || format!("`reputation.blocklists.registry_file` {}", file.display());
            let text = std::fs::read_to_string(file).with_context(about)?;
            Registry::with_overlay(&text).with_context(about)?
        }
    };
    let mut keys = BTreeMap::new();
    for (name, file) in &settings.key_files {
        let key =
            read_secret(file).with_context(|| format!("`reputation.blocklists.key_files`, `{name}`"))?;
        // It becomes a label of a name.
        let is_label =
            key.len() <= 63 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        anyhow::ensure!(
            is_label,
            "`reputation.blocklists.key_files`: the key in {} has other signs than letters, digits and hyphens",
            file.display()
        );
        keys.insert(name.clone(), key);
    }
    Ok(registry.chosen(settings, &keys)?)
}

/// The warm-up plans of the settings.
pub(super) fn warmups(config: &Config) -> anyhow::Result<Vec<WarmupPlan>> {
    let plan = |settings| WarmupPlan::new(settings).context("`reputation.warmups`");
    config.reputation.warmups.iter().map(plan).collect()
}

/// Starts the watcher, where the settings want it.
///
/// # Errors
///
/// When a file of the settings cannot be read.
pub(super) fn start(
    config: &Config,
    store: Store,
    stopped: watch::Receiver<bool>,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let settings = &config.reputation;
    // Read in any case: a fault in the settings must not wait for the day they are used.
    chosen_lists(&settings.blocklists)?;
    if !settings.blocklists.enabled && settings.dns_hours == 0 {
        return Ok(());
    }
    let Reputable { dns, policies, lists } = match reputable(config) {
        Ok(parts) => parts,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "blocklists and DNS are not looked at");
            return Ok(());
        }
    };
    let watcher = Watcher::new(Parts { store, dns, policies, lists, settings: settings.clone() });
    tasks.spawn(async move {
        watcher.run(now, stopped).await;
        Ok(())
    });
    Ok(())
}
