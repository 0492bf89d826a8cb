//! ClickHouse inside this process: the engine as a library, behind the HTTP protocol that a server speaks.
//!
//! Way: [`client`] gives the official client a pipe in memory; `service` answers on its other end, `request` reads what
//! is asked, `query` and `insert` run it on the engine, `answer` sends the rows back. [`serve_tcp`] lets others read
//! over loopback. So `store` has one code path, whether ClickHouse is embedded or a server.
//! Source: the HTTP interface, clickhouse.com/docs/interfaces/http; the engine's library, `programs/local/chdb.h`
//! of chDB 26.7.
//! Not here: tables, statements, migrations (`store`).
//!
//! Invariants:
//! - `unsafe` stands in `ffi.rs` alone.
//! - Every request has a session of its own: no setting, database or leftover of a failure reaches the next one.
//! - An answer is whole, or it is an error: a job that fails or vanishes never looks like a short answer.
//! - An insert commits only after its body came to its proper end.
//! - Statements and waiting requests are bounded by gates: the engine itself has no such limit.

mod access;
mod answer;
mod bare;
mod connector;
mod engine;
mod error;
mod exception;
mod ffi;
mod frames;
mod gate;
mod insert;
mod library;
mod listen;
mod lock;
mod query;
mod request;
mod service;
mod statement;
#[cfg(test)]
mod tests;

pub(crate) use bare::BareInsertError;
pub use connector::client;
pub use engine::{Engine, EngineSettings, EngineStats};
pub use error::EmbeddedError;
pub use gate::GateStats;
pub use listen::{ListenToken, serve_tcp};
