//! `relaylens token`.

use crate::app::token_line;
use crate::cli::say;
use crate::model::Role;
use clap::Args;
use rand::RngExt;
use rand::distr::Alphanumeric;

/// As many as say who it is.
const NAME_BYTES_MAX: usize = 64;

/// 238 bits: nobody guesses one, so that a plain hash of it is safe to keep.
const TOKEN_CHARS: usize = 40;

const AFTER_HELP: &str = "\
The token is shown once and stored nowhere. Add the line with its hash to the file of `http.tokens_file`, and start the
server again.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct TokenArgs {
    /// Who it is for; stands in the audit log
    name: String,
    /// read: pages and questions; write: also events in and entries of the list; admin: also compliance entries
    #[arg(long, default_value = "read")]
    scope: String,
}

pub(super) fn run(args: &TokenArgs) -> anyhow::Result<()> {
    let role = Role::from_name(&args.scope)
        .ok_or_else(|| anyhow::anyhow!("`{}` is no scope; choose read, write or admin", args.scope))?;
    let is_name = !args.name.is_empty()
        && args.name.len() <= NAME_BYTES_MAX
        && args.name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.@".contains(letter));
    anyhow::ensure!(
        is_name,
        "`{}` is no name for a token: use up to {NAME_BYTES_MAX} letters, digits, `-`, `_`, `.` and `@`",
        args.name
    );
    let token: String = rand::rng().sample_iter(Alphanumeric).map(char::from).take(TOKEN_CHARS).collect();
    say(&format!("token  {token}"));
    say(&format!("line   {}", token_line(&args.name, role, &token)));
    Ok(())
}
