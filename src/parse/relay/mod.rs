//! What relays say of their deliveries: one reader a format.
//!
//! Readers of log lines share what lines have in common: the head (`header`, `stamp`, `journal`), the messages on
//! their way (`in_flight`), the events with what every line gives (`teller`), and replies that were written on one
//! line (`reply`).

mod cut;
pub mod exim;
pub mod haraka;
mod header;
mod in_flight;
mod journal;
pub mod kumomta;
pub mod log;
pub mod postfix;
pub mod powermta;
pub(in crate::parse) mod reply;
mod stamp;
mod teller;
pub mod zonemta;
