//! Many ids in little memory: a Bloom filter, one byte an id.
//!
//! Way: `known` asks it for ids that have left its exact memory.
//! Source: Bloom, "Space/time trade-offs in hash coding with allowable errors", 1970; here each id stays within one
//! word, so that a look costs one miss of the processor's cache.

/// Ids for each word of 64 bits: then about one id in thirty passes that was never put in (a test counts).
const IDS_PER_WORD: usize = 8;

/// Bits that an id sets in its word.
const BITS_PER_ID: u32 = 4;

/// A set of ids that never misses one that is in it.
pub(super) struct Sieve {
    words: Vec<u64>,
    ids: usize,
    ids_max: usize,
}

impl Sieve {
    pub(super) fn new(ids_max: usize) -> Self {
        Self { words: vec![0; ids_max.div_ceil(IDS_PER_WORD).max(1)], ids: 0, ids_max }
    }

    /// Whether more ids would let too much pass.
    pub(super) const fn is_full(&self) -> bool {
        self.ids >= self.ids_max
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.ids == 0
    }

    pub(super) fn put(&mut self, id: u128) {
        let (word, bits) = self.place(id);
        self.words[word] |= bits;
        self.ids += 1;
    }

    /// False: the id was never put in. True: it may have been.
    pub(super) fn may_hold(&self, id: u128) -> bool {
        let (word, bits) = self.place(id);
        self.words[word] & bits == bits
    }

    /// Ids are cut from a hash already, so each part of one is as good as a hash of its own.
    fn place(&self, id: u128) -> (usize, u64) {
        // Scales the upper half onto the words; cheaper than a remainder.
        let word = ((id >> 64) * self.words.len() as u128) >> 64;
        let bits = (0..BITS_PER_ID).fold(0, |bits, at| bits | 1 << ((id >> (6 * at)) & 63));
        (usize::try_from(word).unwrap_or(0), bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventId;

    fn id(number: u32) -> u128 {
        EventId::of([number.to_be_bytes().as_slice()]).0
    }

    #[test]
    fn it_holds_all_that_was_put_in_and_lets_few_others_pass() {
        let mut sieve = Sieve::new(20_000);
        (0..20_000).for_each(|number| sieve.put(id(number)));
        assert!(sieve.is_full());
        assert!((0..20_000).all(|number| sieve.may_hold(id(number))));
        let passed = (20_000..40_000).filter(|number| sieve.may_hold(id(*number))).count();
        assert!(passed < 1_000, "{passed} of 20000 passed");
    }

    #[test]
    fn the_smallest_one_works() {
        let mut sieve = Sieve::new(0);
        assert!(sieve.is_empty() && sieve.is_full() && !sieve.may_hold(id(1)));
        sieve.put(id(1));
        assert!(sieve.may_hold(id(1)));
    }
}
