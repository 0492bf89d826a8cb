//! `relaylens verp`.

use crate::app::marks;
use crate::cli::{Common, say};
use crate::model::{Mark, Timestamp, normalize_address};
use anyhow::Context;
use clap::Args;
use std::io::BufRead;

const AFTER_HELP: &str = "\
A bounce that comes back to such a return path is known as genuine, whatever its text says. Sign one for each recipient
where your relay can send each his own copy; without --recipient it stands for all recipients of the message.
With --stdin each line `ID [RECIPIENT]` yields a line. Settings: [return_path] domain, keys_file, days.
A running server signs the same by POST /v1/return-path.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct VerpArgs {
    #[command(flatten)]
    common: Common,
    /// Your own id of the message: up to 36 lower-case letters, digits, `.` and `_`
    #[arg(required_unless_present = "stdin")]
    id: Option<String>,
    /// The recipient that the return path is for
    #[arg(long)]
    recipient: Option<String>,
    /// Print the value for an X-Relaylens-Ref or CFBL-Feedback-ID header field instead
    #[arg(long)]
    reference: bool,
    /// Read ids and recipients from standard input
    #[arg(long, conflicts_with_all = ["id", "recipient"])]
    stdin: bool,
}

pub(super) fn run(args: &VerpArgs) -> anyhow::Result<()> {
    let config = args.common.settings()?;
    let keys =
        marks(&config)?.keys.context("set `return_path.keys_file`: without a key nothing is signed")?;
    let domain = config.return_path.domain.as_deref();
    let domain = if args.reference {
        domain.unwrap_or_default()
    } else {
        domain.context("set `return_path.domain`")?
    };
    let now = Timestamp::from(jiff::Timestamp::now());
    let tell = |id: &str, recipient: &str| -> anyhow::Result<()> {
        let mark = Mark::sign(&keys, id, &normalize_address(recipient), now)?;
        say(&if args.reference { mark.reference() } else { mark.return_path(domain) });
        Ok(())
    };
    let Some(id) = &args.id else {
        for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
            let line = line?;
            let (id, recipient) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
            tell(id, recipient).with_context(|| format!("line {number}"))?;
        }
        return Ok(());
    };
    tell(id, args.recipient.as_deref().unwrap_or_default())
}
