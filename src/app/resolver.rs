//! The DNS that is asked: the system's, or the one of the settings.

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use std::net::SocketAddr;
use std::time::Duration;

/// How long one answer is waited for, of two tries.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Answers kept by the resolver: keys of all reporters and loops, names of a busy day's senders.
const CACHED_ANSWERS: u64 = 4096;

/// Questions that a resolver for blocklists has under way at most: eight lists at once, sixteen questions each.
const LIST_QUESTIONS: usize = 128;

/// Asks the system's name servers, or the one of the settings.
pub(super) fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = builder(server)?;
    builder.options_mut().cache_size = CACHED_ANSWERS;
    builder.build()
}

/// The same for judging what others see: without the system's own list of hosts, and with nothing remembered, so that a
/// second answer is one.
pub(super) fn forgetful_resolver(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = builder(server)?;
    let options = builder.options_mut();
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.max_active_requests = LIST_QUESTIONS;
    builder.build()
}

/// The same, which follows the signatures of each answer (DNSSEC) from the root's key, which stands in the program. Keys
/// of zones are remembered: nearly all answers need those of the root.
pub(super) fn validating_resolver(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = builder(server)?;
    let options = builder.options_mut();
    options.validate = true;
    options.cache_size = CACHED_ANSWERS;
    options.use_hosts_file = ResolveHosts::Never;
    builder.build()
}

fn builder(server: Option<SocketAddr>) -> Result<ResolverBuilder<TokioRuntimeProvider>, NetError> {
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
    Ok(builder)
}
