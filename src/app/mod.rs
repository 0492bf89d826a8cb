//! The wiring: which part gets which setting, what starts first and what ends last.
//!
//! Way: `cli` hands over the [`crate::config::Config`]; `core` opens database, spool and pipeline, `serve` puts
//! doors and pages on top.

mod access;
mod alerts;
mod board;
mod core;
mod database;
mod enrich;
mod feed;
mod handover;
mod local_api;
mod logging;
mod mail_doors;
mod mailboxes;
mod replay;
mod reputation;
mod resolver;
mod serve;
mod status;
mod suppression;
mod tls;
mod tokens;
mod unsubscribe;
mod webhooks;

pub(crate) use alerts::{test_channel, without_channels};
pub use core::Core;
pub(crate) use core::{bounce_rules, check_settings, log_options, marks};
pub use database::Database;
pub(crate) use database::read_token;
pub use handover::Handover;
pub(crate) use local_api::LocalApi;
pub use logging::start_logging;
pub use replay::{Replayed, replay};
pub(crate) use reputation::{Reputable, reputable};
pub(crate) use serve::local_intake;
pub use serve::{Served, serve};
pub(crate) use tokens::line as token_line;
pub(crate) use unsubscribe::keys as unsubscribe_keys;
