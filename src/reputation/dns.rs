//! Questions to the DNS whose answers tell "there is nothing" from "nobody could say".

use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// Asks, and counts what it asked. Cloning shares the count.
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
    asked: Arc<AtomicU64>,
}

impl Dns {
    pub fn new(resolver: TokioResolver) -> Self {
        Self { resolver, asked: Arc::default() }
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
