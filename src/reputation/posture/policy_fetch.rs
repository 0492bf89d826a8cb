//! Gets MTA-STS policies over HTTPS.
//!
//! Source: RFC 8461 section 3.3: the certificate must hold, redirections are not followed, 64 KiB are enough.
//! Host names go through [`Dns`], as all other questions do.

use crate::reputation::{Answer, Dns};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
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
    client: Client<HttpsConnector<HttpConnector<ByDns>>, Empty<Bytes>>,
    port: u16,
}

impl PolicyFetch {
    /// With the roots of `tls`, at `port`: 443, but for tests.
    pub fn new(dns: &Dns, tls: rustls::ClientConfig, port: u16) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(ByDns(dns.clone()));
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(POLICY_WAIT));
        Self { client: Client::builder(TokioExecutor::new()).build(HttpsConnector::from((tcp, tls))), port }
    }

    /// The text of a domain's policy, or why it cannot be had.
    pub(super) async fn policy(&self, domain: &str) -> Result<String, String> {
        let port = if self.port == 443 { String::new() } else { format!(":{}", self.port) };
        let url = format!("https://mta-sts.{domain}{port}/.well-known/mta-sts.txt");
        let url: Uri = url.parse().map_err(|_| format!("{url} is no address"))?;
        let work = async {
            let answer = self.client.get(url).await.map_err(|fault| causes(&fault))?;
            if answer.status() != StatusCode::OK {
                return Err(format!("the web server answers {}", answer.status()));
            }
            let body = Limited::new(answer.into_body(), POLICY_BYTES_MAX).collect().await;
            let body = body.map_err(|fault| causes(&*fault))?.to_bytes();
            String::from_utf8(body.to_vec()).map_err(|_| "the policy is no text".to_owned())
        };
        let slow = |_| format!("no answer within {} s", POLICY_WAIT.as_secs());
        tokio::time::timeout(POLICY_WAIT, work).await.map_err(slow)?
    }
}

fn causes(fault: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(fault), |fault| fault.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
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
