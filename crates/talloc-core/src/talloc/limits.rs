//! The policy of the quick lists: how much they may hold.
//!
//! Cached blocks fragment the free memory. While memory is short, the lists may therefore hold only a small share of
//! it, and only small blocks are cached. While most of an arena is free in one piece, there is plenty: the share is
//! larger, and blocks of all sizes with a list are cached.
//!
//! A program that tears down a data structure frees very many blocks in a row. To coalesce them would be wasted work if
//! the program then ends, or allocates the same sizes again. In such a *lull*, while there is plenty, the lists keep
//! the blocks. Afterwards, each request to the arenas gives a few of them back. Programs that end after a teardown gain,
//! such as those of `cargo xtask bench traces`. A program that goes on pays for it, because it gets scattered blocks.
//!
//! If the source takes memory back, the lists do the opposite. They give up more blocks than they get, because scattered
//! cached blocks would keep free memory from becoming whole.

use super::{Inspect, Talloc};
use crate::config::Config;
use crate::granule::GRANULE;
use crate::quick::Lists;
use crate::source::Source;

/// While there is plenty, the quick lists may hold one part in `SHARE` of the memory.
const SHARE: usize = 16;

/// Where memory is ample, the quick lists may hold one part in `AMPLE_SHARE` of the memory in use, but at least
/// `AMPLE_LEAST` bytes, which a small program with many sizes needs. A larger share makes threads with blocks of some
/// KiB faster (`cargo xtask bench threads`), but makes heaps larger that are filled again and again (`cargo xtask bench
/// hosted`).
const AMPLE_SHARE: usize = 8;
const AMPLE_LEAST: usize = 512 << 10;

/// Granules that the lists of a consumer may hold: a thread that only frees blocks which other threads allocate. It
/// does not reuse them.
const CONSUMER: usize = (64 << 10) / GRANULE;

/// When memory is short, the quick lists may hold one part in 128 of the first MiB, and one in 4096 of the rest.
const SHORT_SHARES: [usize; 2] = [128, 4096];

/// When memory is short, only the smallest sizes are cached, as many as there is room for four blocks of each. A list
/// with fewer blocks is mostly empty when a block is requested.
const OF_EACH: usize = 4;

const MIB: usize = 1 << 20;

/// How many overflows of the quick lists in a row, without a request to the arenas, make a lull.
const LULL: u16 = 8;

/// In a lull, an overflow lets the quick lists hold one part in `LULL_SHARE` more,
const LULL_SHARE: usize = 8;

/// or gives back `LULL_BATCHES` more batches, if the source takes memory back.
const LULL_BATCHES: usize = 2;

impl<C: Config, S: Source<C>> Inspect<'_, C, S> {
    /// Returns the number of bytes of which caches may hold a share. These are the bytes of the arenas. If the source
    /// takes memory back, they are the bytes in use, but at least a MiB, so the caches shrink with the program's use.
    ///
    /// Takes constant time.
    #[must_use]
    pub fn cacheable(self) -> usize {
        self.heap.cacheable()
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// [`Inspect::cacheable`].
    fn cacheable(&self) -> usize {
        let bytes = self.arenas.size();
        if S::RECLAIMS { bytes.min(self.arenas.used().max(MIB)) } else { bytes }
    }

    /// Sets the bounds of the quick lists by the heap's memory. They are not set below what the lists hold.
    pub(super) fn limit_quick(&mut self) {
        self.limit_delay();
        if C::Quick::CLASSES == 0 {
            return;
        }
        let bytes = self.cacheable();
        let [first, rest] = SHORT_SHARES;
        let least = bytes.min(MIB) / first + bytes.saturating_sub(MIB) / rest;
        self.quick.set_least(least.min(C::Quick::BYTES) / GRANULE);
        self.limit_classes();
        self.lower_quick();
    }

    /// Sets which sizes are cached: all of them, or only small ones if memory is short.
    fn limit_classes(&mut self) {
        if self.has_plenty() {
            return self.quick.set_classes(C::Quick::CLASSES);
        }
        let (mut classes, mut room) = (1, self.quick.least() / OF_EACH);
        while classes <= room {
            room -= classes;
            classes += 1;
        }
        self.quick.set_classes(classes);
    }

    /// Lets all sizes with a list be cached, if there is plenty again. Called when a block of `len` granules was not
    /// cached. An overflow of a list would do the same, but the lists may not overflow any more.
    #[inline(always)]
    pub(super) fn note_uncached(&mut self, len: usize) {
        if len < C::Quick::CLASSES && self.has_plenty() {
            self.quick.set_classes(C::Quick::CLASSES);
        }
    }

    /// Whether there is plenty: half of the arena where requests begin is free in one piece, or the source is ample.
    fn has_plenty(&mut self) -> bool {
        S::IS_AMPLE || self.arenas.recent().is_mostly_top()
    }

    /// Raises the limit of the quick lists, which hold too much, if there is plenty. Returns whether they hold no more
    /// than the new limit.
    pub(super) fn raise_quick(&mut self) -> bool {
        self.limit_quick();
        let limit = if S::IS_AMPLE {
            self.ample_limit()
        } else if self.has_plenty() {
            (self.cacheable() / SHARE).min(C::Quick::BYTES) / GRANULE
        } else {
            self.quick.least()
        };
        let is_enough = self.quick.cached() <= limit;
        if is_enough {
            self.quick.set_limit(limit);
        }
        is_enough
    }

    /// Granules that the quick lists may hold where memory is ample.
    fn ample_limit(&self) -> usize {
        (self.arenas.used() / AMPLE_SHARE).max(AMPLE_LEAST).min(C::Quick::BYTES) / GRANULE
    }

    /// Decides whether quick lists that hold too much may keep it, because there is plenty, or because this is a lull.
    pub(super) fn may_hold_more(&mut self, has_strays: bool) -> bool {
        if self.quick.is_consumer() {
            return false;
        }
        if S::RECLAIMS && self.is_lull() {
            for _ in 0..LULL_BATCHES {
                self.flush_next();
            }
            return false;
        }
        self.raise_quick() || !S::RECLAIMS && !has_strays && self.raise_in_lull()
    }

    /// Whether very many blocks have been freed in a row.
    fn is_lull(&self) -> bool {
        self.quick.overflows() == LULL
    }

    /// Raises the limit of the quick lists if this is a lull and there is plenty. Returns whether it did.
    fn raise_in_lull(&mut self) -> bool {
        let may_rise = self.is_lull() && self.has_plenty();
        if may_rise {
            let cached = self.quick.cached();
            self.quick.set_limit(cached + cached / LULL_SHARE);
        }
        may_rise
    }

    /// Notes that the quick lists have held too much.
    pub(super) fn note_overflow(&mut self) {
        self.quick.set_overflows((self.quick.overflows() + 1).min(LULL));
    }

    /// Notes that the arenas are asked for a block.
    #[inline(always)]
    pub(super) fn note_demand(&mut self) {
        self.quick.note_request();
        if self.quick.overflows() > 0 {
            self.end_lull();
        }
    }

    /// Ends a series of overflows. After a lull, each request gives a batch of blocks back until the lists hold no more
    /// than they may.
    #[cold]
    #[inline(never)]
    fn end_lull(&mut self) {
        if self.quick.overflows() < LULL || self.raise_quick() {
            self.quick.set_overflows(0);
        } else {
            self.flush_next();
            self.lower_quick();
        }
    }

    /// Lowers the limit of the quick lists to what they hold, unless that is little, or memory is ample and this is no
    /// lull.
    pub(super) fn lower_quick(&mut self) {
        let least = if self.quick.is_consumer() {
            CONSUMER
        } else if S::IS_AMPLE && !self.is_lull() {
            self.ample_limit()
        } else {
            self.quick.least()
        };
        self.quick.set_limit(least.max(self.quick.cached()));
    }
}

#[cfg(test)]
mod tests {
    use core::alloc::Layout;
    use std::vec;
    use std::vec::Vec;

    use talloc_span::Span;

    use super::*;
    use crate::config::Compact;
    use crate::error::AllocError;

    /// A source that provides nothing but discards memory.
    struct Reclaiming;

    impl Source<Compact> for Reclaiming {
        const RECLAIMS: bool = true;

        fn acquire(_: &mut Talloc<Compact, Self>, _: Layout) -> Result<(), AllocError> {
            Err(AllocError)
        }
    }

    #[test]
    fn after_a_lull_each_request_gives_a_batch_back_until_the_lists_are_small() {
        const BATCH: usize = 32 * 96;
        let mut memory = vec![0_u8; MIB];
        let mut heap = Talloc::with_source(Reclaiming);
        let allocate = |heap: &mut Talloc<Compact, Reclaiming>, size| {
            let layout = Layout::from_size_align(size, 8).unwrap();
            // SAFETY: `malloc` has no preconditions.
            (unsafe { heap.malloc(layout) }.unwrap(), layout)
        };
        // SAFETY: The memory outlives the heap, and nothing else uses it.
        unsafe { heap.init(Span::from(&mut *memory)) };
        let blocks: Vec<_> = (0..600).map(|_| allocate(&mut heap, 96)).collect();
        for (block, layout) in blocks {
            // SAFETY: Each block is freed once, with its layout.
            unsafe { heap.free(block, layout) };
        }
        // Memory is short from now on.
        allocate(&mut heap, 600 << 10);
        heap.quick.set_overflows(LULL);
        let (mut before, mut requests) = (heap.inspect().cached_bytes(), 0);
        while heap.quick.overflows() > 0 {
            allocate(&mut heap, 2000);
            let after = heap.inspect().cached_bytes();
            assert!(after == before - BATCH || heap.quick.overflows() == 0, "{before}, {after}");
            (before, requests) = (after, requests + 1);
        }
        let least = heap.quick.least() * GRANULE;
        assert!(before <= least && before + BATCH > least, "{before} bytes are kept");
        assert!(requests > 10, "{requests} requests");
        assert!(heap.verify().is_ok());
    }
}
