//! The blocks of a checked heap: where each one starts and ends.

use core::ptr::NonNull;

use super::Arena;
use super::bits::{Mark, UNIT};
use crate::chunk::{Chunk, ChunkKind};
use crate::config::{Config, Level};
use crate::granule::GRANULE;

/// Changing the blocks' marks. In a heap that is not checked, this does nothing.
impl<C: Config> Arena<C> {
    /// Marks `len` granules from `at` on as an allocated block, and returns a pointer to it.
    #[inline(always)]
    pub(crate) fn hand_out(&mut self, at: usize, len: usize) -> NonNull<u8> {
        debug_assert!(self.is_used(at, len), "I3: a block is used granules of the arena");
        if C::CHECKED {
            // SAFETY: It is a used chunk, below the top.
            unsafe { self.bits.mark_used(at, len) };
        }
        self.ptr(at)
    }

    /// Marks the cached block at granule `at` as allocated.
    #[inline(always)]
    pub(crate) fn reuse(&mut self, at: usize) {
        debug_assert!(self.has_mark(at, &[Mark::Cached]), "I11: the block was cached");
        if C::CHECKED {
            // SAFETY: It is the first granule of a used chunk, below the top.
            unsafe { self.bits.clear(at) };
        }
    }

    /// Marks the allocated block at granule `at` as cached.
    #[inline(always)]
    pub(crate) fn set_aside(&mut self, at: usize) {
        debug_assert!(self.has_mark(at, &[Mark::Used]), "I11: the block was allocated");
        if C::CHECKED {
            // SAFETY: It is the first granule of a used chunk, below the top.
            unsafe { self.bits.set(at) };
        }
    }

    /// Removes the marks of the block of `len` granules at granule `at`.
    #[inline(always)]
    pub(crate) fn take_back(&mut self, at: usize, len: usize) {
        debug_assert!(self.is_below_top(at, len), "I1: the block is in the arena");
        debug_assert!(self.has_mark(at, &[Mark::Used, Mark::Cached]), "I11: it was a block");
        if C::CHECKED {
            // SAFETY: It is a used chunk, below the top.
            unsafe { self.bits.unmark(at, len) };
        }
    }

    /// Marks granules as a cached block that could not be coalesced, as what lies next to it is broken. If the arena is
    /// repaired, they become free.
    #[cold]
    pub(super) fn strand(&mut self, at: usize, len: usize) {
        let _ = self.hand_out(at, len);
        self.set_aside(at);
    }

    /// Changes the marks of the block at granule `at` from `old` granules to `new`.
    #[inline(always)]
    pub(crate) fn resize(&mut self, at: usize, old: usize, new: usize) {
        debug_assert!(self.is_used(at, old.max(new)), "I3: all of the block is used");
        debug_assert!(self.has_mark(at, &[Mark::Used]), "I11: the block is allocated");
        if C::CHECKED {
            // SAFETY: Both lie below the top.
            unsafe { self.bits.change_len(at, old, new) };
        }
    }
}

/// Reading the blocks' marks, in a checked heap.
impl<C: Config> Arena<C> {
    /// Whether an allocated block of `len` granules lies at an aligned address. Returns false for some blocks: those
    /// whose end the nearest two words do not tell, and some next to the own chunk or below the top.
    #[inline(always)]
    pub(crate) fn is_near_block(&self, addr: usize, len: usize) -> bool {
        self.is_near(addr, len, Mark::Used)
    }

    /// [`is_near_block`](Self::is_near_block), of a cached block, at any address.
    #[inline(always)]
    pub(crate) fn is_near_cached(&self, addr: usize, len: usize) -> bool {
        addr % GRANULE == 0 && self.is_near(addr, len, Mark::Cached)
    }

    #[inline(always)]
    fn is_near(&self, addr: usize, len: usize, mark: Mark) -> bool {
        let at = self.window.granule(addr);
        let apart = self.own.chunk.start.wrapping_sub(at) >= len;
        // SAFETY: The bits from the start up to there have been cleared before.
        self.start <= at
            && at + 2 * UNIT <= self.cleared
            && apart
            && unsafe { self.bits.is_near_block(at, len, mark) }
    }

    /// Whether an allocated block of `len` granules lies at an aligned address.
    ///
    /// Takes constant time if links have 32 bits, and time in proportion to a 512th of the block's bytes if they have
    /// 16.
    #[inline(never)]
    pub(crate) fn is_block(&self, addr: usize, len: usize) -> bool {
        let at = self.window.granule(addr);
        // SAFETY: The bits below the top have been cleared before.
        let is_used = || unsafe { self.bits.mark(at) } == Mark::Used;
        self.start <= at
            && at < self.top
            && len <= self.top - at
            && is_used()
            && self.certain_block_end(at) == Some(at + len)
    }

    /// The last granule of the allocated block that ends where this one starts, if there is one that starts not far
    /// below.
    pub(crate) fn tail_below(&self, block: NonNull<u8>) -> Option<NonNull<u8>> {
        let at = self.granule(block);
        if at <= self.start || at == self.own.chunk.end {
            return None;
        }
        let least = self.start.max(at.saturating_sub(UNIT));
        // SAFETY: The bits below the top have been cleared before.
        let is_used = unsafe { self.bits.mark(self.bits.last_mark(least, at - 1)?) == Mark::Used };
        is_used.then(|| self.ptr(at - 1))
    }

    /// The granules of the allocated block that starts in the granule of an address, if one does.
    #[inline]
    pub(crate) fn len_of_block(&self, addr: usize) -> Option<usize> {
        let at = self.window.granule(addr);
        let is_below_top = self.start <= at && at < self.top && at != self.own.chunk.start;
        // SAFETY: The bits below the top have been cleared before.
        let is_block = is_below_top && unsafe { self.bits.mark(at) } == Mark::Used;
        is_block.then(|| self.block_end(at) - at)
    }

    /// Where the block that starts at granule `at` ends. If its length was overwritten, that is where the next chunk that
    /// is certain starts.
    pub(super) fn block_end(&self, at: usize) -> usize {
        self.certain_block_end(at).unwrap_or(self.block_limit(at))
    }

    /// [`block_end`](Self::block_end), unless the block's length was overwritten.
    pub(super) fn certain_block_end(&self, at: usize) -> Option<usize> {
        // SAFETY: The bits below the top have been cleared before.
        unsafe { self.bits.block_end(at, self.block_limit(at)) }
    }

    /// Where a block that starts at granule `at` ends at the latest.
    fn block_limit(&self, at: usize) -> usize {
        let own = self.own.chunk.start;
        if at < own && own < self.top { own } else { self.top }
    }

    /// The chunk that starts at granule `at`, unless the heap is broken there: what it is, and where
    /// it ends.
    pub(super) fn chunk_from(&self, at: usize) -> Option<(ChunkKind, usize)> {
        if at == self.own.chunk.start {
            return Some((ChunkKind::Own, self.own.chunk.end));
        }
        if at >= self.top {
            return (at < self.end).then_some((ChunkKind::Top, self.end));
        }
        // SAFETY: The bits below the top have been cleared before.
        match unsafe { self.bits.mark(at) } {
            Mark::Nothing => None,
            Mark::Free => {
                // SAFETY: It is a free chunk's, which can be read.
                let chunk = unsafe { self.free_chunk_or(at) }?;
                Some((ChunkKind::Free, chunk.end()))
            }
            Mark::Used => Some((ChunkKind::Used, self.block_end(at))),
            Mark::Cached => Some((ChunkKind::Cached, self.block_end(at))),
        }
    }

    /// The chunk that an address lies in, unless that is none of the arena's or the heap is broken
    /// there.
    ///
    /// Takes time in proportion to a 512th of the chunk's bytes.
    #[cold]
    pub(crate) fn chunk_around(&self, addr: usize) -> Option<Chunk> {
        let at = self.window.granule(addr);
        let extent = self.extent();
        if self.is_blank() || !extent.contains(&at) {
            return None;
        }
        let start = if self.own.chunk.contains(&at) {
            self.own.chunk.start
        } else if at >= self.top {
            self.top
        } else {
            // SAFETY: The bits from the start up to the top have been cleared before.
            let marked = unsafe { self.bits.last_mark(self.start, at) }?;
            // SAFETY: As above.
            let is_free = unsafe { self.bits.mark(marked) } == Mark::Free;
            if is_free { self.free_chunk_start(marked) } else { marked }
        };
        self.chunk(start)
    }

    /// The first granule of the free chunk whose first or last one `at` is.
    ///
    /// Between two free chunks, there is a used one, whose first granule is marked, or the own one,
    /// which has no mark. So the marks tell, and nothing of the chunk need be read.
    fn free_chunk_start(&self, at: usize) -> usize {
        if at == self.start {
            return at;
        }
        // SAFETY: The bits from the start up to the top have been cleared before.
        let before = unsafe { self.bits.last_mark(self.start, at - 1) };
        let own = self.own.chunk.start;
        // SAFETY: As above.
        let is_free = |before: &usize| unsafe { self.bits.mark(*before) } == Mark::Free;
        before.filter(is_free).filter(|before| !(*before..at).contains(&own)).unwrap_or(at)
    }

    /// The chunk that starts at granule `at`, as it is told to others.
    fn chunk(&self, at: usize) -> Option<Chunk> {
        let (kind, end) = self.chunk_from(at)?;
        Some(Chunk { kind, span: self.span_of(at..end) })
    }

    /// The first chunk.
    pub(crate) fn first_chunk(&self) -> Option<Chunk> {
        if self.is_blank() { None } else { self.chunk(self.extent().start) }
    }

    /// The chunk after one that ends before an address.
    pub(crate) fn chunk_after(&self, addr: usize) -> Option<Chunk> {
        self.chunk(self.window.granule(addr))
    }

    /// Notes here the blocks of `upper`, another arena, of whose granules `here` tells the numbers
    /// here. One of them may be the own chunk by now.
    ///
    /// # Safety
    ///
    /// The bitmap covers these granules, and its words have been cleared.
    pub(super) unsafe fn adopt_marks(&mut self, upper: &Self, here: impl Fn(usize) -> usize) {
        let mut at = upper.start;
        while let Some((kind, end)) = upper.chunk_from(at) {
            // The quick lists are empty.
            if kind == ChunkKind::Used && here(at) != self.own.chunk.start {
                let _ = self.hand_out(here(at), end - at);
            }
            at = end;
        }
    }
}
