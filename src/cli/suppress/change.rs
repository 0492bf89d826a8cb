//! Onto the list, and off it.

use crate::cli::suppress::Reach;
use crate::cli::suppress::api::{Api, PATH, path_of, query};
use crate::cli::{Common, say};
use axum::body::Body;
use axum::http::Method;
use clap::Args;
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub(in crate::cli) struct AddArgs {
    #[command(flatten)]
    common: Common,
    /// Addresses, or `sha256:` or `md5:` and the hash of one
    #[arg(required = true)]
    addresses: Vec<String>,
    /// manual, unsubscribe, complaint, compliance, or bounce: and a group such as bounce:recipient
    #[arg(long, default_value = "manual")]
    reason: String,
    #[command(flatten)]
    reach: Reach,
    /// When it ends, such as 2026-12-31T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Who asked for it, and why
    #[arg(long, default_value = "")]
    note: String,
}

pub(super) async fn add(args: &AddArgs) -> anyhow::Result<()> {
    let Reach { scope, tenant, name, mail_type } = &args.reach;
    let entry = |address: &String| {
        json!({ "address": address, "reason": args.reason, "scope": scope, "tenant": tenant, "name": name,
                "type": mail_type, "expires": args.expires, "note": args.note })
    };
    let did = Api::with(&args.common, async |api| match args.addresses.as_slice() {
        [address] => api.post(PATH, &entry(address)).await,
        many => {
            let add: Vec<Value> = many.iter().map(entry).collect();
            api.post(&format!("{PATH}/bulk"), &json!({ "add": add })).await
        }
    });
    tell(&did.await?);
    Ok(())
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RemoveArgs {
    #[command(flatten)]
    common: Common,
    address: String,
    /// Why; needed where the recipient had objected himself
    #[arg(long, default_value = "")]
    note: String,
    /// Only entries with this reason
    #[arg(long, default_value = "")]
    reason: String,
    /// Only entries of this scope: global, tenant, stream or list
    #[arg(long, default_value = "")]
    scope: String,
    #[arg(long, default_value = "", requires = "scope")]
    tenant: String,
    /// Name of the stream or list
    #[arg(long, default_value = "", requires = "scope")]
    name: String,
}

pub(super) async fn remove(args: &RemoveArgs) -> anyhow::Result<()> {
    let asked = query(&[
        ("note", &args.note),
        ("reason", &args.reason),
        ("scope", &args.scope),
        ("tenant", &args.tenant),
        ("name", &args.name),
    ]);
    let path = format!("{}?{asked}", path_of(&args.address));
    let did = Api::with(&args.common, async |api| {
        api.read::<Value>(api.send(Method::DELETE, &path, Body::empty()).await?).await
    });
    tell(&did.await?);
    Ok(())
}

#[derive(Debug, Args)]
pub(in crate::cli) struct UndoArgs {
    #[command(flatten)]
    common: Common,
    /// The run, as `import` and the page tell it
    run: uuid::Uuid,
    /// Why it is undone
    #[arg(long, default_value = "")]
    note: String,
}

pub(super) async fn undo(args: &UndoArgs) -> anyhow::Result<()> {
    let path = format!("{PATH}/runs/{}/undo", args.run);
    let body = json!({ "note": args.note });
    tell(&Api::with(&args.common, async |api| api.post(&path, &body).await).await?);
    Ok(())
}

/// Says what was done.
fn tell(did: &Value) {
    let count = |name: &str| did[name].as_u64().unwrap_or(0);
    let words = [
        ("added", "added"),
        ("extended", "with a new end"),
        ("lifted", "lifted"),
        ("known", "on the list already"),
        ("tombstoned", "kept off: lifted before"),
        ("absent", "not on the list"),
    ];
    let told: Vec<String> = words
        .iter()
        .filter(|(name, _)| count(name) > 0)
        .map(|(name, words)| format!("{} {words}", count(name)))
        .collect();
    say(&if told.is_empty() { "nothing to do".to_owned() } else { told.join(", ") });
    if let Some(run) = did["run"].as_str() {
        say(&format!("run {run}"));
    }
}
