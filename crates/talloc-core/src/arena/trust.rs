//! What a hardened heap checks before it uses what lies in free memory.
//!
//! Whoever writes to a freed block, or behind the end of one, may change a free chunk's size or links. The marks are
//! stored apart. A free chunk is trusted if its marks, its size at both ends and the links of its neighbours agree.
//! That takes constant time. If they do not agree, the arena is broken, and the heap closes: see `talloc/hardened`.

use super::Arena;
use super::bits::{Mark, UNIT};
use crate::bin::BinIndex;
use crate::config::{Config, Level};
use crate::free_chunk::FreeChunk;
use crate::granule::{GRANULE, Index, min_linked};

impl<C: Config> Arena<C> {
    /// Whether something in the arena was found broken.
    #[inline(always)]
    pub(crate) fn is_broken(&self) -> bool {
        C::HARDENED && self.broken.get()
    }

    /// Notes that something is broken.
    #[cold]
    pub(crate) fn note_broken(&self) {
        self.broken.set(true);
    }

    /// The free chunk that starts at `at`, which a bin or a mark says is one. A hardened heap returns `None` if it
    /// is not, and the arena is broken.
    ///
    /// # Safety
    ///
    /// In other heaps, there is one.
    #[inline(always)]
    pub(super) unsafe fn chunk_at(&self, at: usize) -> Option<FreeChunk> {
        if C::ENCODED {
            let chunk = self.trusted(at);
            if chunk.is_none() {
                self.note_broken();
            }
            return chunk;
        }
        // SAFETY: A free chunk starts there, by the contract of this function.
        Some(unsafe { self.free_chunk(at) })
    }

    /// The free chunks of a bin, from the first one on. In a hardened heap, the iterator ends before a chunk that
    /// cannot be trusted, or is not in this bin, and the arena is broken.
    #[inline(always)]
    pub(super) fn chunks_in(&self, bin: BinIndex) -> impl Iterator<Item = FreeChunk> + '_ {
        let mut next = self.bins.first(bin);
        core::iter::from_fn(move || {
            // SAFETY: What is in a bin is a free chunk (I6), or the heap is hardened.
            let chunk = unsafe { self.chunk_at(next?) }?;
            if C::ENCODED && BinIndex::of_chunk::<C>(chunk.len()) != bin {
                self.note_broken();
                return None;
            }
            // SAFETY: It is in a bin, so it has links.
            next = unsafe { self.bins.next(self.window, &chunk) };
            Some(chunk)
        })
    }

    /// The first chunk of a bin, as [`chunks_in`](Self::chunks_in) has it.
    #[inline(always)]
    pub(super) fn first_of(&self, bin: BinIndex) -> Option<FreeChunk> {
        self.chunks_in(bin).next()
    }

    /// Whether the free chunks on either side of used granules can be coalesced with them.
    pub(super) fn trusts_around(&self, at: usize, end: usize) -> bool {
        self.trusts_above(end) && self.trusts_below(at)
    }

    /// Whether what lies above used granules that end at `end` is the top, used, or a free chunk that can be trusted.
    pub(super) fn trusts_above(&self, end: usize) -> bool {
        // SAFETY: The bits below the top have been cleared before (I1).
        let is_sound = end == self.top
            || end < self.top && (unsafe { !self.bits.get(end) } || self.trusted(end).is_some());
        if !is_sound {
            self.note_broken();
        }
        is_sound
    }

    /// Whether what lies below used granules from `at` on is used, or a free chunk that can be trusted.
    pub(super) fn trusts_below(&self, at: usize) -> bool {
        // SAFETY: The bits below the top and that of the granule before the start have been cleared before (I1).
        if unsafe { !self.bits.get(at - 1) } {
            return true;
        }
        let ends_before = |at| {
            // SAFETY: The granule below lies in the arena, so it can be read.
            let len = unsafe { self.window.size_before(at) };
            len > 0
                && len <= at - self.start
                && self.trusted(at - len).is_some_and(|chunk| chunk.end() == at)
        };
        let is_sound = at > self.start && ends_before(at);
        if !is_sound {
            self.note_broken();
        }
        is_sound
    }

    /// Whether the first chunk of a bin, if there is one, can be linked to another one before it.
    pub(super) fn trusts_head(&self, bin: BinIndex) -> bool {
        // SAFETY: A chunk with a mark in the arena can be read.
        let is_sound = self.bins.first(bin).is_none_or(|at| unsafe {
            self.is_linkable(at)
                && self.window.read(self.window.prev_field(at)) == index::<C>(bin.get())
        });
        if !is_sound {
            self.note_broken();
        }
        is_sound
    }

    /// The free chunk that starts at `at`, if there is one that can be trusted.
    fn trusted(&self, at: usize) -> Option<FreeChunk> {
        if !self.is_marked_free(at) {
            return None;
        }
        // SAFETY: The granule lies in the arena, so it can be read.
        let len = unsafe { self.window.size_at(at) };
        // A free chunk does not touch the top (I4).
        if len == 0 || len >= self.top - at {
            return None;
        }
        let chunk = FreeChunk::new(at, len);
        // SAFETY: The chunk lies below the top, and the bit before the start has been cleared, too (I1).
        let is_sound = unsafe {
            self.is_marked_free(chunk.end() - 1)
                && self.window.size_before(chunk.end()) == len
                && !self.bits.get(chunk.end())
                && !self.bits.get(at - 1)
        };
        let has_links = Self::is_linked(len);
        (is_sound && (!has_links || self.are_links_sound(&chunk))).then_some(chunk)
    }

    /// Whether the neighbours of a chunk in its bin link to it.
    fn are_links_sound(&self, chunk: &FreeChunk) -> bool {
        let (window, at) = (self.window, chunk.at());
        let bin = BinIndex::of_chunk::<C>(chunk.len());
        // SAFETY: The chunk lies in the arena, and so do chunks that can be linked.
        unsafe {
            let next = window.read(window.next_field(at));
            let prev = window.read(window.prev_field(at));
            let is_before = next == C::Index::NIL
                || self.is_linkable(next.get())
                    && window.read(window.prev_field(next.get())) == index::<C>(at);
            let is_after = if prev == index::<C>(bin.get()) {
                self.bins.first(bin) == Some(at)
            } else {
                self.is_linkable(prev.get())
                    && window.read(window.next_field(prev.get())) == index::<C>(at)
            };
            is_before && is_after && self.bins.is_mapped(bin)
        }
    }

    /// Whether a free chunk with links may start at `at`: the granule is marked, and its links can be read.
    fn is_linkable(&self, at: usize) -> bool {
        at.checked_add(min_linked::<C::Index>()).is_some_and(|end| end < self.top)
            && self.is_marked_free(at)
    }

    /// Whether a granule is marked as the first or the last one of a free chunk.
    fn is_marked_free(&self, at: usize) -> bool {
        // SAFETY: The bits below the top have been cleared before (I1).
        self.start <= at && at < self.top && unsafe { self.bits.mark(at) } == Mark::Free
    }
}

/// Cached blocks.
impl<C: Config> Arena<C> {
    /// The granules of the cached block at an address, if its marks say that there is one.
    #[inline(always)]
    pub(crate) fn len_of_cached(&self, addr: usize) -> Option<usize> {
        let at = self.window.granule(addr);
        let is_below_top = self.start <= at && at < self.top && at != self.own.chunk.start;
        if addr % GRANULE == 0 && is_below_top && at + 2 * UNIT <= self.cleared {
            // SAFETY: The bits from the start up to there have been cleared before.
            let len = unsafe { self.bits.near_cached_len(at) };
            // The own chunk has no mark.
            let own = self.own.chunk.start.wrapping_sub(at);
            if let Some(len) = len.filter(|len| *len <= own.min(self.top - at)) {
                return Some(len);
            }
        }
        self.len_of_long_cached(addr, at, is_below_top)
    }

    /// [`len_of_cached`](Self::len_of_cached), of any block.
    #[inline(never)]
    fn len_of_long_cached(&self, addr: usize, at: usize, is_below_top: bool) -> Option<usize> {
        // SAFETY: The bits below the top have been cleared before (I1).
        let is_cached =
            addr % GRANULE == 0 && is_below_top && unsafe { self.bits.mark(at) } == Mark::Cached;
        if is_cached { Some(self.certain_block_end(at)? - at) } else { None }
    }
}

/// A granule's or a bin's number, as a link.
#[inline(always)]
fn index<C: Config>(number: usize) -> C::Index {
    C::Index::new(number)
}
