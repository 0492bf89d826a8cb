//! A DNS server on loopback whose names are signed (DNSSEC), but for those of one zone; and a resolver that trusts its root.

use crate::dns_server::one_server;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_server::Server;
use hickory_server::dnssec::NxProofKind;
use hickory_server::net::runtime::Time;
use hickory_server::proto::dnssec::crypto::Ed25519SigningKey;
use hickory_server::proto::dnssec::rdata::DNSKEY;
use hickory_server::proto::dnssec::{DnssecSigner, SigningKey, TrustAnchors};
use hickory_server::proto::rr::rdata::{NS, SOA};
use hickory_server::proto::rr::{LowerName, Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use relaylens::reputation::Dns;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;

/// The zone without signatures.
const PLAIN: &str = "plain.example.";

/// Answers as long as it lives.
pub(crate) struct SignedNames {
    address: SocketAddr,
    anchors: Arc<TrustAnchors>,
    _server: Server<TwoZones>,
}

type Zone = InMemoryZoneHandler<TokioRuntimeProvider>;

impl SignedNames {
    /// Serves these records, with signatures but for those below `plain.example`. Those `put_in_later` take the place of
    /// signed ones after the signing, so that the signatures do not hold.
    pub(crate) async fn start(records: &[(&str, RData)], put_in_later: &[(&str, RData)]) -> Self {
        let (root, plain) = (Name::root(), Name::from_ascii(PLAIN).unwrap());
        let is_plain = |name: &Name| plain.zone_of(name);
        let named = records.iter().map(|(name, data)| (Name::from_ascii(name).unwrap(), data.clone()));
        let (unsigned, signed): (Vec<_>, Vec<_>) = named.partition(|(name, _)| is_plain(name));
        let mut above = zone(&root, Some(NxProofKind::Nsec), signed);
        above.upsert_mut(Record::from_rdata(plain.clone(), 60, RData::NS(NS(root.clone()))), 0);
        let key = Ed25519SigningKey::from_pkcs8(&Ed25519SigningKey::generate_pkcs8().unwrap()).unwrap();
        let public = key.to_public_key().unwrap();
        let mut anchors = TrustAnchors::empty();
        anchors.insert(&public);
        let signs = DnssecSigner::new(
            DNSKEY::from_key(&public),
            Box::new(key),
            root.clone(),
            Duration::from_hours(24),
        );
        above.add_zone_signing_key_mut(signs).unwrap();
        above.secure_zone_mut().unwrap();
        for (name, data) in put_in_later {
            let record = Record::from_rdata(Name::from_ascii(name).unwrap(), 60, data.clone());
            assert!(above.upsert_mut(record, 0), "{name} stands there as it is");
        }
        let below = zone(&plain, None, unsigned);
        let catalog = |origin: &Name, zone: Zone| {
            let mut catalog = Catalog::new();
            catalog.upsert(LowerName::new(origin), vec![Arc::new(zone)]);
            catalog
        };
        let zones = TwoZones { above: catalog(&root, above), below: catalog(&plain, below), plain };
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut server = Server::new(zones);
        server.register_socket(socket);
        Self { address, anchors: Arc::new(anchors), _server: server }
    }

    /// Asks this server, and follows its signatures.
    pub(crate) fn dns(&self) -> Dns {
        let validating =
            one_server(self.address).with_trust_anchor(Arc::clone(&self.anchors)).build().unwrap();
        Dns::new(one_server(self.address).build().unwrap()).validated_by(validating)
    }

    /// Asks this server, and trusts another root than its own.
    pub(crate) fn dns_of_another_root(&self) -> Dns {
        let anchors = Arc::new(TrustAnchors::default());
        let validating = one_server(self.address).with_trust_anchor(anchors).build().unwrap();
        Dns::new(one_server(self.address).build().unwrap()).validated_by(validating)
    }
}

fn zone(origin: &Name, proof: Option<NxProofKind>, records: Vec<(Name, RData)>) -> Zone {
    let mut zone = Zone::empty(origin.clone(), ZoneType::Primary, AxfrPolicy::Deny, proof);
    let soa = SOA::new(Name::root(), Name::root(), 1, 60, 60, 60, 60);
    let own = [(origin.clone(), RData::SOA(soa)), (origin.clone(), RData::NS(NS(Name::root())))];
    for (name, data) in records.into_iter().chain(own) {
        assert!(zone.upsert_mut(Record::from_rdata(name.clone(), 60, data), 0), "{name} cannot be served");
    }
    zone
}

/// What the signed zone says of a zone below it (DS) it says itself.
struct TwoZones {
    above: Catalog,
    below: Catalog,
    plain: Name,
}

#[async_trait::async_trait]
impl RequestHandler for TwoZones {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        responder: R,
    ) -> ResponseInfo {
        let query = request.request_info().unwrap().query;
        let (name, kind) = (Name::from(query.name().clone()), query.query_type());
        let is_below = self.plain.zone_of(&name) && !(kind == RecordType::DS && name == self.plain);
        let zone = if is_below { &self.below } else { &self.above };
        zone.handle_request::<R, T>(request, responder).await
    }
}
