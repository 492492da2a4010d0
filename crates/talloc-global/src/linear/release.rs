//! Deallocation.

use super::memory::{GRANULE, WORD, load};
use super::{Linear, block_len};

impl<M, const BINS: usize, const SPLIT: u32, const QUICK: usize> Linear<M, BINS, SPLIT, QUICK> {
    /// Frees a block of `size` bytes.
    ///
    /// # Safety
    ///
    /// The block is allocated, has this size, and nobody will use it any more.
    #[inline(always)]
    pub(crate) unsafe fn free(&mut self, block: usize, size: usize) {
        let len = block_len(size);
        // SAFETY: By the contract of this function.
        unsafe {
            if len < QUICK * GRANULE {
                if self.quick.push(block, len) {
                    self.overflow();
                }
            } else {
                self.release(block, len);
            }
        }
    }

    /// Frees used memory, and coalesces it with free neighbours on both sides.
    ///
    /// # Safety
    ///
    /// The `len` bytes at `at` are whole used granules below the top, and nobody will use them any more.
    pub(super) unsafe fn release(&mut self, at: usize, len: usize) {
        self.count_freed(len);
        let (mut start, mut end) = (at, at + len);
        // SAFETY: Chunks are adjacent, so the bits of the granules on both sides say whether the neighbours are free.
        // Free neighbours store their sizes at these ends (L2, L3). The bitmap also covers a granule below the lowest
        // block. A free neighbour keeps its outer bit, and loses its inner bit unless it has only one granule.
        unsafe {
            let edges = self.edges(start);
            if edges.is_free_below() {
                let below = load(start - WORD);
                start -= below;
                if below > GRANULE {
                    self.unlink(start);
                    edges.clear_below();
                }
            } else if end != self.top {
                edges.set_above();
            }
            if end == self.top {
                self.clear_edge(start);
                self.top = start;
                return;
            }
            let edges = self.edges(end);
            if edges.is_free_above() {
                let above = load(end);
                if above > GRANULE {
                    self.unlink(end);
                    edges.clear_above();
                }
                end += above;
            } else {
                edges.set_below();
            }
            self.push(start, end - start);
        }
    }

    /// [Releases](Self::release) `len` bytes, or does nothing if `len` is 0.
    ///
    /// # Safety
    ///
    /// If `len` is not 0, the contract of [`release`](Self::release) holds.
    #[cfg_attr(small, inline(never))]
    pub(super) unsafe fn release_some(&mut self, at: usize, len: usize) {
        if len > 0 {
            // SAFETY: By the contract of this function.
            unsafe { self.release(at, len) }
        }
    }

    /// Turns memory between used chunks into a free chunk.
    ///
    /// # Safety
    ///
    /// `start` to `end` is at least one granule, lies below the top, and nobody uses it.
    #[inline]
    pub(super) unsafe fn insert(&mut self, start: usize, end: usize) {
        // SAFETY: By the contract of this function.
        unsafe {
            self.set_edge(start);
            self.set_edge(end - GRANULE);
            self.push(start, end - start);
        }
    }
}
