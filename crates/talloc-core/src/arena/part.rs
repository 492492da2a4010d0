//! Arenas in a range of addresses whose upper part has no memory yet.
//!
//! The bitmap is laid out for the whole range when the arena is claimed, and never moves:
//!
//! ```text
//!   | own: control, bits ... (no memory yet), canary | used | free | ... top | no memory yet ... |
//!   ^                                                ^                       ^                   ^
//!   the range's base                                 start                   end                 the range's end
//! ```
//!
//! To raise the arena, the caller commits the memory above its end, and the units of bits that stand for it.

use talloc_span::Span;

use super::bits::{Bits, UNIT};
use super::{Arena, Control, Own, units_for};
use crate::config::{Config, Level, WindowOf};
use crate::error::ArenaError;
use crate::granule::GRANULE;

impl<C: Config> Arena<C> {
    /// How many bytes at the start of a range the arena needs for its own chunk.
    fn own_bytes_of(range: Span, control: Control) -> Result<usize, ArenaError> {
        let (base, reach) =
            (range.get_base_ptr().ok_or(ArenaError::TooSmall)?, range.size() / GRANULE);
        let (_, at) = WindowOf::<C>::around(base, reach).ok_or(ArenaError::TooFar)?;
        let units = units_for(at..at + reach);
        Ok(Own::len::<C>(control.len(), &units) * GRANULE)
    }

    /// The lower part of a range that makes an arena with room for `bytes` bytes of blocks. Also returns the two pieces
    /// of it that must be memory: the used part of the own chunk, and the memory for blocks, with the canary below it.
    ///
    /// # Errors
    ///
    /// [`ArenaError::TooSmall`] if the range has no such room, and [`ArenaError::TooFar`].
    pub(crate) fn part_of(
        range: Span,
        control: Control,
        bytes: usize,
    ) -> Result<(Span, [Span; 2]), ArenaError> {
        if !WindowOf::<C>::may_hold(range.size() / GRANULE) {
            return Err(ArenaError::TooFar);
        }
        let own = Self::own_bytes_of(range, control)?;
        let size = own.checked_add(bytes).filter(|size| *size <= range.size());
        let size = size.ok_or(ArenaError::TooSmall)?;
        let units = (size / GRANULE).div_ceil(UNIT) + 2;
        let bits = control.len() * GRANULE + units * Bits::<C>::BYTES;
        let low = |bytes: usize| range.truncate(0, range.size() - bytes);
        let part = low(size);
        let own = own - C::OWN_CANARY * GRANULE;
        Ok((part, [low(bits.min(own)), part.truncate(own, 0)]))
    }

    /// The two pieces that must be memory before [`raise_within`](Self::raise_within) raises the end by `more` bytes:
    /// the units of bits, and the memory above the end.
    ///
    /// # Errors
    ///
    /// [`ArenaError::TooFar`] if the bitmap has no room for so many, or lies above the end.
    pub(crate) fn parts_above(&self, more: usize) -> Result<[Span; 2], ArenaError> {
        if self.is_blank() || self.is_own_above() {
            return Err(ArenaError::TooFar);
        }
        let more = more / GRANULE;
        let units = units_for(self.start..self.end + more);
        if units.end > self.own.units.end || !self.window.holds(self.end, more) {
            return Err(ArenaError::TooFar);
        }
        let bits = self.bits.span_of(self.end / UNIT..units.end);
        Ok([bits, self.span_of(self.end..self.end + more)])
    }

    /// Raises the end by `more` bytes, which [`parts_above`](Self::parts_above) has granted.
    ///
    /// # Safety
    ///
    /// Both pieces are memory as [`claim`](Self::claim) takes it, through the arena's pointer. If the arena is zero
    /// above all memory that was ever used, so are the pieces.
    pub(crate) unsafe fn raise_within(&mut self, more: usize) {
        debug_assert!(self.parts_above(more).is_ok());
        let end = self.end + more / GRANULE;
        self.clear_at_claim(self.end.div_ceil(UNIT)..end.div_ceil(UNIT));
        self.end = end;
        self.span = self.span.extend(0, more / GRANULE * GRANULE);
        debug_assert!(self.is_bounded(), "I1");
    }

    /// The granules of a block with a layout, and the most granules that may be skipped to align it.
    pub(crate) fn needed_for(layout: core::alloc::Layout) -> (usize, usize) {
        (Self::block_len(layout.size()), layout.align() / GRANULE)
    }

    /// How many bytes the top lacks for a block of `len` granules after up to `lead` skipped ones.
    pub(crate) fn lacking(&self, len: usize, lead: usize) -> usize {
        (len + lead).saturating_sub(self.end - self.top) * GRANULE
    }
}
