//! Free chunks by size.
//!
//! ```text
//! word   0      1      2               last
//!      | size | next | prev |  ...   | size |
//! ```
//!
//! A bin is a circular list that goes through its *root*, which looks like a chunk of no bytes. So a chunk
//! always has two neighbours, and nothing has to be asked when it comes or goes. The roots lie at the start
//! of the first piece of memory, where they do not move when the heap does.

use super::Linear;
use super::memory::{GRANULE, WORD, load, store};

const NEXT: usize = WORD;
const PREV: usize = 2 * WORD;

/// Bytes of a root: a size, two links, and a word that is not used.
const ROOT: usize = 4 * WORD;

impl<M, const BINS: usize, const SPLIT: u32, const QUICK: usize> Linear<M, BINS, SPLIT, QUICK> {
    /// Bytes of all roots.
    pub(super) const ROOTS: usize = BINS * ROOT;

    /// The number of the bin of chunks of `len` bytes.
    ///
    /// Sizes of few granules have a bin of their own. Of larger ones, the leading bits tell, `SPLIT` behind
    /// the first, and how many bits follow these: the sizes between two powers of two share `1 << SPLIT` bins.
    #[cfg_attr(small, inline(never))]
    #[cfg_attr(not(small), inline(always))]
    pub(super) fn bin_of(len: usize) -> usize {
        const { assert!(2 << SPLIT < BINS && BINS <= 64) };
        let granules = len / GRANULE;
        let rest = (granules | 1 << SPLIT).ilog2() - SPLIT;
        let bin = ((rest as usize) << SPLIT) + (granules >> rest);
        bin.min(BINS - 1)
    }

    /// The root of a bin.
    #[inline(always)]
    pub(super) fn root(&self, bin: usize) -> usize {
        self.roots + bin * ROOT
    }

    /// Makes the roots of empty bins.
    ///
    /// # Safety
    ///
    /// [`ROOTS`](Self::ROOTS) bytes at `roots` are the heap's, which has no other roots.
    pub(super) unsafe fn make_roots(&mut self, roots: usize) {
        self.roots = roots;
        for bin in 0..BINS {
            let root = self.root(bin);
            // SAFETY: It lies in that memory.
            unsafe {
                store(root, 0);
                store(root + NEXT, root);
                store(root + PREV, root);
            }
        }
    }

    /// The chunk after a chunk or a root, or the root.
    ///
    /// # Safety
    ///
    /// The chunk is in its bin.
    #[inline(always)]
    pub(super) unsafe fn next(chunk: usize) -> usize {
        // SAFETY: It has links (L2).
        unsafe { load(chunk + NEXT) }
    }

    /// The chunk before a chunk, or the root.
    ///
    /// # Safety
    ///
    /// The chunk is in its bin.
    #[inline(always)]
    pub(super) unsafe fn prev(chunk: usize) -> usize {
        // SAFETY: It has links (L2).
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
        // SAFETY: A granule has room for the sizes, and two have room for the links. What is in a bin has
        // links (L2).
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

    /// Takes the first chunk out of a bin. Returns where it is and its size.
    ///
    /// # Safety
    ///
    /// The bin has chunks.
    #[inline(always)]
    pub(super) unsafe fn pop(&mut self, bin: usize) -> (usize, usize) {
        let root = self.root(bin);
        // SAFETY: What is in a bin is a free chunk with links (L2, L5).
        unsafe {
            let chunk = Self::next(root);
            let next = Self::next(chunk);
            store(root + NEXT, next);
            store(next + PREV, root);
            self.map &= !(u64::from(next == root) << bin);
            (chunk, load(chunk))
        }
    }

    /// Takes a chunk out of its bin.
    ///
    /// # Safety
    ///
    /// It is a free chunk of more than a granule.
    #[cfg_attr(small, inline(never))]
    #[cfg_attr(not(small), inline(always))]
    pub(super) unsafe fn unlink(&mut self, chunk: usize) {
        // SAFETY: The chunk has links, and so have its neighbours in the bin (L2, L5).
        unsafe {
            let (next, prev) = (Self::next(chunk), Self::prev(chunk));
            store(next + PREV, prev);
            store(prev + NEXT, next);
            // If these are the same, it is the root.
            let bin = (prev - self.roots) / ROOT % 64;
            self.map &= !(u64::from(next == prev) << bin);
        }
    }
}
