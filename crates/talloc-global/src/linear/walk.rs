//! Walks of the heap's chunks.

use core::iter;

use talloc_sync::{Chunk, ChunkKind, Span};

use super::memory::{GRANULE, load};
use super::{Linear, LinearMemory};

/// If the heap is corrupt, the walks end early.
impl<M: LinearMemory, const BINS: usize, const SPLIT: u32, const QUICK: usize>
    Linear<M, BINS, SPLIT, QUICK>
{
    /// Returns the free chunks in address order, then the top, then the blocks in the quick lists.
    ///
    /// Takes time in proportion to the free chunks, and to the bitmap.
    pub(crate) fn free_chunks(&self) -> impl Iterator<Item = Chunk> + '_ {
        self.free_below_top().chain(self.top_chunk()).chain(self.cached_chunks())
    }

    /// Returns the chunks that cover the heap's memory, in address order, then the blocks in the quick lists. Gaps between
    /// two pieces of the memory are parts of chunks of the kind `Blocks`.
    pub(crate) fn memory_map(&self) -> impl Iterator<Item = Chunk> + '_ {
        let blocks = self.roots + if self.acme == 0 { 0 } else { Self::ROOTS };
        let roots = chunk(ChunkKind::Own, self.roots, blocks);
        let bitmap = chunk(ChunkKind::Own, self.end, self.acme);
        let below = self.below_top(blocks).chain(self.top_chunk());
        roots.into_iter().chain(below).chain(bitmap).chain(self.cached_chunks())
    }

    /// Returns the size of the largest free chunk in the bins, or of the top, in bytes. Chunks of one granule are in no
    /// bin, because no block fits in them.
    ///
    /// Takes time in proportion to the number of chunks in the last bin that is not empty.
    pub(crate) fn largest_free_bytes(&self) -> usize {
        let root = self.map.checked_ilog2().map_or(0, |bin| self.root(bin as usize));
        // SAFETY: The chunks of a bin have links and sizes (L2, L5). If the bin is empty, `after` is not called.
        let after = |chunk: usize| unsafe { Self::next(chunk) };
        let chunks =
            iter::successors((root != 0).then(|| after(root)), |chunk| Some(after(*chunk)));
        // SAFETY: The chunks of a bin have sizes (L2, L5).
        let sizes = chunks.take_while(|chunk| *chunk != root).map(|chunk| unsafe { load(chunk) });
        sizes.fold(self.end - self.top, usize::max)
    }

    /// Returns the top, unless it is empty.
    fn top_chunk(&self) -> Option<Chunk> {
        chunk(ChunkKind::Top, self.top, self.end)
    }

    /// Returns the free chunks below the top.
    fn free_below_top(&self) -> impl Iterator<Item = Chunk> + '_ {
        let mut at = self.base;
        iter::from_fn(move || {
            let first = self.next_edge(at, self.top)?;
            // SAFETY: `first` is the first granule of a free chunk, which stores its size there (L2, L3).
            let len = unsafe { load(first) };
            if len == 0 || len % GRANULE != 0 || len > self.top - first {
                return None;
            }
            at = first + len;
            chunk(ChunkKind::Free, first, at)
        })
    }

    /// Returns the free chunks from `at` up to the top, and the used memory between them.
    fn below_top(&self, mut at: usize) -> impl Iterator<Item = Chunk> + '_ {
        let mut free = self.free_below_top().peekable();
        iter::from_fn(move || {
            let next = free.peek().and_then(|chunk| chunk.span.base()).unwrap_or(self.top);
            let found = if next > at { chunk(ChunkKind::Blocks, at, next) } else { free.next() };
            at = found.and_then(|chunk| chunk.span.acme()).unwrap_or(self.top);
            found
        })
    }

    /// Returns the blocks in the quick lists.
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

/// Returns the chunk between two addresses, unless it has no bytes.
fn chunk(kind: ChunkKind, base: usize, acme: usize) -> Option<Chunk> {
    let span = Span::try_from_base_size(base, acme - base)?;
    (!span.is_empty()).then_some(Chunk { kind, span })
}
