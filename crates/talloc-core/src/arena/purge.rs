//! Purging free memory piece by piece: what [`discard`](super::discard) does at once.
//!
//! A free chunk that has been purged, wholly or in part, says so in two words behind its links: in which
//! round, and how many of its granules from the first one on. The words are hints. Whatever stands there
//! in a chunk that has changed since, at worst it is purged in the next round instead of this one, or once
//! more.

use talloc_span::{Align, Span};

use super::{Arena, FreeChunk};
use crate::bin::BinIndex;
use crate::config::Config;
use crate::granule::{GRANULE, Index, min_linked};
use crate::memory::Memory;

/// The most chunks of a bin that are passed because they have been purged in this round.
const PASSED: usize = 4096;

/// Where a round of purging is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Tells rounds apart.
    pub(crate) number: u16,
    /// Pieces have at least as many bytes, in whole multiples of the unit,
    pub(crate) min: usize,
    /// and at most so many.
    pub(crate) max: usize,
    pub(crate) unit: Align,
}

impl<C: Config> Arena<C> {
    /// Bytes between the start and the end that may have been written to.
    pub(crate) fn touched(&self) -> usize {
        (self.cleared.min(self.end) - self.start) * GRANULE
    }

    /// Purges the highest piece of the top that may have been written to. Returns how many bytes it has.
    ///
    /// # Safety
    ///
    /// What `purge` leaves of a piece can be read and written, and is all zeros if it says so.
    pub(crate) unsafe fn purge_top(
        &mut self,
        round: &Round,
        purge: &mut impl FnMut(Span) -> Memory,
    ) -> Option<usize> {
        let top = self.span_of(self.top..self.end);
        let dirty = top.below(self.soiled_to()).try_align_outward(round.unit)?;
        let dirty = top.align_inward(round.unit).fit_within(dirty);
        let piece = dirty.truncate(dirty.size().saturating_sub(round.max), 0);
        if piece.size() < round.min {
            return None;
        }
        let is_zero = purge(piece).contains(Memory::ZEROED);
        self.renew(piece, is_zero);
        Some(piece.size())
    }

    /// Purges a piece of a free chunk in a bin up to the `last`th, the highest bins first. Returns how many
    /// bytes it has, and the number of the bin.
    ///
    /// # Safety
    ///
    /// As for [`purge_top`](Self::purge_top).
    pub(crate) unsafe fn purge_chunk(
        &mut self,
        round: &Round,
        last: usize,
        purge: &mut impl FnMut(Span) -> Memory,
    ) -> Option<(usize, usize)> {
        let first = BinIndex::of_chunk::<C>(round.min / GRANULE).get();
        let last = last.min(BinIndex::of_chunk::<C>(usize::MAX).get());
        for number in (first..=last).rev() {
            let Some(bin) = BinIndex::new::<C>(number) else { continue };
            let mut next = self.bins.first(bin);
            for _ in 0..PASSED {
                let Some(at) = next else { break };
                // SAFETY: What is in a bin is a free chunk, with links (I6).
                let chunk = unsafe { self.free_chunk(at) };
                // SAFETY: The chunk is in the bin; the caller vouches for what `purge` leaves.
                unsafe {
                    if let Some(bytes) = self.purge_some_of(&chunk, round, purge) {
                        return Some((bytes, number));
                    }
                    next = self.bins.next(self.window, &chunk);
                }
            }
        }
        None
    }

    /// Purges the first piece of a free chunk that has not been purged in this round.
    ///
    /// # Safety
    ///
    /// As for [`purge_top`](Self::purge_top); the chunk is in a bin.
    unsafe fn purge_some_of(
        &mut self,
        chunk: &FreeChunk,
        round: &Round,
        purge: &mut impl FnMut(Span) -> Memory,
    ) -> Option<usize> {
        let links = chunk.at() + min_linked::<C::Index>();
        // Behind the links is a granule for the hint, which stays.
        if chunk.len() < min_linked::<C::Index>() + 2 {
            return None;
        }
        let hint = self.window.ptr(links).cast::<[C::Index; 2]>();
        // SAFETY: A granule has room for two indices, and nobody uses the inner ones of a free chunk.
        let [number, done] = unsafe { hint.read_unaligned() };
        let done = if number.get() == usize::from(round.number) { done.get() } else { 0 };
        let inner = self.span_of(links + 1 + done.min(chunk.end() - links - 2)..chunk.end() - 1);
        let inner = inner.align_inward(round.unit);
        let piece = inner.truncate(0, inner.size().saturating_sub(round.max));
        if piece.size() < round.min {
            return None;
        }
        purge(piece);
        let end = piece.acme().map_or(chunk.end(), |acme| self.window.granule(acme));
        let done = [C::Index::new(round.number.into()), C::Index::new(end - links - 1)];
        // SAFETY: As above.
        unsafe { hint.write_unaligned(done) };
        Some(piece.size())
    }
}
