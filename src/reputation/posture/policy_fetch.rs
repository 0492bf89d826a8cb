//! Gets MTA-STS policies over HTTPS.
//!
//! Source: RFC 8461 section 3.3: the certificate must hold, redirections are not followed, 64 KiB are enough.
//! Host names go through [`Dns`], as all other questions do.

use crate::call::Line;
use crate::reputation::{Answer, Dns};
use http_body_util::Full;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::connect::dns::Name;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_service::Service;

/// Largest policy read, in bytes.
const POLICY_BYTES_MAX: usize = 64 * 1024;

/// How long a policy is waited for; section 3.3 advises a minute for a sender, who has nothing else to do.
const POLICY_WAIT: Duration = Duration::from_secs(10);

/// Gets policies.
#[derive(Clone)]
pub struct PolicyFetch {
    line: Line<ByDns>,
    port: u16,
}

impl PolicyFetch {
    /// With the roots of `tls`, at `port`: 443, but for tests.
    pub fn new(dns: &Dns, tls: rustls::ClientConfig, port: u16) -> Self {
        Self { line: Line::with_resolver(ByDns(dns.clone()), tls, POLICY_WAIT), port }
    }

    /// The text of a domain's policy, or why it cannot be had.
    pub(super) async fn policy(&self, domain: &str) -> Result<String, String> {
        let port = if self.port == 443 { String::new() } else { format!(":{}", self.port) };
        let url = format!("https://mta-sts.{domain}{port}/.well-known/mta-sts.txt");
        let request = Request::get(&url).body(Full::default()).map_err(|_| format!("{url} is no address"))?;
        let answer = self.line.call(request).await.map_err(|fault| fault.to_string())?;
        if answer.status != StatusCode::OK {
            return Err(format!("the web server answers {}", answer.status));
        }
        let body = answer.bytes(POLICY_BYTES_MAX).await.map_err(|fault| fault.to_string())?;
        String::from_utf8(body.to_vec()).map_err(|_| "the policy is no text".to_owned())
    }
}

/// Host names, by the resolver of the settings.
#[derive(Clone)]
struct ByDns(Dns);

impl Service<Name> for ByDns {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let dns = self.0.clone();
        Box::pin(async move {
            match dns.addresses(name.as_str()).await {
                Answer::Found(found) => {
                    let sockets: Vec<_> = found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect();
                    Ok(sockets.into_iter())
                }
                Answer::Nothing => {
                    Err(io::Error::new(io::ErrorKind::NotFound, format!("{} has no address", name.as_str())))
                }
                Answer::Unknown(why) => Err(io::Error::other(why)),
            }
        })
    }
}
