//! The database: the embedded engine, a server, or a cluster.

use crate::config::Config;
use crate::store::Store;
use crate::store::embedded::{self, Engine, EngineSettings};
use anyhow::Context;
use clickhouse::Client;
use std::path::Path;
use std::sync::Arc;

/// An open database. [`Database::close`] it when nothing asks it any more.
pub struct Database {
    pub store: Store,
    /// `None` for a server.
    pub engine: Option<Arc<Engine>>,
}

impl Database {
    /// Opens it, brings its tables up to date, sets the retention.
    ///
    /// # Errors
    ///
    /// When the engine cannot be loaded, the server not be reached, or a migration fails: each says what to do.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let database = match &config.clickhouse.url {
            Some(url) => Self { store: server(config, url)?, engine: None },
            None => {
                let settings = engine_settings(config);
                let engine = tokio::task::spawn_blocking(move || Engine::open(&settings)).await??;
                let engine = Arc::new(engine);
                Self { store: Store::single(embedded::client(&engine)), engine: Some(engine) }
            }
        };
        let migrated = database.store.migrate().await?;
        for name in &migrated.applied {
            tracing::info!(migration = name, "database migrated");
        }
        database.store.set_retention(&config.retention).await.context("the retention could not be set")?;
        Ok(database)
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
    let text = std::fs::read_to_string(file).with_context(|| format!("secret file {} cannot be read", file.display()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!secret.is_empty(), "secret file {} is empty", file.display());
    Ok(secret.to_owned())
}

/// The token that the port asks for, where it does.
pub(crate) fn read_token(config: &Config) -> anyhow::Result<Option<String>> {
    config.http.token_file.as_deref().map(read_secret).transpose()
}
