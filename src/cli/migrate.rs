//! `relaylens migrate`.

use crate::app::Database;
use crate::cli::{Common, say};
use crate::store::Store;

pub(super) async fn run(args: &Common) -> anyhow::Result<()> {
    let config = args.settings()?;
    std::fs::create_dir_all(&config.data_dir)?;
    // Opening brings the tables up to date.
    Database::open(&config).await?.close().await;
    say(&format!("the database is at version {}", Store::SCHEMA_VERSION));
    Ok(())
}
