//! One shard of the index: slots in the order of their hashes.
//!
//! Linear probing in which the slots stand sorted by hash: each at or after its home (the place that its hash names),
//! with no gap between. A search for what is not there ends at the first greater hash, so the table may be nearly
//! full. It grows by a quarter, not twofold: a slot costs 40 bytes, and 46 to 57 with the free ones.

/// What one entry of the list costs: 40 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub(super) struct Slot {
    /// 96 bits of the keyed hash of the address: this and `hash_low`.
    pub(super) hash: u64,
    /// Place of the record that decided the end; 0 in a free slot.
    pub(super) seq: u64,
    pub(super) observed: i64,
    pub(super) hash_low: u32,
    /// Number of the scope.
    pub(super) scope: u32,
    /// Seconds since 1970, 0 for never.
    pub(super) expires: u32,
    pub(super) mail_type: u8,
    /// [`crate::model::suppression::Reason::rank`].
    pub(super) reason: u8,
}

/// Where an address stands: the upper bits of the hash name the shard, all of them the place in it.
pub(super) type Hash = (u64, u32);

/// The rest of a key.
pub(super) type Rest = (u32, u8, u8);

impl Slot {
    pub(super) const fn address(&self) -> Hash {
        (self.hash, self.hash_low)
    }

    pub(super) const fn rest(&self) -> Rest {
        (self.scope, self.mail_type, self.reason)
    }

    const fn is_free(&self) -> bool {
        self.seq == 0
    }
}

/// Slots in a table of the least size.
const HOMES_MIN: usize = 8;
/// By how many slots the end moves when those whose home lies there need more.
const TAIL_STEP: usize = 16;

/// The slots of one shard.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    homes: usize,
    used: usize,
}

impl Table {
    pub(super) const fn len(&self) -> usize {
        self.used
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    /// The slots of an address.
    pub(super) fn of(&self, address: Hash) -> &[Slot] {
        let from = self.lower_bound(address);
        let rest = self.slots.get(from..).unwrap_or_default();
        let count = rest.iter().take_while(|slot| !slot.is_free() && slot.address() == address).count();
        &rest[..count]
    }

    /// Sets the slot with the address and rest of `slot`.
    pub(super) fn put(&mut self, slot: Slot) {
        if let Some(at) = self.position(slot.address(), slot.rest()) {
            self.slots[at] = slot;
            return;
        }
        if (self.used + 1) * 8 > self.homes * 7 {
            self.grow();
        }
        self.insert(slot);
        self.used += 1;
    }

    pub(super) fn remove(&mut self, address: Hash, rest: Rest) {
        let Some(mut at) = self.position(address, rest) else { return };
        // Those behind move up until one is at home.
        while let Some(next) = self.slots.get(at + 1).copied() {
            if next.is_free() || self.home(next.hash) > at {
                break;
            }
            self.slots[at] = next;
            at += 1;
        }
        self.slots[at] = Slot::default();
        self.used -= 1;
    }

    /// Drops the slots for which `keep` says no.
    pub(super) fn retain(&mut self, keep: impl Fn(&Slot) -> bool) {
        let gone: Vec<(Hash, Rest)> = self
            .slots
            .iter()
            .filter(|slot| !slot.is_free() && !keep(slot))
            .map(|slot| (slot.address(), slot.rest()))
            .collect();
        for (address, rest) in gone {
            self.remove(address, rest);
        }
    }

    fn home(&self, hash: u64) -> usize {
        home(hash, self.homes)
    }

    /// The first place from the address' home on that is free or holds no lesser address.
    fn lower_bound(&self, address: Hash) -> usize {
        let home = self.home(address.0);
        let before = |slot: &&Slot| !slot.is_free() && slot.address() < address;
        home + self.slots.get(home..).unwrap_or_default().iter().take_while(before).count()
    }

    fn position(&self, address: Hash, rest: Rest) -> Option<usize> {
        let of_address = self.of(address);
        let at = of_address.iter().position(|slot| slot.rest() == rest)?;
        Some(self.lower_bound(address) + at)
    }

    /// Puts a new slot in its place; those behind it move down, up to the next free one.
    fn insert(&mut self, slot: Slot) {
        let at = self.lower_bound(slot.address());
        let free = self.slots[at..].iter().position(Slot::is_free).map_or(self.slots.len(), |free| at + free);
        if free == self.slots.len() {
            extend(&mut self.slots, free + TAIL_STEP);
        }
        self.slots.copy_within(at..free, at + 1);
        self.slots[at] = slot;
    }

    fn grow(&mut self) {
        let homes = (self.homes * 5 / 4).max(HOMES_MIN);
        let mut slots = Vec::new();
        extend(&mut slots, homes + TAIL_STEP);
        let mut next = 0;
        for slot in self.slots.iter().filter(|slot| !slot.is_free()) {
            let at = home(slot.hash, homes).max(next);
            if at == slots.len() {
                extend(&mut slots, at + TAIL_STEP);
            }
            slots[at] = *slot;
            next = at + 1;
        }
        (self.slots, self.homes) = (slots, homes);
    }
}

/// Adds free slots up to `len`, and no room beyond them.
fn extend(slots: &mut Vec<Slot>, len: usize) {
    slots.reserve_exact(len - slots.len());
    slots.resize(len, Slot::default());
}

/// Grows with the hash, and spreads evenly: the bits that named the shard are shifted out.
fn home(hash: u64, homes: usize) -> usize {
    let product = u128::from(hash << super::SHARD_BITS) * homes as u128;
    usize::try_from(product >> 64).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_slot_is_40_bytes() {
        assert_eq!(size_of::<Slot>(), 40);
    }

    /// Few hashes, so that addresses share homes and slots share addresses.
    fn hash(number: u64) -> u64 {
        (number * number).wrapping_mul(0x0fff_ffff_ffff_fff1) >> super::super::SHARD_BITS
    }

    #[test]
    fn one_address_with_very_many_entries_stays_in_bounds() {
        let mut table = Table::default();
        for scope in 0..2_000 {
            let hash = u64::MAX >> super::super::SHARD_BITS;
            table.put(Slot { hash, scope, seq: 1, ..Slot::default() });
        }
        assert_eq!(table.of((u64::MAX >> super::super::SHARD_BITS, 0)).len(), 2_000);
        assert!(table.size_bytes() < 2_000 * 100);
    }

    proptest! {
        #[test]
        fn a_table_holds_what_a_map_holds(
            steps in prop::collection::vec((any::<bool>(), 0_u64..200, 0_u32..3, 0_u32..2), 1..600)
        ) {
            let mut table = Table::default();
            let mut map = BTreeMap::new();
            for (number, (is_put, address, low, scope)) in (1..).zip(steps) {
                let slot = Slot { hash: hash(address), hash_low: low, scope, seq: number, ..Slot::default() };
                if is_put {
                    table.put(slot);
                    map.insert((slot.address(), slot.rest()), slot);
                } else {
                    table.remove(slot.address(), slot.rest());
                    map.remove(&(slot.address(), slot.rest()));
                }
                prop_assert_eq!(table.len(), map.len());
            }
            for address in 0..200 {
                for low in 0..3 {
                    let mut got = table.of((hash(address), low)).to_vec();
                    got.sort_by_key(Slot::rest);
                    let range = ((hash(address), low), (0, 0, 0))..((hash(address), low), (9, 0, 0));
                    let wanted: Vec<Slot> = map.range(range).map(|(_, slot)| *slot).collect();
                    prop_assert_eq!(got, wanted);
                }
            }
            prop_assert!(table.slots.len() <= table.homes + table.used + 2 * TAIL_STEP);
            let order: Vec<Hash> =
                table.slots.iter().filter(|slot| !slot.is_free()).map(Slot::address).collect();
            prop_assert!(order.is_sorted());
        }
    }
}
