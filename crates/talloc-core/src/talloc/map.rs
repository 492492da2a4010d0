//! What lies where in the arenas.

use super::arenas::Arenas;
use super::{Inspect, Talloc};
use crate::chunk::Chunk;
use crate::config::{Config, Level};

impl<'h, C: Config, S> Inspect<'h, C, S> {
    /// Returns what lies in the arenas: for each arena, chunks that cover it, in address order, then the blocks in
    /// the quick lists and the free pieces of slabs.
    ///
    /// Only a [`Checked`](crate::Checked) heap knows where a block ends. It returns each block as
    /// [`Used`](crate::ChunkKind::Used) or [`Cached`](crate::ChunkKind::Cached). In other heaps, adjacent blocks are
    /// one chunk of the kind [`Blocks`](crate::ChunkKind::Blocks), in which the cached blocks lie that follow.
    ///
    /// If an arena is corrupt, the iterator skips the rest of it. Takes time proportional to the free chunks and to
    /// one 512th of the arenas' used bytes, in a checked heap also to the blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{ChunkKind, Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// let layout = Layout::new::<[u64; 100]>();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     heap.malloc(layout)?;
    ///     heap.malloc(layout)?;
    /// }
    /// let map: Vec<_> = heap.inspect().memory_map().collect();
    /// let kinds: Vec<ChunkKind> = map.iter().map(|chunk| chunk.kind).collect();
    /// assert_eq!(kinds, [ChunkKind::Own, ChunkKind::Blocks, ChunkKind::Top]);
    /// assert_eq!(map[1].span.size(), 1600);
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub fn memory_map(self) -> impl Iterator<Item = Chunk> + use<'h, C, S> {
        // In a checked heap, the walk over the arenas has returned them.
        let cached = (!C::CHECKED).then(|| self.heap.cached_chunks());
        self.heap.arenas.memory_map().chain(cached.into_iter().flatten())
    }
}

impl<C: Config, S> Talloc<C, S> {
    /// [`Inspect::memory_map`] of the arenas of a heap whose lists somebody else uses. Cached blocks are parts of the
    /// chunks of the kind [`Blocks`](crate::ChunkKind::Blocks).
    ///
    /// # Safety
    ///
    /// As for [`statistics_of`](Self::statistics_of), for as long as the iterator is used.
    #[doc(hidden)]
    pub unsafe fn memory_map_of<'h>(
        this: *const Self,
    ) -> impl Iterator<Item = Chunk> + use<'h, C, S> {
        // SAFETY: Nobody changes the arenas meanwhile.
        let arenas: &'h Arenas<C> = unsafe { &(*this).arenas };
        arenas.memory_map()
    }
}

impl<C: Config> Arenas<C> {
    /// What lies in the arenas, one after the other.
    fn memory_map(&self) -> impl Iterator<Item = Chunk> + '_ {
        self.places().flat_map(|place| self.peek(place).memory_map())
    }
}
