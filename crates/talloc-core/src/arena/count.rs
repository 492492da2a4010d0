//! Counting what is free in an arena.

use super::Arena;
use crate::bin::BinIndex;
use crate::chunk::{Chunk, ChunkKind};
use crate::config::Config;
use crate::granule::GRANULE;

impl<C: Config> Arena<C> {
    /// Bytes that blocks may take up, without the own chunk.
    pub(crate) fn capacity(&self) -> usize {
        let own = if self.is_split_by_own() { self.own.chunk.len() * GRANULE } else { 0 };
        self.size() - own
    }

    /// Bytes of the top.
    pub(crate) fn top_bytes(&self) -> usize {
        (self.end - self.top) * GRANULE
    }

    /// The free chunks in the order of their addresses, and the top. If the arena is broken, those up to there.
    pub(crate) fn free_chunks(&self) -> impl Iterator<Item = Chunk> + '_ {
        let mut at = self.start;
        let chunks = core::iter::from_fn(move || {
            // SAFETY: All bits below the top have been cleared before they were ever set, and a granule that is marked
            // is the first one of a free chunk, since the search begins at the end of the last one.
            let chunk = unsafe { self.free_chunk_or(self.bits.next(at, self.top)?) }?;
            at = chunk.end();
            Some(Chunk { kind: ChunkKind::Free, span: self.span_of(chunk.at()..chunk.end()) })
        });
        let top = Chunk { kind: ChunkKind::Top, span: self.span_of(self.top..self.end) };
        chunks.chain(Some(top).filter(|top| top.span.is_sized()))
    }

    /// Granules of the largest free chunk that a block can be in.
    pub(crate) fn largest_free(&self) -> usize {
        let bins = core::iter::successors(self.bins.first_bin_from(0), |bin: &BinIndex| {
            self.bins.first_bin_from(bin.get() + 1)
        });
        let mut largest = self.end - self.top;
        let mut next = bins.last().and_then(|bin| self.bins.first(bin));
        while let Some(at) = next {
            // SAFETY: What is in a bin is a free chunk, with links (I6).
            let chunk = unsafe { self.free_chunk(at) };
            largest = largest.max(chunk.len());
            // SAFETY: As above.
            next = unsafe { self.bins.next(self.window, &chunk) };
        }
        largest
    }
}
