//! Making an arena of a piece of memory.

use core::ops::Range;

use talloc_span::{Align, Span};

use super::bits::{Bits, UNIT};
use super::fresh::Fresh;
use super::{Arena, Own, units_for};
use crate::config::{Config, Level, WindowOf, draw_canary_key, draw_key};
use crate::error::ArenaError;
use crate::granule::{GRANULE, granules};
use crate::memory::Memory;

/// The alignment of a granule.
const ALIGN: Align = Align::new(GRANULE).unwrap();

/// How many units of bits are cleared ahead of the top, so that it can rise several times before more must be cleared.
const CLEAR_AHEAD: usize = 7;

/// The room for the control block at the start of an arena's own chunk, in granules. It is 0 if the control block lies
/// elsewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Control(usize);

impl Control {
    /// The control block lies outside the own chunk.
    pub(crate) const OUTSIDE: Self = Self(0);

    /// The control block has `bytes` bytes, and lies at the start of the own chunk.
    pub(crate) const fn inside(bytes: usize) -> Self {
        Self(granules(bytes))
    }

    pub(super) fn len(self) -> usize {
        self.0
    }
}

impl<C: Config> Arena<C> {
    /// Makes an arena of `span`, with nothing allocated. Writes only a few words at its start.
    ///
    /// # Safety
    ///
    /// The memory can be read and written, through the span's pointer if it has one, and nobody else uses it.
    pub(crate) unsafe fn claim(
        span: Span,
        control: Control,
        memory: Memory,
    ) -> Result<Self, ArenaError> {
        // SAFETY: The caller gives the memory of the span.
        unsafe { Self::claim_part(span, span, control, memory) }
    }

    /// [`claim`](Self::claim) of `span`, the lower part of a range of addresses. The bitmap has room for the whole
    /// range, so the arena can be raised up to the range's end.
    ///
    /// # Safety
    ///
    /// As for [`claim`](Self::claim). Only the units of the bitmap that stand for `span` must be memory.
    pub(crate) unsafe fn claim_part(
        span: Span,
        range: Span,
        control: Control,
        memory: Memory,
    ) -> Result<Self, ArenaError> {
        let granules = usable(span)?;
        let len = granules.size() / GRANULE;
        let reach = usable(range)?.size() / GRANULE;
        if !WindowOf::<C>::may_hold(reach) {
            return Err(ArenaError::TooFar);
        }
        let base = granules.get_base_ptr().ok_or(ArenaError::TooSmall)?;
        let (window, at) = WindowOf::<C>::around(base, reach).ok_or(ArenaError::TooFar)?;
        let units = units_for(at..at + reach);
        let control = control.len();
        let own = Own::len::<C>(control, &units);
        if len < own + Self::block_len(1) {
            return Err(ArenaError::TooSmall);
        }
        let (start, end) = (at + own, at + len);
        let window = window.with_key(draw_key::<C>());
        let canary_key = draw_canary_key::<C>();
        let mut arena = Self { window, start, top: start, end, span, canary_key, ..Self::NONE };
        arena.first_unit = units_for(start..end).start;
        arena.cleared = arena.first_unit * UNIT;
        arena.own = Own { chunk: at..start, control, units };
        arena.bits = arena.own_bits();
        // SAFETY: The own chunk is new, and has room for it.
        unsafe { arena.write_own_canary() };
        arena.clear_at_claim(arena.first_unit..end.div_ceil(UNIT));
        arena.clear_bits();
        let is_zero = memory.contains(Memory::ZEROED);
        arena.is_reclaimable = memory.contains(Memory::RECLAIMABLE);
        arena.fresh =
            if is_zero { Fresh::zero_from(window.addr(arena.top)) } else { Fresh::UNWRITTEN };
        debug_assert!(arena.is_bounded(), "I1");
        debug_assert_eq!(arena.allocated(), None, "nothing is allocated in a new arena");
        Ok(arena)
    }

    /// Splits a span into the largest lower part that one arena can have, and the rest.
    pub(crate) fn split_at_reach(span: Span) -> (Span, Span) {
        let base = usable(span).ok().and_then(Span::base);
        let reach = Self::MAX_CLAIM.checked_mul(GRANULE);
        match base.zip(reach).and_then(|(base, reach)| base.checked_add(reach)) {
            Some(acme) if span.contains(acme) => span.split_at(acme),
            _ => (span, Span::empty()),
        }
    }

    /// [`claim`](Self::claim). A first arena that is too small to allocate from is no error.
    ///
    /// # Safety
    ///
    /// As for [`claim`](Self::claim).
    pub(crate) unsafe fn claim_any(
        span: Span,
        control: Control,
        memory: Memory,
    ) -> Result<Self, ArenaError> {
        // SAFETY: The caller gives the heap the memory, and `memory` describes it truly.
        match unsafe { Self::claim(span, control, memory) } {
            Err(ArenaError::TooSmall) if control == Control::OUTSIDE => {
                let is_reclaimable = memory.contains(Memory::RECLAIMABLE);
                Ok(Self { span, fresh: Fresh::UNWRITTEN, is_reclaimable, ..Self::NONE })
            }
            result => result,
        }
    }

    /// The room that this arena leaves for its control block.
    pub(super) fn control_room(&self) -> Control {
        Control(self.own.control)
    }

    /// The bits in the own chunk.
    pub(super) fn own_bits(&self) -> Bits<C> {
        let words = self.window.ptr(self.own.chunk.start + self.own.control);
        Bits::at(words, self.own.units.start)
    }

    /// Clears the units of bits up to the top that have never been cleared, and a few units ahead of it.
    ///
    /// With [`Config::CLEAR_AT_CLAIM`], the bits are clear already. Then this only notes how far memory has been used,
    /// in constant time.
    #[cold]
    pub(super) fn clear_bits(&mut self) {
        let start = self.cleared / UNIT;
        // If the arena is a part of a range, the units above its end are not memory yet.
        let end = (self.top.div_ceil(UNIT) + CLEAR_AHEAD).min(self.end.div_ceil(UNIT));
        debug_assert!(self.own.units.start <= start && start <= end && end <= self.own.units.end);
        if !C::CLEAR_AT_CLAIM {
            // SAFETY: The bitmap covers all granules up to the end.
            unsafe { self.bits.clear_units(start..end) };
        }
        self.cleared = end * UNIT;
    }

    /// Clears units of bits that are new to the arena, if [`Config::CLEAR_AT_CLAIM`] is set.
    pub(super) fn clear_at_claim(&mut self, units: Range<usize>) {
        if C::CLEAR_AT_CLAIM {
            debug_assert!(units.is_empty() || self.own.units.start <= units.start);
            debug_assert!(units.is_empty() || units.end <= self.own.units.end, "I1: in the bitmap");
            // SAFETY: The units lie in the bitmap, and no chunk has bits in them.
            unsafe { self.bits.clear_units(units) };
        }
    }

    /// Clears the lowest units of bits, down to that of the granule before the start, if they have never been cleared.
    pub(super) fn clear_bits_below(&mut self) {
        let first = units_for(self.start..self.end).start;
        debug_assert!(self.own.units.start <= first, "I1: the bitmap covers the start");
        if first < self.first_unit {
            // SAFETY: The bitmap covers all granules from the start on, and the one before.
            unsafe { self.bits.clear_units(first..self.first_unit) };
            self.first_unit = first;
        }
    }
}

impl Own {
    /// The granules of a chunk for a control block, units of bits and a canary. If all blocks take an even number of
    /// granules, so does the chunk: no hole divides it from the block above.
    pub(super) fn len<C: Config>(control: usize, units: &Range<usize>) -> usize {
        let len = control + granules(units.len() * Bits::<C>::BYTES) + C::OWN_CANARY;
        if C::EVEN { len + len % 2 } else { len }
    }
}

/// The whole granules of a span.
pub(super) fn usable(span: Span) -> Result<Span, ArenaError> {
    if span.contains(0) { Err(ArenaError::Null) } else { Ok(span.align_inward(ALIGN)) }
}
