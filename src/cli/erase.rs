//! `relaylens erase`.

use crate::cli::suppress::Api;
use crate::cli::{Common, say};
use clap::Args;
use serde_json::json;

const AFTER_HELP: &str = "\
Deleted are the events of the address, kept mail and unreadable items that name it, and its records in the suppression
list. What suppressed it goes on under the hash of the address, so that it is not mailed again. Counts stay.
Erase when the spool is empty: what waits there is stored afterwards.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct EraseArgs {
    #[command(flatten)]
    common: Common,
    /// The address, as `name@domain`
    address: String,
}

pub(super) async fn run(args: &EraseArgs) -> anyhow::Result<()> {
    let asked = json!({ "address": args.address });
    let told = Api::with(&args.common, async |api| api.post("/api/v1/erase", &asked).await).await?;
    say(&format!(
        "deleted: {} events, {} mails, {} unreadable items, {} records of the list; it is known as {} from now on",
        told["events"],
        told["mails"],
        told["rejects"],
        told["records"],
        told["hash"].as_str().unwrap_or_default()
    ));
    Ok(())
}
