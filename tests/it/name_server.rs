//! A real DNS server on loopback, with the records that a test gives it.

use hickory_server::Server;
use hickory_server::net::runtime::TokioRuntimeProvider;
use hickory_server::proto::rr::rdata::{PTR, SOA, TXT};
use hickory_server::proto::rr::{LowerName, Name, RData, Record};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::UdpSocket;

/// Answers as long as it lives.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    _server: Server<Catalog>,
}

/// A name and what it holds.
pub(crate) fn txt(name: &str, text: &str) -> (Name, RData) {
    (Name::from_ascii(name).unwrap(), RData::TXT(TXT::new(vec![text.to_owned()])))
}

/// The host name of an address.
pub(crate) fn ptr(ip: IpAddr, host: &str) -> (Name, RData) {
    (Name::from(ip), RData::PTR(PTR(Name::from_ascii(host).unwrap())))
}

impl NameServer {
    /// Serves these records; all other names do not exist.
    pub(crate) async fn start(records: Vec<(Name, RData)>) -> Self {
        let root = Name::root();
        let soa = SOA::new(root.clone(), root.clone(), 1, 60, 60, 60, 60);
        let mut zone = InMemoryZoneHandler::<TokioRuntimeProvider>::empty(
            root.clone(),
            ZoneType::Primary,
            AxfrPolicy::Deny,
        );
        for (name, data) in records.into_iter().chain([(root.clone(), RData::SOA(soa))]) {
            assert!(
                zone.upsert_mut(Record::from_rdata(name.clone(), 60, data), 0),
                "{name} cannot be served"
            );
        }
        let mut catalog = Catalog::new();
        catalog.upsert(LowerName::new(&root), vec![Arc::new(zone)]);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut server = Server::new(catalog);
        server.register_socket(socket);
        Self { address, _server: server }
    }
}
