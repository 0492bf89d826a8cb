//! Questions to the DNS whose answers tell "there is nothing" from "nobody could say".

use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{MX, MessageAuthenticator, Parameters, RecordSet, ResolverCache, SpfResult, Txt};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Longest text of a name server's fault that is kept, in bytes.
const FAULT_BYTES_MAX: usize = 200;

/// An answer of the DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    Found(T),
    /// The name does not exist, or has no record of the kind.
    Nothing,
    /// Nobody could say, and why.
    Unknown(String),
}

impl<T> Answer<T> {
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Found(found) => Answer::Found(make(found)),
            Self::Nothing => Answer::Nothing,
            Self::Unknown(why) => Answer::Unknown(why),
        }
    }
}

/// A TLSA record (RFC 6698 section 2.1), in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tlsa {
    pub usage: u8,
    pub selector: u8,
    pub matching: u8,
    pub data: Vec<u8>,
}

/// What DNSSEC says of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// A chain of signatures leads to it from the root's key.
    Yes,
    /// It is proven that the zone is not signed.
    No,
    /// It should be signed, and the signatures do not hold.
    Broken,
    /// Nobody could say, and why.
    Unknown(String),
}

/// Asks, and counts what it asked. Cloning shares the count.
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
    /// Follows signatures by itself, whatever the name server says of them.
    validating: Option<TokioResolver>,
    asked: Arc<AtomicU64>,
}

impl Dns {
    /// Without [`Dns::validated_by`], whether anything is signed is unknown.
    pub fn new(resolver: TokioResolver) -> Self {
        Self { resolver, validating: None, asked: Arc::default() }
    }

    /// With a resolver that validates: what it trusts is a key of the root, and no name server.
    #[must_use]
    pub fn validated_by(self, validating: TokioResolver) -> Self {
        Self { validating: Some(validating), ..self }
    }

    /// Questions so far; one that the resolver had in its cache, or asked twice, counts once.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// IPv4 addresses.
    pub async fn a(&self, name: &str) -> Answer<Vec<Ipv4Addr>> {
        let picked = |data: &RData| if let RData::A(a) = data { Some(a.0) } else { None };
        self.ask(name, RecordType::A, picked).await
    }

    /// Addresses of both kinds; unknown when either is.
    pub async fn addresses(&self, name: &str) -> Answer<Vec<IpAddr>> {
        let four = |data: &RData| if let RData::A(a) = data { Some(IpAddr::V4(a.0)) } else { None };
        let six = |data: &RData| if let RData::AAAA(a) = data { Some(IpAddr::V6(a.0)) } else { None };
        let both = tokio::join!(self.ask(name, RecordType::A, four), self.ask(name, RecordType::AAAA, six));
        match both {
            (Answer::Unknown(why), _) | (_, Answer::Unknown(why)) => Answer::Unknown(why),
            (Answer::Nothing, other) | (other, Answer::Nothing) => other,
            (Answer::Found(four), Answer::Found(six)) => Answer::Found([four, six].concat()),
        }
    }

    /// Texts, each with its strings joined (RFC 7208 section 3.3).
    pub async fn txt(&self, name: &str) -> Answer<Vec<String>> {
        let picked = |data: &RData| match data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        };
        self.ask(name, RecordType::TXT, picked).await
    }

    /// Mail servers with their preference, in its order.
    pub async fn mx(&self, name: &str) -> Answer<Vec<(u16, String)>> {
        let picked = |data: &RData| match data {
            RData::MX(mx) => Some((mx.preference, host(&mx.exchange))),
            _ => None,
        };
        self.ask(name, RecordType::MX, picked).await.map(|mut servers| {
            servers.sort();
            servers
        })
    }

    /// Host names of an address.
    pub async fn ptr(&self, ip: IpAddr) -> Answer<Vec<String>> {
        let picked = |data: &RData| if let RData::PTR(name) = data { Some(host(&name.0)) } else { None };
        self.ask_name(Name::from(ip), RecordType::PTR, picked).await
    }

    pub async fn tlsa(&self, name: &str) -> Answer<Vec<Tlsa>> {
        let picked = |data: &RData| match data {
            RData::TLSA(tlsa) => Some(Tlsa {
                usage: usage(tlsa.cert_usage),
                selector: selector(tlsa.selector),
                matching: matching(tlsa.matching),
                data: tlsa.cert_data.clone(),
            }),
            _ => None,
        };
        self.ask(name, RecordType::TLSA, picked).await
    }

    /// Whether the TLSA records of a name are signed.
    pub async fn is_tlsa_signed(&self, name: &str) -> Signed {
        self.signed(name, RecordType::TLSA).await
    }

    /// Whether the mail servers of a domain are signed.
    pub async fn is_mx_signed(&self, name: &str) -> Signed {
        self.signed(name, RecordType::MX).await
    }

    async fn signed(&self, name: &str, kind: RecordType) -> Signed {
        let Some(validating) = &self.validating else {
            return Signed::Unknown("nothing here follows signatures".to_owned());
        };
        let Ok(mut name) = Name::from_ascii(name) else {
            return Signed::Unknown("the name is no name".to_owned());
        };
        name.set_fqdn(true);
        self.asked.fetch_add(1, Ordering::Relaxed);
        match validating.lookup(name, kind).await {
            Ok(found) => match found.answers().iter().map(|record| record.proof).min() {
                Some(Proof::Secure) => Signed::Yes,
                Some(Proof::Insecure) => Signed::No,
                _ => Signed::Unknown("the chain of signatures could not be followed".to_owned()),
            },
            Err(NetError::Dns(DnsError::DnssecBogus)) => self.broken_or_stripped(validating).await,
            Err(error) => Signed::Unknown(fault(&error)),
        }
    }

    /// Signatures that do not hold are a fault of the zone only when the name server passes signatures on at all: the
    /// root's are always there.
    async fn broken_or_stripped(&self, validating: &TokioResolver) -> Signed {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let root = validating.lookup(Name::root(), RecordType::NS).await;
        let passes_on =
            root.is_ok_and(|root| root.answers().iter().all(|record| record.proof == Proof::Secure));
        if passes_on {
            return Signed::Broken;
        }
        Signed::Unknown(
            "the name server passes no signatures on: ask one that does, by `reputation.resolver`".to_owned(),
        )
    }

    /// What a receiver's check of SPF says of mail from an address, sent for a domain. Questions that `memo` has seen
    /// are not asked again.
    pub(super) async fn spf(&self, ip: IpAddr, ehlo: &str, domain: &str, memo: &SpfMemo) -> SpfResult {
        let sender = format!("postmaster@{domain}");
        let asking = MessageAuthenticator(self.resolver.clone());
        let before = memo.missed();
        let parameters = Parameters {
            params: SpfParameters::verify_mail_from(ip, ehlo, domain, &sender),
            cache_txt: Some(&memo.txt),
            cache_mx: Some(&memo.mx),
            cache_ptr: Some(&memo.ptr),
            cache_ipv4: Some(&memo.ipv4),
            cache_ipv6: Some(&memo.ipv6),
        };
        let result = asking.verify_spf(parameters).await.result();
        self.asked.fetch_add(memo.missed() - before, Ordering::Relaxed);
        result
    }

    async fn ask<T>(
        &self,
        name: &str,
        kind: RecordType,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Answer<Vec<T>> {
        match Name::from_ascii(name) {
            Ok(name) => self.ask_name(name, kind, pick).await,
            // A label that is empty or too long can stand in a record; no name server has it.
            Err(_) => Answer::Nothing,
        }
    }

    async fn ask_name<T>(
        &self,
        mut name: Name,
        kind: RecordType,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Answer<Vec<T>> {
        // Without the last dot the system's search list would be tried.
        name.set_fqdn(true);
        self.asked.fetch_add(1, Ordering::Relaxed);
        match self.resolver.lookup(name, kind).await {
            Ok(found) => {
                let found: Vec<T> =
                    found.answers().iter().filter_map(|record: &Record| pick(&record.data)).collect();
                // A CNAME that leads nowhere.
                if found.is_empty() { Answer::Nothing } else { Answer::Found(found) }
            }
            Err(error) if error.is_no_records_found() => Answer::Nothing,
            Err(error) => Answer::Unknown(fault(&error)),
        }
    }
}

/// Answers about one domain, while its addresses are checked: what one of them needs, all need. It is as large as the
/// tree of one SPF record, which receivers limit to ten questions and a few more.
#[derive(Default)]
pub(super) struct SpfMemo {
    txt: Memo<Box<str>, Txt>,
    mx: Memo<Box<str>, RecordSet<MX>>,
    ptr: Memo<IpAddr, RecordSet<Box<str>>>,
    ipv4: Memo<Box<str>, RecordSet<Ipv4Addr>>,
    ipv6: Memo<Box<str>, RecordSet<Ipv6Addr>>,
}

impl SpfMemo {
    fn missed(&self) -> u64 {
        let counts =
            [&self.txt.missed, &self.mx.missed, &self.ptr.missed, &self.ipv4.missed, &self.ipv6.missed];
        counts.into_iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

struct Memo<K, V> {
    known: Mutex<HashMap<K, V>>,
    missed: AtomicU64,
}

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self { known: Mutex::default(), missed: AtomicU64::default() }
    }
}

impl<K: Hash + Eq, V: Clone> ResolverCache<K, V> for Memo<K, V> {
    fn get<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        self.missed.fetch_add(u64::from(known.is_none()), Ordering::Relaxed);
        known
    }

    fn remove<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    fn insert(&self, key: K, value: V, _: Instant) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value);
    }
}

/// A fault in a word that a person knows.
fn fault(error: &NetError) -> String {
    match error {
        NetError::Timeout => "no answer in time".to_owned(),
        NetError::Dns(DnsError::ResponseCode(code)) => {
            format!("the name server answers {}", format!("{code:?}").to_ascii_uppercase())
        }
        NetError::NoConnections => "no name server can be reached".to_owned(),
        other => {
            let text = other.to_string();
            text[..text.floor_char_boundary(FAULT_BYTES_MAX)].to_owned()
        }
    }
}

/// A host name as people write it.
fn host(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

fn usage(usage: CertUsage) -> u8 {
    usage.into()
}

fn selector(selector: Selector) -> u8 {
    selector.into()
}

fn matching(matching: Matching) -> u8 {
    matching.into()
}
