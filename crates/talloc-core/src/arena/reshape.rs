//! Extending and truncating an arena at either end.
//!
//! Both are one operation. The memory from the lowest used chunk to the highest one must stay, where the arena's own
//! chunk does not count. The memory below and above is laid out anew, up to the new bounds. The bitmap moves if it does
//! not cover the new extent, or lies outside of it.

use core::ops::Range;

use talloc_span::Span;

use super::bits::UNIT;
use super::claim::usable;
use super::{Arena, Own, units_for};
use crate::config::{Config, Level};
use crate::error::ArenaError;
use crate::granule::GRANULE;
use crate::memory::Memory;

impl<C: Config> Arena<C> {
    /// The granules from the first allocated one to the last. `None` if nothing is allocated.
    ///
    /// The arena's own chunk does not count as allocated. Takes constant time.
    pub(crate) fn allocated(&self) -> Option<Range<usize>> {
        let mut first = self.start;
        // SAFETY: A chunk starts at `first`, so the bit tells whether it is free (I3).
        unsafe {
            loop {
                if first == self.top {
                    return None;
                } else if first == self.own.chunk.start {
                    first = self.own.chunk.end;
                } else if self.bits.get(first) {
                    match self.chunk_at(first) {
                        Some(chunk) => first = chunk.end(),
                        // Everything else may be allocated.
                        None => return Some(self.start..self.top),
                    }
                } else {
                    break;
                }
            }
        }
        let mut last = self.top;
        // SAFETY: A chunk ends at `last`, and an allocated one starts below it, so the loop stops.
        unsafe {
            loop {
                if last == self.own.chunk.end {
                    last = self.own.chunk.start;
                } else if C::ENCODED && !self.trusts_below(last) {
                    return Some(self.start..self.top);
                } else if self.bits.get(last - 1) {
                    last -= self.window.size_before(last);
                } else {
                    break;
                }
            }
        }
        Some(first..last)
    }

    /// A span that the arena can be truncated to. It can also be truncated to any span that contains this one.
    ///
    /// The span contains everything that is allocated, and a place for the own chunk. It is empty if nothing is
    /// allocated.
    pub(crate) fn least_span(&mut self) -> Span {
        // `reshape` does the same first.
        self.enclose_own();
        match self.allocated() {
            Some(allocated) => self.span_of(self.least_range(&allocated)),
            None => Span::empty(),
        }
    }

    /// A small range that covers all allocations, and has a place for the own chunk.
    ///
    /// That place lies between allocations, or else next to them. If there is room for it in neither, the range is all
    /// of the arena, and the own chunk stays where it is.
    fn least_range(&self, allocated: &Range<usize>) -> Range<usize> {
        let (start, end) = (allocated.start, allocated.end);
        let len = |range| Own::len::<C>(self.own.control, &units_for(range));
        // The own chunk's granules need bits, too, which make it larger. The size settles in a few rounds. If the chunk
        // lies below the allocations, its bits may begin in one more word.
        let own = (0..8).fold(len(start..end), |own, _| len(start..end + own));
        let below = |len| start.saturating_sub(len)..end;
        let above = |len| start..end + len;
        let extent = self.extent();
        [start..end, below(own), below(own + 1), above(own), above(own + 1)]
            .into_iter()
            .filter(|range| extent.start <= range.start && range.end <= extent.end)
            .find(|range| self.place_own(allocated, range).is_some())
            .unwrap_or(extent)
    }

    /// Makes `span` the extent of the arena, as far as the bitmap can be made to reach.
    ///
    /// # Errors
    ///
    /// See [`ArenaError`]. Nothing has changed then.
    ///
    /// # Safety
    ///
    /// What the span adds to the arena is memory as [`claim`](Arena::claim) takes it, and `memory` describes it truly.
    /// If the span has a pointer, it is valid for all of the span.
    pub(crate) unsafe fn reshape(&mut self, span: Span, memory: Memory) -> Result<(), ArenaError> {
        self.enclose_own();
        let (fresh, peak) = (self.fresh_after(span, memory), self.high_water());
        let is_reclaimable = self.is_reclaimable_after(span, memory);
        let Some(allocated) = self.allocated() else {
            // SAFETY: Nothing is allocated: the memory is as good as new.
            let new = unsafe { Self::claim_any(span, self.control_room(), Memory::empty()) }?;
            *self = Self { kind: self.kind, fresh, peak, is_reclaimable, ..new };
            return Ok(());
        };
        let range = self.range_of(span)?;
        if allocated.start < range.start || range.end < allocated.end {
            return Err(ArenaError::InUse);
        }
        let (range, own) = self.plan(&allocated, range).ok_or(ArenaError::InUse)?;
        (self.fresh, self.peak, self.is_reclaimable) = (fresh, peak, is_reclaimable);
        // SAFETY: The range contains all that is allocated, and `own` is a place in it that
        // nothing else is at.
        unsafe {
            self.take_apart(&allocated);
            self.adopt(span);
            let old = self.move_own(own, &allocated);
            self.lay_out(&allocated, range);
            if let Some(old) = old.filter(|old| allocated.contains(&old.start)) {
                self.release(old.start, old.len());
            }
        }
        debug_assert!(self.is_bounded(), "I1");
        debug_assert_eq!(self.allocated(), Some(allocated), "all blocks stay where they are");
        Ok(())
    }

    /// Whether the source may take free memory back, after `span` has become the arena's extent.
    pub(super) fn is_reclaimable_after(&self, span: Span, memory: Memory) -> bool {
        let was = self.is_reclaimable || self.span.is_empty();
        was && (self.span.contains_span(span) || memory.contains(Memory::RECLAIMABLE))
    }

    /// The granules that a span has in the window of the arena.
    fn range_of(&self, span: Span) -> Result<Range<usize>, ArenaError> {
        let (base, acme) = usable(span)?.get_base_acme().ok_or(ArenaError::InUse)?;
        // For an address below the window's origin, the number wraps to one that the window does not have.
        let start = self.window.granule(base);
        let len = (acme - base) / GRANULE;
        if self.window.holds(start, len) { Ok(start..start + len) } else { Err(ArenaError::TooFar) }
    }

    /// The granules of `range` that the arena will use, and the place of its own chunk.
    ///
    /// The arena uses all of `range` if there is a place for a bitmap that covers it. Otherwise it uses what the
    /// present bitmap covers, or at least what must stay. A later extension can make the rest usable.
    fn plan(&self, allocated: &Range<usize>, range: Range<usize>) -> Option<(Range<usize>, Own)> {
        let units = &self.own.units;
        let covered = units.start * UNIT + 1..units.end * UNIT;
        let least = self.least_range(allocated);
        [range.clone(), intersection(&range, &covered), intersection(&range, &least)]
            .into_iter()
            .find_map(|range| Some((range.clone(), self.place_own(allocated, &range)?)))
    }

    /// A place for the own chunk of an arena of the granules `range`. The present place is kept if it is suitable.
    /// Otherwise it is below or above all allocations, or else in a free chunk between them.
    fn place_own(&self, allocated: &Range<usize>, range: &Range<usize>) -> Option<Own> {
        let units = units_for(range.clone());
        let least = Own::len::<C>(self.own.control, &units);
        let own = &self.own;
        let within = range.start <= own.chunk.start && own.chunk.end <= range.end;
        let covers = own.units.start <= units.start && units.end <= own.units.end;
        // An own chunk of more than twice the size that is needed is worth moving.
        if within && covers && own.chunk.len() <= 2 * least {
            return Some(own.clone());
        }
        let roomy = self.roomy(&units, range);
        self.free_place(allocated, range, roomy)
            .or_else(|| self.free_place(allocated, range, units))
            .or_else(|| (within && covers).then(|| own.clone()))
    }

    /// The units of a bitmap, and an eighth more at each end where the arena is extended, for the next extension.
    fn roomy(&self, units: &Range<usize>, range: &Range<usize>) -> Range<usize> {
        let spare = |extended| if extended { units.len() / 8 } else { 0 };
        let below = spare(range.start < self.extent().start).min(units.start);
        units.start - below..units.end + spare(range.end > self.end)
    }

    /// A place for an own chunk with `units` that is free, apart from the present own chunk.
    fn free_place(
        &self,
        allocated: &Range<usize>,
        range: &Range<usize>,
        units: Range<usize>,
    ) -> Option<Own> {
        let len = Own::len::<C>(self.own.control, &units);
        let at = if allocated.start - range.start >= len {
            range.start
        } else if range.end - allocated.end >= len {
            allocated.end
        } else {
            self.fit_between(allocated, len)?
        };
        Some(Own { chunk: at..at + len, control: self.own.control, units })
    }

    /// Takes the free chunks below and above the allocations out of their bins, and clears their bits.
    ///
    /// # Safety
    ///
    /// [`lay_out`](Self::lay_out) is called before the arena is used again: its granules are in no chunk until then.
    unsafe fn take_apart(&mut self, allocated: &Range<usize>) {
        debug_assert!(self.start <= allocated.start && allocated.end <= self.top, "I1");
        let mut at = self.start;
        while at != self.top {
            debug_assert!(at < self.top, "I1: the chunks cover the arena up to the top");
            if at == allocated.start {
                at = allocated.end;
            } else if at == self.own.chunk.start {
                at = self.own.chunk.end;
            } else {
                // SAFETY: A chunk starts here that is neither allocated nor the arena's own.
                unsafe {
                    let chunk = self.free_chunk(at);
                    self.unlink(&chunk);
                    self.bits.clear(at);
                    self.bits.clear(chunk.end() - 1);
                    at = chunk.end();
                }
            }
        }
    }

    /// Accesses the arena's memory through the pointer of `span` from now on, if it has one.
    pub(super) fn adopt(&mut self, span: Span) {
        self.span = span;
        if let Some(base) = span.get_base_ptr().filter(|_| span.has_provenance()) {
            self.window = self.window.with_provenance_of(base);
            self.bits = self.own_bits();
        }
    }

    /// Moves the own chunk to the place `own`. The caller moves the control block.
    ///
    /// Returns the granules of the old place, if the chunk has moved.
    ///
    /// # Safety
    ///
    /// [`take_apart`](Self::take_apart) has been called. The new place is not allocated. If it lies between
    /// allocations, a free chunk starts there.
    unsafe fn move_own(&mut self, own: Own, allocated: &Range<usize>) -> Option<Range<usize>> {
        if own == self.own {
            return None;
        }
        if allocated.contains(&own.chunk.start) {
            // SAFETY: A free chunk starts there that is large enough.
            unsafe {
                let chunk = self.free_chunk(own.chunk.start);
                self.unlink(&chunk);
                self.split(chunk, 0, own.chunk.len());
            }
        }
        // SAFETY: Nothing else is at the new place.
        Some(unsafe { self.move_bits(own) })
    }

    /// Moves the bits to the new own chunk. The caller moves the control block.
    ///
    /// Returns the granules of the old own chunk.
    ///
    /// # Safety
    ///
    /// Only the old own chunk may overlap the new place. The new bitmap covers all allocations that the old one covers.
    pub(super) unsafe fn move_bits(&mut self, own: Own) -> Range<usize> {
        let (bits, cleared) = (self.bits, self.cleared / UNIT);
        let old = core::mem::replace(&mut self.own, own);
        self.bits = self.own_bits();
        let units = &self.own.units;
        let kept = self.first_unit.max(units.start)..cleared.min(units.end);
        debug_assert!(kept.start <= kept.end, "both bitmaps cover all blocks");
        debug_assert!(Own::len::<C>(self.own.control, units) <= self.own.chunk.len(), "I8");
        // SAFETY: The units lie in the new bitmap and the old one. The places may overlap. The new chunk has room for
        // the canary behind the bitmap (I8).
        unsafe {
            self.bits.copy_units(bits, kept.clone());
            // Only now, because the canary may lie where the bits were.
            self.write_own_canary();
        }
        let (first, end) = (units.start, units.end);
        self.clear_at_claim(first..kept.start);
        self.clear_at_claim(kept.end..end);
        (self.first_unit, self.cleared) = (kept.start, kept.end * UNIT);
        old.chunk
    }

    /// Lays out the granules of `range` below and above the allocations.
    ///
    /// # Safety
    ///
    /// [`take_apart`](Self::take_apart) has been called, the bitmap covers the range, and the own
    /// chunk lies in it.
    unsafe fn lay_out(&mut self, allocated: &Range<usize>, range: Range<usize>) {
        let own = self.own.chunk.clone();
        debug_assert!(
            range.start <= own.start && own.end <= range.end,
            "I8: the own chunk is in it"
        );
        debug_assert!(range.start <= allocated.start && allocated.end <= range.end);
        let start = if own.start == range.start { own.end } else { range.start };
        let (below, above) = (start..allocated.start, allocated.end..range.end);
        self.clear_at_claim(self.end.div_ceil(UNIT)..range.end.div_ceil(UNIT));
        (self.start, self.end) = (start, range.end);
        let (below_own, above_own) = (below.contains(&own.start), above.contains(&own.start));
        self.top = if above_own { own.end } else { above.start };
        self.clear_bits_below();
        if self.top > self.cleared {
            self.clear_bits();
        }
        // SAFETY: Nobody uses the granules on either side of the own chunk. Only used chunks or the arena's ends touch
        // them.
        unsafe {
            if above_own {
                self.mark_free(above.start..own.start);
            }
            if below_own {
                self.mark_free(below.start..own.start);
                self.mark_free(own.end..below.end);
            } else {
                self.mark_free(below);
            }
        }
        debug_assert!(self.is_bounded(), "I1, I8");
        debug_assert!(self.is_used_before(self.top), "I4: no free chunk touches the top");
    }
}

/// The granules that both ranges have.
fn intersection(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    a.start.max(b.start)..a.end.min(b.end)
}
