//! Inspection of the heap in a cell.

use core::fmt;

use talloc_core::{
    ArenaError, Config, Report, SharedHeap, SizeClasses, Span, Statistics, Talloc, Violation,
};

use super::TallocCell;

/// Inspection.
impl<C: Config, S> TallocCell<'_, C, S> {
    /// Returns the spans of all arenas, in the order of claiming.
    ///
    /// Arenas that are claimed during the iteration may be left out.
    pub fn arenas(&self) -> impl Iterator<Item = Span> + '_ {
        // Between two spans, the heap is not borrowed.
        (0..).map_while(|number| self.heap.with(|heap| heap.arenas().nth(number)))
    }

    /// Returns the span of the first arena; empty if there is none.
    #[must_use]
    pub fn get_arena(&self) -> Span {
        self.heap.with(|heap| heap.get_arena())
    }

    /// Returns the part of the first arena in which blocks may lie.
    #[must_use]
    pub fn get_allocatable_span(&self) -> Span {
        self.heap.with(|heap| heap.get_allocatable_span())
    }

    /// Returns a span in the first arena that contains all of its allocated blocks, and has room for the bitmap; see
    /// [`Talloc::get_allocated_span`].
    #[must_use]
    pub fn get_allocated_span(&self) -> Span {
        self.heap.with(Talloc::get_allocated_span)
    }

    /// Returns the [allocated span](Self::get_allocated_span) of the arena with the span `arena`.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NoSuchArena`].
    pub fn allocated_span_of(&self, arena: Span) -> Result<Span, ArenaError> {
        self.heap.with(|heap| heap.arena(arena).map(|mut arena| arena.allocated_span()))
    }

    /// Returns the heap's counters; see [`Inspect::statistics`](talloc_core::Inspect::statistics).
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.heap.statistics()
    }

    /// Returns the bytes of all allocated blocks; see [`Inspect::used_bytes`](talloc_core::Inspect::used_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// use core::mem::MaybeUninit;
    /// use talloc_sync::TallocCell;
    ///
    /// let mut memory = [MaybeUninit::uninit(); 10_000];
    /// let arena = TallocCell::new(&mut memory);
    /// assert_eq!((arena.used_bytes(), arena.peak_bytes()), (0, 0));
    /// assert!(arena.free_bytes() > 9_500);
    /// ```
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.heap.used_bytes()
    }

    /// Returns the free bytes; see [`Inspect::free_bytes`](talloc_core::Inspect::free_bytes).
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        self.heap.free_bytes()
    }

    /// Returns the most bytes that have been in use at once; see [`Inspect::peak_bytes`](talloc_core::Inspect::peak_bytes).
    #[must_use]
    pub fn peak_bytes(&self) -> usize {
        self.heap.peak_bytes()
    }

    /// Returns the size of the largest free chunk in bytes; see
    /// [`Inspect::largest_free_bytes`](talloc_core::Inspect::largest_free_bytes).
    #[must_use]
    pub fn largest_free_bytes(&self) -> usize {
        self.heap.largest_free_bytes()
    }

    /// Returns free and cached memory by size; see [`Inspect::size_classes`](talloc_core::Inspect::size_classes).
    #[must_use]
    pub fn size_classes(&self) -> SizeClasses {
        self.heap.size_classes()
    }

    /// Coalesces all blocks in the quick lists; see [`Talloc::flush`].
    pub fn flush(&self) {
        self.heap.with(Talloc::flush);
    }

    /// Checks every invariant of the heap, and counts chunks and bytes; see [`Talloc::verify`].
    ///
    /// # Errors
    ///
    /// The first [`Violation`] that is found. A cell with a violation must not be used any more.
    pub fn verify(&self) -> Result<Report, Violation> {
        self.heap.with(|heap| heap.verify())
    }
}

/// Prints the heap's [`Outline`](crate::Outline).
impl<C: Config, S> fmt::Debug for TallocCell<'_, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Do not borrow the heap while printing, which may allocate from this cell.
        let outline = self.heap.with(|heap| heap.inspect().outline());
        f.debug_tuple("TallocCell").field(&outline).finish()
    }
}
