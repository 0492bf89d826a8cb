//! The database: the embedded engine, a server, or a cluster.

use crate::config::Config;
use crate::store::Store;
use crate::store::embedded::{self, Engine, EngineSettings};
use anyhow::Context;
use clickhouse::Client;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Pause before a server is asked again that did not answer.
const CONNECT_AGAIN: Duration = Duration::from_secs(5);

/// An open database. [`Database::close`] it when nothing asks it any more.
pub struct Database {
    pub store: Store,
    /// `None` for a server.
    pub engine: Option<Arc<Engine>>,
}

impl Database {
    /// Opens it and brings its tables up to date.
    ///
    /// # Errors
    ///
    /// When the engine cannot be loaded, the server not be reached, or a migration fails: each says what to do.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let database = Self::connect(config).await?;
        prepare(&database.store, config).await?;
        Ok(database)
    }

    /// Opens it, and has its tables brought up to date as soon as it answers: the returned signal turns true then.
    ///
    /// A server that is down must not keep the doors shut: the spool takes in what comes meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Database::open`], but for a server that does not answer.
    pub(super) async fn open_when_it_answers(
        config: &Config,
    ) -> anyhow::Result<(Self, watch::Receiver<bool>)> {
        let database = Self::connect(config).await?;
        let (ready, is_ready) = watch::channel(false);
        match prepare(&database.store, config).await {
            Ok(()) => drop(ready.send_replace(true)),
            Err(error) if !is_network_fault(&error) => return Err(error),
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the database does not answer; the spool takes in what comes"
                );
                let (store, config) = (database.store.clone(), config.clone());
                tokio::spawn(async move {
                    while let Err(error) = prepare(&store, &config).await {
                        tracing::debug!(error = format!("{error:#}"), "the database does not answer yet");
                        tokio::time::sleep(CONNECT_AGAIN).await;
                    }
                    tracing::info!("the database answers");
                    ready.send_replace(true);
                });
            }
        }
        Ok((database, is_ready))
    }

    async fn connect(config: &Config) -> anyhow::Result<Self> {
        if let Some(url) = &config.clickhouse.url {
            return Ok(Self { store: server(config, url)?, engine: None });
        }
        let settings = engine_settings(config);
        let engine = Arc::new(tokio::task::spawn_blocking(move || Engine::open(&settings)).await??);
        Ok(Self { store: Store::single(embedded::client(&engine)), engine: Some(engine) })
    }

    /// Ends the engine: running statements are stopped, inserts finished.
    pub async fn close(self) {
        let Self { store, engine } = self;
        if let Some(engine) = engine {
            let closing = Arc::clone(&engine);
            let closed = tokio::task::spawn_blocking(move || closing.close()).await;
            if closed.is_err() {
                tracing::error!("the embedded engine did not close in order");
            }
            drop(store);
            drop(engine);
        }
    }
}

async fn prepare(store: &Store, config: &Config) -> anyhow::Result<()> {
    let url = config.clickhouse.url.as_deref().unwrap_or("the embedded engine");
    let migrated = store.migrate().await.with_context(|| format!("`clickhouse.url` {url} cannot be used"))?;
    for name in &migrated.applied {
        tracing::info!(migration = name, "database migrated");
    }
    store.set_retention(&config.retention).await.context("the retention could not be set")
}

/// Whether the server could not be reached, or not yet be asked: nothing that a person must mend here.
fn is_network_fault(error: &anyhow::Error) -> bool {
    let fault = |cause: &(dyn std::error::Error + 'static)| {
        matches!(
            cause.downcast_ref(),
            Some(clickhouse::error::Error::Network(_) | clickhouse::error::Error::TimedOut)
        )
    };
    error.chain().any(fault)
}

fn engine_settings(config: &Config) -> EngineSettings {
    EngineSettings {
        library: config.embedded.library.clone(),
        memory_bytes_max: config.embedded.memory_bytes_max,
        ..EngineSettings::new(config.data_dir.join("clickhouse"))
    }
}

fn server(config: &Config, url: &str) -> anyhow::Result<Store> {
    let settings = &config.clickhouse;
    let password = settings.password_file.as_deref().map(read_secret).transpose()?;
    let client_of = |url: &str| {
        let mut client = Client::default().with_url(url);
        if let Some(database) = &settings.database {
            client = client.with_database(database);
        }
        if let Some(user) = &settings.user {
            client = client.with_user(user);
        }
        if let Some(password) = &password {
            client = client.with_password(password);
        }
        client
    };
    Ok(match &settings.cluster {
        None => Store::single(client_of(url)),
        Some(name) => {
            let nodes = settings.nodes.iter().map(|url| client_of(url)).collect();
            Store::cluster(client_of(url), nodes, name.clone())
        }
    })
}

/// Reads a secret from its file, without the line end.
pub(crate) fn read_secret(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("secret file {} cannot be read", file.display()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!secret.is_empty(), "secret file {} is empty", file.display());
    Ok(secret.to_owned())
}

/// The token that the port asks for, where it does.
pub(crate) fn read_token(config: &Config) -> anyhow::Result<Option<String>> {
    config.http.token_file.as_deref().map(read_secret).transpose()
}
