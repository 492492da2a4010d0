//! The chunks of a checked heap, one by one.

use core::fmt;

use talloc_span::Span;

use super::Talloc;
use crate::chunk::{Chunk, ChunkKind};
use crate::config::Config;

/// An iterator over the chunks of a heap in the order of their addresses, returned by
/// [`Inspect::chunks`](crate::Inspect::chunks).
#[derive(Debug)]
pub struct Chunks<'heap, C: Config, S> {
    heap: &'heap Talloc<C, S>,
    last: Option<Chunk>,
}

impl<'heap, C: Config, S> Chunks<'heap, C, S> {
    pub(super) fn of(heap: &'heap Talloc<C, S>) -> Self {
        Self { heap, last: None }
    }
}

impl<C: Config, S> Clone for Chunks<'_, C, S> {
    fn clone(&self) -> Self {
        Self { heap: self.heap, last: self.last }
    }
}

impl<C: Config, S> Iterator for Chunks<'_, C, S> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let next = self.heap.next_chunk(self.last)?;
        self.last = Some(next);
        Some(next)
    }
}

impl<C: Config, S> core::iter::FusedIterator for Chunks<'_, C, S> {}

/// The blocks that are allocated in a heap, to print: see [`Inspect::leaks`](crate::Inspect::leaks).
pub struct Leaks<'heap, C: Config, S>(pub(super) Chunks<'heap, C, S>);

/// How many blocks `{}` prints. `{:#}` prints all of them.
const SHOWN: usize = 20;

impl<C: Config, S> Leaks<'_, C, S> {
    /// The allocated blocks, in the order of their addresses.
    pub fn blocks(&self) -> impl Iterator<Item = Span> + '_ {
        self.0.clone().filter(|chunk| chunk.kind == ChunkKind::Used).map(|chunk| chunk.span)
    }
}

impl<C: Config, S> fmt::Display for Leaks<'_, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, bytes) =
            self.blocks().fold((0, 0), |(count, bytes), block| (count + 1, bytes + block.size()));
        match count {
            0 => return f.write_str("nothing is allocated"),
            1 => write!(f, "1 block of {bytes} bytes is allocated:")?,
            _ => write!(f, "{count} blocks of {bytes} bytes in all are allocated:")?,
        }
        let shown = if f.alternate() { count } else { SHOWN.min(count) };
        for block in self.blocks().take(shown) {
            write!(f, "\n{:#x} {} bytes", block.base().unwrap_or(0), block.size())?;
        }
        if shown < count { write!(f, "\n... and {} more", count - shown) } else { Ok(()) }
    }
}

impl<C: Config, S> fmt::Debug for Leaks<'_, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.blocks()).finish()
    }
}
