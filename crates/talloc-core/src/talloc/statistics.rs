//! The heap's counters, and numbers that are computed on request.

use core::ptr::NonNull;

use talloc_span::Span;

use super::arenas::Arenas;
use super::{Inspect, Talloc};
use crate::checks::State;
use crate::chunk::{Chunk, ChunkKind};
use crate::config::{Config, Level, QuickOf};
use crate::granule::GRANULE;
use crate::quick::Lists;
use crate::size_classes::SizeClasses;
use crate::source::Source;
use crate::statistics::Statistics;

/// Counters. Reading them does not depend on the number of blocks.
impl<C: Config, S> Inspect<'_, C, S> {
    /// Bytes of all blocks that are allocated, each rounded up to what it takes of an arena.
    ///
    /// Takes constant time.
    #[inline]
    pub fn used_bytes(self) -> usize {
        self.heap.arenas.used().saturating_sub(self.cached_bytes())
    }

    /// Returns the free bytes: in chunks, in the tops, in the quick lists and in slabs.
    ///
    /// A request for fewer bytes may fail if the free memory is fragmented: see
    /// [`largest_free_bytes`](Self::largest_free_bytes). Takes a few steps per arena.
    pub fn free_bytes(self) -> usize {
        (self.heap.arenas.capacity() - self.heap.arenas.used()) + self.cached_bytes()
    }

    /// Bytes of the blocks that have been freed and are kept in the quick lists, and the free bytes of [slabs](crate::Slab).
    ///
    /// Takes constant time.
    #[inline]
    pub fn cached_bytes(self) -> usize {
        self.heap.quick.cached() * GRANULE + self.heap.spare_bytes() + self.heap.delayed_bytes()
    }

    /// The most bytes of the arenas that have been in use at once, those in quick lists and slabs included.
    ///
    /// Takes constant time.
    #[inline]
    pub fn peak_bytes(self) -> usize {
        self.heap.arenas.peak()
    }

    /// How many requests have failed.
    ///
    /// Takes constant time.
    #[inline]
    pub fn refused_requests(self) -> usize {
        self.heap.refused
    }
}

impl<C: Config, S> Talloc<C, S> {
    /// Stops counting a request that has failed, but was only the attempt to move a block that can stay.
    #[cold]
    pub(crate) fn forget_refusal(&mut self) {
        self.refused = self.refused.saturating_sub(1);
    }
}

impl<C: Config, S: Source<C>> Inspect<'_, C, S> {
    /// Returns the heap's counters. Takes a few steps per arena, independent of the number of blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// let layout = Layout::new::<[u8; 4000]>();
    /// // SAFETY: The memory is the heap's until neither is used any more, and the block is freed once.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     let block = heap.malloc(layout)?;
    ///     heap.free(block, layout);
    ///     assert!(heap.malloc(Layout::new::<[u8; 10_000]>()).is_err());
    /// }
    /// let statistics = heap.inspect().statistics();
    /// assert_eq!((statistics.used_bytes, statistics.peak_bytes), (0, 4000));
    /// assert_eq!(statistics.refused_requests, 1);
    /// println!("{statistics}");
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    #[must_use]
    pub fn statistics(self) -> Statistics {
        // SAFETY: The heap is borrowed.
        unsafe { Talloc::statistics_of(self.heap) }
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// [`Inspect::statistics`] of a heap whose quick lists another thread may use at the same time.
    ///
    /// # Safety
    ///
    /// `this` points to a heap. During the call, no thread changes the heap except for its quick lists, and accesses
    /// those only through raw pointers.
    #[doc(hidden)]
    pub unsafe fn statistics_of(this: *const Self) -> Statistics {
        // SAFETY: No thread changes the arenas, the source or `refused` during the call. The count of the lists is
        // atomic.
        unsafe {
            let mut statistics = (*this).arenas.statistics();
            statistics.heaps = 1;
            statistics.purged_bytes = (*this).source.purged_bytes();
            statistics.refused_requests = (*this).refused;
            // A hardened heap is not shared like that.
            let delayed = (*this).guard.get().map_or(0, |guard| guard.delayed.granules());
            let lists = &raw const (*this).quick;
            let cached = QuickOf::<C>::cached_at(lists) + QuickOf::<C>::spare_at(lists) + delayed;
            statistics.with_cached(cached * GRANULE)
        }
    }
}

/// Numbers that are computed on request.
impl<'h, C: Config, S> Inspect<'h, C, S> {
    /// Returns the size of the largest free chunk in bytes. A larger request succeeds only if coalescing cached
    /// blocks or the source makes room for it.
    ///
    /// Takes time in proportion to the free chunks of about that size, and to the arenas.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// let layout = Layout::new::<[u8; 2000]>();
    /// // SAFETY: The memory is the heap's until neither is used any more, and each block is freed once, with its layout.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     let blocks: Vec<_> = core::iter::from_fn(|| heap.malloc(layout).ok()).collect();
    ///     // Free memory between blocks does not coalesce.
    ///     heap.free(blocks[0], layout);
    ///     heap.free(blocks[2], layout);
    /// }
    /// assert!(heap.inspect().free_bytes() >= 4000);
    /// assert!(heap.inspect().largest_free_bytes() < 4000);
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub fn largest_free_bytes(self) -> usize {
        self.heap.arenas.largest_free_bytes()
    }

    /// Returns the free chunks and tops of all arenas, the blocks in the quick lists, and the free pieces of slabs. Chunks of
    /// one arena come in address order. [`chunks`](Self::chunks) of a [`Checked`](crate::Checked) heap also returns allocated
    /// blocks. If an arena is corrupt, the iterator skips the rest of it. Takes time proportional to the free chunks,
    /// and to one 512th of the arenas' used bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{ChunkKind, Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// let layout = Layout::new::<[u8; 4000]>();
    /// // SAFETY: The memory is the heap's until neither is used any more, and the block is freed once.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     let block = heap.malloc(layout)?;
    ///     heap.malloc(layout)?;
    ///     heap.free(block, layout);
    /// }
    /// let mut free = heap.inspect().free_chunks();
    /// assert_eq!(free.next().map(|chunk| (chunk.kind, chunk.span.size())), Some((ChunkKind::Free, 4000)));
    /// assert_eq!(free.next().map(|chunk| chunk.kind), Some(ChunkKind::Top));
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub fn free_chunks(self) -> impl Iterator<Item = Chunk> + use<'h, C, S> {
        self.heap.arenas.free_chunks().chain(self.heap.cached_chunks())
    }

    /// Returns the contents of the heap by size: free chunks, cached blocks and, in a [`Checked`](crate::Checked)
    /// heap, allocated blocks.
    ///
    /// Takes time as [`free_chunks`](Self::free_chunks) does; in a checked heap, in proportion to the blocks, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe { heap.init(Span::from(&mut memory)) };
    /// let classes = heap.inspect().size_classes();
    /// // All is one chunk.
    /// assert_eq!((classes.iter().count(), classes.total().free_chunks), (1, 1));
    /// ```
    #[must_use]
    pub fn size_classes(self) -> SizeClasses {
        let mut classes: SizeClasses = self.free_chunks().collect();
        if C::CHECKED {
            let next = |chunk: &Chunk| self.heap.next_chunk(Some(*chunk));
            let all = core::iter::successors(self.heap.next_chunk(None), next);
            all.filter(|chunk| chunk.kind == ChunkKind::Used)
                .for_each(|chunk| classes.count(&chunk));
        }
        classes
    }
}

impl<C: Config, S> Talloc<C, S> {
    /// [`Inspect::largest_free_bytes`] of a heap whose lists somebody else uses.
    ///
    /// # Safety
    ///
    /// As for [`statistics_of`](Self::statistics_of).
    #[doc(hidden)]
    pub unsafe fn largest_free_bytes_of(this: *const Self) -> usize {
        // SAFETY: Nobody changes the arenas meanwhile.
        unsafe { (*this).arenas.largest_free_bytes() }
    }

    /// The blocks in the quick lists, and the free pieces of slabs.
    pub(super) fn cached_chunks(&self) -> impl Iterator<Item = Chunk> + '_ {
        let listed = C::Quick::sizes().flat_map(move |len| {
            // A hardened heap follows no link that was overwritten.
            let is_sound =
                move |block: &NonNull<u8>| !C::ENCODED || self.len_of_cached(*block) == Some(len);
            let first = self.quick.first(len).filter(is_sound);
            let blocks = core::iter::successors(first, move |block| {
                // SAFETY: The block is on a quick list, so it starts with a link.
                unsafe { self.quick.after(*block) }.filter(is_sound)
            });
            blocks.map(move |block| (block, len))
        });
        let blocks = listed.chain(self.delayed_blocks()).map(|(block, len)| Chunk {
            kind: ChunkKind::Cached,
            span: Span::from_ptr_size(block.as_ptr(), len * GRANULE),
        });
        blocks.chain(self.spare_chunks())
    }

    /// [`Inspect::size_classes`] of the arenas of a heap whose lists somebody else uses.
    ///
    /// # Safety
    ///
    /// As for [`statistics_of`](Self::statistics_of).
    #[doc(hidden)]
    pub unsafe fn size_classes_of(this: *const Self) -> SizeClasses {
        // SAFETY: Nobody changes the arenas meanwhile.
        unsafe { (*this).arenas.free_chunks() }.collect()
    }
}

impl<C: Config> Arenas<C> {
    /// Bytes available for blocks: all but the arenas' own chunks.
    fn capacity(&self) -> usize {
        self.places().map(|place| self.peek(place).capacity()).sum()
    }

    /// Bytes of the largest free chunk.
    fn largest_free_bytes(&self) -> usize {
        let arenas = self.places().map(|place| self.peek(place));
        arenas.map(|arena| arena.largest_free() * GRANULE).max().unwrap_or(0)
    }

    /// The free chunks and the tops.
    fn free_chunks(&self) -> impl Iterator<Item = Chunk> + '_ {
        self.places().flat_map(|place| self.peek(place).free_chunks())
    }

    /// The counters of all arenas. Cached blocks count as used.
    fn statistics(&self) -> Statistics {
        let mut statistics = Statistics::default();
        let mut capacity = 0;
        let arenas = self.places().map(|place| self.peek(place));
        for arena in arenas.filter(|arena| arena.span().is_sized()) {
            statistics.arenas += 1;
            statistics.arena_bytes += arena.span().size();
            statistics.top_bytes += arena.top_bytes();
            statistics.touched_bytes += arena.touched();
            capacity += arena.capacity();
        }
        statistics.used_bytes = self.used();
        statistics.peak_bytes = self.peak();
        statistics.free_bytes = capacity - self.used();
        statistics.overhead_bytes = statistics.arena_bytes - capacity;
        statistics
    }
}
