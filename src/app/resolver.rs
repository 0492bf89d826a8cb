//! The DNS that is asked: the system's, or the one of the settings.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use std::net::SocketAddr;
use std::time::Duration;

/// How long one answer is waited for, of two tries.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Answers kept by the resolver: keys of all reporters and loops, names of a busy day's senders.
const CACHED_ANSWERS: u64 = 4096;

pub(super) fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = match server {
        None => TokioResolver::builder_tokio()?,
        Some(server) => {
            let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut name_server.connections {
                connection.port = server.port();
            }
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    options.timeout = ANSWER_WAIT;
    options.attempts = 2;
    options.cache_size = CACHED_ANSWERS;
    builder.build()
}
