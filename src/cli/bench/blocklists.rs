//! Rounds of blocklists over many addresses: what a round costs, and that it keeps within the budget.
//!
//! The lists are this process's own: a name server on loopback that answers each question after a time, as a real one
//! far away does. The watcher, the resolver, the budgets and the store are those of `serve`.

use crate::app::{Database, reputable};
use crate::cli::bench::fill::ensure_empty;
use crate::cli::bench::{Blocklists, config_for, now};
use crate::config::{Config, Reputation};
use crate::model::Timestamp;
use crate::reputation::blocklist::{BlockList, Registry};
use crate::reputation::watch::{Parts, Watcher};
use anyhow::Context;
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::A;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

/// Where the lists stand.
const ZONE: &str = "bl.example";

/// The first address: a network for measurements (RFC 2544), so that nobody's is asked about.
const FIRST_IP: u32 = u32::from_be_bytes([198, 18, 0, 0]);

/// Each address whose number is divisible by this is on each list.
const LISTED_EVERY: u32 = 50;

/// Largest question, in bytes.
const QUESTION_BYTES_MAX: usize = 1_232;

pub(super) fn run(asked: &Blocklists, config: &Config) -> anyhow::Result<()> {
    ensure_empty(&asked.data_dir)?;
    let config = config_for(config, &asked.data_dir);
    tokio::runtime::Runtime::new()?.block_on(async {
        let questions = Arc::new(AtomicU64::new(0));
        let server =
            name_server(Duration::from_millis(asked.answer_ms.into()), Arc::clone(&questions)).await?;
        let database = Database::open(&config).await?;
        let settings = Reputation {
            resolver: Some(server),
            ips: (0..u32::from(asked.ips)).map(address).collect(),
            discover: false,
            dns_hours: 0,
            ..Reputation::default()
        };
        let config = Config { reputation: settings, ..config };
        let measured = measure(asked, &config, &database, &questions).await;
        database.close().await;
        measured
    })
}

async fn measure(
    asked: &Blocklists,
    config: &Config,
    database: &Database,
    questions: &AtomicU64,
) -> anyhow::Result<()> {
    let budget = config.reputation.blocklists.queries_per_day_max;
    let parts = reputable(config)?;
    let store = database.store.clone();
    let (dns, policies, settings) = (parts.dns, parts.policies, config.reputation.clone());
    let mut watcher =
        Watcher::new(Parts { store: store.clone(), dns, policies, lists: lists(asked.lists)?, settings });
    let (begun_at, begun) = (now(), Instant::now());
    watcher.step(begun_at).await?;
    let took = begun.elapsed();
    let first = questions.load(Ordering::Relaxed);
    let standing = store.listings(0).await?;
    let count = |state: &str| standing.iter().filter(|row| row.state == state).count();
    tell(
        &format!("{} addresses on {} lists, seconds", asked.ips, asked.lists),
        &format!("{:.1}", took.as_secs_f64()),
    )?;
    tell("questions to the DNS", &first.to_string())?;
    let each = first.div_ceil(u64::from(asked.lists.max(1)));
    tell("questions to each list, of its budget of a day", &format!("{each} of {budget}"))?;
    let told = format!("{}, {}, {}", count("listed"), count("clean"), count("unknown"));
    tell("listed, clean, unknown", &told)?;
    watcher.step(Timestamp::from_seconds(begun_at.seconds() + 60)).await?;
    let more = questions.load(Ordering::Relaxed) - first;
    tell("questions a minute later, when nothing is due", &more.to_string())?;
    // Each round of the day that still fits: what is spent is spent.
    for hour in 1..24 {
        watcher.step(Timestamp::from_seconds(begun_at.seconds() + hour * 3_600)).await?;
    }
    let day = questions.load(Ordering::Relaxed);
    let each = day.div_ceil(u64::from(asked.lists.max(1)));
    tell("questions of 24 hours to each list, rounds every hour", &format!("{each} of {budget}"))?;
    let expected = usize::from(asked.ips) * usize::from(asked.lists);
    anyhow::ensure!(
        standing.len() == expected && count("unknown") == 0,
        "{} answers of {expected} are known: the name server was too slow for this machine",
        standing.len() - count("unknown")
    );
    Ok(())
}

fn tell(what: &str, value: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{what:56} {value}")
}

fn address(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(FIRST_IP + number))
}

fn lists(count: u16) -> anyhow::Result<Vec<BlockList>> {
    let list = |number: u16| {
        [
            "[[list]]",
            &format!("name = \"bench{number}\"\ntitle = \"bench{number}\"\nzone = \"l{number}.{ZONE}\""),
            "asks = [\"ip4\"]\ntier = 1\nasked = \"always\"\nsource = \"this bench\"",
            "codes = [{ match = \"127.0.0.2\", name = \"spam\" }]\n",
        ]
        .join("\n")
    };
    let text = (0..count).map(list).collect::<Vec<_>>().join("\n");
    let registry = Registry::with_overlay(&text).context("the lists of the bench")?;
    Ok(registry.lists.into_iter().filter(|list| list.zone.ends_with(ZONE)).collect())
}

/// Answers for as long as the process lives.
async fn name_server(wait: Duration, questions: Arc<AtomicU64>) -> anyhow::Result<SocketAddr> {
    let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
    let at = socket.local_addr()?;
    tokio::spawn(async move {
        let mut bytes = [0; QUESTION_BYTES_MAX];
        while let Ok((length, whom)) = socket.recv_from(&mut bytes).await {
            questions.fetch_add(1, Ordering::Relaxed);
            let Some(answer) = answer(&bytes[..length]) else { continue };
            let socket = Arc::clone(&socket);
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                // Whoever asked may have gone.
                let _ = socket.send_to(&answer, whom).await;
            });
        }
    });
    Ok(at)
}

/// What a list says: its test entry and each fiftieth address are listed, all others are not.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let message = Message::from_vec(question).ok()?;
    let query = message.queries.first()?.clone();
    let mut labels =
        query.name().iter().filter_map(|label| std::str::from_utf8(label).ok()?.parse::<u8>().ok());
    let [d, c, b, a] = [labels.next()?, labels.next()?, labels.next()?, labels.next()?];
    let ip = u32::from_be_bytes([a, b, c, d]);
    let is_subject = ip >= FIRST_IP && (ip - FIRST_IP).is_multiple_of(LISTED_EVERY);
    let is_listed = ip == Ipv4Addr::new(127, 0, 0, 2).to_bits() || is_subject;
    let mut reply = Message::response(message.metadata.id, OpCode::Query);
    if !is_listed {
        reply.metadata.response_code = ResponseCode::NXDomain;
    } else if query.query_type() == RecordType::A {
        let data = RData::A(A(Ipv4Addr::new(127, 0, 0, 2)));
        reply.add_answer(Record::from_rdata(query.name().clone(), 60, data));
    }
    reply.add_query(query);
    reply.to_vec().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::op::Query;
    use hickory_resolver::proto::rr::Name;

    #[test]
    fn each_fiftieth_address_and_the_test_entry_are_listed() {
        let is_listed = |ip: IpAddr| {
            let IpAddr::V4(ip) = ip else { unreachable!("made above") };
            let [a, b, c, d] = ip.octets();
            let name = Name::from_ascii(format!("{d}.{c}.{b}.{a}.l0.{ZONE}.")).unwrap();
            let mut question = Message::query();
            question.add_query(Query::query(name, RecordType::A));
            let answer = Message::from_vec(&answer(&question.to_vec().unwrap()).unwrap()).unwrap();
            !answer.answers.is_empty()
        };
        assert!(is_listed(address(0)) && !is_listed(address(1)) && is_listed(address(300)));
        assert!(is_listed([127, 0, 0, 2].into()) && !is_listed([127, 0, 0, 1].into()));
    }

    #[test]
    fn the_lists_are_the_benchs_own() {
        assert_eq!(lists(20).unwrap().len(), 20);
    }
}
