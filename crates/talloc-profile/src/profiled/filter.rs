//! Which addresses may have been sampled.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

const LOG2_SLOTS: u32 = 14;

/// A counting filter: how many sampled addresses there are for each value of a hash.
///
/// Samples are few, so that nearly every free finds a zero. Changed with the table's lock held only. A block that was
/// sampled is seen by the thread that frees it, since whatever handed it over synchronises the two.
pub struct Filter([AtomicU8; 1 << LOG2_SLOTS]);

impl Filter {
    pub const fn new() -> Self {
        Self([const { AtomicU8::new(0) }; 1 << LOG2_SLOTS])
    }

    #[inline]
    pub fn may_contain(&self, address: usize) -> bool {
        self.slot(address).load(Relaxed) != 0
    }

    pub fn add(&self, address: usize) {
        let slot = self.slot(address);
        slot.store(slot.load(Relaxed).saturating_add(1), Relaxed);
    }

    /// A slot that has been full stays full: it no longer knows how many there are.
    pub fn remove(&self, address: usize) {
        let slot = self.slot(address);
        match slot.load(Relaxed) {
            u8::MAX => {}
            count => slot.store(count.saturating_sub(1), Relaxed),
        }
    }

    #[inline]
    fn slot(&self, address: usize) -> &AtomicU8 {
        // Fibonacci hashing; the lowest bits of addresses are zero.
        let hash = (address as u64 >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.0[(hash >> (u64::BITS - LOG2_SLOTS)) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_there_until_it_is_removed() {
        let filter = Box::new(Filter::new());
        let addresses: Vec<usize> =
            (0..100_000).map(|number| 0x7f00_0000_0000 + number * 48).collect();
        addresses.iter().for_each(|address| filter.add(*address));
        assert!(addresses.iter().all(|address| filter.may_contain(*address)));
        addresses.iter().for_each(|address| filter.remove(*address));
        assert!(!addresses.iter().any(|address| filter.may_contain(*address)));
    }

    #[test]
    fn a_full_slot_stays_full() {
        let filter = Box::new(Filter::new());
        (0..300).for_each(|_| filter.add(64));
        (0..300).for_each(|_| filter.remove(64));
        assert!(filter.may_contain(64));
    }
}
