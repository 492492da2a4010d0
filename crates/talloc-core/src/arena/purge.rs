//! Purging free memory in steps: what [`discard`](super::discard) does at once.
//!
//! A sweep visits the bins from the last one down, because one call for a large chunk gives back most. The program runs
//! between the steps of a sweep, and changes the bins. A [`Cursor`] therefore counts the chunks that the sweep has
//! passed, and refers to none. If chunks come or go meanwhile, the sweep may skip a chunk or purge one twice, which is
//! harmless.

use talloc_span::{Align, Span};

use super::Arena;
use crate::bin::BinIndex;
use crate::binning::Binning;
use crate::config::Config;
use crate::free_chunk::FreeChunk;
use crate::granule::{GRANULE, min_linked};
use crate::memory::Memory;

/// How many chunks of a bin a sweep visits. Each step walks over those that are done again, so the walk is bounded.
/// A sweep that passes so many chunks finds enough to purge in other bins.
const MAX_PASSED: usize = 1 << 14;

/// Where a sweep is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The number, in the order of claiming, from which on arenas are left.
    pub(crate) number: u64,
    /// Bins of the next arena that are done, from the last one down.
    bins: usize,
    /// Chunks of the next bin that are done, from the first one on.
    chunks: usize,
    /// Granules of the next chunk that are done, from the first one on.
    granules: usize,
}

impl Cursor {
    pub(crate) const START: Self = Self { number: 0, bins: 0, chunks: 0, granules: 0 };

    /// Whether nothing has been passed.
    pub(crate) fn is_start(&self) -> bool {
        *self == Self::START
    }

    /// Begins with the arena of that number, unless the sweep is in the middle of it.
    pub(crate) fn enter(&mut self, number: u64) {
        if number != self.number {
            *self = Self { number, ..Self::START };
        }
    }

    /// Moves on from the arena of that number to the next one.
    pub(crate) fn pass(&mut self, number: u64) {
        *self = Self { number: number + 1, ..Self::START };
    }

    fn next_bin(&mut self) {
        (self.bins, self.chunks, self.granules) = (self.bins + 1, 0, 0);
    }

    fn next_chunk(&mut self) {
        (self.chunks, self.granules) = (self.chunks + 1, 0);
    }
}

/// What one step may purge, and what it has purged.
#[derive(Debug)]
pub(crate) struct Step {
    /// Pieces have at least as many bytes, in whole multiples of the unit.
    pub(crate) min: usize,
    pub(crate) unit: Align,
    /// How many bytes and pieces may still be purged.
    pub(crate) bytes: usize,
    pub(crate) pieces: usize,
    /// Bytes that have been purged above all blocks of an arena, and between them.
    pub(crate) of_tops: usize,
    pub(crate) of_chunks: usize,
}

impl Step {
    pub(crate) fn is_spent(&self) -> bool {
        self.pieces == 0 || self.bytes < self.min
    }

    fn count(&mut self, piece: &Span) {
        debug_assert!(
            self.pieces > 0 && piece.size() <= self.bytes,
            "the step may purge the piece"
        );
        self.pieces -= 1;
        self.bytes -= piece.size();
    }
}

impl<C: Config> Arena<C> {
    /// Bytes between the start and the end that may have been written to.
    pub(crate) fn touched(&self) -> usize {
        (self.cleared.min(self.end) - self.start) * GRANULE
    }

    /// The memory at the end that has not been written to since it was given or discarded.
    pub(crate) fn untouched(&self) -> Span {
        self.span_of(self.top..self.end).above(self.dirty_to())
    }

    /// Purges free memory from the cursor on, until the step is spent. Returns whether the sweep of this arena is done.
    ///
    /// # Safety
    ///
    /// When `purge` returns, its piece can be read and written. If it returns [`Memory::ZEROED`], the piece is zero.
    pub(crate) unsafe fn purge(
        &mut self,
        cursor: &mut Cursor,
        step: &mut Step,
        purge: &mut impl FnMut(Span) -> Memory,
    ) -> bool {
        self.purge_top(step, purge);
        let first = BinIndex::of_chunk::<C>(step.min / GRANULE).get();
        while let Some(bin) = BinIndex::new::<C>((C::Bins::LEN - 1).wrapping_sub(cursor.bins)) {
            if step.is_spent() {
                return false;
            }
            if bin.get() < first {
                break;
            }
            // SAFETY: What `purge` leaves can be used, as the contract of this function has it.
            unsafe { self.purge_bin(bin, cursor, step, purge) };
        }
        true
    }

    /// Purges the highest piece of the top that may have been written to.
    fn purge_top(&mut self, step: &mut Step, purge: &mut impl FnMut(Span) -> Memory) {
        let top = self.span_of(self.top..self.end);
        let Some(dirty) = top.below(self.dirty_to()).try_align_outward(step.unit) else { return };
        let dirty = top.align_inward(step.unit).fit_within(dirty);
        let piece = dirty.truncate(dirty.size().saturating_sub(step.bytes), 0);
        if piece.size() < step.min || step.is_spent() {
            return;
        }
        let is_zero = purge(piece).contains(Memory::ZEROED);
        self.renew(piece, is_zero);
        step.count(&piece);
        step.of_tops += piece.size();
    }

    /// Purges the chunks of a bin from the cursor on, which moves on to the next bin after all of them.
    ///
    /// # Safety
    ///
    /// As for [`purge`](Self::purge).
    unsafe fn purge_bin(
        &self,
        bin: BinIndex,
        cursor: &mut Cursor,
        step: &mut Step,
        purge: &mut impl FnMut(Span) -> Memory,
    ) {
        // What lies between a chunk's links and its end may change. Nothing else is read.
        for (passed, chunk) in self.chunks_in(bin).take(MAX_PASSED).enumerate() {
            if passed == cursor.chunks {
                // SAFETY: The chunk is in the bin. What `purge` leaves is what it says, by the contract of this
                // function.
                unsafe { self.purge_chunk(&chunk, cursor, step, purge) };
                if step.is_spent() {
                    return;
                }
                cursor.next_chunk();
            }
        }
        cursor.next_bin();
    }

    /// Purges the next piece of a free chunk.
    ///
    /// # Safety
    ///
    /// As for [`purge`](Self::purge); the chunk is in a bin.
    unsafe fn purge_chunk(
        &self,
        chunk: &FreeChunk,
        cursor: &mut Cursor,
        step: &mut Step,
        purge: &mut impl FnMut(Span) -> Memory,
    ) {
        let done = cursor.granules.max(min_linked::<C::Index>());
        if done + 1 >= chunk.len() {
            return;
        }
        let inner = self.span_of(chunk.at() + done..chunk.end() - 1).align_inward(step.unit);
        let piece = inner.truncate(0, inner.size().saturating_sub(step.bytes));
        if piece.size() < step.min {
            return;
        }
        debug_assert!(self.is_free_chunk(chunk.at(), chunk.len()), "I6: a bin holds free chunks");
        purge(piece);
        step.count(&piece);
        step.of_chunks += piece.size();
        let end = piece.acme().map_or(chunk.end(), |acme| self.window.granule(acme));
        debug_assert!(chunk.at() + done < end && end < chunk.end(), "the links and sizes stay");
        cursor.granules = end - chunk.at();
    }
}
