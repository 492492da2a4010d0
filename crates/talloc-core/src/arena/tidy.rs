//! Moving the own chunk back to the start when nothing is allocated.

use super::bits::UNIT;
use super::{Arena, Own, units_for};
use crate::bin::Bins;
use crate::config::Config;

impl<C: Config> Arena<C> {
    /// Whether the arena is *untidy*: nothing is allocated, but the own chunk divides the free memory.
    pub(crate) fn is_untidy(&self) -> bool {
        let own = &self.own.chunk;
        // In an untidy arena, the own chunk ends at the top, and one free chunk lies below it.
        self.start < self.top
            && own.end == self.top
            // SAFETY: The bits below the top have been cleared before; what is marked is a free chunk.
            && unsafe {
                self.bits.get(self.start)
                    && self.chunk_at(self.start).is_some_and(|chunk| chunk.end() == own.start)
            }
    }

    /// Moves the own chunk of an [untidy](Self::is_untidy) arena to the start. The rest becomes one free chunk.
    /// The caller moves the control block.
    pub(crate) fn tidy(&mut self) {
        debug_assert!(self.is_untidy() && self.allocated().is_none(), "no block is in the arena");
        self.fresh = self.known_fresh();
        self.peak = self.peak.max(self.chunks_high_water());
        // Words to spare are no longer needed.
        self.own.units = units_for(self.start..self.end);
        let (start, len) = (self.start, Own::len::<C>(self.own.control, &self.own.units));
        self.own.chunk = start..start + len;
        self.bits = self.own_bits();
        self.bins = Bins::EMPTY;
        (self.start, self.top) = (start + len, start + len);
        self.first_unit = units_for(self.start..self.end).start;
        self.cleared = self.first_unit * UNIT;
        self.clear_at_claim(self.first_unit..self.end.div_ceil(UNIT));
        self.clear_bits();
        // SAFETY: The own chunk has room for the canary behind the bitmap, and nothing is allocated.
        unsafe { self.write_own_canary() };
        debug_assert!(self.is_bounded(), "I1");
        debug_assert!(
            !self.is_untidy() && self.allocated().is_none(),
            "all but the own chunk is top"
        );
    }
}
