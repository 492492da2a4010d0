//! Discarding the contents of free memory, so that an operating system can reuse it.
//!
//! ```text
//!          free, in a bin                          top             cleared          end
//!   | size, links | discarded | size |   ...  |  | discarded            | unused     |
//! ```
//!
//! In a free chunk, the memory between its links and the size at its end has no contents that matter. In the top, no
//! contents matter, and the part above everything that was ever in use is as it was given. Once the rest of the top is
//! discarded, all of the top is as good as new, and so are its bits.

use talloc_span::{Align, Span};

use super::Arena;
use super::bits::UNIT;
use super::fresh::Fresh;
use crate::bin::BinIndex;
use crate::config::Config;
use crate::free_chunk::FreeChunk;
use crate::granule::{GRANULE, min_linked};
use crate::memory::Memory;

impl<C: Config> Arena<C> {
    /// Calls `discard` with each piece of free memory that may have been written to. Pieces have `least` bytes or more,
    /// in whole multiples of `unit`. Returns how many bytes of the chunks are left.
    ///
    /// # Safety
    ///
    /// When `discard` returns, its piece can be read and written. If it returns [`Memory::ZEROED`], the piece is zero.
    pub(crate) unsafe fn discard(
        &mut self,
        unit: Align,
        least: usize,
        mut discard: impl FnMut(Span) -> Memory,
    ) -> usize {
        self.discard_top(unit, least, &mut discard);
        let least = least.max(GRANULE);
        let mut left = (self.top - self.start) * GRANULE;
        self.for_each_chunk(least / GRANULE, |arena, chunk| {
            let inner = chunk.at() + min_linked::<C::Index>()..chunk.end() - 1;
            let piece = arena.span_of(inner).align_inward(unit);
            if piece.size() >= least {
                debug_assert!(piece.size() <= left, "chunks do not overlap");
                discard(piece);
                left -= piece.size();
            }
        });
        left
    }

    /// Discards the part of the top that may have been written to, and the bits that stand for it.
    fn discard_top(&mut self, unit: Align, least: usize, discard: &mut impl FnMut(Span) -> Memory) {
        let top = self.span_of(self.top..self.end);
        let Some(dirty) = top.below(self.dirty_to()).try_align_outward(unit) else { return };
        // `unit` may reach beyond the memory that was written to. The memory there is as it was given, and is not lost.
        let piece = top.align_inward(unit).fit_within(dirty);
        let Some(base) = piece.base().filter(|_| piece.size() >= least.max(GRANULE)) else {
            return;
        };
        let is_zero = discard(piece).contains(Memory::ZEROED);
        let cleared = self.cleared / UNIT;
        self.renew(piece, is_zero);
        if C::CLEAR_AT_CLAIM {
            // The bits are cleared only once, so they must stay.
            return;
        }
        let first = self.window.granule(base).div_ceil(UNIT);
        let words = self.bits.span_of(first..cleared.max(first)).align_inward(unit);
        if words.size() >= least.max(GRANULE) {
            discard(words);
        }
    }

    /// Treats the top from a discarded piece on as memory that has never been used.
    pub(super) fn renew(&mut self, piece: Span, is_zero: bool) {
        let Some((base, acme)) = piece.get_base_acme() else { return };
        debug_assert!(self.window.addr(self.top) <= base && acme <= self.window.addr(self.end));
        let was_zero = self.zero_from();
        self.peak = self.high_water();
        let cleared = self.window.granule(base).next_multiple_of(UNIT);
        self.cleared = self.cleared.min(cleared);
        let zero = match is_zero {
            true if was_zero <= acme => self.window.addr(cleared),
            true => was_zero,
            // The piece may reach beyond the memory that was written to, and is not zero.
            false => was_zero.max(acme),
        };
        self.fresh = Fresh::zero_from(zero);
        debug_assert!(self.is_bounded(), "I1");
    }

    /// Calls `f` with each free chunk of `least` granules or more. The top is no chunk.
    fn for_each_chunk(&self, least: usize, mut f: impl FnMut(&Self, &FreeChunk)) {
        let mut from = BinIndex::of_chunk::<C>(least).get();
        while let Some(bin) = self.bins.first_bin_from(from) {
            // `f` may change what lies between a chunk's links and its end. Nothing else is read.
            self.chunks_in(bin).for_each(|chunk| f(self, &chunk));
            from = bin.get() + 1;
        }
    }
}
