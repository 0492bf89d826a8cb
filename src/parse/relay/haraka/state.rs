//! The messages on their way: who sent each, and who still waits for it.
//!
//! Way: `apply` finds a message by the host of the relay and the id of its transaction; the reader stores all of them
//! across a restart.
//!
//! A message is forgotten when its last recipient has an end, when it is too old, or when there are too many and it is
//! the oldest.

use crate::model::{EnhancedCode, Event, SmtpReply, SmtpStage, Text, Timestamp, domain_of};
use crate::parse::relay::in_flight::Limits;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

/// Connections whose client is remembered until it sends: when over, all are forgotten, and the messages of those that
/// are open lack `client_ip`.
const CONNECTIONS_MAX: usize = 10_000;

/// Entries of the order that may be stale before it is swept, beyond one for each message.
const STALE_SLACK: usize = 1024;

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Transaction {
    /// Counts messages; the smallest is the oldest.
    serial: u64,
    first_seen: Timestamp,
    pub(super) about: About,
    /// The destination of each domain, while recipients come.
    domains: BTreeMap<Text, u32>,
    destinations: u32,
    /// Those without an end, by address.
    recipients: BTreeMap<Text, Recipient>,
    /// The session of a connection that was just made, by the destination that it is for.
    tls: BTreeMap<u32, (Text, Text)>,
}

/// What events tell of their message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct About {
    /// When the relay took it, once it has.
    pub(super) queued: Option<Timestamp>,
    /// The relay wrote it itself.
    pub(super) is_own: bool,
    pub(super) sender: Text,
    pub(super) message_id: Text,
    pub(super) size_bytes: u32,
    pub(super) client_ip: Option<IpAddr>,
}

/// Somebody who waits for the message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Recipient {
    destination: u32,
    pub(super) attempts: u16,
    /// Put off in the attempt that is under way: what is said of the others does not hold for this one.
    is_put_off: bool,
    code: u16,
    enhanced: Option<EnhancedCode>,
    text: Text,
    stage: SmtpStage,
}

impl Recipient {
    /// Notes a failed attempt; `is_alone` when the attempt goes on for the others.
    pub(super) fn put_off(&mut self, event: &Event, is_alone: bool) {
        self.attempts = event.attempt;
        self.is_put_off = is_alone;
        let SmtpReply { code, enhanced, text, stage } = event.reply.clone();
        (self.code, self.enhanced, self.text, self.stage) = (code, enhanced, text, stage);
    }

    /// What the last attempt met.
    pub(super) fn last_reply(&self) -> SmtpReply {
        SmtpReply { code: self.code, enhanced: self.enhanced, text: self.text.clone(), stage: self.stage }
    }
}

impl Transaction {
    /// Adds a recipient; returns whether that is one more. Beyond the limit none is noted, and its later events lack it.
    fn add(&mut self, address: Text, always_split: bool, waiting_max: usize) -> bool {
        if self.recipients.len() >= waiting_max {
            return false;
        }
        let next = self.destinations.saturating_add(1);
        let destination =
            if always_split { next } else { *self.domains.entry(domain_of(&address).into()).or_insert(next) };
        self.destinations = self.destinations.max(destination);
        self.recipients.insert(address, Recipient { destination, ..Recipient::default() }).is_none()
    }

    /// Notes that the relay took the message; returns the number of its recipients.
    pub(super) fn queue(&mut self, now: Timestamp) -> usize {
        self.about.queued = Some(now);
        self.domains.clear();
        self.recipients.len()
    }

    /// Those whom an event of a destination is about: not those that were put off before in the same attempt.
    pub(super) fn of_destination(
        &mut self,
        destination: u32,
    ) -> (&About, impl Iterator<Item = (&Text, &mut Recipient)>) {
        let recipients = self.recipients.iter_mut();
        (&self.about, recipients.filter(move |(_, one)| one.destination == destination && !one.is_put_off))
    }

    pub(super) fn of_address(&mut self, address: &str) -> Option<&mut Recipient> {
        self.recipients.get_mut(address)
    }

    /// Notes that the attempt is over.
    pub(super) fn end_attempt(&mut self, destination: u32) {
        for one in self.recipients.values_mut().filter(|one| one.destination == destination) {
            one.is_put_off = false;
        }
        self.tls.remove(&destination);
    }

    pub(super) fn note_tls(&mut self, destination: u32, version: Text, cipher: Text) {
        if self.tls.len() < self.recipients.len() {
            self.tls.insert(destination, (version, cipher));
        }
    }

    pub(super) fn take_tls(&mut self, destination: u32) -> Option<(Text, Text)> {
        self.tls.remove(&destination)
    }
}

/// All that is remembered.
#[derive(Debug)]
pub(super) struct Memory {
    limits: Limits,
    always_split: bool,
    transactions: HashMap<Text, Transaction>,
    recipients_total: usize,
    next_serial: u64,
    /// Every message in the order of its first line; stale where another or none has the serial.
    order: VecDeque<(Timestamp, u64, Text)>,
    clients: HashMap<Text, IpAddr>,
    /// Room to build keys in.
    pub(super) key: String,
}

impl Memory {
    /// Takes transactions back that [`Self::transactions`] gave.
    pub(super) fn new(
        limits: Limits,
        always_split: bool,
        mut transactions: Vec<(Text, Transaction)>,
    ) -> Self {
        transactions.sort_unstable_by_key(|(_, transaction)| transaction.serial);
        let order = transactions.iter().map(|(key, one)| (one.first_seen, one.serial, key.clone())).collect();
        Self {
            limits,
            always_split,
            recipients_total: transactions.iter().map(|(_, one)| one.recipients.len()).sum(),
            next_serial: transactions.last().map_or(0, |(_, one)| one.serial.saturating_add(1)),
            order,
            transactions: transactions.into_iter().collect(),
            clients: HashMap::new(),
            key: String::new(),
        }
    }

    pub(super) fn transactions(&self) -> impl Iterator<Item = (&Text, &Transaction)> {
        self.transactions.iter()
    }

    /// Notes the client of a connection.
    pub(super) fn connect(&mut self, ip: IpAddr) {
        if self.clients.len() >= CONNECTIONS_MAX {
            self.clients.clear();
        }
        self.clients.insert(self.key.as_str().into(), ip);
    }

    pub(super) fn disconnect(&mut self) {
        self.clients.remove(self.key.as_str());
    }

    pub(super) fn client(&self) -> Option<IpAddr> {
        self.clients.get(self.key.as_str()).copied()
    }

    /// Begins the message whose key was built, whatever was known of it.
    pub(super) fn begin(&mut self, now: Timestamp) -> &mut Transaction {
        let key = Text::from(self.key.as_str());
        self.forget(&key);
        let serial = self.next_serial;
        self.next_serial += 1;
        self.order.push_back((now, serial, key.clone()));
        if self.order.len() > 2 * self.transactions.len() + STALE_SLACK {
            let transactions = &self.transactions;
            self.order.retain(|(_, serial, key)| {
                transactions.get(key).is_some_and(|one| one.serial == *serial)
                    || *serial + 1 == self.next_serial
            });
        }
        self.transactions.entry(key).or_insert(Transaction {
            serial,
            first_seen: now,
            ..Transaction::default()
        })
    }

    /// Returns the message whose key was built.
    pub(super) fn find(&mut self) -> Option<&mut Transaction> {
        self.transactions.get_mut(self.key.as_str())
    }

    pub(super) fn add_recipient(&mut self, address: Text) {
        let (always_split, waiting_max) = (self.always_split, self.limits.waiting_max);
        if let Some(transaction) = self.find()
            && transaction.add(address, always_split, waiting_max)
        {
            self.recipients_total += 1;
        }
    }

    /// Notes that recipients have an end, and forgets the message when they were the last.
    pub(super) fn settle<'t>(&mut self, addresses: impl Iterator<Item = &'t Text>) {
        let Some(transaction) = self.transactions.get_mut(self.key.as_str()) else { return };
        for address in addresses {
            self.recipients_total -= usize::from(transaction.recipients.remove(address).is_some());
        }
        if transaction.recipients.is_empty() && transaction.about.queued.is_some() {
            self.forget_current();
        }
    }

    /// Forgets the message whose key was built.
    pub(super) fn forget_current(&mut self) {
        let key = Text::from(self.key.as_str());
        self.forget(&key);
    }

    /// Forgets what is too old at `now`, and the oldest messages when there are too many.
    pub(super) fn make_room(&mut self, now: Timestamp) {
        while let Some((first_seen, ..)) = self.order.front()
            && (now.0.saturating_sub(first_seen.0) > self.limits.age_max_micros
                || self.transactions.len() + self.recipients_total > self.limits.in_flight_max)
        {
            let Some((_, serial, key)) = self.order.pop_front() else { return };
            if self.transactions.get(&key).is_some_and(|one| one.serial == serial) {
                self.forget(&key);
            }
        }
    }

    fn forget(&mut self, key: &Text) {
        if let Some(transaction) = self.transactions.remove(key) {
            self.recipients_total -= transaction.recipients.len();
        }
    }
}
