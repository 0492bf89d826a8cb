//! `relaylens migrate`.

use crate::app::Database;
use crate::cli::{Common, say};

pub(super) async fn run(args: &Common) -> anyhow::Result<()> {
    let config = args.settings()?;
    std::fs::create_dir_all(&config.data_dir)?;
    // Opening brings the tables up to date.
    let database = Database::open(&config).await?;
    let migrated = database.store.migrate().await?;
    database.close().await;
    say(&format!("the database is at version {}", migrated.version));
    Ok(())
}
