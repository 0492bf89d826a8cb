//! Signed messages that were taken, so that nobody sends one again.
//!
//! Way: `webhook` claims a message once its signature is checked, and keeps the claim once it is spooled.
//!
//! What was signed is remembered, not the signature: of one ECDSA signature anybody can make another that holds too.
//! A sender who got no answer tries again with the same message. When it was taken, the second try is refused as a
//! replay: it would bring nothing new. When it was not, it is free again.
//! Not here: knowing an event that comes again in another message (`pipeline`, by its id).

use crate::model::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// Most messages remembered: at ten messages a second those of nearly three hours, in 8 MB. Of more the oldest are
/// forgotten; a replay of one that old adds nothing either, as its events are known.
pub(super) const SEEN_MAX: usize = 100_000;

/// What was signed, as it is remembered: half of its SHA-256.
pub(super) type Mark = [u8; 16];

/// What was taken lately. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    marks: HashSet<Mark>,
    /// The same marks in the order in which they came, each with the time until which it counts.
    order: VecDeque<(Mark, Timestamp)>,
}

/// A message that is being taken. Dropped without [`Claim::keep`], it is free again.
#[derive(Debug)]
pub(super) struct Claim {
    seen: Seen,
    mark: Option<Mark>,
}

impl Seen {
    /// Claims a message until `until`; `None` when somebody else has it.
    pub(super) fn claim(&self, mark: Mark, now: Timestamp, until: Timestamp) -> Option<Claim> {
        let mut memory = self.lock();
        memory.forget(now);
        if !memory.marks.insert(mark) {
            return None;
        }
        memory.order.push_back((mark, until));
        Some(Claim { seen: self.clone(), mark: Some(mark) })
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // no code under the lock panics, and a half-done change would only forget a mark
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Memory {
    fn forget(&mut self, now: Timestamp) {
        while let Some((mark, until)) = self.order.front()
            && (*until < now || self.order.len() >= SEEN_MAX)
        {
            self.marks.remove(mark);
            self.order.pop_front();
        }
    }
}

impl Claim {
    /// The message was taken: it stays claimed.
    pub(super) fn keep(mut self) {
        self.mark = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(mark) = self.mark {
            let mut memory = self.seen.lock();
            memory.marks.remove(&mark);
            memory.order.retain(|(other, _)| *other != mark);
        }
    }
}

/// What a message of a provider is remembered by.
pub(super) fn mark<'p>(provider: &str, signed: impl IntoIterator<Item = &'p [u8]>) -> Mark {
    let start = Sha256::new().chain_update(provider).chain_update([0]);
    let digest = signed.into_iter().fold(start, Sha256::chain_update).finalize();
    let mut mark = [0; 16];
    mark.copy_from_slice(&digest[..16]);
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    #[test]
    fn a_message_is_taken_once_within_its_time() {
        let seen = Seen::default();
        let one = mark("mailgun", [b"token".as_slice()]);
        seen.claim(one, at(0), at(10)).unwrap().keep();
        assert!(seen.claim(one, at(10), at(20)).is_none());
        assert!(seen.claim(mark("resend", [b"token".as_slice()]), at(10), at(20)).is_some());
        assert!(seen.claim(one, at(11), at(20)).is_some());
    }

    #[test]
    fn what_was_not_taken_may_come_again() {
        let seen = Seen::default();
        let one = mark("mailgun", [b"token".as_slice()]);
        let claim = seen.claim(one, at(0), at(10)).unwrap();
        assert!(seen.claim(one, at(0), at(10)).is_none(), "it is being taken");
        drop(claim);
        assert!(seen.claim(one, at(0), at(10)).is_some());
    }

    #[test]
    fn the_memory_is_bounded() {
        let seen = Seen::default();
        for number in 0..SEEN_MAX as u64 + 10 {
            seen.claim(mark("mailgun", [number.to_be_bytes().as_slice()]), at(0), at(10)).unwrap().keep();
        }
        let memory = seen.lock();
        assert!(memory.marks.len() <= SEEN_MAX && memory.order.len() == memory.marks.len());
    }
}
