//! Bins: free chunks by size.
//!
//! ```text
//! word   0      1      2               last
//!      | size | next | prev |  ...   | size |
//! ```
//!
//! A bin is a circular list that contains its *root*, which looks like a chunk with size 0. Every chunk thus has two
//! neighbours, and inserting or removing a chunk needs no special cases. The roots lie at the start of the first piece
//! of memory, so they stay where they are when the heap is moved.

use super::Linear;
use super::memory::{GRANULE, WORD, load, store};

const NEXT: usize = WORD;
const PREV: usize = 2 * WORD;

/// The bytes of a root: a size, two links, and an unused word.
const ROOT: usize = 4 * WORD;

impl<M, const BINS: usize, const SPLIT: u32, const QUICK: usize> Linear<M, BINS, SPLIT, QUICK> {
    /// The bytes of all roots.
    pub(super) const ROOTS: usize = BINS * ROOT;

    /// Returns the number of the bin for chunks of `len` bytes.
    ///
    /// Each of the smallest sizes has its own bin. For larger sizes, the bin follows from the position of the highest bit
    /// and from the next `SPLIT` bits: the sizes between two powers of two share `1 << SPLIT` bins.
    #[cfg_attr(small, inline(never))]
    #[cfg_attr(not(small), inline(always))]
    pub(super) fn bin_of(len: usize) -> usize {
        const { assert!(2 << SPLIT < BINS && BINS <= 64) };
        let granules = len / GRANULE;
        let rest = (granules | 1 << SPLIT).ilog2() - SPLIT;
        let bin = ((rest as usize) << SPLIT) + (granules >> rest);
        bin.min(BINS - 1)
    }

    /// Returns the root of a bin.
    #[inline(always)]
    pub(super) fn root(&self, bin: usize) -> usize {
        self.roots + bin * ROOT
    }

    /// Makes the roots of empty bins.
    ///
    /// # Safety
    ///
    /// The heap owns [`ROOTS`](Self::ROOTS) bytes at `roots`, and has no other roots.
    pub(super) unsafe fn make_roots(&mut self, roots: usize) {
        self.roots = roots;
        for bin in 0..BINS {
            let root = self.root(bin);
            // SAFETY: The root lies in the memory at `roots`, by the contract of this function.
            unsafe {
                store(root, 0);
                store(root + NEXT, root);
                store(root + PREV, root);
            }
        }
    }

    /// Returns the entry after a chunk or a root.
    ///
    /// # Safety
    ///
    /// `chunk` is a root or is in its bin.
    #[inline(always)]
    pub(super) unsafe fn next(chunk: usize) -> usize {
        // SAFETY: A chunk in a bin has links (L2).
        unsafe { load(chunk + NEXT) }
    }

    /// Returns the entry before a chunk.
    ///
    /// # Safety
    ///
    /// The chunk is in its bin.
    #[inline(always)]
    pub(super) unsafe fn prev(chunk: usize) -> usize {
        // SAFETY: A chunk in a bin has links (L2).
        unsafe { load(chunk + PREV) }
    }

    /// Writes the sizes of a free chunk whose bits are set, and puts it in its bin.
    ///
    /// # Safety
    ///
    /// Nobody uses the chunk's memory.
    #[cfg_attr(small, inline(never))]
    #[cfg_attr(not(small), inline(always))]
    pub(super) unsafe fn push(&mut self, chunk: usize, len: usize) {
        // SAFETY: A granule has room for the sizes, and two granules have room for the links, too. The entries of a bin
        // have links (L2, L5).
        unsafe {
            store(chunk, len);
            store(chunk + len - WORD, len);
            if len > GRANULE {
                let bin = Self::bin_of(len);
                let root = self.root(bin);
                let next = Self::next(root);
                store(chunk + NEXT, next);
                store(chunk + PREV, root);
                store(next + PREV, chunk);
                store(root + NEXT, chunk);
                self.map |= 1 << bin;
            }
        }
    }

    /// Removes the first chunk from a bin. Returns its address and size.
    ///
    /// # Safety
    ///
    /// The bin has chunks.
    #[inline(always)]
    pub(super) unsafe fn pop(&mut self, bin: usize) -> (usize, usize) {
        let root = self.root(bin);
        // SAFETY: The entries of a bin are free chunks with links (L2, L5).
        unsafe {
            let chunk = Self::next(root);
            let next = Self::next(chunk);
            store(root + NEXT, next);
            store(next + PREV, root);
            self.map &= !(u64::from(next == root) << bin);
            (chunk, load(chunk))
        }
    }

    /// Removes a chunk from its bin.
    ///
    /// # Safety
    ///
    /// It is a free chunk of more than a granule.
    #[cfg_attr(small, inline(never))]
    #[cfg_attr(not(small), inline(always))]
    pub(super) unsafe fn unlink(&mut self, chunk: usize) {
        // SAFETY: The chunk and its neighbours in the bin have links (L2, L5).
        unsafe {
            let (next, prev) = (Self::next(chunk), Self::prev(chunk));
            store(next + PREV, prev);
            store(prev + NEXT, next);
            // If both neighbours are the same entry, that is the root, and the bin becomes empty.
            let bin = (prev - self.roots) / ROOT % 64;
            self.map &= !(u64::from(next == prev) << bin);
        }
    }
}
