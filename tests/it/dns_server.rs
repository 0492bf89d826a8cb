//! A DNS server for the tests: real questions over UDP and TCP on loopback, answers by a table, name servers with every
//! fault.
//!
//! What is not in the table does not exist. A zone can be told to fail; questions are counted by zone.

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::{A, AAAA, MX, PTR, TLSA, TXT};
use hickory_resolver::{ResolverBuilder, TokioResolver};
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Metadata, ResponseCode};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use relaylens::reputation::Dns;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};

/// How the name servers of a zone behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As the table says.
    Honest,
    /// SERVFAIL.
    Failing,
    Refusing,
    /// No answer at all.
    Mute,
    /// An address for whatever is asked.
    Always([u8; 4]),
}

#[derive(Default)]
struct Table {
    records: HashMap<(String, RecordType), Vec<RData>>,
    manners: Vec<(String, Manner)>,
    asked: HashMap<String, u64>,
}

/// The table of a running server. It ends with the last of its clones' server task, at the end of the test.
#[derive(Clone)]
pub(crate) struct World {
    table: Arc<Mutex<Table>>,
    pub(crate) address: SocketAddr,
}

impl World {
    pub(crate) async fn start() -> Self {
        let table: Arc<Mutex<Table>> = Arc::default();
        // A port that is free for both.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let mut server = hickory_server::Server::new(Handler(Arc::clone(&table)));
        server.register_socket(udp);
        server.register_listener(tcp, Duration::from_secs(5), 16);
        tokio::spawn(async move { server.block_until_done().await });
        Self { table, address }
    }

    /// Asks this server and no other, remembers nothing, and waits no longer than a test can.
    pub(crate) fn dns(&self) -> Dns {
        Dns::new(one_server(self.address).build().unwrap())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, name: &str, kind: RecordType, data: Vec<RData>) {
        self.lock().records.insert((name.to_ascii_lowercase(), kind), data);
    }

    pub(crate) fn txt(&self, name: &str, texts: &[&str]) {
        let data = texts.iter().map(|text| {
            // Strings of a text have 255 bytes at most.
            let strings = text.as_bytes().chunks(255).map(|chunk| String::from_utf8(chunk.to_vec()).unwrap());
            RData::TXT(TXT::new(strings.collect()))
        });
        self.put(name, RecordType::TXT, data.collect());
    }

    /// Addresses of a name: of the kind of the first.
    pub(crate) fn ips(&self, name: &str, ips: &[&str]) {
        let ips: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        let data = |ip: &IpAddr| match ip {
            IpAddr::V4(ip) => RData::A(A(*ip)),
            IpAddr::V6(ip) => RData::AAAA(AAAA(*ip)),
        };
        let kind = if ips.first().is_none_or(IpAddr::is_ipv4) { RecordType::A } else { RecordType::AAAA };
        self.put(name, kind, ips.iter().map(data).collect());
    }

    pub(crate) fn mx(&self, name: &str, servers: &[(u16, &str)]) {
        let data = servers.iter().map(|(at, host)| RData::MX(MX::new(*at, fqdn(host))));
        self.put(name, RecordType::MX, data.collect());
    }

    pub(crate) fn ptr(&self, ip: &str, names: &[&str]) {
        let at = Name::from(ip.parse::<IpAddr>().unwrap()).to_ascii();
        let data = names.iter().map(|name| RData::PTR(PTR(fqdn(name))));
        self.put(at.trim_end_matches('.'), RecordType::PTR, data.collect());
    }

    pub(crate) fn tlsa(&self, name: &str, usage: u8, data: Vec<u8>) {
        self.put(
            name,
            RecordType::TLSA,
            vec![RData::TLSA(TLSA::new(usage.into(), 1.into(), 1.into(), data))],
        );
    }

    pub(crate) fn remove(&self, name: &str) {
        self.lock().records.retain(|(known, _), _| known != name);
    }

    /// How the name servers of a zone behave from now on.
    pub(crate) fn zone(&self, zone: &str, manner: Manner) {
        let mut table = self.lock();
        table.manners.retain(|(known, _)| known != zone);
        table.manners.push((zone.to_owned(), manner));
    }

    /// Questions to a zone so far.
    pub(crate) fn asked(&self, zone: &str) -> u64 {
        self.lock().asked.get(zone).copied().unwrap_or(0)
    }
}

/// A resolver that asks one server, remembers nothing, and waits no longer than a test can.
pub(crate) fn one_server(address: SocketAddr) -> ResolverBuilder<TokioRuntimeProvider> {
    let mut name_server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut name_server.connections {
        connection.port = address.port();
    }
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.timeout = Duration::from_millis(700);
    options.attempts = 1;
    options.cache_size = 0;
    options.max_active_requests = 256;
    options.use_hosts_file = ResolveHosts::Never;
    builder
}

fn fqdn(host: &str) -> Name {
    Name::from_ascii(format!("{}.", host.trim_end_matches('.'))).unwrap()
}

struct Handler(Arc<Mutex<Table>>);

impl Handler {
    fn answer(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, Option<ResponseCode>> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_of = |zone: &str| name == zone || name.ends_with(&format!(".{zone}"));
        let manner = table.manners.iter().find(|(zone, _)| is_of(zone)).cloned();
        if let Some((zone, _)) = &manner {
            *table.asked.entry(zone.clone()).or_default() += 1;
        }
        match manner.map_or(Manner::Honest, |(_, manner)| manner) {
            Manner::Failing => Err(Some(ResponseCode::ServFail)),
            Manner::Refusing => Err(Some(ResponseCode::Refused)),
            Manner::Mute => Err(None),
            Manner::Always(octets) if kind == RecordType::A => Ok(vec![RData::A(A(octets.into()))]),
            Manner::Always(_) => Ok(Vec::new()),
            Manner::Honest => match table.records.get(&(name.to_owned(), kind)) {
                Some(data) => Ok(data.clone()),
                None if table.records.keys().any(|(known, _)| known == name) => Ok(Vec::new()),
                None => Err(Some(ResponseCode::NXDomain)),
            },
        }
    }
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut responder: R,
    ) -> ResponseInfo {
        let info = request.request_info().unwrap();
        let (name, kind) = (info.query.name().to_string(), info.query.query_type());
        let answer = self.answer(name.trim_end_matches('.'), kind);
        let builder = MessageResponseBuilder::from_message_request(request);
        let sent = match answer {
            Err(None) => {
                // Whoever asked has given up by then.
                tokio::time::sleep(Duration::from_secs(3)).await;
                responder.send_response(builder.error_msg(info.metadata, ResponseCode::ServFail)).await
            }
            Err(Some(code)) => responder.send_response(builder.error_msg(info.metadata, code)).await,
            Ok(data) => {
                let owner = Name::from(info.query.name().clone());
                let records: Vec<Record> =
                    data.into_iter().map(|data| Record::from_rdata(owner.clone(), 60, data)).collect();
                let metadata = Metadata::response_from_request(info.metadata);
                responder.send_response(builder.build(metadata, &records, [], [], [])).await
            }
        };
        sent.expect("the socket of the test takes an answer")
    }
}
