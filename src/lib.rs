//! relaylens: deliverability observability and feedback-loop processing for mail relays.

pub mod app;
pub mod classify;
pub mod cli;
pub mod config;
pub mod ingest;
pub mod model;
pub mod parse;
pub mod pipeline;
pub mod spool;
pub mod store;
pub mod web;
