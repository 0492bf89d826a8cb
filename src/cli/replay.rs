//! `relaylens replay`.

use crate::app::{Core, Handover, Replayed, local_intake, replay};
use crate::cli::remote::Remote;
use crate::cli::{Common, say};
use clap::Args;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    common: Common,
    /// Only rejects of sources of this kind: ndjson, kumomta or postfix
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only rejects with this reason, such as unknown_type
    #[arg(long)]
    reason: Option<String>,
}

pub(super) async fn run(args: &ReplayArgs) -> anyhow::Result<()> {
    let config = args.common.settings()?;
    let done = if let Some(server) = Handover::find(&config.data_dir) {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let named = [("kind", &args.kind), ("reason", &args.reason)];
        for (name, value) in named.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            query.append_pair(name, value);
        }
        let path = format!("/v1/replay?{}", query.finish());
        let answer = Remote::to(&config, server)?.post(&path, bytes::Bytes::new()).await?;
        serde_json::from_slice::<Replayed>(&answer)?
    } else {
        let core = Core::open(&config, Duration::ZERO).await?;
        let intake = local_intake(&core);
        let done = replay(&core.database.store, &intake, args.kind.as_deref(), args.reason.as_deref()).await;
        core.drain().await?;
        drop(intake);
        core.close().await?;
        done?
    };
    say(&format!(
        "{} items are read again; those that still cannot be read come back as new rejects",
        done.items
    ));
    if done.cut > 0 {
        say(&format!("{} rejects stay: they were too large to be kept whole", done.cut));
    }
    Ok(())
}
