//! `relaylens check-config`.

use crate::app::check_settings;
use crate::cli::{Common, say};

pub(super) fn run(args: &Common) -> anyhow::Result<()> {
    let config = args.settings()?;
    check_settings(&config)?;
    say("# settings in force");
    say(toml::to_string(&config)?.trim_end());
    Ok(())
}
