//! The list in memory: who is suppressed, in 46 to 57 bytes an entry, answered in microseconds.
//!
//! An address is known by 96 bits of a hash with a key of this process: at ten million addresses the chance that any
//! of a billion questions is answered for the wrong one is below 10⁻¹². The words of an entry (who, why, evidence)
//! are asked of the store by the place of its record.
//!
//! Readers and the writer share shards of about ten thousand entries, so that a reader waits at most for one shard to
//! grow, about 100 µs.
//!
//! Way: `app` follows the log and calls [`Index::apply`]; [`crate::suppression::postfix`] and `web` call
//! [`Index::check`].
//! Not here: the fold itself ([`crate::suppression::fold`]).

mod table;

use crate::model::suppression::{Key, LogRecord, MailType, Question, Reason, Scope, Seq};
use crate::model::{Text, Timestamp, normalize_address};
use crate::suppression::fold::{KeyState, Living, Step, precedence};
use md5::Md5;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use table::{Hash, Rest, Slot, Table};

/// Bits of the hash that name the shard.
const SHARD_BITS: u32 = 10;

/// Most entries and tombstones: 12 GB. A list beyond it is a mistake, or needs a machine of its own.
pub const ENTRIES_MAX: usize = 200_000_000;
/// Most different scopes (tenants, streams, lists): each costs about 200 bytes.
pub const SCOPES_MAX: u32 = 1_000_000;

/// Prefix of an address that is known by its SHA-256 alone.
pub const SHA256_PREFIX: &str = "sha256:";
/// Prefix of an address that is known by its MD5 alone.
pub const MD5_PREFIX: &str = "md5:";

/// The index is full: the record was left out, and its address is not suppressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IndexFull {
    #[error("the suppression index holds {ENTRIES_MAX} entries, which is the limit: remove or expire some")]
    Entries,
    #[error(
        "the suppression list names {SCOPES_MAX} tenants, streams and lists, which is the limit: use wider scopes"
    )]
    Scopes,
}

/// An entry that matches, as far as memory knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Place of the record that tells more.
    pub seq: Seq,
    pub scope: Scope,
    pub mail_type: MailType,
    pub reason: Reason,
    pub expires: Option<Timestamp>,
}

/// The list in memory; shared by reference.
pub struct Index {
    shards: Box<[RwLock<Shard>]>,
    keys: (RandomState, RandomState),
    scopes: RwLock<Scopes>,
    entries: AtomicUsize,
    /// Entries by SHA-256 and MD5 there have been: without any, no question is hashed that way.
    has_hashed: [AtomicBool; 2],
    is_loaded: AtomicBool,
}

#[derive(Default)]
struct Shard {
    living: Table,
    /// Tombstones: few, and asked when something is added alone.
    removed: HashMap<(Hash, Rest), Timestamp>,
}

/// Scopes by number; [`Scope::Global`] is 0.
struct Scopes {
    by_number: Vec<Scope>,
    numbers: HashMap<Scope, u32>,
}

impl Default for Index {
    fn default() -> Self {
        let shards = (0..1_usize << SHARD_BITS).map(|_| RwLock::default()).collect();
        let scopes = Scopes { by_number: vec![Scope::Global], numbers: HashMap::from([(Scope::Global, 0)]) };
        Self {
            shards,
            keys: (RandomState::new(), RandomState::new()),
            scopes: RwLock::new(scopes),
            entries: AtomicUsize::new(0),
            has_hashed: [AtomicBool::new(false), AtomicBool::new(false)],
            is_loaded: AtomicBool::new(false),
        }
    }
}

impl Index {
    /// Folds one record in. Records come in the order of the log.
    ///
    /// # Errors
    ///
    /// [`IndexFull`]: the record was left out.
    pub fn apply(&self, record: &LogRecord) -> Result<(), IndexFull> {
        let key = &record.change.key;
        let rest = (self.scope_number(&key.scope)?, (key.mail_type as i8).cast_unsigned(), key.reason.rank());
        let address = self.hash(&key.address);
        let mut shard = self.write(address);
        let was = shard.living.len() + shard.removed.len();
        if record.change.action.adds() && self.entries.load(Ordering::Relaxed) >= ENTRIES_MAX {
            return Err(IndexFull::Entries);
        }
        let before = shard.state(address, rest);
        let mut after = before;
        after.apply(Step::of(record));
        if after != before {
            shard.set(address, rest, &after);
        }
        let is = shard.living.len() + shard.removed.len();
        drop(shard);
        // Wraps when fewer than before, as addition does.
        self.entries.fetch_add(is.wrapping_sub(was), Ordering::Relaxed);
        self.note_hashed(&key.address);
        Ok(())
    }

    /// The deciding entry for the question, if the address is suppressed at `now`.
    pub fn check(&self, question: &Question, now: Timestamp) -> Option<Hit> {
        let mut first: Option<Hit> = None;
        self.each_hit(question, now, |hit| {
            let rank = |hit: &Hit| precedence(hit.reason, &hit.scope, hit.expires, hit.seq);
            if first.as_ref().is_none_or(|first| rank(&hit) < rank(first)) {
                first = Some(hit);
            }
        });
        first
    }

    /// What the log made of one key.
    pub fn state(&self, key: &Key) -> KeyState {
        let number = self.scopes().numbers.get(&key.scope).copied();
        let Some(number) = number else { return KeyState::default() };
        let rest = (number, (key.mail_type as i8).cast_unsigned(), key.reason.rank());
        let address = self.hash(&key.address);
        self.read(address).state(address, rest)
    }

    /// Drops entries that have ended; returns how many. For memory alone: a check looks at the end itself.
    pub fn sweep(&self, now: Timestamp) -> usize {
        let mut dropped = 0;
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let was = shard.living.len();
            shard.living.retain(|slot| !living(slot).is_over(now));
            dropped += was - shard.living.len();
        }
        self.entries.fetch_sub(dropped, Ordering::Relaxed);
        dropped
    }

    /// Entries and tombstones.
    pub fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the slots, used and free.
    pub fn size_bytes(&self) -> usize {
        let size = |shard: &RwLock<Shard>| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            shard.living.size_bytes() + shard.removed.capacity() * size_of::<((Hash, Rest), Timestamp)>()
        };
        self.shards.iter().map(size).sum()
    }

    /// Whether the log has been read to its end once. Until then an answer may miss entries.
    pub fn is_loaded(&self) -> bool {
        self.is_loaded.load(Ordering::Acquire)
    }

    pub fn set_loaded(&self) {
        self.is_loaded.store(true, Ordering::Release);
    }

    fn each_hit(&self, question: &Question, now: Timestamp, mut take: impl FnMut(Hit)) {
        let mut ask = |address: &str| {
            let address = self.hash(address);
            let shard = self.read(address);
            for slot in shard.living.of(address) {
                let scopes = self.scopes();
                // The number is one that `scope_number` gave.
                let scope = &scopes.by_number[slot.scope as usize];
                let (mail_type, living) = (MailType::ALL[usize::from(slot.mail_type)], living(slot));
                if living.is_over(now) || !scope.covers(question) || !mail_type.covers(question.mail_type) {
                    continue;
                }
                let reason = Reason::ALL[usize::from(slot.reason)];
                let (seq, expires) = (living.seq, living.expires);
                take(Hit { seq, scope: scope.clone(), mail_type, reason, expires });
            }
        };
        let address = normalized(&question.address);
        ask(&address);
        if self.has_hashed[0].load(Ordering::Relaxed) {
            ask(&sha256_of(&address));
        }
        if self.has_hashed[1].load(Ordering::Relaxed) {
            ask(&md5_of(&address));
        }
    }

    fn note_hashed(&self, address: &str) {
        for (prefix, has) in [SHA256_PREFIX, MD5_PREFIX].into_iter().zip(&self.has_hashed) {
            if address.starts_with(prefix) {
                has.store(true, Ordering::Relaxed);
            }
        }
    }

    fn hash(&self, address: &str) -> Hash {
        // The upper half of the second hash: 32 bits.
        let low = self.keys.1.hash_one(address) >> 32;
        (self.keys.0.hash_one(address), u32::try_from(low).unwrap_or(u32::MAX))
    }

    fn shard(&self, address: Hash) -> &RwLock<Shard> {
        // `SHARD_BITS` bits: below the number of shards.
        &self.shards[(address.0 >> (u64::BITS - SHARD_BITS)) as usize]
    }

    // A thread that panicked with the lock had not begun to change the shard, or a slot is missing: better than no
    // answer.
    fn read(&self, address: Hash) -> RwLockReadGuard<'_, Shard> {
        self.shard(address).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, address: Hash) -> RwLockWriteGuard<'_, Shard> {
        self.shard(address).write().unwrap_or_else(PoisonError::into_inner)
    }

    fn scopes(&self) -> RwLockReadGuard<'_, Scopes> {
        self.scopes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn scope_number(&self, scope: &Scope) -> Result<u32, IndexFull> {
        if *scope == Scope::Global {
            return Ok(0);
        }
        if let Some(number) = self.scopes().numbers.get(scope) {
            return Ok(*number);
        }
        let mut scopes = self.scopes.write().unwrap_or_else(PoisonError::into_inner);
        let next = u32::try_from(scopes.by_number.len()).unwrap_or(u32::MAX);
        if let Some(number) = scopes.numbers.get(scope) {
            return Ok(*number);
        }
        if next >= SCOPES_MAX {
            return Err(IndexFull::Scopes);
        }
        scopes.by_number.push(scope.clone());
        scopes.numbers.insert(scope.clone(), next);
        Ok(next)
    }
}

impl Shard {
    fn state(&self, address: Hash, rest: Rest) -> KeyState {
        KeyState {
            living: self.living.of(address).iter().find(|slot| slot.rest() == rest).map(living),
            removed_to: self.removed.get(&(address, rest)).copied(),
        }
    }

    fn set(&mut self, address: Hash, rest: Rest, state: &KeyState) {
        match state.living {
            Some(living) => self.living.put(slot(address, rest, &living)),
            None => self.living.remove(address, rest),
        }
        match state.removed_to {
            Some(removed_to) => self.removed.insert((address, rest), removed_to),
            None => self.removed.remove(&(address, rest)),
        };
    }
}

fn slot((hash, hash_low): Hash, (scope, mail_type, reason): Rest, living: &Living) -> Slot {
    // Before 1970 has ended anyway, after 2106 never will.
    let expires = living.expires.map_or(0, |end| u32::try_from(end.seconds().max(1)).unwrap_or(0));
    let (seq, observed) = (living.seq.0, living.observed.0);
    Slot { hash, seq, observed, hash_low, scope, expires, mail_type, reason }
}

fn living(slot: &Slot) -> Living {
    Living {
        seq: Seq(slot.seq),
        observed: Timestamp(slot.observed),
        expires: (slot.expires > 0).then(|| Timestamp::from_seconds(slot.expires.into())),
    }
}

/// The address as the list knows it; borrowed when it is so already, which nearly all are.
fn normalized(address: &str) -> Cow<'_, str> {
    match normalize_address(address) {
        same if same == address => Cow::Borrowed(address),
        other => Cow::Owned(other.into()),
    }
}

/// The name of an address that is known by its SHA-256. The address is normalised before it is hashed.
pub fn sha256_of(address: &str) -> Text {
    hashed(SHA256_PREFIX, &Sha256::digest(normalize_address(address).as_bytes()))
}

/// The name of an address that is known by its MD5. The address is normalised before it is hashed.
pub fn md5_of(address: &str) -> Text {
    hashed(MD5_PREFIX, &Md5::digest(normalize_address(address).as_bytes()))
}

fn hashed(prefix: &str, digest: &[u8]) -> Text {
    use std::fmt::Write;
    let mut text = Text::from(prefix);
    for byte in digest {
        // Writing into a text in memory cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests;
