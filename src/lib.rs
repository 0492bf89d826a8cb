//! relaylens: deliverability observability and feedback-loop processing for mail relays.

pub mod model;
pub mod parse;
pub mod classify;
pub mod config;
pub mod spool;
pub mod store;
pub mod ingest;
pub mod pipeline;
pub mod web;
pub mod app;
pub mod cli;
