//! Merging two arenas that touch.

use talloc_span::{Align, Span};

use super::bits::UNIT;
use super::{Arena, Own, units_for};
use crate::config::{Config, Level};
use crate::error::ArenaError;
use crate::granule::GRANULE;

impl<C: Config> Arena<C> {
    /// Takes over the memory and all chunks of `upper`, which begins where this arena ends. `span` is the memory of
    /// both. Neither arena is blank.
    ///
    /// The free chunks of `upper` are marked and binned here one by one. Its own chunk, and the memory between the
    /// arenas, becomes free.
    ///
    /// # Errors
    ///
    /// [`ArenaError::TooFar`] if this arena's links do not reach the end of `upper`, and [`ArenaError::InUse`] if
    /// neither arena has room for the larger bitmap. Nothing has changed then.
    ///
    /// # Safety
    ///
    /// The pointer of `span`, or of this arena's span if `span` has none, is valid for both arenas. If this succeeds,
    /// `upper` is not used any more.
    pub(crate) unsafe fn absorb(&mut self, upper: &mut Self, span: Span) -> Result<(), ArenaError> {
        debug_assert_eq!(self.span.acme(), upper.span.base(), "the arenas touch");
        debug_assert!(!self.is_blank() && !upper.is_blank());
        debug_assert_eq!(self.kind, upper.kind, "an arena is of one kind");
        self.enclose_own();
        upper.enclose_own();
        let base = self.extent().start;
        let len = (upper.window.addr(upper.end) - self.window.addr(base)) / GRANULE;
        if !self.window.holds(base, len) {
            return Err(ArenaError::TooFar);
        }
        let own = self.room_for_own(upper, base + len).ok_or(ArenaError::InUse)?;
        let (fresh, peak) = (upper.known_fresh(), self.high_water() + upper.high_water());
        let window = self.window;
        let here = |at| window.granule(upper.window.addr(at));
        let between = self.top..here(upper.start);
        // SAFETY: The granules of both arenas lie in the window, and the new bitmap covers them. Only this arena's old
        // top and own chunks are released, which nobody else uses.
        unsafe {
            self.adopt(span);
            let old = (own != self.own).then(|| self.move_bits(own));
            (self.fresh, self.peak) = (fresh, peak);
            self.is_reclaimable &= upper.is_reclaimable;
            self.clear_at_claim(self.end.div_ceil(UNIT)..(base + len).div_ceil(UNIT));
            (self.top, self.end) = (here(upper.top), base + len);
            if self.top > self.cleared {
                self.clear_bits();
            }
            // While the sizes of the free chunks are encoded as in their old arena.
            if C::CHECKED {
                self.adopt_marks(upper, here);
            }
            let mut at = upper.start;
            while let Some(first) = upper.bits.next(at, upper.top) {
                at = upper.free_chunk(first).end();
                self.mark_free(here(first)..here(at));
            }
            if upper.is_split_by_own() {
                self.release(here(upper.own.chunk.start), upper.own.chunk.len());
            }
            if !between.is_empty() {
                self.release(between.start, between.len());
            }
            if let Some(old) = old {
                if old.end == self.start {
                    self.start = old.start;
                    self.clear_bits_below();
                }
                self.release(old.start, old.len());
            }
        }
        debug_assert!(self.is_bounded(), "I1");
        debug_assert!(
            self.top == self.start || self.is_used_before(self.top),
            "I4: no free chunk touches the top"
        );
        Ok(())
    }

    /// An own chunk whose bitmap covers all granules up to `end`. It is the present one if that does, and otherwise a
    /// chunk that is allocated in this arena or in `upper`.
    fn room_for_own(&mut self, upper: &mut Self, end: usize) -> Option<Own> {
        let units = units_for(self.extent().start..end);
        if units.end <= self.own.units.end {
            return Some(self.own.clone());
        }
        let len = Own::len::<C>(self.own.control, &units);
        let at = match self.allocate(len, Align::MIN) {
            Some(at) => at,
            None => {
                let at = upper.allocate(len, Align::MIN)?;
                // It has the mark of a block until the arenas are one. `adopt_marks` leaves it out.
                let _ = upper.hand_out(at, len);
                self.window.granule(upper.window.addr(at))
            }
        };
        Some(Own { chunk: at..at + len, control: self.own.control, units })
    }
}
