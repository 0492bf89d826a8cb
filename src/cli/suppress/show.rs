//! Who is on the list, and why.

use crate::cli::suppress::api::{Api, PATH, path_of, query};
use crate::cli::{Common, say};
use clap::Args;
use serde_json::Value;

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    #[command(flatten)]
    common: Common,
    address: String,
    #[arg(long, default_value = "")]
    tenant: String,
    #[arg(long, default_value = "")]
    stream: String,
    #[arg(long, default_value = "")]
    list: String,
    /// marketing or transactional [default: any]
    #[arg(long = "type", value_name = "TYPE", default_value = "")]
    mail_type: String,
    /// Print the answer of the API
    #[arg(long)]
    json: bool,
}

pub(super) async fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let asked = query(&[
        ("tenant", &args.tenant),
        ("stream", &args.stream),
        ("list", &args.list),
        ("type", &args.mail_type),
    ]);
    let path = format!("{}?{asked}", path_of(&args.address));
    let told: Value = Api::with(&args.common, async |api| api.get(&path).await).await?;
    if args.json {
        say(&serde_json::to_string_pretty(&told)?);
        return Ok(());
    }
    say(if told["suppressed"] == true { "held back" } else { "goes out" });
    for (name, mark) in [("matching", "  "), ("other", "  for other mail: ")] {
        for entry in told[name].as_array().into_iter().flatten() {
            say(&format!("{mark}{}", line(entry)));
        }
    }
    for event in told["evidence"].as_array().into_iter().flatten() {
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        let said = [text("event_type"), text("bounce_reason"), text("response_text")].join(" ");
        say(&format!("  rests on: {}", said.trim()));
    }
    Ok(())
}

fn line(entry: &Value) -> String {
    let text = |name: &str| entry[name].as_str().unwrap_or_default();
    let who =
        if text("rule").is_empty() { text("actor").to_owned() } else { format!("rule {}", text("rule")) };
    let reach: Vec<&str> =
        ["scope", "tenant", "name"].into_iter().map(text).filter(|part| !part.is_empty()).collect();
    let until =
        if text("expires").is_empty() { String::new() } else { format!(" until {}", text("expires")) };
    let note = if text("note").is_empty() { String::new() } else { format!(": {}", text("note")) };
    let (reason, mail_type, since) = (text("reason"), text("type"), text("since"));
    format!("{reason}, {}, {mail_type} mail, since {since}{until}, by {who}{note}", reach.join(" "))
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    common: Common,
    /// Only entries with this reason
    #[arg(long, default_value = "")]
    reason: String,
    /// Print lines of JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn list(args: &ListArgs) -> anyhow::Result<()> {
    Api::with(&args.common, async |api| {
        let mut after = String::new();
        loop {
            let asked = query(&[("limit", "1000"), ("reason", &args.reason), ("after", &after)]);
            let page: Value = api.get(&format!("{PATH}?{asked}")).await?;
            for entry in page["rows"].as_array().into_iter().flatten() {
                let address = entry["address"].as_str().unwrap_or_default();
                say(&if args.json { entry.to_string() } else { format!("{address}\t{}", line(entry)) });
            }
            let Some(next) = page["next"].as_str() else { return Ok(()) };
            next.clone_into(&mut after);
        }
    })
    .await
}
