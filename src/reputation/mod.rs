//! What others think of our addresses and domains: blocklists, the DNS that receivers look at, receivers' rules, warm-up.
//!
//! Way: `app` starts the watcher with a resolver and the store; it finds what sends mail, asks, judges, and writes what it
//! found; pages and `alert` read it from the store. `relaylens check` asks and judges without a store.
//! Asking ([`Dns`], `blocklist::Round`, `posture::look_at_domain`) stands apart from judging (all else), which is pure.
//! Not here: rates and their thresholds (`web::dictionary`, `alert`).

pub mod blocklist;
pub mod compliance;
mod dns;
pub mod posture;
pub mod warmup;
pub mod watch;

pub use dns::{Answer, Dns};
