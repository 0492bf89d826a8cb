//! relaylens: deliverability observability and feedback-loop processing for mail relays.
//!
//! # The way of an item
//!
//! 1. A door ([`ingest`]) takes bytes in: a request, a line of a followed log, a file. It says OK only when the
//!    [`spool`] has synced them.
//! 2. The [`pipeline`] takes them from the spool in order. A reader ([`parse`]) makes events ([`model`]) of them,
//!    [`classify`] says whose mailbox it was and what the reply means, known events are dropped, and the rest is written
//!    in batches ([`store`]). What cannot be read is kept with its reason.
//! 3. [`reputation`] asks blocklists and the DNS about what sends, and writes what it found.
//! 4. Pages and API ([`web`]) ask the store; `app` starts and ends it all, `cli` has the commands.
//!
//! At every moment `accepted = stored + duplicate + no event + rejected + in the spool`, per source: the health page shows
//! it, `/metrics` exports it.
//!
//! # The floors
//!
//! Modules stand below in the order in which they may lean on each other; `tests/it/tidy.rs` has the table and keeps it.
//! [`model`], [`parse`] and [`classify`] are pure: no I/O, no clock, no log.
//!
//! Read first: [`model::Event`], [`parse::EventReader`], [`pipeline`].

pub mod alert;
pub mod app;
pub mod call;
pub mod classify;
pub mod cli;
pub mod config;
pub mod ingest;
pub mod model;
pub mod parse;
pub mod pipeline;
pub mod reputation;
pub mod spool;
pub mod store;
pub mod suppression;
pub mod web;
