//! What lies in an arena, from its lowest address up.

use super::Arena;
use crate::chunk::{Chunk, ChunkKind};
use crate::config::{Config, Level};

impl<C: Config> Arena<C> {
    /// Returns all chunks in address order. Where the heap does not know where blocks end, adjacent ones are one
    /// chunk of the kind [`ChunkKind::Blocks`]. If the arena is corrupt, the iterator ends early.
    pub(crate) fn memory_map(&self) -> impl Iterator<Item = Chunk> + '_ {
        let all = if self.is_blank() { 0..0 } else { self.extent() };
        let mut at = all.start;
        core::iter::from_fn(move || {
            let (kind, end) = if at < all.end { self.known_from(at)? } else { return None };
            let span = self.span_of(at..end);
            at = end;
            Some(Chunk { kind, span })
        })
    }

    /// The chunk or the run of blocks that starts at granule `at`: what it is, and where it ends. `None` if the
    /// arena is corrupt there.
    fn known_from(&self, at: usize) -> Option<(ChunkKind, usize)> {
        let own = self.own.chunk.start;
        if C::CHECKED || at == own || at >= self.top {
            return self.chunk_from(at);
        }
        let limit = if at < own { own.min(self.top) } else { self.top };
        // SAFETY: The bits below the top have been cleared before (I1).
        match unsafe { self.bits.next(at, limit) } {
            Some(free) if free == at => {
                // SAFETY: The granule before it is none of a free chunk's, so it is the first one of this chunk.
                let chunk = unsafe { self.free_chunk_or(at) }?;
                Some((ChunkKind::Free, chunk.end()))
            }
            Some(free) => Some((ChunkKind::Blocks, free)),
            None => Some((ChunkKind::Blocks, limit)),
        }
    }
}
