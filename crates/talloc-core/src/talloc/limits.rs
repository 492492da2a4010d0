//! How much caches may hold.
//!
//! Blocks in caches are in the way of larger ones, so that what they may hold is a small share of
//! memory when that is short, and only small blocks are cached. As long as most of an arena is free in one
//! piece, there is plenty: the share is larger, and all blocks that have a list are.
//!
//! A program that takes down what it has built frees very many blocks in a row. To coalesce them is
//! work for nothing if it ends then, or goes on with the same sizes. So in such a lull, while there is
//! plenty, the lists keep them, and each request that asks the arenas for memory afterwards gives a few
//! back. It is the other way round if the source takes memory back. Then the lists give up more than they get:
//! blocks that stay there would lie scattered, and keep what is free from becoming whole again.

use super::{Inspect, Talloc};
use crate::config::Config;
use crate::granule::GRANULE;
use crate::quick::Lists;
use crate::source::Source;

/// The quick lists may hold one part in as many of memory, while there is plenty.
const SHARE: usize = 16;

/// Where memory is ample, one part in as many of what is in use, but at least so many bytes: programs with many
/// sizes need them, however little they have. A larger share makes threads faster whose blocks have some KiB
/// (`cargo xtask bench threads`), and heaps larger that are filled again and again (`cargo xtask bench hosted`).
const AMPLE_SHARE: usize = 8;
const AMPLE_LEAST: usize = 512 << 10;

/// Granules that the lists of a thread may hold that only frees what others have allocated, for which it has no use.
const CONSUMER: usize = (64 << 10) / GRANULE;

/// When memory is short, one in as many of the first MiB, and of the rest.
const SHORT_SHARES: [usize; 2] = [128, 4096];

/// And then only blocks are cached that are so small that there is room for as many of each size up to
/// theirs: of sizes with fewer, the one that is asked for is seldom there.
const OF_EACH: usize = 4;

const MIB: usize = 1 << 20;

/// So many overflows of the quick lists in a row, while nothing is asked of the arenas, are a lull.
const LULL: u16 = 8;

/// In a lull, the quick lists may hold one part in as many more at a time,
const LULL_SHARE: usize = 8;

/// or they give back so many more batches for each that they get, if the source takes memory back.
const LULL_BATCHES: usize = 2;

impl<C: Config, S: Source<C>> Inspect<'_, C, S> {
    /// Returns the bytes that caches take a share of: those of the arenas, or, if the source takes memory back,
    /// those in use, but at least a MiB: the caches of a heap that is nearly empty are nearly empty, too.
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

    /// Bounds the quick lists by what the heap has, but not below what they hold.
    pub(super) fn limit_quick(&mut self) {
        if C::Quick::CLASSES == 0 {
            return;
        }
        let bytes = self.cacheable();
        let [first, rest] = SHORT_SHARES;
        let least = bytes.min(MIB) / first + bytes.saturating_sub(MIB) / rest;
        self.quick.set_least(least.min(C::QUICK_BYTES) / GRANULE);
        self.limit_classes();
        self.lower_quick();
    }

    /// Bounds the sizes that are cached, if memory is short.
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

    /// Lets all blocks that have a list be cached, if there is plenty again. It is called when one of `len`
    /// granules has been given back that was not: no list may overflow any more, which would tell.
    #[inline(always)]
    pub(super) fn note_uncached(&mut self, len: usize) {
        if len < C::Quick::CLASSES && self.has_plenty() {
            self.quick.set_classes(C::Quick::CLASSES);
        }
    }

    /// Whether half of the arena where requests begin, or more, is free in one piece, or the source has more.
    fn has_plenty(&mut self) -> bool {
        S::IS_AMPLE || self.arenas.recent().is_mostly_top()
    }

    /// Lets the quick lists, which hold too much, hold more if there is plenty of memory. Returns
    /// whether that is enough.
    pub(super) fn raise_quick(&mut self) -> bool {
        self.limit_quick();
        let limit = if S::IS_AMPLE {
            self.ample_limit()
        } else if self.has_plenty() {
            (self.cacheable() / SHARE).min(C::QUICK_BYTES) / GRANULE
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
        (self.arenas.used() / AMPLE_SHARE).max(AMPLE_LEAST).min(C::QUICK_BYTES) / GRANULE
    }

    /// Decides about quick lists that hold too much: whether they may hold more if there is plenty of memory, or
    /// if this is a lull. Returns whether that is so.
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

    /// Lets the quick lists hold more if this is a lull and there is plenty of memory. Returns whether that is
    /// so.
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

    /// Ends what might have become a lull. If it is one, a batch is given back for each request, until
    /// the lists hold no more than they may.
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

    /// Lets the quick lists hold no more than they do, unless that is little, or memory is ample and this is no
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
