//! Integration tests, in one binary: the real program, the real engine, a real Postfix, a real browser.
//!
//! `tidy` keeps the rules of the house; the others run the program, see `support`.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod alert_channels;
mod alert_digest;
mod alert_listing;
mod alert_signals;
mod alerts;
mod annotations;
mod authentic;
mod browser;
mod captures;
mod checks;
mod cli;
mod dashboards;
mod dns;
mod dns_posture;
mod dns_server;
mod doors;
mod dovecot;
mod early;
mod feedback;
mod flood;
mod kill;
mod mailbox;
mod marks;
mod obey;
mod pipeline;
mod postfix_live;
mod query;
mod reputation_pages;
mod signed_names;
mod support;
mod suppression;
mod suppression_api;
mod suppression_feed;
mod suppression_kill;
mod tidy;
