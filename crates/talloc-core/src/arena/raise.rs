//! Extending an arena upwards, for sources whose memory grows at its end.
//!
//! The bitmap that covers more goes to the very end, above all that can be allocated:
//!
//! ```text
//!             start                top          end
//!               |                   |            |
//!   free chunk  | used | free | ... | never split| own: control, bits |
//! ```
//!
//! There it never keeps a block from growing. From the second time on, the old bitmap also lies at the end, and becomes
//! a part of the top.

use talloc_span::Span;

use super::bits::UNIT;
use super::{Arena, Own, units_for};
use crate::config::Config;
use crate::error::ArenaError;
use crate::granule::GRANULE;
use crate::memory::Memory;

impl<C: Config> Arena<C> {
    /// Whether the own chunk lies above all others.
    #[inline]
    pub(super) fn is_own_above(&self) -> bool {
        self.own.chunk.start == self.end && !self.is_blank()
    }

    /// Makes `span`, which starts where the arena does, the extent of the arena. The caller moves the control block.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Null`], [`ArenaError::TooFar`], and [`ArenaError::TooSmall`] if the larger bitmap
    /// has no room. Nothing has changed then.
    ///
    /// # Safety
    ///
    /// What the span adds to the arena is memory as [`claim`](Arena::claim) takes it, and `memory` describes it truly.
    /// If the span has a pointer, it is valid for all of the span.
    pub(crate) unsafe fn raise(&mut self, span: Span, memory: Memory) -> Result<(), ArenaError> {
        let fresh = self.fresh_after(span, memory);
        let is_reclaimable = self.is_reclaimable_after(span, memory);
        if self.is_blank() {
            // SAFETY: Nothing is allocated: the memory is as good as new.
            let new = unsafe { Self::claim_any(span, self.control_room(), Memory::empty()) }?;
            *self = Self { kind: self.kind, fresh, is_reclaimable, ..new };
            return Ok(());
        }
        let start = self.extent().start;
        let acme = span.acme().ok_or(ArenaError::Null)?;
        let end = start + (acme - self.window.addr(start)) / GRANULE;
        if !self.window.holds(start, end - start) {
            return Err(ArenaError::TooFar);
        }
        let units = units_for(start..end);
        let len = Own::len::<C>(self.own.control, &units);
        if end - self.top < len + Self::block_len(1) {
            return Err(ArenaError::TooSmall);
        }
        let above = self.is_own_above();
        let own = Own { chunk: end - len..end, control: self.own.control, units };
        // SAFETY: Only the own chunk may lie in the place of the new one, and the bits may be moved over it. The new
        // bitmap covers the arena. Nobody uses the memory of the old own chunk any more.
        unsafe {
            self.adopt(span);
            let old = self.move_bits(own);
            (self.end, self.fresh, self.is_reclaimable) = (end - len, fresh, is_reclaimable);
            if above {
                // The old bitmap has been written to.
                self.fresh = fresh.above(self.window.addr(old.end));
            } else {
                if old.end == self.start {
                    self.start = old.start;
                    self.clear_bits_below();
                }
                self.release(old.start, old.len());
            }
        }
        debug_assert!(self.is_bounded() && self.is_own_above(), "I1, I8");
        Ok(())
    }

    /// Makes the own chunk one of the chunks, if it lies above all of them.
    pub(super) fn enclose_own(&mut self) {
        if self.is_own_above() {
            let (lead, own) = (self.end - self.top, self.own.chunk.clone());
            self.end = own.end;
            let taken = self.take_top(lead, own.len());
            debug_assert_eq!(taken, Some(own.start));
            debug_assert!(self.cleared / UNIT <= self.own.units.end);
        }
    }
}
