//! Quick lists: small freed blocks that have not been coalesced yet.
//!
//! A freed block goes to the front of the list for its size. The next request of that size takes it without touching
//! bits and bins. To the rest of the heap, the block is used. The lists hold at most a share of the heap. When they
//! exceed it, and before the memory grows, all their blocks are coalesced.

use super::memory::{GRANULE, load, store};
use super::{Address, Linear};

/// The lists may hold one `SHARE`th of the heap's bytes.
const SHARE: usize = 32;

/// The most bytes that the lists may hold, which bounds the time to coalesce them.
const MAX: usize = 32 << 10;

/// Lists of blocks of fewer than `N` granules.
pub(super) struct Lists<const N: usize> {
    heads: [usize; N],
    /// Bytes in the lists.
    cached: usize,
    /// Bytes that the lists may hold.
    limit: usize,
}

impl<const N: usize> Lists<N> {
    pub(super) const EMPTY: Self = Self { heads: [0; N], cached: 0, limit: 0 };

    /// Takes a block of `len` bytes from the list for that size.
    #[inline(always)]
    pub(super) fn pop(&mut self, len: usize) -> Option<Address> {
        let head = self.heads.get_mut(len / GRANULE)?;
        let block = Address::new(*head)?;
        // SAFETY: A block on a list starts with its link.
        *head = unsafe { load(block.get()) };
        self.cached -= len;
        Some(block)
    }

    /// Puts a block on its list. Returns whether the lists hold too much now.
    ///
    /// # Safety
    ///
    /// It is a used block of `len` bytes, fewer than `N` granules, that nobody will use until it is popped.
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, block: usize, len: usize) -> bool {
        // SAFETY: There is a list for that size, and a block has room for its link.
        unsafe {
            let head = self.heads.get_unchecked_mut(len / GRANULE);
            store(block, *head);
            *head = block;
        }
        self.cached += len;
        self.cached > self.limit
    }

    /// Sets the limit of the lists for a heap of `owned` bytes.
    pub(super) fn set_limit(&mut self, owned: usize) {
        self.limit = (owned / SHARE).min(MAX);
    }

    /// Bytes in the lists.
    pub(super) fn cached(&self) -> usize {
        if N == 0 { 0 } else { self.cached }
    }

    /// Returns the first block of the list for blocks of `granules` granules, or 0.
    pub(super) fn first(&self, granules: usize) -> usize {
        self.heads[granules]
    }
}

impl<M, const BINS: usize, const SPLIT: u32, const QUICK: usize> Linear<M, BINS, SPLIT, QUICK> {
    /// Coalesces all blocks in the quick lists. Returns whether there were any.
    #[inline]
    pub(crate) fn flush(&mut self) -> bool {
        if self.quick.cached() == 0 {
            return false;
        }
        self.overflow();
        true
    }

    /// Coalesces all blocks in the quick lists.
    #[cold]
    #[inline(never)]
    pub(super) fn overflow(&mut self) {
        for granules in 0..QUICK {
            let mut block = core::mem::take(&mut self.quick.heads[granules]);
            while block != 0 {
                // SAFETY: A block on a list starts with its link, counts as used, and is not allocated (L7).
                unsafe {
                    let next = load(block);
                    self.release(block, granules * GRANULE);
                    block = next;
                }
            }
        }
        self.quick.cached = 0;
    }
}
