//! A dry run of changed rules.

use crate::cli::suppress::api::{Api, PATH};
use crate::cli::{Common, say};
use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct SimulateArgs {
    #[command(flatten)]
    common: Common,
    /// Rules as `suppression.rules_file` has them, to be compared with those in force
    rules: PathBuf,
    /// Days of stored events to look at
    #[arg(long, default_value_t = 90)]
    days: u16,
    /// Print the answer of the API
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &SimulateArgs) -> anyhow::Result<()> {
    let present = args.common.settings()?.suppression.rules_file;
    let present = present.as_deref().map(read).transpose()?.unwrap_or_default();
    let asked = json!({ "present": present, "changed": read(&args.rules)? });
    let path = format!("{PATH}/simulate?days={}", args.days);
    let told = Api::with(&args.common, async |api| api.post(&path, &asked).await).await?;
    if args.json {
        say(&serde_json::to_string_pretty(&told)?);
        return Ok(());
    }
    say(&format!(
        "{} events of {} days: {} entries by the rules in force, {} by these; {} would be added, {} freed",
        told["events"],
        told["days"],
        told["before"],
        told["after"],
        told["added"]["count"],
        told["freed"]["count"]
    ));
    for (name, mark) in [("added", '+'), ("freed", '-')] {
        let rows = told[name]["rows"].as_array().map_or(&[][..], Vec::as_slice);
        for row in rows {
            say(&format!("{mark} {}", line(row)));
        }
        let count = told[name]["count"].as_u64().unwrap_or_default();
        if count > rows.len() as u64 {
            say(&format!("{mark} … and {} more", count - rows.len() as u64));
        }
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn line(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or_default();
    let reach: Vec<&str> =
        ["scope", "tenant", "name"].into_iter().map(text).filter(|part| !part.is_empty()).collect();
    let until =
        if text("expires").is_empty() { String::new() } else { format!(" until {}", text("expires")) };
    let (address, mail_type, reason, rule) = (text("address"), text("type"), text("reason"), text("rule"));
    format!("{address} ({reason}, {}, {mail_type} mail{until}, by rule {rule})", reach.join(" "))
}
