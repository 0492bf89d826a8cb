//! `relaylens unsubscribe-link`.

use crate::app::unsubscribe_keys;
use crate::cli::{Common, say};
use crate::config::Config;
use crate::model::{Keyring, Text, Timestamp};
use crate::suppression::unsubscribe::{Leaving, headers, link};
use anyhow::Context;
use clap::Args;
use std::io::BufRead;

const AFTER_HELP: &str = "\
A link unsubscribes one address from one list, stream or tenant, and nothing else, until its day is over. Put it into the
message and into its header fields (--headers); both fields must be covered by the DKIM signature (RFC 8058).
With --stdin each line `ADDRESS [LIST]` yields a line. Settings: [unsubscribe] url, mailto, keys_file, days.";

const SECONDS_A_DAY: i64 = 86_400;

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct UnsubscribeLinkArgs {
    #[command(flatten)]
    common: Common,
    /// The recipient
    #[arg(required_unless_present = "stdin")]
    address: Option<String>,
    #[arg(long, default_value = "")]
    tenant: String,
    #[arg(long, default_value = "")]
    stream: String,
    /// The mailing list
    #[arg(long, default_value = "")]
    list: String,
    /// Print the two header fields of RFC 8058 instead of the link
    #[arg(long)]
    headers: bool,
    /// Read addresses and lists from standard input
    #[arg(long, conflicts_with_all = ["address", "list"])]
    stdin: bool,
}

pub(super) fn run(args: &UnsubscribeLinkArgs) -> anyhow::Result<()> {
    let config = args.common.settings()?;
    let keys = unsubscribe_keys(&config)?.context(
        "set `unsubscribe.keys_file` (or `return_path.keys_file`): without a key nothing is signed",
    )?;
    let maker = Maker { config: &config, keys, args, now: Timestamp::from(jiff::Timestamp::now()) };
    let Some(address) = &args.address else {
        for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
            let line = line?;
            let (address, list) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
            maker.tell(address, list.trim()).with_context(|| format!("line {number}"))?;
        }
        return Ok(());
    };
    maker.tell(address, &args.list)
}

struct Maker<'a> {
    config: &'a Config,
    keys: Keyring,
    args: &'a UnsubscribeLinkArgs,
    now: Timestamp,
}

impl Maker<'_> {
    fn tell(&self, address: &str, list: &str) -> anyhow::Result<()> {
        let settings = &self.config.unsubscribe;
        let url =
            settings.url.as_deref().context("set `unsubscribe.url`: where recipients reach this server")?;
        let leaving = Leaving {
            address: address.into(),
            tenant: Text::from(&self.args.tenant),
            stream: Text::from(&self.args.stream),
            list: list.into(),
        };
        let until = Timestamp::from_seconds(self.now.seconds() + i64::from(settings.days) * SECONDS_A_DAY);
        let token = leaving.token(&self.keys, until)?;
        if !self.args.headers {
            say(&link(url, &token));
            return Ok(());
        }
        for (name, value) in headers(url, &token, settings.mailto.as_deref().unwrap_or_default()) {
            say(&format!("{name}: {value}"));
        }
        Ok(())
    }
}
