//! Allocation.

use super::memory::{GRANULE, load};
use super::{Address, Linear, LinearMemory, block_len};

/// The most chunks of the request's own bin to examine before the memory grows.
const LAST_RESORT: usize = 32;

impl<M: LinearMemory, const BINS: usize, const SPLIT: u32, const QUICK: usize>
    Linear<M, BINS, SPLIT, QUICK>
{
    /// Allocates a block. `size` and `align` are those of a `Layout`.
    #[inline(always)]
    pub(crate) fn allocate(&mut self, size: usize, align: usize) -> Option<Address> {
        let len = block_len(size);
        // `allocate_aligned` handles all alignments. For small code, it is the only path.
        if align > GRANULE || cfg!(small) && QUICK == 0 {
            return self.allocate_aligned(len, align.max(GRANULE));
        }
        let cached = self.quick.pop(len);
        if cached.is_some() { cached } else { self.allocate_any(len) }
    }

    /// Allocates a block. Also returns the number of bytes at its start that are not known to be zero.
    #[inline]
    pub(crate) fn allocate_dirty(&mut self, size: usize, align: usize) -> Option<(Address, usize)> {
        let len = block_len(size);
        if align > GRANULE || len < QUICK * GRANULE {
            return Some((self.allocate(size, align)?, size));
        }
        loop {
            let fresh = self.fresh;
            if let Some(at) = self.take(len) {
                return Some((at, fresh.saturating_sub(at.get()).min(size)));
            }
            if !self.flush() && !self.grow(len) {
                self.count_refused();
                return None;
            }
        }
    }

    #[cfg_attr(not(small), inline(always))]
    fn allocate_any(&mut self, len: usize) -> Option<Address> {
        loop {
            let taken = self.take(len);
            if taken.is_some() {
                return taken;
            }
            if !self.flush() && !self.grow(len) {
                self.count_refused();
                return None;
            }
        }
    }

    /// Allocates a larger block, and frees the parts before and behind the aligned block in it.
    #[inline(never)]
    fn allocate_aligned(&mut self, len: usize, align: usize) -> Option<Address> {
        let spare = align - GRANULE;
        let at = self.allocate_any(len + spare)?.get();
        let block = (at + spare) & !(align - 1);
        // SAFETY: The parts before and behind the aligned block are used granules that no caller has. The address of a
        // block is not 0, and neither is a higher one.
        unsafe {
            self.release_some(block + len, at + spare - block);
            self.release_some(at, block - at);
            Some(Address::new_unchecked(block))
        }
    }

    /// Uses `len` bytes of a free chunk, or of the top if no bin is sure to have a chunk that fits, and counts them.
    #[cfg_attr(not(small), inline(always))]
    fn take(&mut self, len: usize) -> Option<Address> {
        let taken = self.take_uncounted(len);
        if taken.is_some() {
            self.count_taken(len);
        }
        taken
    }

    #[inline(always)]
    fn take_uncounted(&mut self, len: usize) -> Option<Address> {
        let own = Self::bin_of(len);
        let bins = self.map & u64::MAX << own;
        if bins != 0 {
            let first = bins.trailing_zeros() as usize;
            // SAFETY: The entries of a bin are free chunks (L5).
            unsafe {
                // Only the request's own bin may have chunks that are too small. Skip it if its first chunk is.
                let fits = load(Self::next(self.root(first))) >= len;
                let bins = bins & bins.wrapping_sub(u64::from(!fits));
                if bins != 0 {
                    let (chunk, size) = self.pop(bins.trailing_zeros() as usize);
                    self.split(chunk, size, len);
                    return Some(Address::new_unchecked(chunk));
                }
            }
        }
        if let Some(at) = self.take_top(len) {
            return Some(at);
        }
        if bins == 0 { None } else { self.search(own, len) }
    }

    /// Uses `len` bytes of one of the first [`LAST_RESORT`] chunks of the bin for that size, if one is large enough.
    #[cold]
    #[inline(never)]
    fn search(&mut self, bin: usize, len: usize) -> Option<Address> {
        let mut chunk = self.root(bin);
        for _ in 0..LAST_RESORT {
            // SAFETY: The entries of a bin are free chunks and the root, whose size is 0 (L5).
            unsafe {
                chunk = Self::next(chunk);
                let size = load(chunk);
                if size >= len {
                    self.unlink(chunk);
                    self.split(chunk, size, len);
                    return Address::new(chunk);
                }
                if size == 0 {
                    break;
                }
            }
        }
        None
    }

    /// Uses `len` bytes of the top.
    #[inline(always)]
    pub(super) fn take_top(&mut self, len: usize) -> Option<Address> {
        let at = self.top;
        if self.end - at < len {
            return None;
        }
        self.top = at + len;
        if self.top > self.fresh {
            self.fresh = self.top;
        }
        Address::new(at)
    }

    /// Uses the first `len` bytes of a free chunk of `size` bytes that has left its bin.
    ///
    /// # Safety
    ///
    /// The chunk is free and in no bin, and `len` is at most `size`.
    #[cfg_attr(small, inline(never))]
    #[cfg_attr(not(small), inline(always))]
    pub(super) unsafe fn split(&mut self, chunk: usize, size: usize, len: usize) {
        let rest = size - len;
        // SAFETY: The bitmap covers the chunk. The remainder keeps the bit at its end, and its neighbours are used (L4).
        unsafe {
            self.clear_edge(chunk);
            if rest == 0 {
                self.clear_edge(chunk + size - GRANULE);
            } else {
                self.set_edge(chunk + len);
                self.push(chunk + len, rest);
            }
        }
    }
}
