//! Freeing.

use super::memory::{GRANULE, WORD, load};
use super::{Linear, block_len};

impl<M, const BINS: usize, const SPLIT: u32, const QUICK: usize> Linear<M, BINS, SPLIT, QUICK> {
    /// Frees a block of `size` bytes.
    ///
    /// # Safety
    ///
    /// It is an allocated block of that size, and nobody will use it any more.
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

    /// Frees used memory, which coalesces with what is free on either side.
    ///
    /// # Safety
    ///
    /// `len` bytes at `at` are whole used granules below the top that nobody will use any more.
    pub(super) unsafe fn release(&mut self, at: usize, len: usize) {
        self.count_freed(len);
        let (mut start, mut end) = (at, at + len);
        // SAFETY: Chunks end where others start, so that the bits of the granules on either side tell whether
        // free chunks are there, which have their sizes at these ends (L2, L3). The bitmap covers a granule
        // below the lowest one. Of a free neighbour, the outer bit stays; the inner one does if it is the
        // only one.
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

    /// [`release`](Self::release), but there may be nothing to free.
    ///
    /// # Safety
    ///
    /// As for [`release`](Self::release), if `len` is not 0.
    #[cfg_attr(small, inline(never))]
    pub(super) unsafe fn release_some(&mut self, at: usize, len: usize) {
        if len > 0 {
            // SAFETY: By the contract of this function.
            unsafe { self.release(at, len) }
        }
    }

    /// Makes a free chunk of memory between used chunks.
    ///
    /// # Safety
    ///
    /// Nobody uses the granules from `start` to `end`, which lie below the top, and there are some.
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
