//! `relaylens classify`.

use crate::app::bounce_rules;
use crate::classify::ReplyView;
use crate::cli::{Common, say};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct ClassifyArgs {
    #[command(flatten)]
    common: Common,
    /// The mailbox provider that gave the reply, such as google: its own rules come first
    #[arg(long, default_value = "other")]
    provider: String,
    /// The reply as the receiver gave it, such as '550 5.1.1 No such user'
    reply: String,
}

pub(super) fn run(args: &ClassifyArgs) -> anyhow::Result<()> {
    let rules = bounce_rules(&args.common.settings()?)?;
    let view = ReplyView { provider: &args.provider, ..ReplyView::of(&args.reply) };
    let verdict = rules.classify(&view);
    say(&format!("reason      {} ({})", verdict.reason, verdict.reason.group()));
    say(&format!("type        {}", verdict.bounce_type.name()));
    say(&format!("permanence  {:?}", verdict.permanence).to_lowercase());
    let rule = rules.rule(verdict.rule);
    say(&format!("rule        {} ({}:{})", rule.name, rule.file, rule.line));
    say(&format!("source      {}", rule.source));
    Ok(())
}
