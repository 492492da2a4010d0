//! Resizing blocks in place.

use super::memory::{GRANULE, load};
use super::{Linear, LinearMemory, block_len};

impl<M: LinearMemory, const BINS: usize, const SPLIT: u32, const QUICK: usize>
    Linear<M, BINS, SPLIT, QUICK>
{
    /// Resizes a block in place. Returns whether that succeeded; shrinking never fails.
    ///
    /// If the block is next to the top, the memory may grow.
    ///
    /// # Safety
    ///
    /// The block is allocated and has `old` bytes. Neither size exceeds `isize::MAX`.
    #[inline]
    pub(crate) unsafe fn resize(&mut self, block: usize, old: usize, new: usize) -> bool {
        let (old, new) = (block_len(old), block_len(new));
        let end = block + old;
        if new <= old {
            // SAFETY: The caller gives up the end of the block.
            unsafe { self.release_some(block + new, old - new) };
            return true;
        }
        let more = new - old;
        while end == self.top {
            if self.take_top(more).is_some() {
                self.count_taken(more);
                return true;
            }
            // A piece behind a gap would not help.
            if self.memory.end() != self.acme || !self.grow(more) {
                return false;
            }
        }
        // SAFETY: A chunk starts at the end of the block. If that chunk is free, its first word is its size (L2, L3).
        unsafe {
            if !self.is_edge(end) || load(end) < more {
                return false;
            }
            let size = load(end);
            if size > GRANULE {
                self.unlink(end);
            }
            self.split(end, size, more);
        }
        self.count_taken(more);
        true
    }
}
