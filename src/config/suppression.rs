//! Settings of the suppression list: its rules, and how relays obey it.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The suppression list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Suppression {
    /// Whether rules suppress by themselves what bounces, complains or unsubscribes. Default true. Without them the list
    /// is what people and programs write.
    pub run_rules: bool,
    /// TOML file of your own rules; those with the name of a shipped one replace it. Default none.
    pub rules_file: Option<PathBuf>,
    /// Where Postfix' `check_policy_service` asks: `127.0.0.1:9998` or `unix:/var/spool/postfix/private/relaylens`.
    /// Loopback alone, since the protocol knows no password. Default none.
    pub policy_listen: Vec<String>,
    /// Where Postfix' `socketmap:` tables ask, such as `127.0.0.1:9997`. Default none.
    pub socketmap_listen: Vec<String>,
    /// What is answered while the list is being loaded: `let_through` (default), where a suppressed recipient may get
    /// one more message, or `defer`, where mail waits.
    pub when_not_loaded: WhenNotLoaded,
    /// Map files for Postfix that need no server. Default none.
    pub maps: Vec<SuppressionMap>,
}

impl Default for Suppression {
    fn default() -> Self {
        Self {
            run_rules: true,
            rules_file: None,
            policy_listen: Vec::new(),
            socketmap_listen: Vec::new(),
            when_not_loaded: WhenNotLoaded::default(),
            maps: Vec::new(),
        }
    }
}

/// See [`Suppression::when_not_loaded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenNotLoaded {
    #[default]
    LetThrough,
    Defer,
}

/// A map file that is kept in step with the list by Postfix' own `postmap`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuppressionMap {
    /// As in `main.cf`: `lmdb:/etc/postfix/suppressed`. The type must be one that can be changed in place: `lmdb`,
    /// `hash` or `btree`.
    pub map: String,
    /// What it is looked up for: `access` (default), with `550 5.7.1 …`, or `transport`, with `error:5.7.1 …`.
    #[serde(default)]
    pub answers: MapAnswers,
    /// Which mail is meant, as in `tenant=acme;stream=news;type=marketing`. Default all mail of no tenant.
    #[serde(default)]
    pub context: String,
    /// The `postmap` command. Default `postmap`, looked for on the path and in `/usr/sbin`.
    #[serde(default)]
    pub postmap: Option<PathBuf>,
}

/// See [`SuppressionMap::answers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MapAnswers {
    #[default]
    Access,
    Transport,
}
