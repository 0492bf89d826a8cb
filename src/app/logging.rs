//! Log lines, to standard error.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging. `RELAYLENS_LOG` takes a filter such as `debug` or `relaylens::ingest=debug`; default `info`.
///
/// Lines hold no addresses, tokens or bodies.
pub fn start_logging() {
    let filter = EnvFilter::try_from_env("RELAYLENS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
    // A second start (in tests) keeps the first.
    drop(started);
}
