//! Blocks of size zero, in inaccessible memory.
//!
//! A program must neither read nor write a block of size zero. If such a block had a few bytes, accesses would go
//! unnoticed. Here, it is an address in inaccessible memory: the first access ends the program, even after the block
//! has been freed.
//!
//! ```text
//! | margin | slot | slot | slot ... | margin |
//! ```
//!
//! The addresses are *slots* of a range that is reserved on the first request, and never gets memory. A bit for each
//! slot is set while the slot is a block. Slots are taken in turn, so that the address of a freed block is not reused soon.
//!
//! There are no locks: an atomic operation on its word sets or clears a bit. A process may therefore fork at any time,
//! and a signal handler may interrupt any call. Nothing is stored in a slot, so no order among operations on different
//! words matters.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

use super::MIN_ALIGN;
use crate::zone::NotABlock;
use crate::zone::memory;

/// The number of slots. Few programs have more blocks of size zero at a time.
const SLOTS: usize = 1 << 16;

/// Bytes of all slots.
const SIZE: usize = SLOTS * MIN_ALIGN;

/// Bytes on both sides of the slots, so that accesses near the first and the last slot also fail. It is a multiple of the
/// page size on all systems.
const MARGIN: usize = 64 << 10;

/// Bytes of the range.
const RESERVED: usize = MARGIN + SIZE + MARGIN;

const BITS: usize = usize::BITS as usize;
const WORDS: usize = SLOTS / BITS;

/// After this many refusals, the system is not asked again.
const MAX_REFUSALS: usize = 4;

/// An allocator of blocks of size zero.
pub(super) struct EmptyBlocks {
    /// The first slot; null before the first request.
    first: AtomicPtr<u8>,
    /// How often the system has refused addresses.
    refusals: AtomicUsize,
    /// The number of the slot from which the next search starts.
    next: AtomicUsize,
    /// A bit for each slot, set while it is a block.
    used: [AtomicUsize; WORDS],
}

impl EmptyBlocks {
    /// An allocator that reserves addresses on the first request.
    pub(super) const fn new() -> Self {
        Self {
            first: AtomicPtr::new(ptr::null_mut()),
            refusals: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            used: [const { AtomicUsize::new(0) }; WORDS],
        }
    }

    /// Allocates a block, aligned to [`MIN_ALIGN`]. `None` if all slots are in use, or the system refuses addresses.
    #[cold]
    #[inline(never)]
    pub(super) fn allocate(&self) -> Option<NonNull<u8>> {
        let first = NonNull::new(self.first.load(Relaxed)).or_else(|| self.start())?;
        let slot = self.claim()?;
        // SAFETY: The range has that many slots.
        Some(unsafe { first.add(slot * MIN_ALIGN) })
    }

    /// Returns false if an address is not in a slot. May return true for others before the first request.
    #[inline(always)]
    pub(super) fn may_contain(&self, addr: usize) -> bool {
        // A thread that has received a block has synchronized with the thread that set this.
        addr.wrapping_sub(self.first.load(Relaxed).addr()) < SIZE
    }

    /// Frees the block at an address. `None` if that is not in a slot.
    pub(super) fn free(&self, addr: usize) -> Option<Result<(), NotABlock>> {
        let slot = self.slot_at(addr)?;
        Some(slot.and_then(|(word, bit)| was_used(word.fetch_and(!bit, Relaxed), bit)))
    }

    /// Checks that there is a block at an address. `None` if that is not in a slot.
    pub(super) fn check(&self, addr: usize) -> Option<Result<(), NotABlock>> {
        let slot = self.slot_at(addr)?;
        Some(slot.and_then(|(word, bit)| was_used(word.load(Relaxed), bit)))
    }

    /// The word and the bit of the slot that starts at an address. `None` if that is not in a slot.
    fn slot_at(&self, addr: usize) -> Option<Result<(&AtomicUsize, usize), NotABlock>> {
        let first = NonNull::new(self.first.load(Relaxed))?;
        let offset = addr.checked_sub(first.addr().get()).filter(|offset| *offset < SIZE)?;
        if offset % MIN_ALIGN != 0 {
            return Some(Err(NotABlock::Within));
        }
        let slot = offset / MIN_ALIGN;
        Some(Ok((&self.used[slot / BITS], 1 << (slot % BITS))))
    }

    /// Takes the next free slot, and returns its number.
    fn claim(&self) -> Option<usize> {
        let start = self.next.load(Relaxed);
        // The first word is also the last one, for the slots before the start of the search.
        let slot = (0..=WORDS).find_map(|step| {
            let word = (start / BITS + step) % WORDS;
            let skipped = if step == 0 { start % BITS } else { 0 };
            Some(word * BITS + claim_in(&self.used[word], usize::MAX << skipped)?)
        })?;
        self.next.store((slot + 1) % SLOTS, Relaxed);
        Some(slot)
    }

    /// Reserves the range, unless another thread is faster, and returns the first slot.
    fn start(&self) -> Option<NonNull<u8>> {
        if self.refusals.load(Relaxed) >= MAX_REFUSALS {
            return None;
        }
        let Some(range) = memory::reserve(RESERVED, ptr::null_mut()) else {
            self.refusals.fetch_add(1, Relaxed);
            return None;
        };
        // SAFETY: The margin is in the range.
        let first = unsafe { range.add(MARGIN) };
        match self.first.compare_exchange(ptr::null_mut(), first.as_ptr(), Relaxed, Relaxed) {
            Ok(_) => Some(first),
            Err(other) => {
                // SAFETY: The range is not in use.
                unsafe { memory::release(range, RESERVED) };
                NonNull::new(other)
            }
        }
    }
}

/// Sets one of the bits of a word that are zero and in `wanted`, and returns its number.
fn claim_in(word: &AtomicUsize, wanted: usize) -> Option<usize> {
    let mut used = word.load(Relaxed);
    loop {
        let free = wanted & !used;
        let bit = free & free.wrapping_neg();
        if bit == 0 {
            return None;
        }
        used = word.fetch_or(bit, Relaxed);
        if used & bit == 0 {
            return Some(bit.trailing_zeros() as usize);
        }
    }
}

/// Expects that a bit was set.
fn was_used(word: usize, bit: usize) -> Result<(), NotABlock> {
    if word & bit == 0 { Err(NotABlock::Free) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::array;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    use super::*;

    fn allocate(blocks: &EmptyBlocks) -> usize {
        let addr = blocks.allocate().unwrap().addr().get();
        assert!(addr % MIN_ALIGN == 0 && blocks.may_contain(addr));
        addr
    }

    fn free(blocks: &EmptyBlocks, addr: usize) {
        assert_eq!(blocks.free(addr), Some(Ok(())));
    }

    #[test]
    fn all_slots_are_taken_before_none_is_left() {
        static BLOCKS: EmptyBlocks = EmptyBlocks::new();
        let all: BTreeSet<_> = (0..SLOTS).map(|_| allocate(&BLOCKS)).collect();
        assert_eq!((all.len(), BLOCKS.allocate()), (SLOTS, None));
        // From any place on, the search comes to all slots.
        for at in [0, 1, BITS - 1, BITS, SLOTS / 2 + 3, SLOTS - 1] {
            let addr = *all.iter().nth(at).unwrap();
            free(&BLOCKS, addr);
            assert_eq!((allocate(&BLOCKS), BLOCKS.allocate()), (addr, None));
        }
        assert!(all.iter().all(|addr| BLOCKS.check(*addr) == Some(Ok(()))));
        all.into_iter().for_each(|addr| free(&BLOCKS, addr));
        assert_eq!(BLOCKS.used.iter().map(|word| word.load(Relaxed)).max(), Some(0));
    }

    #[test]
    fn slots_are_taken_in_turn() {
        static BLOCKS: EmptyBlocks = EmptyBlocks::new();
        let taken: BTreeSet<_> = (0..SLOTS)
            .map(|_| {
                let addr = allocate(&BLOCKS);
                free(&BLOCKS, addr);
                addr
            })
            .collect();
        assert_eq!(taken.len(), SLOTS);
        assert_eq!(Some(&allocate(&BLOCKS)), taken.first());
    }

    #[test]
    fn other_addresses_are_told_apart() {
        static BLOCKS: EmptyBlocks = EmptyBlocks::new();
        let others = [0, 1, 16, SIZE - 1, SIZE, usize::MAX];
        let is_elsewhere = |addr| (BLOCKS.check(addr), BLOCKS.free(addr)) == (None, None);
        assert!(others.into_iter().all(is_elsewhere));
        let first = allocate(&BLOCKS);
        assert!(others.into_iter().chain([first - 1, first + SIZE]).all(is_elsewhere));
        assert!(!BLOCKS.may_contain(first - 1) && !BLOCKS.may_contain(first + SIZE));
        for check in [EmptyBlocks::check, EmptyBlocks::free] {
            assert_eq!(check(&BLOCKS, first + 1), Some(Err(NotABlock::Within)));
            assert_eq!(check(&BLOCKS, first + SIZE - 1), Some(Err(NotABlock::Within)));
            assert_eq!(check(&BLOCKS, first + MIN_ALIGN), Some(Err(NotABlock::Free)));
        }
        assert_eq!(BLOCKS.free(first), Some(Ok(())));
        assert_eq!(BLOCKS.free(first), Some(Err(NotABlock::Free)));
    }

    #[test]
    fn a_system_that_refuses_addresses_is_not_asked_for_ever() {
        let refused =
            EmptyBlocks { refusals: AtomicUsize::new(MAX_REFUSALS), ..EmptyBlocks::new() };
        assert_eq!(refused.allocate(), None);
    }

    #[test]
    fn threads_take_different_slots() {
        const THREADS: usize = 4;
        static BLOCKS: EmptyBlocks = EmptyBlocks::new();
        let barrier = std::sync::Barrier::new(THREADS);
        // The threads reserve the range at the same time, and each keeps some of its slots.
        let run = || {
            barrier.wait();
            let mut kept = Vec::new();
            for step in 0..4000 {
                let addr = allocate(&BLOCKS);
                if step % 4 == 0 {
                    kept.push(addr);
                } else {
                    free(&BLOCKS, addr);
                }
            }
            kept
        };
        let kept: Vec<_> = std::thread::scope(|scope| {
            let threads: [_; THREADS] = array::from_fn(|_| scope.spawn(run));
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let distinct: BTreeSet<_> = kept.iter().collect();
        assert_eq!(distinct.len(), THREADS * 1000);
        kept.into_iter().for_each(|addr| free(&BLOCKS, addr));
    }
}
