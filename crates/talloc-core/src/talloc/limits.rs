//! How much caches may hold.

use super::Talloc;
use crate::config::Config;
use crate::granule::GRANULE;
use crate::quick::Lists;
use crate::source::Source;

/// The part of small arenas that the quick lists may hold is one in as many.
const SMALL_SHARE: usize = 16;

/// The part of what goes beyond [`SMALL`] is one in as many.
const LARGE_SHARE: usize = 256;

/// Bytes of all arenas, up to which they are small.
const SMALL: usize = 1 << 20;

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// The bytes that caches take a share of: those of the arenas, but, if the source counts what is in
    /// use, no more than twice that, so that the caches of a heap that is nearly empty are, too.
    pub fn cacheable(&self) -> usize {
        let bytes = self.places().map(|place| self.peek(place).size()).sum();
        self.source.used().map_or(bytes, |used| bytes.min(2 * used.max(SMALL)))
    }

    /// Bounds the quick lists by what the heap has, but not below what they hold.
    pub(super) fn limit_quick(&mut self) {
        self.quick.set_limit(self.quick_limit().max(self.quick.cached()));
    }

    /// Lets the quick lists, which hold too much, hold more if what is in use has become more. Returns
    /// whether that is enough.
    pub(super) fn raise_quick(&mut self) -> bool {
        if self.source.used().is_none() {
            return false;
        }
        let limit = self.quick.limit().max(self.quick_limit());
        self.quick.set_limit(limit);
        self.quick.cached() <= limit
    }

    /// Granules that the quick lists may hold.
    fn quick_limit(&self) -> usize {
        let bytes = self.cacheable();
        let share = bytes.min(SMALL) / SMALL_SHARE + bytes.saturating_sub(SMALL) / LARGE_SHARE;
        share.min(C::QUICK_BYTES) / GRANULE
    }
}
