//! Names for the source addresses of reports: host name, its domain, whose service that is, network and country.
//!
//! Way: a task beside the server asks the store which addresses have no name yet, looks them up, and writes what it found
//! into `ip_names`. Reading and storing of reports never waits for it; pages show the address until there is a name.
//! Not here: what is made of the names (`store::query`, the class of a source).

mod networks;
mod rules;

use crate::app::enrich::networks::Networks;
use crate::app::enrich::rules::SourceRules;
use crate::app::resolver::resolver;
use crate::app::status::now;
use crate::config::Config;
use crate::model::Text;
use crate::store::{IpName, Store};
use futures_util::{StreamExt, stream};
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{Name, RData};
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Addresses of one round: the names of a large report are there within minutes, and a round ends before the next begins.
const ROUND_IPS: u32 = 500;

/// Questions to the name server that are under way at once. More would be rude to a small one.
const QUESTIONS_MAX: usize = 16;

/// Pause after a full round: there is more to do, and the name server is to breathe.
const PAUSE: Duration = Duration::from_secs(2);

/// Pause when all is named.
const IDLE: Duration = Duration::from_mins(1);

/// Pause when the name server or the store does not answer.
const FAILED: Duration = Duration::from_mins(10);

/// Longest host name, in bytes (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 255;

/// Starts the task, where the settings want it.
///
/// # Errors
///
/// When a database of `reports.mmdb` cannot be read.
pub(super) fn start(
    config: &Config,
    store: Store,
    stopped: watch::Receiver<bool>,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    if !config.reports.enrich {
        return Ok(());
    }
    let networks = Networks::open(&config.reports.mmdb)?;
    let resolver = match resolver(config.authentication.resolver) {
        Ok(resolver) => resolver,
        Err(error) => {
            tracing::warn!(%error, "sources of reports get no names: the system's name servers are not known");
            return Ok(());
        }
    };
    let enricher = Enricher { store, resolver, networks, rules: SourceRules::shipped() };
    tasks.spawn(async move {
        enricher.run(stopped).await;
        Ok(())
    });
    Ok(())
}

struct Enricher {
    store: Store,
    resolver: TokioResolver,
    networks: Networks,
    rules: SourceRules,
}

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    More,
    Done,
    Failed,
}

impl Round {
    const fn pause(self) -> Duration {
        match self {
            Self::More => PAUSE,
            Self::Done => IDLE,
            Self::Failed => FAILED,
        }
    }
}

impl Enricher {
    async fn run(self, mut stopped: watch::Receiver<bool>) {
        loop {
            let round = tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                round = self.round() => round,
            };
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(round.pause()) => {}
            }
        }
    }

    async fn round(&self) -> Round {
        let ips = match self.store.unnamed_ips(now(), ROUND_IPS).await {
            Ok(ips) => ips,
            Err(error) => {
                tracing::debug!(%error, "sources of reports are named later");
                return Round::Failed;
            }
        };
        let asked = ips.len();
        let answers = stream::iter(ips).map(|ip| async move { (ip, self.host(ip).await) });
        let answers: Vec<_> = answers.buffer_unordered(QUESTIONS_MAX).collect().await;
        let is_deaf = asked > 0 && answers.iter().all(|(_, host)| host.is_none());
        if is_deaf && self.networks.is_empty() {
            tracing::debug!(asked, "no name server answered; sources of reports are named later");
            return Round::Failed;
        }
        let names: Vec<_> =
            answers.into_iter().map(|(ip, host)| self.named(ip, host.unwrap_or_default())).collect();
        if !names.is_empty()
            && let Err(error) = self.store.insert_ip_names(&names).await
        {
            tracing::debug!(%error, "names of sources could not be stored");
            return Round::Failed;
        }
        if asked == ROUND_IPS as usize { Round::More } else { Round::Done }
    }

    /// The host name of an address: empty when it has none, `None` when nobody could say.
    async fn host(&self, ip: IpAddr) -> Option<Text> {
        match self.resolver.reverse_lookup(Name::from(ip)).await {
            Ok(found) => {
                let names = found.answers().iter().filter_map(|record| match &record.data {
                    RData::PTR(name) => Some(host_of(&name.0.to_ascii())),
                    _ => None,
                });
                Some(names.into_iter().find(|name| !name.is_empty()).unwrap_or_default())
            }
            Err(error) if error.is_no_records_found() => Some(Text::default()),
            Err(_) => None,
        }
    }

    fn named(&self, ip: IpAddr, host: Text) -> IpName {
        let base_domain = Text::from(psl::domain_str(&host).unwrap_or_default());
        let known = self.rules.of(&base_domain);
        let network = self.networks.of(ip);
        IpName {
            ip,
            host,
            base_domain,
            name: known.name,
            class: known.class,
            asn: network.asn,
            asn_name: network.asn_name,
            country: network.country,
            looked_up: now(),
        }
    }
}

/// A host name as it is kept: lower case, without the last dot. What whoever owns the address wrote there may be
/// anything; what is no host name is none.
fn host_of(answer: &str) -> Text {
    let host = answer.trim_end_matches('.').to_ascii_lowercase();
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if host.len() <= HOST_BYTES_MAX && host.bytes().all(is_host) { host.into() } else { Text::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_kept_plain_and_nonsense_is_none() {
        assert_eq!(host_of("Mail.Shop.Example."), "mail.shop.example");
        assert_eq!(host_of("<script>.example."), "");
        assert_eq!(host_of(&"a".repeat(300)), "");
        assert_eq!(host_of("."), "");
    }

    #[tokio::test]
    async fn an_enricher_names_the_service_behind_a_host() {
        let enricher = Enricher {
            store: Store::single(clickhouse::Client::default()),
            resolver: resolver(Some("127.0.0.1:53".parse().unwrap())).unwrap(),
            networks: Networks::open(&[]).unwrap(),
            rules: SourceRules::shipped(),
        };
        let ip = IpAddr::from([192, 0, 2, 7]);
        let name = enricher.named(ip, "o1.ptr7.sendgrid.net".into());
        assert_eq!(
            (name.base_domain.as_str(), name.name.as_str(), name.class.as_str()),
            ("sendgrid.net", "SendGrid", "esp")
        );
        let nameless = enricher.named(ip, Text::default());
        assert_eq!((nameless.base_domain.as_str(), nameless.name.as_str()), ("", ""));
    }

    #[tokio::test]
    async fn a_name_server_that_does_not_answer_is_no_nameless_address() {
        // A port that nothing listens on: it is bound, and given back at once.
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let enricher = Enricher {
            store: Store::single(clickhouse::Client::default()),
            resolver: resolver(Some(free)).unwrap(),
            networks: Networks::open(&[]).unwrap(),
            rules: SourceRules::shipped(),
        };
        assert_eq!(enricher.host(IpAddr::from([192, 0, 2, 7])).await, None);
    }
}
