//! Counting what is free in an arena.

use core::ops::Range;

use super::Arena;
use crate::bin::BinIndex;
use crate::chunk::{Chunk, ChunkKind};
use crate::config::Config;
use crate::granule::GRANULE;

impl<C: Config> Arena<C> {
    /// Bytes available for blocks: all but the arena's own chunk.
    pub(crate) fn capacity(&self) -> usize {
        let own = if self.is_split_by_own() { self.own.chunk.len() * GRANULE } else { 0 };
        self.size() - own
    }

    /// Bytes of the top.
    pub(crate) fn top_bytes(&self) -> usize {
        (self.end - self.top) * GRANULE
    }

    /// The addresses between the start and the top.
    pub(crate) fn below_top(&self) -> Range<usize> {
        self.window.addr(self.start)..self.window.addr(self.top)
    }

    /// Returns the free chunks in address order, then the top. If the arena is corrupt, the iterator ends early.
    pub(crate) fn free_chunks(&self) -> impl Iterator<Item = Chunk> + '_ {
        let mut at = self.start;
        let chunks = core::iter::from_fn(move || {
            // SAFETY: The bits below the top have been cleared before (I1). The search begins at the end of the
            // last free chunk, so the granule it finds is the first one of the next.
            let chunk = unsafe { self.free_chunk_or(self.bits.next(at, self.top)?) }?;
            at = chunk.end();
            Some(Chunk { kind: ChunkKind::Free, span: self.span_of(chunk.at()..chunk.end()) })
        });
        let top = Chunk { kind: ChunkKind::Top, span: self.span_of(self.top..self.end) };
        chunks.chain(Some(top).filter(|top| top.span.is_sized()))
    }

    /// Granules of the largest free chunk in the bins, or of the top.
    pub(crate) fn largest_free(&self) -> usize {
        let bins = core::iter::successors(self.bins.first_bin_from(0), |bin: &BinIndex| {
            self.bins.first_bin_from(bin.get() + 1)
        });
        let chunks = bins.last().into_iter().flat_map(|bin| self.chunks_in(bin));
        chunks.fold(self.end - self.top, |largest, chunk| largest.max(chunk.len()))
    }
}
