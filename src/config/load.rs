//! Reads the settings: defaults, then the file, then the environment.

use crate::config::feed::GIVE_UP_HOURS_MAX;
use crate::config::unsubscribe::DAYS_MIN;
use crate::config::{Config, MailDoor, MailProtocol};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// See `spool`, which refuses more.
const SEGMENT_BYTES_CEILING: u64 = 1 << 30;

/// Where the settings file is looked for when none is named.
const DEFAULT_FILE: &str = "relaylens.toml";

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("settings file {0} does not exist")]
    NoFile(PathBuf),
    #[error("settings cannot be used: {0}")]
    Bad(Box<figment::Error>),
    #[error("settings cannot be used: {setting}: {message}")]
    Wrong { setting: &'static str, message: String },
}

/// Reads `file`, or `relaylens.toml` when it is there, and `RELAYLENS_…` variables over it.
///
/// # Errors
///
/// [`ConfigError`] with the setting, its place and what to change.
pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    if let Some(file) = file
        && !file.is_file()
    {
        return Err(ConfigError::NoFile(file.to_owned()));
    }
    let config: Config = Figment::from(Serialized::defaults(Config::default()))
        .merge(Toml::file(file.unwrap_or(Path::new(DEFAULT_FILE))))
        .merge(Env::prefixed("RELAYLENS_").filter(|key| !is_other_variable(key.as_str())).split("__"))
        .extract()
        .map_err(|error| ConfigError::Bad(Box::new(error)))?;
    config.check()?;
    Ok(config)
}

/// `RELAYLENS_CHDB` names the engine's library (`store::embedded`), `RELAYLENS_LOG` what is logged, `RELAYLENS_TEST_…`
/// belong to the tests.
fn is_other_variable(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key == "chdb" || key == "log" || key.starts_with("test_")
}

/// What a setting must be.
fn wrong(setting: &'static str, message: &str) -> Result<(), ConfigError> {
    Err(ConfigError::Wrong { setting, message: message.to_owned() })
}

impl Config {
    /// Checks what the types cannot say. Called again after the command line has had its say.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Wrong`].
    pub fn check(&self) -> Result<(), ConfigError> {
        let has_tokens = self.http.token_file.is_some() || self.http.tokens_file.is_some();
        if !self.http.listen.ip().is_loopback() && !has_tokens {
            return wrong(
                "http.listen",
                "an address that others can reach needs `http.token_file`, else anyone reads your recipients",
            );
        }
        if self.unsubscribe.days < DAYS_MIN {
            return wrong(
                "unsubscribe.days",
                "at least 30: a link must work as long after sending (16 CFR 316.5)",
            );
        }
        if self.embedded.listen.is_some() && self.embedded.token_file.is_none() {
            return wrong(
                "embedded.listen",
                "needs `embedded.token_file`: SQL can read files of this machine",
            );
        }
        if self.clickhouse.url.is_some() && self.embedded.listen.is_some() {
            return wrong("embedded.listen", "with `clickhouse.url` there is no embedded engine to open");
        }
        if self.clickhouse.cluster.is_some() && self.clickhouse.nodes.is_empty() {
            return wrong("clickhouse.nodes", "name the URL of every node of the cluster");
        }
        self.check_work()?;
        self.check_feed()?;
        self.reputation.check()?;
        if let Err((setting, message)) = self.alerts.check() {
            return Err(ConfigError::Wrong { setting, message });
        }
        self.check_sources()
    }

    /// Pipeline and spool.
    fn check_work(&self) -> Result<(), ConfigError> {
        if self.pipeline.batch_rows_max == 0 || self.pipeline.batch_rows_max > 500_000 {
            return wrong("pipeline.batch_rows_max", "1 to 500000");
        }
        if self.pipeline.recent_ids_max < 4 * self.pipeline.batch_rows_max {
            return wrong(
                "pipeline.recent_ids_max",
                "at least four times `pipeline.batch_rows_max`: ids must outlast their batch",
            );
        }
        if self.pipeline.second_look_s > 3_600 {
            return wrong("pipeline.second_look_s", "0 to 3600");
        }
        if self.spool.segment_bytes < 56 << 20 || self.spool.segment_bytes > SEGMENT_BYTES_CEILING {
            return wrong(
                "spool.segment_bytes",
                "56 MiB (the largest mail must fit) to 1 GiB (one is read into memory)",
            );
        }
        if self.spool.bytes_max < 2 * self.spool.segment_bytes {
            return wrong("spool.bytes_max", "at least twice `spool.segment_bytes`");
        }
        Ok(())
    }

    fn check_sources(&self) -> Result<(), ConfigError> {
        let names = self.sources.logs().map(|(kind, log)| (kind.name(), &log.name));
        let names = names.chain(self.sources.kumomta.iter().map(|log| ("kumomta", &log.name)));
        let names = names.chain(self.sources.mail.iter().map(|door| ("mail", &door.name)));
        let names = names.chain(self.sources.imap.iter().map(|account| ("mail", &account.name)));
        let names = names.chain(self.sources.maildir.iter().map(|folder| ("mail", &folder.name)));
        let names = names.chain(self.sources.mbox.iter().map(|file| ("mail", &file.name)));
        let is_open = |door: &MailDoor| door.protocol == MailProtocol::Smtp && door.recipients.is_empty();
        if let Some(door) = self.sources.mail.iter().find(|door| is_open(door)) {
            let message =
                format!("SMTP door `{}` needs `recipients`: it takes mail for nobody else", door.name);
            return wrong("sources.mail", &message);
        }
        for account in &self.sources.imap {
            account
                .check()
                .or_else(|fault| wrong("sources.imap", &format!("`{}`: {fault}", account.name)))?;
        }
        let mut seen = BTreeSet::new();
        for (kind, name) in names {
            if name.is_empty() || !seen.insert((kind, name)) {
                return wrong("sources", &format!("{kind} source `{name}` needs a name that no other has"));
            }
        }
        Ok(())
    }

    fn check_feed(&self) -> Result<(), ConfigError> {
        let wrong = |message: String| Err(ConfigError::Wrong { setting: "feed.webhooks", message });
        let mut hooks = BTreeSet::new();
        for hook in &self.feed.webhooks {
            if !hook.has_name() || !hooks.insert(&hook.name) {
                let message =
                    format!("`{}` needs a name of letters, digits, `-` and `_` that no other has", hook.name);
                return wrong(message);
            }
            if hook.give_up_hours > GIVE_UP_HOURS_MAX {
                return wrong(format!("`{}`: `give_up_hours` is at most 720", hook.name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().expect("a folder for the test");
        let file = dir.path().join("relaylens.toml");
        std::fs::write(&file, text).expect("the file can be written");
        load(Some(&file))
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        assert_eq!(load_text("").unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = load_text("[spool]\nbyte_max = 3\n").unwrap_err().to_string();
        assert!(error.contains("byte_max") && error.contains("bytes_max"), "{error}");
    }

    #[test]
    fn an_open_address_needs_a_token() {
        let error = load_text("[http]\nlisten = \"0.0.0.0:8080\"\n").unwrap_err().to_string();
        assert!(error.contains("http.token_file"), "{error}");
    }

    #[test]
    fn two_sources_of_one_name_are_an_error() {
        let log = "[[sources.postfix]]\nname = \"mx1\"\npath = \"/var/log/mail.log\"\n";
        assert!(load_text(&log.repeat(2)).is_err());
        assert!(load_text(log).is_ok());
    }
}
