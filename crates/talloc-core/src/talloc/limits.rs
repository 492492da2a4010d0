//! How much caches may hold.
//!
//! Blocks in caches are in the way of larger ones, so that what they may hold is a small share of
//! memory when that is short. As long as most of an arena is free in one piece, it is a larger one.

use super::Talloc;
use crate::config::Config;
use crate::granule::GRANULE;
use crate::quick::Lists;
use crate::source::Source;

/// The quick lists may hold one part in as many of memory, while there is plenty.
const SHARE: usize = 16;

/// When memory is short, one in as many of the first MiB, and of the rest.
const SHORT_SHARES: [usize; 2] = [64, 256];

const MIB: usize = 1 << 20;

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// The bytes that caches take a share of: those of the arenas, but, if the source counts what is in
    /// use, no more than twice that, so that the caches of a heap that is nearly empty are, too.
    pub fn cacheable(&self) -> usize {
        let bytes = self.places().map(|place| self.peek(place).size()).sum();
        self.source.used().map_or(bytes, |used| bytes.min(2 * used.max(MIB)))
    }

    /// Bounds the quick lists by what the heap has, but not below what they hold.
    pub(super) fn limit_quick(&mut self) {
        let bytes = self.cacheable();
        let [first, rest] = SHORT_SHARES;
        let least = bytes.min(MIB) / first + bytes.saturating_sub(MIB) / rest;
        self.quick.set_least(least.min(C::QUICK_BYTES) / GRANULE);
        self.lower_quick();
    }

    /// Lets the quick lists, which hold too much, hold more if there is plenty of memory. Returns
    /// whether that is enough.
    pub(super) fn raise_quick(&mut self) -> bool {
        self.limit_quick();
        let limit = if self.recent().is_mostly_top() {
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

    /// Lets the quick lists hold no more than they do, unless that is little.
    pub(super) fn lower_quick(&mut self) {
        self.quick.set_limit(self.quick.least().max(self.quick.cached()));
    }
}
