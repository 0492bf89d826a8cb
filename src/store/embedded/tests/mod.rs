//! The contract that `store` leans on, tried on the real engine.
//!
//! One process holds one data folder, so the tests share an engine and keep to tables of their own.
//! The engine's library is needed: without it they fail and say how to get it.

mod contract;
mod failures;
mod opening;
mod readers;

use super::{Engine, EngineSettings, client, lock::DataLock};
use clickhouse::Client;
use std::{
    env, fs,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// Short, so that a test can see a stalled reader given up.
pub(super) const STALL_MAX: Duration = Duration::from_secs(4);
const FOLDER_PREFIX: &str = "relaylens-embedded-test-";

/// Runs for minutes when nobody ends it.
const ENDLESS: &str = "SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sipHash64(number))";

/// The engine of this test process.
pub(super) fn engine() -> &'static Arc<Engine> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    ENGINE.get_or_init(|| {
        remove_left_folders();
        let mut settings = EngineSettings::new(folder("shared"));
        settings.stall_max = STALL_MAX;
        Arc::new(Engine::open(&settings).unwrap_or_else(|error| panic!("{error}")))
    })
}

fn database() -> Client {
    client(engine())
}

fn folder(name: &str) -> PathBuf {
    env::temp_dir().join(format!("{FOLDER_PREFIX}{}-{name}", std::process::id()))
}

/// A static engine is never dropped, so that its folder outlives the run: the next run removes it.
fn remove_left_folders() {
    for entry in fs::read_dir(env::temp_dir()).unwrap().flatten() {
        let left = entry.file_name().to_string_lossy().starts_with(FOLDER_PREFIX);
        if left && DataLock::take(&entry.path()).is_ok() {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

/// Runs a statement that answers with one number.
async fn number(client: &Client, sql: &str) -> u64 {
    client.query(sql).fetch_one::<u64>().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Statements that run under a client's query id.
async fn running(query_id: &str) -> u64 {
    let sql = format!(
        "SELECT count() FROM system.processes WHERE Settings['log_comment'] LIKE '% {query_id}' AND NOT is_cancelled"
    );
    number(&database(), &sql).await
}

async fn execute(client: &Client, sql: &str) {
    client.query(sql).execute().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Waits until `done` says so, for what happens shortly after: 5 s at most.
async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..100 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within 5 s: {what}");
}
