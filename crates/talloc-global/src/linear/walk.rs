//! Walks of what the heap's memory holds.

use core::iter;

use talloc_sync::{Chunk, ChunkKind, Span};

use super::memory::{GRANULE, load};
use super::{Linear, LinearMemory};

/// The walks end early where the heap is corrupt.
impl<M: LinearMemory, const BINS: usize, const SPLIT: u32, const QUICK: usize>
    Linear<M, BINS, SPLIT, QUICK>
{
    /// The free chunks in address order, the top, and the blocks in the quick lists.
    ///
    /// Takes time in proportion to the free chunks, and to the bitmap.
    pub(crate) fn free_chunks(&self) -> impl Iterator<Item = Chunk> + '_ {
        self.free_below_top().chain(self.top_chunk()).chain(self.cached_chunks())
    }

    /// What lies in the heap's memory: chunks that cover it, in address order, then the blocks in the quick lists. What
    /// others have between two pieces of it is part of the chunks of the kind `Blocks`.
    pub(crate) fn memory_map(&self) -> impl Iterator<Item = Chunk> + '_ {
        let blocks = self.roots + if self.acme == 0 { 0 } else { Self::ROOTS };
        let roots = chunk(ChunkKind::Own, self.roots, blocks);
        let bitmap = chunk(ChunkKind::Own, self.end, self.acme);
        let below = self.below_top(blocks).chain(self.top_chunk());
        roots.into_iter().chain(below).chain(bitmap).chain(self.cached_chunks())
    }

    /// Bytes of the largest free chunk in the bins, or of the top. A chunk of a granule, in which no block fits, is in no
    /// bin.
    ///
    /// Takes time in proportion to the chunks in the last bin that has any.
    pub(crate) fn largest_free_bytes(&self) -> usize {
        let root = self.map.checked_ilog2().map_or(0, |bin| self.root(bin as usize));
        // SAFETY: A bin whose bit is set has chunks, which have links and sizes (L2, L5); without one, the root is not
        // followed.
        let after = |chunk: usize| unsafe { Self::next(chunk) };
        let chunks =
            iter::successors((root != 0).then(|| after(root)), |chunk| Some(after(*chunk)));
        // SAFETY: As above.
        let sizes = chunks.take_while(|chunk| *chunk != root).map(|chunk| unsafe { load(chunk) });
        sizes.fold(self.end - self.top, usize::max)
    }

    /// The top, if it has any bytes.
    fn top_chunk(&self) -> Option<Chunk> {
        chunk(ChunkKind::Top, self.top, self.end)
    }

    /// The free chunks below the top.
    fn free_below_top(&self) -> impl Iterator<Item = Chunk> + '_ {
        let mut at = self.base;
        iter::from_fn(move || {
            let first = self.next_edge(at, self.top)?;
            // SAFETY: It is the first granule of a free chunk, which has its size there (L2, L3).
            let len = unsafe { load(first) };
            if len == 0 || len % GRANULE != 0 || len > self.top - first {
                return None;
            }
            at = first + len;
            chunk(ChunkKind::Free, first, at)
        })
    }

    /// The free chunks from `at` up to the top, and what lies between them.
    fn below_top(&self, mut at: usize) -> impl Iterator<Item = Chunk> + '_ {
        let mut free = self.free_below_top().peekable();
        iter::from_fn(move || {
            let next = free.peek().and_then(|chunk| chunk.span.base()).unwrap_or(self.top);
            let found = if next > at { chunk(ChunkKind::Blocks, at, next) } else { free.next() };
            at = found.and_then(|chunk| chunk.span.acme()).unwrap_or(self.top);
            found
        })
    }

    /// The blocks in the quick lists.
    fn cached_chunks(&self) -> impl Iterator<Item = Chunk> + '_ {
        (0..QUICK).flat_map(move |granules| {
            let first = Some(self.quick.first(granules)).filter(|block| *block != 0);
            // SAFETY: A block on a list starts with its link.
            let after = |block: &usize| Some(unsafe { load(*block) }).filter(|next| *next != 0);
            let blocks = iter::successors(first, after);
            blocks.filter_map(move |at| chunk(ChunkKind::Cached, at, at + granules * GRANULE))
        })
    }
}

/// A chunk between two addresses, unless it has no bytes.
fn chunk(kind: ChunkKind, base: usize, acme: usize) -> Option<Chunk> {
    let span = Span::try_from_base_size(base, acme - base)?;
    (!span.is_empty()).then_some(Chunk { kind, span })
}
